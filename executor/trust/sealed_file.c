/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/sealed_file.h"

#include <stdlib.h>
#include <string.h>

#define TAG CELLA_GCM_TAG_SIZE
#define PREFIX_SIZE 7

const struct cella_sealed_parameters cella_sealed_1mb = { CELLA_SEALED_SEGMENT_1MB, 32, CELLA_HASH_SHA256 };
const struct cella_sealed_parameters cella_sealed_4kb = { CELLA_SEALED_SEGMENT_4KB, 32, CELLA_HASH_SHA256 };

struct cella_sealed_cipher {
    struct cella_aead *aead;
    uint8_t prefix[PREFIX_SIZE];
    uint32_t segment_size;
    uint32_t header_size;
};

static uint32_t header_size_of(const struct cella_sealed_parameters *parameters)
{
    return 1 + parameters->derived_key_size + PREFIX_SIZE;
}

static cella_status check_parameters(const struct cella_sealed_parameters *parameters)
{
    if (parameters->derived_key_size != 16 && parameters->derived_key_size != 32) {
        return CELLA_BAD_SIZE;
    }
    if (parameters->segment_size <= header_size_of(parameters) + TAG || parameters->segment_size > INT32_MAX) {
        return CELLA_BAD_SIZE;
    }
    return CELLA_OK;
}

/* Segments that one file may have: the 32-bit counter never reaches its last value, and the file its limit. */
static uint64_t segment_count_max(uint32_t segment_size)
{
    uint64_t by_size = CELLA_SEALED_FILE_MAX / segment_size;
    return by_size < UINT32_MAX ? by_size : UINT32_MAX;
}

cella_status cella_sealed_layout_of_plain(const struct cella_sealed_parameters *parameters, uint64_t plain_size,
                                          struct cella_sealed_layout *out)
{
    CELLA_TRY(check_parameters(parameters));
    uint32_t header_size = header_size_of(parameters);
    uint32_t body = parameters->segment_size - TAG;
    if (plain_size > CELLA_SEALED_FILE_MAX) {
        return CELLA_BAD_SIZE;
    }
    /* The header takes its place in the first segment as if it were plaintext. */
    uint64_t count = (plain_size + header_size + body - 1) / body;
    uint64_t sealed_size = header_size + plain_size + count * TAG;
    if (count > segment_count_max(parameters->segment_size) || sealed_size > CELLA_SEALED_FILE_MAX) {
        return CELLA_BAD_SIZE;
    }
    *out = (struct cella_sealed_layout){ header_size, count, plain_size, sealed_size };
    return CELLA_OK;
}

cella_status cella_sealed_layout_of_sealed(const struct cella_sealed_parameters *parameters, uint64_t sealed_size,
                                           struct cella_sealed_layout *out)
{
    CELLA_TRY(check_parameters(parameters));
    uint32_t header_size = header_size_of(parameters);
    if (sealed_size > CELLA_SEALED_FILE_MAX) {
        return CELLA_BAD_SIZE;
    }
    if (sealed_size < header_size + TAG) {
        return CELLA_TRUNCATED;
    }
    uint64_t count = (sealed_size + parameters->segment_size - 1) / parameters->segment_size;
    if (count > segment_count_max(parameters->segment_size)) {
        return CELLA_BAD_SIZE;
    }
    /* Stricter than Tink: no empty segment behind a full one, so that one plaintext has one length. */
    if (count > 1 && sealed_size - (count - 1) * parameters->segment_size <= TAG) {
        return CELLA_TRUNCATED;
    }
    *out = (struct cella_sealed_layout){ header_size, count, sealed_size - header_size - count * TAG, sealed_size };
    return CELLA_OK;
}

struct cella_sealed_range cella_sealed_range_of(const struct cella_sealed_parameters *parameters,
                                                const struct cella_sealed_layout *layout, uint64_t index)
{
    uint64_t segment_size = parameters->segment_size;
    uint64_t start = index == 0 ? layout->header_size : index * segment_size;
    uint64_t end = (index + 1) * segment_size;
    if (end > layout->sealed_size) {
        end = layout->sealed_size;
    }
    uint64_t plain_offset = index == 0 ? 0 : index * (segment_size - TAG) - layout->header_size;
    uint32_t sealed_size = (uint32_t) (end - start);
    return (struct cella_sealed_range){ start, sealed_size, plain_offset, sealed_size - TAG };
}

static cella_status check_key(const struct cella_sealed_parameters *parameters, const struct cella_secret *key,
                              struct cella_view associated_data)
{
    CELLA_TRY(check_parameters(parameters));
    if (key->size < parameters->derived_key_size) {
        return CELLA_BAD_KEY;
    }
    return associated_data.size > CELLA_SEALED_ASSOCIATED_DATA_MAX ? CELLA_TOO_LARGE : CELLA_OK;
}

