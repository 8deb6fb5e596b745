/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/statement.h"

#include <string.h>

#include "trust/jws.h"

static const char *const content_types[] = { CELLA_STATEMENT_EXECUTION, CELLA_STATEMENT_DELETION,
                                            CELLA_STATEMENT_REFUSAL };

static cella_status refuse(struct cella_text *detail, const char *sentence)
{
    cella_text_set(detail, "%s", sentence);
    return CELLA_BAD_FORMAT;
}

/* ---- reading ---- */

static bool find_kind(struct cella_view content_type, enum cella_statement_kind *out)
{
    for (unsigned int i = 0; i < sizeof(content_types) / sizeof(content_types[0]); i++) {
        if (cella_view_is(content_type, content_types[i])) {
            *out = (enum cella_statement_kind) i;
            return true;
        }
    }
    return false;
}

/* The content type is the payload's, or in a hash envelope that of what was hashed: one of them, not both. */
static cella_status read_type(struct cella_statement *out, struct cella_text *detail)
{
    const struct cella_cose_header *header = &out->sign1.header;
    out->enveloped = header->payload_hash != 0;
    if (out->enveloped && (header->payload_hash != CELLA_COSE_SHA256 || header->content_type.data != NULL)) {
        return refuse(detail, "the hash envelope is not one of SHA-256");
    }
    if ((!out->enveloped && header->preimage_type.data != NULL) ||
        !find_kind(out->enveloped ? header->preimage_type : header->content_type, &out->kind)) {
        return refuse(detail, "its content type is none that is known here");
    }
    if (out->sign1.detached || (out->enveloped && out->sign1.payload.size != CELLA_SHA256_SIZE)) {
        return refuse(detail, "the payload is missing, or has another size than a digest");
    }
    return CELLA_OK;
}

cella_status cella_statement_read(struct cella_view content, struct cella_statement *out, struct cella_text *detail)
{
    struct cella_statement found = { 0 };
    *out = found;
    CELLA_TRY(cella_cose_read(content, CELLA_CBOR_STRICT, CELLA_COSE_RECEIPTS, &found.sign1, detail));
    const struct cella_cose_header *header = &found.sign1.header;
    CELLA_TRY(read_type(&found, detail));
    if (!header->has_claims || header->issuer.size == 0 || header->subject.size == 0 || !header->has_issued_at) {
        return refuse(detail, "the claims do not say who signed it, about what, and when");
    }
    if (header->kid.size != CELLA_SHA256_SIZE || header->vds != 0 || header->has_size || header->has_index) {
        return refuse(detail, "the protected header is not that of a statement");
    }
    found.receipts = found.sign1.unprotected;
    if (found.kind == CELLA_STATEMENT_IS_REFUSAL && found.receipts.size > 0) {
        return refuse(detail, "a refusal stands in no log, and this one has receipts");
    }
    *out = found;
    return CELLA_OK;
}

bool cella_statement_issuer_is(const struct cella_statement *statement, const struct cella_cose_key *key)
{
    static const size_t prefix_size = sizeof(CELLA_STATEMENT_ISSUER) - 1;
    struct cella_view issuer = statement->sign1.header.issuer;
    uint8_t kid[CELLA_SHA256_SIZE];
    if (issuer.size < prefix_size || memcmp(issuer.data, CELLA_STATEMENT_ISSUER, prefix_size) != 0) {
        return false;
    }
    struct cella_view name = cella_view_of(issuer.data + prefix_size, issuer.size - prefix_size);
    if (name.size == CELLA_THUMBPRINT_SIZE ? cella_base64url_decode_exact(name, kid, sizeof(kid)) != CELLA_OK
                                           : cella_hex_decode(name, kid, sizeof(kid)) != CELLA_OK) {
        return false;
    }
    return cella_view_equal(cella_view_of(kid, sizeof(kid)), cella_view_of(key->kid, key->kid_size));
}

/* ---- signing ---- */

