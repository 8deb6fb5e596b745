/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Sealed files: Tink's AES-GCM-HKDF streaming AEAD. The format of all bulk data.
 *
 * Segments are independent once the header is known: they can be sealed and opened in any order and by several
 * threads, each with its own cella_sealed_cipher. On top of that stand a writer and a reader for streams, which
 * need one segment of memory each. Nothing is released before its tag has verified, and "the end" is reported only
 * after the last segment has opened as such: a cut file is an error, never a shorter file.
 *
 * Source: docs/sealed-file.md; Tink "AES-GCM-HKDF Streaming AEAD"; Hoang and Shen, CCS 2020.
 */

#include "trust/crypto.h"

#define CELLA_SEALED_KEY_SIZE 32
#define CELLA_SEALED_SEGMENT_1MB 1048576U
#define CELLA_SEALED_SEGMENT_4KB 4096U
#define CELLA_SEALED_HEADER_MAX 40U
/* The longest associated data: longer contexts are hashed first. OpenSSL's HKDF stops at 32 KiB. */
#define CELLA_SEALED_ASSOCIATED_DATA_MAX 1024U
/* 64 TiB: keeps GCM's confidentiality bound below 2^-44 for one file. */
#define CELLA_SEALED_FILE_MAX ((uint64_t) 1 << 46)

/*
 * Parameter set. They are not in the file: they come with the key.
 * Policy accepts cella_sealed_1mb and cella_sealed_4kb only; other values are for foreign test vectors.
 */
struct cella_sealed_parameters {
    uint32_t segment_size;     /* ciphertext bytes per segment, header and tag included */
    uint32_t derived_key_size; /* 16 or 32 */
    enum cella_hash hash;
};
extern const struct cella_sealed_parameters cella_sealed_1mb;
extern const struct cella_sealed_parameters cella_sealed_4kb;

/* Where everything is in a file of a given size. */
struct cella_sealed_layout {
    uint32_t header_size;
    uint64_t segment_count;
    uint64_t plain_size;  /* not verified until the last segment has opened */
    uint64_t sealed_size;
};

/* Layout from the plaintext size. CELLA_BAD_SIZE above the limits. */
CELLA_MUST_USE cella_status cella_sealed_layout_of_plain(const struct cella_sealed_parameters *parameters,
                                                         uint64_t plain_size, struct cella_sealed_layout *out);
/* Layout from the sealed size. CELLA_TRUNCATED for a size that no sealed file has; CELLA_BAD_SIZE above the limits. */
CELLA_MUST_USE cella_status cella_sealed_layout_of_sealed(const struct cella_sealed_parameters *parameters,
                                                          uint64_t sealed_size, struct cella_sealed_layout *out);

/* Sealed byte range and plaintext byte range of segment index. index < layout->segment_count. */
struct cella_sealed_range {
    uint64_t sealed_offset;
    uint32_t sealed_size;
    uint64_t plain_offset;
    uint32_t plain_size;
};
struct cella_sealed_range cella_sealed_range_of(const struct cella_sealed_parameters *parameters,
                                                const struct cella_sealed_layout *layout, uint64_t index);

/* The cipher of one file: file key and nonce prefix. Heap object, one per thread; free accepts NULL. */
struct cella_sealed_cipher;

/*
 * Cipher of a new file; fills header with salt and nonce prefix (parameters->derived_key_size + 8 bytes).
 *
 * key:              main key, at least derived_key_size bytes, else CELLA_BAD_KEY
 * associated_data:  at most CELLA_SEALED_ASSOCIATED_DATA_MAX bytes, else CELLA_TOO_LARGE; the reader must know them
 */
CELLA_MUST_USE cella_status cella_sealed_cipher_new(const struct cella_sealed_parameters *parameters,
                                                    const struct cella_secret *key,
                                                    struct cella_view associated_data,
                                                    uint8_t header[CELLA_SEALED_HEADER_MAX],
                                                    struct cella_sealed_cipher **out);
/* Cipher for an existing header. CELLA_BAD_FORMAT  header length byte is wrong */
CELLA_MUST_USE cella_status cella_sealed_cipher_of_header(const struct cella_sealed_parameters *parameters,
                                                          const struct cella_secret *key,
                                                          struct cella_view associated_data,
                                                          struct cella_view header,
                                                          struct cella_sealed_cipher **out);
void cella_sealed_cipher_free(struct cella_sealed_cipher *cipher);
void cella_sealed_cipher_cleanup(struct cella_sealed_cipher **cipher); /* for CELLA_CLEANUP */

/*
 * Seal or open one segment. In place is allowed. out: plain.size + 16, or sealed.size - 16 bytes.
 * CELLA_BAD_SIZE   too large, or not full though not the last, or index above the limits; seal: empty though not the
 *                  first
 * CELLA_TRUNCATED  open: no room for a tag, or an empty segment that is not the first
 * CELLA_BAD_TAG    open: see cella_aead_open
 */
CELLA_MUST_USE cella_status cella_sealed_segment_seal(struct cella_sealed_cipher *cipher, uint64_t index, bool last,
                                                      struct cella_view plain, uint8_t *out);
CELLA_MUST_USE cella_status cella_sealed_segment_open(struct cella_sealed_cipher *cipher, uint64_t index, bool last,
                                                      struct cella_view sealed, uint8_t *out);

/* Where a stream's finished bytes go. A status other than CELLA_OK ends the stream with it. */
typedef cella_status (*cella_sealed_sink)(void *context, struct cella_view bytes);

/*
 * Seal a stream of unknown length: update any number of times, then finish once. Constant memory.
 * sink gets header and sealed segments in order. After an error only free is allowed.
 */
struct cella_sealed_writer;
CELLA_MUST_USE cella_status cella_sealed_writer_new(const struct cella_sealed_parameters *parameters,
                                                    const struct cella_secret *key,
                                                    struct cella_view associated_data, cella_sealed_sink sink,
                                                    void *context, struct cella_sealed_writer **out);
CELLA_MUST_USE cella_status cella_sealed_writer_update(struct cella_sealed_writer *writer, struct cella_view plain);
CELLA_MUST_USE cella_status cella_sealed_writer_finish(struct cella_sealed_writer *writer);
void cella_sealed_writer_free(struct cella_sealed_writer *writer);

/*
 * Open a stream of unknown length. sink gets verified plaintext only; the stream is complete and authentic only
 * when finish has returned CELLA_OK.
 * update: CELLA_BAD_FORMAT, CELLA_BAD_TAG; finish: CELLA_BAD_TAG or CELLA_TRUNCATED for a cut or extended file
 */
struct cella_sealed_reader;
CELLA_MUST_USE cella_status cella_sealed_reader_new(const struct cella_sealed_parameters *parameters,
                                                    const struct cella_secret *key,
                                                    struct cella_view associated_data, cella_sealed_sink sink,
                                                    void *context, struct cella_sealed_reader **out);
CELLA_MUST_USE cella_status cella_sealed_reader_update(struct cella_sealed_reader *reader, struct cella_view sealed);
CELLA_MUST_USE cella_status cella_sealed_reader_finish(struct cella_sealed_reader *reader);
void cella_sealed_reader_free(struct cella_sealed_reader *reader);
