/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Signed tree heads as text, so that people, witnesses and other tools can keep and compare them: a C2SP tlog-checkpoint
 * in a C2SP signed-note.
 *
 *     <origin>\n<size>\n<root, base64>\n[extension lines]\n\n— <name> <base64 of 4 bytes of key id and the signature>\n...
 *
 * A witness adds a line: its cosignature with a time (C2SP tlog-cosignature, v1). Signatures of keys that are not asked for
 * are left alone, as the format wants; a signature of one's own key that is wrong refuses the note.
 *
 * The text begins with the origin, a Sig_structure of COSE with 0x84: one key may sign both without either being mistaken.
 */

#include "base/wire.h"
#include "trust/merkle.h"

#define CELLA_TREE_HEAD_MAX 131072U /* bytes of a note: its signatures may be others' of thousands of bytes each */
#define CELLA_TREE_HEAD_NAME_MAX 255U
#define CELLA_TREE_HEAD_SIGNATURES_MAX 32U

struct cella_tree_head {
    struct cella_view text;   /* what is signed: up to and with the newline before the empty line */
    struct cella_view origin; /* the log's name */
    uint64_t size;
    struct cella_merkle_hash root;
    struct cella_view signatures; /* the lines after the empty one */
};

/*
 * Read a note. content: untrusted; out borrows it
 * CELLA_BAD_FORMAT  not of that form, in any line: also those of others, which are not looked at beyond their form
 * CELLA_TOO_LARGE
 */
CELLA_MUST_USE cella_status cella_tree_head_read(struct cella_view content, struct cella_tree_head *out);

/* Somebody who signs heads: a log, or a witness. */
struct cella_tree_head_key {
    struct cella_view name; /* without spaces of any kind and '+'; a log's should be the origin */
    uint8_t public_key[CELLA_ED25519_KEY_SIZE];
};

/*
 * The log's own signature. CELLA_NOT_FOUND  this key has not signed; CELLA_BAD_SIGNATURE  it has, but not this
 */
CELLA_MUST_USE cella_status cella_tree_head_verify(const struct cella_tree_head *head,
                                                   const struct cella_tree_head_key *log);

/* A witness's cosignature; time_unix_s is when it saw the head, by its word. Statuses as above. */
CELLA_MUST_USE cella_status cella_tree_head_witnessed(const struct cella_tree_head *head,
                                                      const struct cella_tree_head_key *witness,
                                                      uint64_t *time_unix_s);

/*
 * Make a signed head; replaces out.
 * origin: UTF-8 without newline, blanks and '+', 1 to CELLA_TREE_HEAD_NAME_MAX bytes. CELLA_BAD_FIELD
 */
CELLA_MUST_USE cella_status cella_tree_head_sign(struct cella_view origin, uint64_t size,
                                                 const struct cella_merkle_hash *root, const struct cella_secret *seed,
                                                 struct cella_bytes *out);

/* The line that a witness adds, appended to out. name as an origin's, time at most INT64_MAX: CELLA_BAD_FIELD */
CELLA_MUST_USE cella_status cella_tree_head_cosign(const struct cella_tree_head *head, struct cella_view name,
                                                   uint64_t time_unix_s, const struct cella_secret *seed,
                                                   struct cella_bytes *out);

/*
 * Is the newer head of the same log a continuation of the older one? Neither signature is looked at.
 * path: a consistency proof, from anybody
 * CELLA_BAD_PROOF  not proved: another origin, a smaller tree, another history
 */
CELLA_MUST_USE cella_status cella_tree_head_continues(const struct cella_tree_head *older,
                                                      const struct cella_tree_head *newer,
                                                      const struct cella_merkle_path *path);
