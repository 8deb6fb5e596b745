/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/wire.h"
#include "monitor/ledger_anchor.h"
#include "monitor/ledger_state.h"
#include "monitor/snapshots.h"

#define KEYRING "keyring"
#define KEYRING_MAX 16384U
#define HEAD_SIZE 12U      /* of what the host sends: status and size */
#define PROGRESS_MS 5000U  /* between two lines about a long start */

/* One thing after the other is asked of the host while the loop runs; this is what is under way. */
struct exchange {
    struct cella_ledger_stream stream;
    struct cella_ledger *ledger;
    struct cella_bytes in;
    cella_status (*take)(struct exchange *exchange); /* something arrived, or all did (ended) */
    bool ended;
    bool done;
    cella_status status;
    struct cella_view unsent;
    /* reading records */
    struct cella_replay *replay;
    bool headed;
    bool known;    /* the next record is the last one of the snapshot that was restored */
    bool refuted;  /* the records are not those of the snapshot, which this executor has made */
    uint64_t size; /* records that the host says it has; bytes of a file */
    uint64_t read; /* bytes */
    uint64_t progress_ms;
    /* reading a snapshot */
    struct cella_snapshot_reader *reader; /* NULL: its beginning only */
};

static void finish(struct exchange *exchange, cella_status status)
{
    struct cella_ledger *ledger = exchange->ledger;
    exchange->done = true;
    exchange->status = status;
    cella_ledger_link_reset(ledger->link, &exchange->stream);
    cella_loop_stop(ledger->monitor->loop);
}

static void take(struct exchange *exchange)
{
    cella_status status = exchange->done ? CELLA_OK : exchange->take(exchange);
    if (status != CELLA_OK || exchange->ended) {
        finish(exchange, status);
    }
}

static void on_data(struct cella_ledger_stream *stream, struct cella_view bytes)
{
    struct exchange *exchange = (struct exchange *) stream;
    if (cella_bytes_append(&exchange->in, bytes) != CELLA_OK) {
        finish(exchange, CELLA_NO_MEMORY);
        return;
    }
    take(exchange);
}

static void on_ended(struct cella_ledger_stream *stream)
{
    struct exchange *exchange = (struct exchange *) stream;
    exchange->ended = true;
    take(exchange);
}

static void on_closed(struct cella_ledger_stream *stream, cella_status status)
{
    struct exchange *exchange = (struct exchange *) stream;
    if (!exchange->done) {
        finish(exchange, status == CELLA_OK ? CELLA_CLOSED : status);
    }
}

/* Send the rest, then the end. */
static void on_writable(struct cella_ledger_stream *stream)
{
    struct exchange *exchange = (struct exchange *) stream;
    size_t count = cella_ledger_link_send(exchange->ledger->link, stream, exchange->unsent);
    exchange->unsent = cella_view_of(exchange->unsent.data + count, exchange->unsent.size - count);
    if (exchange->unsent.size == 0) {
        cella_ledger_link_end(exchange->ledger->link, stream);
    }
}

static const struct cella_ledger_stream_class exchange_class = {
    .data = on_data,
    .ended = on_ended,
    .closed = on_closed,
    .writable = on_writable,
};

static void clear_exchange(struct exchange *exchange)
{
    cella_ledger_link_reset(exchange->ledger->link, &exchange->stream);
    cella_bytes_clear(&exchange->in);
}

/* The loop of the start. */
struct waiting {
    struct cella_ledger *ledger;
    void (*after_events)(void *context);
    void *context;
};

static void after_round(void *context)
{
    const struct waiting *waiting = context;
    (void) !cella_ledger_proceed(waiting->ledger);
    waiting->after_events(waiting->context);
}

static cella_status run_exchange(struct exchange *exchange, struct waiting *waiting, enum cella_stream_kind kind,
                                 struct cella_view arguments)
{
    struct cella_ledger *ledger = exchange->ledger;
    exchange->stream.class = &exchange_class;
    CELLA_TRY(cella_ledger_link_open(ledger->link, kind, arguments, &exchange->stream));
    on_writable(&exchange->stream);
    CELLA_TRY(cella_loop_run(ledger->monitor->loop, after_round, waiting));
    return exchange->done ? exchange->status : CELLA_CLOSED;
}

/* ---- the keyring ---- */

