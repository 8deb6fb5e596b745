/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/ledger.h"

#include <stdlib.h>
#include <string.h>

#include "base/wire.h"
#include "monitor/clock.h"
#include "monitor/front.h"
#include "monitor/ledger_state.h"
#include "monitor/snapshots.h"

#define ACK_SIZE (12U + CELLA_GCM_TAG_SIZE)
#define PREFIX_SIZE 4U /* of a field */
#define REQUEST_RESERVE (4U << 20) /* of a record, for the request that caused it and all that is small */

/* ---- entries ---- */

static void free_entry(struct cella_ledger_entry *entry)
{
    if (entry != NULL) {
        cella_bytes_clear(&entry->body);
        cella_bytes_clear(&entry->request);
        cella_bytes_clear(&entry->statement);
        cella_bytes_clear(&entry->line);
        free(entry);
    }
}

static void add_entry(struct cella_ledger_list *list, struct cella_ledger_entry *entry)
{
    entry->next = NULL;
    if (list->last == NULL) {
        list->first = entry;
    } else {
        list->last->next = entry;
    }
    list->last = entry;
    list->count++;
}

static struct cella_ledger_entry *take_entry(struct cella_ledger_list *list)
{
    struct cella_ledger_entry *entry = list->first;
    list->first = entry->next;
    list->last = list->first == NULL ? NULL : list->last;
    list->count--;
    return entry;
}

static void clear_list(struct cella_ledger_list *list)
{
    while (list->first != NULL) {
        free_entry(take_entry(list));
    }
}

/* ---- conditions: WRITING has reason CELLA_OK, every other one has not ---- */

cella_status cella_ledger_trouble(const struct cella_ledger *ledger)
{
    return ledger == NULL ? CELLA_OK : ledger->reason;
}

cella_status cella_ledger_refusal(const struct cella_ledger *ledger)
{
    CELLA_TRY(cella_ledger_trouble(ledger));
    bool full = ledger != NULL && (ledger->waiting.count >= CELLA_LEDGER_WAITING_MAX ||
                                   ledger->out.size - ledger->out_first >= CELLA_LEDGER_WAITING_BYTES_MAX);
    return full ? CELLA_LEDGER_BUSY : CELLA_OK;
}

static void refuse_waiting(struct cella_ledger *ledger)
{
    if (ledger->monitor->front != NULL) {
        cella_front_refuse(ledger->monitor->front, ledger->reason);
    }
}

void cella_ledger_lose(struct cella_ledger *ledger, cella_status reason, const char *sentence)
{
    cella_monitor_log_failure(ledger->monitor, "RECOVERY: %s (%s)", sentence, cella_status_name(reason));
    ledger->condition = CELLA_LEDGER_LOST;
    ledger->reason = reason == CELLA_LEDGER_TAKEN ? reason : CELLA_RECOVERY;
    cella_loop_clear_timer(ledger->monitor->loop, &ledger->retry);
    cella_loop_clear_timer(ledger->monitor->loop, &ledger->silence);
    cella_ledger_link_reset(ledger->link, &ledger->append.stream);
    refuse_waiting(ledger);
}

static void stall(struct cella_ledger *ledger, cella_status reason)
{
    if (ledger->condition == CELLA_LEDGER_LOST) {
        return;
    }
    if (ledger->condition != CELLA_LEDGER_STALLED || ledger->reason != reason) {
        cella_monitor_log_failure(ledger->monitor,
                                  "ledger: %s (%s); requests are refused and nothing is released until it goes on",
                                  cella_status_text(reason), cella_status_name(reason));
    }
    ledger->condition = CELLA_LEDGER_STALLED;
    ledger->reason = reason;
    cella_loop_clear_timer(ledger->monitor->loop, &ledger->silence);
    refuse_waiting(ledger);
    if (ledger->append.stream.stream == NULL) {
        cella_loop_set_timer(ledger->monitor->loop, &ledger->retry, CELLA_LEDGER_RETRY_MS);
    }
}

static void go_on(struct cella_ledger *ledger)
{
    if (ledger->condition == CELLA_LEDGER_STALLED) {
        cella_monitor_log(ledger->monitor, "ledger: goes on");
    }
    ledger->condition = CELLA_LEDGER_WRITING;
    ledger->reason = CELLA_OK;
}

/* ---- sealing ---- */

