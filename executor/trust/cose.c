/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/cose.h"

#include <string.h>

#include "trust/jws.h"
#include "trust/signature.h"

#define SIGN1_TAG 18U
#define CONTEXT "Signature1"

static cella_status refuse(struct cella_text *detail, const char *sentence)
{
    cella_text_set(detail, "%s", sentence);
    return CELLA_BAD_FORMAT;
}

/* ---- the protected header ---- */

static bool is_known(int64_t label)
{
    static const int64_t known[] = { CELLA_COSE_ALG,          CELLA_COSE_CRIT,          CELLA_COSE_CONTENT_TYPE,
                                     CELLA_COSE_KID,          CELLA_COSE_CLAIMS,        CELLA_COSE_TYP,
                                     CELLA_COSE_PAYLOAD_HASH, CELLA_COSE_PREIMAGE_TYPE, CELLA_COSE_PAYLOAD_LOCATION,
                                     CELLA_COSE_VDS };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (known[i] == label) {
            return true;
        }
    }
    return false;
}

/* Labels that the signer wants to be understood, or the object refused. */
static cella_status read_critical(struct cella_reader *reader, struct cella_text *detail)
{
    uint64_t count;
    CELLA_TRY(cella_cbor_array(reader, &count));
    for (uint64_t i = 0; i < count; i++) {
        int64_t label;
        if (cella_cbor_number(reader, &label) != CELLA_OK || !is_known(label)) {
            return refuse(detail, "a label that must be understood (crit) is not known here");
        }
    }
    return count > 0 ? CELLA_OK : refuse(detail, "the list of critical labels is empty");
}

/* Text, or something else that is left alone: media types may be numbers. */
static cella_status read_text_or_skip(struct cella_reader *reader, struct cella_view *out)
{
    struct cella_reader probe = *reader;
    if (cella_cbor_text(&probe, out) == CELLA_OK) {
        *reader = probe;
        return CELLA_OK;
    }
    *out = (struct cella_view){ 0 };
    return cella_cbor_skip(reader);
}

static cella_status read_text_claim(struct cella_reader *reader, struct cella_cose_header *out)
{
    struct cella_view name;
    CELLA_TRY(cella_cbor_text(reader, &name));
    if (cella_view_is(name, CELLA_COSE_CLAIM_SIZE)) {
        out->has_size = true;
        return cella_cbor_unsigned(reader, &out->size);
    }
    if (cella_view_is(name, CELLA_COSE_CLAIM_INDEX)) {
        out->has_index = true;
        return cella_cbor_unsigned(reader, &out->index);
    }
    return cella_cbor_skip(reader);
}

static cella_status read_claims(struct cella_reader *reader, struct cella_cose_header *out)
{
    uint64_t count;
    CELLA_TRY(cella_cbor_map(reader, &count));
    out->has_claims = true;
    for (uint64_t i = 0; i < count; i++) {
        struct cella_reader probe = *reader;
        int64_t key;
        if (cella_cbor_number(&probe, &key) != CELLA_OK) {
            CELLA_TRY(read_text_claim(reader, out));
            continue;
        }
        *reader = probe;
        if (key == CELLA_COSE_ISS) {
            CELLA_TRY(cella_cbor_text(reader, &out->issuer));
        } else if (key == CELLA_COSE_SUB) {
            CELLA_TRY(cella_cbor_text(reader, &out->subject));
        } else if (key == CELLA_COSE_IAT) {
            CELLA_TRY(cella_cbor_unsigned(reader, &out->issued_at_unix_s));
            out->has_issued_at = true;
        } else {
            CELLA_TRY(cella_cbor_skip(reader));
        }
    }
    return out->issuer.size > CELLA_COSE_ISSUER_MAX ? CELLA_BAD_FORMAT : CELLA_OK;
}

static cella_status read_member(struct cella_reader *reader, int64_t label, struct cella_cose_header *out,
                                struct cella_text *detail)
{
    switch (label) {
    case CELLA_COSE_ALG:
        return cella_cbor_number(reader, &out->algorithm);
    case CELLA_COSE_CRIT:
        return read_critical(reader, detail);
    case CELLA_COSE_CONTENT_TYPE:
        return read_text_or_skip(reader, &out->content_type);
    case CELLA_COSE_KID:
        return cella_cbor_bytes(reader, &out->kid);
    case CELLA_COSE_CLAIMS:
        return read_claims(reader, out);
    case CELLA_COSE_PAYLOAD_HASH:
        return cella_cbor_number(reader, &out->payload_hash);
    case CELLA_COSE_PREIMAGE_TYPE:
        return read_text_or_skip(reader, &out->preimage_type);
    case CELLA_COSE_VDS:
        return cella_cbor_number(reader, &out->vds);
    default:
        return cella_cbor_skip(reader);
    }
}

