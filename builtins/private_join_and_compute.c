/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/builtin.h"
#include "builtins/hash_table.h"
#include "builtins/ids.h"
#include "builtins/lines.h"
#include "builtins/text_order.h"

#include <inttypes.h>
#include <string.h>

#define PRIVATE_JOIN(X)                                                                                              \
    X(INTEGER, num_user, 2, 64, NULL, "how many parties: as many as there are inputs and outputs")                   \
    X(INPUTS, input_data, 2, 64, "lines", "lines \"id : amount\" of one party; amounts are whole numbers from 0")    \
    X(OUTPUTS, output_data, 2, 64, "lines", "lines \"id, sum\", sorted by the bytes of the id; the same for all")

/* Shorter lines are passed over, as Teaclave does. */
#define LINE_LEAST 3U
#define LINES_BETWEEN_PROGRESS (1U << 20)

/* An id of the first party. */
struct person {
    size_t offset; /* of the id in the text */
    size_t size;
    uint64_t sum;    /* of the parties before the last one that has it */
    uint64_t amount; /* of the last one that has it */
    uint32_t parties; /* how many have it: the first ones, without a gap */
    bool overflow;
};

struct join {
    struct cella_builtin_call *call;
    struct cella_hash_key key;
    struct cella_hash_table table; /* hash of an id: number of the person, from 1 */
    struct cella_bytes text;
    struct cella_bytes people;
    struct cella_bytes out;
    struct cella_text_entry *entries;
};

static void release(struct join *join)
{
    cella_hash_table_release(&join->table);
    cella_bytes_clear(&join->text);
    cella_bytes_clear(&join->people);
    cella_bytes_clear(&join->out);
    free(join->entries);
}

static struct person *person_at(const struct join *join, uint64_t number)
{
    return (struct person *) (void *) join->people.data + (number - 1);
}

/* Digits, and a plus before them as Rust allows. *fits is false beyond 64 bits. */
static bool parse_amount(struct cella_view text, uint64_t *amount, bool *fits)
{
    size_t at = text.size > 0 && text.data[0] == '+' ? 1 : 0;
    *amount = 0;
    *fits = true;
    if (at == text.size) {
        return false;
    }
    for (; at < text.size; at++) {
        if (text.data[at] < '0' || text.data[at] > '9') {
            return false;
        }
        *fits = *fits && !__builtin_mul_overflow(*amount, 10, amount) &&
                !__builtin_add_overflow(*amount, (uint64_t) (text.data[at] - '0'), amount);
    }
    return true;
}

/* Take a line apart. *id is empty if the line is to be passed over. */
static cella_status parse_line(struct join *join, const struct cella_ids *ids, size_t i, struct cella_view *id,
                               uint64_t *amount)
{
    struct cella_view line = ids->ids[i];
    *id = (struct cella_view){ 0 };
    const uint8_t *colon = line.size < LINE_LEAST ? NULL : memchr(line.data, ':', line.size);
    if (colon == NULL) {
        return CELLA_OK;
    }
    size_t before = (size_t) (colon - line.data);
    bool fits = true;
    struct cella_view digits = cella_lines_trim(cella_view_of(colon + 1, line.size - before - 1));
    if (!parse_amount(digits, amount, &fits)) {
        return CELLA_OK; /* a second colon is no digit either */
    }
    if (!fits) {
        return cella_builtin_refuse(join->call, "%s, line %" PRIu64 ": the amount is beyond 2^64 - 1", ids->input->name,
                                    ids->before + i + 1);
    }
    *id = cella_lines_trim(cella_view_of(line.data, before));
    return CELLA_OK;
}

static cella_status add_person(struct join *join, struct cella_view id, uint64_t amount, uint64_t *value)
{
    struct person person = { .offset = join->text.size, .size = id.size, .amount = amount, .parties = 1 };
    CELLA_TRY(cella_bytes_append(&join->text, id));
    CELLA_TRY(cella_bytes_append(&join->people, cella_view_of(&person, sizeof(person))));
    *value = join->people.size / sizeof(person);
    return CELLA_OK;
}

/* An id of party number party, from 0. Of several lines with the same id the last one counts, as Teaclave has it. */
static cella_status count_line(struct join *join, uint32_t party, struct cella_view id, struct cella_hash hash,
                               uint64_t amount)
{
    uint64_t number = 0;
    if (party == 0) {
        uint64_t *value;
        CELLA_TRY(cella_hash_table_add(&join->table, hash, &value));
        if (*value == 0) {
            return add_person(join, id, amount, value);
        }
        number = *value;
    } else {
        number = cella_hash_table_find(&join->table, hash);
    }
    if (number == 0) {
        return CELLA_OK;
    }
    struct person *person = person_at(join, number);
    if (person->parties == party) {
        person->overflow = __builtin_add_overflow(person->sum, person->amount, &person->sum) || person->overflow;
        person->parties++;
    }
    if (person->parties == party + 1) {
        person->amount = amount;
    }
    return CELLA_OK;
}

