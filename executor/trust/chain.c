/* SPDX-License-Identifier: Apache-2.0 */
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "trust/certificate_openssl.h"
#include "trust/openssl_error.h"
#include "trust/public_key.h"

struct cella_crl {
    X509_CRL *openssl;
};

static void store_cleanup(X509_STORE **store)
{
    X509_STORE_free(*store);
}

static void context_cleanup(X509_STORE_CTX **context)
{
    X509_STORE_CTX_free(*context);
}

/* The stacks borrow: they are freed, their members are not. */
static void certificates_cleanup(STACK_OF(X509) **stack)
{
    sk_X509_free(*stack);
}

static void crls_cleanup(STACK_OF(X509_CRL) **stack)
{
    sk_X509_CRL_free(*stack);
}

static void number_cleanup(ASN1_INTEGER **number)
{
    ASN1_INTEGER_free(*number);
}

/* ---- revocation lists ---- */

cella_status cella_crl_read(struct cella_view text, struct cella_crl **out)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes der = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes rest = { 0 };
    if (text.size > CELLA_CRL_MAX) {
        return CELLA_TOO_LARGE;
    }
    if (text.size > 0 && text.data[0] != 0x30) {
        cella_status status = cella_pem_next(&text, PEM_STRING_X509_CRL, &der);
        CELLA_TRY(status == CELLA_NOT_FOUND ? CELLA_BAD_FORMAT : status);
        status = cella_pem_next(&text, PEM_STRING_X509_CRL, &rest);
        CELLA_TRY(status == CELLA_NOT_FOUND ? CELLA_OK : CELLA_BAD_FORMAT); /* one list, nothing behind it */
        text = cella_bytes_view(&der);
    }
    struct cella_crl *crl = calloc(1, sizeof(*crl));
    if (crl == NULL) {
        return CELLA_NO_MEMORY;
    }
    const uint8_t *end = text.data;
    crl->openssl = d2i_X509_CRL(NULL, &end, (long) text.size);
    if (crl->openssl == NULL || end != text.data + text.size) {
        cella_crl_free(crl);
        return cella_openssl_failed(CELLA_BAD_FORMAT);
    }
    *out = crl;
    return CELLA_OK;
}

void cella_crl_free(struct cella_crl *crl)
{
    if (crl != NULL) {
        X509_CRL_free(crl->openssl);
        free(crl);
    }
}

void cella_crl_cleanup(struct cella_crl **crl)
{
    cella_crl_free(*crl);
}

static uint64_t crl_number(const X509_CRL *crl)
{
    CELLA_CLEANUP(number_cleanup) ASN1_INTEGER *number = X509_CRL_get_ext_d2i(crl, NID_crl_number, NULL, NULL);
    uint64_t value = 0;
    if (number == NULL || ASN1_INTEGER_get_uint64(&value, number) != 1) {
        ERR_clear_error();
        return 0;
    }
    return value;
}

cella_status cella_crl_check(struct cella_crl *crl, const struct cella_certificate *certificate,
                             const struct cella_certificate *issuer, uint64_t now_unix_s, uint64_t *number)
{
    time_t now = (time_t) now_unix_s;
    X509_REVOKED *entry = NULL;
    *number = crl_number(crl->openssl);
    if (X509_NAME_cmp(X509_CRL_get_issuer(crl->openssl), X509_get_subject_name(issuer->openssl)) != 0 ||
        X509_CRL_verify(crl->openssl, X509_get0_pubkey(issuer->openssl)) != 1) {
        return cella_openssl_failed(CELLA_ENDORSEMENT);
    }
    const ASN1_TIME *next = X509_CRL_get0_nextUpdate(crl->openssl);
    if (next == NULL || X509_cmp_time(X509_CRL_get0_lastUpdate(crl->openssl), &now) >= 0 ||
        X509_cmp_time(next, &now) <= 0) {
        return CELLA_EXPIRED;
    }
    /* 2: the entry takes an earlier one back. */
    return X509_CRL_get0_by_cert(crl->openssl, &entry, certificate->openssl) == 1 ? CELLA_REVOKED : CELLA_OK;
}

/* ---- chains ---- */