static cella_status check_payload(enum cella_statement_kind kind, struct cella_view payload)
{
    struct cella_text detail;
    struct cella_execution execution;
    struct cella_deletion deletion;
    struct cella_refusal refusal;
    switch (kind) {
    case CELLA_STATEMENT_IS_EXECUTION:
        return cella_execution_read(payload, &execution, &detail);
    case CELLA_STATEMENT_IS_DELETION:
        return cella_deletion_read(payload, &deletion, &detail);
    case CELLA_STATEMENT_IS_REFUSAL:
        return cella_refusal_read(payload, &refusal, &detail);
    }
    return CELLA_BAD_FIELD;
}

static cella_status write_issuer(const struct cella_cose_key *key, struct cella_bytes *out)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes issuer = { 0 };
    CELLA_TRY(cella_bytes_append(&issuer, cella_view_of_string(CELLA_STATEMENT_ISSUER)));
    CELLA_TRY(cella_base64url_encode(cella_view_of(key->kid, key->kid_size), &issuer));
    return cella_cbor_write_text_view(out, cella_bytes_view(&issuer));
}

static cella_status write_claims(const struct cella_statement_signer *signer, const struct cella_cose_key *key,
                                 struct cella_bytes *out)
{
    CELLA_TRY(cella_cbor_write_number(out, CELLA_COSE_CLAIMS));
    CELLA_TRY(cella_cbor_write_head(out, CELLA_CBOR_MAP, 3));
    CELLA_TRY(cella_cbor_write_number(out, CELLA_COSE_ISS));
    CELLA_TRY(write_issuer(key, out));
    CELLA_TRY(cella_cbor_write_number(out, CELLA_COSE_SUB));
    CELLA_TRY(cella_cbor_write_text_view(out, signer->subject));
    CELLA_TRY(cella_cbor_write_number(out, CELLA_COSE_IAT));
    return cella_cbor_write_head(out, CELLA_CBOR_UNSIGNED, signer->issued_at_unix_s);
}

static cella_status write_protected(enum cella_statement_kind kind, const struct cella_statement_signer *signer,
                                    const struct cella_cose_key *key, struct cella_bytes *out)
{
    CELLA_TRY(cella_cbor_write_head(out, CELLA_CBOR_MAP, signer->enveloped ? 5 : 4));
    CELLA_TRY(cella_cbor_write_number(out, CELLA_COSE_ALG));
    CELLA_TRY(cella_cbor_write_number(out, CELLA_COSE_EDDSA));
    if (!signer->enveloped) {
        CELLA_TRY(cella_cbor_write_number(out, CELLA_COSE_CONTENT_TYPE));
        CELLA_TRY(cella_cbor_write_text(out, content_types[kind]));
    }
    CELLA_TRY(cella_cbor_write_number(out, CELLA_COSE_KID));
    CELLA_TRY(cella_cbor_write_bytes(out, cella_view_of(key->kid, key->kid_size)));
    CELLA_TRY(write_claims(signer, key, out));
    if (signer->enveloped) {
        CELLA_TRY(cella_cbor_write_number(out, CELLA_COSE_PAYLOAD_HASH));
        CELLA_TRY(cella_cbor_write_number(out, CELLA_COSE_SHA256));
        CELLA_TRY(cella_cbor_write_number(out, CELLA_COSE_PREIMAGE_TYPE));
        CELLA_TRY(cella_cbor_write_text(out, content_types[kind]));
    }
    return CELLA_OK;
}

/* Tag 18, four elements; the unprotected header is written by the caller, between these two. */
static cella_status write_front(struct cella_view protected_bytes, struct cella_bytes *out)
{
    CELLA_TRY(cella_cbor_write_head(out, CELLA_CBOR_TAG, 18));
    CELLA_TRY(cella_cbor_write_head(out, CELLA_CBOR_ARRAY, 4));
    return cella_cbor_write_bytes(out, protected_bytes);
}

static cella_status write_back(struct cella_view payload, struct cella_view signature, struct cella_bytes *out)
{
    CELLA_TRY(cella_cbor_write_bytes(out, payload));
    return cella_cbor_write_bytes(out, signature);
}

