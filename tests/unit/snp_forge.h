/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A SEV-SNP machine whose root only tests trust: chain of AMD's shape (RSA-PSS, P-384), reports of a Genoa, the certificate
 * table that a host gives, and a trust file that names the root. New keys in each run.
 */

#include "vectors.h"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <time.h>

#include "trust/evidence.h"

#define FORGE_REPORT_SIZE 1184

struct forge {
    EVP_PKEY *ark_key;
    EVP_PKEY *ask_key;
    EVP_PKEY *vcek_key;
    struct cella_bytes ark; /* DER */
    struct cella_bytes ask;
    struct cella_bytes vcek;
    struct cella_bytes ark_pem;
    uint8_t chip[64];
    bool pinned_roots; /* the relying party trusts AMD's roots, not this run's */
};

static inline void forge_sign(X509 *certificate, EVP_PKEY *key)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY_CTX *options = NULL;
    assert_int_equal(EVP_DigestSignInit(context, &options, EVP_sha384(), NULL, key), 1);
    assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING), 1);
    assert_int_equal(EVP_PKEY_CTX_set_rsa_pss_saltlen(options, 48), 1);
    assert_true(X509_sign_ctx(certificate, context) > 0);
    EVP_MD_CTX_free(context);
}

static inline void forge_name(X509_NAME *name, const char *text)
{
    const char *const parts[][2] = { { "OU", "Engineering" }, { "C", "US" }, { "O", "A test" }, { "CN", text } };
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(X509_NAME_add_entry_by_txt(name, parts[i][0], MBSTRING_ASC, (const unsigned char *) parts[i][1],
                                                    -1, -1, 0),
                         1);
    }
}

static inline void forge_raw_extension(X509 *certificate, const char *oid, const uint8_t *bytes, int size)
{
    ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
    ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
    assert_int_equal(ASN1_OCTET_STRING_set(value, bytes, size), 1);
    X509_EXTENSION *extension = X509_EXTENSION_create_by_OBJ(NULL, object, 0, value);
    assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
    X509_EXTENSION_free(extension);
    ASN1_OCTET_STRING_free(value);
    ASN1_OBJECT_free(object);
}

static inline X509 *forge_certificate(const char *subject, const char *issuer, EVP_PKEY *key, long serial)
{
    X509 *certificate = X509_new();
    assert_int_equal(X509_set_version(certificate, 2), 1);
    assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial), 1);
    assert_non_null(X509_gmtime_adj(X509_getm_notBefore(certificate), -86400));
    assert_non_null(X509_gmtime_adj(X509_getm_notAfter(certificate), 86400));
    forge_name(X509_get_subject_name(certificate), subject);
    forge_name(X509_get_issuer_name(certificate), issuer);
    assert_int_equal(X509_set_pubkey(certificate, key), 1);
    return certificate;
}

/* Signs, encodes, frees. */
static inline void forge_finish(X509 *certificate, EVP_PKEY *key, struct cella_bytes *der)
{
    unsigned char *encoded = NULL;
    forge_sign(certificate, key);
    int size = i2d_X509(certificate, &encoded);
    assert_true(size > 0);
    assert_int_equal(cella_bytes_append(der, cella_view_of(encoded, (size_t) size)), CELLA_OK);
    OPENSSL_free(encoded);
}

static inline void forge_ca(X509 *certificate)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, "critical,CA:TRUE");
    assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

/* What the reports' TCB is: boot loader 10, TEE 0, SNP 23, microcode 84. */
static const uint8_t forge_tcb[8] = { 10, 0, 0, 0, 0, 0, 23, 84 };

static inline void forge_vcek_extensions(X509 *certificate, const struct forge *forge)
{
    static const struct {
        const char *oid;
        uint8_t value;
    } numbers[] = { { "1.3.6.1.4.1.3704.1.3.1", 10 },
                    { "1.3.6.1.4.1.3704.1.3.2", 0 },
                    { "1.3.6.1.4.1.3704.1.3.3", 23 },
                    { "1.3.6.1.4.1.3704.1.3.8", 84 } };
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        const uint8_t der[3] = { 2, 1, numbers[i].value };
        forge_raw_extension(certificate, numbers[i].oid, der, sizeof(der));
    }
    forge_raw_extension(certificate, "1.3.6.1.4.1.3704.1.4", forge->chip, sizeof(forge->chip));
}

