/* SPDX-License-Identifier: Apache-2.0 */

/* The payload maps of statements, both ways. Order and numbers of members are those of docs/receipts.md. */

#include <string.h>

#include "trust/statement.h"

enum execution_member {
    FUNCTION = 1,
    INPUTS = 2,
    OUTPUTS = 3,
    PARTICIPANTS = 4,
    CONTRACT = 5,
    RUNTIME = 6,
    TIME = 7,
    USAGE = 8,
    NONCE = 9,
    PREVIOUS = 10,
    BUDGET = 11,
    EVIDENCE = 12,
    PARENTS = 13,
    ARGUMENTS = 14,
};

enum deletion_member {
    DELETED_DATA = 1,
    DELETED_OWNERS = 2,
    DELETED_TIME = 3,
    DELETED_REASON = 4,
    DELETED_REQUEST = 5,
};

enum refusal_member {
    REFUSED_OPERATION = 1,
    REFUSED_CODE = 2,
    REFUSED_PARTY = 3,
    REFUSED_REQUEST = 4,
    REFUSED_TIME = 5,
    REFUSED_DETAIL = 6,
};

/* Members that a map must have, as bits of their numbers. */
#define EXECUTION_NEEDS 0x13feU /* 1 to 9, and 12 */
#define DELETION_NEEDS 0x3eU    /* 1 to 5 */
#define REFUSAL_NEEDS 0x7eU     /* 1 to 6 */

/* ---- reading ---- */

static cella_status read_digest(struct cella_reader *reader, struct cella_view *out)
{
    CELLA_TRY(cella_cbor_bytes(reader, out));
    return out->size == CELLA_SHA256_SIZE ? CELLA_OK : CELLA_BAD_FORMAT;
}

static cella_status read_digest_or_null(struct cella_reader *reader, struct cella_view *out)
{
    return cella_cbor_take_null(reader) ? CELLA_OK : read_digest(reader, out);
}

