/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "base/wire.h"
#include "monitor/event.h"
#include "monitor/replay.h"

#define RECORDS 12

/* A ledger as the host keeps it: sealed records. */
struct ledger {
    struct cella_secret key;
    struct cella_bytes records[RECORDS + 4];
    size_t count;
    uint8_t head[CELLA_SHA256_SIZE];
    struct cella_chain chain;
};

static void record_of_hex(const char *digits, struct cella_bytes *out)
{
    struct cella_view text = cella_view_of_string(digits);
    assert_int_equal(cella_bytes_resize(out, text.size / 2), CELLA_OK);
    assert_int_equal(cella_hex_decode(text, out->data, out->size), CELLA_OK);
}

static void add_line(struct ledger *ledger, struct cella_record_writer *writer, const char *event, const char *body, bool more,
                     const char *line)
{
    struct cella_record_mark mark;
    const struct cella_record record = {
        .sequence = ledger->count,
        .more = more,
        .time_ms = 1,
        .event = cella_view_of_string(event),
        .body = cella_view_of_string(body),
        .request = cella_view_of_string("a.b.c"),
        .line = cella_view_of_string(line),
    };
    assert_int_equal(cella_record_seal(writer, &record, ledger->head, &ledger->records[ledger->count], &mark), CELLA_OK);
    assert_int_equal(cella_chain_add(&ledger->chain, &mark), CELLA_OK);
    memcpy(ledger->head, mark.hash, sizeof(ledger->head));
    ledger->count++;
}

static void add(struct ledger *ledger, struct cella_record_writer *writer, const char *event, const char *body, bool more)
{
    add_line(ledger, writer, event, body, more, "");
}

static const char genesis[] =
    "{\"charter\":\"e30\",\"executor\":\"EEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEE\",\"version\":\"1\"}";

static void enrol(struct ledger *ledger, struct cella_record_writer *writer, int number, bool more)
{
    char body[256];
    (void) snprintf(body, sizeof(body),
                    "{\"party\":\"p%d\",\"sign\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\","
                    "\"seal\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\",\"name\":\"\"}",
                    number);
    add(ledger, writer, "party.enrolled", body, more);
}

static struct cella_record_writer *begin(struct ledger *ledger)
{
    struct cella_record_writer *writer = NULL;
    assert_int_equal(cella_record_writer_new(&ledger->key, &writer), CELLA_OK);
    if (ledger->count == 0) {
        add(ledger, writer, CELLA_EVENT_GENESIS, genesis, false);
    }
    add(ledger, writer, CELLA_EVENT_EPOCH, "{}", false);
    return writer;
}

static void make(struct ledger *ledger)
{
    *ledger = (struct ledger){ 0 };
    assert_int_equal(cella_secret_random(&ledger->key, CELLA_SHA256_SIZE), CELLA_OK);
    struct cella_record_writer *writer = begin(ledger);
    while (ledger->count < RECORDS) {
        enrol(ledger, writer, (int) ledger->count, false);
    }
    cella_record_writer_free(writer);
}

static void clear(struct ledger *ledger)
{
    for (size_t i = 0; i < sizeof(ledger->records) / sizeof(ledger->records[0]); i++) {
        cella_bytes_clear(&ledger->records[i]);
    }
    cella_chain_clear(&ledger->chain);
    cella_secret_clear(&ledger->key);
}

/* Read them all; the status of the first that is refused, and how many were not. */
static cella_status replay(const struct ledger *ledger, size_t *taken, size_t *parties)
{
    struct cella_state state = { 0 };
    struct cella_replay replay;
    cella_status status = CELLA_OK;
    assert_int_equal(cella_replay_begin(&replay, &ledger->key, &state), CELLA_OK);
    *taken = 0;
    while (*taken < ledger->count && status == CELLA_OK) {
        status = cella_replay_record(&replay, cella_bytes_view(&ledger->records[*taken]));
        *taken += status == CELLA_OK ? 1 : 0;
    }
    *parties = state.parties.count;
    if (status == CELLA_OK) {
        struct cella_merkle_hash ours;
        struct cella_merkle_hash theirs;
        assert_memory_equal(replay.chain.head, ledger->head, CELLA_SHA256_SIZE);
        assert_int_equal(cella_merkle_root(&replay.chain.tree, &ours), CELLA_OK);
        assert_int_equal(cella_merkle_root(&ledger->chain.tree, &theirs), CELLA_OK);
        assert_true(cella_merkle_equal(&ours, &theirs));
    }
    cella_replay_clear(&replay);
    cella_state_clear(&state);
    return status;
}

