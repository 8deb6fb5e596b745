/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/receipt_bundle.h"

#include <string.h>

enum evidence_member {
    VERSION = 0,
    TYPE = 1,
    EVIDENCE = 2,
    NONCE = 3,
    KEYS = 4,
    CHARTER = 5,
    LOG_KEY = 6,
};

enum bundle_member {
    RECEIPT = 1,
    EVIDENCE_FILE = 2,
    ENDORSEMENTS = 3,
    CONTRACT = 4,
    APPROVALS = 5,
    FUNCTION = 6,
    PAYLOAD = 7,
    TREE_HEAD = 8,
    HISTORIES = 9,
};

static cella_status read_version(struct cella_reader *reader, const char *wanted)
{
    uint64_t key;
    struct cella_view version;
    CELLA_TRY(cella_cbor_unsigned(reader, &key));
    CELLA_TRY(key == VERSION ? cella_cbor_text(reader, &version) : CELLA_BAD_FORMAT);
    return cella_view_is(version, wanted) ? CELLA_OK : CELLA_BAD_FORMAT;
}

static cella_status write_version(struct cella_bytes *out, uint64_t members, const char *version)
{
    CELLA_TRY(cella_cbor_write_head(out, CELLA_CBOR_MAP, members + 1));
    CELLA_TRY(cella_cbor_write_number(out, VERSION));
    return cella_cbor_write_text(out, version);
}

static cella_status write_bytes(struct cella_bytes *out, int key, struct cella_view content)
{
    CELLA_TRY(cella_cbor_write_number(out, key));
    return cella_cbor_write_bytes(out, content);
}

/* ---- the evidence file ---- */

static cella_status read_fixed(struct cella_reader *reader, uint8_t *out, size_t size)
{
    struct cella_view content;
    CELLA_TRY(cella_cbor_bytes(reader, &content));
    if (content.size != size) {
        return CELLA_BAD_FORMAT;
    }
    memcpy(out, content.data, size);
    return CELLA_OK;
}

static cella_status read_keys(struct cella_reader *reader, struct cella_key_set *out)
{
    uint8_t keys[CELLA_ED25519_KEY_SIZE + CELLA_X25519_KEY_SIZE];
    CELLA_TRY(read_fixed(reader, keys, sizeof(keys)));
    memcpy(out->sign, keys, sizeof(out->sign));
    memcpy(out->seal, keys + sizeof(out->sign), sizeof(out->seal));
    return CELLA_OK;
}

/* [log key, signature] */
static cella_status read_log_key(struct cella_reader *reader, struct cella_evidence_file *out)
{
    uint64_t count;
    CELLA_TRY(cella_cbor_array(reader, &count));
    CELLA_TRY(read_fixed(reader, out->log_key, sizeof(out->log_key)));
    CELLA_TRY(cella_cbor_bytes(reader, &out->log_signature));
    out->has_log_key = true;
    return count == 2 ? CELLA_OK : CELLA_BAD_FORMAT;
}

static cella_status read_evidence_member(struct cella_reader *reader, uint64_t key, struct cella_evidence_file *out)
{
    switch (key) {
    case TYPE:
        return cella_cbor_text(reader, &out->type);
    case EVIDENCE:
        return cella_cbor_bytes(reader, &out->evidence);
    case NONCE:
        CELLA_TRY(cella_cbor_bytes(reader, &out->nonce));
        return out->nonce.size == 0 || out->nonce.size == CELLA_NONCE_SIZE ? CELLA_OK : CELLA_BAD_FORMAT;
    case KEYS:
        return read_keys(reader, &out->keys);
    case CHARTER:
        CELLA_TRY(cella_cbor_bytes(reader, &out->charter));
        return out->charter.size <= CELLA_CHARTER_MAX ? CELLA_OK : CELLA_BAD_FORMAT;
    case LOG_KEY:
        return read_log_key(reader, out);
    default:
        return CELLA_BAD_FORMAT;
    }
}

cella_status cella_evidence_file_read(struct cella_view content, struct cella_evidence_file *out)
{
    struct cella_reader reader = cella_reader_of(content);
    struct cella_evidence_file file = { 0 };
    uint64_t count;
    *out = file;
    CELLA_TRY(content.size > CELLA_EVIDENCE_FILE_MAX ? CELLA_TOO_LARGE : cella_cbor_check(content, CELLA_CBOR_STRICT));
    CELLA_TRY(cella_cbor_map(&reader, &count));
    /* Keys are sorted and unique, so that these counts mean members 1 to 5, or 1 to 6. */
    CELLA_TRY(count == 6 || count == 7 ? read_version(&reader, CELLA_EVIDENCE_FILE_VERSION) : CELLA_BAD_FORMAT);
    for (uint64_t i = 1; i < count; i++) {
        uint64_t key;
        CELLA_TRY(cella_cbor_unsigned(&reader, &key));
        CELLA_TRY(key == i ? read_evidence_member(&reader, key, &file) : CELLA_BAD_FORMAT);
    }
    CELLA_TRY(cella_reader_end(&reader));
    *out = file;
    return CELLA_OK;
}