static int compare(struct cella_view a, struct cella_view b)
{
    size_t size = a.size < b.size ? a.size : b.size;
    int order = size == 0 ? 0 : memcmp(a.data, b.data, size);
    return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

static cella_status read_item(struct cella_reader *reader, struct cella_statement_item *out)
{
    uint64_t count;
    uint64_t kind;
    CELLA_TRY(cella_cbor_array(reader, &count));
    CELLA_TRY(cella_cbor_text(reader, &out->name));
    CELLA_TRY(cella_cbor_unsigned(reader, &kind));
    CELLA_TRY(read_digest(reader, &out->digest));
    CELLA_TRY(cella_cbor_unsigned(reader, &out->size));
    out->kind = (enum cella_digest_kind) kind;
    bool named = out->name.size > 0 && out->name.size <= CELLA_STATEMENT_NAME_MAX &&
                 memchr(out->name.data, 0, out->name.size) == NULL; /* texts of JSON and C end there */
    return count == 4 && kind <= CELLA_DIGEST_PLAIN && named ? CELLA_OK : CELLA_BAD_FORMAT;
}

static cella_status read_items(struct cella_reader *reader, struct cella_statement_items *out)
{
    uint64_t count;
    CELLA_TRY(cella_cbor_array(reader, &count));
    if (count > CELLA_STATEMENT_ITEMS_MAX) {
        return CELLA_BAD_FORMAT;
    }
    for (size_t i = 0; i < count; i++) {
        CELLA_TRY(read_item(reader, &out->list[i]));
        if (i > 0 && compare(out->list[i - 1].name, out->list[i].name) >= 0) {
            return CELLA_BAD_FORMAT;
        }
    }
    out->count = (size_t) count;
    return CELLA_OK;
}

static cella_status read_digests(struct cella_reader *reader, size_t max, bool sorted,
                                 struct cella_statement_digests *out)
{
    uint64_t count;
    CELLA_TRY(cella_cbor_array(reader, &count));
    if (count > max) {
        return CELLA_BAD_FORMAT;
    }
    for (size_t i = 0; i < count; i++) {
        CELLA_TRY(read_digest(reader, &out->list[i]));
        if (sorted && i > 0 && compare(out->list[i - 1], out->list[i]) >= 0) {
            return CELLA_BAD_FORMAT;
        }
    }
    out->count = (size_t) count;
    return CELLA_OK;
}

static cella_status read_parties(struct cella_reader *reader, struct cella_statement_digests *out)
{
    CELLA_TRY(read_digests(reader, CELLA_STATEMENT_PARTIES_MAX, true, out));
    return out->count > 0 ? CELLA_OK : CELLA_BAD_FORMAT;
}

static cella_status read_runtime(struct cella_reader *reader, struct cella_execution *out)
{
    uint64_t count;
    CELLA_TRY(cella_cbor_array(reader, &count));
    if (count == 0 || count > CELLA_STATEMENT_LAYERS_MAX) {
        return CELLA_BAD_FORMAT;
    }
    for (size_t i = 0; i < count; i++) {
        struct cella_statement_layer *layer = &out->runtime[i];
        uint64_t pair;
        CELLA_TRY(cella_cbor_array(reader, &pair));
        CELLA_TRY(cella_cbor_text(reader, &layer->name));
        CELLA_TRY(cella_cbor_bytes(reader, &layer->measurement));
        if (pair != 2 || layer->name.size == 0 || layer->name.size > CELLA_STATEMENT_NAME_MAX ||
            layer->measurement.size == 0 || layer->measurement.size > CELLA_STATEMENT_MEASUREMENT_MAX) {
            return CELLA_BAD_FORMAT;
        }
    }
    out->runtime_count = (size_t) count;
    return CELLA_OK;
}

static cella_status read_source(struct cella_reader *reader, enum cella_time_source *out)
{
    uint64_t source;
    CELLA_TRY(cella_cbor_unsigned(reader, &source));
    *out = (enum cella_time_source) source;
    return source <= CELLA_TIME_WITNESSED ? CELLA_OK : CELLA_BAD_FORMAT;
}

static cella_status read_times(struct cella_reader *reader, struct cella_execution *out)
{
    uint64_t count;
    CELLA_TRY(cella_cbor_array(reader, &count));
    CELLA_TRY(cella_cbor_unsigned(reader, &out->started_unix_s));
    CELLA_TRY(cella_cbor_unsigned(reader, &out->ended_unix_s));
    CELLA_TRY(read_source(reader, &out->time_source));
    return count == 3 ? CELLA_OK : CELLA_BAD_FORMAT;
}

static cella_status read_usage(struct cella_reader *reader, struct cella_execution *out)
{
    uint64_t count;
    CELLA_TRY(cella_cbor_map(reader, &count));
    for (uint64_t i = 0; i < count; i++) {
        uint64_t key;
        CELLA_TRY(cella_cbor_unsigned(reader, &key));
        if (key == 0 || key > CELLA_STATEMENT_USAGE_COUNT) {
            return CELLA_BAD_FORMAT;
        }
        out->has_usage[key - 1] = true;
        CELLA_TRY(cella_cbor_unsigned(reader, &out->usage[key - 1]));
    }
    return CELLA_OK;
}

static cella_status read_nonce(struct cella_reader *reader, struct cella_execution *out)
{
    CELLA_TRY(cella_cbor_bytes(reader, &out->nonce));
    return out->nonce.size >= CELLA_STATEMENT_NONCE_MIN && out->nonce.size <= CELLA_STATEMENT_NONCE_MAX
               ? CELLA_OK
               : CELLA_BAD_FORMAT;
}

static cella_status read_budget(struct cella_reader *reader, struct cella_execution *out)
{
    uint64_t count;
    if (cella_cbor_take_null(reader)) {
        return CELLA_OK;
    }
    CELLA_TRY(cella_cbor_array(reader, &count));
    CELLA_TRY(cella_cbor_unsigned(reader, &out->budget[0]));
    CELLA_TRY(cella_cbor_unsigned(reader, &out->budget[1]));
    out->has_budget = true;
    return count == 2 ? CELLA_OK : CELLA_BAD_FORMAT;
}

static cella_status read_arguments(struct cella_reader *reader, struct cella_execution *out)
{
    CELLA_TRY(read_items(reader, &out->arguments));
    out->has_arguments = true;
    for (size_t i = 0; i < out->arguments.count; i++) {
        if (out->arguments.list[i].kind != CELLA_DIGEST_SALTED) {
            return CELLA_BAD_FORMAT;
        }
    }
    return CELLA_OK;
}

static cella_status read_execution_member(struct cella_reader *reader, uint64_t key, struct cella_execution *out)
{
    switch (key) {
    case FUNCTION:
        return read_digest(reader, &out->function);
    case INPUTS:
        return read_items(reader, &out->inputs);
    case OUTPUTS:
        return read_items(reader, &out->outputs);
    case PARTICIPANTS:
        return read_parties(reader, &out->participants);
    case CONTRACT:
        return read_digest(reader, &out->contract);
    case RUNTIME:
        return read_runtime(reader, out);
    case TIME:
        return read_times(reader, out);
    case USAGE:
        return read_usage(reader, out);
    case NONCE:
        return read_nonce(reader, out);
    case PREVIOUS:
        return read_digest_or_null(reader, &out->previous);
    case BUDGET:
        return read_budget(reader, out);
    case EVIDENCE:
        return read_digest(reader, &out->evidence);
    case PARENTS:
        out->has_parents = true;
        return read_digests(reader, CELLA_STATEMENT_PARENTS_MAX, false, &out->parents);
    case ARGUMENTS:
        return read_arguments(reader, out);
    default:
        return CELLA_BAD_FORMAT; /* a member of a version that is not known here */
    }
}

/* [time, source] */
static cella_status read_moment(struct cella_reader *reader, uint64_t *out_unix_s, enum cella_time_source *out_source)
{
    uint64_t count;
    CELLA_TRY(cella_cbor_array(reader, &count));
    CELLA_TRY(cella_cbor_unsigned(reader, out_unix_s));
    CELLA_TRY(read_source(reader, out_source));
    return count == 2 ? CELLA_OK : CELLA_BAD_FORMAT;
}

static cella_status read_sentence(struct cella_reader *reader, struct cella_view *out)
{
    CELLA_TRY(cella_cbor_text(reader, out));
    return out->size <= CELLA_STATEMENT_NAME_MAX ? CELLA_OK : CELLA_BAD_FORMAT;
}

static cella_status read_word(struct cella_reader *reader, struct cella_view *out)
{
    CELLA_TRY(cella_cbor_text(reader, out));
    bool fits = out->size > 0 && out->size <= CELLA_STATEMENT_WORD_MAX && memchr(out->data, 0, out->size) == NULL;
    return fits ? CELLA_OK : CELLA_BAD_FORMAT;
}

/* [number, name]. Of a number that is known here the name has to be that one, or the two would say different things. */
static cella_status read_code(struct cella_reader *reader, struct cella_refusal *out)
{
    uint64_t count;
    CELLA_TRY(cella_cbor_array(reader, &count));
    CELLA_TRY(cella_cbor_unsigned(reader, &out->number));
    CELLA_TRY(read_word(reader, &out->code));
    if (count != 2 || out->number == CELLA_OK || out->number > UINT32_MAX) {
        return CELLA_BAD_FORMAT;
    }
    const struct cella_status_row *row = cella_status_row(cella_status_from_number((unsigned int) out->number));
    bool known = (uint64_t) row->status == out->number;
    return known && !cella_view_is(out->code, row->name) ? CELLA_BAD_FORMAT : CELLA_OK;
}

static cella_status read_refusal_member(struct cella_reader *reader, uint64_t key, struct cella_refusal *out)
{
    switch (key) {
    case REFUSED_OPERATION:
        return read_word(reader, &out->operation);
    case REFUSED_CODE:
        return read_code(reader, out);
    case REFUSED_PARTY:
        return read_digest(reader, &out->party);
    case REFUSED_REQUEST:
        return read_digest(reader, &out->request);
    case REFUSED_TIME:
        return read_moment(reader, &out->time_unix_s, &out->time_source);
    case REFUSED_DETAIL:
        return read_sentence(reader, &out->detail);
    default:
        return CELLA_BAD_FORMAT;
    }
}

static cella_status read_deletion_member(struct cella_reader *reader, uint64_t key, struct cella_deletion *out)
{
    switch (key) {
    case DELETED_DATA:
        CELLA_TRY(read_item(reader, &out->data));
        return out->data.kind == CELLA_DIGEST_SEALED ? CELLA_OK : CELLA_BAD_FORMAT;
    case DELETED_OWNERS:
        return read_parties(reader, &out->owners);
    case DELETED_TIME:
        return read_moment(reader, &out->time_unix_s, &out->time_source);
    case DELETED_REASON:
        return read_sentence(reader, &out->reason);
    case DELETED_REQUEST:
        return read_digest_or_null(reader, &out->request);
    default:
        return CELLA_BAD_FORMAT;
    }
}

static cella_status refuse_member(struct cella_text *detail, const char *what, uint64_t member)
{
    cella_text_set(detail, "member %llu of the payload %s", (unsigned long long) member, what);
    return CELLA_BAD_FORMAT;
}

/* Where a map goes: exactly one of them is not NULL. */
struct target {
    struct cella_execution *execution;
    struct cella_deletion *deletion;
    struct cella_refusal *refusal;
};

static cella_status read_member(struct cella_reader *reader, uint64_t key, const struct target *target)
{
    if (target->execution != NULL) {
        return read_execution_member(reader, key, target->execution);
    }
    return target->deletion != NULL ? read_deletion_member(reader, key, target->deletion)
                                    : read_refusal_member(reader, key, target->refusal);
}

/* One walk for all maps. */
static cella_status read_payload(struct cella_view payload, uint32_t needs, const struct target *target,
                                 struct cella_text *detail)
{
    struct cella_reader reader = cella_reader_of(payload);
    uint64_t count;
    uint32_t seen = 0;
    if (cella_cbor_check(payload, CELLA_CBOR_STRICT) != CELLA_OK || cella_cbor_map(&reader, &count) != CELLA_OK) {
        cella_text_set(detail, "the payload is not one map in deterministic CBOR");
        return CELLA_BAD_FORMAT;
    }
    for (uint64_t i = 0; i < count; i++) {
        uint64_t key;
        CELLA_TRY(cella_cbor_unsigned(&reader, &key));
        if (read_member(&reader, key, target) != CELLA_OK) {
            return refuse_member(detail, "is unknown or not as it has to be", key);
        }
        seen |= 1U << key;
    }
    for (uint64_t key = 1; key < 32; key++) {
        if ((needs & ~seen & 1U << key) != 0) {
            return refuse_member(detail, "is missing", key);
        }
    }
    return cella_reader_end(&reader);
}

cella_status cella_execution_read(struct cella_view payload, struct cella_execution *out, struct cella_text *detail)
{
    *out = (struct cella_execution){ 0 };
    CELLA_TRY(read_payload(payload, EXECUTION_NEEDS, &(struct target){ .execution = out }, detail));
    if (out->ended_unix_s < out->started_unix_s) {
        return refuse_member(detail, "ends before it begins", TIME);
    }
    return CELLA_OK;
}

cella_status cella_deletion_read(struct cella_view payload, struct cella_deletion *out, struct cella_text *detail)
{
    *out = (struct cella_deletion){ 0 };
    return read_payload(payload, DELETION_NEEDS, &(struct target){ .deletion = out }, detail);
}

cella_status cella_refusal_read(struct cella_view payload, struct cella_refusal *out, struct cella_text *detail)
{
    *out = (struct cella_refusal){ 0 };
    return read_payload(payload, REFUSAL_NEEDS, &(struct target){ .refusal = out }, detail);
}

/* ---- writing ---- */

static cella_status write_key(struct cella_bytes *out, int key)
{
    return cella_cbor_write_number(out, key);
}

static cella_status write_digest(struct cella_bytes *out, int key, struct cella_view digest)
{
    CELLA_TRY(write_key(out, key));
    return digest.data == NULL ? cella_cbor_write_null(out) : cella_cbor_write_bytes(out, digest);
}

static cella_status write_item(struct cella_bytes *out, const struct cella_statement_item *item)
{
    CELLA_TRY(cella_cbor_write_head(out, CELLA_CBOR_ARRAY, 4));
    CELLA_TRY(cella_cbor_write_text_view(out, item->name));
    CELLA_TRY(cella_cbor_write_head(out, CELLA_CBOR_UNSIGNED, (uint64_t) item->kind));
    CELLA_TRY(cella_cbor_write_bytes(out, item->digest));
    return cella_cbor_write_head(out, CELLA_CBOR_UNSIGNED, item->size);
}

static cella_status write_items(struct cella_bytes *out, int key, const struct cella_statement_items *items)
{
    CELLA_TRY(items->count > CELLA_STATEMENT_ITEMS_MAX ? CELLA_BAD_FIELD : write_key(out, key));
    CELLA_TRY(cella_cbor_write_head(out, CELLA_CBOR_ARRAY, items->count));
    for (size_t i = 0; i < items->count; i++) {
        CELLA_TRY(write_item(out, &items->list[i]));
    }
    return CELLA_OK;
}

static cella_status write_digests(struct cella_bytes *out, int key, const struct cella_statement_digests *digests)
{
    CELLA_TRY(digests->count > CELLA_STATEMENT_PARTIES_MAX ? CELLA_BAD_FIELD : write_key(out, key));
    CELLA_TRY(cella_cbor_write_head(out, CELLA_CBOR_ARRAY, digests->count));
    for (size_t i = 0; i < digests->count; i++) {
        CELLA_TRY(cella_cbor_write_bytes(out, digests->list[i]));
    }
    return CELLA_OK;
}

static cella_status write_runtime(struct cella_bytes *out, const struct cella_execution *execution)
{
    CELLA_TRY(execution->runtime_count > CELLA_STATEMENT_LAYERS_MAX ? CELLA_BAD_FIELD : write_key(out, RUNTIME));
    CELLA_TRY(cella_cbor_write_head(out, CELLA_CBOR_ARRAY, execution->runtime_count));
    for (size_t i = 0; i < execution->runtime_count; i++) {
        CELLA_TRY(cella_cbor_write_head(out, CELLA_CBOR_ARRAY, 2));
        CELLA_TRY(cella_cbor_write_text_view(out, execution->runtime[i].name));
        CELLA_TRY(cella_cbor_write_bytes(out, execution->runtime[i].measurement));
    }
    return CELLA_OK;
}

static cella_status write_usage(struct cella_bytes *out, const struct cella_execution *execution)
{
    uint64_t count = 0;
    for (size_t i = 0; i < CELLA_STATEMENT_USAGE_COUNT; i++) {
        count += execution->has_usage[i] ? 1 : 0;
    }
    CELLA_TRY(write_key(out, USAGE));
    CELLA_TRY(cella_cbor_write_head(out, CELLA_CBOR_MAP, count));
    for (size_t i = 0; i < CELLA_STATEMENT_USAGE_COUNT; i++) {
        if (execution->has_usage[i]) {
            CELLA_TRY(write_key(out, (int) i + 1));
            CELLA_TRY(cella_cbor_write_head(out, CELLA_CBOR_UNSIGNED, execution->usage[i]));
        }
    }
    return CELLA_OK;
}

static cella_status write_times(struct cella_bytes *out, const struct cella_execution *execution)
{
    CELLA_TRY(write_key(out, TIME));
    CELLA_TRY(cella_cbor_write_head(out, CELLA_CBOR_ARRAY, 3));
    CELLA_TRY(cella_cbor_write_head(out, CELLA_CBOR_UNSIGNED, execution->started_unix_s));
    CELLA_TRY(cella_cbor_write_head(out, CELLA_CBOR_UNSIGNED, execution->ended_unix_s));
    return cella_cbor_write_head(out, CELLA_CBOR_UNSIGNED, (uint64_t) execution->time_source);
}

static cella_status write_budget(struct cella_bytes *out, const struct cella_execution *execution)
{
    CELLA_TRY(write_key(out, BUDGET));
    CELLA_TRY(cella_cbor_write_head(out, CELLA_CBOR_ARRAY, 2));
    CELLA_TRY(cella_cbor_write_head(out, CELLA_CBOR_UNSIGNED, execution->budget[0]));
    return cella_cbor_write_head(out, CELLA_CBOR_UNSIGNED, execution->budget[1]);
}

static cella_status write_execution(const struct cella_execution *execution, struct cella_bytes *out)
{
    bool parents = execution->has_parents || execution->parents.count > 0;
    bool arguments = execution->has_arguments || execution->arguments.count > 0;
    bool previous = execution->previous.data != NULL;
    CELLA_TRY(cella_cbor_write_head(out, CELLA_CBOR_MAP,
                                    10U + previous + execution->has_budget + parents + arguments));
    CELLA_TRY(write_digest(out, FUNCTION, execution->function));
    CELLA_TRY(write_items(out, INPUTS, &execution->inputs));
    CELLA_TRY(write_items(out, OUTPUTS, &execution->outputs));
    CELLA_TRY(write_digests(out, PARTICIPANTS, &execution->participants));
    CELLA_TRY(write_digest(out, CONTRACT, execution->contract));
    CELLA_TRY(write_runtime(out, execution));
    CELLA_TRY(write_times(out, execution));
    CELLA_TRY(write_usage(out, execution));
    CELLA_TRY(write_key(out, NONCE));
    CELLA_TRY(cella_cbor_write_bytes(out, execution->nonce));
    if (previous) {
        CELLA_TRY(write_digest(out, PREVIOUS, execution->previous));
    }
    if (execution->has_budget) {
        CELLA_TRY(write_budget(out, execution));
    }
    CELLA_TRY(write_digest(out, EVIDENCE, execution->evidence));
    if (parents) {
        CELLA_TRY(write_digests(out, PARENTS, &execution->parents));
    }
    return arguments ? write_items(out, ARGUMENTS, &execution->arguments) : CELLA_OK;
}

cella_status cella_execution_write(const struct cella_execution *execution, struct cella_bytes *out)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    struct cella_execution check;
    struct cella_text detail;
    CELLA_TRY(write_execution(execution, &text));
    if (cella_execution_read(cella_bytes_view(&text), &check, &detail) != CELLA_OK) {
        return CELLA_BAD_FIELD;
    }
    return cella_bytes_append(out, cella_bytes_view(&text));
}

