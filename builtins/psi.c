/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/builtin.h"
#include "builtins/column_list.h"
#include "builtins/psi.h"

#define PSI(X)                                                                                                       \
    X(CHOICE, reveal, "flags|ids|size", "flags",                                                                     \
      "flags: an output holds one character for each line (or record) of its input, 1 if all parties have its id and " \
      "else 0. ids: each output holds the common ids, one a line, sorted by bytes. size: outputs stay empty")        \
    X(CHOICE, mode, "fast|oblivious", "fast",                                                                        \
      "oblivious: which memory is touched, and every branch, depends only on how many ids there are, how long they are and " \
      "where they stand in their files; takes several times as long")                                \
    X(CHOICE, form, "lines|csv", "lines", "lines: an id is a line. csv: an id is a field of a record")               \
    X(FLAG, header, "true", "csv: the first record of each input holds the columns' names")                          \
    X(TEXT, column, 0, 4096, "",                                                                                     \
      "csv: the column of the ids: a name, or without a header a number from 0; for each input its own, separated by | ;" \
      " if empty, the first column")                                                                                 \
    X(INPUTS, input, 2, 64, "lines or CSV", "the ids of one party")                                                  \
    X(OUTPUTS, output, 0, 64, "text", "for the party of the input with the same number; the last ones may be left out")

/* As the choices of reveal. */
enum reveal {
    REVEAL_FLAGS,
    REVEAL_IDS,
    REVEAL_SIZE,
};

#define IDS_BETWEEN_PROGRESS (1U << 20)

cella_status cella_psi_read(struct cella_psi *psi, struct cella_psi_party *party, cella_psi_take *take, void *context)
{
    CELLA_CLEANUP(cella_ids_release) struct cella_ids ids = { 0 };
    struct cella_hash hashes[CELLA_IDS_BATCH];
    double begun = (double) (party - psi->parties) / (double) psi->party_count;
    CELLA_TRY(cella_ids_begin(psi->call, &ids, party->input, psi->form, "column", party->column));
    for (;;) {
        CELLA_TRY(cella_ids_next(psi->call, &ids));
        party->count = ids.before + ids.count;
        if (ids.count == 0) {
            return CELLA_OK;
        }
        if (party->count > CELLA_PSI_IDS_MAX) {
            return cella_builtin_refuse(psi->call, "%s: more than %u lines", party->input->name, CELLA_PSI_IDS_MAX);
        }
        cella_hash_many(&psi->key, ids.ids, ids.count, hashes);
        CELLA_TRY(take(context, &ids, hashes));
        if (party->count % IDS_BETWEEN_PROGRESS < CELLA_IDS_BATCH) {
            CELLA_TRY(cella_builtin_progress(psi->call, begun / 2));
        }
    }
}

static void release_flags(struct cella_psi_party (*parties)[CELLA_BUILTIN_GROUP_MAX])
{
    for (size_t i = 0; i < CELLA_BUILTIN_GROUP_MAX; i++) {
        free((*parties)[i].flags);
    }
}

static cella_status check_outputs(struct cella_builtin_call *call, enum reveal reveal, size_t inputs,
                                  size_t outputs)
{
    if (reveal != REVEAL_SIZE && (outputs == 0 || outputs > inputs)) {
        return cella_builtin_refuse_argument(call, "%zu outputs for %zu inputs: there must be 1 to %zu, or reveal='size'",
                                             outputs, inputs, inputs);
    }
    return CELLA_OK;
}

static cella_status choose_columns(struct cella_psi *psi, struct cella_view text, struct cella_column_list *list)
{
    if (psi->form == CELLA_IDS_LINES) {
        if (text.size > 0) {
            return cella_builtin_refuse_argument(psi->call, "argument 'column' goes with form='csv' only");
        }
        return CELLA_OK;
    }
    if (text.size == 0) {
        return CELLA_OK;
    }
    CELLA_TRY(cella_column_list_parse(psi->call, "column", text, "inputs", psi->party_count, list));
    for (size_t i = 0; i < psi->party_count; i++) {
        size_t count;
        const struct cella_view *names = cella_column_list_of(list, i, &count);
        if (count != 1) {
            return cella_builtin_refuse_argument(psi->call, "argument 'column' names %zu columns of one input", count);
        }
        psi->parties[i].column = names[0];
    }
    return CELLA_OK;
}

