/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * An Intel platform whose root only tests trust: chain of Intel's shape with a PCK certificate, its revocation lists, TCB
 * information and QE identity that say UpToDate, and quotes of SGX (version 3) and TDX (version 4). New keys in each run.
 */

#include "snp_forge.h"

#define DCAP_SGX 0U
#define DCAP_TDX 0x81U

struct dcap_forge {
    EVP_PKEY *root_key;
    EVP_PKEY *ca_key;
    EVP_PKEY *pck_key;
    EVP_PKEY *signer_key;
    EVP_PKEY *quote_key;
    X509 *root;
    X509 *ca;
    X509 *pck;
    X509 *signer;
    int identity_edition; /* tcbEvaluationDataNumber of the QE identity, beside TCB information of 17; 0: it has none */
    int wanted_edition;   /* the trust file's tcb_evaluation; 0: it says nothing */
};

/* ---- DER of the PCK certificate's extension ---- */

static inline void dcap_der(struct cella_bytes *out, uint8_t tag, struct cella_view content)
{
    const uint8_t head[4] = { tag, 0x82, (uint8_t) (content.size >> 8), (uint8_t) content.size };
    const uint8_t short_head[2] = { tag, (uint8_t) content.size };
    bool small = content.size < 128;
    assert_int_equal(cella_bytes_append(out, cella_view_of(small ? short_head : head, small ? 2 : 4)), CELLA_OK);
    assert_int_equal(cella_bytes_append(out, content), CELLA_OK);
}

/* {identifier below 1.2.840.113741.1.13.1, value}. second 0: the identifier has one part more, not two. */
static inline void dcap_pair(struct cella_bytes *out, uint8_t first, uint8_t second, uint8_t tag, struct cella_view value)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes pair = { 0 };
    const uint8_t oid[] = { 0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01, first, second };
    dcap_der(&pair, 0x06, cella_view_of(oid, second == 0 ? 10 : 11));
    dcap_der(&pair, tag, value);
    dcap_der(out, 0x30, cella_bytes_view(&pair));
}

static inline void dcap_pck_extension(X509 *certificate)
{
    static const uint8_t zeros[16] = { 0 };
    static const uint8_t five = 5;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes tcb = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes members = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes whole = { 0 };
    for (uint8_t i = 1; i <= 17; i++) {
        dcap_pair(&tcb, 2, i, 0x02, cella_view_of(&five, 1));
    }
    dcap_pair(&tcb, 2, 18, 0x04, cella_view_of(zeros, 16));
    dcap_pair(&members, 1, 0, 0x04, cella_view_of(zeros, 16));
    dcap_pair(&members, 2, 0, 0x30, cella_bytes_view(&tcb));
    dcap_pair(&members, 3, 0, 0x04, cella_view_of(zeros, 2));
    dcap_pair(&members, 4, 0, 0x04, cella_view_of("\x00\x90\x6e\xd5\x00\x00", 6));
    dcap_pair(&members, 5, 0, 0x0a, cella_view_of(zeros, 1));
    dcap_der(&whole, 0x30, cella_bytes_view(&members));
    forge_raw_extension(certificate, "1.2.840.113741.1.13.1", whole.data, (int) whole.size);
}

/* ---- certificates ---- */

static inline void dcap_pem(struct cella_bytes *out, X509 *certificate)
{
    char *text;
    BIO *memory = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_X509(memory, certificate), 1);
    long size = BIO_get_mem_data(memory, &text);
    assert_int_equal(cella_bytes_append(out, cella_view_of(text, (size_t) size)), CELLA_OK);
    BIO_free(memory);
}

static inline void dcap_begin(struct dcap_forge *forge)
{
    *forge = (struct dcap_forge){ .identity_edition = 17 };
    EVP_PKEY **const keys[] = { &forge->root_key, &forge->ca_key, &forge->pck_key, &forge->signer_key, &forge->quote_key };
    for (size_t i = 0; i < 5; i++) {
        *keys[i] = EVP_EC_gen("P-256");
    }
    forge->root = forge_certificate("Intel SGX Root CA", "Intel SGX Root CA", forge->root_key, 1);
    forge->ca = forge_certificate("Intel SGX PCK Platform CA", "Intel SGX Root CA", forge->ca_key, 2);
    forge->pck = forge_certificate("Intel SGX PCK Certificate", "Intel SGX PCK Platform CA", forge->pck_key, 3);
    forge->signer = forge_certificate("Intel SGX TCB Signing", "Intel SGX Root CA", forge->signer_key, 4);
    forge_ca(forge->root);
    forge_ca(forge->ca);
    dcap_pck_extension(forge->pck);
    assert_true(X509_sign(forge->root, forge->root_key, EVP_sha256()) > 0);
    assert_true(X509_sign(forge->ca, forge->root_key, EVP_sha256()) > 0);
    assert_true(X509_sign(forge->pck, forge->ca_key, EVP_sha256()) > 0);
    assert_true(X509_sign(forge->signer, forge->root_key, EVP_sha256()) > 0);
}