static void a_whole_ledger(void **unused)
{
    struct ledger ledger;
    size_t taken;
    size_t parties;
    (void) unused;
    make(&ledger);
    assert_int_equal(replay(&ledger, &taken, &parties), CELLA_OK);
    assert_int_equal(parties, RECORDS - 2);
    /* Another key opens nothing. */
    ledger.key.data[0] ^= 1;
    assert_int_equal(replay(&ledger, &taken, &parties), CELLA_BAD_LEDGER);
    assert_int_equal(taken, 0);
    clear(&ledger);
}

/* Each bit of each record, one at a time. */
static void every_bit_flipped(void **unused)
{
    struct ledger ledger;
    size_t taken;
    size_t parties;
    (void) unused;
    make(&ledger);
    for (size_t i = 0; i < 4; i++) {
        for (size_t bit = 0; bit < ledger.records[i].size * 8; bit++) {
            ledger.records[i].data[bit / 8] ^= (uint8_t) (1U << bit % 8);
            cella_status status = replay(&ledger, &taken, &parties);
            /* A higher version is what a newer Cella would write; everything else is damage. */
            assert_true(status == CELLA_BAD_LEDGER || (status == CELLA_BAD_VERSION && bit / 8 >= 4 && bit / 8 < 6));
            assert_int_equal(taken, i);
            ledger.records[i].data[bit / 8] ^= (uint8_t) (1U << bit % 8);
        }
    }
    assert_int_equal(replay(&ledger, &taken, &parties), CELLA_OK);
    clear(&ledger);
}

static void every_record_cut(void **unused)
{
    struct ledger ledger;
    size_t taken;
    size_t parties;
    (void) unused;
    make(&ledger);
    for (size_t i = 0; i < RECORDS; i++) {
        size_t whole = ledger.records[i].size;
        for (ledger.records[i].size = 0; ledger.records[i].size < whole; ledger.records[i].size++) {
            assert_int_equal(replay(&ledger, &taken, &parties), CELLA_BAD_LEDGER);
            assert_int_equal(taken, i);
        }
        assert_int_equal(cella_write_u8(&ledger.records[i], 0), CELLA_OK); /* and one byte too many */
        assert_int_equal(replay(&ledger, &taken, &parties), CELLA_BAD_LEDGER);
        ledger.records[i].size = whole;
    }
    clear(&ledger);
}

static void swap(struct ledger *ledger, size_t a, size_t b)
{
    struct cella_bytes kept = ledger->records[a];
    ledger->records[a] = ledger->records[b];
    ledger->records[b] = kept;
}

static void every_record_dropped_swapped_doubled(void **unused)
{
    struct ledger ledger;
    size_t taken;
    size_t parties;
    (void) unused;
    make(&ledger);
    for (size_t i = 0; i < RECORDS; i++) {
        for (size_t k = i + 1; k < RECORDS; k++) {
            swap(&ledger, i, k);
            assert_int_equal(replay(&ledger, &taken, &parties), CELLA_BAD_LEDGER);
            assert_int_equal(taken, i);
            swap(&ledger, i, k);
        }
        /* Dropped: all that follow move up by one. Dropping the last one only shows in heads. */
        for (size_t k = i; k + 1 < RECORDS; k++) {
            swap(&ledger, k, k + 1);
        }
        ledger.count--;
        if (i + 1 < RECORDS) {
            assert_int_equal(replay(&ledger, &taken, &parties), CELLA_BAD_LEDGER);
            assert_int_equal(taken, i);
        }
        for (size_t k = RECORDS - 1; k > i; k--) {
            swap(&ledger, k, k - 1);
        }
        ledger.count++;
        /* Doubled: the copy comes at the end, and right after the original. */
        assert_int_equal(cella_bytes_set(&ledger.records[RECORDS], cella_bytes_view(&ledger.records[i])), CELLA_OK);
        ledger.count++;
        assert_int_equal(replay(&ledger, &taken, &parties), CELLA_BAD_LEDGER);
        assert_int_equal(taken, RECORDS);
        ledger.count--;
    }
    assert_int_equal(replay(&ledger, &taken, &parties), CELLA_OK);
    clear(&ledger);
}

