/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/mutual.h"

#include <stdlib.h>
#include <string.h>

#define LABEL "cella mutual v1"
#define PROOF_LABEL "cella mutual proof v1"
#define KEY_LABEL "cella mutual key v1 "

struct cella_mutual {
    struct cella_mutual_setup setup;
    struct cella_mutual_hello own;
    struct cella_mutual_hello peer;
    enum cella_mutual_state state;
    enum cella_mutual_kind due; /* the peer's next message */
    cella_status failure;
    struct cella_secret ephemeral;   /* wiped as soon as shared is there */
    struct cella_secret shared;      /* wiped as soon as the channel is there */
    uint8_t hash[CELLA_SHA256_SIZE]; /* h0 to h4 */
    struct cella_mutual_channel *channel;
    struct cella_report report;
    bool judged;
};

/* What differs between the sides, so that neither is a special case below. */
struct part {
    enum cella_role role;
    const char *name; /* in signatures */
    const char *proof_key;
    enum cella_mutual_kind kind; /* of the message that brings the proof */
    size_t clear_size;           /* what stands before it there */
};

static const struct part parts[] = {
    [CELLA_MUTUAL_INITIATOR] = { CELLA_ROLE_MUTUAL_INITIATOR, "mutual initiator", "initiator proof",
                                 CELLA_MUTUAL_KIND_PROOF, 0 },
    [CELLA_MUTUAL_RESPONDER] = { CELLA_ROLE_MUTUAL_RESPONDER, "mutual responder", "responder proof",
                                 CELLA_MUTUAL_KIND_ANSWER, CELLA_MUTUAL_HELLO_SIZE },
};

static enum cella_mutual_side other_side(enum cella_mutual_side side)
{
    return side == CELLA_MUTUAL_INITIATOR ? CELLA_MUTUAL_RESPONDER : CELLA_MUTUAL_INITIATOR;
}

/* ---- transcript and keys ---- */

/* H of the header. out may be hash. */
static cella_status mix(const uint8_t hash[CELLA_SHA256_SIZE], enum cella_mutual_kind kind, struct cella_view bytes,
                        uint8_t out[CELLA_SHA256_SIZE])
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes message = { 0 };
    CELLA_TRY(cella_write_field(&message, cella_view_of(hash, CELLA_SHA256_SIZE)));
    CELLA_TRY(cella_write_u8(&message, (uint8_t) kind));
    CELLA_TRY(cella_write_field(&message, bytes));
    return cella_sha256(cella_bytes_view(&message), out);
}

static cella_status mix_hello(struct cella_mutual *run, enum cella_mutual_kind kind,
                              const struct cella_mutual_hello *hello)
{
    uint8_t bytes[CELLA_MUTUAL_HELLO_SIZE];
    cella_mutual_hello_write(hello, bytes);
    return mix(run->hash, kind, cella_view_of(bytes, sizeof(bytes)), run->hash);
}

static cella_status derive_key(const struct cella_mutual *run, const char *name, struct cella_secret *out)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes info = { 0 };
    CELLA_TRY(cella_bytes_append(&info, cella_view_of_string(KEY_LABEL)));
    CELLA_TRY(cella_bytes_append(&info, cella_view_of_string(name)));
    CELLA_TRY(cella_secret_resize(out, CELLA_AES_KEY_SIZE));
    return cella_hkdf(CELLA_HASH_SHA256, cella_secret_view(&run->shared),
                      cella_view_of(run->hash, sizeof(run->hash)), cella_bytes_view(&info), out);
}

/* Both hellos are known: h1, h2 and the shared secret. */
static cella_status agree(struct cella_mutual *run)
{
    bool first = run->setup.side == CELLA_MUTUAL_INITIATOR;
    CELLA_TRY(cella_x25519_derive(&run->ephemeral, run->peer.ephemeral, &run->shared));
    cella_secret_clear(&run->ephemeral);
    CELLA_TRY(mix_hello(run, CELLA_MUTUAL_KIND_HELLO, first ? &run->own : &run->peer));
    return mix_hello(run, CELLA_MUTUAL_KIND_ANSWER, first ? &run->peer : &run->own);
}

