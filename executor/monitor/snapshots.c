/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/snapshots.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/wire.h"
#include "monitor/child.h"

#define PACKET_MAX 65536U
#define PACKETS_A_ROUND 4U
#define UNSENT_MAX (4U << 20) /* sealed bytes that wait for the host; then the other process waits */
#define FILE_MAX ((uint64_t) 1 << 36)
#define SETTLE_MS 60000U /* at a clean end nobody waits longer: without it the next start reads more, no worse */

/* First byte of a packet. */
#define PACKET_MORE 0U
#define PACKET_LAST 1U

const char *const cella_snapshot_names[CELLA_SNAPSHOT_KEPT] = { "snapshot.0", "snapshot.1" };

struct cella_snapshots {
    struct cella_ledger_stream stream; /* PUT; the first member */
    struct cella_ledger *ledger;
    size_t next;         /* which name is written next */
    uint64_t last_bytes; /* of the newest */
    /* the one that is under way */
    bool active;
    int socket;
    struct cella_watcher watcher;
    struct cella_sealed_writer *sealer; /* NULL: all is sealed */
    struct cella_bytes out;
    size_t sent;
    struct cella_bytes answer;
    uint64_t size; /* records */
    uint64_t bytes;
    uint64_t began_ms;
    bool ended; /* the host was told that this is all */
};

/* ---- the other process ---- */

struct packet {
    int socket;
    size_t size;
    uint8_t bytes[PACKET_MAX];
};

static cella_status send_packet(struct packet *packet, uint8_t kind)
{
    packet->bytes[0] = kind;
    ssize_t count;
    do {
        count = send(packet->socket, packet->bytes, packet->size, MSG_NOSIGNAL);
    } while (count < 0 && errno == EINTR);
    bool sent = count == (ssize_t) packet->size;
    packet->size = 1;
    return sent ? CELLA_OK : CELLA_CLOSED;
}

static cella_status put_into_packets(void *context, struct cella_view bytes)
{
    struct packet *packet = context;
    while (bytes.size > 0) {
        size_t room = PACKET_MAX - packet->size;
        size_t count = bytes.size < room ? bytes.size : room;
        memcpy(packet->bytes + packet->size, bytes.data, count);
        packet->size += count;
        bytes = cella_view_of(bytes.data + count, bytes.size - count);
        if (packet->size == PACKET_MAX) {
            CELLA_TRY(send_packet(packet, PACKET_MORE));
        }
    }
    return CELLA_OK;
}

static cella_status hand_out(const struct cella_ledger *ledger, int socket)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes leaves = { 0 };
    const struct cella_monitor *monitor = ledger->monitor;
    struct packet packet = { .socket = socket, .size = 1 };
    const struct cella_ledger_entry *entry = ledger->waiting.first;
    for (; entry != NULL; entry = entry->next) {
        CELLA_TRY(cella_bytes_append(&leaves, cella_view_of(entry->mark.leaf.bytes, sizeof(entry->mark.leaf.bytes))));
    }
    const struct cella_snapshot_source source = {
        .state = &monitor->state,
        .charter = cella_bytes_view(&monitor->charter.text),
        .epochs = ledger->epoch,
        .opened = &ledger->opened,
        .chain = &ledger->durable,
        .more_leaves = cella_bytes_view(&leaves),
        .head = ledger->head,
        .tag = ledger->waiting.last == NULL ? ledger->durable_tag : ledger->waiting.last->tag,
    };
    CELLA_TRY(cella_snapshot_write(&source, put_into_packets, &packet));
    return send_packet(&packet, PACKET_LAST);
}

/* In the forked process; does not return. No library's locks are needed from here on but the allocator's, which are safe. */
static void run_child(const struct cella_ledger *ledger, int socket)
{
    const int kept = 3;
    if (socket != kept && dup2(socket, kept) < 0) {
        _exit(1);
    }
    (void) syscall(SYS_close_range, 4U, ~0U, 0U);
    _exit(hand_out(ledger, kept) == CELLA_OK ? 0 : 1);
}

/* ---- the one that is under way ---- */

static void tidy(struct cella_snapshots *snapshots)
{
    struct cella_ledger *ledger = snapshots->ledger;
    snapshots->active = false;
    cella_loop_unwatch(ledger->monitor->loop, &snapshots->watcher);
    cella_child_close(&snapshots->socket); /* the other process ends at its next packet */
    cella_sealed_writer_free(snapshots->sealer);
    snapshots->sealer = NULL;
    cella_ledger_link_reset(ledger->link, &snapshots->stream);
    cella_bytes_clear(&snapshots->out);
    cella_bytes_clear(&snapshots->answer);
    snapshots->sent = 0;
}

/* The next attempt comes with as many new records as after one that succeeded. */
static void give_up(struct cella_snapshots *snapshots, cella_status status)
{
    if (snapshots->active) {
        cella_monitor_log(snapshots->ledger->monitor, "ledger: no snapshot was made of %llu records: %s (%s)",
                          (unsigned long long) snapshots->size, cella_status_text(status), cella_status_name(status));
        tidy(snapshots);
    }
}