static cella_status write_moment(struct cella_bytes *out, int key, uint64_t unix_s, enum cella_time_source source)
{
    CELLA_TRY(write_key(out, key));
    CELLA_TRY(cella_cbor_write_head(out, CELLA_CBOR_ARRAY, 2));
    CELLA_TRY(cella_cbor_write_head(out, CELLA_CBOR_UNSIGNED, unix_s));
    return cella_cbor_write_head(out, CELLA_CBOR_UNSIGNED, (uint64_t) source);
}

static cella_status write_deletion(const struct cella_deletion *deletion, struct cella_bytes *out)
{
    CELLA_TRY(cella_cbor_write_head(out, CELLA_CBOR_MAP, 5));
    CELLA_TRY(write_key(out, DELETED_DATA));
    CELLA_TRY(write_item(out, &deletion->data));
    CELLA_TRY(write_digests(out, DELETED_OWNERS, &deletion->owners));
    CELLA_TRY(write_moment(out, DELETED_TIME, deletion->time_unix_s, deletion->time_source));
    CELLA_TRY(write_key(out, DELETED_REASON));
    CELLA_TRY(cella_cbor_write_text_view(out, deletion->reason));
    return write_digest(out, DELETED_REQUEST, deletion->request);
}

cella_status cella_deletion_write(const struct cella_deletion *deletion, struct cella_bytes *out)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    struct cella_deletion check;
    struct cella_text detail;
    CELLA_TRY(write_deletion(deletion, &text));
    if (cella_deletion_read(cella_bytes_view(&text), &check, &detail) != CELLA_OK) {
        return CELLA_BAD_FIELD;
    }
    return cella_bytes_append(out, cella_bytes_view(&text));
}

