/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/attested_certificate.h"

#include <stdio.h>
#include <string.h>

#include "trust/cbor.h"
#include "trust/certificate.h"
#include "trust/dcap_quote.h"

#define TAGGED_OID "2.23.133.5.4.9"
/* 1.2.840.113741.1337.6 with its DER head inside of the content, as Gramine writes it. */
#define LEGACY_OID "0.6.9.42.840.113741.1337.6"
#define TAG_INTEL 60000U
#define KEY_HASH "pubkey-hash"
#define NONCE "nonce"
#define CMW_EVIDENCE 4U
#define CERTIFICATE_MAX 32768U

void cella_attested_clear(struct cella_attested *attested)
{
    cella_bytes_clear(&attested->scratch);
    *attested = (struct cella_attested){ 0 };
}

enum cella_evidence_type cella_attested_type(struct cella_view quote)
{
    struct cella_reader reader = cella_reader_of(quote);
    uint16_t version;
    uint16_t key_type;
    uint32_t tee;
    if (cella_read_u16_le(&reader, &version) != CELLA_OK || cella_read_u16_le(&reader, &key_type) != CELLA_OK ||
        cella_read_u32_le(&reader, &tee) != CELLA_OK) {
        return CELLA_EVIDENCE_NONE;
    }
    if (version == 3 && tee == CELLA_DCAP_SGX) {
        return CELLA_EVIDENCE_SGX;
    }
    return (version == 4 || version == 5) && tee == CELLA_DCAP_TDX ? CELLA_EVIDENCE_TDX : CELLA_EVIDENCE_NONE;
}

/* ---- claims ---- */

static cella_status hash_key(uint64_t algorithm, struct cella_view spki, uint8_t out[CELLA_SHA512_SIZE], size_t *size)
{
    switch (algorithm) {
    case 1:
        *size = CELLA_SHA256_SIZE;
        return cella_sha256(spki, out);
    case 7:
        *size = CELLA_SHA384_SIZE;
        return cella_sha384(spki, out);
    case 8:
        *size = CELLA_SHA512_SIZE;
        return cella_sha512(spki, out);
    default:
        return CELLA_BAD_EVIDENCE;
    }
}

/* [algorithm, hash], wrapped in a byte string. */
static cella_status check_key_hash(struct cella_view content, struct cella_view spki)
{
    struct cella_reader reader = cella_reader_of(content);
    struct cella_cbor_item list;
    struct cella_cbor_item algorithm;
    struct cella_cbor_item hash;
    uint8_t expected[CELLA_SHA512_SIZE];
    size_t size = 0;
    CELLA_TRY(cella_cbor_expect(&reader, CELLA_CBOR_ARRAY, &list));
    CELLA_TRY(cella_cbor_expect(&reader, CELLA_CBOR_UNSIGNED, &algorithm));
    CELLA_TRY(cella_cbor_expect(&reader, CELLA_CBOR_BYTES, &hash));
    CELLA_TRY(cella_reader_end(&reader));
    CELLA_TRY(list.value == 2 && !list.indefinite ? CELLA_OK : CELLA_BAD_EVIDENCE);
    CELLA_TRY(hash_key(algorithm.value, spki, expected, &size));
    bool same = hash.content.size == size && cella_equal_constant_time(hash.content.data, expected, size);
    return same ? CELLA_OK : CELLA_BAD_EVIDENCE;
}

static cella_status read_claims(struct cella_view claims, struct cella_view spki, struct cella_attested *out)
{
    struct cella_reader reader = cella_reader_of(claims);
    struct cella_cbor_item map;
    bool key_seen = false;
    bool nonce_seen = false;
    CELLA_TRY(cella_cbor_expect(&reader, CELLA_CBOR_MAP, &map));
    if (map.indefinite) {
        return CELLA_BAD_EVIDENCE;
    }
    for (uint64_t i = 0; i < map.value; i++) {
        struct cella_cbor_item name;
        struct cella_cbor_item value;
        CELLA_TRY(cella_cbor_expect(&reader, CELLA_CBOR_TEXT, &name));
        bool *seen = cella_view_is(name.content, KEY_HASH) ? &key_seen
                     : cella_view_is(name.content, NONCE)  ? &nonce_seen
                                                           : NULL;
        if (seen == NULL) {
            CELLA_TRY(cella_cbor_skip(&reader));
            continue;
        }
        if (*seen) {
            return CELLA_BAD_EVIDENCE;
        }
        *seen = true;
        CELLA_TRY(cella_cbor_expect(&reader, CELLA_CBOR_BYTES, &value));
        if (seen == &nonce_seen) {
            out->nonce = value.content;
        } else {
            CELLA_TRY(check_key_hash(value.content, spki));
        }
    }
    CELLA_TRY(cella_reader_end(&reader));
    return key_seen ? CELLA_OK : CELLA_BAD_EVIDENCE;
}

