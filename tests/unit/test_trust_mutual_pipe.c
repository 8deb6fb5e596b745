/* SPDX-License-Identifier: Apache-2.0 */
#include "mutual_pair.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * Two executors in two processes over a byte pipe that carries what it gets in pieces of any size; a third process
 * may stand in between, as a front would. The children report by their exit code: no assertion leaves a child.
 */

#define SECRET "a key that is handed over"
#define EXIT_CUT 7 /* the pipe ended before the peer's own end */

struct pipe_end {
    int descriptor;
    struct cella_bytes buffer; /* arrived, not yet taken */
};

static cella_status send_all(const struct pipe_end *end, struct cella_view bytes)
{
    while (bytes.size > 0) {
        size_t piece = bytes.size < 37 ? bytes.size : 37;
        ssize_t count = send(end->descriptor, bytes.data, piece, MSG_NOSIGNAL);
        if (count <= 0) {
            return CELLA_CLOSED;
        }
        bytes = cella_view_of(bytes.data + count, bytes.size - (size_t) count);
    }
    return CELLA_OK;
}

/* The next whole message. CELLA_CLOSED: the pipe has ended */
static cella_status next_message(struct pipe_end *end, struct cella_bytes *out)
{
    for (;;) {
        size_t size;
        uint8_t piece[61];
        CELLA_TRY(cella_mutual_message_size(cella_bytes_view(&end->buffer), &size));
        if (size > 0 && end->buffer.size >= size) {
            CELLA_TRY(cella_bytes_set(out, cella_view_of(end->buffer.data, size)));
            cella_bytes_consume(&end->buffer, size);
            return CELLA_OK;
        }
        ssize_t count = recv(end->descriptor, piece, sizeof(piece), 0);
        if (count <= 0) {
            return CELLA_CLOSED;
        }
        CELLA_TRY(cella_bytes_append(&end->buffer, cella_view_of(piece, (size_t) count)));
    }
}

static cella_status handshake(struct member *member, struct pipe_end *end)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes message = { 0 };
    CELLA_TRY(cella_mutual_new(&member->setup, &member->run));
    if (member->setup.side == CELLA_MUTUAL_INITIATOR) {
        CELLA_TRY(cella_mutual_start(member->run, &message));
        CELLA_TRY(send_all(end, cella_bytes_view(&message)));
    }
    while (!member_is_open(member)) {
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes answer = { 0 };
        CELLA_TRY(next_message(end, &message));
        CELLA_TRY(member_step(member, cella_bytes_view(&message), &answer));
        CELLA_TRY(send_all(end, cella_bytes_view(&answer)));
    }
    return CELLA_OK;
}

/* The initiator hands a secret over and ends; the responder has to get it whole. */
static cella_status talk(struct cella_mutual_channel *channel, struct pipe_end *end, bool first)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes record = { 0 };
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret plain = { 0 };
    if (first) {
        CELLA_TRY(cella_mutual_channel_seal(channel, cella_view_of_string(SECRET), &record));
        CELLA_TRY(cella_mutual_channel_close(channel, &record));
        return send_all(end, cella_bytes_view(&record));
    }
    cella_status status = next_message(end, &record);
    if (status == CELLA_CLOSED) {
        return cella_mutual_channel_end(channel);
    }
    CELLA_TRY(status);
    CELLA_TRY(cella_mutual_channel_open(channel, cella_bytes_view(&record), &plain));
    if (!cella_view_is(cella_secret_view(&plain), SECRET)) {
        return CELLA_INTERNAL;
    }
    status = next_message(end, &record);
    if (status == CELLA_CLOSED) {
        return cella_mutual_channel_end(channel);
    }
    CELLA_TRY(status);
    status = cella_mutual_channel_open(channel, cella_bytes_view(&record), &plain);
    return status == CELLA_CLOSED ? cella_mutual_channel_end(channel) : CELLA_INTERNAL;
}

/* A whole executor; its exit code. Keys are made here: a forked child gets zeros for secrets. */
static int executor(int descriptor, enum cella_mutual_side side)
{
    struct member member;
    struct pipe_end end = { descriptor, { 0 } };
    struct cella_mutual_channel *channel = NULL;
    member_begin(&member, side, (uint8_t) side);
    cella_status status = handshake(&member, &end);
    if (status == CELLA_OK) {
        status = cella_mutual_take_channel(member.run, &channel);
    }
    if (status == CELLA_OK) {
        status = talk(channel, &end, side == CELLA_MUTUAL_INITIATOR);
    }
    cella_mutual_channel_free(channel);
    cella_bytes_clear(&end.buffer);
    member_end(&member);
    (void) shutdown(descriptor, SHUT_RDWR);
    return status == CELLA_OK ? 0 : status == CELLA_TRUNCATED ? EXIT_CUT : 1;
}

