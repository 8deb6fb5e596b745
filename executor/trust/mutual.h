/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Mutual attestation: two executors judge each other's evidence under one charter, and end with a channel whose keys only
 * their two monitors have. It runs over anything that carries bytes in order (the fronts' TLS, a link, a socket) and
 * trusts none of it: a front that relays can read and change everything but what is sealed here, and can only stop it.
 *
 * A state machine without sockets and clock; evidence is asked for and given, because a device may take its time.
 *
 *   initiator                                              responder
 *   start:   HELLO   hello_i                           ->
 *                                                      <-  attest:  ANSWER  hello_r || sealed proof_r
 *   attest:  PROOF   sealed proof_i                    ->
 *                                                      <-  DONE     sealed nothing
 *
 * Layouts: trust/mutual_message.h. H(h, kind, x) = SHA-256(field(h) || u8 kind || field(x)), and
 *
 *   h0 = SHA-256(field("cella mutual v1"))             h1 = H(h0, 1, hello_i)        h2 = H(h1, 2, hello_r)
 *   h3 = H(h2, 2, proof_r)                             h4 = H(h3, 3, proof_i)
 *   key(h, name) = HKDF-SHA256(X25519(ephemerals), salt h, info "cella mutual key v1 " name)
 *
 * proof_r is sealed under key(h2, "responder proof"), proof_i under key(h3, "initiator proof"), DONE under
 * key(h4, "done"); the channel has key(h4, "initiator to responder") and key(h4, "responder to initiator").
 * Evidence is bound (trust/evidence.h) to the sender's keys, the charter, the sender's role ("mutual initiator" or
 * "mutual responder") and, as its nonce, to h2 (responder) or h3 (initiator). The signature of a proof is made with the
 * attested Ed25519 key over field("cella mutual proof v1") || field(role) || field(t), where t is H(h2, 2, ...) or
 * H(h3, 3, ...) over the proof's bytes before the signature.
 *
 * Why this holds. It is the signed Diffie-Hellman exchange in which both identities stand in what is signed (ISO/IEC
 * 9798-3 and 11770-3; Canetti and Krawczyk, EUROCRYPT 2001, section 5; the encryption of proofs is as in SIGMA-I, CRYPTO
 * 2003), with evidence beside the signature:
 *  - Who: h2 covers version, purpose, charter, nonces, ephemerals and both key sets, each in the place of its side. A
 *    signature by the attested key over a hash that contains h2 says "I, in this role, with this peer, under these
 *    ephemerals". Somebody in between, who has other ephemerals, another key set on one side, or messages of another run,
 *    has another h2: nobody signs it for him. So no unknown key share, no diversion, no role swap.
 *  - What: evidence is bound to the same h2 or h3, not to the key alone. It is fresh, because h2 contains the verifier's
 *    nonce; and who stole an executor's signing key but not the executor gets no evidence for his own ephemerals.
 *  - Both: the initiator accepts when DONE opens. Its key needs the shared secret and h4, which covers both proofs; the
 *    responder sends it after it has judged the initiator. So both agree on everything, or one of them refuses.
 *  - Reflection: a peer that shows this executor's own key, nonce or ephemeral is refused, before anything is signed.
 *  - Secrecy: ephemerals are born here and wiped when the keys are derived; later theft of the signing key, or of the
 *    platform's, opens no old channel.
 *  - Downgrade: there is one version and one suite; nothing is negotiated.
 * What it can not show: that the code behind the measurement is right, and anything that the evidence's own level leaves
 * open. The responder signs and asks its platform for evidence for anybody who says hello: whoever runs it limits how often.
 *
 * Whatever the peer sends wrong ends the run: keys are wiped, and each later call returns the same status. A call of the
 * own program that is not due (CELLA_BAD_STATE) or is given too much (CELLA_TOO_LARGE) changes nothing. The peer is told
 * nothing: close the pipe.
 */

#include "trust/mutual_channel.h"

enum cella_mutual_side {
    CELLA_MUTUAL_INITIATOR = 1,
    CELLA_MUTUAL_RESPONDER = 2,
};

enum cella_mutual_state {
    CELLA_MUTUAL_START,   /* initiator: cella_mutual_start is due */
    CELLA_MUTUAL_RECEIVE, /* a message of the peer is due: cella_mutual_receive */
    CELLA_MUTUAL_ATTEST,  /* evidence is due: cella_mutual_wanted, cella_mutual_attest */
    CELLA_MUTUAL_OPEN,    /* both have accepted: cella_mutual_take_channel */
    CELLA_MUTUAL_FAILED,  /* cella_mutual_status says why */
};

/*
 * Signs for the executor: cella_ed25519_sign of cella_mutual_proof_message, where the private keys live.
 * transcript: CELLA_SHA256_SIZE bytes
 */
typedef cella_status (*cella_mutual_sign)(void *context, enum cella_mutual_side side, const uint8_t *transcript,
                                          uint8_t signature[CELLA_ED25519_SIGNATURE_SIZE]);

/* What this side brings. All trusted; charter, policy and context are borrowed and outlive the run. */
struct cella_mutual_setup {
    enum cella_mutual_side side;
    const char *purpose;               /* what the channel is for, the same on both sides: 1 to 31 printable ASCII */
    struct cella_view charter;         /* exact bytes; the peer must have the same */
    struct cella_key_set keys;         /* this executor's */
    const struct cella_policy *policy; /* which executors are accepted */
    const uint8_t *peer;               /* SHA-256 of the key set (sign || seal) of the only peer wanted; NULL: any */
    cella_mutual_sign sign;
    void *context; /* for sign */
};

/* Heap object. */
struct cella_mutual;

/*
 * Begin a run. Nonce and ephemeral key come from the operating system's generator.
 * CELLA_BAD_FIELD  side or purpose; CELLA_BAD_SIZE  charter above CELLA_CHARTER_MAX
 * CELLA_RANDOM_FAILED, CELLA_NO_MEMORY, CELLA_CRYPTO_FAILED
 */
CELLA_MUST_USE cella_status cella_mutual_new(const struct cella_mutual_setup *setup, struct cella_mutual **out);
/* Same with given randomness: for known answers only. ephemeral: CELLA_X25519_KEY_SIZE bytes; moved. CELLA_BAD_KEY */
CELLA_MUST_USE cella_status cella_mutual_new_with(const struct cella_mutual_setup *setup,
                                                  struct cella_secret *ephemeral,
                                                  const uint8_t nonce[CELLA_NONCE_SIZE], struct cella_mutual **out);
void cella_mutual_free(struct cella_mutual *run); /* wipes; accepts NULL */
void cella_mutual_cleanup(struct cella_mutual **run); /* for CELLA_CLEANUP */

enum cella_mutual_state cella_mutual_state(const struct cella_mutual *run);
cella_status cella_mutual_status(const struct cella_mutual *run); /* CELLA_OK, or why the run has failed */

/* Initiator: the first message; appended to out. CELLA_BAD_STATE, CELLA_NO_MEMORY */
CELLA_MUST_USE cella_status cella_mutual_start(struct cella_mutual *run, struct cella_bytes *out);

/*
 * Take the peer's next message.
 *
 * message:    exactly one (cella_mutual_message_size finds its end). Untrusted
 * now_unix_s: this side's time, for the appraisal
 * out:        what to send now, appended; may stay empty. Look at the state afterwards
 *
 * CELLA_BAD_STATE    not the message that is due: skipped, repeated, of the other role
 * CELLA_BAD_VERSION, CELLA_BAD_FORMAT, CELLA_TOO_LARGE  malformed
 * CELLA_REFLECTED    the peer shows this executor's own keys, nonce or ephemeral
 * CELLA_DIVERTED     the peer is not the one wanted, or is here for another purpose
 * CELLA_CHARTER      its charter is another one, or not the one that the policy pins
 * CELLA_BAD_KEY      its ephemeral key has small order
 * CELLA_BAD_TAG      changed bytes; messages of another run; somebody in between
 * CELLA_BAD_SIGNATURE  not signed by the key it shows, for this run and role
 * CELLA_BINDING and every other status of cella_evidence_appraise and cella_endorsements_read; CELLA_NO_MEMORY
 */
CELLA_MUST_USE cella_status cella_mutual_receive(struct cella_mutual *run, struct cella_view message,
                                                 uint64_t now_unix_s, struct cella_bytes *out);

/* Which evidence is wanted in the state ATTEST: what to bind it to, and the nonce in it. CELLA_BAD_STATE */
CELLA_MUST_USE cella_status cella_mutual_wanted(const struct cella_mutual *run,
                                                uint8_t report_data[CELLA_REPORT_DATA_SIZE],
                                                uint8_t nonce[CELLA_NONCE_SIZE]);

/*
 * Give it, and get the next message to send.
 *
 * evidence:     at most CELLA_EVIDENCE_MAX bytes, of that type
 * endorsements: wire form, at most CELLA_ENDORSEMENTS_SIZE_MAX bytes; may be empty
 * out:          appended
 * CELLA_BAD_STATE; CELLA_TOO_LARGE; what sign returns; CELLA_NO_MEMORY, CELLA_CRYPTO_FAILED
 */
CELLA_MUST_USE cella_status cella_mutual_attest(struct cella_mutual *run, enum cella_evidence_type type,
                                                struct cella_view evidence, struct cella_view endorsements,
                                                struct cella_bytes *out);

/* The peer's keys, once the state is OPEN; NULL before. Borrowed. */
const struct cella_key_set *cella_mutual_peer(const struct cella_mutual *run);

/* The appraisal of the peer's evidence, passed or failed; NULL when it did not come to that. Borrowed. */
const struct cella_report *cella_mutual_report(const struct cella_mutual *run);

/* The channel, once: the caller's from now on. CELLA_BAD_STATE  not OPEN, or taken before */
CELLA_MUST_USE cella_status cella_mutual_take_channel(struct cella_mutual *run, struct cella_mutual_channel **out);

/* What a proof's signature is over; both sides make it with this function. Appended to out. CELLA_NO_MEMORY */
CELLA_MUST_USE cella_status cella_mutual_proof_message(enum cella_mutual_side side, const uint8_t *transcript,
                                                       struct cella_bytes *out);
