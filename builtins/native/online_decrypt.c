/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/builtin.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

#define ONLINE_DECRYPT(X)                                                                                            \
    X(TEXT, key, 0, 64, NULL, "base64 of 16 or 32 bytes")                                                            \
    X(TEXT, nonce, 0, 64, NULL, "base64 of at least 12 bytes, of which the first 12 are used")                       \
    X(TEXT, encrypted_data, 0, 8388608, NULL, "base64 of ciphertext and 16 bytes of tag")                            \
    X(CHOICE, algorithm, "auto|aes128gcm|aes256gcm", "auto", "auto: as the key is long")

#define NONCE_SIZE 12U
#define TAG_SIZE 16U

/* Bytes that are wiped before they are freed. */
struct wiped {
    struct cella_bytes bytes;
};

static void wipe(struct wiped *wiped)
{
    if (wiped->bytes.data != NULL) {
        OPENSSL_cleanse(wiped->bytes.data, wiped->bytes.capacity);
    }
    cella_bytes_clear(&wiped->bytes);
}

static void free_cipher(EVP_CIPHER_CTX **context)
{
    EVP_CIPHER_CTX_free(*context); /* wipes the key */
}

static int digit(uint8_t character)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *found = character == 0 ? NULL : strchr(alphabet, character);
    return found == NULL ? -1 : (int) (found - alphabet);
}

/* RFC 4648 section 4, strict: whole groups of four, = at the end only, unused bits zero. */
static cella_status decode(struct cella_builtin_call *call, const char *name, struct cella_view text, struct wiped *out)
{
    size_t padding = 0;
    while (padding < 2 && padding < text.size && text.data[text.size - 1 - padding] == '=') {
        padding++;
    }
    if (text.size % 4 != 0) {
        return cella_builtin_refuse_argument(call, "argument '%s' is no base64: %zu characters are not whole groups of 4",
                                             name, text.size);
    }
    CELLA_TRY(cella_bytes_resize(&out->bytes, text.size / 4 * 3));
    uint32_t group = 0;
    for (size_t i = 0; i < text.size; i++) {
        int value = i < text.size - padding ? digit(text.data[i]) : 0;
        if (value < 0) {
            return cella_builtin_refuse_argument(call, "argument '%s' is no base64: character %zu", name, i + 1);
        }
        group = group << 6 | (uint32_t) value;
        if (i % 4 == 3) {
            uint8_t *to = out->bytes.data + i / 4 * 3;
            to[0] = (uint8_t) (group >> 16);
            to[1] = (uint8_t) (group >> 8);
            to[2] = (uint8_t) group;
            group = 0;
        }
    }
    for (size_t i = 1; i <= padding; i++) {
        if (out->bytes.data[out->bytes.size - i] != 0) {
            return cella_builtin_refuse_argument(call, "argument '%s' is no base64: its last character has extra bits", name);
        }
    }
    return cella_bytes_resize(&out->bytes, out->bytes.size - padding);
}

/* True when the tag is right: only then is plain what was encrypted. */
static bool open_gcm(const EVP_CIPHER *cipher, const uint8_t *key, const uint8_t *nonce, struct cella_view sealed,
                     uint8_t *plain)
{
    CELLA_CLEANUP(free_cipher) EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    int size = (int) (sealed.size - TAG_SIZE);
    int got = 0;
    int rest = 0;
    uint8_t tag[TAG_SIZE];
    memcpy(tag, sealed.data + size, TAG_SIZE);
    return context != NULL && EVP_DecryptInit_ex2(context, cipher, key, nonce, NULL) == 1 &&
           EVP_DecryptUpdate(context, plain, &got, sealed.data, size) == 1 && got == size &&
           EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, TAG_SIZE, tag) == 1 &&
           EVP_DecryptFinal_ex(context, plain + got, &rest) == 1;
}

