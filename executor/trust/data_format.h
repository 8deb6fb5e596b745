/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The formats that registered data can have: the sealed file, which everything is written in, and three of Teaclave's, which are
 * only read. One table says what differs; one reader opens them all.
 *
 * Source: docs/sealed-file.md, docs/teaclave.md.
 */

#include "trust/sealed_file.h"

/* On the way from monitor to courier; on the wire and in the ledger it is the name. */
enum cella_data_format {
    CELLA_DATA_SEALED_FILE = 0,
    CELLA_DATA_AES_GCM_128 = 1,
    CELLA_DATA_AES_GCM_256 = 2,
    CELLA_DATA_TEACLAVE_FILE_128 = 3,
};

#define CELLA_DATA_FORMAT_NAME_MAX 17U /* teaclave-file-128 */
/* The longest key: 32 bytes and a nonce. */
#define CELLA_DATA_KEY_MAX 44U

/* Name of a format: "sealed-file", "aes-gcm-128", "aes-gcm-256" or "teaclave-file-128". Never NULL. */
const char *cella_data_format_name(enum cella_data_format format);

/* The format with a name. name may be NULL. CELLA_BAD_FIELD  there is none */
CELLA_MUST_USE cella_status cella_data_format_of_name(const char *name, enum cella_data_format *out);

/* The format with a number from another program. CELLA_BAD_FORMAT  there is none */
CELLA_MUST_USE cella_status cella_data_format_of_number(unsigned int number, enum cella_data_format *out);

/* Bytes of the key: of aes-gcm the nonce follows it. All four differ, so no key can be taken for another format's. */
size_t cella_data_format_key_size(enum cella_data_format format);

/* Whether its parts are verified as they come and its size is known before: then an input can be a stream. */
bool cella_data_format_streams(enum cella_data_format format);

/* One file of one format. */
struct cella_data_file {
    enum cella_data_format format;
    uint64_t size;         /* bytes of the file. Untrusted */
    uint32_t segment_size; /* of a sealed file: one of the two sets */
};

/* Whether a file can have its size. CELLA_BAD_FORMAT  no such segment size; CELLA_TRUNCATED, CELLA_BAD_SIZE */
CELLA_MUST_USE cella_status cella_data_file_check(const struct cella_data_file *file);

/*
 * Open a file in pieces: update until all its bytes were given, then finish once.
 *
 * key:              cella_data_format_key_size bytes, else CELLA_BAD_KEY
 * associated_data:  of a sealed file; other formats have none of their own and ignore it
 * sink:             gets plaintext. Of a format that does not stream it is NOT verified before finish has returned CELLA_OK: hold
 *                   it back. Of all formats the file is complete only then.
 *
 * CELLA_BAD_FORMAT, CELLA_BAD_SIZE, CELLA_BAD_TAG, CELLA_TRUNCATED as the readers of the formats; CELLA_NO_MEMORY
 */
struct cella_data_reader;
CELLA_MUST_USE cella_status cella_data_reader_new(const struct cella_data_file *file, const struct cella_secret *key,
                                                  struct cella_view associated_data, cella_sealed_sink sink,
                                                  void *context, struct cella_data_reader **out);
CELLA_MUST_USE cella_status cella_data_reader_update(struct cella_data_reader *reader, struct cella_view bytes);
CELLA_MUST_USE cella_status cella_data_reader_finish(struct cella_data_reader *reader);
void cella_data_reader_free(struct cella_data_reader *reader); /* accepts NULL */