static inline void dcap_end(struct dcap_forge *forge)
{
    EVP_PKEY *const keys[] = { forge->root_key, forge->ca_key, forge->pck_key, forge->signer_key, forge->quote_key };
    X509 *const certificates[] = { forge->root, forge->ca, forge->pck, forge->signer };
    for (size_t i = 0; i < 5; i++) {
        EVP_PKEY_free(keys[i]);
    }
    for (size_t i = 0; i < 4; i++) {
        X509_free(certificates[i]);
    }
}

/* ---- collateral, as the host's cache brings it ---- */

static inline void dcap_endorse(struct cella_bytes *out, enum cella_endorsement_kind kind, struct cella_view content)
{
    uint8_t head[5] = { (uint8_t) kind };
    for (size_t i = 0; i < 4; i++) {
        head[1 + i] = (uint8_t) (content.size >> (24 - 8 * i));
    }
    assert_int_equal(cella_bytes_append(out, cella_view_of(head, sizeof(head))), CELLA_OK);
    assert_int_equal(cella_bytes_append(out, content), CELLA_OK);
}

static inline void dcap_add_list(struct cella_bytes *out, X509 *issuer, EVP_PKEY *key)
{
    unsigned char *der = NULL;
    X509_CRL *list = X509_CRL_new();
    ASN1_TIME *time = ASN1_TIME_new();
    assert_int_equal(X509_CRL_set_version(list, 1), 1);
    assert_int_equal(X509_CRL_set_issuer_name(list, X509_get_subject_name(issuer)), 1);
    assert_int_equal(X509_CRL_set1_lastUpdate(list, X509_gmtime_adj(time, -3600)), 1);
    assert_int_equal(X509_CRL_set1_nextUpdate(list, X509_gmtime_adj(time, 3600)), 1);
    assert_true(X509_CRL_sign(list, key, EVP_sha256()) > 0);
    int size = i2d_X509_CRL(list, &der);
    assert_true(size > 0);
    dcap_endorse(out, CELLA_ENDORSE_CRL, cella_view_of(der, (size_t) size));
    OPENSSL_free(der);
    ASN1_TIME_free(time);
    X509_CRL_free(list);
}

/* {"name": object, "signature": hexadecimal}; takes the object over. */
static inline void dcap_add_document(struct cella_bytes *out, const struct dcap_forge *forge, const char *name,
                                     json_t *object, enum cella_endorsement_kind kind, enum cella_endorsement_kind chain)
{
    uint8_t signature[64];
    char digits[129];
    char whole[8192];
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes pem = { 0 };
    assert_non_null(object);
    char *text = json_dumps(object, JSON_COMPACT);
    forge_raw_signature(forge->signer_key, EVP_sha256(), cella_view_of_string(text), 32, signature);
    cella_hex_encode(cella_view_of(signature, sizeof(signature)), digits);
    int size = snprintf(whole, sizeof(whole), "{\"%s\":%s,\"signature\":\"%s\"}", name, text, digits);
    assert_in_range(size, 1, sizeof(whole) - 1);
    dcap_endorse(out, kind, cella_view_of(whole, (size_t) size));
    dcap_pem(&pem, forge->signer);
    dcap_endorse(out, chain, cella_bytes_view(&pem));
    free(text);
    json_decref(object);
}

static inline json_t *dcap_components(void)
{
    json_t *list = json_array();
    for (int i = 0; i < 16; i++) {
        assert_int_equal(json_array_append_new(list, json_pack("{s:i}", "svn", 0)), 0);
    }
    return list;
}

#define DCAP_ZERO8 "0000000000000000"
#define DCAP_ZERO16 DCAP_ZERO8 DCAP_ZERO8
#define DCAP_ZERO48 DCAP_ZERO16 DCAP_ZERO16 DCAP_ZERO16