static cella_status take_batch(struct join *join, uint32_t party, const struct cella_ids *ids)
{
    struct cella_view names[CELLA_IDS_BATCH];
    struct cella_hash hashes[CELLA_IDS_BATCH];
    uint64_t amounts[CELLA_IDS_BATCH];
    size_t count = 0;
    for (size_t i = 0; i < ids->count; i++) {
        CELLA_TRY(parse_line(join, ids, i, &names[count], &amounts[count]));
        count += names[count].size > 0;
    }
    cella_hash_many(&join->key, names, count, hashes);
    for (size_t i = 0; i < count; i++) {
        cella_hash_table_prefetch(&join->table, hashes[i]);
    }
    for (size_t i = 0; i < count; i++) {
        CELLA_TRY(count_line(join, party, names[i], hashes[i], amounts[i]));
    }
    return CELLA_OK;
}

static cella_status read_party(struct join *join, struct cella_builtin_inputs *inputs, size_t party)
{
    CELLA_CLEANUP(cella_ids_release) struct cella_ids ids = { 0 };
    CELLA_TRY(cella_ids_begin(join->call, &ids, &inputs->items[party], CELLA_IDS_LINES, "", (struct cella_view){ 0 }));
    for (;;) {
        CELLA_TRY(cella_ids_next(join->call, &ids));
        if (ids.count == 0) {
            return CELLA_OK;
        }
        CELLA_TRY(take_batch(join, (uint32_t) party, &ids));
        if ((ids.before + ids.count) % LINES_BETWEEN_PROGRESS < CELLA_IDS_BATCH) {
            CELLA_TRY(cella_builtin_progress(join->call, (double) party / (double) inputs->count));
        }
    }
}

static cella_status write_sum(struct join *join, const struct cella_text_entry *id)
{
    const struct person *person = person_at(join, id->value);
    uint64_t sum = 0;
    if (__builtin_add_overflow(person->sum, person->amount, &sum) || person->overflow) {
        return cella_builtin_refuse(join->call, "the sum of the amounts for an id that all parties have is beyond 2^64 - 1");
    }
    char digits[32];
    int size = snprintf(digits, sizeof(digits), ", %" PRIu64 "\n", sum);
    CELLA_TRY(cella_bytes_append(&join->out, cella_view_of(id->data, id->size)));
    return cella_bytes_append(&join->out, cella_view_of(digits, (size_t) size));
}

/* The people that all parties have, in order. */
static cella_status write_sums(struct join *join, size_t party_count)
{
    size_t all = join->people.size / sizeof(struct person);
    join->entries = calloc(all, sizeof(*join->entries));
    if (join->entries == NULL) {
        return CELLA_NO_MEMORY;
    }
    size_t count = 0;
    for (uint64_t number = 1; number <= all; number++) {
        const struct person *person = person_at(join, number);
        if (person->parties == party_count) {
            join->entries[count++] = (struct cella_text_entry){ .data = join->text.data + person->offset,
                                                                .size = person->size, .value = number };
        }
    }
    CELLA_TRY(cella_text_sort(join->entries, count));
    for (size_t i = 0; i < count; i++) {
        CELLA_TRY(write_sum(join, &join->entries[i]));
    }
    return CELLA_OK;
}

CELLA_BUILTIN(
    private_join_and_compute, "private_join_and_compute", PRIVATE_JOIN, .alias = "builtin-private-join-and-compute",
    .version = "1",
    .documentation =
        "Add up amounts of the ids that all parties have. A line is an id, a colon and a whole number; blanks around each do not "
        "count. Lines of less than 3 bytes, without an id, with more than one colon or with another thing than digits behind "
        "it are passed over. Of several lines of one party with the same id the last one counts.",
    .returns = "\"N users join the task in total.\", N being num_user",
    .limits = "About 150 bytes of memory, and the id, for each id of the first input; the others are read as streams. "
              "Amounts and sums go up to 2^64 - 1 and are refused beyond.",
    .example = ">>> bank = cella.builtins.private_join_and_compute(\n"
               "...     b\"bob : 10\\nann : 5\\n\", b\"ann : 7\\ncyd : 1\\nbob : 1\\n\", num_user=2)\n"
               ">>> bank.returned, bank.output_data[0]\n"
               "('2 users join the task in total.', b'ann, 12\\nbob, 11\\n')\n")
{
    size_t party_count = input_data->count;
    if ((size_t) num_user != party_count || (size_t) num_user != output_data->count) {
        return cella_builtin_refuse_argument(call, "argument 'num_user' is %" PRId64 ", but there are %zu inputs and %zu "
                                             "outputs", num_user, party_count, output_data->count);
    }
    CELLA_CLEANUP(release) struct join join = { .call = call };
    CELLA_TRY(cella_hash_key_make(&join.key));
    for (size_t i = 0; i < party_count; i++) {
        CELLA_TRY(read_party(&join, input_data, i));
    }
    if (join.people.size > 0) {
        CELLA_TRY(write_sums(&join, party_count));
    }
    for (size_t i = 0; i < party_count; i++) {
        CELLA_TRY(cella_builtin_output_write(&output_data->items[i], cella_bytes_view(&join.out)));
    }
    return cella_builtin_result(call, "%" PRId64 " users join the task in total.", num_user);
}