static cella_status take_small(struct exchange *exchange)
{
    return exchange->in.size > KEYRING_MAX ? CELLA_TOO_LARGE : CELLA_OK;
}

/* The host's copy of the keyring. CELLA_OBJECT_MISSING  it has none */
static cella_status fetch_keyring(struct cella_ledger *ledger, struct waiting *waiting, struct cella_bytes *out)
{
    CELLA_CLEANUP(clear_exchange) struct exchange exchange = { .ledger = ledger, .take = take_small };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes arguments = { 0 };
    uint32_t number;
    uint64_t size;
    CELLA_TRY(cella_write_field(&arguments, cella_view_of_string(KEYRING)));
    CELLA_TRY(run_exchange(&exchange, waiting, CELLA_STREAM_GET, cella_bytes_view(&arguments)));
    struct cella_reader reader = cella_reader_of(cella_bytes_view(&exchange.in));
    CELLA_TRY(cella_read_u32(&reader, &number));
    CELLA_TRY(number == 0 ? CELLA_OK : cella_status_from_number(number));
    CELLA_TRY(cella_read_u64(&reader, &size));
    return reader.rest.size == size ? cella_bytes_set(out, reader.rest) : CELLA_TRUNCATED;
}

static cella_status say_of_sealing(const struct cella_monitor *monitor, cella_status status)
{
    if (status == CELLA_SYSTEM_FAILED) {
        cella_monitor_platform_failed(monitor, "does not seal the executor's keys", status);
    }
    return status;
}

static cella_status store_keyring(struct cella_ledger *ledger, struct waiting *waiting)
{
    struct cella_monitor *monitor = ledger->monitor;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes sealed = { 0 };
    CELLA_CLEANUP(clear_exchange) struct exchange exchange = { .ledger = ledger, .take = take_small };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes arguments = { 0 };
    uint32_t number;
    CELLA_TRY(say_of_sealing(monitor, cella_keyring_save(monitor->keyring, monitor->platform, &sealed)));
    CELLA_TRY(cella_write_field(&arguments, cella_view_of_string(KEYRING)));
    CELLA_TRY(cella_write_u64(&arguments, sealed.size));
    exchange.unsent = cella_bytes_view(&sealed);
    CELLA_TRY(run_exchange(&exchange, waiting, CELLA_STREAM_PUT, cella_bytes_view(&arguments)));
    struct cella_reader reader = cella_reader_of(cella_bytes_view(&exchange.in));
    CELLA_TRY(cella_read_u32(&reader, &number));
    return number == 0 ? CELLA_OK : cella_status_from_number(number);
}

/* ---- the records ---- */

static void report_progress(struct exchange *exchange)
{
    uint64_t now = cella_loop_now_ms();
    if (now - exchange->progress_ms >= PROGRESS_MS) {
        exchange->progress_ms = now;
        cella_monitor_log(exchange->ledger->monitor, "ledger: %llu of %llu records read",
                          (unsigned long long) exchange->replay->chain.size, (unsigned long long) exchange->size);
    }
}

static cella_status take_head(struct exchange *exchange)
{
    struct cella_reader reader = cella_reader_of(cella_bytes_view(&exchange->in));
    uint32_t number;
    CELLA_TRY(cella_read_u32(&reader, &number));
    CELLA_TRY(cella_read_u64(&reader, &exchange->size));
    cella_bytes_consume(&exchange->in, HEAD_SIZE);
    exchange->headed = true;
    return number == 0 ? CELLA_OK : cella_status_from_number(number);
}

/* What a snapshot stands for is this ledger, up to its last record. */
static cella_status check_known(struct exchange *exchange, struct cella_view record)
{
    uint8_t hash[CELLA_SHA256_SIZE];
    exchange->known = false;
    CELLA_TRY(cella_sha256(record, hash));
    exchange->refuted = memcmp(hash, exchange->replay->chain.head, sizeof(hash)) != 0;
    if (exchange->refuted) {
        cella_monitor_log(exchange->ledger->monitor, "ledger: record %llu is another than the one that the snapshot ends with",
                          (unsigned long long) exchange->replay->chain.size - 1);
    }
    return exchange->refuted ? CELLA_BAD_LEDGER : CELLA_OK;
}

