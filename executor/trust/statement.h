/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Statements: what an executor signs about a run, a deletion, or a request that it refused. A COSE_Sign1 whose payload is a
 * small deterministic CBOR map. Its entry in a log is its encoding with an empty unprotected header, so that receipts can be
 * attached afterwards without changing what they are about. A refusal stands in no log.
 *
 * A statement says that this key signed these claims. Whose key it is, and in which log the statement stands, is for
 * receipt_report.h.
 *
 * Source: docs/receipts.md; RFC 9943 (SCITT), RFC 9995 (hash envelope).
 */

#include "trust/cose.h"
#include "trust/merkle.h"

#define CELLA_STATEMENT_EXECUTION "application/vnd.cella.execution+cbor"
#define CELLA_STATEMENT_DELETION "application/vnd.cella.deletion+cbor"
#define CELLA_STATEMENT_REFUSAL "application/vnd.cella.refusal+cbor"
#define CELLA_STATEMENT_ISSUER "urn:cella:executor:" /* then the kid: its 64 hexadecimal digits, or 43 of base64url */
#define CELLA_STATEMENT_ITEMS_MAX 64U /* inputs, outputs or arguments each */
#define CELLA_STATEMENT_PARTIES_MAX 128U
#define CELLA_STATEMENT_LAYERS_MAX 16U
#define CELLA_STATEMENT_PARENTS_MAX 64U
#define CELLA_STATEMENT_NAME_MAX 256U   /* bytes of a name, a reason */
#define CELLA_STATEMENT_MEASUREMENT_MAX 64U
#define CELLA_STATEMENT_WORD_MAX 64U /* bytes of an operation's name, a code's name */
#define CELLA_STATEMENT_NONCE_MIN 8U
#define CELLA_STATEMENT_NONCE_MAX 64U

enum cella_statement_kind {
    CELLA_STATEMENT_IS_EXECUTION,
    CELLA_STATEMENT_IS_DELETION,
    CELLA_STATEMENT_IS_REFUSAL,
};

/* How a digest was made; what each reveals is in docs/receipts.md. */
enum cella_digest_kind {
    CELLA_DIGEST_SEALED = 0, /* SHA-256 of the sealed file as stored; size is the sealed file's */
    CELLA_DIGEST_SALTED = 1, /* SHA-256(salt of 32 bytes || data); size is the data's */
    CELLA_DIGEST_PLAIN = 2,  /* SHA-256 of the data: of public data only */
};

enum cella_time_source {
    CELLA_TIME_HOST = 0, /* the host's clock: not evidence */
    CELLA_TIME_TEE = 1,
    CELLA_TIME_WITNESSED = 2,
};

/* [name, kind, digest, size] */
struct cella_statement_item {
    struct cella_view name; /* UTF-8 without NUL, 1 to CELLA_STATEMENT_NAME_MAX bytes */
    enum cella_digest_kind kind;
    struct cella_view digest; /* 32 bytes */
    uint64_t size;
};

struct cella_statement_items {
    struct cella_statement_item list[CELLA_STATEMENT_ITEMS_MAX]; /* sorted by the bytes of their names, unique */
    size_t count;
};

/* Digests of 32 bytes; of parties sorted and unique. */
struct cella_statement_digests {
    struct cella_view list[CELLA_STATEMENT_PARTIES_MAX];
    size_t count;
};

/* [platform name, measurement] */
struct cella_statement_layer {
    struct cella_view name;
    struct cella_view measurement;
};

/* Members of a usage map; docs/receipts.md has their units. */
#define CELLA_STATEMENT_USAGE_COUNT 6U

/* A run. Everything is borrowed. Absent optional digests have data NULL. */
struct cella_execution {
    struct cella_view function; /* SHA-256 of the package as registered */
    struct cella_statement_items inputs;
    struct cella_statement_items outputs;
    struct cella_statement_digests participants; /* thumbprints */
    struct cella_view contract;                  /* SHA-256 of the bytes that were approved */
    struct cella_statement_layer runtime[CELLA_STATEMENT_LAYERS_MAX];
    size_t runtime_count; /* at least 1 */
    uint64_t started_unix_s;
    uint64_t ended_unix_s;
    enum cella_time_source time_source;
    bool has_usage[CELLA_STATEMENT_USAGE_COUNT]; /* by key - 1 */
    uint64_t usage[CELLA_STATEMENT_USAGE_COUNT];
    struct cella_view nonce;    /* of the party that asked: 8 to 64 bytes */
    struct cella_view previous; /* SHA-256 of this executor's previous statement's entry, or NULL */
    bool has_budget;
    uint64_t budget[2];         /* before, after */
    struct cella_view evidence; /* SHA-256 of the evidence file */
    struct cella_statement_digests parents; /* leaf hashes, at most CELLA_STATEMENT_PARENTS_MAX; written when not empty */
    bool has_parents;                       /* read: the member was there, perhaps empty */
    struct cella_statement_items arguments; /* that are not public: kind 1; written when not empty */
    bool has_arguments;
};

