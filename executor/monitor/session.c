/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/session.h"

#include <stdlib.h>

#include "monitor/attest.h"
#include "monitor/front.h"
#include "monitor/head.h"
#include "trust/attested_certificate.h"

#define SIGNATURE_MEMBER ",\"signature\":\""

/* A client that waits for fresh evidence. */
struct session {
    uint32_t request;
    uint64_t ticket;
    uint8_t nonce[CELLA_NONCE_SIZE];
    uint8_t signature[CELLA_ED25519_SIGNATURE_SIZE];
    struct session *next;
};

struct cella_sessions {
    struct cella_monitor *monitor;
    struct cella_front *front;
    struct cella_bytes start; /* of the answer without fresh evidence, up to its signature; empty: to be made */
    struct session *waiting;
    uint64_t certificate_ticket; /* 0: none is being made */
    struct cella_bytes claims;   /* of the certificate that is being made */
    bool certified;              /* this front has a certificate */
};

/* ---- the answer ---- */

static cella_status join_endorsements(const struct cella_monitor *monitor,
                                      const struct cella_monitor_evidence *evidence, struct cella_bytes *out)
{
    CELLA_TRY(cella_bytes_append(out, cella_bytes_view(&evidence->endorsements)));
    return cella_bytes_append(out, cella_bytes_view(&monitor->collateral));
}

/* All up to the signature: what does not differ between connections. */
static cella_status write_start(const struct cella_monitor *monitor, const struct cella_monitor_evidence *evidence,
                                struct cella_view nonce, struct cella_bytes *out)
{
    const struct cella_key_set *keys = cella_keyring_public(monitor->keyring);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes key_set = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes endorsements = { 0 };
    CELLA_TRY(cella_bytes_append(&key_set, cella_view_of(keys->sign, sizeof(keys->sign))));
    CELLA_TRY(cella_bytes_append(&key_set, cella_view_of(keys->seal, sizeof(keys->seal))));
    CELLA_TRY(join_endorsements(monitor, evidence, &endorsements));
    CELLA_CLEANUP(cella_json_cleanup)
    json_t *json = json_pack("{s:i, s:s, s:o, s:o, s:o, s:o, s:o}", "version", 1, "type",
                             cella_evidence_type_name(cella_platform_type(monitor->platform)), "evidence",
                             cella_json_base64url(cella_bytes_view(&evidence->evidence)), "endorsements",
                             cella_json_base64url(cella_bytes_view(&endorsements)), "evidence_nonce",
                             cella_json_base64url(nonce), "keys", cella_json_base64url(cella_bytes_view(&key_set)),
                             "charter", cella_json_base64url(cella_bytes_view(&monitor->charter.text)));
    CELLA_TRY(json == NULL ? CELLA_NO_MEMORY : cella_json_write(json, out));
    out->size--; /* the brace that closes: signature and head follow */
    return cella_bytes_append(out, cella_view_of_string(SIGNATURE_MEMBER));
}

static cella_status write_end(const struct cella_monitor *monitor, const uint8_t signature[CELLA_ED25519_SIGNATURE_SIZE],
                              struct cella_bytes *out)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes head = { 0 };
    CELLA_TRY(cella_base64url_encode(cella_view_of(signature, CELLA_ED25519_SIGNATURE_SIZE), out));
    CELLA_TRY(cella_bytes_append(out, cella_view_of_string("\"")));
    CELLA_TRY(cella_head_write(monitor, &head));
    if (head.size > 0) {
        CELLA_TRY(cella_bytes_append(out, cella_view_of_string(",\"head\":")));
        CELLA_TRY(cella_bytes_append(out, cella_bytes_view(&head)));
    }
    return cella_bytes_append(out, cella_view_of_string("}"));
}

