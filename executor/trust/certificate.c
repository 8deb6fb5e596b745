/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/certificate.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trust/certificate_openssl.h"
#include "trust/openssl_error.h"
#include "trust/public_key.h"

#define PEM_MAX (CELLA_CHAIN_MAX * 3U * CELLA_CERTIFICATE_MAX / 2U)

static void object_cleanup(ASN1_OBJECT **object)
{
    ASN1_OBJECT_free(*object);
}

/* ---- reading ---- */

void cella_certificates_clear(struct cella_certificates *certificates)
{
    for (size_t i = 0; i < certificates->count; i++) {
        cella_certificate_free(certificates->list[i]);
    }
    *certificates = (struct cella_certificates){ 0 };
}

void cella_certificate_free(struct cella_certificate *certificate)
{
    if (certificate != NULL) {
        X509_free(certificate->openssl);
        free(certificate);
    }
}

cella_status cella_certificate_of_der(struct cella_view der, size_t max, struct cella_certificate **out)
{
    const uint8_t *end = der.data;
    if (der.size > max) {
        return CELLA_TOO_LARGE;
    }
    struct cella_certificate *certificate = calloc(1, sizeof(*certificate));
    if (certificate == NULL) {
        return CELLA_NO_MEMORY;
    }
    certificate->openssl = d2i_X509(NULL, &end, (long) der.size);
    if (certificate->openssl == NULL || end != der.data + der.size) {
        cella_certificate_free(certificate);
        return cella_openssl_failed(CELLA_BAD_FORMAT);
    }
    *out = certificate;
    return CELLA_OK;
}

static cella_status append_der(struct cella_certificates *certificates, struct cella_view der, size_t max)
{
    if (certificates->count == CELLA_CHAIN_MAX) {
        return CELLA_TOO_MANY;
    }
    CELLA_TRY(cella_certificate_of_der(der, max, &certificates->list[certificates->count]));
    certificates->count++;
    return CELLA_OK;
}

static bool is_filling(uint8_t c)
{
    return c == '\0' || c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct cella_view skip_filling(struct cella_view text)
{
    while (text.size > 0 && is_filling(text.data[0])) {
        text = cella_view_of(text.data + 1, text.size - 1);
    }
    return text;
}

static bool starts_with(struct cella_view text, const char *wanted, size_t *size)
{
    *size = strlen(wanted);
    return text.size >= *size && memcmp(text.data, wanted, *size) == 0;
}

static struct cella_view behind(struct cella_view text, size_t size)
{
    return cella_view_of(text.data + size, text.size - size);
}

/* Canonical only: one text for one content, so that no bit of a text can change without notice. */
static cella_status decode_base64(struct cella_bytes *text, struct cella_bytes *der)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes again = { 0 };
    if (text->size == 0 || text->size % 4 != 0 || text->size > INT32_MAX) {
        return CELLA_BAD_FORMAT;
    }
    CELLA_TRY(cella_bytes_resize(der, text->size / 4 * 3));
    int size = EVP_DecodeBlock(der->data, text->data, (int) text->size);
    size_t padding = text->data[text->size - 1] != '=' ? 0 : text->data[text->size - 2] != '=' ? 1 : 2;
    if (size < 0) {
        return cella_openssl_failed(CELLA_BAD_FORMAT);
    }
    CELLA_TRY(cella_bytes_resize(der, (size_t) size - padding));
    CELLA_TRY(cella_bytes_resize(&again, text->size + 1)); /* it ends with a NUL */
    (void) EVP_EncodeBlock(again.data, der->data, (int) der->size);
    return memcmp(again.data, text->data, text->size) == 0 ? CELLA_OK : CELLA_BAD_FORMAT;
}

cella_status cella_pem_next(struct cella_view *text, const char *kind, struct cella_bytes *der)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes base64 = { 0 };
    char begin[64];
    char end[64];
    size_t size;
    struct cella_view rest = skip_filling(*text);
    (void) snprintf(begin, sizeof(begin), "-----BEGIN %s-----", kind);
    (void) snprintf(end, sizeof(end), "-----END %s-----", kind);
    if (rest.size == 0) {
        return CELLA_NOT_FOUND;
    }
    if (!starts_with(rest, begin, &size)) {
        return CELLA_BAD_FORMAT;
    }
    rest = behind(rest, size);
    CELLA_TRY(cella_bytes_resize(&base64, rest.size)); /* at most that; shortened below */
    base64.size = 0;
    while (rest.size > 0 && rest.data[0] != '-') {
        if (rest.data[0] != '\n' && rest.data[0] != '\r' && rest.data[0] != ' ') {
            base64.data[base64.size++] = rest.data[0];
        }
        rest = behind(rest, 1);
    }
    if (!starts_with(rest, end, &size)) {
        return CELLA_BAD_FORMAT;
    }
    *text = behind(rest, size);
    return decode_base64(&base64, der);
}

cella_status cella_certificates_read(struct cella_certificates *certificates, struct cella_view text)
{
    return cella_certificates_read_large(certificates, text, CELLA_CERTIFICATE_MAX);
}

