/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/refresh.h"

#include <poll.h>
#include <stdlib.h>

#include "monitor/attest.h"
#include "monitor/front.h"
#include "monitor/keyring.h"
#include "trust/collateral.h"

#define HEAD_SIZE 12U /* u32 status, u64 size */

struct cella_refresh {
    struct cella_monitor *monitor;
    struct cella_stream *stream; /* NULL: nothing is asked */
    size_t beside;               /* endorsements that the machine gave */
    struct cella_bytes in;
    struct cella_timer timer; /* while asking: the end of patience; otherwise the next time */
};

/* ---- the answer ---- */

static cella_status read_answer(const struct cella_refresh *refresh, struct cella_view *content)
{
    struct cella_reader reader = cella_reader_of(cella_bytes_view(&refresh->in));
    uint32_t number;
    uint64_t size;
    CELLA_TRY(cella_read_u32(&reader, &number));
    CELLA_TRY(number == 0 ? CELLA_OK : cella_status_from_number(number));
    CELLA_TRY(cella_read_u64(&reader, &size));
    CELLA_TRY(size == reader.rest.size ? CELLA_OK : CELLA_BAD_SIZE);
    *content = reader.rest;
    return cella_collateral_check(*content, refresh->beside);
}

/* The stream is gone. */
static void finish(struct cella_refresh *refresh, cella_status status)
{
    struct cella_monitor *monitor = refresh->monitor;
    struct cella_view content = { 0 };
    refresh->stream = NULL;
    status = status == CELLA_OK ? read_answer(refresh, &content) : status;
    bool changed = status == CELLA_OK && !cella_view_equal(content, cella_bytes_view(&monitor->collateral));
    status = changed ? cella_bytes_set(&monitor->collateral, content) : status;
    cella_bytes_clear(&refresh->in);
    if (status != CELLA_OK) {
        cella_monitor_log(monitor, "the host brought no collateral (%s): %s", cella_status_name(status),
                          monitor->collateral.size > 0 ? "the one before is used" : "clients that need it will refuse");
    }
    cella_front_evidence_changed(changed ? monitor->front : NULL);
    cella_loop_set_timer(monitor->loop, &refresh->timer,
                         status == CELLA_OK ? CELLA_REFRESH_MS : CELLA_REFRESH_RETRY_MS);
}

static void give_up(struct cella_refresh *refresh, cella_status status)
{
    (void) !cella_link_reset(refresh->monitor->link, refresh->stream, status);
    finish(refresh, status);
}

void cella_refresh_data(struct cella_refresh *refresh, struct cella_view bytes)
{
    cella_status status = refresh->in.size + bytes.size > HEAD_SIZE + CELLA_COLLATERAL_MAX
                              ? CELLA_TOO_LARGE
                              : cella_bytes_append(&refresh->in, bytes);
    if (status == CELLA_OK) {
        status = cella_link_consumed(refresh->monitor->link, refresh->stream, bytes.size);
    }
    if (status != CELLA_OK) {
        give_up(refresh, status);
    }
}

void cella_refresh_closed(struct cella_refresh *refresh, cella_status status)
{
    finish(refresh, status);
}

/* ---- the question ---- */

static cella_status open_stream(struct cella_refresh *refresh, struct cella_view request)
{
    struct cella_link *link = refresh->monitor->link;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes arguments = { 0 };
    CELLA_TRY(cella_write_field(&arguments, request));
    CELLA_TRY(cella_link_open(link, CELLA_STREAM_COLLATERAL, cella_bytes_view(&arguments), refresh, &refresh->stream));
    cella_loop_set_timer(refresh->monitor->loop, &refresh->timer, CELLA_REFRESH_WAIT_MS);
    return cella_link_end(link, refresh->stream);
}

void cella_refresh_ask(struct cella_refresh *refresh, enum cella_evidence_type type, struct cella_view evidence,
                       struct cella_view endorsements)
{
    struct cella_text why = { 0 };
    struct cella_endorsements list = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes request = { 0 };
    cella_status status = cella_collateral_request(type, evidence, endorsements, &request, &why);
    cella_loop_set_timer(refresh->monitor->loop, &refresh->timer, CELLA_REFRESH_MS);
    if (status == CELLA_OK) {
        status = cella_endorsements_read(endorsements, &list);
    }
    if (status == CELLA_OK) {
        refresh->beside = list.count;
        status = open_stream(refresh, cella_bytes_view(&request));
    }
    if (status != CELLA_OK && status != CELLA_NOT_FOUND) {
        cella_monitor_log(refresh->monitor, "collateral can not be asked for (%s): %s", cella_status_name(status),
                          why.characters[0] != '\0' ? why.characters : cella_status_text(status));
    }
}