/* The start is the same for every connection until the evidence changes. */
static cella_status write_answer(struct cella_sessions *sessions, const uint8_t signature[CELLA_ED25519_SIGNATURE_SIZE],
                                 struct cella_bytes *out)
{
    if (sessions->start.size == 0) {
        cella_status status = write_start(sessions->monitor, &sessions->monitor->evidence, (struct cella_view){ 0 },
                                          &sessions->start);
        if (status != CELLA_OK) {
            cella_bytes_clear(&sessions->start);
            return status;
        }
    }
    CELLA_TRY(cella_bytes_append(out, cella_bytes_view(&sessions->start)));
    return write_end(sessions->monitor, signature, out);
}

void cella_sessions_evidence_changed(struct cella_sessions *sessions)
{
    cella_bytes_clear(&sessions->start);
}

/* ---- fresh evidence ---- */

static struct session **find(struct cella_sessions *sessions, uint64_t ticket)
{
    struct session **place = &sessions->waiting;
    while (*place != NULL && (*place)->ticket != ticket) {
        place = &(*place)->next;
    }
    return place;
}

static void evidence_made(void *context, uint64_t ticket, cella_status status, struct cella_monitor_evidence *evidence)
{
    struct cella_sessions *sessions = context;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes body = { 0 };
    struct session **place = find(sessions, ticket);
    struct session *session = *place;
    if (session == NULL) {
        return; /* the client has gone */
    }
    if (status != CELLA_OK) {
        cella_monitor_log(sessions->monitor, "no fresh evidence: %s", cella_status_text(status));
    } else {
        status = write_start(sessions->monitor, evidence, cella_view_of(session->nonce, CELLA_NONCE_SIZE), &body);
        status = status == CELLA_OK ? write_end(sessions->monitor, session->signature, &body) : status;
    }
    /* What can not be sent for want of memory leaves the client waiting until it gives up. */
    (void) !cella_front_answer(sessions->front, session->request, status, cella_bytes_view(&body));
    *place = session->next;
    free(session);
}

static cella_status ask_for_evidence(struct cella_sessions *sessions, struct cella_view nonce, uint64_t *ticket)
{
    struct cella_monitor *monitor = sessions->monitor;
    uint8_t report_data[CELLA_REPORT_DATA_SIZE];
    CELLA_TRY(cella_evidence_report_data(CELLA_ROLE_EXECUTOR, cella_keyring_public(monitor->keyring),
                                         cella_bytes_view(&monitor->charter.text), nonce, report_data));
    return cella_attester_ask(monitor->attester, report_data, nonce,
                              (struct cella_attester_events){ evidence_made, sessions }, ticket);
}

static cella_status await_evidence(struct cella_sessions *sessions, uint32_t request, struct cella_view nonce,
                                   const uint8_t signature[CELLA_ED25519_SIGNATURE_SIZE])
{
    struct session *session = calloc(1, sizeof(*session));
    if (session == NULL) {
        return CELLA_NO_MEMORY;
    }
    session->request = request;
    memcpy(session->nonce, nonce.data, CELLA_NONCE_SIZE);
    memcpy(session->signature, signature, CELLA_ED25519_SIGNATURE_SIZE);
    cella_status status = ask_for_evidence(sessions, nonce, &session->ticket);
    if (status != CELLA_OK) {
        free(session);
        return cella_front_answer(sessions->front, request, status, (struct cella_view){ 0 });
    }
    session->next = sessions->waiting;
    sessions->waiting = session;
    return CELLA_OK;
}

cella_status cella_sessions_answer(struct cella_sessions *sessions, uint32_t request, const uint8_t *exporter,
                                   const uint8_t spki_sha256[CELLA_SHA256_SIZE], struct cella_view nonce, bool fresh)
{
    uint8_t signature[CELLA_ED25519_SIGNATURE_SIZE];
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes body = { 0 };
    /* The front's key is the one it named at its start: a signature for another front can not be had. */
    CELLA_TRY(cella_keyring_sign_session(sessions->monitor->keyring, exporter, spki_sha256, nonce, signature));
    if (fresh) {
        return await_evidence(sessions, request, nonce, signature);
    }
    CELLA_TRY(write_answer(sessions, signature, &body));
    return cella_front_answer(sessions->front, request, CELLA_OK, cella_bytes_view(&body));
}

