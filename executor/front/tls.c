/* SPDX-License-Identifier: Apache-2.0 */
#include "front/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "trust/attested_certificate.h"
#include "trust/crypto.h"
#include "trust/evidence.h"

#define FEED_MAX 32768        /* ciphertext given to OpenSSL at a time: its buffer never shrinks */
#define KEEP_MAX 65536U       /* capacity of an empty buffer that is kept */
#define CERTIFICATE_DAYS 3650 /* nobody looks at it; the process lives shorter */

struct cella_tls_context {
    SSL_CTX *ssl;
    EVP_PKEY *key;
    uint8_t spki_sha256[CELLA_SHA256_SIZE];
};

struct cella_tls {
    SSL *ssl;
    struct cella_bytes in; /* ciphertext that OpenSSL was not given yet */
    size_t in_used;
};

/* ---- key and certificate ---- */

static void free_certificate(X509 **certificate)
{
    X509_free(*certificate);
}

static cella_status fill_certificate(X509 *certificate, EVP_PKEY *key)
{
    uint8_t serial[8];
    CELLA_TRY(cella_random(serial, sizeof(serial)));
    uint64_t number = 1;
    for (size_t i = 0; i < sizeof(serial); i++) {
        number = (number << 8 | serial[i]) & INT64_MAX;
    }
    X509_NAME *name = X509_get_subject_name(certificate);
    bool good = X509_set_version(certificate, X509_VERSION_3) == 1 &&
                ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), number) == 1 &&
                X509_gmtime_adj(X509_getm_notBefore(certificate), -86400L) != NULL &&
                X509_gmtime_adj(X509_getm_notAfter(certificate), 86400L * CERTIFICATE_DAYS) != NULL &&
                X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *) "cella-front", -1, -1,
                                           0) == 1 &&
                X509_set_issuer_name(certificate, name) == 1 && X509_set_pubkey(certificate, key) == 1;
    return good ? CELLA_OK : CELLA_CRYPTO_FAILED;
}

static cella_status digest_public_key(X509 *certificate, uint8_t out[CELLA_SHA256_SIZE])
{
    unsigned char *der = NULL;
    int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
    if (size <= 0) {
        return CELLA_CRYPTO_FAILED;
    }
    cella_status status = cella_sha256(cella_view_of(der, (size_t) size), out);
    OPENSSL_free(der);
    return status;
}

/* Never critical: clients that do not know it refuse a certificate otherwise. */
static cella_status add_extension(X509 *certificate, const char *oid, struct cella_view value)
{
    if (value.size == 0) {
        return CELLA_OK;
    }
    ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
    ASN1_OCTET_STRING *octets = ASN1_OCTET_STRING_new();
    X509_EXTENSION *extension = NULL;
    bool good = object != NULL && octets != NULL &&
                ASN1_OCTET_STRING_set(octets, value.data, (int) value.size) == 1 &&
                (extension = X509_EXTENSION_create_by_OBJ(NULL, object, 0, octets)) != NULL &&
                X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    ASN1_OCTET_STRING_free(octets);
    ASN1_OBJECT_free(object);
    return good ? CELLA_OK : CELLA_CRYPTO_FAILED;
}

cella_status cella_tls_context_certify(struct cella_tls_context *context, struct cella_view cmw, struct cella_view tcg)
{
    CELLA_CLEANUP(free_certificate) X509 *certificate = X509_new();
    if (certificate == NULL) {
        return CELLA_CRYPTO_FAILED;
    }
    ERR_clear_error();
    CELLA_TRY(fill_certificate(certificate, context->key));
    CELLA_TRY(add_extension(certificate, CELLA_ATTESTED_CMW_OID, cmw));
    CELLA_TRY(add_extension(certificate, CELLA_ATTESTED_TCG_OID, tcg));
    CELLA_TRY(digest_public_key(certificate, context->spki_sha256));
    return X509_sign(certificate, context->key, EVP_sha256()) > 0 &&
                   SSL_CTX_use_certificate(context->ssl, certificate) == 1
               ? CELLA_OK
               : CELLA_CRYPTO_FAILED;
}

static cella_status make_identity(struct cella_tls_context *context)
{
    const struct cella_view none = { 0 };
    context->key = EVP_EC_gen("P-256");
    CELLA_TRY(context->key == NULL ? CELLA_CRYPTO_FAILED : cella_tls_context_certify(context, none, none));
    return SSL_CTX_use_PrivateKey(context->ssl, context->key) == 1 ? CELLA_OK : CELLA_CRYPTO_FAILED;
}

