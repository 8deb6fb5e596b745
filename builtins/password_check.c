/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/builtin.h"
#include "builtins/hash.h"
#include "builtins/ids.h"
#include "builtins/lines.h"

#define PASSWORD_CHECK(X)                                                                                            \
    X(INPUT, password, "lines", "the password: its first line")                                                      \
    X(INPUT, exposed_passwords, "lines", "passwords that are known to have leaked, one a line")

#define LINES_BETWEEN_PROGRESS (1U << 20)

static cella_status first_line(struct cella_builtin_call *call, struct cella_builtin_input *input,
                               const struct cella_hash_key *key, struct cella_hash *out)
{
    CELLA_CLEANUP(cella_lines_release) struct cella_lines lines;
    bool there = false;
    cella_lines_begin(&lines, input);
    CELLA_TRY(cella_lines_next(call, &lines, &there));
    struct cella_view line = cella_lines_trim(lines.line);
    if (!there || line.size == 0) {
        return cella_builtin_refuse(call, "password, line 1: is empty");
    }
    *out = cella_hash_of(key, line);
    return CELLA_OK;
}

/* Every line is looked at, and hashing takes a time that the line determines: none of it depends on the password. */
static cella_status look(struct cella_builtin_call *call, struct cella_builtin_input *input,
                         const struct cella_hash_key *key, struct cella_hash wanted, uint64_t *found)
{
    CELLA_CLEANUP(cella_ids_release) struct cella_ids ids = { 0 };
    struct cella_hash hashes[CELLA_IDS_BATCH];
    CELLA_TRY(cella_ids_begin(call, &ids, input, CELLA_IDS_LINES, "", (struct cella_view){ 0 }));
    for (;;) {
        CELLA_TRY(cella_ids_next(call, &ids));
        if (ids.count == 0) {
            return CELLA_OK;
        }
        cella_hash_many(key, ids.ids, ids.count, hashes);
        for (size_t i = 0; i < ids.count; i++) {
            uint64_t difference = (hashes[i].low ^ wanted.low) | (hashes[i].high ^ wanted.high);
            *found |= ~(difference | (0 - difference)) >> 63;
        }
        if ((ids.before + ids.count) % LINES_BETWEEN_PROGRESS < CELLA_IDS_BATCH) {
            CELLA_TRY(cella_builtin_progress(call, 0.5));
        }
    }
}

CELLA_BUILTIN(password_check, "password_check", PASSWORD_CHECK, .alias = "builtin-password-check", .version = "1",
              .documentation =
                  "Is a password in a list of passwords that leaked? Neither owner sees what the other one has. Blanks around "
                  "lines do not count. All of the list is read in any case, and the time that it takes does not depend on "
                  "the password: lines are compared by 128 bits of a hash whose key is drawn for each call.",
              .returns = "\"true\" or \"false\"",
              .limits = "None: the list is read as a stream, with memory for one line.",
              .example = ">>> cella.builtins.password_check(b\"secret\\n\", b\"123456\\nsecret\\n\")\n'true'\n")
{
    struct cella_hash_key key;
    struct cella_hash wanted = { 0 };
    uint64_t found = 0;
    CELLA_TRY(cella_hash_key_make(&key));
    CELLA_TRY(first_line(call, password, &key, &wanted));
    CELLA_TRY(look(call, exposed_passwords, &key, wanted, &found));
    return cella_builtin_result(call, "%s", found != 0 ? "true" : "false");
}