static cella_status read_header(struct cella_view text, enum cella_cbor_profile profile, int64_t unprotected_label,
                                struct cella_cose_header *out, struct cella_text *detail)
{
    struct cella_reader reader = cella_reader_of(text);
    uint64_t count;
    if (cella_cbor_check(text, profile) != CELLA_OK || cella_cbor_map(&reader, &count) != CELLA_OK) {
        return refuse(detail, "the protected header is no map as it has to be");
    }
    for (uint64_t i = 0; i < count; i++) {
        struct cella_reader probe = reader;
        int64_t label = 0;
        bool number = cella_cbor_number(&probe, &label) == CELLA_OK;
        if (number && unprotected_label != 0 && label == unprotected_label) {
            return refuse(detail, "a label stands in both headers");
        }
        if (profile == CELLA_CBOR_STRICT && !(number && is_known(label))) {
            return refuse(detail, "the protected header has a label that does not belong there");
        }
        CELLA_TRY(cella_cbor_skip(&reader));
        if (number) {
            CELLA_TRY(read_member(&reader, label, out, detail));
        } else {
            CELLA_TRY(cella_cbor_skip(&reader));
        }
    }
    return cella_reader_end(&reader);
}

/* ---- the whole ---- */

static cella_status read_unprotected(struct cella_reader *reader, enum cella_cose_label allowed,
                                     struct cella_cose_sign1 *out)
{
    uint64_t count;
    CELLA_TRY(cella_cbor_map(reader, &count));
    if (count == 0) {
        return CELLA_OK;
    }
    CELLA_TRY(cella_cbor_number(reader, &out->unprotected_label));
    if (count > 1 || out->unprotected_label != (int64_t) allowed) {
        return CELLA_BAD_FORMAT;
    }
    return cella_cbor_whole(reader, &out->unprotected);
}

static cella_status read_frame(struct cella_reader *reader, enum cella_cose_label unprotected,
                               struct cella_cose_sign1 *out, struct cella_text *detail)
{
    struct cella_cbor_item tag;
    uint64_t count;
    if (cella_cbor_expect(reader, CELLA_CBOR_TAG, &tag) != CELLA_OK || tag.value != SIGN1_TAG ||
        cella_cbor_array(reader, &count) != CELLA_OK || count != 4) {
        return refuse(detail, "it is no COSE_Sign1: tag 18 and four elements");
    }
    if (cella_cbor_bytes(reader, &out->protected_bytes) != CELLA_OK) {
        return refuse(detail, "the protected header is not a byte string");
    }
    if (read_unprotected(reader, unprotected, out) != CELLA_OK) {
        return refuse(detail, "the unprotected header has a label that nobody signed and nobody expects there");
    }
    out->detached = cella_cbor_take_null(reader);
    if ((!out->detached && cella_cbor_bytes(reader, &out->payload) != CELLA_OK) ||
        cella_cbor_bytes(reader, &out->signature) != CELLA_OK) {
        return refuse(detail, "payload and signature have to be byte strings");
    }
    return cella_reader_end(reader);
}

cella_status cella_cose_read(struct cella_view content, enum cella_cbor_profile profile,
                             enum cella_cose_label unprotected, struct cella_cose_sign1 *out, struct cella_text *detail)
{
    struct cella_reader reader = cella_reader_of(content);
    struct cella_cose_sign1 found = { 0 };
    *out = found;
    if (content.size > CELLA_COSE_SIZE_MAX) {
        cella_text_set(detail, "it has more than %u bytes", CELLA_COSE_SIZE_MAX);
        return CELLA_TOO_LARGE;
    }
    if (cella_cbor_check(content, profile) != CELLA_OK) {
        return refuse(detail, profile == CELLA_CBOR_STRICT ? "it is not deterministic CBOR, or was cut or made longer"
                                                           : "it is not CBOR as it has to be, or was cut or made longer");
    }
    cella_text_set(detail, "the protected header has a member of another type");
    CELLA_TRY(read_frame(&reader, unprotected, &found, detail));
    CELLA_TRY(read_header(found.protected_bytes, profile, found.unprotected_label, &found.header, detail));
    detail->characters[0] = '\0';
    *out = found;
    return CELLA_OK;
}