cella_status cella_statement_sign(enum cella_statement_kind kind, struct cella_view payload,
                                  const struct cella_statement_signer *signer, struct cella_bytes *out)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes header = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    uint8_t public_key[CELLA_ED25519_KEY_SIZE];
    uint8_t digest[CELLA_SHA256_SIZE];
    uint8_t signature[CELLA_ED25519_SIGNATURE_SIZE];
    struct cella_cose_key key;
    struct cella_statement check;
    struct cella_text detail;
    if (signer->subject.size == 0 || signer->subject.size > CELLA_STATEMENT_NAME_MAX) {
        return CELLA_BAD_FIELD;
    }
    CELLA_TRY(check_payload(kind, payload));
    CELLA_TRY(signer->public_key != NULL ? CELLA_OK : cella_ed25519_public(signer->seed, public_key));
    CELLA_TRY(cella_cose_key_of(signer->public_key != NULL ? signer->public_key : public_key, &key));
    CELLA_TRY(cella_sha256(payload, digest));
    struct cella_view content = signer->enveloped ? cella_view_of(digest, sizeof(digest)) : payload;
    CELLA_TRY(write_protected(kind, signer, &key, &header));
    CELLA_TRY(cella_cose_sign(cella_bytes_view(&header), content, signer->seed, signature));
    CELLA_TRY(write_front(cella_bytes_view(&header), &text));
    CELLA_TRY(cella_cbor_write_head(&text, CELLA_CBOR_MAP, 0));
    CELLA_TRY(write_back(content, cella_view_of(signature, sizeof(signature)), &text));
    /* A subject that is not UTF-8 would be the caller's mistake: nobody could read it. */
    if (cella_statement_read(cella_bytes_view(&text), &check, &detail) != CELLA_OK) {
        return CELLA_BAD_FIELD;
    }
    cella_bytes_take(out, &text);
    return CELLA_OK;
}

/* ---- log entries and receipts ---- */

cella_status cella_statement_leaf(const struct cella_statement *statement, struct cella_merkle_hash *out)
{
    const struct cella_cose_sign1 *sign1 = &statement->sign1;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes front = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes signature = { 0 };
    CELLA_TRY(write_front(sign1->protected_bytes, &front));
    CELLA_TRY(cella_cbor_write_head(&front, CELLA_CBOR_MAP, 0));
    CELLA_TRY(cella_cbor_write_head(&front, CELLA_CBOR_BYTES, sign1->payload.size));
    CELLA_TRY(cella_cbor_write_bytes(&signature, sign1->signature));
    struct cella_view parts[] = { cella_bytes_view(&front), sign1->payload, cella_bytes_view(&signature) };
    return cella_merkle_leaf(parts, sizeof(parts) / sizeof(parts[0]), out);
}

cella_status cella_statement_entry(const struct cella_statement *statement, struct cella_bytes *out)
{
    CELLA_TRY(write_front(statement->sign1.protected_bytes, out));
    CELLA_TRY(cella_cbor_write_head(out, CELLA_CBOR_MAP, 0));
    return write_back(statement->sign1.payload, statement->sign1.signature, out);
}

cella_status cella_statement_attach(const struct cella_statement *statement, const struct cella_view *receipts,
                                    size_t receipt_count, struct cella_bytes *out)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    if (receipt_count == 0) {
        return CELLA_BAD_FIELD;
    }
    CELLA_TRY(write_front(statement->sign1.protected_bytes, &text));
    CELLA_TRY(cella_cbor_write_head(&text, CELLA_CBOR_MAP, 1));
    CELLA_TRY(cella_cbor_write_number(&text, CELLA_COSE_RECEIPTS));
    CELLA_TRY(cella_cbor_write_head(&text, CELLA_CBOR_ARRAY, receipt_count));
    for (size_t i = 0; i < receipt_count; i++) {
        CELLA_TRY(cella_cbor_write_bytes(&text, receipts[i]));
    }
    CELLA_TRY(write_back(statement->sign1.payload, statement->sign1.signature, &text));
    if (text.size > CELLA_COSE_SIZE_MAX) {
        return CELLA_TOO_LARGE;
    }
    cella_bytes_take(out, &text);
    return CELLA_OK;
}