static cella_status judge_error(int error, struct cella_text *detail)
{
    cella_text_set(detail, "%s", X509_verify_cert_error_string(error));
    switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
    case X509_V_ERR_CRL_HAS_EXPIRED:
    case X509_V_ERR_CRL_NOT_YET_VALID:
        return CELLA_EXPIRED;
    case X509_V_ERR_CERT_REVOKED:
        return CELLA_REVOKED;
    case X509_V_ERR_UNABLE_TO_GET_CRL:
    case X509_V_ERR_DIFFERENT_CRL_SCOPE:
    case X509_V_ERR_CRL_SIGNATURE_FAILURE:
        return CELLA_ENDORSEMENT;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
        return CELLA_ROOT;
    case X509_V_ERR_OUT_OF_MEM:
        return CELLA_NO_MEMORY;
    default:
        return CELLA_BAD_EVIDENCE;
    }
}

static bool push_all(STACK_OF(X509) *stack, const struct cella_certificates *certificates, size_t first)
{
    for (size_t i = first; i < certificates->count; i++) {
        if (sk_X509_push(stack, certificates->list[i]->openssl) == 0) {
            return false;
        }
    }
    return true;
}

/* Only the anchors are trusted: no defaults of the system are loaded into the store. */
static bool fill_store(X509_STORE *store, const struct cella_anchors *anchors, const char *family)
{
    size_t length = strlen(family);
    for (size_t i = 0; i < anchors->count; i++) {
        bool wanted = strncmp(anchors->list[i].family, family, length) == 0;
        if (wanted && X509_STORE_add_cert(store, anchors->list[i].certificate->openssl) != 1) {
            return false;
        }
    }
    return true;
}

static unsigned long flags_of(const struct cella_chain_rules *rules)
{
    unsigned long flags = X509_V_FLAG_TRUSTED_FIRST;
    flags |= rules->strict ? X509_V_FLAG_X509_STRICT : 0UL;
    flags |= rules->revocation ? X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL : 0UL;
    return flags;
}

/* Name the certificates that OpenSSL went through: all of them are given, helpers or anchors. */
static cella_status name_chain(X509_STORE_CTX *context, const struct cella_certificates *const lists[2],
                               const struct cella_anchors *anchors, struct cella_chain *out)
{
    STACK_OF(X509) *verified = X509_STORE_CTX_get0_chain(context);
    int count = sk_X509_num(verified);
    if (count < 1 || count > (int) CELLA_CHAIN_MAX) {
        return CELLA_BAD_EVIDENCE;
    }
    for (int i = 0; i + 1 < count; i++) {
        for (size_t k = 0; k < 2; k++) {
            for (size_t n = 0; n < lists[k]->count; n++) {
                if (lists[k]->list[n]->openssl == sk_X509_value(verified, i)) {
                    out->list[i] = lists[k]->list[n];
                }
            }
        }
        if (out->list[i] == NULL) {
            return CELLA_BAD_EVIDENCE;
        }
    }
    for (size_t i = 0; i < anchors->count; i++) {
        if (anchors->list[i].certificate->openssl == sk_X509_value(verified, count - 1)) {
            out->anchor = &anchors->list[i];
            out->list[count - 1] = anchors->list[i].certificate;
        }
    }
    out->count = (size_t) count;
    return out->anchor == NULL ? CELLA_ROOT : CELLA_OK;
}

static cella_status check_shape(const struct cella_chain_rules *rules, const struct cella_chain *chain,
                                struct cella_text *detail)
{
    struct cella_public_key *key = NULL;
    if (chain->count < rules->length_min || chain->count > rules->length_max) {
        cella_text_set(detail, "the chain has %zu certificates; %zu to %zu are right", chain->count,
                       rules->length_min, rules->length_max);
        return CELLA_BAD_EVIDENCE;
    }
    CELLA_TRY(cella_certificate_key(chain->list[0], &key));
    unsigned int curve_bits = cella_public_key_curve_bits(key);
    cella_public_key_free(key);
    bool right = rules->leaf_curve_bits == CELLA_CHAIN_ANY_KEY || curve_bits == rules->leaf_curve_bits;
    if (!right) {
        cella_text_set(detail, "the leaf certificate has a key of another type");
    }
    return right ? CELLA_OK : CELLA_BAD_EVIDENCE;
}