static cella_status check_sizes(struct cella_builtin_call *call, int64_t algorithm, size_t key, size_t nonce, size_t data)
{
    if ((key != 16 && key != 32) || (algorithm == 1 && key != 16) || (algorithm == 2 && key != 32)) {
        return cella_builtin_refuse_argument(call, "argument 'key' has %zu bytes; aes128gcm needs 16, aes256gcm 32", key);
    }
    if (nonce < NONCE_SIZE) {
        return cella_builtin_refuse_argument(call, "argument 'nonce' has %zu bytes; at least 12 are needed", nonce);
    }
    if (data < TAG_SIZE) {
        return cella_builtin_refuse_argument(call, "argument 'encrypted_data' has %zu bytes; a tag alone has 16", data);
    }
    return CELLA_OK;
}

/* UTF-8 as RFC 3629 says: shortest forms, no surrogates, at most U+10FFFF. */
static bool is_utf8(struct cella_view text)
{
    for (size_t i = 0; i < text.size;) {
        uint8_t first = text.data[i];
        size_t more = first < 0x80 ? 0 : first < 0xC2 ? 4 : first < 0xE0 ? 1 : first < 0xF0 ? 2 : first < 0xF5 ? 3 : 4;
        if (more > 3 || more >= text.size - i) {
            return false;
        }
        uint8_t second = more > 0 ? text.data[i + 1] : 0;
        if ((first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F) || (first == 0xF0 && second < 0x90) ||
            (first == 0xF4 && second > 0x8F)) {
            return false;
        }
        for (size_t j = 1; j <= more; j++) {
            if ((text.data[i + j] & 0xC0) != 0x80) {
                return false;
            }
        }
        i += more + 1;
    }
    return true;
}

CELLA_BUILTIN(online_decrypt, "online_decrypt", ONLINE_DECRYPT, .alias = "builtin_online_decrypt", .version = "1",
              .result = CELLA_BUILTIN_RESULT_TEXT,
              .documentation = "Decrypt a text that was encrypted with AES-GCM, without associated data. Arguments stand "
                               "in the contract, where all participants of a task read them: this opens what is no "
                               "secret among them. For secrets there are encrypted inputs.",
              .returns = "the text",
              .limits = "the text must be UTF-8; a wrong key, nonce or byte gives an error and nothing of the text",
              .example = ">>> cella.builtins.online_decrypt(key='aqUdgZ0lJnuz9yiPkoDxM6ZcTcVVpd4KKLqzbHD88Lg=', "
                         "nonce='AAECAwQFBgcICQoL', encrypted_data='CaZd8qSMMlBp8SjSXj2I4dQIuC9KkZ5DI/ATo1sWJw==')\n"
                         "'Hello Teaclave!'\n")
{
    CELLA_CLEANUP(wipe) struct wiped secret = { 0 };
    CELLA_CLEANUP(wipe) struct wiped iv = { 0 };
    CELLA_CLEANUP(wipe) struct wiped sealed = { 0 };
    CELLA_CLEANUP(wipe) struct wiped plain = { 0 };
    CELLA_TRY(decode(call, "key", *key, &secret));
    CELLA_TRY(decode(call, "nonce", *nonce, &iv));
    CELLA_TRY(decode(call, "encrypted_data", *encrypted_data, &sealed));
    CELLA_TRY(check_sizes(call, algorithm, secret.bytes.size, iv.bytes.size, sealed.bytes.size));
    CELLA_TRY(cella_bytes_resize(&plain.bytes, sealed.bytes.size));
    const EVP_CIPHER *cipher = secret.bytes.size == 16 ? EVP_aes_128_gcm() : EVP_aes_256_gcm();
    if (!open_gcm(cipher, secret.bytes.data, iv.bytes.data, cella_bytes_view(&sealed.bytes), plain.bytes.data)) {
        return cella_builtin_refuse_argument(call, "argument 'encrypted_data' does not open: wrong key, nonce or bytes");
    }
    struct cella_view text = cella_view_of(plain.bytes.data, sealed.bytes.size - TAG_SIZE);
    if (!is_utf8(text)) {
        return cella_builtin_refuse(call, "encrypted_data: what was encrypted is no UTF-8 text");
    }
    return cella_bytes_set(&call->result, text);
}
