/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * teaclave-file-128: Intel's protected file system with the owner's own 128-bit key, in the layout of the Rust SGX SDK, version 2
 * (files written since December 2022). A tree of nodes of 4,096 bytes; each is encrypted with AES-128-GCM under a key of its own
 * that its parent holds together with its tag, and the root's parent is the metadata node, whose tag is the file's "cmac".
 * Parents lie before their children, so a file can be read forward. Read only.
 *
 * Stricter than Teaclave where the format leaves bytes unauthenticated: all reserved fields and the metadata node's padding are
 * zero, and the file has exactly the nodes that its size asks for. The name in the metadata is not compared: objects have none.
 *
 * Source: docs/teaclave.md; Intel SGX SDK, protected file system; NIST SP 800-38B, 800-38D.
 */

#include "trust/sealed_file.h"

#define CELLA_TEACLAVE_KEY_SIZE 16
#define CELLA_TEACLAVE_NODE_SIZE 4096U
/* 64 GiB, as for the other formats of Teaclave: the reader keeps 32 bytes for each 97 nodes, 5.6 MiB at most. */
#define CELLA_TEACLAVE_FILE_MAX ((uint64_t) 1 << 36)

/*
 * Whether a file can have this size.
 * CELLA_TRUNCATED  not a whole number of nodes, or its last one is not the last of any file; CELLA_BAD_SIZE  above the limit
 */
CELLA_MUST_USE cella_status cella_teaclave_file_check_size(uint64_t file_size);

/*
 * Read a file in pieces: update until file_size bytes were given, then finish once.
 *
 * key:        16 bytes, else CELLA_BAD_KEY
 * file_size:  bytes of the file. Untrusted; as cella_teaclave_file_check_size
 * sink:       gets verified plaintext only; the last node's not before finish. The file is complete and authentic only when
 *             finish has returned CELLA_OK
 *
 * update: CELLA_BAD_FORMAT  no protected file, one with another kind of key or of another version, one that was being written when
 *         its program died, bytes behind the end, or a reserved byte that is not zero; CELLA_BAD_SIZE  more than file_size bytes;
 *         CELLA_BAD_TAG  wrong key, or a changed, moved or exchanged node; CELLA_TRUNCATED  nodes are missing; the sink's statuses
 * finish: the same; CELLA_TRUNCATED  fewer than file_size bytes
 */
struct cella_teaclave_file_reader;
CELLA_MUST_USE cella_status cella_teaclave_file_reader_new(const struct cella_secret *key, uint64_t file_size,
                                                           cella_sealed_sink sink, void *context,
                                                           struct cella_teaclave_file_reader **out);
CELLA_MUST_USE cella_status cella_teaclave_file_reader_update(struct cella_teaclave_file_reader *reader,
                                                              struct cella_view bytes);
CELLA_MUST_USE cella_status cella_teaclave_file_reader_finish(struct cella_teaclave_file_reader *reader);
void cella_teaclave_file_reader_free(struct cella_teaclave_file_reader *reader); /* accepts NULL */