static cella_status make_channel(struct cella_mutual *run)
{
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret forth = { 0 };
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret back = { 0 };
    bool first = run->setup.side == CELLA_MUTUAL_INITIATOR;
    CELLA_TRY(derive_key(run, "initiator to responder", &forth));
    CELLA_TRY(derive_key(run, "responder to initiator", &back));
    cella_secret_clear(&run->shared);
    CELLA_TRY(cella_mutual_channel_new(first ? &forth : &back, first ? &back : &forth, &run->channel));
    run->state = CELLA_MUTUAL_OPEN;
    return CELLA_OK;
}

cella_status cella_mutual_proof_message(enum cella_mutual_side side, const uint8_t *transcript,
                                        struct cella_bytes *out)
{
    CELLA_TRY(cella_write_field(out, cella_view_of_string(PROOF_LABEL)));
    CELLA_TRY(cella_write_field(out, cella_view_of_string(parts[side].name)));
    return cella_write_field(out, cella_view_of(transcript, CELLA_SHA256_SIZE));
}

/* ---- life ---- */

static void wipe(struct cella_mutual *run)
{
    cella_secret_clear(&run->ephemeral);
    cella_secret_clear(&run->shared);
    cella_mutual_channel_free(run->channel);
    run->channel = NULL;
}

static cella_status fail(struct cella_mutual *run, cella_status status)
{
    if (status != CELLA_OK) {
        wipe(run);
        run->state = CELLA_MUTUAL_FAILED;
        run->failure = status;
    }
    return status;
}

static cella_status check_setup(const struct cella_mutual_setup *setup)
{
    size_t size = strlen(setup->purpose);
    if ((setup->side != CELLA_MUTUAL_INITIATOR && setup->side != CELLA_MUTUAL_RESPONDER) || size == 0 ||
        size >= CELLA_MUTUAL_PURPOSE_SIZE) {
        return CELLA_BAD_FIELD;
    }
    for (size_t i = 0; i < size; i++) {
        if (setup->purpose[i] < ' ' || setup->purpose[i] > '~') {
            return CELLA_BAD_FIELD;
        }
    }
    return setup->charter.size > CELLA_CHARTER_MAX ? CELLA_BAD_SIZE : CELLA_OK;
}

static cella_status begin(struct cella_mutual *run, const struct cella_mutual_setup *setup,
                          struct cella_secret *ephemeral, const uint8_t nonce[CELLA_NONCE_SIZE])
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes label = { 0 };
    bool first = setup->side == CELLA_MUTUAL_INITIATOR;
    run->setup = *setup;
    run->state = first ? CELLA_MUTUAL_START : CELLA_MUTUAL_RECEIVE;
    run->due = first ? CELLA_MUTUAL_KIND_ANSWER : CELLA_MUTUAL_KIND_HELLO;
    memcpy(run->own.purpose, setup->purpose, strlen(setup->purpose));
    run->own.keys = setup->keys;
    memcpy(run->own.nonce, nonce, CELLA_NONCE_SIZE);
    CELLA_TRY(cella_sha256(setup->charter, run->own.charter_sha256));
    CELLA_TRY(cella_x25519_public(ephemeral, run->own.ephemeral));
    cella_secret_take(&run->ephemeral, ephemeral);
    CELLA_TRY(cella_write_field(&label, cella_view_of_string(LABEL)));
    return cella_sha256(cella_bytes_view(&label), run->hash);
}