static cella_status log_key_message(const uint8_t log_key[CELLA_ED25519_KEY_SIZE], struct cella_bytes *out)
{
    CELLA_TRY(cella_write_field(out, cella_view_of_string(CELLA_LOG_KEY_LABEL)));
    return cella_write_field(out, cella_view_of(log_key, CELLA_ED25519_KEY_SIZE));
}

cella_status cella_evidence_file_log_key(const struct cella_evidence_file *file, struct cella_cose_key *out)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes message = { 0 };
    if (!file->has_log_key) {
        return CELLA_NOT_FOUND;
    }
    CELLA_TRY(log_key_message(file->log_key, &message));
    CELLA_TRY(cella_ed25519_verify(file->keys.sign, cella_bytes_view(&message), file->log_signature));
    return cella_cose_key_of(file->log_key, out);
}

static cella_status write_log_key(const uint8_t log_key[CELLA_ED25519_KEY_SIZE], const struct cella_secret *executor,
                                  struct cella_bytes *out)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes message = { 0 };
    uint8_t signature[CELLA_ED25519_SIGNATURE_SIZE];
    CELLA_TRY(log_key_message(log_key, &message));
    CELLA_TRY(cella_ed25519_sign(executor, cella_bytes_view(&message), signature));
    CELLA_TRY(cella_cbor_write_number(out, LOG_KEY));
    CELLA_TRY(cella_cbor_write_head(out, CELLA_CBOR_ARRAY, 2));
    CELLA_TRY(cella_cbor_write_bytes(out, cella_view_of(log_key, CELLA_ED25519_KEY_SIZE)));
    return cella_cbor_write_bytes(out, cella_view_of(signature, sizeof(signature)));
}

cella_status cella_evidence_file_write(const struct cella_evidence_file *file, const uint8_t *log_key,
                                       const struct cella_secret *executor, struct cella_bytes *out)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    struct cella_evidence_file check;
    uint8_t keys[CELLA_ED25519_KEY_SIZE + CELLA_X25519_KEY_SIZE];
    memcpy(keys, file->keys.sign, sizeof(file->keys.sign));
    memcpy(keys + sizeof(file->keys.sign), file->keys.seal, sizeof(file->keys.seal));
    CELLA_TRY(write_version(&text, log_key != NULL ? 6 : 5, CELLA_EVIDENCE_FILE_VERSION));
    CELLA_TRY(cella_cbor_write_number(&text, TYPE));
    CELLA_TRY(cella_cbor_write_text_view(&text, file->type));
    CELLA_TRY(write_bytes(&text, EVIDENCE, file->evidence));
    CELLA_TRY(write_bytes(&text, NONCE, file->nonce));
    CELLA_TRY(write_bytes(&text, KEYS, cella_view_of(keys, sizeof(keys))));
    CELLA_TRY(write_bytes(&text, CHARTER, file->charter));
    if (log_key != NULL) {
        CELLA_TRY(write_log_key(log_key, executor, &text));
    }
    if (cella_evidence_file_read(cella_bytes_view(&text), &check) != CELLA_OK) {
        return CELLA_BAD_FIELD;
    }
    cella_bytes_take(out, &text);
    return CELLA_OK;
}

/* ---- the bundle ---- */

static cella_status read_approval(struct cella_reader *reader, struct cella_approval *out)
{
    uint64_t count;
    CELLA_TRY(cella_cbor_array(reader, &count));
    CELLA_TRY(cella_cbor_bytes(reader, &out->public_key));
    CELLA_TRY(cella_cbor_text(reader, &out->request));
    return count == 2 && out->public_key.size == CELLA_ED25519_KEY_SIZE && out->request.size <= CELLA_APPROVAL_MAX
               ? CELLA_OK
               : CELLA_BAD_FORMAT;
}

static cella_status read_approvals(struct cella_reader *reader, struct cella_bundle *out)
{
    uint64_t count;
    CELLA_TRY(cella_cbor_array(reader, &count));
    if (count == 0 || count > CELLA_STATEMENT_PARTIES_MAX) {
        return CELLA_BAD_FORMAT;
    }
    for (size_t i = 0; i < count; i++) {
        CELLA_TRY(read_approval(reader, &out->approvals[i]));
    }
    out->approval_count = (size_t) count;
    return CELLA_OK;
}

static cella_status read_histories(struct cella_reader *reader, struct cella_bundle *out)
{
    uint64_t count;
    CELLA_TRY(cella_cbor_array(reader, &count));
    const uint8_t *start = reader->rest.data;
    if (count == 0 || count > CELLA_STATEMENT_PARTIES_MAX) {
        return CELLA_BAD_FORMAT;
    }
    for (uint64_t i = 0; i < count; i++) {
        struct cella_view history;
        CELLA_TRY(cella_key_history_take(reader, &history));
    }
    out->histories = cella_view_of(start, (size_t) (reader->rest.data - start));
    out->history_count = (size_t) count;
    return CELLA_OK;
}