static inline void forge_begin(struct forge *forge)
{
    *forge = (struct forge){ .ark_key = EVP_RSA_gen(2048), .ask_key = EVP_RSA_gen(2048), .vcek_key = EVP_EC_gen("P-384") };
    memset(forge->chip, 0x5c, sizeof(forge->chip));
    X509 *ark = forge_certificate("ARK-Genoa", "ARK-Genoa", forge->ark_key, 1);
    forge_ca(ark);
    forge_finish(ark, forge->ark_key, &forge->ark);
    X509 *ask = forge_certificate("SEV-Genoa", "ARK-Genoa", forge->ask_key, 2);
    forge_ca(ask);
    forge_finish(ask, forge->ark_key, &forge->ask);
    X509 *vcek = forge_certificate("SEV-VCEK", "SEV-Genoa", forge->vcek_key, 0);
    forge_vcek_extensions(vcek, forge);
    forge_finish(vcek, forge->ask_key, &forge->vcek);
    BIO *text = BIO_new(BIO_s_mem());
    char *pem;
    assert_int_equal(PEM_write_bio_X509(text, ark), 1);
    long size = BIO_get_mem_data(text, &pem);
    assert_int_equal(cella_bytes_append(&forge->ark_pem, cella_view_of(pem, (size_t) size)), CELLA_OK);
    BIO_free(text);
    X509_free(ark);
    X509_free(ask);
    X509_free(vcek);
}

static inline void forge_end(struct forge *forge)
{
    EVP_PKEY_free(forge->ark_key);
    EVP_PKEY_free(forge->ask_key);
    EVP_PKEY_free(forge->vcek_key);
    cella_bytes_clear(&forge->ark);
    cella_bytes_clear(&forge->ask);
    cella_bytes_clear(&forge->vcek);
    cella_bytes_clear(&forge->ark_pem);
}

static inline ECDSA_SIG *forge_ecdsa(EVP_PKEY *key, const EVP_MD *hash, struct cella_view text)
{
    unsigned char der[160];
    size_t size = sizeof(der);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit(context, NULL, hash, NULL, key), 1);
    assert_int_equal(EVP_DigestSign(context, der, &size, text.data, text.size), 1);
    EVP_MD_CTX_free(context);
    const unsigned char *at = der;
    return d2i_ECDSA_SIG(NULL, &at, (long) size);
}

/* r || s, each big-endian in size bytes. */
static inline void forge_raw_signature(EVP_PKEY *key, const EVP_MD *hash, struct cella_view text, int size, uint8_t *out)
{
    ECDSA_SIG *signature = forge_ecdsa(key, hash, text);
    assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(signature), out, size), size);
    assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(signature), out + size, size), size);
    ECDSA_SIG_free(signature);
}

/* Sign a report, as it stands, with the VCEK. */
static inline void forge_sign_report(const struct forge *forge, uint8_t out[FORGE_REPORT_SIZE])
{
    ECDSA_SIG *signature = forge_ecdsa(forge->vcek_key, EVP_sha384(), cella_view_of(out, 0x2a0));
    assert_int_equal(BN_bn2lebinpad(ECDSA_SIG_get0_r(signature), out + 0x2a0, 72), 72);
    assert_int_equal(BN_bn2lebinpad(ECDSA_SIG_get0_s(signature), out + 0x2e8, 72), 72);
    ECDSA_SIG_free(signature);
}

/* A report of version 3 for these report data, signed by the VCEK. */
static inline void forge_report(const struct forge *forge, const uint8_t data[64], uint8_t vmpl,
                                uint8_t out[FORGE_REPORT_SIZE])
{
    static const size_t tcbs[] = { 0x038, 0x180, 0x1e0, 0x1f0 };
    memset(out, 0, FORGE_REPORT_SIZE);
    out[0x000] = 3;
    out[0x00a] = 0x03; /* policy: SMT allowed, bit 17 */
    out[0x030] = vmpl;
    out[0x034] = 1;
    out[0x040] = 0x25; /* SMT, ECC, no aliases */
    memcpy(out + 0x050, data, 64);
    memset(out + 0x090, 0x33, 48);
    memset(out + 0x160, 0xff, 32);
    for (size_t i = 0; i < 4; i++) {
        memcpy(out + tcbs[i], forge_tcb, sizeof(forge_tcb));
    }
    out[0x188] = 0x19;
    out[0x189] = 0x11;
    out[0x18a] = 0x01;
    memcpy(out + 0x1a0, forge->chip, sizeof(forge->chip));
    forge_sign_report(forge, out);
}