/* A host puts an old state back and starts the executor again: the same numbers, other keys, no nonce used twice. */
static void an_old_ledger_is_continued(void **unused)
{
    struct ledger ledger;
    size_t taken;
    size_t parties;
    uint8_t old_head[CELLA_SHA256_SIZE];
    (void) unused;
    make(&ledger);
    memcpy(old_head, ledger.head, sizeof(old_head));
    struct cella_record_writer *first = begin(&ledger);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes one = { 0 };
    assert_int_equal(cella_bytes_set(&one, cella_bytes_view(&ledger.records[RECORDS])), CELLA_OK);
    ledger.records[RECORDS].size = 0;
    ledger.count = RECORDS;
    memcpy(ledger.head, old_head, sizeof(old_head));
    struct cella_record_writer *second = begin(&ledger);
    const struct cella_bytes *two = &ledger.records[RECORDS];
    assert_int_equal(one.size, two->size);
    assert_memory_not_equal(one.data + 6, two->data + 6, CELLA_RECORD_EPOCH_SIZE);
    assert_memory_equal(one.data + 38, two->data + 38, 8 + CELLA_SHA256_SIZE); /* sequence and previous */
    /* The fork of the other writer does not continue this one. */
    enrol(&ledger, second, 77, false);
    swap(&ledger, RECORDS, RECORDS + 2);
    ledger.records[RECORDS] = one;
    one = (struct cella_bytes){ 0 };
    cella_chain_clear(&ledger.chain);
    assert_int_equal(replay(&ledger, &taken, &parties), CELLA_BAD_LEDGER);
    assert_int_equal(taken, RECORDS + 1);
    cella_record_writer_free(first);
    cella_record_writer_free(second);
    clear(&ledger);
}

/* Many records: each is read with the same work, whatever came before. */
static void a_long_ledger(void **unused)
{
    const unsigned int count = 100000;
    struct ledger ledger = { 0 };
    struct cella_bytes all = { 0 };
    struct cella_state state = { 0 };
    struct cella_replay replay;
    (void) unused;
    assert_int_equal(cella_secret_random(&ledger.key, CELLA_SHA256_SIZE), CELLA_OK);
    assert_int_equal(cella_replay_begin(&replay, &ledger.key, &state), CELLA_OK);
    struct cella_record_writer *writer = begin(&ledger);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(cella_write_field(&all, cella_bytes_view(&ledger.records[i])), CELLA_OK);
    }
    for (unsigned int i = 2; i < count; i++) {
        struct cella_bytes *place = &ledger.records[0];
        char body[256];
        (void) snprintf(body, sizeof(body),
                        "{\"party\":\"p%u\",\"sign\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\","
                        "\"seal\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\",\"name\":\"\"}",
                        i);
        struct cella_record_mark mark;
        const struct cella_record record = { .sequence = i,
                                             .event = cella_view_of_string("party.enrolled"),
                                             .body = cella_view_of_string(body) };
        place->size = 0;
        assert_int_equal(cella_record_seal(writer, &record, ledger.head, place, &mark), CELLA_OK);
        memcpy(ledger.head, mark.hash, sizeof(ledger.head));
        assert_int_equal(cella_write_field(&all, cella_bytes_view(place)), CELLA_OK);
    }
    struct timespec before;
    struct timespec after;
    struct cella_reader reader = cella_reader_of(cella_bytes_view(&all));
    (void) clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    for (unsigned int i = 0; i < count; i++) {
        struct cella_view record;
        assert_int_equal(cella_read_field(&reader, CELLA_RECORD_MAX, &record), CELLA_OK);
        assert_int_equal(cella_replay_record(&replay, record), CELLA_OK);
    }
    (void) clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    print_message("%u records replayed in %.0f ms of CPU time\n", count,
                  (double) (after.tv_sec - before.tv_sec) * 1e3 + (double) (after.tv_nsec - before.tv_nsec) / 1e6);
    assert_int_equal(state.parties.count, count - 2);
    assert_int_equal(replay.chain.size, count);
    cella_record_writer_free(writer);
    cella_replay_clear(&replay);
    cella_state_clear(&state);
    cella_bytes_clear(&all);
    clear(&ledger);
}