static cella_status read_bundle_member(struct cella_reader *reader, uint64_t key, struct cella_bundle *out)
{
    switch (key) {
    case RECEIPT:
        return cella_cbor_bytes(reader, &out->receipt);
    case EVIDENCE_FILE:
        return cella_cbor_bytes(reader, &out->evidence_file);
    case ENDORSEMENTS:
        return cella_cbor_bytes(reader, &out->endorsements);
    case CONTRACT:
        return cella_cbor_bytes(reader, &out->contract);
    case APPROVALS:
        return read_approvals(reader, out);
    case FUNCTION:
        return cella_cbor_bytes(reader, &out->function);
    case PAYLOAD:
        return cella_cbor_bytes(reader, &out->payload);
    case TREE_HEAD:
        return cella_cbor_text(reader, &out->tree_head);
    case HISTORIES:
        return read_histories(reader, out);
    default:
        return CELLA_BAD_FORMAT;
    }
}

bool cella_bundle_looks(struct cella_view content)
{
    return content.size > 0 && content.data[0] >> 5 == CELLA_CBOR_MAP;
}

cella_status cella_bundle_read(struct cella_view content, struct cella_bundle *out)
{
    struct cella_reader reader = cella_reader_of(content);
    uint64_t count;
    *out = (struct cella_bundle){ 0 };
    CELLA_TRY(content.size > CELLA_BUNDLE_MAX ? CELLA_TOO_LARGE : cella_cbor_check(content, CELLA_CBOR_STRICT));
    CELLA_TRY(cella_cbor_map(&reader, &count));
    CELLA_TRY(count > 0 ? read_version(&reader, CELLA_BUNDLE_VERSION) : CELLA_BAD_FORMAT);
    for (uint64_t i = 1; i < count; i++) {
        uint64_t key;
        CELLA_TRY(cella_cbor_unsigned(&reader, &key));
        CELLA_TRY(read_bundle_member(&reader, key, out));
    }
    CELLA_TRY(cella_reader_end(&reader));
    return out->receipt.size > 0 ? CELLA_OK : CELLA_BAD_FORMAT;
}

static cella_status write_approvals(const struct cella_bundle *bundle, struct cella_bytes *out)
{
    CELLA_TRY(cella_cbor_write_number(out, APPROVALS));
    CELLA_TRY(cella_cbor_write_head(out, CELLA_CBOR_ARRAY, bundle->approval_count));
    for (size_t i = 0; i < bundle->approval_count; i++) {
        CELLA_TRY(cella_cbor_write_head(out, CELLA_CBOR_ARRAY, 2));
        CELLA_TRY(cella_cbor_write_bytes(out, bundle->approvals[i].public_key));
        CELLA_TRY(cella_cbor_write_text_view(out, bundle->approvals[i].request));
    }
    return CELLA_OK;
}

static cella_status write_bundle(const struct cella_bundle *bundle, struct cella_bytes *out)
{
    const struct {
        int key;
        const struct cella_view *content;
    } parts[] = {
        { RECEIPT, &bundle->receipt },   { EVIDENCE_FILE, &bundle->evidence_file }, { ENDORSEMENTS, &bundle->endorsements },
        { CONTRACT, &bundle->contract }, { APPROVALS, NULL },                       { FUNCTION, &bundle->function },
        { PAYLOAD, &bundle->payload },
    };
    uint64_t members = (bundle->approval_count > 0 ? 1U : 0U) + (bundle->tree_head.size > 0 ? 1U : 0U) +
                       (bundle->history_count > 0 ? 1U : 0U);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        members += parts[i].content != NULL && parts[i].content->size > 0 ? 1U : 0U;
    }
    CELLA_TRY(write_version(out, members, CELLA_BUNDLE_VERSION));
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (parts[i].content == NULL) {
            CELLA_TRY(bundle->approval_count > 0 ? write_approvals(bundle, out) : CELLA_OK);
        } else if (parts[i].content->size > 0) {
            CELLA_TRY(write_bytes(out, parts[i].key, *parts[i].content));
        }
    }
    if (bundle->tree_head.size > 0) {
        CELLA_TRY(cella_cbor_write_number(out, TREE_HEAD));
        CELLA_TRY(cella_cbor_write_text_view(out, bundle->tree_head));
    }
    if (bundle->history_count > 0) {
        CELLA_TRY(cella_cbor_write_number(out, HISTORIES));
        CELLA_TRY(cella_cbor_write_head(out, CELLA_CBOR_ARRAY, bundle->history_count));
        CELLA_TRY(cella_bytes_append(out, bundle->histories));
    }
    return CELLA_OK;
}

cella_status cella_bundle_write(const struct cella_bundle *bundle, struct cella_bytes *out)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    struct cella_bundle check;
    if (bundle->receipt.size == 0 || bundle->approval_count > CELLA_STATEMENT_PARTIES_MAX) {
        return CELLA_BAD_FIELD;
    }
    CELLA_TRY(write_bundle(bundle, &text));
    cella_status status = cella_bundle_read(cella_bytes_view(&text), &check);
    if (status != CELLA_OK) {
        return status == CELLA_TOO_LARGE ? status : CELLA_BAD_FIELD;
    }
    cella_bytes_take(out, &text);
    return CELLA_OK;
}
