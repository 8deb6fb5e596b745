/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/attested_certificate.h"

#include <string.h>

#include "trust/cbor.h"
#include "trust/certificate.h"
#include "trust/dcap_quote.h"
#include "trust/der.h"

/* 1.2.840.113741.1337.6 with its DER head inside of the content, as Gramine writes it. */
#define LEGACY_OID "0.6.9.42.840.113741.1337.6"
#define TAG_INTEL 60000U
#define KEY_HASH "pubkey-hash"
#define NONCE "nonce"
#define MEDIA_TYPE "application/vnd.cella.evidence+cbor"
#define CMW_EVIDENCE 4U
/* Both extensions may carry the largest evidence. */
#define CERTIFICATE_MAX (2U * (CELLA_EVIDENCE_MAX + CELLA_ATTESTED_CLAIMS_MAX) + 4096U)

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
    out->type = cella_attested_type(quote.content);
    out->evidence = quote.content;
    return cella_sha256(claims.content, out->report_data);
}

/* A member of the record's map: its number, then its value. */
static cella_status read_member(struct cella_reader *reader, uint64_t number, enum cella_cbor_kind kind,
                                struct cella_view *out)
{
    struct cella_cbor_item key;
    struct cella_cbor_item value;
    CELLA_TRY(cella_cbor_expect(reader, CELLA_CBOR_UNSIGNED, &key));
    CELLA_TRY(cella_cbor_expect(reader, kind, &value));
    *out = value.content;
    return key.value == number ? CELLA_OK : CELLA_BAD_EVIDENCE;
}

/* What a record of ours wraps: {1: type, 2: evidence, 3: claims}. */
static cella_status read_wrapped(struct cella_view content, struct cella_view spki, struct cella_attested *out)
{
    struct cella_reader reader = cella_reader_of(content);
    struct cella_cbor_item map;
    struct cella_view type;
    struct cella_view claims;
    CELLA_TRY(cella_cbor_expect(&reader, CELLA_CBOR_MAP, &map));
    CELLA_TRY(map.value == 3 && !map.indefinite ? CELLA_OK : CELLA_BAD_EVIDENCE);
    CELLA_TRY(read_member(&reader, 1, CELLA_CBOR_TEXT, &type));
    CELLA_TRY(read_member(&reader, 2, CELLA_CBOR_BYTES, &out->evidence));
    CELLA_TRY(read_member(&reader, 3, CELLA_CBOR_BYTES, &claims));
    CELLA_TRY(cella_reader_end(&reader));
    CELLA_TRY(read_claims(claims, spki, out));
    out->form = CELLA_ATTESTED_CMW;
    out->type = cella_evidence_type_of(type);
    return cella_sha256(claims, out->report_data);
}

/* [media type, value, 4]; of media types only ours is known. */
static cella_status read_record(struct cella_view content, struct cella_view spki, struct cella_attested *out)
{
    struct cella_reader reader = cella_reader_of(content);
    struct cella_cbor_item list;
    struct cella_cbor_item media;
    struct cella_cbor_item value;
    struct cella_cbor_item indicator;
    CELLA_TRY(cella_cbor_expect(&reader, CELLA_CBOR_ARRAY, &list));
    CELLA_TRY(list.value == 3 && !list.indefinite ? CELLA_OK : CELLA_BAD_EVIDENCE);
    CELLA_TRY(cella_cbor_expect(&reader, CELLA_CBOR_TEXT, &media));
    CELLA_TRY(cella_cbor_expect(&reader, CELLA_CBOR_BYTES, &value));
    CELLA_TRY(cella_cbor_expect(&reader, CELLA_CBOR_UNSIGNED, &indicator));
    CELLA_TRY(cella_reader_end(&reader));
    bool ours = cella_view_is(media.content, MEDIA_TYPE) && indicator.value == CMW_EVIDENCE;
    return ours ? read_wrapped(value.content, spki, out) : CELLA_BAD_EVIDENCE;
}

/* The TCG extension: Intel's tag, or a record. */
static cella_status read_tcg(struct cella_view content, struct cella_view spki, struct cella_attested *out)
{
    struct cella_reader reader = cella_reader_of(content);
    struct cella_cbor_item first;
    CELLA_TRY(cella_cbor_next(&reader, &first));
    return first.kind == CELLA_CBOR_ARRAY ? read_record(content, spki, out) : read_tagged(content, spki, out);
}

/* The IETF's extension: a CMW inside of an OCTET STRING. */
static cella_status read_cmw(struct cella_view content, struct cella_view spki, struct cella_attested *out)
{
    struct cella_reader reader = cella_reader_of(content);
    struct cella_view record;
    CELLA_TRY(cella_der_expect(&reader, CELLA_DER_OCTETS, &record));
    CELLA_TRY(cella_reader_end(&reader));
    return read_record(record, spki, out);
}

/* A bare quote over the key's hash. */
static cella_status read_legacy(struct cella_view content, struct cella_view spki, struct cella_attested *out)
{
    out->form = CELLA_ATTESTED_LEGACY;
    out->type = cella_attested_type(content);
    out->evidence = content;
    return cella_sha256(spki, out->report_data);
}

struct form {
    const char *oid;
    cella_status (*read)(struct cella_view content, struct cella_view spki, struct cella_attested *out);
};

static const struct form forms[] = {
    { CELLA_ATTESTED_TCG_OID, read_tcg },
    { CELLA_ATTESTED_CMW_OID, read_cmw },
    { LEGACY_OID, read_legacy },
};

