/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Two executors that attest each other with soft evidence under test roots, and what an attacker in the middle can
 * compute: transcript hashes and keys, written here once more from the document and not taken from the code under
 * test.
 */

#include "vectors.h"

#include "trust/evidence_soft.h"
#include "trust/mutual.h"

#define NOW 1750000000U
#define PURPOSE "join"
#define CHARTER "{\"version\":1,\"enrol\":\"closed\"}"
#define MEASUREMENT "3333333333333333333333333333333333333333333333333333333333333333"
#define ROOT "\"ed25519:11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\""
#define ROOT_SEED "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"

/* One executor. A test that wants a dishonest one changes what follows "lies". */
struct member {
    struct cella_secret seed; /* Ed25519 */
    struct cella_secret root;
    struct cella_policy policy;
    struct cella_mutual_setup setup;
    struct cella_mutual *run;
    uint64_t now;
    struct cella_view endorsements;
    cella_status (*make)(void *context, const uint8_t *report_data,
                         struct cella_bytes *out); /* NULL: soft evidence */
    void *context;
    /* lies */
    struct cella_secret signer;     /* signs instead of seed, where it is not empty */
    enum cella_mutual_side sign_as; /* 0: its own side */
    enum cella_evidence_type type;
    uint32_t layers;
    uint8_t measurement[CELLA_SHA256_SIZE];
    uint64_t issued;
    enum cella_role role;       /* of its evidence; 0: as wanted */
    struct cella_view charter;  /* of its evidence; empty: as wanted */
    struct cella_key_set *keys; /* of its evidence; NULL: as wanted */
    struct cella_view nonce;    /* of its evidence; empty: as wanted */
    struct cella_view evidence; /* instead of any of its own */
};

/* What an executor under default terms accepts; terms replaces a part of the JSON. */
static inline void member_policy(struct member *member, const char *min_level, const char *measurement,
                                 const char *soft, const char *more)
{
    char text[2048];
    char field[CELLA_FIELD_MAX];
    (void) snprintf(text, sizeof(text),
                    "{\"version\":1,\"min_level\":%s,\"accept\":[\"soft\"],\"measurement\":[{\"name\":\"release\","
                    "\"type\":\"soft\",\"value\":\"sha256:%s\"}],\"soft\":{\"roots\":[%s]}%s}",
                    min_level, measurement, soft, more);
    cella_policy_clear(&member->policy);
    if (cella_policy_parse(cella_view_of_string(text), field, &member->policy) != CELLA_OK) {
        fail_msg("policy refused at %s: %s", field, text);
    }
}

static inline cella_status member_sign(void *context, enum cella_mutual_side side, const uint8_t *transcript,
                                       uint8_t signature[CELLA_ED25519_SIGNATURE_SIZE])
{
    const struct member *member = context;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes message = { 0 };
    side = member->sign_as == 0 ? side : member->sign_as;
    CELLA_TRY(cella_mutual_proof_message(side, transcript, &message));
    return cella_ed25519_sign(member->signer.size > 0 ? &member->signer : &member->seed, cella_bytes_view(&message),
                              signature);
}

/* number: makes its keys */
static inline void member_begin(struct member *member, enum cella_mutual_side side, uint8_t number)
{
    *member = (struct member){ .type = CELLA_EVIDENCE_SOFT, .layers = CELLA_LAYERS_REQUIRED };
    member->now = NOW;
    member->issued = NOW;
    member->root = secret_of_hex(ROOT_SEED);
    assert_int_equal(cella_secret_resize(&member->seed, CELLA_ED25519_KEY_SIZE), CELLA_OK);
    memset(member->seed.data, number, member->seed.size);
    memset(member->measurement, 0x33, sizeof(member->measurement));
    member_policy(member, "2", MEASUREMENT, ROOT, "");
    member->setup = (struct cella_mutual_setup){
        .side = side,
        .purpose = PURPOSE,
        .charter = cella_view_of_string(CHARTER),
        .policy = &member->policy,
        .sign = member_sign,
        .context = member,
    };
    assert_int_equal(cella_ed25519_public(&member->seed, member->setup.keys.sign), CELLA_OK);
    memset(member->setup.keys.seal, number + 100, sizeof(member->setup.keys.seal));
}

static inline void member_new(struct member *member)
{
    cella_mutual_free(member->run);
    member->run = NULL;
    assert_int_equal(cella_mutual_new(&member->setup, &member->run), CELLA_OK);
}

static inline void member_end(struct member *member)
{
    cella_mutual_free(member->run);
    cella_secret_clear(&member->seed);
    cella_secret_clear(&member->root);
    cella_secret_clear(&member->signer);
    cella_policy_clear(&member->policy);
}

