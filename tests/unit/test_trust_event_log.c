/* SPDX-License-Identifier: Apache-2.0 */
#include "vectors.h"

#include "trust/event_log.h"

static void add_u32(struct cella_bytes *out, uint32_t value)
{
    const uint8_t bytes[4] = { (uint8_t) value, (uint8_t) (value >> 8), (uint8_t) (value >> 16), (uint8_t) (value >> 24) };
    assert_int_equal(cella_bytes_append(out, cella_view_of(bytes, 4)), CELLA_OK);
}

static void add_u16(struct cella_bytes *out, uint16_t value)
{
    const uint8_t bytes[2] = { (uint8_t) value, (uint8_t) (value >> 8) };
    assert_int_equal(cella_bytes_append(out, cella_view_of(bytes, 2)), CELLA_OK);
}

static void add_header(struct cella_bytes *out, uint32_t banks)
{
    static const uint8_t zeros[20];
    static const uint8_t version[8] = { 0, 0, 0, 0, 0, 2, 0, 2 };
    add_u32(out, 0);
    add_u32(out, 3);
    assert_int_equal(cella_bytes_append(out, cella_view_of(zeros, sizeof(zeros))), CELLA_OK);
    add_u32(out, 16 + 8 + 4 + 4 * banks + 1);
    assert_int_equal(cella_bytes_append(out, cella_view_of("Spec ID Event03", 16)), CELLA_OK);
    assert_int_equal(cella_bytes_append(out, cella_view_of(version, sizeof(version))), CELLA_OK);
    add_u32(out, banks);
    for (uint32_t i = 0; i < banks; i++) {
        add_u16(out, (uint16_t) (11 + i));
        add_u16(out, 32);
    }
    assert_int_equal(cella_bytes_append(out, cella_view_of(zeros, 1)), CELLA_OK);
}

/* An event of one bank, of a digest that is all of one byte. */
static void add_event(struct cella_bytes *out, uint32_t number, uint32_t type, uint8_t digest, struct cella_view data)
{
    uint8_t bytes[32];
    memset(bytes, digest, sizeof(bytes));
    add_u32(out, number);
    add_u32(out, type);
    add_u32(out, 1);
    add_u16(out, 11);
    assert_int_equal(cella_bytes_append(out, cella_view_of(bytes, sizeof(bytes))), CELLA_OK);
    add_u32(out, (uint32_t) data.size);
    assert_int_equal(cella_bytes_append(out, data), CELLA_OK);
}

static void test_open(void **state)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes bytes = { 0 };
    struct cella_event_log log;
    (void) state;
    add_header(&bytes, 1);
    assert_int_equal(cella_event_log_open(cella_bytes_view(&bytes), &log), CELLA_OK);
    assert_int_equal(log.bank_count, 1);
    for (size_t size = 0; size < bytes.size; size++) {
        assert_int_equal(cella_event_log_open(cella_view_of(bytes.data, size), &log), CELLA_BAD_FORMAT);
    }
    cella_bytes_clear(&bytes);
    add_header(&bytes, CELLA_EVENT_BANKS_MAX + 1);
    assert_int_equal(cella_event_log_open(cella_bytes_view(&bytes), &log), CELLA_BAD_FORMAT);
}

static void test_next(void **state)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes bytes = { 0 };
    struct cella_event_log log;
    struct cella_event event;
    (void) state;
    add_header(&bytes, 1);
    add_event(&bytes, 7, 4, 0xaa, cella_view_of_string("text"));
    add_event(&bytes, 0xffffffff, 3, 0, cella_view_of_string("note"));
    add_event(&bytes, CELLA_EVENT_REGISTERS, 4, 0, cella_view_of_string(""));
    assert_int_equal(cella_event_log_open(cella_bytes_view(&bytes), &log), CELLA_OK);
    assert_int_equal(cella_event_log_next(&log, &event), CELLA_OK);
    assert_int_equal(event.number, 7);
    assert_true(event.extends && cella_view_is(event.data, "text"));
    assert_int_equal(cella_event_log_next(&log, &event), CELLA_OK);
    assert_false(event.extends);
    assert_int_equal(cella_event_log_next(&log, &event), CELLA_BAD_FORMAT); /* there is no such register */
    assert_int_equal(cella_event_log_next(&log, &event), CELLA_NOT_FOUND);
}

static void test_too_many(void **state)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes bytes = { 0 };
    struct cella_replay replay;
    (void) state;
    add_header(&bytes, 1);
    for (size_t i = 0; i < CELLA_EVENTS_MAX; i++) {
        add_event(&bytes, 1, 4, (uint8_t) i, (struct cella_view){ 0 });
    }
    assert_int_equal(cella_event_log_replay(cella_bytes_view(&bytes), CELLA_HASH_SHA256, &replay), CELLA_OK);
    assert_int_equal(replay.extend_count, CELLA_EVENTS_MAX);
    add_event(&bytes, 1, 4, 1, (struct cella_view){ 0 });
    assert_int_equal(cella_event_log_replay(cella_bytes_view(&bytes), CELLA_HASH_SHA256, &replay), CELLA_TOO_MANY);
}

static void test_replay(void **state)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes bytes = { 0 };
    struct cella_replay replay;
    uint8_t expected[CELLA_SHA384_SIZE] = { 0 };
    uint8_t digest[32];
    (void) state;
    add_header(&bytes, 1);
    add_event(&bytes, 7, 4, 0xaa, cella_view_of_string("text"));
    add_event(&bytes, 7, 3, 0xbb, cella_view_of_string("note"));
    assert_int_equal(cella_event_log_replay(cella_bytes_view(&bytes), CELLA_HASH_SHA256, &replay), CELLA_OK);
    memset(digest, 0xaa, sizeof(digest));
    assert_int_equal(cella_event_extend(CELLA_HASH_SHA256, expected, digest), CELLA_OK);
    assert_memory_equal(replay.values[7], expected, 32);
    assert_int_equal(replay.extended, 1U << 7);
    assert_int_equal(replay.extend_count, 1);
    assert_int_equal(cella_event_log_replay(cella_bytes_view(&bytes), CELLA_HASH_SHA384, &replay), CELLA_NOT_FOUND);
    assert_true(cella_event_log_has(cella_bytes_view(&bytes), CELLA_HASH_SHA256, 7, cella_view_of(digest, 32)));
    assert_false(cella_event_log_has(cella_bytes_view(&bytes), CELLA_HASH_SHA256, 6, cella_view_of(digest, 32)));
    assert_false(cella_event_log_has(cella_bytes_view(&bytes), CELLA_HASH_SHA384, 7, cella_view_of(digest, 32)));
    memset(digest, 0xbb, sizeof(digest)); /* a note is not extended */
    assert_false(cella_event_log_has(cella_bytes_view(&bytes), CELLA_HASH_SHA256, 7, cella_view_of(digest, 32)));
}

/* SHA-256 with digests of another size is a lie. */
static void test_bank_of_another_size(void **state)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes bytes = { 0 };
    struct cella_replay replay;
    (void) state;
    add_header(&bytes, 2); /* the second says SHA-384 and 32 bytes */
    assert_int_equal(cella_event_log_replay(cella_bytes_view(&bytes), CELLA_HASH_SHA384, &replay), CELLA_BAD_FORMAT);
    assert_int_equal(cella_event_log_replay(cella_bytes_view(&bytes), CELLA_HASH_SHA256, &replay), CELLA_OK);
    assert_int_equal(replay.extended, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open),     cmocka_unit_test(test_next),
        cmocka_unit_test(test_too_many), cmocka_unit_test(test_replay),
        cmocka_unit_test(test_bank_of_another_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