/* ---- keys and signatures ---- */

cella_status cella_cose_key_of(const uint8_t public_key[CELLA_ED25519_KEY_SIZE], struct cella_cose_key *out)
{
    char thumbprint[CELLA_THUMBPRINT_SIZE + 1];
    struct cella_cose_key key = { .algorithm = CELLA_COSE_EDDSA, .kid_size = CELLA_SHA256_SIZE };
    memcpy(key.public_key, public_key, CELLA_ED25519_KEY_SIZE);
    CELLA_TRY(cella_thumbprint(public_key, thumbprint));
    CELLA_TRY(cella_base64url_decode_exact(cella_view_of_string(thumbprint), key.kid, CELLA_SHA256_SIZE));
    *out = key;
    return CELLA_OK;
}

static cella_status signed_bytes(struct cella_view protected_bytes, struct cella_view payload, struct cella_bytes *out)
{
    CELLA_TRY(cella_bytes_reserve(out, protected_bytes.size + payload.size + 32));
    CELLA_TRY(cella_cbor_write_head(out, CELLA_CBOR_ARRAY, 4));
    CELLA_TRY(cella_cbor_write_text(out, CONTEXT));
    CELLA_TRY(cella_cbor_write_bytes(out, protected_bytes));
    CELLA_TRY(cella_cbor_write_bytes(out, (struct cella_view){ 0 }));
    return cella_cbor_write_bytes(out, payload);
}

static bool is_algorithm_of(const struct cella_cose_key *key, int64_t algorithm)
{
    return algorithm == (int64_t) key->algorithm ||
           (key->algorithm == CELLA_COSE_EDDSA && algorithm == CELLA_COSE_ED25519);
}

cella_status cella_cose_verify(const struct cella_cose_sign1 *sign1, const struct cella_cose_key *key,
                               struct cella_view payload)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes message = { 0 };
    if (!cella_view_equal(sign1->header.kid, cella_view_of(key->kid, key->kid_size)) ||
        !is_algorithm_of(key, sign1->header.algorithm)) {
        return CELLA_BAD_KEY;
    }
    CELLA_TRY(signed_bytes(sign1->protected_bytes, payload, &message));
    if (key->algorithm == CELLA_COSE_EDDSA) {
        return cella_ed25519_verify(key->public_key, cella_bytes_view(&message), sign1->signature);
    }
    CELLA_CLEANUP(cella_public_key_cleanup) struct cella_public_key *point = NULL;
    CELLA_TRY(cella_public_key_of_point(CELLA_CURVE_P256, cella_view_of(key->public_key, sizeof(key->public_key)),
                                        &point));
    return cella_signature_verify(point, CELLA_SIGNATURE_ECDSA, CELLA_HASH_SHA256, cella_bytes_view(&message),
                                  sign1->signature);
}

cella_status cella_cose_sign(struct cella_view protected_bytes, struct cella_view payload,
                             const struct cella_secret *seed, uint8_t out[CELLA_ED25519_SIGNATURE_SIZE])
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes message = { 0 };
    CELLA_TRY(signed_bytes(protected_bytes, payload, &message));
    return cella_ed25519_sign(seed, cella_bytes_view(&message), out);
}

cella_status cella_cose_thumbprint(const struct cella_cose_key *key, uint8_t out[CELLA_SHA256_SIZE])
{
    /* {1: kty, -1: crv, -2: x}: OKP (1) with Ed25519 (6); EC2 (2) with P-256 (1), which has -3: y besides. */
    bool okp = key->algorithm == CELLA_COSE_EDDSA;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    CELLA_TRY(cella_cbor_write_head(&text, CELLA_CBOR_MAP, okp ? 3 : 4));
    CELLA_TRY(cella_cbor_write_number(&text, 1));
    CELLA_TRY(cella_cbor_write_number(&text, okp ? 1 : 2));
    CELLA_TRY(cella_cbor_write_number(&text, -1));
    CELLA_TRY(cella_cbor_write_number(&text, okp ? 6 : 1));
    CELLA_TRY(cella_cbor_write_number(&text, -2));
    CELLA_TRY(cella_cbor_write_bytes(&text, cella_view_of(key->public_key, 32)));
    if (!okp) {
        CELLA_TRY(cella_cbor_write_number(&text, -3));
        CELLA_TRY(cella_cbor_write_bytes(&text, cella_view_of(key->public_key + 32, 32)));
    }
    return cella_sha256(cella_bytes_view(&text), out);
}