static inline struct cella_bytes dcap_collateral(const struct dcap_forge *forge, uint32_t tee)
{
    struct cella_bytes out = { 0 };
    char issued[32];
    char next[32];
    time_t now = time(NULL) - 3600;
    assert_true(strftime(issued, sizeof(issued), "%Y-%m-%dT%H:%M:%SZ", gmtime(&now)) > 0);
    now += 7200;
    assert_true(strftime(next, sizeof(next), "%Y-%m-%dT%H:%M:%SZ", gmtime(&now)) > 0);
    bool tdx = tee == DCAP_TDX;
    json_t *info = json_pack("{s:s, s:i, s:s, s:s, s:s, s:s, s:i, s:i, s:{s:s, s:s, s:s}, s:[{s:{s:o, s:i, s:o}, s:s}]}", "id",
                             tdx ? "TDX" : "SGX", "version", 3, "issueDate", issued, "nextUpdate", next, "fmspc",
                             "00906ED50000", "pceId", "0000", "tcbType", 0, "tcbEvaluationDataNumber", 17, "tdxModule",
                             "mrsigner", DCAP_ZERO48, "attributes", DCAP_ZERO8, "attributesMask", "FFFFFFFFFFFFFFFF",
                             "tcbLevels", "tcb", "sgxtcbcomponents", dcap_components(), "pcesvn", 5, "tdxtcbcomponents",
                             dcap_components(), "tcbStatus", "UpToDate");
    json_t *identity = json_pack("{s:s, s:i, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:[{s:{s:i}, s:s}]}", "id",
                                 tdx ? "TD_QE" : "QE", "version", 2, "issueDate", issued, "nextUpdate", next, "miscselect",
                                 "00000000", "miscselectMask", "FFFFFFFF", "attributes", DCAP_ZERO16, "attributesMask",
                                 DCAP_ZERO16, "mrsigner", DCAP_ZERO16 DCAP_ZERO16, "isvprodid", 2, "tcbLevels", "tcb",
                                 "isvsvn", 1, "tcbStatus", "UpToDate");
    if (forge->identity_edition > 0) {
        assert_int_equal(json_object_set_new(identity, "tcbEvaluationDataNumber", json_integer(forge->identity_edition)), 0);
    }
    dcap_add_list(&out, forge->root, forge->root_key);
    dcap_add_list(&out, forge->ca, forge->ca_key);
    dcap_add_document(&out, forge, "tcbInfo", info, CELLA_ENDORSE_TCB_INFO, CELLA_ENDORSE_TCB_CHAIN);
    dcap_add_document(&out, forge, "enclaveIdentity", identity, CELLA_ENDORSE_QE_IDENTITY, CELLA_ENDORSE_QE_CHAIN);
    return out;
}

/* ---- quotes ---- */

static inline void dcap_append(struct cella_bytes *out, const void *data, size_t size)
{
    assert_int_equal(cella_bytes_append(out, cella_view_of(data, size)), CELLA_OK);
}

static inline void dcap_number(struct cella_bytes *out, size_t value, size_t size)
{
    uint8_t bytes[4];
    forge_le32(bytes, value);
    dcap_append(out, bytes, size);
}

static inline void dcap_point(EVP_PKEY *key, uint8_t out[64])
{
    uint8_t point[65];
    size_t size = 0;
    assert_int_equal(EVP_PKEY_get_octet_string_param(key, "pub", point, sizeof(point), &size), 1);
    assert_int_equal(size, 65);
    memcpy(out, point + 1, 64);
}

/* The quoting enclave's report, its signature and certificates: vouches for the key that signs the quote. */
static inline void dcap_qe(const struct dcap_forge *forge, const uint8_t key[64], struct cella_bytes *out)
{
    static const uint8_t auth[32] = { 1 };
    uint8_t report[384] = { [256] = 2, [258] = 1 };
    uint8_t signature[64];
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes pem = { 0 };
    dcap_append(&text, key, 64);
    dcap_append(&text, auth, sizeof(auth));
    assert_int_equal(cella_sha256(cella_bytes_view(&text), report + 320), CELLA_OK);
    forge_raw_signature(forge->pck_key, EVP_sha256(), cella_view_of(report, sizeof(report)), 32, signature);
    dcap_append(out, report, sizeof(report));
    dcap_append(out, signature, sizeof(signature));
    dcap_number(out, sizeof(auth), 2);
    dcap_append(out, auth, sizeof(auth));
    dcap_pem(&pem, forge->pck);
    dcap_pem(&pem, forge->ca);
    dcap_pem(&pem, forge->root);
    dcap_number(out, 5, 2);
    dcap_number(out, pem.size, 4);
    dcap_append(out, pem.data, pem.size);
}