/* The same key and name, signed by that key: vendors issue roots again with another validity. */
static bool is_edition_of(const struct cella_certificate *certificate, const struct cella_anchor *anchor)
{
    X509 *root = anchor->certificate->openssl;
    if (X509_cmp(certificate->openssl, root) == 0) {
        return true;
    }
    bool same = X509_NAME_cmp(X509_get_subject_name(certificate->openssl), X509_get_subject_name(root)) == 0 &&
                EVP_PKEY_eq(X509_get0_pubkey(certificate->openssl), X509_get0_pubkey(root)) == 1 &&
                X509_verify(certificate->openssl, X509_get0_pubkey(root)) == 1;
    ERR_clear_error();
    return same;
}

static cella_status check_complete(const struct cella_certificates *given, const struct cella_chain *chain,
                                   struct cella_text *detail)
{
    for (size_t i = 0; i < given->count; i++) {
        bool used = false;
        for (size_t k = 0; k < chain->count; k++) {
            used = used || chain->list[k] == given->list[i];
        }
        if (!used && !is_edition_of(given->list[i], chain->anchor)) {
            cella_text_set(detail, "a certificate in the evidence does not belong to its chain");
            return CELLA_ROOT;
        }
    }
    return CELLA_OK;
}

static cella_status run(X509_STORE_CTX *context, const struct cella_chain_rules *rules, uint64_t now_unix_s,
                        struct cella_text *detail)
{
    X509_VERIFY_PARAM *parameters = X509_STORE_CTX_get0_param(context);
    X509_VERIFY_PARAM_set_time(parameters, (time_t) now_unix_s);
    X509_VERIFY_PARAM_set_depth(parameters, (int) CELLA_CHAIN_MAX);
    if (X509_VERIFY_PARAM_set_flags(parameters, flags_of(rules)) != 1 ||
        X509_VERIFY_PARAM_set_purpose(parameters, X509_PURPOSE_ANY) != 1) {
        return cella_openssl_failed(CELLA_NO_MEMORY);
    }
    if (X509_verify_cert(context) != 1) {
        cella_status status = judge_error(X509_STORE_CTX_get_error(context), detail);
        return cella_openssl_failed(status == CELLA_OK ? CELLA_BAD_EVIDENCE : status);
    }
    return CELLA_OK;
}

cella_status cella_chain_verify(const struct cella_certificates *given, const struct cella_certificates *helpers,
                                struct cella_crl *const *crls, size_t crl_count, const struct cella_anchors *anchors,
                                const struct cella_chain_rules *rules, uint64_t now_unix_s, struct cella_chain *out,
                                struct cella_text *detail)
{
    const struct cella_certificates *const lists[2] = { given, helpers };
    *out = (struct cella_chain){ 0 };
    if (given->count == 0) {
        cella_text_set(detail, "the certificate of the key that signed is missing: it comes with the evidence, or as an endorsement "
                               "from %s", strcmp(rules->family, "amd") == 0 ? "AMD's key server (VCEK, kdsintf.amd.com)"
                                          : strcmp(rules->family, "intel") == 0 ? "Intel's or your cloud's PCCS (PCK certificate)"
                                                                                : "its maker");
        return CELLA_ENDORSEMENT;
    }
    CELLA_CLEANUP(store_cleanup) X509_STORE *store = X509_STORE_new();
    CELLA_CLEANUP(context_cleanup) X509_STORE_CTX *context = X509_STORE_CTX_new();
    CELLA_CLEANUP(certificates_cleanup) STACK_OF(X509) *untrusted = sk_X509_new_null();
    CELLA_CLEANUP(crls_cleanup) STACK_OF(X509_CRL) *lists_of_revoked = sk_X509_CRL_new_null();
    bool ready = store != NULL && context != NULL && untrusted != NULL && lists_of_revoked != NULL &&
                 fill_store(store, anchors, rules->family) && push_all(untrusted, given, 1) &&
                 push_all(untrusted, helpers, 0);
    for (size_t i = 0; ready && i < crl_count; i++) {
        ready = sk_X509_CRL_push(lists_of_revoked, crls[i]->openssl) != 0;
    }
    if (!ready || X509_STORE_CTX_init(context, store, given->list[0]->openssl, untrusted) != 1) {
        return cella_openssl_failed(CELLA_NO_MEMORY);
    }
    X509_STORE_CTX_set0_crls(context, lists_of_revoked);
    CELLA_TRY(run(context, rules, now_unix_s, detail));
    CELLA_TRY(name_chain(context, lists, anchors, out));
    CELLA_TRY(rules->complete ? check_complete(given, out, detail) : CELLA_OK);
    return check_shape(rules, out, detail);
}