cella_status cella_mutual_new_with(const struct cella_mutual_setup *setup, struct cella_secret *ephemeral,
                                   const uint8_t nonce[CELLA_NONCE_SIZE], struct cella_mutual **out)
{
    CELLA_TRY(check_setup(setup));
    struct cella_mutual *run = calloc(1, sizeof(*run));
    if (run == NULL) {
        return CELLA_NO_MEMORY;
    }
    cella_status status = begin(run, setup, ephemeral, nonce);
    if (status != CELLA_OK) {
        cella_mutual_free(run);
        return status;
    }
    *out = run;
    return CELLA_OK;
}

cella_status cella_mutual_new(const struct cella_mutual_setup *setup, struct cella_mutual **out)
{
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret ephemeral = { 0 };
    uint8_t nonce[CELLA_NONCE_SIZE];
    CELLA_TRY(cella_secret_random(&ephemeral, CELLA_X25519_KEY_SIZE));
    CELLA_TRY(cella_random(nonce, sizeof(nonce)));
    return cella_mutual_new_with(setup, &ephemeral, nonce, out);
}

void cella_mutual_free(struct cella_mutual *run)
{
    if (run != NULL) {
        wipe(run);
        free(run);
    }
}

void cella_mutual_cleanup(struct cella_mutual **run)
{
    cella_mutual_free(*run);
    *run = NULL;
}

enum cella_mutual_state cella_mutual_state(const struct cella_mutual *run)
{
    return run->state;
}

cella_status cella_mutual_status(const struct cella_mutual *run)
{
    return run->failure;
}

const struct cella_key_set *cella_mutual_peer(const struct cella_mutual *run)
{
    return run->state == CELLA_MUTUAL_OPEN ? &run->peer.keys : NULL;
}

const struct cella_report *cella_mutual_report(const struct cella_mutual *run)
{
    return run->judged ? &run->report : NULL;
}

/* A call that is not due changes nothing. */
static cella_status is_due(const struct cella_mutual *run, enum cella_mutual_state state)
{
    if (run->state == CELLA_MUTUAL_FAILED) {
        return run->failure;
    }
    return run->state == state ? CELLA_OK : CELLA_BAD_STATE;
}

cella_status cella_mutual_take_channel(struct cella_mutual *run, struct cella_mutual_channel **out)
{
    CELLA_TRY(is_due(run, CELLA_MUTUAL_OPEN));
    if (run->channel == NULL) {
        return CELLA_BAD_STATE;
    }
    *out = run->channel;
    run->channel = NULL;
    return CELLA_OK;
}

/* ---- sending ---- */

static cella_status start(struct cella_mutual *run, struct cella_bytes *out)
{
    uint8_t message[CELLA_MUTUAL_HEADER_SIZE + CELLA_MUTUAL_HELLO_SIZE];
    cella_mutual_header(CELLA_MUTUAL_KIND_HELLO, CELLA_MUTUAL_HELLO_SIZE, message);
    cella_mutual_hello_write(&run->own, message + CELLA_MUTUAL_HEADER_SIZE);
    CELLA_TRY(cella_bytes_append(out, cella_view_of(message, sizeof(message))));
    run->state = CELLA_MUTUAL_RECEIVE;
    return CELLA_OK;
}

cella_status cella_mutual_start(struct cella_mutual *run, struct cella_bytes *out)
{
    CELLA_TRY(is_due(run, CELLA_MUTUAL_START));
    return fail(run, start(run, out));
}

cella_status cella_mutual_wanted(const struct cella_mutual *run, uint8_t report_data[CELLA_REPORT_DATA_SIZE],
                                 uint8_t nonce[CELLA_NONCE_SIZE])
{
    CELLA_TRY(is_due(run, CELLA_MUTUAL_ATTEST));
    memcpy(nonce, run->hash, CELLA_NONCE_SIZE);
    return cella_evidence_report_data(parts[run->setup.side].role, &run->own.keys, run->setup.charter,
                                      cella_view_of(nonce, CELLA_NONCE_SIZE), report_data);
}