static void succeed(struct cella_snapshots *snapshots)
{
    cella_monitor_log(snapshots->ledger->monitor, "ledger: snapshot of %llu records, %llu KiB, made in %llu ms",
                      (unsigned long long) snapshots->size, (unsigned long long) (snapshots->bytes >> 10),
                      (unsigned long long) (cella_loop_now_ms() - snapshots->began_ms));
    snapshots->last_bytes = snapshots->bytes;
    snapshots->next = (snapshots->next + 1) % CELLA_SNAPSHOT_KEPT;
    tidy(snapshots);
}

static cella_status keep_sealed(void *context, struct cella_view bytes)
{
    struct cella_snapshots *snapshots = context;
    snapshots->bytes += bytes.size;
    return cella_bytes_append(&snapshots->out, bytes);
}

static cella_status take_packet(struct cella_snapshots *snapshots, struct cella_view packet)
{
    CELLA_TRY(cella_sealed_writer_update(snapshots->sealer, cella_view_of(packet.data + 1, packet.size - 1)));
    if (packet.data[0] == PACKET_LAST) {
        CELLA_TRY(cella_sealed_writer_finish(snapshots->sealer));
        cella_sealed_writer_free(snapshots->sealer);
        snapshots->sealer = NULL;
        cella_loop_unwatch(snapshots->ledger->monitor->loop, &snapshots->watcher);
    }
    return CELLA_OK;
}

static void packets_arrived(void *context, uint32_t events)
{
    struct cella_snapshots *snapshots = context;
    uint8_t packet[PACKET_MAX];
    (void) events;
    for (size_t i = 0; i < PACKETS_A_ROUND && snapshots->active && snapshots->sealer != NULL; i++) {
        ssize_t count = recv(snapshots->socket, packet, sizeof(packet), 0);
        if (count < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        }
        /* It died before its last packet, for want of memory for example. */
        cella_status status = count <= 0 ? CELLA_SYSTEM_FAILED : take_packet(snapshots, cella_view_of(packet, (size_t) count));
        if (status != CELLA_OK) {
            give_up(snapshots, status);
        }
    }
}

static void send_sealed(struct cella_snapshots *snapshots)
{
    struct cella_ledger *ledger = snapshots->ledger;
    if (snapshots->ended) {
        return; /* nothing may be sent after the end */
    }
    struct cella_view rest = cella_view_of(snapshots->out.data + snapshots->sent, snapshots->out.size - snapshots->sent);
    snapshots->sent += cella_ledger_link_send(ledger->link, &snapshots->stream, rest);
    if (snapshots->sent > snapshots->out.size / 2) {
        cella_bytes_consume(&snapshots->out, snapshots->sent);
        snapshots->sent = 0;
    }
    if (snapshots->sealer != NULL) {
        bool wait = snapshots->out.size - snapshots->sent > UNSENT_MAX;
        cella_status status =
            cella_loop_change(ledger->monitor->loop, &snapshots->watcher, wait ? 0U : (uint32_t) EPOLLIN);
        if (status != CELLA_OK) {
            give_up(snapshots, status);
        }
        return;
    }
    if (snapshots->out.size == 0 && ledger->durable.size >= snapshots->size) {
        snapshots->ended = true;
        cella_ledger_link_end(ledger->link, &snapshots->stream);
    }
}

/* ---- the host's side of it ---- */

static void put_answered(struct cella_ledger_stream *stream, struct cella_view bytes)
{
    struct cella_snapshots *snapshots = (struct cella_snapshots *) stream;
    struct cella_reader reader;
    uint32_t number;
    if (cella_bytes_append(&snapshots->answer, bytes) != CELLA_OK) {
        give_up(snapshots, CELLA_NO_MEMORY);
        return;
    }
    reader = cella_reader_of(cella_bytes_view(&snapshots->answer));
    if (cella_read_u32(&reader, &number) != CELLA_OK) {
        return;
    }
    if (number == 0 && snapshots->ended) {
        succeed(snapshots);
    } else {
        give_up(snapshots, number == 0 ? CELLA_BAD_FORMAT : cella_status_from_number(number));
    }
}

static void put_ended(struct cella_ledger_stream *stream)
{
    give_up((struct cella_snapshots *) stream, CELLA_LEDGER_FAILED);
}

static void put_closed(struct cella_ledger_stream *stream, cella_status status)
{
    (void) status;
    give_up((struct cella_snapshots *) stream, CELLA_LEDGER_FAILED);
}

static void put_writable(struct cella_ledger_stream *stream)
{
    (void) stream; /* sent after every round */
}

static const struct cella_ledger_stream_class put_class = {
    .data = put_answered,
    .ended = put_ended,
    .closed = put_closed,
    .writable = put_writable,
};

