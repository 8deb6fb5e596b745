/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The record reader, from both sides of the seal: bytes that a host could hand over, and, since no fuzzer makes a tag, bodies
 * of any content that the harness seals itself.
 */

#include <stdlib.h>
#include <string.h>

#include "monitor/event.h"
#include "monitor/replay.h"

static void check(cella_status status)
{
    if (status != CELLA_OK) {
        abort();
    }
}

static const char genesis[] =
    "{\"charter\":\"e30\",\"executor\":\"EEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEE\",\"version\":\"1\"}";

static void feed(struct cella_record_writer *writer, struct cella_replay *replay, const struct cella_record *record)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes sealed = { 0 };
    struct cella_record_mark mark;
    uint64_t before = replay->chain.size;
    check(cella_record_seal(writer, record, replay->chain.head, &sealed, &mark));
    cella_status status = cella_replay_record(replay, cella_bytes_view(&sealed));
    /* Taken and counted, or refused and not. */
    if (replay->chain.size != before + (status == CELLA_OK ? 1 : 0)) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/*
 * First byte: 255: the rest is a sealed record; else the body follows of a party's enrolment (even) or of a start (odd). Other
 * events are left out: what is under the seal was made by the executor, and state.c takes its word for more than the form.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret key = { 0 };
    struct cella_record_writer *writer = NULL;
    struct cella_state state = { 0 };
    struct cella_replay replay;
    if (size == 0) {
        return 0;
    }
    check(cella_secret_resize(&key, CELLA_SHA256_SIZE));
    check(cella_record_writer_new(&key, &writer));
    check(cella_replay_begin(&replay, &key, &state));
    struct cella_view rest = cella_view_of(data + 1, size - 1);
    if (data[0] == 255) {
        if (cella_replay_record(&replay, rest) == CELLA_OK) {
            abort(); /* a record of sequence 0 under a key that the fuzzer does not have */
        }
    } else {
        struct cella_record record = { .event = cella_view_of_string(CELLA_EVENT_GENESIS),
                                       .body = cella_view_of_string(genesis) };
        feed(writer, &replay, &record);
        record = (struct cella_record){ .sequence = 1,
                                        .more = (data[0] & 0x80) != 0,
                                        .event = cella_view_of_string(
                                            (data[0] & 1) != 0 ? CELLA_EVENT_EPOCH : "party.enrolled"),
                                        .body = rest };
        feed(writer, &replay, &record);
    }
    cella_replay_clear(&replay);
    cella_state_clear(&state);
    cella_record_writer_free(writer);
    return 0;
}
