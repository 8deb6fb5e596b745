/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/monitor.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/wait.h>

#include "monitor/attest.h"
#include "monitor/clock.h"
#include "monitor/front.h"
#include "monitor/keyring.h"
#include "monitor/ledger.h"

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

__attribute__((format(printf, 3, 0)))
static void send_text(struct cella_monitor *monitor, enum cella_note_kind kind, const char *format, va_list arguments)
{
    char line[512];
    (void) vsnprintf(line, sizeof(line), format, arguments);
    send_line(monitor, kind, line);
}

void cella_monitor_log(struct cella_monitor *monitor, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    send_text(monitor, CELLA_NOTE_LOG, format, arguments);
    va_end(arguments);
}

void cella_monitor_log_failure(struct cella_monitor *monitor, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    send_text(monitor, CELLA_NOTE_FAILED, format, arguments);
    va_end(arguments);
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

cella_status cella_monitor_commit(struct cella_monitor *monitor, enum cella_event event, json_t *body)
{
    return cella_monitor_commit_statement(monitor, event, body, (struct cella_view){ 0 });
}

cella_status cella_monitor_commit_statement(struct cella_monitor *monitor, enum cella_event event, json_t *body,
                                            struct cella_view statement)
{
    if (body == NULL) {
        return CELLA_NO_MEMORY;
    }
    CELLA_TRY(cella_clock_stamp(monitor, body));
    return cella_ledger_commit(monitor->ledger, &monitor->state, event, body, statement);
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

/* ---- the first evidence ---- */

struct first_evidence {
    struct cella_monitor *monitor;
    cella_status status; /* BUSY: not yet made */
};

static void first_made(void *context, uint64_t ticket, cella_status status, struct cella_monitor_evidence *evidence)
{
    struct first_evidence *first = context;
    (void) ticket;
    first->status = status;
    cella_bytes_take(&first->monitor->evidence.evidence, &evidence->evidence);
    cella_bytes_take(&first->monitor->evidence.endorsements, &evidence->endorsements);
}

void cella_monitor_platform_failed(const struct cella_monitor *monitor, const char *what, cella_status status)
{
    /* A device that has not answered yet has no words for it either. */
    const char *trouble = status == CELLA_TIMEOUT ? "" : cella_platform_trouble(monitor->platform);
    (void) fprintf(stderr, "platform %s: %s (%s)%s%s; look into the kernel's log, or choose another one\n",
                   cella_platform_name(monitor->platform), what, cella_status_text(status),
                   trouble[0] == '\0' ? "" : ": ", trouble);
}

/* To standard error, because nobody empties the link yet. */
static void wait_for_first(struct first_evidence *first)
{
    const char *name = cella_platform_name(first->monitor->platform);
    for (unsigned int seconds = 0; first->status == CELLA_BUSY; seconds += CELLA_FIRST_EVIDENCE_REMIND_S) {
        if (seconds >= CELLA_FIRST_EVIDENCE_MAX_S) {
            first->status = CELLA_TIMEOUT;
        } else if (!cella_attester_wait(first->monitor->attester, 1000 * (int) CELLA_FIRST_EVIDENCE_REMIND_S)) {
            (void) fprintf(stderr, "platform %s: no evidence yet after %u s; the machine's owner may slow its device down\n",
                           name, seconds + CELLA_FIRST_EVIDENCE_REMIND_S);
        }
    }
    if (first->status != CELLA_OK) {
        cella_monitor_platform_failed(first->monitor, "gives no evidence", first->status);
    }
}

cella_status cella_monitor_attest(struct cella_monitor *monitor)
{
    const struct cella_view no_nonce = { 0 };
    struct first_evidence first = { monitor, CELLA_BUSY };
    uint8_t report_data[CELLA_REPORT_DATA_SIZE];
    uint64_t ticket;
    CELLA_TRY(cella_evidence_report_data(CELLA_ROLE_EXECUTOR, cella_keyring_public(monitor->keyring),
                                         cella_bytes_view(&monitor->charter.text), no_nonce, report_data));
    CELLA_TRY(cella_attester_new(monitor->loop, monitor->platform, &monitor->attester));
    CELLA_TRY(cella_attester_ask(monitor->attester, report_data, no_nonce,
                                 (struct cella_attester_events){ first_made, &first }, &ticket));
    wait_for_first(&first);
    return first.status;
}