/* ---- beginning ---- */

static cella_status start_child(struct cella_snapshots *snapshots)
{
    int far = -1;
    CELLA_TRY(cella_child_socket(SOCK_SEQPACKET, &snapshots->socket, &far));
    pid_t child = fork(); /* reaped with all others (main.c) */
    if (child == 0) {
        run_child(snapshots->ledger, far);
    }
    (void) close(far);
    CELLA_TRY(child < 0 ? CELLA_SYSTEM_FAILED : CELLA_OK);
    return cella_loop_watch(snapshots->ledger->monitor->loop, &snapshots->watcher, snapshots->socket, EPOLLIN);
}

static cella_status start(struct cella_snapshots *snapshots)
{
    struct cella_ledger *ledger = snapshots->ledger;
    const struct cella_snapshot_binding binding = cella_snapshots_binding(ledger);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes arguments = { 0 };
    CELLA_TRY(cella_write_field(&arguments, cella_view_of_string(cella_snapshot_names[snapshots->next])));
    CELLA_TRY(cella_write_u64(&arguments, FILE_MAX)); /* how large it becomes is not known yet */
    CELLA_TRY(cella_snapshot_sealer_new(&binding, snapshots->size, keep_sealed, snapshots, &snapshots->sealer));
    CELLA_TRY(start_child(snapshots));
    return cella_ledger_link_open(ledger->link, CELLA_STREAM_PUT, cella_bytes_view(&arguments), &snapshots->stream);
}

/* The state stands at the last sealed record: no change is open between two rounds. */
static void begin(struct cella_snapshots *snapshots)
{
    struct cella_ledger *ledger = snapshots->ledger;
    snapshots->active = true;
    snapshots->ended = false;
    snapshots->size = ledger->sealed;
    snapshots->bytes = 0;
    snapshots->began_ms = cella_loop_now_ms();
    ledger->new_records = 0;
    ledger->new_bytes = 0;
    cella_status status = start(snapshots);
    if (status != CELLA_OK) {
        give_up(snapshots, status);
    }
}

static bool is_possible(const struct cella_snapshots *snapshots)
{
    const struct cella_ledger *ledger = snapshots->ledger;
    return ledger->condition == CELLA_LEDGER_WRITING && ledger->open.count == 0 && !snapshots->active && ledger->writer != NULL;
}

static bool is_due(const struct cella_snapshots *snapshots)
{
    const struct cella_ledger *ledger = snapshots->ledger;
    return (ledger->new_records >= CELLA_SNAPSHOT_RECORDS || ledger->new_bytes >= CELLA_SNAPSHOT_BYTES) &&
           ledger->new_bytes >= snapshots->last_bytes / CELLA_SNAPSHOT_SHARE;
}

void cella_snapshots_proceed(struct cella_snapshots *snapshots)
{
    if (is_possible(snapshots) && is_due(snapshots)) {
        begin(snapshots);
    }
    if (snapshots->active && snapshots->ledger->condition == CELLA_LEDGER_LOST) {
        give_up(snapshots, snapshots->ledger->reason);
    }
    if (snapshots->active) {
        send_sealed(snapshots);
    }
}

bool cella_snapshots_settle(struct cella_snapshots *snapshots)
{
    if (is_possible(snapshots) && snapshots->ledger->new_records >= CELLA_SNAPSHOT_END_RECORDS) {
        begin(snapshots);
    }
    if (snapshots->active && cella_loop_now_ms() - snapshots->began_ms >= SETTLE_MS) {
        give_up(snapshots, CELLA_TIMEOUT);
    }
    return !snapshots->active;
}

/* ---- life ---- */

struct cella_snapshot_binding cella_snapshots_binding(const struct cella_ledger *ledger)
{
    const struct cella_monitor *monitor = ledger->monitor;
    return (struct cella_snapshot_binding){ cella_keyring_ledger_key(monitor->keyring),
                                            cella_keyring_executor(monitor->keyring), monitor->measurement };
}

void cella_snapshots_found(struct cella_snapshots *snapshots, size_t which, uint64_t bytes)
{
    snapshots->next = (which + 1) % CELLA_SNAPSHOT_KEPT;
    snapshots->last_bytes = bytes;
}

cella_status cella_snapshots_new(struct cella_ledger *ledger, struct cella_snapshots **out)
{
    struct cella_snapshots *snapshots = calloc(1, sizeof(*snapshots));
    if (snapshots == NULL) {
        return CELLA_NO_MEMORY;
    }
    snapshots->ledger = ledger;
    snapshots->stream.class = &put_class;
    snapshots->socket = -1;
    snapshots->watcher.ready = packets_arrived;
    snapshots->watcher.context = snapshots;
    *out = snapshots;
    return CELLA_OK;
}

void cella_snapshots_free(struct cella_snapshots *snapshots)
{
    if (snapshots != NULL) {
        tidy(snapshots);
        free(snapshots);
    }
}