/* A deletion: the executor gave up its key to these data. */
struct cella_deletion {
    struct cella_statement_item data; /* name: the data's id; kind 0 */
    struct cella_statement_digests owners;
    uint64_t time_unix_s;
    enum cella_time_source time_source;
    struct cella_view reason;  /* UTF-8, at most CELLA_STATEMENT_NAME_MAX bytes; may be empty */
    struct cella_view request; /* SHA-256 of the signed request (compact JWS) that asked for it; NULL: nobody, e.g. expiry */
};

/* A refusal: the executor did not do what this party's request asked for. */
struct cella_refusal {
    struct cella_view operation; /* UTF-8 without NUL, 1 to CELLA_STATEMENT_WORD_MAX bytes: "task.invoke" */
    uint64_t number;             /* of base/status.h; not 0. One that is not known here comes from a newer executor */
    struct cella_view code;      /* its name, as operation */
    struct cella_view party;     /* who asked: thumbprint */
    struct cella_view request;   /* SHA-256 of the signed request (compact JWS) */
    uint64_t time_unix_s;
    enum cella_time_source time_source;
    struct cella_view detail;    /* what was in the way, as the party was told: UTF-8, at most CELLA_STATEMENT_NAME_MAX bytes */
};

/* What a reader finds. Borrows what it was read from. */
struct cella_statement {
    enum cella_statement_kind kind;
    struct cella_cose_sign1 sign1;
    bool enveloped; /* the payload is only the SHA-256 of the map, which travels apart */
    struct cella_view receipts; /* the encoded array of label 394; empty: none attached */
};

/*
 * Read the frame of a statement, with or without receipts attached. Not the payload: that comes after the signature.
 * content: untrusted. detail: receives a sentence for people
 * CELLA_BAD_FORMAT  not a statement of ours; also: claims missing, another content type, a refusal with receipts
 * CELLA_TOO_LARGE   above CELLA_COSE_SIZE_MAX
 */
CELLA_MUST_USE cella_status cella_statement_read(struct cella_view content, struct cella_statement *out,
                                                 struct cella_text *detail);

/* Does the issuer name this kid, in one of its two forms? */
bool cella_statement_issuer_is(const struct cella_statement *statement, const struct cella_cose_key *key);

/*
 * Read a payload map. CELLA_BAD_FORMAT  anything not exactly as described: shape, sizes, order, unknown members
 */
CELLA_MUST_USE cella_status cella_execution_read(struct cella_view payload, struct cella_execution *out,
                                                 struct cella_text *detail);
CELLA_MUST_USE cella_status cella_deletion_read(struct cella_view payload, struct cella_deletion *out,
                                                struct cella_text *detail);
CELLA_MUST_USE cella_status cella_refusal_read(struct cella_view payload, struct cella_refusal *out,
                                               struct cella_text *detail);

/*
 * Write a payload map; appended to out. What would not be read again is not written.
 * CELLA_BAD_FIELD  unsorted, a size wrong, a mandatory part missing; CELLA_NO_MEMORY
 */
CELLA_MUST_USE cella_status cella_execution_write(const struct cella_execution *execution, struct cella_bytes *out);
CELLA_MUST_USE cella_status cella_deletion_write(const struct cella_deletion *deletion, struct cella_bytes *out);
CELLA_MUST_USE cella_status cella_refusal_write(const struct cella_refusal *refusal, struct cella_bytes *out);

/* Who signs, and about what. */
struct cella_statement_signer {
    const struct cella_secret *seed; /* Ed25519; generated in the TEE and used for nothing that is handed in */
    struct cella_view subject;       /* what it is about, by its id: text, 1 to CELLA_STATEMENT_NAME_MAX bytes */
    uint64_t issued_at_unix_s;
    bool enveloped; /* sign the payload's SHA-256 only */
    const uint8_t *public_key; /* of seed, CELLA_ED25519_KEY_SIZE bytes; NULL: computed, which costs as much as signing */
};

/*
 * Sign a payload that one of the functions above made; the statement, without receipts, replaces out.
 * CELLA_BAD_FIELD  the subject; CELLA_BAD_FORMAT  payload is none of that kind; CELLA_NO_MEMORY, CELLA_CRYPTO_FAILED
 */
CELLA_MUST_USE cella_status cella_statement_sign(enum cella_statement_kind kind, struct cella_view payload,
                                                 const struct cella_statement_signer *signer, struct cella_bytes *out);

/*
 * The hash under which a log has the statement, whatever receipts are attached: of d2 84 || protected || a0 || payload
 * || signature. And these bytes, for the log itself: appended to out.
 */
CELLA_MUST_USE cella_status cella_statement_leaf(const struct cella_statement *statement,
                                                 struct cella_merkle_hash *out);
CELLA_MUST_USE cella_status cella_statement_entry(const struct cella_statement *statement, struct cella_bytes *out);

/*
 * The statement with these receipts attached in place of those it has: the file that users call the receipt. Replaces out.
 * receipts: at least one, the issuer's preferred one first
 * CELLA_BAD_FIELD  none; CELLA_TOO_LARGE  above CELLA_COSE_SIZE_MAX; CELLA_NO_MEMORY
 */
CELLA_MUST_USE cella_status cella_statement_attach(const struct cella_statement *statement,
                                                   const struct cella_view *receipts, size_t receipt_count,
                                                   struct cella_bytes *out);