static void a_number_is_sealed_once(void **unused)
{
    struct ledger ledger;
    struct cella_record_mark mark;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes sealed = { 0 };
    (void) unused;
    make(&ledger);
    struct cella_record_writer *writer = begin(&ledger);
    const struct cella_record again = { .sequence = ledger.count - 1, .event = cella_view_of_string("x") };
    assert_int_equal(cella_record_seal(writer, &again, ledger.head, &sealed, &mark), CELLA_INTERNAL);
    assert_int_equal(sealed.size, 0);
    cella_record_writer_free(writer);
    clear(&ledger);
}

/* Records of a change count together or not at all. */
static void half_a_change_is_none(void **unused)
{
    struct ledger ledger;
    size_t taken;
    size_t parties;
    (void) unused;
    ledger = (struct ledger){ 0 };
    assert_int_equal(cella_secret_random(&ledger.key, CELLA_SHA256_SIZE), CELLA_OK);
    struct cella_record_writer *writer = begin(&ledger);
    enrol(&ledger, writer, 1, true);
    enrol(&ledger, writer, 2, true);
    assert_int_equal(replay(&ledger, &taken, &parties), CELLA_OK);
    assert_int_equal(parties, 0);
    cella_record_writer_free(writer);
    writer = begin(&ledger); /* the executor was started again: what was cut off stays undone */
    enrol(&ledger, writer, 3, true);
    enrol(&ledger, writer, 4, false);
    assert_int_equal(replay(&ledger, &taken, &parties), CELLA_OK);
    assert_int_equal(parties, 2);
    cella_record_writer_free(writer);
    clear(&ledger);
}

static void what_does_not_belong(void **unused)
{
    struct ledger ledger;
    size_t taken;
    size_t parties;
    (void) unused;
    static const struct {
        const char *event;
        const char *body;
        cella_status status;
    } table[] = {
        { "party.unknown", "{}", CELLA_BAD_VERSION }, /* an event of a newer Cella */
        { "party.enrolled", "{}", CELLA_BAD_LEDGER },
        { "party.enrolled", "[]", CELLA_BAD_LEDGER },
        { "task.approved", "{\"task\":\"t\",\"party\":\"p\"}", CELLA_BAD_LEDGER },
        { CELLA_EVENT_GENESIS, genesis, CELLA_BAD_LEDGER }, /* a second time */
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        make(&ledger);
        struct cella_record_writer *writer = begin(&ledger);
        add(&ledger, writer, table[i].event, table[i].body, false);
        assert_int_equal(replay(&ledger, &taken, &parties), table[i].status);
        assert_int_equal(taken, RECORDS + 1);
        cella_record_writer_free(writer);
        clear(&ledger);
    }
}

/* The leaf of a statement is the statement itself; of a private record, nothing that can be guessed. */
static void leaves(void **unused)
{
    struct ledger ledger = { 0 };
    struct cella_record_mark private_mark;
    struct cella_record_mark second_mark;
    struct cella_record_mark public_mark;
    struct cella_merkle_hash expected;
    struct cella_record_writer *writer = NULL;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes sealed = { 0 };
    (void) unused;
    assert_int_equal(cella_secret_random(&ledger.key, CELLA_SHA256_SIZE), CELLA_OK);
    assert_int_equal(cella_record_writer_new(&ledger.key, &writer), CELLA_OK);
    struct cella_record record = { .event = cella_view_of_string("e"), .body = cella_view_of_string("{}") };
    assert_int_equal(cella_record_seal(writer, &record, ledger.head, &sealed, &private_mark), CELLA_OK);
    record.sequence = 1;
    assert_int_equal(cella_record_seal(writer, &record, ledger.head, &sealed, &second_mark), CELLA_OK);
    assert_false(cella_merkle_equal(&private_mark.leaf, &second_mark.leaf));
    record.sequence = 2;
    record.statement = cella_view_of_string("a statement");
    assert_int_equal(cella_record_seal(writer, &record, ledger.head, &sealed, &public_mark), CELLA_OK);
    assert_int_equal(cella_merkle_leaf(&record.statement, 1, &expected), CELLA_OK);
    assert_true(cella_merkle_equal(&public_mark.leaf, &expected));
    cella_record_writer_free(writer);
    clear(&ledger);
}

