/* SPDX-License-Identifier: Apache-2.0 */
#include "vectors.h"

#include "trust/mutual_channel.h"

struct ends {
    struct cella_mutual_channel *one;
    struct cella_mutual_channel *other;
    struct cella_bytes record;
    struct cella_secret plain;
};

static struct cella_mutual_channel *make_end(uint8_t send, uint8_t receive)
{
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret sending = { 0 };
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret receiving = { 0 };
    struct cella_mutual_channel *channel = NULL;
    assert_int_equal(cella_secret_resize(&sending, CELLA_AES_KEY_SIZE), CELLA_OK);
    assert_int_equal(cella_secret_resize(&receiving, CELLA_AES_KEY_SIZE), CELLA_OK);
    memset(sending.data, send, sending.size);
    memset(receiving.data, receive, receiving.size);
    assert_int_equal(cella_mutual_channel_new(&sending, &receiving, &channel), CELLA_OK);
    assert_null(sending.data);
    assert_null(receiving.data);
    return channel;
}

static void renew(struct ends *ends)
{
    cella_mutual_channel_free(ends->one);
    cella_mutual_channel_free(ends->other);
    ends->one = make_end(1, 2);
    ends->other = make_end(2, 1);
}

static int set_up(void **state)
{
    struct ends *ends = test_calloc(1, sizeof(*ends));
    renew(ends);
    *state = ends;
    return 0;
}

static int tear_down(void **state)
{
    struct ends *ends = *state;
    cella_mutual_channel_free(ends->one);
    cella_mutual_channel_free(ends->other);
    cella_bytes_clear(&ends->record);
    cella_secret_clear(&ends->plain);
    test_free(ends);
    return 0;
}

static void seal(struct ends *ends, const char *text)
{
    cella_bytes_clear(&ends->record);
    assert_int_equal(cella_mutual_channel_seal(ends->one, cella_view_of_string(text), &ends->record), CELLA_OK);
}

static cella_status open_at(struct cella_mutual_channel *channel, struct ends *ends)
{
    return cella_mutual_channel_open(channel, cella_bytes_view(&ends->record), &ends->plain);
}

/* Ended with that status, for everything and for good. */
static void assert_ended(struct cella_mutual_channel *channel, cella_status status)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes out = { 0 };
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret plain = { 0 };
    assert_int_equal(cella_mutual_channel_seal(channel, cella_view_of_string("x"), &out), status);
    assert_int_equal(cella_mutual_channel_close(channel, &out), status);
    assert_int_equal(cella_mutual_channel_open(channel, cella_view_of_string("x"), &plain), status);
    assert_int_equal(cella_mutual_channel_end(channel), status);
    assert_int_equal(out.size, 0);
    assert_null(plain.data);
}

static void assert_refused(struct ends *ends, cella_status status)
{
    assert_int_equal(open_at(ends->other, ends), status);
    assert_null(ends->plain.data);
    assert_ended(ends->other, status);
}

static void test_contents_arrive(void **state)
{
    struct ends *ends = *state;
    static const size_t sizes[] = { 0, 1, 16, 4096, CELLA_MUTUAL_RECORD_MAX };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes content = { 0 };
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        assert_int_equal(cella_bytes_resize(&content, sizes[i]), CELLA_OK);
        assert_true(sizes[i] == 0 || cella_random(content.data, sizes[i]) == CELLA_OK);
        cella_bytes_clear(&ends->record);
        assert_int_equal(cella_mutual_channel_seal(ends->one, cella_bytes_view(&content), &ends->record), CELLA_OK);
        assert_int_equal(ends->record.size, 8 + sizes[i] + 16);
        assert_int_equal(open_at(ends->other, ends), CELLA_OK);
        assert_true(cella_view_equal(cella_secret_view(&ends->plain), cella_bytes_view(&content)));
    }
}

/* Records stand one behind the other in the output; the same content is never the same record. */
static void test_records_are_appended(void **state)
{
    struct ends *ends = *state;
    seal(ends, "same");
    assert_int_equal(cella_mutual_channel_seal(ends->one, cella_view_of_string("same"), &ends->record), CELLA_OK);
    assert_int_equal(ends->record.size, 2 * (8 + 4 + 16));
    assert_memory_not_equal(ends->record.data + 8, ends->record.data + 28 + 8, 4);
    for (size_t i = 0; i < 2; i++) {
        size_t size;
        struct cella_view rest = cella_view_of(ends->record.data + 28 * i, ends->record.size - 28 * i);
        assert_int_equal(cella_mutual_message_size(rest, &size), CELLA_OK);
        assert_int_equal(size, 28);
        assert_int_equal(cella_mutual_channel_open(ends->other, cella_view_of(rest.data, size), &ends->plain),
                         CELLA_OK);
    }
}

