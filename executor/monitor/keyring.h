/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The executor's private keys. Verbs only: nothing returns a key, but the ledger's to those who open records. Each verb checks
 * what it signs or opens.
 */

#include "monitor/record.h"
#include "platform/platform.h"
#include "trust/evidence.h"
#include "trust/hpke.h"
#include "trust/jws.h"
#include "trust/receipt_bundle.h"

struct cella_keyring;

/* New keys from the operating system's generator. */
CELLA_MUST_USE cella_status cella_keyring_new(struct cella_keyring **out);

/*
 * The keys, sealed by the platform for the same software on the same machine, and back. What is sealed may be kept by the
 * host: "CKEY", u16 version, field name of the platform, field of what the platform made.
 *
 * sealed: of open: untrusted
 * CELLA_BAD_VERSION  open: made by a newer Cella
 * CELLA_BAD_FORMAT   open: not a sealed keyring
 * CELLA_BAD_TAG      open: sealed by another platform or other software, or changed; and those of cella_platform_seal
 */
CELLA_MUST_USE cella_status cella_keyring_save(const struct cella_keyring *keyring, struct cella_platform *platform,
                                               struct cella_bytes *sealed);
CELLA_MUST_USE cella_status cella_keyring_load(struct cella_platform *platform, struct cella_view sealed,
                                               struct cella_keyring **out);

/* It was loaded from an older form without a log key, and has a new one: it has to be saved before that key is used. */
bool cella_keyring_is_older(const struct cella_keyring *keyring);

/* Accepts NULL. */
void cella_keyring_free(struct cella_keyring *keyring);

/* Public half, and the executor's id. Borrowed. */
const struct cella_key_set *cella_keyring_public(const struct cella_keyring *keyring);
const char *cella_keyring_executor(const struct cella_keyring *keyring);

/* Sign a session (docs/protocol.md section 2). It can sign nothing but such a message. */
CELLA_MUST_USE cella_status cella_keyring_sign_session(const struct cella_keyring *keyring,
                                                       const uint8_t exporter[CELLA_EXPORTER_SIZE],
                                                       const uint8_t spki_sha256[CELLA_SHA256_SIZE],
                                                       struct cella_view nonce,
                                                       uint8_t out[CELLA_ED25519_SIGNATURE_SIZE]);

/* What the executor says when it answers a question to its journal: this is all that the asker may see. */
struct cella_audit_answer {
    const char *party;                  /* who asks */
    struct cella_view request;          /* the question as it was signed */
    uint64_t size;                      /* of the ledger */
    const uint8_t *root;                /* CELLA_SHA256_SIZE bytes */
    uint64_t next;                      /* number of the last entry that was looked at; more: there are further ones */
    bool more;
    struct cella_view lines;            /* those of the entries that are told, each with a newline behind it */
};

/* Sign such an answer (docs/protocol.md section 15). It can sign nothing but such a message. */
CELLA_MUST_USE cella_status cella_keyring_sign_audit(const struct cella_keyring *keyring,
                                                     const struct cella_audit_answer *answer,
                                                     uint8_t out[CELLA_ED25519_SIGNATURE_SIZE]);

/* Sign a head of the ledger (head.h). It can sign nothing but such a message. */
CELLA_MUST_USE cella_status cella_keyring_sign_head(const struct cella_keyring *keyring, uint64_t epoch, uint64_t size,
                                                    const uint8_t root[CELLA_SHA256_SIZE],
                                                    const uint8_t chain[CELLA_SHA256_SIZE],
                                                    uint8_t out[CELLA_ED25519_SIGNATURE_SIZE]);

/*
 * Sign a statement about a run or a deletion (trust/statement.h): a payload that is one, about this subject. It can sign
 * nothing else. Replaces out. Errors of cella_statement_sign
 */
CELLA_MUST_USE cella_status cella_keyring_sign_statement(const struct cella_keyring *keyring,
                                                         enum cella_statement_kind kind, struct cella_view payload,
                                                         struct cella_view subject, uint64_t issued_at_unix_s,
                                                         struct cella_bytes *out);

/*
 * The evidence file of this executor: its keys, and its log key with the identity key's signature (docs/receipts.md section
 * 7). Replaces out.
 * type: of the evidence; evidence: bound to these keys and this charter with an empty nonce
 * CELLA_BAD_FIELD  something is too large
 */
CELLA_MUST_USE cella_status cella_keyring_write_evidence(const struct cella_keyring *keyring, struct cella_view type,
                                                         struct cella_view evidence, struct cella_view charter,
                                                         struct cella_bytes *out);

/*
 * The log key's word that a leaf is in the tree: an inclusion receipt, and the head that it leads to as text. Both replace
 * what is there. The log's name is CELLA_LOG_NAME and the executor's id.
 * CELLA_BAD_PROOF  the path does not lead from the leaf to a root; and those of cella_receipt_issue
 */
#define CELLA_LOG_NAME "urn:cella:log:"
CELLA_MUST_USE cella_status cella_keyring_sign_inclusion(const struct cella_keyring *keyring,
                                                         const struct cella_merkle_hash *leaf, uint64_t index,
                                                         uint64_t size, const struct cella_merkle_path *path,
                                                         struct cella_bytes *receipt, struct cella_bytes *tree_head);

/* Open a secret that was sealed to the executor for a purpose and context (section 7). Errors: trust/hpke.h */
CELLA_MUST_USE cella_status cella_keyring_open(const struct cella_keyring *keyring, const char *purpose,
                                               struct cella_view context, struct cella_view sealed,
                                               struct cella_secret *out);

/*
 * Open a data key. It is sealed for its owner's party id and the SHA-256 of the sealed file, so that nobody can register
 * somebody else's sealed key as his own. owner NULL: one that the executor keeps itself. size: bytes that the file's format asks
 * for (trust/data_format.h). CELLA_BAD_KEY for a key of another size, and those of cella_keyring_open
 */
CELLA_MUST_USE cella_status cella_keyring_open_data_key(const struct cella_keyring *keyring,
                                                        const char *owner,
                                                        const uint8_t sha256[CELLA_SHA256_SIZE],
                                                        struct cella_view sealed, size_t size,
                                                        struct cella_secret *out);

/* Seal the key of a sealed file to the executor itself: an output that may become an input. out is appended to. */
CELLA_MUST_USE cella_status cella_keyring_keep_data_key(const struct cella_keyring *keyring,
                                                        const uint8_t sha256[CELLA_SHA256_SIZE],
                                                        struct cella_view key, struct cella_bytes *out);

/*
 * Name of the object that an attempt of a task stores an output under: a keyed hash, so that the monitor finds it again after an end
 * in the middle, and the host, which sees it, learns nothing from it and can not guess another.
 *
 * attempt: 1 is the first; out: 32 hexadecimal digits and NUL
 */
CELLA_MUST_USE cella_status cella_keyring_output_object(const struct cella_keyring *keyring, const char *task,
                                                        uint32_t attempt, const char *output, char out[33]);

/* Seal to a party. Needs no private key; here so that the purposes stand beside each other. out is appended to. */
CELLA_MUST_USE cella_status cella_keyring_seal(const uint8_t receiver[CELLA_X25519_KEY_SIZE], const char *purpose,
                                               struct cella_view context, struct cella_view plain,
                                               struct cella_bytes *out);

/* Writer of a new epoch's records; and what derives the keys of all epochs, for reading them (replay.h). */
CELLA_MUST_USE cella_status cella_keyring_record_writer(const struct cella_keyring *keyring,
                                                        struct cella_record_writer **out);
const struct cella_secret *cella_keyring_ledger_key(const struct cella_keyring *keyring);