/* attested becomes the whole proof. */
static cella_status attest(struct cella_mutual *run, struct cella_bytes *attested, struct cella_bytes *out)
{
    const struct part *part = &parts[run->setup.side];
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret key = { 0 };
    uint8_t transcript[CELLA_SHA256_SIZE];
    uint8_t signature[CELLA_ED25519_SIGNATURE_SIZE];
    uint8_t hello[CELLA_MUTUAL_HELLO_SIZE];
    CELLA_TRY(mix(run->hash, part->kind, cella_bytes_view(attested), transcript));
    CELLA_TRY(run->setup.sign(run->setup.context, run->setup.side, transcript, signature));
    CELLA_TRY(cella_bytes_append(attested, cella_view_of(signature, sizeof(signature))));
    CELLA_TRY(derive_key(run, part->proof_key, &key));
    cella_mutual_hello_write(&run->own, hello);
    CELLA_TRY(cella_mutual_message_seal(part->kind, &key, cella_view_of(hello, part->clear_size),
                                        cella_bytes_view(attested), out));
    CELLA_TRY(mix(run->hash, part->kind, cella_bytes_view(attested), run->hash));
    run->due = run->setup.side == CELLA_MUTUAL_INITIATOR ? CELLA_MUTUAL_KIND_DONE : CELLA_MUTUAL_KIND_PROOF;
    run->state = CELLA_MUTUAL_RECEIVE;
    return CELLA_OK;
}

cella_status cella_mutual_attest(struct cella_mutual *run, enum cella_evidence_type type,
                                 struct cella_view evidence, struct cella_view endorsements,
                                 struct cella_bytes *out)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes proof = { 0 };
    CELLA_TRY(is_due(run, CELLA_MUTUAL_ATTEST));
    CELLA_TRY(cella_mutual_attested_write(type, evidence, endorsements, &proof));
    return fail(run, attest(run, &proof, out));
}

/* ---- receiving ---- */

static bool same(const uint8_t *a, const uint8_t *b)
{
    return cella_equal_constant_time(a, b, 32);
}

static cella_status check_hello(const struct cella_mutual *run)
{
    const struct cella_mutual_hello *own = &run->own;
    const struct cella_mutual_hello *peer = &run->peer;
    uint8_t keys[sizeof(peer->keys.sign) + sizeof(peer->keys.seal)];
    uint8_t digest[CELLA_SHA256_SIZE];
    if (same(own->keys.sign, peer->keys.sign) || same(own->keys.seal, peer->keys.seal) ||
        same(own->nonce, peer->nonce) || same(own->ephemeral, peer->ephemeral)) {
        return CELLA_REFLECTED;
    }
    if (!same(own->purpose, peer->purpose)) {
        return CELLA_DIVERTED;
    }
    memcpy(keys, peer->keys.sign, sizeof(peer->keys.sign));
    memcpy(keys + sizeof(peer->keys.sign), peer->keys.seal, sizeof(peer->keys.seal));
    CELLA_TRY(cella_sha256(cella_view_of(keys, sizeof(keys)), digest));
    if (run->setup.peer != NULL && !same(run->setup.peer, digest)) {
        return CELLA_DIVERTED;
    }
    return same(own->charter_sha256, peer->charter_sha256) ? CELLA_OK : CELLA_CHARTER;
}

static cella_status take_hello(struct cella_mutual *run, struct cella_view body)
{
    CELLA_TRY(cella_mutual_hello_read(body, &run->peer));
    CELLA_TRY(check_hello(run));
    return agree(run);
}

static cella_status appraise(struct cella_mutual *run, const struct cella_mutual_proof *proof, uint64_t now_unix_s)
{
    struct cella_evidence evidence = { .type = proof->type, .content = proof->evidence };
    const struct cella_binding binding = {
        .kind = CELLA_BINDING_EXECUTOR,
        .role = parts[other_side(run->setup.side)].role,
        .keys = run->peer.keys,
        .charter = run->setup.charter,
        .nonce = cella_view_of(run->hash, sizeof(run->hash)),
    };
    CELLA_TRY(cella_endorsements_read(proof->endorsements, &evidence.endorsements));
    run->judged = true;
    return cella_evidence_appraise(&evidence, &binding, run->setup.policy, now_unix_s, &run->report);
}