static void test_too_large_changes_nothing(void **state)
{
    struct ends *ends = *state;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes content = { 0 };
    assert_int_equal(cella_bytes_resize(&content, CELLA_MUTUAL_RECORD_MAX + 1), CELLA_OK);
    assert_int_equal(cella_mutual_channel_seal(ends->one, cella_bytes_view(&content), &ends->record),
                     CELLA_TOO_LARGE);
    assert_int_equal(ends->record.size, 0);
    seal(ends, "still there");
    assert_int_equal(open_at(ends->other, ends), CELLA_OK);
}

static void test_every_byte_of_a_record_flipped(void **state)
{
    struct ends *ends = *state;
    for (size_t i = 0; i < 8 + 6 + 16; i++) {
        renew(ends);
        seal(ends, "secret");
        ends->record.data[i] ^= (uint8_t) (1 << i % 8);
        cella_status status = open_at(ends->other, ends);
        assert_int_equal(status, i == 0             ? CELLA_BAD_VERSION
                                 : i == 4 || i == 5 ? CELLA_TOO_LARGE
                                 : i < 8            ? CELLA_BAD_FORMAT
                                                    : CELLA_BAD_TAG);
        assert_ended(ends->other, status);
    }
}

static void test_every_size_of_a_record(void **state)
{
    struct ends *ends = *state;
    for (size_t i = 0; i < 8 + 6 + 16; i++) {
        renew(ends);
        seal(ends, "secret");
        ends->record.size = i;
        assert_refused(ends, CELLA_BAD_FORMAT);
    }
    renew(ends);
    seal(ends, "secret");
    ends->record.size--;
    cella_mutual_header(CELLA_MUTUAL_KIND_RECORD, ends->record.size - 8, ends->record.data);
    assert_refused(ends, CELLA_BAD_TAG);
    renew(ends);
    seal(ends, "secret");
    assert_int_equal(cella_bytes_append(&ends->record, cella_view_of("", 1)), CELLA_OK);
    assert_refused(ends, CELLA_BAD_FORMAT);
}

static void test_record_lost(void **state)
{
    struct ends *ends = *state;
    seal(ends, "first");
    seal(ends, "second");
    assert_refused(ends, CELLA_BAD_TAG);
}

static void test_record_twice(void **state)
{
    struct ends *ends = *state;
    seal(ends, "pay");
    assert_int_equal(open_at(ends->other, ends), CELLA_OK);
    assert_refused(ends, CELLA_BAD_TAG);
}

static void test_own_record_comes_back(void **state)
{
    struct ends *ends = *state;
    seal(ends, "to the other");
    assert_int_equal(open_at(ends->one, ends), CELLA_BAD_TAG);
    assert_ended(ends->one, CELLA_BAD_TAG);
}

static void test_record_of_another_channel(void **state)
{
    struct ends *ends = *state;
    cella_mutual_channel_free(ends->one);
    ends->one = make_end(3, 2);
    seal(ends, "elsewhere");
    assert_refused(ends, CELLA_BAD_TAG);
}

/* A record that is dressed up as an end, and the other way round. */
static void test_kinds_are_authentic(void **state)
{
    struct ends *ends = *state;
    seal(ends, "");
    ends->record.data[1] = CELLA_MUTUAL_KIND_CLOSE;
    assert_refused(ends, CELLA_BAD_TAG);
    renew(ends);
    cella_bytes_clear(&ends->record);
    assert_int_equal(cella_mutual_channel_close(ends->one, &ends->record), CELLA_OK);
    ends->record.data[1] = CELLA_MUTUAL_KIND_RECORD;
    assert_refused(ends, CELLA_BAD_TAG);
}

static void test_handshake_messages_are_no_records(void **state)
{
    struct ends *ends = *state;
    static const size_t sizes[] = { 0, 192, 192 + 92, 92, 16 };
    for (size_t kind = 1; kind <= 4; kind++) {
        renew(ends);
        cella_bytes_clear(&ends->record);
        assert_int_equal(cella_bytes_resize(&ends->record, 8 + sizes[kind]), CELLA_OK);
        cella_mutual_header((enum cella_mutual_kind) kind, sizes[kind], ends->record.data);
        assert_refused(ends, CELLA_BAD_STATE);
    }
}