/* The first of the forms that is there decides: one that is spoilt is no reason to look at the next. */
static cella_status read_extensions(const struct cella_certificate *certificate, struct cella_view spki,
                                    bool allow_legacy, struct cella_attested *out)
{
    const size_t count = sizeof(forms) / sizeof(forms[0]) - (allow_legacy ? 0 : 1);
    for (size_t i = 0; i < count; i++) {
        struct cella_view content;
        cella_status status = cella_certificate_extension(certificate, forms[i].oid, &content);
        if (status == CELLA_NOT_FOUND) {
            continue;
        }
        CELLA_TRY(status == CELLA_OK ? CELLA_OK : CELLA_BAD_EVIDENCE);
        /* What the certificate holds goes away with it. */
        CELLA_TRY(cella_bytes_set(&out->scratch, content));
        status = forms[i].read(cella_bytes_view(&out->scratch), spki, out);
        return status == CELLA_BAD_FORMAT ? CELLA_BAD_EVIDENCE : status;
    }
    return CELLA_NOT_FOUND;
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
    out->issued = !cella_certificate_names_itself(list.list[0]);
    if (!out->issued && !cella_certificate_signs_itself(list.list[0])) {
        return CELLA_BAD_EVIDENCE; /* the evidence binds the key only, so whatever else is in it would be anybody's word */
    }
    CELLA_TRY(cella_certificate_key(list.list[0], &key));
    CELLA_TRY(cella_public_key_spki(key, &spki));
    return read_extensions(list.list[0], cella_bytes_view(&spki), allow_legacy, out);
}

/* ---- writing ---- */

cella_status cella_attested_claims(const uint8_t spki_sha256[CELLA_SHA256_SIZE], struct cella_view nonce,
                                   struct cella_bytes *claims, uint8_t report_data[CELLA_REPORT_DATA_SIZE])
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes hash = { 0 };
    CELLA_TRY(cella_cbor_write_head(&hash, CELLA_CBOR_ARRAY, 2));
    CELLA_TRY(cella_cbor_write_head(&hash, CELLA_CBOR_UNSIGNED, 1));
    CELLA_TRY(cella_cbor_write_bytes(&hash, cella_view_of(spki_sha256, CELLA_SHA256_SIZE)));
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

static cella_status write_tagged(struct cella_view quote, struct cella_view claims, struct cella_bytes *out)
{
    CELLA_TRY(cella_cbor_write_head(out, CELLA_CBOR_TAG, TAG_INTEL));
    CELLA_TRY(cella_cbor_write_head(out, CELLA_CBOR_ARRAY, 2));
    CELLA_TRY(cella_cbor_write_bytes(out, quote));
    return cella_cbor_write_bytes(out, claims);
}

static cella_status write_record(enum cella_evidence_type type, struct cella_view evidence, struct cella_view claims,
                                 struct cella_bytes *out)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes value = { 0 };
    CELLA_TRY(cella_cbor_write_head(&value, CELLA_CBOR_MAP, 3));
    CELLA_TRY(cella_cbor_write_head(&value, CELLA_CBOR_UNSIGNED, 1));
    CELLA_TRY(cella_cbor_write_text(&value, cella_evidence_type_name(type)));
    CELLA_TRY(cella_cbor_write_head(&value, CELLA_CBOR_UNSIGNED, 2));
    CELLA_TRY(cella_cbor_write_bytes(&value, evidence));
    CELLA_TRY(cella_cbor_write_head(&value, CELLA_CBOR_UNSIGNED, 3));
    CELLA_TRY(cella_cbor_write_bytes(&value, claims));
    CELLA_TRY(cella_cbor_write_head(out, CELLA_CBOR_ARRAY, 3));
    CELLA_TRY(cella_cbor_write_text(out, MEDIA_TYPE));
    CELLA_TRY(cella_cbor_write_bytes(out, cella_bytes_view(&value)));
    return cella_cbor_write_head(out, CELLA_CBOR_UNSIGNED, CMW_EVIDENCE);
}

static cella_status write_octets(struct cella_view content, struct cella_bytes *out)
{
    CELLA_TRY(cella_write_u8(out, CELLA_DER_OCTETS));
    if (content.size < 0x80) {
        CELLA_TRY(cella_write_u8(out, (uint8_t) content.size));
    } else if (content.size <= UINT8_MAX) {
        CELLA_TRY(cella_write_u8(out, 0x81));
        CELLA_TRY(cella_write_u8(out, (uint8_t) content.size));
    } else {
        CELLA_TRY(cella_write_u8(out, 0x82));
        CELLA_TRY(cella_write_u16(out, (uint16_t) content.size));
    }
    return cella_bytes_append(out, content);
}

cella_status cella_attested_write(enum cella_evidence_type type, struct cella_view evidence, struct cella_view claims,
                                  struct cella_bytes *cmw, struct cella_bytes *tcg)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes record = { 0 };
    if (evidence.size > CELLA_EVIDENCE_MAX || claims.size > CELLA_ATTESTED_CLAIMS_MAX) {
        return CELLA_TOO_LARGE;
    }
    CELLA_TRY(write_record(type, evidence, claims, &record));
    CELLA_TRY(write_octets(cella_bytes_view(&record), cmw));
    bool intel = type == CELLA_EVIDENCE_TDX || type == CELLA_EVIDENCE_SGX;
    return intel ? write_tagged(evidence, claims, tcg) : cella_bytes_append(tcg, cella_bytes_view(&record));
}
