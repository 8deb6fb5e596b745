/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/data_format.h"

#include <stdlib.h>
#include <string.h>

#include "trust/gcm_file.h"
#include "trust/teaclave_file.h"

static const struct {
    const char *name;
    size_t key_size;
} formats[] = {
    [CELLA_DATA_SEALED_FILE] = { "sealed-file", CELLA_SEALED_KEY_SIZE },
    [CELLA_DATA_AES_GCM_128] = { "aes-gcm-128", 16 + CELLA_GCM_NONCE_SIZE },
    [CELLA_DATA_AES_GCM_256] = { "aes-gcm-256", 32 + CELLA_GCM_NONCE_SIZE },
    [CELLA_DATA_TEACLAVE_FILE_128] = { "teaclave-file-128", CELLA_TEACLAVE_KEY_SIZE },
};

#define COUNT (sizeof(formats) / sizeof(formats[0]))

struct cella_data_reader {
    struct cella_sealed_reader *sealed; /* one of the three */
    struct cella_gcm_file_reader *gcm;
    struct cella_teaclave_file_reader *teaclave;
};

const char *cella_data_format_name(enum cella_data_format format)
{
    return formats[format].name;
}

cella_status cella_data_format_of_name(const char *name, enum cella_data_format *out)
{
    for (unsigned int i = 0; name != NULL && i < COUNT; i++) {
        if (strcmp(formats[i].name, name) == 0) {
            *out = (enum cella_data_format) i;
            return CELLA_OK;
        }
    }
    return CELLA_BAD_FIELD;
}

cella_status cella_data_format_of_number(unsigned int number, enum cella_data_format *out)
{
    if (number >= COUNT) {
        return CELLA_BAD_FORMAT;
    }
    *out = (enum cella_data_format) number;
    return CELLA_OK;
}

size_t cella_data_format_key_size(enum cella_data_format format)
{
    return formats[format].key_size;
}

bool cella_data_format_streams(enum cella_data_format format)
{
    return format == CELLA_DATA_SEALED_FILE;
}

static cella_status parameters_of(uint32_t segment_size, const struct cella_sealed_parameters **out)
{
    if (segment_size != CELLA_SEALED_SEGMENT_1MB && segment_size != CELLA_SEALED_SEGMENT_4KB) {
        return CELLA_BAD_FORMAT;
    }
    *out = segment_size == CELLA_SEALED_SEGMENT_1MB ? &cella_sealed_1mb : &cella_sealed_4kb;
    return CELLA_OK;
}

cella_status cella_data_file_check(const struct cella_data_file *file)
{
    const struct cella_sealed_parameters *parameters;
    struct cella_sealed_layout layout;
    uint64_t plain_size;
    switch (file->format) {
    case CELLA_DATA_AES_GCM_128:
    case CELLA_DATA_AES_GCM_256:
        return cella_gcm_file_plain_size(file->size, &plain_size);
    case CELLA_DATA_TEACLAVE_FILE_128:
        return cella_teaclave_file_check_size(file->size);
    case CELLA_DATA_SEALED_FILE:
        break;
    }
    CELLA_TRY(parameters_of(file->segment_size, &parameters));
    return cella_sealed_layout_of_sealed(parameters, file->size, &layout);
}

static void reader_cleanup(struct cella_data_reader **reader)
{
    cella_data_reader_free(*reader);
}

static cella_status fill(struct cella_data_reader *reader, const struct cella_data_file *file,
                         const struct cella_secret *key, struct cella_view associated_data, cella_sealed_sink sink,
                         void *context)
{
    const struct cella_sealed_parameters *parameters;
    switch (file->format) {
    case CELLA_DATA_AES_GCM_128:
    case CELLA_DATA_AES_GCM_256:
        return cella_gcm_file_reader_new(key, file->size, sink, context, &reader->gcm);
    case CELLA_DATA_TEACLAVE_FILE_128:
        return cella_teaclave_file_reader_new(key, file->size, sink, context, &reader->teaclave);
    case CELLA_DATA_SEALED_FILE:
        break;
    }
    CELLA_TRY(parameters_of(file->segment_size, &parameters));
    return cella_sealed_reader_new(parameters, key, associated_data, sink, context, &reader->sealed);
}

cella_status cella_data_reader_new(const struct cella_data_file *file, const struct cella_secret *key,
                                   struct cella_view associated_data, cella_sealed_sink sink, void *context,
                                   struct cella_data_reader **out)
{
    if (key->size != cella_data_format_key_size(file->format)) {
        return CELLA_BAD_KEY;
    }
    CELLA_CLEANUP(reader_cleanup) struct cella_data_reader *reader = calloc(1, sizeof(*reader));
    if (reader == NULL) {
        return CELLA_NO_MEMORY;
    }
    CELLA_TRY(fill(reader, file, key, associated_data, sink, context));
    *out = reader;
    reader = NULL;
    return CELLA_OK;
}

cella_status cella_data_reader_update(struct cella_data_reader *reader, struct cella_view bytes)
{
    if (reader->gcm != NULL) {
        return cella_gcm_file_reader_update(reader->gcm, bytes);
    }
    if (reader->teaclave != NULL) {
        return cella_teaclave_file_reader_update(reader->teaclave, bytes);
    }
    return cella_sealed_reader_update(reader->sealed, bytes);
}

cella_status cella_data_reader_finish(struct cella_data_reader *reader)
{
    if (reader->gcm != NULL) {
        return cella_gcm_file_reader_finish(reader->gcm);
    }
    if (reader->teaclave != NULL) {
        return cella_teaclave_file_reader_finish(reader->teaclave);
    }
    return cella_sealed_reader_finish(reader->sealed);
}

void cella_data_reader_free(struct cella_data_reader *reader)
{
    if (reader != NULL) {
        cella_sealed_reader_free(reader->sealed);
        cella_gcm_file_reader_free(reader->gcm);
        cella_teaclave_file_reader_free(reader->teaclave);
        free(reader);
    }
}