/* Answers what the run wants, with its lies. */
static inline cella_status member_attest(struct member *member, struct cella_bytes *out)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes evidence = { 0 };
    uint8_t report_data[CELLA_REPORT_DATA_SIZE];
    uint8_t nonce[CELLA_NONCE_SIZE];
    CELLA_TRY(cella_mutual_wanted(member->run, report_data, nonce));
    if (member->role != 0 || member->charter.size > 0 || member->keys != NULL || member->nonce.size > 0) {
        bool first = member->setup.side == CELLA_MUTUAL_INITIATOR;
        enum cella_role role = first ? CELLA_ROLE_MUTUAL_INITIATOR : CELLA_ROLE_MUTUAL_RESPONDER;
        CELLA_TRY(cella_evidence_report_data(
            member->role != 0 ? member->role : role, member->keys != NULL ? member->keys : &member->setup.keys,
            member->charter.size > 0 ? member->charter : member->setup.charter,
            member->nonce.size > 0 ? member->nonce : cella_view_of(nonce, sizeof(nonce)), report_data));
    }
    CELLA_TRY(member->make != NULL ? member->make(member->context, report_data, &evidence)
                                   : cella_evidence_soft_make(&member->root, member->layers, member->measurement,
                                                              report_data, member->issued, &evidence));
    return cella_mutual_attest(member->run, member->type,
                               member->evidence.size > 0 ? member->evidence : cella_bytes_view(&evidence),
                               member->endorsements, out);
}

/* Takes a message and makes the next one, where there is one. */
static inline cella_status member_step(struct member *member, struct cella_view message, struct cella_bytes *out)
{
    CELLA_TRY(cella_mutual_receive(member->run, message, member->now, out));
    return cella_mutual_state(member->run) == CELLA_MUTUAL_ATTEST ? member_attest(member, out) : CELLA_OK;
}

static inline bool member_is_open(const struct member *member)
{
    return cella_mutual_state(member->run) == CELLA_MUTUAL_OPEN;
}

/* Messages 1 to 4 of a run. */
struct messages {
    struct cella_bytes list[5];
};

static inline void messages_clear(struct messages *messages)
{
    for (size_t i = 0; i < 5; i++) {
        cella_bytes_clear(&messages->list[i]);
    }
}

/* An honest run between two, up to and with the making of message last; new runs on both sides. */
static inline void messages_make(struct member *first, struct member *second, size_t last,
                                 struct messages *messages)
{
    messages_clear(messages);
    member_new(first);
    member_new(second);
    assert_int_equal(cella_mutual_start(first->run, &messages->list[1]), CELLA_OK);
    for (size_t i = 2; i <= last; i++) {
        struct member *receiver = i % 2 == 0 ? second : first;
        assert_int_equal(member_step(receiver, cella_bytes_view(&messages->list[i - 1]), &messages->list[i]),
                         CELLA_OK);
    }
}

/* ---- the attacker's own computations ---- */

/* H(h, kind, x) of docs/attestation.md section 11. */
static inline void attacker_mix(uint8_t hash[CELLA_SHA256_SIZE], uint8_t kind, struct cella_view bytes)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    assert_int_equal(cella_bytes_append(&text, cella_view_of("\0\0\0\x20", 4)), CELLA_OK);
    assert_int_equal(cella_bytes_append(&text, cella_view_of(hash, 32)), CELLA_OK);
    assert_int_equal(cella_bytes_append(&text, cella_view_of(&kind, 1)), CELLA_OK);
    const uint8_t size[4] = { (uint8_t) (bytes.size >> 24), (uint8_t) (bytes.size >> 16),
                              (uint8_t) (bytes.size >> 8), (uint8_t) bytes.size };
    assert_int_equal(cella_bytes_append(&text, cella_view_of(size, 4)), CELLA_OK);
    assert_int_equal(cella_bytes_append(&text, bytes), CELLA_OK);
    assert_int_equal(cella_sha256(cella_bytes_view(&text), hash), CELLA_OK);
}

static inline void attacker_begin(uint8_t hash[CELLA_SHA256_SIZE])
{
    assert_int_equal(cella_sha256(cella_view_of("\0\0\0\x0f"
                                                "cella mutual v1",
                                                19),
                                  hash),
                     CELLA_OK);
}

static inline struct cella_secret attacker_key(const struct cella_secret *shared, const uint8_t *hash,
                                               const char *name)
{
    struct cella_secret key = { 0 };
    char info[64];
    (void) snprintf(info, sizeof(info), "cella mutual key v1 %s", name);
    assert_int_equal(cella_secret_resize(&key, 32), CELLA_OK);
    assert_int_equal(cella_hkdf(CELLA_HASH_SHA256, cella_secret_view(shared), cella_view_of(hash, 32),
                                cella_view_of_string(info), &key),
                     CELLA_OK);
    return key;
}