/* A snapshot is whole when all of its records are durable, so they have been there. */
static cella_status check_size(struct exchange *exchange)
{
    exchange->refuted = exchange->known && exchange->size < exchange->replay->chain.size;
    if (exchange->refuted) {
        cella_monitor_log(exchange->ledger->monitor, "ledger: the snapshot stands for %llu records, but there are %llu: the end "
                          "of the ledger is missing", (unsigned long long) exchange->replay->chain.size,
                          (unsigned long long) exchange->size);
    }
    return exchange->refuted ? CELLA_BAD_LEDGER : CELLA_OK;
}

static cella_status take_records(struct exchange *exchange)
{
    size_t used = 0;
    cella_status status = CELLA_OK;
    if (!exchange->headed && exchange->in.size >= HEAD_SIZE) {
        CELLA_TRY(take_head(exchange));
        CELLA_TRY(check_size(exchange));
    }
    while (exchange->headed && status == CELLA_OK && exchange->in.size - used >= 4) {
        struct cella_reader reader = cella_reader_of(cella_view_of(exchange->in.data + used, exchange->in.size - used));
        uint32_t size;
        struct cella_view record;
        CELLA_TRY(cella_read_u32(&reader, &size));
        if (size > CELLA_RECORD_MAX) {
            return CELLA_BAD_LEDGER;
        }
        if (reader.rest.size < size) {
            break;
        }
        CELLA_TRY(cella_read_view(&reader, size, &record));
        status = exchange->known ? check_known(exchange, record) : cella_replay_record(exchange->replay, record);
        used += 4 + (size_t) size;
    }
    exchange->read += used;
    cella_bytes_consume(&exchange->in, used);
    report_progress(exchange);
    bool whole = exchange->headed && exchange->in.size == 0 && !exchange->known &&
                 exchange->replay->chain.size == exchange->size;
    return status == CELLA_OK && exchange->ended && !whole ? CELLA_BAD_LEDGER : status;
}

/* All from where replay stands; what is there already is a snapshot, whose last record comes once more. */
static cella_status read_records(struct cella_ledger *ledger, struct waiting *waiting, struct cella_replay *replay,
                                 bool *refuted)
{
    uint64_t began = cella_loop_now_ms();
    uint64_t known = replay->chain.size;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes from = { 0 };
    CELLA_CLEANUP(clear_exchange) struct exchange exchange = {
        .ledger = ledger, .take = take_records, .replay = replay, .known = known > 0, .progress_ms = began
    };
    CELLA_TRY(cella_write_u64(&from, known > 0 ? known - 1 : 0));
    cella_status status = run_exchange(&exchange, waiting, CELLA_STREAM_READ, cella_bytes_view(&from));
    cella_monitor_log(ledger->monitor, "ledger: %llu records read in %llu ms",
                      (unsigned long long) (replay->chain.size - known),
                      (unsigned long long) (cella_loop_now_ms() - began));
    ledger->new_records = replay->chain.size - known;
    ledger->new_bytes = exchange.read;
    *refuted = exchange.refuted;
    return status;
}

/* ---- snapshots ---- */

/* Statuses that say something about what was read; any other ends the start. */
static bool is_loss(cella_status status)
{
    return status == CELLA_BAD_LEDGER || status == CELLA_BAD_VERSION || status == CELLA_BAD_TAG ||
           status == CELLA_BAD_FORMAT || status == CELLA_BAD_KEY || status == CELLA_CHARTER ||
           status == CELLA_TRUNCATED || status == CELLA_ROLLBACK;
}

/* Without a reader: until its beginning is there. */
static cella_status take_snapshot(struct exchange *exchange)
{
    if (!exchange->headed && exchange->in.size >= 4) {
        struct cella_reader in = cella_reader_of(cella_bytes_view(&exchange->in));
        uint32_t number;
        CELLA_TRY(cella_read_u32(&in, &number));
        CELLA_TRY(number == 0 ? CELLA_OK : cella_status_from_number(number));
        CELLA_TRY(exchange->in.size < HEAD_SIZE ? CELLA_OK : take_head(exchange));
    }
    if (!exchange->headed) {
        return exchange->ended ? CELLA_BAD_LEDGER : CELLA_OK;
    }
    if (exchange->reader == NULL) {
        exchange->ended = exchange->ended || exchange->in.size >= CELLA_SNAPSHOT_PREFIX_SIZE; /* that is enough */
        return CELLA_OK;
    }
    CELLA_TRY(cella_snapshot_reader_update(exchange->reader, cella_bytes_view(&exchange->in)));
    exchange->in.size = 0;
    return exchange->ended ? cella_snapshot_reader_finish(exchange->reader) : CELLA_OK;
}