/* A client that offers ALPN has to offer http/1.1; one that offers none is served: HTTP/1.1 is all there is. */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_size, const unsigned char *in,
                           unsigned int in_size, void *none)
{
    static const unsigned char http[] = "\x08http/1.1";
    unsigned char *chosen;
    (void) ssl;
    (void) none;
    if (SSL_select_next_proto(&chosen, out_size, http, sizeof(http) - 1, in, in_size) != OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static cella_status configure(SSL_CTX *ssl)
{
    if (SSL_CTX_set_min_proto_version(ssl, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_max_proto_version(ssl, TLS1_3_VERSION) != 1 || SSL_CTX_set_num_tickets(ssl, 0) != 1 ||
        SSL_CTX_set_max_early_data(ssl, 0) != 1 || SSL_CTX_set_recv_max_early_data(ssl, 0) != 1 ||
        SSL_CTX_set_ciphersuites(ssl, "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256:"
                                      "TLS_CHACHA20_POLY1305_SHA256") != 1) {
        return CELLA_CRYPTO_FAILED;
    }
    SSL_CTX_set_options(ssl, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_max_cert_list(ssl, 4096);
    SSL_CTX_set_alpn_select_cb(ssl, choose_protocol, NULL);
    return CELLA_OK;
}

cella_status cella_tls_context_new(struct cella_tls_context **out)
{
    struct cella_tls_context *context = calloc(1, sizeof(*context));
    if (context == NULL) {
        return CELLA_NO_MEMORY;
    }
    context->ssl = SSL_CTX_new(TLS_server_method());
    cella_status status = context->ssl == NULL ? CELLA_NO_MEMORY : configure(context->ssl);
    if (status == CELLA_OK) {
        status = make_identity(context);
    }
    if (status != CELLA_OK) {
        cella_tls_context_free(context);
        return status;
    }
    *out = context;
    return CELLA_OK;
}

void cella_tls_context_free(struct cella_tls_context *context)
{
    if (context != NULL) {
        SSL_CTX_free(context->ssl);
        EVP_PKEY_free(context->key);
        free(context);
    }
}

const uint8_t *cella_tls_context_spki_sha256(const struct cella_tls_context *context)
{
    return context->spki_sha256;
}

/* ---- connections ---- */

struct cella_tls *cella_tls_new(const struct cella_tls_context *context)
{
    struct cella_tls *tls = calloc(1, sizeof(*tls));
    if (tls == NULL) {
        return NULL;
    }
    tls->ssl = SSL_new(context->ssl);
    BIO *in = BIO_new(BIO_s_mem());
    BIO *out = BIO_new(BIO_s_mem());
    if (tls->ssl == NULL || in == NULL || out == NULL) {
        BIO_free(in);
        BIO_free(out);
        cella_tls_free(tls);
        return NULL;
    }
    SSL_set_bio(tls->ssl, in, out);
    SSL_set_accept_state(tls->ssl);
    return tls;
}

void cella_tls_free(struct cella_tls *tls)
{
    if (tls != NULL) {
        SSL_free(tls->ssl);
        cella_bytes_clear(&tls->in);
        free(tls);
    }
}

cella_status cella_tls_feed(struct cella_tls *tls, struct cella_view ciphertext)
{
    if (tls->in_used > 0) {
        cella_bytes_consume(&tls->in, tls->in_used);
        tls->in_used = 0;
    }
    return cella_bytes_append(&tls->in, ciphertext);
}

size_t cella_tls_waiting(const struct cella_tls *tls)
{
    return tls->in.size - tls->in_used + BIO_ctrl_pending(SSL_get_rbio(tls->ssl));
}

/* Give OpenSSL the next piece. False when there is none. */
static bool give_more(struct cella_tls *tls)
{
    size_t size = tls->in.size - tls->in_used;
    size = size < FEED_MAX ? size : FEED_MAX;
    if (size == 0 || BIO_write(SSL_get_rbio(tls->ssl), tls->in.data + tls->in_used, (int) size) != (int) size) {
        return false;
    }
    tls->in_used += size;
    if (tls->in_used == tls->in.size) {
        tls->in.size = 0;
        tls->in_used = 0;
        if (tls->in.capacity > KEEP_MAX) {
            cella_bytes_clear(&tls->in);
        }
    }
    return true;
}

cella_status cella_tls_handshake(struct cella_tls *tls, bool *done)
{
    *done = false;
    do {
        ERR_clear_error();
        int result = SSL_do_handshake(tls->ssl);
        if (result == 1) {
            *done = true;
            return SSL_session_reused(tls->ssl) ? CELLA_TLS_FAILED : CELLA_OK;
        }
        if (SSL_get_error(tls->ssl, result) != SSL_ERROR_WANT_READ) {
            return CELLA_TLS_FAILED;
        }
    } while (give_more(tls));
    return CELLA_OK;
}

cella_status cella_tls_read(struct cella_tls *tls, uint8_t *out, size_t size, size_t *count)
{
    *count = 0;
    do {
        ERR_clear_error();
        int result = SSL_read_ex(tls->ssl, out, size, count);
        if (result == 1) {
            return CELLA_OK;
        }
        *count = 0;
        int reason = SSL_get_error(tls->ssl, result);
        if (reason == SSL_ERROR_ZERO_RETURN) {
            return CELLA_CLOSED;
        }
        if (reason != SSL_ERROR_WANT_READ) {
            return CELLA_TLS_FAILED;
        }
    } while (give_more(tls));
    return CELLA_OK;
}

cella_status cella_tls_write(struct cella_tls *tls, struct cella_view plain)
{
    size_t written = 0;
    ERR_clear_error();
    return SSL_write_ex(tls->ssl, plain.data, plain.size, &written) == 1 && written == plain.size
               ? CELLA_OK
               : CELLA_TLS_FAILED;
}

void cella_tls_shutdown(struct cella_tls *tls)
{
    ERR_clear_error();
    (void) SSL_shutdown(tls->ssl);
    ERR_clear_error();
}

size_t cella_tls_take(struct cella_tls *tls, uint8_t *out, size_t size)
{
    int count = BIO_read(SSL_get_wbio(tls->ssl), out, (int) size);
    return count > 0 ? (size_t) count : 0;
}

size_t cella_tls_pending(const struct cella_tls *tls)
{
    return BIO_ctrl_pending(SSL_get_wbio(tls->ssl));
}

cella_status cella_tls_exporter(struct cella_tls *tls, uint8_t out[32])
{
    return SSL_export_keying_material(tls->ssl, out, CELLA_EXPORTER_SIZE, CELLA_EXPORTER_LABEL,
                                      sizeof(CELLA_EXPORTER_LABEL) - 1, NULL, 0, 0) == 1
               ? CELLA_OK
               : CELLA_TLS_FAILED;
}