/* 60000([quote, claims]), and the quote is over the claims. */
static cella_status read_tagged(struct cella_view content, struct cella_view spki, struct cella_attested *out)
{
    struct cella_reader reader = cella_reader_of(content);
    struct cella_cbor_item tag;
    struct cella_cbor_item list;
    struct cella_cbor_item quote;
    struct cella_cbor_item claims;
    CELLA_TRY(cella_cbor_expect(&reader, CELLA_CBOR_TAG, &tag));
    CELLA_TRY(cella_cbor_expect(&reader, CELLA_CBOR_ARRAY, &list));
    if (tag.value != TAG_INTEL || list.indefinite || list.value != 2) {
        return CELLA_BAD_EVIDENCE;
    }
    CELLA_TRY(cella_cbor_expect(&reader, CELLA_CBOR_BYTES, &quote));
    CELLA_TRY(cella_cbor_expect(&reader, CELLA_CBOR_BYTES, &claims));
    CELLA_TRY(cella_reader_end(&reader));
    CELLA_TRY(read_claims(claims.content, spki, out));
    out->form = CELLA_ATTESTED_TAGGED;
    out->quote = quote.content;
    return cella_sha256(claims.content, out->report_data);
}

static cella_status read_extensions(const struct cella_certificate *certificate, struct cella_view spki,
                                    bool allow_legacy, struct cella_attested *out)
{
    struct cella_view content;
    cella_status status = cella_certificate_extension(certificate, TAGGED_OID, &content);
    bool legacy = status == CELLA_NOT_FOUND && allow_legacy;
    if (legacy) {
        status = cella_certificate_extension(certificate, LEGACY_OID, &content);
    }
    if (status != CELLA_OK) {
        return status == CELLA_NOT_FOUND ? CELLA_NOT_FOUND : CELLA_BAD_EVIDENCE;
    }
    /* What the certificate holds goes away with it. */
    CELLA_TRY(cella_bytes_set(&out->scratch, content));
    content = cella_bytes_view(&out->scratch);
    if (legacy) {
        out->form = CELLA_ATTESTED_LEGACY;
        out->quote = content;
        return cella_sha256(spki, out->report_data);
    }
    status = read_tagged(content, spki, out);
    return status == CELLA_BAD_FORMAT ? CELLA_BAD_EVIDENCE : status;
}

cella_status cella_attested_read(struct cella_view certificate, bool allow_legacy, uint64_t now_unix_s,
                                 struct cella_attested *out)
{
    CELLA_CLEANUP(cella_certificates_clear) struct cella_certificates list = { 0 };
    CELLA_CLEANUP(cella_public_key_cleanup) struct cella_public_key *key = NULL;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes spki = { 0 };
    if (cella_certificates_read_large(&list, certificate, CERTIFICATE_MAX) != CELLA_OK || list.count != 1) {
        return CELLA_BAD_EVIDENCE;
    }
    if (!cella_certificate_is_current(list.list[0], now_unix_s)) {
        return CELLA_EXPIRED;
    }
    CELLA_TRY(cella_certificate_key(list.list[0], &key));
    CELLA_TRY(cella_public_key_spki(key, &spki));
    return read_extensions(list.list[0], cella_bytes_view(&spki), allow_legacy, out);
}

/* ---- writing ---- */

cella_status cella_attested_claims(struct cella_view spki, struct cella_view nonce, struct cella_bytes *claims,
                                   uint8_t report_data[CELLA_REPORT_DATA_SIZE])
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes hash = { 0 };
    uint8_t digest[CELLA_SHA256_SIZE];
    CELLA_TRY(cella_sha256(spki, digest));
    CELLA_TRY(cella_cbor_write_head(&hash, CELLA_CBOR_ARRAY, 2));
    CELLA_TRY(cella_cbor_write_head(&hash, CELLA_CBOR_UNSIGNED, 1));
    CELLA_TRY(cella_cbor_write_bytes(&hash, cella_view_of(digest, sizeof(digest))));
    CELLA_TRY(cella_cbor_write_head(claims, CELLA_CBOR_MAP, nonce.size > 0 ? 2 : 1));
    CELLA_TRY(cella_cbor_write_text(claims, KEY_HASH));
    CELLA_TRY(cella_cbor_write_bytes(claims, cella_bytes_view(&hash)));
    if (nonce.size > 0) {
        CELLA_TRY(cella_cbor_write_text(claims, NONCE));
        CELLA_TRY(cella_cbor_write_bytes(claims, nonce));
    }
    memset(report_data, 0, CELLA_REPORT_DATA_SIZE);
    return cella_sha256(cella_bytes_view(claims), report_data);
}

cella_status cella_attested_write_tagged(struct cella_view quote, struct cella_view claims, struct cella_bytes *out)
{
    CELLA_TRY(cella_cbor_write_head(out, CELLA_CBOR_TAG, TAG_INTEL));
    CELLA_TRY(cella_cbor_write_head(out, CELLA_CBOR_ARRAY, 2));
    CELLA_TRY(cella_cbor_write_bytes(out, quote));
    return cella_cbor_write_bytes(out, claims);
}

cella_status cella_attested_write_cmw(enum cella_evidence_type type, struct cella_view evidence,
                                      struct cella_bytes *out)
{
    char media[64];
    (void) snprintf(media, sizeof(media), "application/vnd.cella.evidence.%s", cella_evidence_type_name(type));
    CELLA_TRY(cella_cbor_write_head(out, CELLA_CBOR_ARRAY, 3));
    CELLA_TRY(cella_cbor_write_text(out, media));
    CELLA_TRY(cella_cbor_write_bytes(out, evidence));
    return cella_cbor_write_head(out, CELLA_CBOR_UNSIGNED, CMW_EVIDENCE);
}