static void forget_certificate(struct cella_sessions *sessions)
{
    if (sessions->certificate_ticket != 0) {
        cella_attester_forget(sessions->monitor->attester, sessions->certificate_ticket);
        sessions->certificate_ticket = 0;
    }
}

static void forget(struct cella_sessions *sessions, struct session **place)
{
    struct session *session = *place;
    *place = session->next;
    cella_attester_forget(sessions->monitor->attester, session->ticket);
    free(session);
}

void cella_sessions_gone(struct cella_sessions *sessions, uint32_t request)
{
    struct session **place = &sessions->waiting;
    while (*place != NULL && (*place)->request != request) {
        place = &(*place)->next;
    }
    if (*place != NULL) {
        forget(sessions, place);
    }
}

void cella_sessions_drop(struct cella_sessions *sessions)
{
    while (sessions->waiting != NULL) {
        forget(sessions, &sessions->waiting);
    }
    forget_certificate(sessions);
    sessions->certified = false;
}

/* ---- the certificate ---- */

static cella_status send_certificate(struct cella_sessions *sessions, cella_status status,
                                     const struct cella_monitor_evidence *evidence)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes cmw = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes tcg = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes payload = { 0 };
    if (status == CELLA_OK) {
        status = cella_attested_write(cella_platform_type(sessions->monitor->platform),
                                      cella_bytes_view(&evidence->evidence), cella_bytes_view(&sessions->claims), &cmw,
                                      &tcg);
    }
    if (status != CELLA_OK && sessions->certified) {
        return status; /* older evidence says more than none */
    }
    if (status != CELLA_OK) {
        cmw.size = 0;
        tcg.size = 0;
        cella_monitor_log(sessions->monitor, "the TLS certificate carries no evidence: %s", cella_status_text(status));
    }
    CELLA_TRY(cella_write_field(&payload, cella_bytes_view(&cmw)));
    CELLA_TRY(cella_write_field(&payload, cella_bytes_view(&tcg)));
    CELLA_TRY(cella_front_certificate(sessions->front, cella_bytes_view(&payload)));
    sessions->certified = true;
    return CELLA_OK;
}

static void certificate_made(void *context, uint64_t ticket, cella_status status,
                             struct cella_monitor_evidence *evidence)
{
    struct cella_sessions *sessions = context;
    if (ticket != sessions->certificate_ticket) {
        return; /* another front's, or one that is old already */
    }
    sessions->certificate_ticket = 0;
    status = send_certificate(sessions, status, evidence);
    if (status != CELLA_OK) {
        cella_monitor_log(sessions->monitor, "the TLS certificate stays as it is: %s", cella_status_text(status));
    }
}

cella_status cella_sessions_certify(struct cella_sessions *sessions, const uint8_t spki_sha256[CELLA_SHA256_SIZE])
{
    const struct cella_view no_nonce = { 0 };
    uint8_t report_data[CELLA_REPORT_DATA_SIZE];
    forget_certificate(sessions); /* an answer to it would not fit the claims any more */
    sessions->claims.size = 0;
    CELLA_TRY(cella_attested_claims(spki_sha256, no_nonce, &sessions->claims, report_data));
    return cella_attester_ask(sessions->monitor->attester, report_data, no_nonce,
                              (struct cella_attester_events){ certificate_made, sessions },
                              &sessions->certificate_ticket);
}

/* ---- life ---- */

struct cella_sessions *cella_sessions_new(struct cella_monitor *monitor, struct cella_front *front)
{
    struct cella_sessions *sessions = calloc(1, sizeof(*sessions));
    if (sessions != NULL) {
        sessions->monitor = monitor;
        sessions->front = front;
    }
    return sessions;
}

void cella_sessions_free(struct cella_sessions *sessions)
{
    if (sessions != NULL) {
        cella_sessions_drop(sessions);
        cella_bytes_clear(&sessions->start);
        cella_bytes_clear(&sessions->claims);
        free(sessions);
    }
}