static cella_status seal_entry(struct cella_ledger *ledger, struct cella_ledger_entry *entry)
{
    size_t start = ledger->out.size;
    const struct cella_record record = {
        .sequence = ledger->sealed,
        .more = entry->next != NULL,
        .time_ms = (uint64_t) cella_clock_now_ms(ledger->monitor),
        .event = cella_view_of_string(entry->event),
        .body = cella_bytes_view(&entry->body),
        .party = cella_view_of_string(entry->party),
        .party_sequence = entry->party_sequence,
        .request = cella_bytes_view(&entry->request),
        .statement = cella_bytes_view(&entry->statement),
        .line = cella_bytes_view(&entry->line),
    };
    CELLA_TRY(cella_write_u32(&ledger->out, 0));
    CELLA_TRY(cella_record_seal(ledger->writer, &record, ledger->head, &ledger->out, &entry->mark));
    entry->size = ledger->out.size - start;
    size_t size = entry->size - PREFIX_SIZE;
    for (size_t i = 0; i < PREFIX_SIZE; i++) {
        ledger->out.data[start + i] = (uint8_t) (size >> (24 - 8 * i));
    }
    memcpy(entry->tag, ledger->out.data + ledger->out.size - sizeof(entry->tag), sizeof(entry->tag));
    memcpy(ledger->head, entry->mark.hash, sizeof(ledger->head));
    if (entry->number > 0) {
        cella_journal_log(&ledger->monitor->state.journal, entry->number, ledger->sealed, entry->mark.rest);
    }
    ledger->sealed++;
    ledger->new_records++;
    ledger->new_bytes += entry->size;
    cella_bytes_clear(&entry->body);
    cella_bytes_clear(&entry->request);
    cella_bytes_clear(&entry->statement);
    cella_bytes_clear(&entry->line);
    return CELLA_OK;
}

/* The change is complete: seal its records. What fails here leaves memory ahead of the ledger, so the executor ends. */
static void seal_change(struct cella_ledger *ledger)
{
    while (ledger->open.first != NULL) {
        struct cella_ledger_entry *entry = ledger->open.first;
        cella_status status = ledger->broken ? CELLA_INTERNAL : seal_entry(ledger, entry);
        (void) take_entry(&ledger->open);
        if (status != CELLA_OK) {
            free_entry(entry);
            if (!ledger->broken) {
                ledger->broken = true;
                cella_ledger_lose(ledger, status, "a record could not be made; the executor starts again");
            }
            continue;
        }
        add_entry(&ledger->waiting, entry);
    }
}

void cella_ledger_begin(struct cella_ledger *ledger)
{
    if (ledger != NULL) {
        ledger->grouping = true;
    }
}

void cella_ledger_end(struct cella_ledger *ledger)
{
    if (ledger != NULL) {
        ledger->grouping = false;
        seal_change(ledger);
    }
}

/* ---- the host's side of it ---- */

/* The host holds `size` records: those have become durable. */
static cella_status advance(struct cella_ledger *ledger, uint64_t size)
{
    while (ledger->durable.size < size) {
        struct cella_ledger_entry *entry = ledger->waiting.first;
        CELLA_TRY(cella_chain_add(&ledger->durable, &entry->mark));
        memcpy(ledger->durable_tag, entry->tag, sizeof(ledger->durable_tag));
        ledger->out_first += entry->size;
        free_entry(take_entry(&ledger->waiting));
    }
    if (ledger->out_first > ledger->out.size / 2) {
        cella_bytes_consume(&ledger->out, ledger->out_first);
        ledger->out_sent = ledger->out_sent > ledger->out_first ? ledger->out_sent - ledger->out_first : 0;
        ledger->out_first = 0;
    }
    if (ledger->monitor->front != NULL) {
        cella_front_durable(ledger->monitor->front);
    }
    return CELLA_OK;
}

static void send_waiting(struct cella_ledger *ledger)
{
    struct cella_append *append = &ledger->append;
    if (!append->accepted || append->stream.stream == NULL || ledger->out_sent == ledger->out.size) {
        return;
    }
    ledger->out_sent += cella_ledger_link_send(
        ledger->link, &append->stream,
        cella_view_of(ledger->out.data + ledger->out_sent, ledger->out.size - ledger->out_sent));
    if (!ledger->silence.active) {
        cella_loop_set_timer(ledger->monitor->loop, &ledger->silence, CELLA_LEDGER_SILENCE_MS);
    }
}