static cella_status write_refusal(const struct cella_refusal *refusal, struct cella_bytes *out)
{
    CELLA_TRY(cella_cbor_write_head(out, CELLA_CBOR_MAP, 6));
    CELLA_TRY(write_key(out, REFUSED_OPERATION));
    CELLA_TRY(cella_cbor_write_text_view(out, refusal->operation));
    CELLA_TRY(write_key(out, REFUSED_CODE));
    CELLA_TRY(cella_cbor_write_head(out, CELLA_CBOR_ARRAY, 2));
    CELLA_TRY(cella_cbor_write_head(out, CELLA_CBOR_UNSIGNED, refusal->number));
    CELLA_TRY(cella_cbor_write_text_view(out, refusal->code));
    CELLA_TRY(write_digest(out, REFUSED_PARTY, refusal->party));
    CELLA_TRY(write_digest(out, REFUSED_REQUEST, refusal->request));
    CELLA_TRY(write_moment(out, REFUSED_TIME, refusal->time_unix_s, refusal->time_source));
    CELLA_TRY(write_key(out, REFUSED_DETAIL));
    return cella_cbor_write_text_view(out, refusal->detail);
}

cella_status cella_refusal_write(const struct cella_refusal *refusal, struct cella_bytes *out)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    struct cella_refusal check;
    struct cella_text detail;
    CELLA_TRY(write_refusal(refusal, &text));
    if (cella_refusal_read(cella_bytes_view(&text), &check, &detail) != CELLA_OK) {
        return CELLA_BAD_FIELD;
    }
    return cella_bytes_append(out, cella_bytes_view(&text));
}