static cella_status take_proof(struct cella_mutual *run, struct cella_view message, uint64_t now_unix_s)
{
    enum cella_mutual_side side = other_side(run->setup.side);
    const struct part *part = &parts[side];
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret key = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes plain = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes signed_message = { 0 };
    struct cella_mutual_proof proof;
    uint8_t transcript[CELLA_SHA256_SIZE];
    CELLA_TRY(derive_key(run, part->proof_key, &key));
    CELLA_TRY(cella_mutual_message_open(message, part->clear_size, &key, &plain));
    CELLA_TRY(cella_mutual_proof_read(cella_bytes_view(&plain), &proof));
    CELLA_TRY(mix(run->hash, part->kind, proof.attested, transcript));
    CELLA_TRY(cella_mutual_proof_message(side, transcript, &signed_message));
    CELLA_TRY(cella_ed25519_verify(run->peer.keys.sign, cella_bytes_view(&signed_message), proof.signature));
    CELLA_TRY(appraise(run, &proof, now_unix_s));
    return mix(run->hash, part->kind, cella_bytes_view(&plain), run->hash);
}

static cella_status send_done(struct cella_mutual *run, struct cella_bytes *out)
{
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret key = { 0 };
    CELLA_TRY(derive_key(run, "done", &key));
    CELLA_TRY(make_channel(run)); /* before DONE is made: a peer that was told so must not stay alone */
    return cella_mutual_message_seal(CELLA_MUTUAL_KIND_DONE, &key, (struct cella_view){ 0 },
                                     (struct cella_view){ 0 }, out);
}

static cella_status take_done(struct cella_mutual *run, struct cella_view message)
{
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret key = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes nothing = { 0 };
    CELLA_TRY(derive_key(run, "done", &key));
    CELLA_TRY(cella_mutual_message_open(message, 0, &key, &nothing));
    return make_channel(run);
}

static cella_status receive(struct cella_mutual *run, struct cella_view message, uint64_t now_unix_s,
                            struct cella_bytes *out)
{
    enum cella_mutual_kind kind;
    struct cella_view body;
    CELLA_TRY(cella_mutual_message_split(message, &kind, &body));
    if (run->state != CELLA_MUTUAL_RECEIVE || kind != run->due) {
        return CELLA_BAD_STATE;
    }
    switch (kind) {
    case CELLA_MUTUAL_KIND_HELLO:
        CELLA_TRY(take_hello(run, body));
        run->state = CELLA_MUTUAL_ATTEST;
        return CELLA_OK;
    case CELLA_MUTUAL_KIND_ANSWER:
        CELLA_TRY(take_hello(run, body));
        CELLA_TRY(take_proof(run, message, now_unix_s));
        run->state = CELLA_MUTUAL_ATTEST;
        return CELLA_OK;
    case CELLA_MUTUAL_KIND_PROOF:
        CELLA_TRY(take_proof(run, message, now_unix_s));
        return send_done(run, out);
    case CELLA_MUTUAL_KIND_DONE:
        return take_done(run, message);
    case CELLA_MUTUAL_KIND_RECORD:
    case CELLA_MUTUAL_KIND_CLOSE:
        break;
    }
    return CELLA_BAD_STATE;
}

cella_status cella_mutual_receive(struct cella_mutual *run, struct cella_view message, uint64_t now_unix_s,
                                  struct cella_bytes *out)
{
    if (run->state == CELLA_MUTUAL_FAILED) {
        return run->failure;
    }
    return fail(run, receive(run, message, now_unix_s, out));
}
