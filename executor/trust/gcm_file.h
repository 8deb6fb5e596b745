/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Teaclave's aes-gcm-128 and aes-gcm-256: the whole file is one AES-GCM message, ciphertext then tag, with eight zero bytes as
 * associated data. Read only: who chooses the nonce himself uses it twice sooner or later.
 *
 * The tag is at the end, so nothing is known about a byte before the last one has come. The reader needs constant memory, but
 * its consumer has to hold everything back until finish has returned CELLA_OK.
 *
 * Source: docs/teaclave.md; NIST SP 800-38D.
 */

#include "trust/sealed_file.h"

/* What GCM can encrypt under one nonce, 2^36 - 32 bytes, and the tag. */
#define CELLA_GCM_FILE_MAX (((uint64_t) 1 << 36) - 16)

/*
 * Size of the plaintext in a file of file_size bytes.
 * CELLA_TRUNCATED  no room for a tag and a byte: an empty plaintext is refused, as by Teaclave; CELLA_BAD_SIZE  above the limit
 */
CELLA_MUST_USE cella_status cella_gcm_file_plain_size(uint64_t file_size, uint64_t *out);

/*
 * Read a file in pieces: update until file_size bytes were given, then finish once.
 *
 * key:        16 or 32 bytes, then the nonce, 12 bytes; else CELLA_BAD_KEY
 * file_size:  bytes of the file. Untrusted; as cella_gcm_file_plain_size
 * sink:       gets plaintext that is NOT verified before finish has returned CELLA_OK; it must not leave the caller's hands
 *
 * update: CELLA_BAD_SIZE  more than file_size bytes; the sink's statuses
 * finish: CELLA_TRUNCATED  fewer; CELLA_BAD_TAG  wrong key or nonce, or a changed byte
 */
struct cella_gcm_file_reader;
CELLA_MUST_USE cella_status cella_gcm_file_reader_new(const struct cella_secret *key, uint64_t file_size,
                                                      cella_sealed_sink sink, void *context,
                                                      struct cella_gcm_file_reader **out);
CELLA_MUST_USE cella_status cella_gcm_file_reader_update(struct cella_gcm_file_reader *reader, struct cella_view bytes);
CELLA_MUST_USE cella_status cella_gcm_file_reader_finish(struct cella_gcm_file_reader *reader);
void cella_gcm_file_reader_free(struct cella_gcm_file_reader *reader); /* accepts NULL */