static cella_status write_flags(const struct cella_psi *psi, struct cella_builtin_outputs *outputs)
{
    for (size_t i = 0; i < outputs->count; i++) {
        struct cella_view flags = cella_view_of(psi->parties[i].flags, psi->parties[i].count);
        CELLA_TRY(cella_builtin_output_write(&outputs->items[i], flags));
    }
    return CELLA_OK;
}

CELLA_BUILTIN(
    psi, "psi", PSI, .version = "1", .result = CELLA_BUILTIN_RESULT_JSON,
    .documentation =
        "Private set intersection: which ids do all parties have? Each party learns which of its own ids are common, or "
        "all common ids, or only how many there are. Blanks around an id do not count, an empty line is no id (its flag is 0). "
        "An id that stands several times in one input counts once, and all its lines have the same flag. Upper and lower "
        "case are different. Ids are compared by 96 bits of a hash whose key is drawn for each call: two of n different ids "
        "are taken for one with probability below n^2 / 2^97 (for two million: 1 in 2^55).",
    .returns = "{\"parties\": how many, \"common\": how many different ids all of them have}",
    .limits = "A task has at most 32 inputs, a script may give 64. 2^32 - 1 lines for each party, in oblivious mode for all together. About 17 bytes of memory for each line, and "
              "inputs need not fit into memory; reveal=\"ids\" keeps the first input in memory. Oblivious mode: 40 bytes for "
              "each line; with reveal=\"ids\", the first input's lines padded to its longest id, of at most 1,024 bytes.",
    .example = ">>> found = cella.builtins.psi(b\"ann\\nbob\\ncyd\\n\", b\"bob\\ndan\\ncyd\\n\")\n"
               ">>> found.output, found.returned\n"
               "([b'011', b'101'], {'parties': 2, 'common': 2})\n"
               ">>> cella.builtins.psi(b\"ann\\nbob\\n\", b\"bob\\ndan\\n\", reveal=\"ids\", mode=\"oblivious\").output\n"
               "[b'bob\\n', b'bob\\n']\n")
{
    CELLA_CLEANUP(release_flags) struct cella_psi_party parties[CELLA_BUILTIN_GROUP_MAX] = { 0 };
    CELLA_CLEANUP(cella_column_list_release) struct cella_column_list list = { 0 };
    struct cella_psi psi = { .call = call, .party_count = input->count, .parties = parties };
    psi.form = form == 0 ? CELLA_IDS_LINES : header ? CELLA_IDS_CSV : CELLA_IDS_CSV_NO_HEADER;
    enum reveal what = (enum reveal) reveal;
    CELLA_TRY(check_outputs(call, what, input->count, output->count));
    CELLA_TRY(choose_columns(&psi, *column, &list));
    for (size_t i = 0; i < input->count; i++) {
        parties[i].input = &input->items[i];
        parties[i].wanted = what == REVEAL_FLAGS ? i < output->count : what == REVEAL_IDS && i == 0;
    }
    if (what == REVEAL_IDS) {
        struct cella_view all;
        parties[0].once = true;
        CELLA_TRY(cella_builtin_input_all(parties[0].input, &all));
    }
    CELLA_TRY(cella_hash_key_make(&psi.key));
    CELLA_TRY(mode == 0 ? cella_psi_fast(&psi) : cella_psi_oblivious(&psi));
    if (what == REVEAL_FLAGS) {
        CELLA_TRY(write_flags(&psi, output));
    } else if (what == REVEAL_IDS) {
        CELLA_TRY(cella_psi_write_ids(&psi, mode == 1, output));
    }
    return cella_builtin_result(call, "{\"parties\": %zu, \"common\": %llu}", psi.party_count,
                                (unsigned long long) psi.common);
}