cella_status cella_certificates_read_large(struct cella_certificates *certificates, struct cella_view text, size_t max)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes der = { 0 };
    if (text.size > 0 && text.data[0] == 0x30) {
        return append_der(certificates, text, max);
    }
    if (text.size > PEM_MAX) {
        return CELLA_TOO_LARGE;
    }
    cella_status status = cella_pem_next(&text, PEM_STRING_X509, &der);
    if (status == CELLA_NOT_FOUND) {
        return CELLA_BAD_FORMAT;
    }
    while (status == CELLA_OK) {
        CELLA_TRY(append_der(certificates, cella_bytes_view(&der), max));
        status = cella_pem_next(&text, PEM_STRING_X509, &der);
    }
    return status == CELLA_NOT_FOUND ? CELLA_OK : status;
}

/* ---- one certificate ---- */

cella_status cella_certificate_key(const struct cella_certificate *certificate, struct cella_public_key **out)
{
    EVP_PKEY *key = X509_get0_pubkey(certificate->openssl);
    if (key == NULL || EVP_PKEY_up_ref(key) != 1) {
        return cella_openssl_failed(CELLA_BAD_KEY);
    }
    *out = cella_public_key_take(key);
    return *out == NULL ? CELLA_NO_MEMORY : CELLA_OK;
}

cella_status cella_certificate_extension(const struct cella_certificate *certificate, const char *oid,
                                         struct cella_view *out)
{
    CELLA_CLEANUP(object_cleanup) ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
    if (object == NULL) {
        return cella_openssl_failed(CELLA_INTERNAL);
    }
    int place = X509_get_ext_by_OBJ(certificate->openssl, object, -1);
    if (place < 0) {
        return CELLA_NOT_FOUND;
    }
    if (X509_get_ext_by_OBJ(certificate->openssl, object, place) >= 0) {
        return CELLA_BAD_FORMAT;
    }
    const ASN1_OCTET_STRING *content = X509_EXTENSION_get_data(X509_get_ext(certificate->openssl, place));
    *out = cella_view_of(ASN1_STRING_get0_data(content), (size_t) ASN1_STRING_length(content));
    return CELLA_OK;
}

static void common_name(const X509_NAME *name, char out[CELLA_CERTIFICATE_NAME_MAX + 1])
{
    int place = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
    out[0] = '\0';
    if (place < 0 || X509_NAME_get_index_by_NID(name, NID_commonName, place) >= 0) {
        return;
    }
    const ASN1_STRING *text = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, place));
    size_t size = (size_t) ASN1_STRING_length(text);
    const uint8_t *data = ASN1_STRING_get0_data(text);
    if (size > CELLA_CERTIFICATE_NAME_MAX || memchr(data, 0, size) != NULL) {
        return;
    }
    memcpy(out, data, size);
    out[size] = '\0';
}

void cella_certificate_subject(const struct cella_certificate *certificate, char out[CELLA_CERTIFICATE_NAME_MAX + 1])
{
    common_name(X509_get_subject_name(certificate->openssl), out);
}

void cella_certificate_issuer(const struct cella_certificate *certificate, char out[CELLA_CERTIFICATE_NAME_MAX + 1])
{
    common_name(X509_get_issuer_name(certificate->openssl), out);
}

bool cella_certificate_is_pss(const struct cella_certificate *certificate)
{
    return X509_get_signature_nid(certificate->openssl) == NID_rsassaPss;
}

static void usages_cleanup(EXTENDED_KEY_USAGE **usages)
{
    EXTENDED_KEY_USAGE_free(*usages);
}

bool cella_certificate_has_usage(const struct cella_certificate *certificate, const char *oid)
{
    CELLA_CLEANUP(object_cleanup) ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
    CELLA_CLEANUP(usages_cleanup)
    EXTENDED_KEY_USAGE *usages = X509_get_ext_d2i(certificate->openssl, NID_ext_key_usage, NULL, NULL);
    for (int i = 0; object != NULL && i < sk_ASN1_OBJECT_num(usages); i++) {
        if (OBJ_cmp(sk_ASN1_OBJECT_value(usages, i), object) == 0) {
            return true;
        }
    }
    ERR_clear_error();
    return false;
}

bool cella_certificate_is_ca(const struct cella_certificate *certificate)
{
    return X509_check_ca(certificate->openssl) != 0;
}

bool cella_certificate_names_itself(const struct cella_certificate *certificate)
{
    return X509_NAME_cmp(X509_get_subject_name(certificate->openssl), X509_get_issuer_name(certificate->openssl)) == 0;
}

bool cella_certificate_signs_itself(const struct cella_certificate *certificate)
{
    EVP_PKEY *key = X509_get0_pubkey(certificate->openssl);
    bool own = key != NULL && X509_verify(certificate->openssl, key) == 1;
    ERR_clear_error();
    return own;
}

bool cella_certificate_is_current(const struct cella_certificate *certificate, uint64_t now_unix_s)
{
    time_t now = (time_t) now_unix_s;
    return X509_cmp_time(X509_get0_notBefore(certificate->openssl), &now) < 0 &&
           X509_cmp_time(X509_get0_notAfter(certificate->openssl), &now) > 0;
}
