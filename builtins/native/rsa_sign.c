/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/builtin.h"

#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#define RSA_SIGN(X)                                                                                                  \
    X(TEXT, data, 0, 1048576, NULL, "what to sign, as UTF-8")                                                        \
    X(INPUT, rsa_key, "PKCS#1 DER", "the private key; PKCS#8 DER is read too. 2,048 to 8,192 bits")

#define KEY_SIZE_MAX 16384U /* bytes of DER; a key of 8,192 bits has 4,700 */
#define KEY_BITS_MIN 2048
#define KEY_BITS_MAX 8192
#define SIGNATURE_MAX (KEY_BITS_MAX / 8)

static void free_key(EVP_PKEY **key)
{
    EVP_PKEY_free(*key); /* wipes it */
}

static void free_digest(EVP_MD_CTX **context)
{
    EVP_MD_CTX_free(*context);
}

static cella_status read_key(struct cella_builtin_call *call, struct cella_builtin_input *input, EVP_PKEY **out)
{
    struct cella_view der;
    CELLA_TRY(cella_builtin_input_all(input, &der));
    if (der.size > KEY_SIZE_MAX) {
        return cella_builtin_refuse(call, "%s: %zu bytes are no RSA key; at most %u are read", input->name, der.size,
                                    KEY_SIZE_MAX);
    }
    const unsigned char *next = der.data;
    *out = der.size == 0 ? NULL : d2i_AutoPrivateKey(NULL, &next, (long) der.size);
    if (*out == NULL || next != der.data + der.size || EVP_PKEY_get_base_id(*out) != EVP_PKEY_RSA) {
        return cella_builtin_refuse(call, "%s: no RSA private key in PKCS#1 or PKCS#8 DER (openssl rsa -outform DER)",
                                    input->name);
    }
    int bits = EVP_PKEY_get_bits(*out);
    if (bits < KEY_BITS_MIN || bits > KEY_BITS_MAX) {
        return cella_builtin_refuse(call, "%s: a key of %d bits; %d to %d are accepted", input->name, bits,
                                    KEY_BITS_MIN, KEY_BITS_MAX);
    }
    return CELLA_OK;
}

/* RSASSA-PKCS1-v1_5, the default of RSA keys; false for keys whose numbers are not fit for it. */
static bool sign(EVP_PKEY *key, struct cella_view data, unsigned char signature[SIGNATURE_MAX], size_t *size)
{
    CELLA_CLEANUP(free_digest) EVP_MD_CTX *context = EVP_MD_CTX_new();
    *size = SIGNATURE_MAX;
    return context != NULL && EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
           EVP_DigestSign(context, signature, size, data.data, data.size) == 1;
}

/* A key with numbers that do not belong together makes signatures that give the key away: none of them leaves. */
static bool verify(EVP_PKEY *key, struct cella_view data, const unsigned char *signature, size_t size)
{
    CELLA_CLEANUP(free_digest) EVP_MD_CTX *context = EVP_MD_CTX_new();
    return context != NULL && EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
           EVP_DigestVerify(context, signature, size, data.data, data.size) == 1;
}

CELLA_BUILTIN(rsa_sign, "rsa_sign", RSA_SIGN, .alias = "builtin-rsa-sign", .version = "1",
              .result = CELLA_BUILTIN_RESULT_TEXT,
              .documentation = "Sign a text with an RSA key that stays in the cell. The signature is RSASSA-PKCS1-v1_5 "
                               "with SHA-256 (RFC 8017), checked with the same key before it is given out.",
              .returns = "the signature in base64, RFC 4648 section 4, on one line",
              .example = ">>> try:\n"
                         "...     cella.builtins.rsa_sign(b'no key', data='text')\n"
                         "... except cella.builtins.BuiltinError as error:\n"
                         "...     message = str(error)\n"
                         ">>> message\n"
                         "'rsa_sign: rsa_key: no RSA private key in PKCS#1 or PKCS#8 DER (openssl rsa -outform DER)'\n")
{
    CELLA_CLEANUP(free_key) EVP_PKEY *key = NULL;
    CELLA_TRY(read_key(call, rsa_key, &key));
    unsigned char signature[SIGNATURE_MAX];
    size_t size = 0;
    if (!sign(key, *data, signature, &size) || !verify(key, *data, signature, size)) {
        return cella_builtin_refuse(call, "%s: the key's numbers do not belong together", rsa_key->name);
    }
    unsigned char text[(SIGNATURE_MAX + 2) / 3 * 4 + 1];
    int length = EVP_EncodeBlock(text, signature, (int) size);
    return cella_bytes_set(&call->result, cella_view_of(text, (size_t) length));
}