static cella_status get_snapshot(struct exchange *exchange, struct waiting *waiting, size_t which)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes arguments = { 0 };
    CELLA_TRY(cella_write_field(&arguments, cella_view_of_string(cella_snapshot_names[which])));
    cella_status status = run_exchange(exchange, waiting, CELLA_STREAM_GET, cella_bytes_view(&arguments));
    bool passed_on = status == CELLA_OK || status == CELLA_OBJECT_MISSING || status == CELLA_CLOSED ||
                     status == CELLA_NO_MEMORY || status == CELLA_CRYPTO_FAILED;
    return passed_on ? status : CELLA_BAD_LEDGER; /* whatever the host says is wrong with it: it is not used */
}

/* Records that each of them claims to stand for; 0: there is none. */
static cella_status look_for_snapshots(struct cella_ledger *ledger, struct waiting *waiting,
                                       uint64_t claims[CELLA_SNAPSHOT_KEPT])
{
    for (size_t i = 0; i < CELLA_SNAPSHOT_KEPT; i++) {
        CELLA_CLEANUP(clear_exchange) struct exchange exchange = { .ledger = ledger, .take = take_snapshot };
        cella_status status = get_snapshot(&exchange, waiting, i);
        if (status != CELLA_OK && status != CELLA_OBJECT_MISSING && !is_loss(status)) {
            return status;
        }
        claims[i] = status == CELLA_OK ? cella_snapshot_claim(cella_bytes_view(&exchange.in)) : 0;
    }
    return CELLA_OK;
}

/* *refuted: snapshot and ledger can not both be this executor's. */
static cella_status restore(struct cella_ledger *ledger, struct waiting *waiting, struct cella_replay *replay, size_t which,
                            bool *refuted)
{
    const struct cella_snapshot_binding binding = cella_snapshots_binding(ledger);
    uint64_t began = cella_loop_now_ms();
    CELLA_CLEANUP(clear_exchange) struct exchange exchange = { .ledger = ledger, .take = take_snapshot };
    CELLA_TRY(cella_snapshot_reader_new(&binding, replay, &exchange.reader));
    cella_status status = get_snapshot(&exchange, waiting, which);
    cella_snapshot_reader_free(exchange.reader);
    CELLA_TRY(status);
    cella_monitor_log(ledger->monitor, "ledger: snapshot of %llu records restored in %llu ms",
                      (unsigned long long) replay->chain.size, (unsigned long long) (cella_loop_now_ms() - began));
    CELLA_TRY(read_records(ledger, waiting, replay, refuted));
    cella_snapshots_found(ledger->snapshots, which, exchange.size);
    return CELLA_OK;
}

static cella_status begin_anew(struct cella_ledger *ledger, struct cella_replay *replay)
{
    struct cella_monitor *monitor = ledger->monitor;
    cella_replay_clear(replay);
    cella_state_clear(&monitor->state);
    monitor->state = (struct cella_state){ 0 };
    return cella_replay_begin(replay, cella_keyring_ledger_key(monitor->keyring), &monitor->state);
}

/*
 * From the newest snapshot that is whole, else from the first record: what the records say is what counts. A snapshot can
 * take away trust in a ledger, and gives none: one that this executor made for records that are not there shows that somebody
 * put an older ledger back, or another one.
 */
static cella_status read_ledger(struct cella_ledger *ledger, struct waiting *waiting, struct cella_replay *replay)
{
    uint64_t claims[CELLA_SNAPSHOT_KEPT];
    bool refuted = false;
    CELLA_TRY(look_for_snapshots(ledger, waiting, claims));
    for (size_t i = 0; i < CELLA_SNAPSHOT_KEPT; i++) {
        size_t which = claims[0] >= claims[1] ? 0 : 1;
        uint64_t claim = claims[which];
        claims[which] = 0;
        if (claim == 0) {
            break;
        }
        cella_status status = restore(ledger, waiting, replay, which, &refuted);
        if (refuted || status == CELLA_OK || (status != CELLA_OBJECT_MISSING && !is_loss(status))) {
            return status;
        }
        cella_monitor_log(ledger->monitor, "ledger: the snapshot of %llu records is damaged or foreign (%s); it is not used",
                          (unsigned long long) claim, cella_status_name(status));
        CELLA_TRY(begin_anew(ledger, replay));
    }
    return read_records(ledger, waiting, replay, &refuted);
}