/* Header and body, which are signed. What is measured is 0x33 everywhere. */
static inline void dcap_signed_part(uint32_t tee, const uint8_t data[64], struct cella_bytes *out)
{
    static const uint8_t vendor[16] = { 0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9,
                                        0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07 };
    uint8_t body[584] = { 0 };
    bool tdx = tee == DCAP_TDX;
    dcap_number(out, tdx ? 4 : 3, 2);
    dcap_number(out, 2, 2);
    dcap_number(out, tee, 4);
    dcap_number(out, 0, 4);
    dcap_append(out, vendor, sizeof(vendor));
    dcap_append(out, body, 20);
    if (tdx) {
        body[123] = 0x10; /* SEPT_VE_DISABLE */
        body[128] = 0xe7;
        memset(body + 136, 0x33, 48);
        memcpy(body + 520, data, 64);
    } else {
        body[48] = 5; /* initialised, 64 bits */
        body[56] = 3;
        memset(body + 64, 0x33, 32);
        memcpy(body + 320, data, 64);
    }
    dcap_append(out, body, tdx ? 584 : 384);
}

static inline struct cella_bytes dcap_quote(const struct dcap_forge *forge, uint32_t tee, const uint8_t data[64])
{
    struct cella_bytes out = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes qe = { 0 };
    uint8_t signature[64];
    uint8_t key[64];
    size_t wrapper = tee == DCAP_TDX ? 6 : 0;
    dcap_signed_part(tee, data, &out);
    forge_raw_signature(forge->quote_key, EVP_sha256(), cella_bytes_view(&out), 32, signature);
    dcap_point(forge->quote_key, key);
    dcap_qe(forge, key, &qe);
    dcap_number(&out, sizeof(signature) + sizeof(key) + wrapper + qe.size, 4);
    dcap_append(&out, signature, sizeof(signature));
    dcap_append(&out, key, sizeof(key));
    if (wrapper > 0) {
        dcap_number(&out, 6, 2);
        dcap_number(&out, qe.size, 4);
    }
    dcap_append(&out, qe.data, qe.size);
    return out;
}

/* ---- the relying party ---- */

/* With a trust file that names the root of this run, or with Intel's own. Level 5 or nothing. */
static inline cella_status dcap_appraise(const struct dcap_forge *forge, uint32_t tee, const struct cella_bytes *evidence,
                                         const uint8_t data[64], bool own_root)
{
    char value[7 + 96 + 1];
    struct cella_report report;
    bool tdx = tee == DCAP_TDX;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes pem = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes collateral = dcap_collateral(forge, tee);
    (void) snprintf(value, sizeof(value), "%s:%.*s", tdx ? "sha384" : "sha256", tdx ? 96 : 64,
                    "333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333");
    json_t *measurement = json_pack("{s:s, s:s, s:s}", "name", "release 1", "type", tdx ? "tdx" : "sgx", "value", value);
    if (tdx) {
        assert_int_equal(json_object_set_new(measurement, "registers",
                                             json_pack("{s:s, s:s}", "rtmr1", DCAP_ZERO48, "rtmr2", DCAP_ZERO48)),
                         0);
    }
    json_t *json = json_pack("{s:i, s:i, s:[s], s:[o]}", "version", 1, "min_level", 5, "accept", tdx ? "tdx" : "sgx",
                             "measurement", measurement);
    if (forge->wanted_edition > 0) {
        assert_int_equal(json_object_set_new(json, tdx ? "tdx" : "sgx",
                                             json_pack("{s:i}", "tcb_evaluation", forge->wanted_edition)),
                         0);
    }
    dcap_pem(&pem, forge->root);
    if (own_root) {
        assert_int_equal(json_object_set_new(json, "anchor",
                                             json_pack("[{s:s, s:s%}]", "family", "intel", "certificate",
                                                       (const char *) pem.data, pem.size)),
                         0);
    }
    const struct cella_binding binding = { .kind = CELLA_BINDING_REPORT_DATA, .report_data = cella_view_of(data, 64) };
    struct cella_evidence judged = { .type = tdx ? CELLA_EVIDENCE_TDX : CELLA_EVIDENCE_SGX,
                                     .content = cella_bytes_view(evidence) };
    assert_int_equal(cella_endorsements_read(cella_bytes_view(&collateral), &judged.endorsements), CELLA_OK);
    return forge_judge(json, &judged, &binding, &report);
}