/* Cut before its end, a channel is a cut one, whatever has arrived. */
static void test_truncation_is_seen(void **state)
{
    struct ends *ends = *state;
    assert_int_equal(cella_mutual_channel_end(ends->other), CELLA_TRUNCATED);
    seal(ends, "half of it");
    assert_int_equal(open_at(ends->other, ends), CELLA_OK);
    assert_int_equal(cella_mutual_channel_end(ends->other), CELLA_TRUNCATED);
    cella_bytes_clear(&ends->record);
    assert_int_equal(cella_mutual_channel_close(ends->one, &ends->record), CELLA_OK);
    assert_int_equal(open_at(ends->other, ends), CELLA_CLOSED);
    assert_int_equal(cella_mutual_channel_end(ends->other), CELLA_OK);
}

/* After one side's end the other direction goes on; the ended one does not. */
static void test_ends_one_direction(void **state)
{
    struct ends *ends = *state;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes more = { 0 };
    assert_int_equal(cella_mutual_channel_close(ends->one, &ends->record), CELLA_OK);
    assert_int_equal(cella_mutual_channel_close(ends->one, &more), CELLA_BAD_STATE);
    assert_int_equal(cella_mutual_channel_seal(ends->one, cella_view_of_string("late"), &more), CELLA_BAD_STATE);
    assert_int_equal(more.size, 0);
    assert_int_equal(open_at(ends->other, ends), CELLA_CLOSED);
    assert_int_equal(cella_mutual_channel_seal(ends->other, cella_view_of_string("answer"), &more), CELLA_OK);
    assert_int_equal(cella_mutual_channel_open(ends->one, cella_bytes_view(&more), &ends->plain), CELLA_OK);
    assert_true(cella_view_is(cella_secret_view(&ends->plain), "answer"));
    assert_refused(ends, CELLA_BAD_STATE); /* anything after the end */
}

/* Past two limits; the records before and behind a change of keys arrive, and a key is never used for more. */
static void test_keys_change(void **state)
{
    struct ends *ends = *state;
    for (uint64_t i = 0; i < 2 * CELLA_MUTUAL_REKEY_RECORDS + 2; i++) {
        char text[24];
        (void) snprintf(text, sizeof(text), "%llu", (unsigned long long) i);
        seal(ends, text);
        if (open_at(ends->other, ends) != CELLA_OK || !cella_view_is(cella_secret_view(&ends->plain), text)) {
            fail_msg("record %s", text);
        }
    }
}

/* What the first record under the next key must be: HKDF of the key before it, number 0. */
static void test_the_next_key(void **state)
{
    struct ends *ends = *state;
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret key = { 0 };
    uint8_t before[CELLA_AES_KEY_SIZE];
    const uint8_t nonce[CELLA_GCM_NONCE_SIZE] = { 0 };
    uint8_t plain[5];
    memset(before, 1, sizeof(before));
    assert_int_equal(cella_secret_resize(&key, CELLA_AES_KEY_SIZE), CELLA_OK);
    assert_int_equal(cella_hkdf(CELLA_HASH_SHA256, cella_view_of(before, sizeof(before)), (struct cella_view){ 0 },
                                cella_view_of_string("cella mutual key v1 next"), &key),
                     CELLA_OK);
    for (uint64_t i = 0; i < CELLA_MUTUAL_REKEY_RECORDS; i++) {
        seal(ends, "");
    }
    seal(ends, "hello");
    CELLA_CLEANUP(cella_aead_cleanup) struct cella_aead *aead = cella_aead_new(&key);
    assert_int_equal(cella_aead_open(aead, nonce, cella_view_of(ends->record.data, 8),
                                     cella_view_of(ends->record.data + 8, ends->record.size - 8), plain),
                     CELLA_OK);
    assert_memory_equal(plain, "hello", 5);
}

static void test_keys_of_another_size(void **state)
{
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret sending = { 0 };
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret receiving = { 0 };
    struct cella_mutual_channel *channel = NULL;
    (void) state;
    assert_int_equal(cella_secret_resize(&sending, CELLA_AES_KEY_SIZE), CELLA_OK);
    assert_int_equal(cella_secret_resize(&receiving, 16), CELLA_OK);
    assert_int_equal(cella_mutual_channel_new(&sending, &receiving, &channel), CELLA_BAD_KEY);
    assert_int_equal(cella_mutual_channel_new(&receiving, &sending, &channel), CELLA_BAD_KEY);
    assert_null(channel);
    cella_mutual_channel_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_contents_arrive, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_records_are_appended, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_too_large_changes_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_every_byte_of_a_record_flipped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_every_size_of_a_record, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_record_lost, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_record_twice, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_own_record_comes_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_record_of_another_channel, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_kinds_are_authentic, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_handshake_messages_are_no_records, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_truncation_is_seen, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_ends_one_direction, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_keys_change, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_next_key, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_keys_of_another_size, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