/* ---- what was found ---- */

static const char *explain(cella_status status)
{
    switch ((int) status) {
    case CELLA_BAD_VERSION:
        return "keyring or ledger were written by a newer version; install that one again";
    case CELLA_BAD_TAG:
        return "the keyring does not open: it was sealed by other software, another machine or platform; run the version "
               "that sealed it on the machine where it did, or restore a backup there";
    case CELLA_CHARTER:
        return "charter.json is not the charter of this ledger; put the original file back";
    case CELLA_BAD_KEY:
        return "the keyring is missing, or belongs to another ledger; restore both from one backup";
    case CELLA_ROLLBACK:
        return "nothing shows that this ledger is the newest, which has to be so on this platform; put the newest ledger.db "
               "back. If it is lost this executor is lost, too: begin with a new state folder, and tell the parties";
    default:
        return "the ledger is not whole; nothing was changed in it. Restore the newest backup, or put back what is missing";
    }
}

/* The first record of this start. */
static cella_status note_start(struct cella_ledger *ledger, const struct cella_ledger_anchor *anchor)
{
    const struct cella_monitor *monitor = ledger->monitor;
    json_t *found = anchor->used ? cella_json_base64url(cella_view_of(anchor->found, sizeof(anchor->found))) : NULL;
    CELLA_TRY(anchor->used && found == NULL ? CELLA_NO_MEMORY : CELLA_OK);
    CELLA_TRY(cella_ledger_add(ledger, CELLA_EVENT_EPOCH,
                               json_pack("{s:I, s:o, s:s, s:o*}", "epoch", (json_int_t) ledger->epoch, "measurement",
                                         cella_json_hex(cella_view_of(monitor->measurement, sizeof(monitor->measurement))),
                                         "version", CELLA_VERSION, "anchor", found)));
    ledger->opened.anchored = anchor->used;
    memcpy(ledger->opened.found, anchor->found, sizeof(ledger->opened.found));
    memcpy(ledger->opened.hash, ledger->head, sizeof(ledger->opened.hash));
    return CELLA_OK;
}

static cella_status begin_epoch(struct cella_ledger *ledger, uint64_t epochs, const struct cella_ledger_anchor *anchor)
{
    struct cella_monitor *monitor = ledger->monitor;
    struct cella_view charter = cella_bytes_view(&monitor->charter.text);
    CELLA_TRY(cella_keyring_record_writer(monitor->keyring, &ledger->writer));
    memcpy(ledger->head, ledger->durable.head, sizeof(ledger->head));
    ledger->sealed = ledger->durable.size;
    ledger->epoch = epochs + 1;
    if (ledger->sealed == 0) {
        CELLA_TRY(cella_ledger_add(ledger, CELLA_EVENT_GENESIS,
                                   json_pack("{s:o, s:s, s:s}", "charter", cella_json_base64url(charter), "executor",
                                             cella_keyring_executor(monitor->keyring), "version", CELLA_VERSION)));
    }
    return note_start(ledger, anchor);
}

static cella_status judge(const struct cella_monitor *monitor, const struct cella_replay *replay)
{
    if (replay->chain.size == 0) {
        return CELLA_OK;
    }
    if (strcmp(replay->genesis.executor, cella_keyring_executor(monitor->keyring)) != 0) {
        return CELLA_BAD_KEY;
    }
    if (cella_keyring_is_older(monitor->keyring) && replay->state->evidence.count > 0) {
        return CELLA_BAD_KEY; /* a copy from before there was a log key, which receipts need that were given since */
    }
    bool same = cella_view_equal(cella_bytes_view(&replay->genesis.charter), cella_bytes_view(&monitor->charter.text));
    return same ? CELLA_OK : CELLA_CHARTER;
}

/* The keys: those of the ledger, or new ones when the host has none. *fresh says which. */
static cella_status find_keys(struct cella_ledger *ledger, struct waiting *waiting, bool *fresh)
{
    struct cella_monitor *monitor = ledger->monitor;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes sealed = { 0 };
    cella_status status = fetch_keyring(ledger, waiting, &sealed);
    *fresh = status == CELLA_OBJECT_MISSING;
    if (*fresh) {
        return cella_keyring_new(&monitor->keyring);
    }
    CELLA_TRY(status);
    return say_of_sealing(monitor, cella_keyring_load(monitor->platform, cella_bytes_view(&sealed), &monitor->keyring));
}