/*
 * Are the host's first `size` records, at least as many as are known to be durable, the ones that were sealed here? The last
 * one's tag says so: its record was sealed under a key of this process, or was read at the start.
 */
static bool is_ours(const struct cella_ledger *ledger, uint64_t size, const uint8_t *tag)
{
    const uint8_t *expected = ledger->durable_tag;
    uint64_t at = ledger->durable.size;
    for (const struct cella_ledger_entry *entry = ledger->waiting.first; entry != NULL && at < size; entry = entry->next) {
        expected = entry->tag;
        at++;
    }
    return at == size && memcmp(expected, tag, CELLA_GCM_TAG_SIZE) == 0;
}

/* What the host says: how many records are durable, how the last of them ends, and whether it goes on. */
struct ack {
    cella_status status;
    uint64_t size;
    uint8_t tag[CELLA_GCM_TAG_SIZE];
};

static bool read_ack(struct cella_view bytes, struct ack *out)
{
    struct cella_reader reader = cella_reader_of(bytes);
    uint32_t number = 0;
    if (cella_read_u32(&reader, &number) != CELLA_OK || cella_read_u64(&reader, &out->size) != CELLA_OK ||
        cella_read_fixed(&reader, out->tag, sizeof(out->tag)) != CELLA_OK) {
        return false;
    }
    out->status = number == 0 ? CELLA_OK : cella_status_from_number(number);
    return true;
}

static void take_ack(struct cella_ledger *ledger, const struct ack *ack)
{
    struct cella_append *append = &ledger->append;
    cella_status status = ack->status;
    uint64_t size = ack->size;
    if (status == CELLA_LEDGER_TAKEN || (size >= ledger->durable.size && !is_ours(ledger, size, ack->tag))) {
        cella_ledger_lose(ledger, CELLA_LEDGER_TAKEN, "another executor has written to this ledger; end one of the two, then start the other again");
        return;
    }
    if (size < ledger->durable.size) {
        cella_ledger_lose(ledger, CELLA_BAD_LEDGER, "the host has lost records that it had acknowledged; end the host, put the ledger back as it "
                         "was or restore the newest backup, and start it again");
        return;
    }
    cella_loop_clear_timer(ledger->monitor->loop, &ledger->silence);
    if (advance(ledger, size) != CELLA_OK) {
        ledger->broken = true;
        cella_ledger_lose(ledger, CELLA_NO_MEMORY, "no memory for the ledger's tree; the executor starts again");
        return;
    }
    if (status != CELLA_OK) {
        cella_ledger_link_reset(ledger->link, &append->stream);
        stall(ledger, status == CELLA_LEDGER_FULL || status == CELLA_BAD_VERSION ? status : CELLA_LEDGER_FAILED);
        return;
    }
    /* That the host listens again is no progress yet. */
    if (append->accepted || ledger->waiting.count == 0) {
        go_on(ledger);
    }
    if (!append->accepted) {
        append->accepted = true;
        ledger->out_sent = ledger->out_first; /* what was under way when the last stream ended goes again */
    }
    send_waiting(ledger);
    if (ledger->waiting.count > 0) {
        cella_loop_set_timer(ledger->monitor->loop, &ledger->silence, CELLA_LEDGER_SILENCE_MS);
    }
}

static struct cella_ledger *ledger_of(struct cella_ledger_stream *stream)
{
    return ((struct cella_append *) stream)->ledger;
}

static void append_data(struct cella_ledger_stream *stream, struct cella_view bytes)
{
    struct cella_append *append = (struct cella_append *) stream;
    struct cella_ledger *ledger = append->ledger;
    if (cella_bytes_append(&append->in, bytes) != CELLA_OK) {
        cella_ledger_link_reset(ledger->link, stream);
        stall(ledger, CELLA_LEDGER_FAILED);
        return;
    }
    size_t used = 0;
    while (stream->stream != NULL && append->in.size - used >= ACK_SIZE) {
        struct ack ack;
        if (read_ack(cella_view_of(append->in.data + used, ACK_SIZE), &ack)) {
            take_ack(ledger, &ack);
        }
        used += ACK_SIZE;
    }
    cella_bytes_consume(&append->in, used);
}