/* ---- the certificate table of a host ---- */

static const uint8_t forge_guid_vcek[16] = { 0x8d, 0x75, 0xda, 0x63, 0x64, 0xe6, 0x64, 0x45,
                                             0xad, 0xc5, 0xf4, 0xb9, 0x3b, 0xe8, 0xac, 0xcd };
static const uint8_t forge_guid_ask[16] = { 0x79, 0xb3, 0xb7, 0x4a, 0xac, 0xbb, 0xe4, 0x4f,
                                            0xa0, 0x2f, 0x05, 0xae, 0xf3, 0x27, 0xc7, 0x82 };
static const uint8_t forge_guid_ark[16] = { 0xa4, 0x06, 0xb4, 0xc0, 0x03, 0xa8, 0x52, 0x49,
                                            0x97, 0x43, 0x3f, 0xb6, 0x01, 0x4c, 0xd0, 0xae };

static inline void forge_le32(uint8_t *out, size_t value)
{
    for (int i = 0; i < 4; i++) {
        out[i] = (uint8_t) (value >> 8 * i);
    }
}

/* Entry number index of a table that was made with room for it. */
static inline void forge_entry(struct cella_bytes *table, size_t index, const uint8_t guid[16], size_t offset, size_t size)
{
    memcpy(table->data + 24 * index, guid, 16);
    forge_le32(table->data + 24 * index + 16, offset);
    forge_le32(table->data + 24 * index + 20, size);
}

/* As hosts give it: the leaf last, so that order is the reader's task. */
static inline struct cella_bytes forge_table(const struct forge *forge)
{
    struct cella_bytes table = { 0 };
    const struct {
        const uint8_t *guid;
        const struct cella_bytes *der;
    } entries[] = { { forge_guid_ark, &forge->ark }, { forge_guid_ask, &forge->ask }, { forge_guid_vcek, &forge->vcek } };
    assert_int_equal(cella_bytes_resize(&table, 24 * 4), CELLA_OK);
    for (size_t i = 0; i < 3; i++) {
        forge_entry(&table, i, entries[i].guid, table.size, entries[i].der->size);
        assert_int_equal(cella_bytes_append(&table, cella_bytes_view(entries[i].der)), CELLA_OK);
    }
    return table;
}

/* ---- the relying party ---- */

/* With a trust file that is taken over. */
static inline cella_status forge_judge(json_t *trust, const struct cella_evidence *evidence,
                                       const struct cella_binding *binding, struct cella_report *report)
{
    char *text = json_dumps(trust, 0);
    struct cella_policy policy = { 0 };
    char field[CELLA_FIELD_MAX];
    if (cella_policy_parse(cella_view_of_string(text), field, &policy) != CELLA_OK) {
        fail_msg("the test's trust file: %s in %s", field, text);
    }
    cella_status status = cella_evidence_appraise(evidence, binding, &policy, (uint64_t) time(NULL), report);
    cella_policy_clear(&policy);
    free(text);
    json_decref(trust);
    return status;
}

/* What an executor's client would say, with a trust file that names the root of this run. report: optional */
static inline cella_status forge_appraise(const struct forge *forge, const struct cella_binding *binding,
                                          const struct cella_bytes *evidence, const struct cella_bytes *endorsements,
                                          struct cella_report *report)
{
    char measurement[7 + 96 + 1] = "sha384:";
    memset(measurement + 7, '3', 96);
    json_t *json = json_pack("{s:i, s:i, s:[s], s:[{s:s, s:s, s:s}], s:[{s:s, s:s%}], s:{s:s}}", "version", 1, "min_level", 5,
                             "accept", "snp", "measurement", "name", "release 1", "type", "snp", "value", measurement,
                             "anchor", "family", "amd-genoa", "certificate", (const char *) forge->ark_pem.data,
                             forge->ark_pem.size, "snp", "revocation", "any");
    assert_non_null(json);
    if (forge->pinned_roots) {
        assert_int_equal(json_object_del(json, "anchor"), 0);
    }
    struct cella_evidence judged = { .type = CELLA_EVIDENCE_SNP, .content = cella_bytes_view(evidence) };
    assert_int_equal(cella_endorsements_read(cella_bytes_view(endorsements), &judged.endorsements), CELLA_OK);
    return forge_judge(json, &judged, binding, report);
}