cella_status cella_sealed_cipher_of_header(const struct cella_sealed_parameters *parameters,
                                           const struct cella_secret *key, struct cella_view associated_data,
                                           struct cella_view header, struct cella_sealed_cipher **out)
{
    CELLA_TRY(check_key(parameters, key, associated_data));
    uint32_t header_size = header_size_of(parameters);
    if (header.size != header_size || header.data[0] != header_size) {
        return CELLA_BAD_FORMAT;
    }
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret file_key = { 0 };
    struct cella_view salt = { header.data + 1, parameters->derived_key_size };
    CELLA_TRY(cella_secret_resize(&file_key, parameters->derived_key_size));
    CELLA_TRY(cella_hkdf(parameters->hash, cella_secret_view(key), salt, associated_data, &file_key));
    CELLA_CLEANUP(cella_sealed_cipher_cleanup) struct cella_sealed_cipher *cipher = calloc(1, sizeof(*cipher));
    if (cipher == NULL) {
        return CELLA_NO_MEMORY;
    }
    cipher->aead = cella_aead_new(&file_key);
    if (cipher->aead == NULL) {
        return CELLA_CRYPTO_FAILED;
    }
    memcpy(cipher->prefix, header.data + 1 + parameters->derived_key_size, PREFIX_SIZE);
    cipher->segment_size = parameters->segment_size;
    cipher->header_size = header_size;
    *out = cipher;
    cipher = NULL;
    return CELLA_OK;
}

cella_status cella_sealed_cipher_new(const struct cella_sealed_parameters *parameters,
                                     const struct cella_secret *key, struct cella_view associated_data,
                                     uint8_t header[CELLA_SEALED_HEADER_MAX], struct cella_sealed_cipher **out)
{
    CELLA_TRY(check_key(parameters, key, associated_data));
    uint32_t header_size = header_size_of(parameters);
    header[0] = (uint8_t) header_size;
    CELLA_TRY(cella_random(header + 1, header_size - 1));
    return cella_sealed_cipher_of_header(parameters, key, associated_data, cella_view_of(header, header_size), out);
}

void cella_sealed_cipher_free(struct cella_sealed_cipher *cipher)
{
    if (cipher != NULL) {
        cella_aead_free(cipher->aead);
        free(cipher);
    }
}

void cella_sealed_cipher_cleanup(struct cella_sealed_cipher **cipher)
{
    cella_sealed_cipher_free(*cipher);
    *cipher = NULL;
}

/* Sealed bytes of a full segment, the header not counted. */
static uint32_t full_size(const struct cella_sealed_cipher *cipher, uint64_t index)
{
    return index == 0 ? cipher->segment_size - cipher->header_size : cipher->segment_size;
}

static cella_status make_nonce(const struct cella_sealed_cipher *cipher, uint64_t index, bool last,
                               uint8_t nonce[CELLA_GCM_NONCE_SIZE])
{
    if (index >= segment_count_max(cipher->segment_size)) {
        return CELLA_BAD_SIZE;
    }
    memcpy(nonce, cipher->prefix, PREFIX_SIZE);
    for (unsigned int i = 0; i < 4; i++) {
        nonce[PREFIX_SIZE + i] = (uint8_t) (index >> (8 * (3 - i)));
    }
    nonce[PREFIX_SIZE + 4] = last ? 1 : 0;
    return CELLA_OK;
}

cella_status cella_sealed_segment_seal(struct cella_sealed_cipher *cipher, uint64_t index, bool last,
                                       struct cella_view plain, uint8_t *out)
{
    uint8_t nonce[CELLA_GCM_NONCE_SIZE];
    uint32_t full = full_size(cipher, index) - TAG;
    if (plain.size > full || (!last && plain.size < full) || (index > 0 && plain.size == 0)) {
        return CELLA_BAD_SIZE;
    }
    CELLA_TRY(make_nonce(cipher, index, last, nonce));
    return cella_aead_seal(cipher->aead, nonce, (struct cella_view){ 0 }, plain, out);
}

cella_status cella_sealed_segment_open(struct cella_sealed_cipher *cipher, uint64_t index, bool last,
                                       struct cella_view sealed, uint8_t *out)
{
    uint8_t nonce[CELLA_GCM_NONCE_SIZE];
    uint32_t full = full_size(cipher, index);
    if (sealed.size > full || (!last && sealed.size < full)) {
        return CELLA_BAD_SIZE;
    }
    if (sealed.size < TAG || (index > 0 && sealed.size == TAG)) {
        return CELLA_TRUNCATED;
    }
    CELLA_TRY(make_nonce(cipher, index, last, nonce));
    return cella_aead_open(cipher->aead, nonce, (struct cella_view){ 0 }, sealed, out);
}