/* Two records of version 1, as the software of before sealed them with the ledger key 07 07 ...; and their leaves. */
static const char *const first_version[2] = {
    "435245430001d1442d665f0727161837d99088a40c452a842959f00c228f329dbf143e1361cd000000000000000000000000000000000000"
    "000000000000000000000000000000000000000000003311b5c4e3ab4dd3e038d1f81a29e038a098686eaa6f65cc5a4a40a97b8914e5fac1"
    "31fe34f581e05d7192b731db75476ecde1357e3fa7baef7f8d0cc26a99de2420abe4b4c8af19cf614fd33f8846abb9302faa0607d9d93027"
    "7888dfc3ff06233b2163a7e9aa806bc0452141bd9ae57b1160f9e8badd106e33dca0f2484eb30f17c6bcc5c260dc8c2eb818542fa4e54d43"
    "e92e4a5adf02ac6e1bcae605ddf38fb6cf65bf36a7d1829f9af6006e985c8e0906fe4b6cf5eb30",
    "435245430001d1442d665f0727161837d99088a40c452a842959f00c228f329dbf143e1361cd00000000000000011658c99cdcde7d2cab48"
    "e275c22fa995e4e672622076e43f7259f8fd50787999a22b268fd66aa55492071411b30a83ed0483fd9ee328a728877832dd500440596b27"
    "9c07846e145b04bcd635930f99cae66153e286a76db89a00cb86fe4e056d9e7ea90d51033838ec8c0434dc52825c27404f7356a3a3af9ae5"
    "a06bc85925516e8fcd3e7881b617593062dbbdc3793dd4e4d73218a7381861edee282a52a6aa6ec01fcc098d3c527746541ec4f68ff59171"
    "80dadb6dea6ba643cd767e6fa43119fbea9c62274d34d9abdaa58340f245f0797a3c324f62bf46326ccd88b8e2dd5b1ab64392dc92dca856"
    "8e2739143bb8144bd82370d6e36665bf7fbffa90bed1115f52e06b",
};
static const char *const first_version_leaves[2] = {
    "3476906c4ce936190d8ddc12d88aac61d2f6a0a1286db3c543fd472dce3ca385",
    "d13b94f4e27a983255516f01252bcc7bc645383c7a1b50bbd8c75bc3ad38efe7",
};

/* A ledger that begins with them goes on with the present version; their entries say of no line where it is logged. */
static void records_of_version_1(void **unused)
{
    struct ledger ledger = { 0 };
    struct cella_record_writer *writer = NULL;
    struct cella_state state = { 0 };
    struct cella_replay replay;
    (void) unused;
    assert_int_equal(cella_secret_resize(&ledger.key, CELLA_SHA256_SIZE), CELLA_OK);
    memset(ledger.key.data, 7, CELLA_SHA256_SIZE);
    assert_int_equal(cella_replay_begin(&replay, &ledger.key, &state), CELLA_OK);
    for (size_t i = 0; i < 2; i++) {
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes record = { 0 };
        struct cella_merkle_hash leaf;
        struct cella_merkle_hash expected;
        record_of_hex(first_version[i], &record);
        assert_int_equal(cella_replay_record(&replay, cella_bytes_view(&record)), CELLA_OK);
        assert_int_equal(cella_chain_leaf(&replay.chain, i, &leaf), CELLA_OK);
        assert_int_equal(cella_hex_decode(cella_view_of_string(first_version_leaves[i]), expected.bytes, 32), CELLA_OK);
        assert_true(cella_merkle_equal(&leaf, &expected));
    }
    assert_true(state.journal.count == 1 && !state.journal.entries[0].logged);
    assert_int_equal(cella_record_writer_new(&ledger.key, &writer), CELLA_OK);
    ledger.count = 2;
    memcpy(ledger.head, replay.chain.head, sizeof(ledger.head));
    add_line(&ledger, writer, "party.enrolled",
             "{\"party\":\"p2\",\"sign\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\","
             "\"seal\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\",\"name\":\"\"}",
             false, "{\"number\":2}");
    assert_int_equal(cella_replay_record(&replay, cella_bytes_view(&ledger.records[2])), CELLA_OK);
    assert_true(state.journal.count == 2 && state.journal.entries[1].logged && state.journal.entries[1].leaf == 2);
    cella_record_writer_free(writer);
    cella_replay_clear(&replay);
    cella_state_clear(&state);
    clear(&ledger);
}

