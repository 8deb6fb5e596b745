/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/monitor.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/wait.h>

#include "monitor/attest.h"
#include "monitor/front.h"
#include "monitor/keyring.h"

/* ---- words to the host ---- */

static void send_line(struct cella_monitor *monitor, enum cella_note_kind kind, char *line)
{
    for (char *at = line; *at != '\0'; at++) {
        if (*at < ' ' || *at > '~') {
            *at = '?';
        }
    }
    if (monitor->link != NULL) {
        (void) !cella_link_note(monitor->link, kind, cella_view_of_string(line));
    }
}

void cella_monitor_log(struct cella_monitor *monitor, const char *format, ...)
{
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    (void) vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    send_line(monitor, CELLA_NOTE_LOG, line);
}

void cella_monitor_log_death(struct cella_monitor *monitor, const char *program, int wait_status,
                             const char *consequence)
{
    char line[512];
    if (WIFSIGNALED(wait_status)) {
        (void) snprintf(line, sizeof(line), "%s died of signal %d; %s", program, WTERMSIG(wait_status), consequence);
    } else {
        (void) snprintf(line, sizeof(line), "%s left with status %d; %s", program, WEXITSTATUS(wait_status),
                        consequence);
    }
    send_line(monitor, CELLA_NOTE_DIED, line);
}

/* ---- state ---- */

cella_status cella_monitor_commit(struct cella_monitor *monitor, enum cella_event event, const json_t *body)
{
    return body == NULL ? CELLA_NO_MEMORY : cella_state_apply(&monitor->state, event, body);
}

void cella_monitor_task_changed(struct cella_monitor *monitor, struct cella_task_record *task)
{
    if (task->waiters > 0) {
        cella_front_task_changed(monitor->front, task);
    }
}

cella_status cella_monitor_new_id(const char *prefix, char out[CELLA_ID_SIZE])
{
    uint8_t random[16];
    size_t size = strlen(prefix);
    CELLA_TRY(cella_random(random, sizeof(random)));
    memcpy(out, prefix, size);
    cella_hex_encode(cella_view_of(random, sizeof(random)), out + size);
    return CELLA_OK;
}

void cella_monitor_evidence_clear(struct cella_monitor_evidence *evidence)
{
    cella_bytes_clear(&evidence->evidence);
    cella_bytes_clear(&evidence->endorsements);
}

/* ---- evidence ---- */

#define REFRESH_MS 3600000U
#define REFRESH_AGAIN_MS 60000U /* after a failure */

static cella_status ask_attester(struct cella_monitor *monitor, struct cella_view nonce, uint64_t *ticket)
{
    uint8_t report_data[CELLA_REPORT_DATA_SIZE];
    CELLA_TRY(cella_evidence_report_data(CELLA_ROLE_EXECUTOR, cella_keyring_public(monitor->keyring),
                                         cella_bytes_view(&monitor->charter.text), nonce, report_data));
    return cella_attester_ask(monitor->attester, report_data, nonce, ticket);
}

static void refresh(void *context)
{
    struct cella_monitor *monitor = context;
    if (ask_attester(monitor, (struct cella_view){ 0 }, &monitor->refresh_ticket) != CELLA_OK) {
        cella_loop_set_timer(monitor->loop, &monitor->refresh, REFRESH_AGAIN_MS);
    }
}

/* Until it can be replaced, the old evidence stays: relying parties judge its age. */
static void refreshed(struct cella_monitor *monitor, cella_status status, struct cella_monitor_evidence *evidence)
{
    monitor->refresh_ticket = 0;
    if (status == CELLA_OK) {
        cella_bytes_take(&monitor->evidence.evidence, &evidence->evidence);
        cella_bytes_take(&monitor->evidence.endorsements, &evidence->endorsements);
    } else {
        cella_monitor_log(monitor, "evidence could not be refreshed: %s; it is tried again in a minute",
                          cella_status_text(status));
    }
    cella_loop_set_timer(monitor->loop, &monitor->refresh, status == CELLA_OK ? REFRESH_MS : REFRESH_AGAIN_MS);
}

static void evidence_made(void *context, uint64_t ticket, cella_status status, struct cella_monitor_evidence *evidence)
{
    struct cella_monitor *monitor = context;
    if (ticket == monitor->refresh_ticket) {
        refreshed(monitor, status, evidence);
    } else {
        cella_front_attested(monitor->front, ticket, status, evidence);
    }
}

cella_status cella_monitor_attest(struct cella_monitor *monitor)
{
    uint8_t report_data[CELLA_REPORT_DATA_SIZE];
    const struct cella_attester_events events = { .made = evidence_made, .context = monitor };
    CELLA_TRY(cella_evidence_report_data(CELLA_ROLE_EXECUTOR, cella_keyring_public(monitor->keyring),
                                         cella_bytes_view(&monitor->charter.text), (struct cella_view){ 0 }, report_data));
    CELLA_TRY(cella_platform_evidence(monitor->platform, report_data, (struct cella_view){ 0 },
                                      &monitor->evidence.evidence, &monitor->evidence.endorsements));
    CELLA_TRY(cella_attester_new(monitor->loop, monitor->platform, events, &monitor->attester));
    monitor->refresh.expired = refresh;
    monitor->refresh.context = monitor;
    cella_loop_set_timer(monitor->loop, &monitor->refresh, REFRESH_MS);
    return CELLA_OK;
}

cella_status cella_monitor_attest_fresh(struct cella_monitor *monitor, struct cella_view nonce, uint64_t *ticket)
{
    return ask_attester(monitor, nonce, ticket);
}