static void ask_for_own(struct cella_refresh *refresh)
{
    struct cella_monitor *monitor = refresh->monitor;
    cella_refresh_ask(refresh, cella_platform_type(monitor->platform), cella_bytes_view(&monitor->evidence.evidence),
                      cella_bytes_view(&monitor->evidence.endorsements));
}

/* ---- time ---- */

/* Until it can be replaced, the old evidence stays: relying parties judge its age. */
static void evidence_made(void *context, uint64_t ticket, cella_status status, struct cella_monitor_evidence *evidence)
{
    struct cella_refresh *refresh = context;
    struct cella_monitor *monitor = refresh->monitor;
    (void) ticket;
    if (status != CELLA_OK) {
        cella_monitor_log(monitor, "evidence could not be made anew (%s): the one before is used",
                          cella_status_name(status));
        cella_loop_set_timer(monitor->loop, &refresh->timer, CELLA_REFRESH_RETRY_MS);
        return;
    }
    cella_bytes_take(&monitor->evidence.evidence, &evidence->evidence);
    cella_bytes_take(&monitor->evidence.endorsements, &evidence->endorsements);
    cella_front_evidence_changed(monitor->front);
    ask_for_own(refresh);
}

static void renew(struct cella_refresh *refresh)
{
    struct cella_monitor *monitor = refresh->monitor;
    const struct cella_view no_nonce = { 0 };
    uint8_t report_data[CELLA_REPORT_DATA_SIZE];
    uint64_t ticket;
    cella_status status =
        cella_evidence_report_data(CELLA_ROLE_EXECUTOR, cella_keyring_public(monitor->keyring),
                                   cella_bytes_view(&monitor->charter.text), no_nonce, report_data);
    if (status == CELLA_OK) {
        status = cella_attester_ask(monitor->attester, report_data, no_nonce,
                                    (struct cella_attester_events){ evidence_made, refresh }, &ticket);
    }
    if (status != CELLA_OK) {
        cella_loop_set_timer(monitor->loop, &refresh->timer, CELLA_REFRESH_RETRY_MS);
    }
}

static void expired(void *context)
{
    struct cella_refresh *refresh = context;
    if (refresh->stream != NULL) {
        give_up(refresh, CELLA_TIMEOUT);
    } else {
        renew(refresh);
    }
}

void cella_refresh_start(struct cella_refresh *refresh)
{
    struct cella_monitor *monitor = refresh->monitor;
    uint64_t end_ms = cella_loop_now_ms() + CELLA_REFRESH_WAIT_MS;
    cella_status status = CELLA_OK;
    ask_for_own(refresh);
    while (refresh->stream != NULL && status == CELLA_OK) {
        struct pollfd descriptor = { .fd = monitor->link_watcher.descriptor, .events = POLLIN };
        uint64_t now_ms = cella_loop_now_ms();
        status = now_ms >= end_ms ? CELLA_TIMEOUT : cella_link_write_to(monitor->link, descriptor.fd);
        descriptor.events |= (short) (cella_link_pending(monitor->link).size > 0 ? POLLOUT : 0);
        if (status == CELLA_OK && poll(&descriptor, 1, (int) (end_ms - now_ms)) > 0 &&
            (descriptor.revents & ~POLLOUT) != 0) {
            status = cella_link_read_from(monitor->link, descriptor.fd);
        }
    }
    if (refresh->stream != NULL) {
        give_up(refresh, status);
    }
}

struct cella_refresh *cella_refresh_new(struct cella_monitor *monitor)
{
    struct cella_refresh *refresh = calloc(1, sizeof(*refresh));
    if (refresh != NULL) {
        refresh->monitor = monitor;
        refresh->timer.expired = expired;
        refresh->timer.context = refresh;
    }
    return refresh;
}

void cella_refresh_free(struct cella_refresh *refresh)
{
    if (refresh == NULL) {
        return;
    }
    if (refresh->stream != NULL) {
        (void) !cella_link_reset(refresh->monitor->link, refresh->stream, CELLA_CLOSED);
    }
    cella_loop_clear_timer(refresh->monitor->loop, &refresh->timer);
    cella_bytes_clear(&refresh->in);
    free(refresh);
}