static void append_ended(struct cella_ledger_stream *stream)
{
    struct cella_ledger *ledger = ledger_of(stream);
    cella_ledger_link_reset(ledger->link, stream);
    stall(ledger, CELLA_LEDGER_FAILED);
}

static void append_closed(struct cella_ledger_stream *stream, cella_status status)
{
    (void) status;
    stall(ledger_of(stream), CELLA_LEDGER_FAILED);
}

static void append_writable(struct cella_ledger_stream *stream)
{
    send_waiting(ledger_of(stream));
}

static const struct cella_ledger_stream_class append_class = {
    .data = append_data,
    .ended = append_ended,
    .closed = append_closed,
    .writable = append_writable,
};

void cella_ledger_open_append(struct cella_ledger *ledger)
{
    uint8_t size[8];
    for (size_t i = 0; i < sizeof(size); i++) {
        size[i] = (uint8_t) (ledger->durable.size >> (56 - 8 * i));
    }
    ledger->append.accepted = false;
    ledger->append.in.size = 0;
    cella_status status = cella_ledger_link_open(ledger->link, CELLA_STREAM_APPEND, cella_view_of(size, sizeof(size)),
                                                 &ledger->append.stream);
    if (status != CELLA_OK) {
        stall(ledger, CELLA_LEDGER_FAILED);
    } else if (ledger->waiting.count > 0) {
        cella_loop_set_timer(ledger->monitor->loop, &ledger->silence, CELLA_LEDGER_SILENCE_MS);
    }
}

static void try_again(void *context)
{
    cella_ledger_open_append(context);
}

static void host_is_silent(void *context)
{
    stall(context, CELLA_LEDGER_FAILED);
}

/* ---- committing ---- */

/* An entry that is ready, so that nothing can fail once the state has changed. body is moved. */
static cella_status make_entry(const struct cella_ledger *ledger, const char *event, struct cella_bytes *body,
                               struct cella_ledger_entry **out)
{
    const struct cella_cause *cause = &ledger->monitor->cause;
    struct cella_ledger_entry *entry = calloc(1, sizeof(*entry));
    if (entry == NULL) {
        return CELLA_NO_MEMORY;
    }
    entry->event = event;
    if (ledger->grouping && ledger->open.first == NULL) {
        cella_status status = cella_bytes_set(&entry->request, cause->request);
        if (status != CELLA_OK) {
            free_entry(entry);
            return status;
        }
        memcpy(entry->party, cause->party, sizeof(entry->party));
        entry->party_sequence = cause->sequence;
    }
    cella_bytes_take(&entry->body, body);
    *out = entry;
    return CELLA_OK;
}

/* What the record does not repeat in its body, the state needs all the same. */
static cella_status apply(struct cella_state *state, enum cella_event event, json_t *body, struct cella_view statement,
                          uint64_t sequence)
{
    CELLA_TRY(statement.size == 0 ? CELLA_OK : cella_event_add_statement(body, statement, sequence));
    return cella_state_apply(state, event, body);
}

/* The line that the event just got. The state has changed: what fails here leaves memory ahead of the ledger. */
static void add_line(struct cella_ledger *ledger, const struct cella_journal *journal, struct cella_ledger_entry *entry)
{
    entry->number = journal->count;
    cella_status status = cella_journal_line(journal, entry->number, &entry->line);
    if (status != CELLA_OK && !ledger->broken) {
        ledger->broken = true;
        cella_ledger_lose(ledger, status, "a record could not be made; the executor starts again");
    }
}

cella_status cella_ledger_commit(struct cella_ledger *ledger, struct cella_state *state, enum cella_event event,
                                 json_t *body, struct cella_view statement)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    struct cella_ledger_entry *entry = NULL;
    if (ledger == NULL) {
        return apply(state, event, body, statement, 0);
    }
    if (ledger->condition == CELLA_LEDGER_LOST || ledger->condition == CELLA_LEDGER_READING) {
        return ledger->reason;
    }
    CELLA_TRY(cella_json_write(body, &text));
    if (text.size > CELLA_RECORD_MAX - REQUEST_RESERVE) {
        return CELLA_TOO_LARGE;
    }
    CELLA_TRY(make_entry(ledger, cella_event_name(event), &text, &entry));
    cella_status status = cella_bytes_set(&entry->statement, statement);
    status = status == CELLA_OK ? apply(state, event, body, statement, cella_ledger_position(ledger)) : status;
    if (status != CELLA_OK) {
        free_entry(entry);
        return status;
    }
    add_line(ledger, &state->journal, entry);
    add_entry(&ledger->open, entry);
    if (!ledger->grouping) {
        seal_change(ledger);
    }
    return CELLA_OK;
}