/* other: the end that the child must not keep */
static pid_t start(int descriptor, int other, enum cella_mutual_side side)
{
    pid_t child = fork();
    if (child == 0) {
        (void) close(other);
        (void) alarm(30);
        _exit(executor(descriptor, side));
    }
    (void) close(descriptor);
    return child;
}

static int exit_code(pid_t child)
{
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void test_two_processes(void **state)
{
    int pair[2];
    (void) state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    pid_t first = start(pair[0], pair[1], CELLA_MUTUAL_INITIATOR);
    pid_t second = start(pair[1], -1, CELLA_MUTUAL_RESPONDER);
    assert_int_equal(exit_code(first), 0);
    assert_int_equal(exit_code(second), 0);
}

/* What a relay in the middle does to the bytes of one direction. */
struct relay {
    size_t seen; /* from the initiator */
    size_t flip; /* offset to change; SIZE_MAX: none */
    size_t cut;  /* stop after so many; SIZE_MAX: never */
    bool leaked; /* the secret passed in the clear */
};

static bool relay_once(int from, int to, struct relay *relay)
{
    uint8_t piece[512];
    ssize_t count = recv(from, piece, sizeof(piece), 0);
    if (count <= 0) {
        return false;
    }
    size_t size = (size_t) count;
    if (relay != NULL) {
        if (relay->flip >= relay->seen && relay->flip < relay->seen + size) {
            piece[relay->flip - relay->seen] ^= 1;
        }
        if (relay->cut < relay->seen + size) {
            size = relay->cut > relay->seen ? relay->cut - relay->seen : 0;
        }
        relay->seen += (size_t) count;
        relay->leaked = relay->leaked || memmem(piece, size, "handed", 6) != NULL;
    }
    return send(to, piece, size, MSG_NOSIGNAL) == (ssize_t) size && (relay == NULL || relay->seen <= relay->cut);
}

/* Exit codes of both executors with the relay between them. */
static void run_relayed(struct relay *relay, int *first_code, int *second_code)
{
    int near[2];
    int far[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, near), 0);
    pid_t first = start(near[0], near[1], CELLA_MUTUAL_INITIATOR);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, far), 0);
    pid_t second = start(far[0], far[1], CELLA_MUTUAL_RESPONDER);
    bool open = true;
    while (open) {
        struct pollfd both[2] = { { near[1], POLLIN, 0 }, { far[1], POLLIN, 0 } };
        assert_true(poll(both, 2, 30000) > 0);
        if (both[0].revents != 0) {
            open = relay_once(near[1], far[1], relay);
        } else {
            open = relay_once(far[1], near[1], NULL);
        }
    }
    (void) close(near[1]);
    (void) close(far[1]);
    *first_code = exit_code(first);
    *second_code = exit_code(second);
}

#define HELLO 200U
#define PROOF 318U
#define RECORD (8U + sizeof(SECRET) - 1U + 16U)
#define CLOSE 24U

static void test_relayed(void **state)
{
    struct relay relay = { .flip = SIZE_MAX, .cut = SIZE_MAX };
    int first;
    int second;
    (void) state;
    run_relayed(&relay, &first, &second);
    assert_int_equal(first, 0);
    assert_int_equal(second, 0);
    assert_int_equal(relay.seen, HELLO + PROOF + RECORD + CLOSE);
    assert_false(relay.leaked);
}

static void test_relay_that_changes(void **state)
{
    static const size_t offsets[] = { 8, HELLO - 1, HELLO + 8, HELLO + PROOF - 1 };
    (void) state;
    for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
        struct relay relay = { .flip = offsets[i], .cut = SIZE_MAX };
        int first;
        int second;
        run_relayed(&relay, &first, &second);
        assert_int_equal(first, 1);
        assert_int_equal(second, 1);
    }
    struct relay relay = { .flip = HELLO + PROOF + RECORD - 1, .cut = SIZE_MAX };
    int first;
    int second;
    run_relayed(&relay, &first, &second);
    assert_int_equal(second, 1);
}

/* Cut between two records, where nothing but the missing end tells. */
static void test_relay_that_cuts(void **state)
{
    struct relay relay = { .flip = SIZE_MAX, .cut = HELLO + PROOF + RECORD };
    int first;
    int second;
    (void) state;
    run_relayed(&relay, &first, &second);
    assert_int_equal(second, EXIT_CUT);
    relay = (struct relay){ .flip = SIZE_MAX, .cut = HELLO + PROOF };
    run_relayed(&relay, &first, &second);
    assert_int_equal(second, EXIT_CUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_processes),
        cmocka_unit_test(test_relayed),
        cmocka_unit_test(test_relay_that_changes),
        cmocka_unit_test(test_relay_that_cuts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