/* Whoever has the line and the rest comes to the leaf; with another line, or another rest, nobody does. */
static void lines_are_committed_to(void **unused)
{
    static const char line[] = "{\"event\":\"e\",\"number\":1,\"time\":5}";
    static const char label[] = "cella record commitment v2";
    struct ledger ledger = { 0 };
    struct cella_record_mark mark;
    struct cella_merkle_hash expected;
    struct cella_record_writer *writer = NULL;
    uint8_t digest[CELLA_SHA256_SIZE];
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes sealed = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    (void) unused;
    assert_int_equal(cella_secret_random(&ledger.key, CELLA_SHA256_SIZE), CELLA_OK);
    assert_int_equal(cella_record_writer_new(&ledger.key, &writer), CELLA_OK);
    const struct cella_record record = { .event = cella_view_of_string("e"),
                                         .body = cella_view_of_string("{}"),
                                         .line = cella_view_of_string(line) };
    assert_int_equal(cella_record_seal(writer, &record, ledger.head, &sealed, &mark), CELLA_OK);
    assert_int_equal(cella_bytes_append(&text, cella_view_of_string(label)), CELLA_OK);
    assert_int_equal(cella_sha256(record.line, digest), CELLA_OK);
    assert_int_equal(cella_bytes_append(&text, cella_view_of(digest, sizeof(digest))), CELLA_OK);
    assert_int_equal(cella_bytes_append(&text, cella_view_of(mark.rest, sizeof(mark.rest))), CELLA_OK);
    assert_int_equal(cella_sha256(cella_bytes_view(&text), digest), CELLA_OK);
    const struct cella_view entry = cella_view_of(digest, sizeof(digest));
    assert_int_equal(cella_merkle_leaf(&entry, 1, &expected), CELLA_OK);
    assert_true(cella_merkle_equal(&mark.leaf, &expected));
    cella_record_writer_free(writer);
    clear(&ledger);
}

static void events_have_names(void **unused)
{
    enum cella_event found;
    (void) unused;
    unsigned int count = 0;
    for (; cella_event_name((enum cella_event) count) != NULL; count++) {
        assert_true(cella_event_of(cella_view_of_string(cella_event_name((enum cella_event) count)), &found));
        assert_int_equal(found, count);
    }
    assert_true(count >= 12);
    assert_false(cella_event_of(cella_view_of_string(CELLA_EVENT_GENESIS), &found));
    assert_false(cella_event_of(cella_view_of_string(""), &found));
}

/* Any two sizes of one ledger belong together, and no other two. */
static void consistency(void **unused)
{
    struct ledger ledger;
    (void) unused;
    make(&ledger);
    for (size_t old = 1; old <= RECORDS; old++) {
        struct cella_merkle_path path;
        struct cella_merkle_hash now;
        struct cella_merkle_hash before;
        struct cella_chain part = { 0 };
        struct cella_record_reader *reader = NULL;
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes plain = { 0 };
        assert_int_equal(cella_record_reader_new(&ledger.key, &reader), CELLA_OK);
        for (size_t i = 0; i < old; i++) {
            struct cella_record record;
            struct cella_record_mark mark;
            assert_int_equal(cella_record_open(reader, cella_bytes_view(&ledger.records[i]), i, part.head, &plain, &record,
                                               &mark),
                             CELLA_OK);
            assert_int_equal(cella_chain_add(&part, &mark), CELLA_OK);
        }
        assert_int_equal(cella_merkle_root(&part.tree, &before), CELLA_OK);
        assert_int_equal(cella_merkle_root(&ledger.chain.tree, &now), CELLA_OK);
        assert_int_equal(cella_chain_prove(&ledger.chain, old, &path), CELLA_OK);
        assert_int_equal(cella_merkle_check_consistency(old, RECORDS, &before, &now, &path), CELLA_OK);
        before.bytes[0] ^= 1;
        assert_int_not_equal(cella_merkle_check_consistency(old, RECORDS, &before, &now, &path), CELLA_OK);
        cella_record_reader_free(reader);
        cella_chain_clear(&part);
    }
    clear(&ledger);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_ledger),
        cmocka_unit_test(every_bit_flipped),
        cmocka_unit_test(every_record_cut),
        cmocka_unit_test(every_record_dropped_swapped_doubled),
        cmocka_unit_test(an_old_ledger_is_continued),
        cmocka_unit_test(a_long_ledger),
        cmocka_unit_test(a_number_is_sealed_once),
        cmocka_unit_test(half_a_change_is_none),
        cmocka_unit_test(what_does_not_belong),
        cmocka_unit_test(leaves),
        cmocka_unit_test(records_of_version_1),
        cmocka_unit_test(lines_are_committed_to),
        cmocka_unit_test(events_have_names),
        cmocka_unit_test(consistency),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