cella_status cella_ledger_add(struct cella_ledger *ledger, const char *event, json_t *body)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    CELLA_CLEANUP(cella_json_cleanup) json_t *owned = body;
    struct cella_ledger_entry *entry = NULL;
    if (owned == NULL) {
        return CELLA_NO_MEMORY;
    }
    CELLA_TRY(cella_json_write(owned, &text));
    CELLA_TRY(make_entry(ledger, event, &text, &entry));
    add_entry(&ledger->open, entry);
    seal_change(ledger);
    return ledger->broken ? CELLA_NO_MEMORY : CELLA_OK;
}

/* ---- questions ---- */

uint64_t cella_ledger_position(const struct cella_ledger *ledger)
{
    return ledger == NULL ? 0 : ledger->sealed + ledger->open.count;
}

bool cella_ledger_is_durable(const struct cella_ledger *ledger, uint64_t position)
{
    return ledger == NULL || position <= ledger->durable.size;
}

const struct cella_chain *cella_ledger_chain(const struct cella_ledger *ledger)
{
    return &ledger->durable;
}

uint64_t cella_ledger_epoch(const struct cella_ledger *ledger)
{
    return ledger == NULL || ledger->condition == CELLA_LEDGER_LOST ? 0 : ledger->epoch;
}

/* ---- life ---- */

bool cella_ledger_proceed(struct cella_ledger *ledger)
{
    if (ledger == NULL) {
        return true;
    }
    send_waiting(ledger);
    cella_snapshots_proceed(ledger->snapshots);
    cella_ledger_link_flush(ledger->link);
    bool stalled = ledger->condition == CELLA_LEDGER_STALLED && !ledger->sits_out_stalls;
    bool going = ledger->waiting.count > 0 && !stalled && ledger->condition != CELLA_LEDGER_LOST;
    if (ledger->stop_when_settled && !going) {
        ledger->stop_when_settled = false;
        cella_loop_stop(ledger->monitor->loop);
    }
    return !ledger->broken;
}

bool cella_ledger_settle(struct cella_ledger *ledger)
{
    return ledger == NULL || cella_snapshots_settle(ledger->snapshots);
}

cella_status cella_ledger_new(struct cella_monitor *monitor, struct cella_ledger **out)
{
    struct cella_ledger *ledger = calloc(1, sizeof(*ledger));
    if (ledger == NULL) {
        return CELLA_NO_MEMORY;
    }
    ledger->monitor = monitor;
    ledger->reason = CELLA_RECOVERY;
    ledger->append.stream.class = &append_class;
    ledger->append.ledger = ledger;
    ledger->retry.expired = try_again;
    ledger->retry.context = ledger;
    ledger->silence.expired = host_is_silent;
    ledger->silence.context = ledger;
    cella_status status = cella_snapshots_new(ledger, &ledger->snapshots);
    status = status == CELLA_OK ? cella_ledger_link_new(monitor, &ledger->link) : status;
    if (status != CELLA_OK) {
        cella_snapshots_free(ledger->snapshots);
        free(ledger);
        return status;
    }
    *out = ledger;
    return CELLA_OK;
}

void cella_ledger_free(struct cella_ledger *ledger)
{
    if (ledger == NULL) {
        return;
    }
    ledger->condition = CELLA_LEDGER_LOST; /* closing streams stalls nothing any more */
    cella_snapshots_free(ledger->snapshots);
    cella_ledger_link_free(ledger->link);
    cella_loop_clear_timer(ledger->monitor->loop, &ledger->retry);
    cella_loop_clear_timer(ledger->monitor->loop, &ledger->silence);
    clear_list(&ledger->open);
    clear_list(&ledger->waiting);
    cella_record_writer_free(ledger->writer);
    cella_chain_clear(&ledger->durable);
    cella_bytes_clear(&ledger->out);
    cella_bytes_clear(&ledger->append.in);
    free(ledger);
}