static cella_status open_ledger(struct cella_ledger *ledger, struct waiting *waiting, struct cella_replay *replay,
                                struct cella_ledger_anchor *anchor)
{
    struct cella_monitor *monitor = ledger->monitor;
    bool fresh = false;
    bool refuted; /* there are no snapshots of new keys */
    CELLA_TRY(find_keys(ledger, waiting, &fresh));
    CELLA_TRY(cella_replay_begin(replay, cella_keyring_ledger_key(monitor->keyring), &monitor->state));
    cella_status status = fresh ? read_records(ledger, waiting, replay, &refuted)
                                : read_ledger(ledger, waiting, replay);
    if (fresh && (status == CELLA_BAD_LEDGER || status == CELLA_BAD_VERSION)) {
        return CELLA_BAD_KEY; /* there are records, but not what opens them */
    }
    CELLA_TRY(status);
    CELLA_TRY(judge(monitor, replay));
    /* Before the first record: a ledger that nobody can open must not come to be. */
    CELLA_TRY(fresh || cella_keyring_is_older(monitor->keyring) ? store_keyring(ledger, waiting) : CELLA_OK);
    /* After the keys are kept: an anchor is of no use without them. */
    return cella_ledger_anchor_judge(monitor, &replay->opened, anchor);
}

static cella_status give_up(struct cella_ledger *ledger, cella_status status)
{
    struct cella_monitor *monitor = ledger->monitor;
    cella_state_clear(&monitor->state);
    monitor->state = (struct cella_state){ 0 };
    cella_ledger_lose(ledger, status, explain(status));
    /* Keys that are not the ledger's: good enough to be attested and to say no. */
    cella_keyring_free(monitor->keyring);
    monitor->keyring = NULL;
    return cella_keyring_new(&monitor->keyring);
}

/*
 * Before clients can ask anything: heads are signed for durable records, and the first of this epoch is one. While the host
 * does not take it nobody is served; that can be told to clients, but where an anchor has to move first.
 */
static cella_status wait_until_durable(struct cella_ledger *ledger, struct waiting *waiting, bool anchored)
{
    cella_ledger_open_append(ledger);
    ledger->stop_when_settled = true;
    ledger->sits_out_stalls = anchored;
    CELLA_TRY(cella_loop_run(ledger->monitor->loop, after_round, waiting));
    return ledger->stop_when_settled ? CELLA_CLOSED : CELLA_OK; /* if somebody else has stopped the loop: the host has gone */
}

static cella_status move_anchor(struct cella_ledger *ledger, const struct cella_ledger_anchor *anchor)
{
    bool written = ledger->waiting.count == 0 && ledger->condition != CELLA_LEDGER_LOST;
    cella_status status = written ? cella_ledger_anchor_move(ledger->monitor, anchor, ledger->opened.hash) : CELLA_OK;
    if (status == CELLA_ROLLBACK) {
        cella_ledger_lose(ledger, CELLA_LEDGER_TAKEN, "another executor has started on a copy of this ledger; end one of them");
        return CELLA_OK;
    }
    return status;
}

cella_status cella_ledger_start(struct cella_ledger *ledger, void (*after_events)(void *context), void *context)
{
    struct waiting waiting = { ledger, after_events, context };
    struct cella_replay replay = { 0 };
    struct cella_ledger_anchor anchor = { 0 };
    cella_status status = open_ledger(ledger, &waiting, &replay, &anchor);
    uint64_t epochs = replay.epochs;
    if (status == CELLA_OK) {
        ledger->durable = replay.chain;
        memcpy(ledger->durable_tag, replay.tag, sizeof(ledger->durable_tag));
        replay.chain = (struct cella_chain){ 0 };
    }
    cella_replay_clear(&replay);
    if (status != CELLA_OK) {
        return is_loss(status) ? give_up(ledger, status) : status;
    }
    ledger->condition = CELLA_LEDGER_WRITING;
    ledger->reason = CELLA_OK;
    CELLA_TRY(begin_epoch(ledger, epochs, &anchor));
    CELLA_TRY(wait_until_durable(ledger, &waiting, anchor.used));
    return move_anchor(ledger, &anchor);
}
