/* SPDX-License-Identifier: Apache-2.0 */
#include "sealed_open.h"

#define TAG CELLA_GCM_TAG_SIZE
#define KEY "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

/* Small segments, so that a file of some hundred bytes has every kind of segment. */
static const struct cella_sealed_parameters small = { 64, 32, CELLA_HASH_SHA256 };

static cella_status refuse(void *context, struct cella_view bytes)
{
    (void) context;
    (void) bytes;
    return CELLA_STORE_FULL;
}

static void writer_cleanup(struct cella_sealed_writer **writer)
{
    cella_sealed_writer_free(*writer);
}

static cella_status seal_stream(const struct cella_sealed_parameters *parameters, const struct cella_secret *key,
                                struct cella_view associated_data, struct cella_view plain, size_t piece,
                                struct cella_bytes *out)
{
    CELLA_CLEANUP(writer_cleanup) struct cella_sealed_writer *writer = NULL;
    CELLA_TRY(cella_sealed_writer_new(parameters, key, associated_data, collect, out, &writer));
    for (size_t offset = 0; offset < plain.size; offset += piece) {
        CELLA_TRY(cella_sealed_writer_update(writer, piece_of(plain, offset, piece)));
    }
    return cella_sealed_writer_finish(writer);
}

static void test_borders(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret key = secret_of_hex(KEY);
    struct cella_view associated_data = cella_view_of_string("cella input v1");
    const struct cella_sealed_parameters *sets[] = { &small, &cella_sealed_4kb, &cella_sealed_1mb };
    for (size_t set = 0; set < sizeof(sets) / sizeof(sets[0]); set++) {
        size_t body = sets[set]->segment_size - TAG;
        const size_t sizes[] = { 0,
                                 1,
                                 body - 41,
                                 body - 40,
                                 body - 39,
                                 body - 1,
                                 body,
                                 2 * body - 41,
                                 2 * body - 40,
                                 2 * body - 39,
                                 3 * body - 40,
                                 3 * body + 11 };
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes plain = generate(sizes[i]);
            const size_t pieces[] = { 1000, body - 1, body, body + 1, SIZE_MAX / 2 };
            for (size_t k = 0; k < sizeof(pieces) / sizeof(pieces[0]); k++) {
                if (set == 2 && (k == 1 || k == 3)) {
                    continue;
                }
                CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes sealed = { 0 };
                struct cella_sealed_layout layout;
                assert_int_equal(
                    seal_stream(sets[set], &key, associated_data, cella_bytes_view(&plain), pieces[k], &sealed),
                    CELLA_OK);
                assert_int_equal(cella_sealed_layout_of_plain(sets[set], plain.size, &layout), CELLA_OK);
                assert_int_equal(layout.sealed_size, sealed.size);
                if (k == 0 || set < 2) {
                    assert_opens(sets[set], &key, associated_data, cella_bytes_view(&sealed),
                                 cella_bytes_view(&plain));
                }
            }
        }
    }
}

/* The table of docs/sealed-file.md. */
static void test_layout_table(void **state)
{
    (void) state;
    static const struct {
        const struct cella_sealed_parameters *set;
        uint64_t plain;
        uint64_t count;
        uint64_t sealed;
    } rows[] = {
        { &cella_sealed_4kb, 0, 1, 56 },
        { &cella_sealed_4kb, 1, 1, 57 },
        { &cella_sealed_4kb, 4040, 1, 4096 },
        { &cella_sealed_4kb, 4041, 2, 4113 },
        { &cella_sealed_4kb, 8120, 2, 8192 },
        { &cella_sealed_4kb, 3000000, 736, 3011816 },
        { &cella_sealed_1mb, 0, 1, 56 },
        { &cella_sealed_1mb, 1, 1, 57 },
        { &cella_sealed_1mb, 1048520, 1, 1048576 },
        { &cella_sealed_1mb, 1048521, 2, 1048593 },
        { &cella_sealed_1mb, 2097080, 2, 2097152 },
        { &cella_sealed_1mb, 3000000, 3, 3000088 },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct cella_sealed_layout layout;
        struct cella_sealed_layout back;
        assert_int_equal(cella_sealed_layout_of_plain(rows[i].set, rows[i].plain, &layout), CELLA_OK);
        assert_int_equal(layout.segment_count, rows[i].count);
        assert_int_equal(layout.sealed_size, rows[i].sealed);
        assert_int_equal(cella_sealed_layout_of_sealed(rows[i].set, rows[i].sealed, &back), CELLA_OK);
        assert_int_equal(back.header_size, layout.header_size);
        assert_int_equal(back.segment_count, layout.segment_count);
        assert_int_equal(back.plain_size, layout.plain_size);
        assert_int_equal(back.sealed_size, layout.sealed_size);
    }
}

static void test_layout_limits(void **state)
{
    (void) state;
    struct cella_sealed_layout layout;
    const struct cella_sealed_parameters *set = &cella_sealed_1mb;
    assert_int_equal(cella_sealed_layout_of_sealed(set, CELLA_SEALED_FILE_MAX, &layout), CELLA_OK);
    uint64_t plain = layout.plain_size;
    assert_int_equal(cella_sealed_layout_of_plain(set, plain, &layout), CELLA_OK);
    assert_int_equal(layout.sealed_size, CELLA_SEALED_FILE_MAX);
    assert_int_equal(cella_sealed_layout_of_plain(set, plain + 1, &layout), CELLA_BAD_SIZE);
    assert_int_equal(cella_sealed_layout_of_plain(set, UINT64_MAX, &layout), CELLA_BAD_SIZE);
    assert_int_equal(cella_sealed_layout_of_sealed(set, CELLA_SEALED_FILE_MAX + 1, &layout), CELLA_BAD_SIZE);
    assert_int_equal(cella_sealed_layout_of_sealed(set, UINT64_MAX, &layout), CELLA_BAD_SIZE);
    /* With 4 KiB segments the counter ends first: at 2^32 - 1 segments. */
    uint64_t most = (uint64_t) UINT32_MAX * 4096;
    assert_int_equal(cella_sealed_layout_of_sealed(&cella_sealed_4kb, most, &layout), CELLA_OK);
    assert_int_equal(cella_sealed_layout_of_sealed(&cella_sealed_4kb, most + 17, &layout), CELLA_BAD_SIZE);
    assert_int_equal(cella_sealed_layout_of_plain(&cella_sealed_4kb, layout.plain_size, &layout), CELLA_OK);
    assert_int_equal(cella_sealed_layout_of_plain(&cella_sealed_4kb, layout.plain_size + 1, &layout),
                     CELLA_BAD_SIZE);
    static const uint64_t bad[] = { 0, 1, 40, 55, 4097, 4096 + 15, 4096 + 16, 8192 + 16 };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(cella_sealed_layout_of_sealed(&cella_sealed_4kb, bad[i], &layout), CELLA_TRUNCATED);
    }
}

static void test_bad_parameters(void **state)
{
    (void) state;
    static const struct cella_sealed_parameters sets[] = {
        { 56, 32, CELLA_HASH_SHA256 },   { 40, 16, CELLA_HASH_SHA256 },
        { 0, 32, CELLA_HASH_SHA256 },    { (uint32_t) 1 << 31, 32, CELLA_HASH_SHA256 },
        { 4096, 24, CELLA_HASH_SHA256 }, { 4096, 0, CELLA_HASH_SHA256 },
    };
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret key = secret_of_hex(KEY);
    for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
        struct cella_sealed_layout layout;
        CELLA_CLEANUP(writer_cleanup) struct cella_sealed_writer *writer = NULL;
        CELLA_CLEANUP(reader_cleanup) struct cella_sealed_reader *reader = NULL;
        struct cella_view none = { 0 };
        assert_int_equal(cella_sealed_layout_of_plain(&sets[i], 0, &layout), CELLA_BAD_SIZE);
        assert_int_equal(cella_sealed_layout_of_sealed(&sets[i], 60, &layout), CELLA_BAD_SIZE);
        assert_int_equal(cella_sealed_writer_new(&sets[i], &key, none, collect, NULL, &writer), CELLA_BAD_SIZE);
        assert_int_equal(cella_sealed_reader_new(&sets[i], &key, none, collect, NULL, &reader), CELLA_BAD_SIZE);
    }
}

static void test_bad_key_and_associated_data(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret key = { 0 };
    CELLA_CLEANUP(writer_cleanup) struct cella_sealed_writer *writer = NULL;
    CELLA_CLEANUP(reader_cleanup) struct cella_sealed_reader *reader = NULL;
    const uint8_t context[CELLA_SEALED_ASSOCIATED_DATA_MAX + 1] = { 0 };
    struct cella_view longest = cella_view_of(context, CELLA_SEALED_ASSOCIATED_DATA_MAX);
    struct cella_view too_long = cella_view_of(context, sizeof(context));
    assert_int_equal(cella_secret_resize(&key, 31), CELLA_OK);
    assert_int_equal(cella_sealed_writer_new(&small, &key, longest, collect, NULL, &writer), CELLA_BAD_KEY);
    assert_int_equal(cella_sealed_reader_new(&small, &key, longest, collect, NULL, &reader), CELLA_BAD_KEY);
    assert_int_equal(cella_secret_resize(&key, 32), CELLA_OK);
    assert_int_equal(cella_sealed_writer_new(&small, &key, too_long, collect, NULL, &writer), CELLA_TOO_LARGE);
    assert_int_equal(cella_sealed_reader_new(&small, &key, too_long, collect, NULL, &reader), CELLA_TOO_LARGE);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes sealed = { 0 };
    assert_int_equal(seal_stream(&small, &key, longest, cella_view_of_string("x"), 1, &sealed), CELLA_OK);
    assert_opens(&small, &key, longest, cella_bytes_view(&sealed), cella_view_of_string("x"));
}

static void test_every_change(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret key = secret_of_hex(KEY);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes plain = generate(124);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes sealed = { 0 };
    struct cella_view associated_data = cella_view_of_string("ctx");
    struct cella_view text = cella_bytes_view(&plain);
    assert_int_equal(seal_stream(&small, &key, associated_data, text, 1000, &sealed), CELLA_OK);
    struct cella_view view = cella_bytes_view(&sealed);
    for (size_t i = 0; i < sealed.size * 8; i++) {
        sealed.data[i / 8] ^= (uint8_t) (1 << i % 8);
        assert_refused(&small, &key, associated_data, view, text);
        sealed.data[i / 8] ^= (uint8_t) (1 << i % 8);
    }
    for (size_t size = 0; size < sealed.size; size++) {
        assert_refused(&small, &key, associated_data, cella_view_of(sealed.data, size), text);
    }
    for (size_t extra = 1; extra < 130; extra++) {
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes longer = { 0 };
        assert_int_equal(cella_bytes_set(&longer, view), CELLA_OK);
        assert_int_equal(cella_bytes_resize(&longer, sealed.size + extra), CELLA_OK);
        assert_refused(&small, &key, associated_data, cella_bytes_view(&longer), text);
    }
    assert_refused(&small, &key, (struct cella_view){ 0 }, view, text);
    assert_opens(&small, &key, associated_data, view, text);
    key.data[0] ^= 1;
    assert_refused(&small, &key, associated_data, view, text);
}

static void test_stream_statuses(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret key = secret_of_hex(KEY);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes plain = generate(60);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes sealed = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes out = { 0 };
    struct cella_view none = { 0 };
    /* 60 bytes: segments of 8, 48 and 4 bytes; the file's segments end at 64, 128 and 148. */
    assert_int_equal(seal_stream(&small, &key, none, cella_bytes_view(&plain), 60, &sealed), CELLA_OK);
    assert_int_equal(sealed.size, 148);
    static const struct {
        size_t size;
        cella_status status;
    } rows[] = { { 0, CELLA_TRUNCATED }, { 39, CELLA_TRUNCATED }, { 40, CELLA_TRUNCATED },  { 55, CELLA_TRUNCATED },
                 { 56, CELLA_BAD_TAG },  { 64, CELLA_BAD_TAG },   { 65, CELLA_TRUNCATED },  { 80, CELLA_TRUNCATED },
                 { 81, CELLA_BAD_TAG },  { 128, CELLA_BAD_TAG },  { 144, CELLA_TRUNCATED }, { 147, CELLA_BAD_TAG },
                 { 148, CELLA_OK } };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(open_stream(&small, &key, none, cella_view_of(sealed.data, rows[i].size), 9, &out),
                         rows[i].status);
    }
    sealed.data[0] = 24;
    assert_int_equal(open_stream(&small, &key, none, cella_bytes_view(&sealed), 9, &out), CELLA_BAD_FORMAT);
    sealed.data[0] = 40;

    CELLA_CLEANUP(reader_cleanup) struct cella_sealed_reader *reader = NULL;
    CELLA_CLEANUP(writer_cleanup) struct cella_sealed_writer *writer = NULL;
    assert_int_equal(cella_sealed_reader_new(&small, &key, none, refuse, NULL, &reader), CELLA_OK);
    assert_int_equal(cella_sealed_reader_update(reader, cella_bytes_view(&sealed)), CELLA_STORE_FULL);
    assert_int_equal(cella_sealed_reader_update(reader, none), CELLA_STORE_FULL);
    assert_int_equal(cella_sealed_reader_finish(reader), CELLA_STORE_FULL);
    assert_int_equal(cella_sealed_writer_new(&small, &key, none, refuse, NULL, &writer), CELLA_OK);
    assert_int_equal(cella_sealed_writer_update(writer, cella_bytes_view(&plain)), CELLA_STORE_FULL);
    assert_int_equal(cella_sealed_writer_finish(writer), CELLA_STORE_FULL);
    cella_sealed_reader_free(NULL);
    cella_sealed_writer_free(NULL);
    cella_sealed_cipher_free(NULL);
}

static void test_nothing_after_the_end(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret key = secret_of_hex(KEY);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes sealed = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes out = { 0 };
    CELLA_CLEANUP(reader_cleanup) struct cella_sealed_reader *reader = NULL;
    CELLA_CLEANUP(writer_cleanup) struct cella_sealed_writer *writer = NULL;
    struct cella_view none = { 0 };
    assert_int_equal(cella_sealed_writer_new(&small, &key, none, collect, &sealed, &writer), CELLA_OK);
    assert_int_equal(cella_sealed_writer_finish(writer), CELLA_OK);
    assert_int_equal(cella_sealed_writer_finish(writer), CELLA_BAD_STATE);
    assert_int_equal(cella_sealed_writer_update(writer, cella_view_of_string("x")), CELLA_BAD_STATE);
    assert_int_equal(sealed.size, 56);
    assert_int_equal(cella_sealed_reader_new(&small, &key, none, collect, &out, &reader), CELLA_OK);
    assert_int_equal(cella_sealed_reader_update(reader, cella_bytes_view(&sealed)), CELLA_OK);
    assert_int_equal(cella_sealed_reader_finish(reader), CELLA_OK);
    assert_int_equal(cella_sealed_reader_finish(reader), CELLA_BAD_STATE);
    assert_int_equal(cella_sealed_reader_update(reader, cella_view_of_string("x")), CELLA_BAD_STATE);
}

static void test_segment_sizes(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret key = secret_of_hex(KEY);
    CELLA_CLEANUP(cella_sealed_cipher_cleanup) struct cella_sealed_cipher *cipher = NULL;
    uint8_t header[CELLA_SEALED_HEADER_MAX];
    uint8_t bytes[65] = { 0 };
    struct cella_view none = { 0 };
    assert_int_equal(cella_sealed_cipher_new(&small, &key, none, header, &cipher), CELLA_OK);
    assert_int_equal(header[0], 40);
    assert_int_equal(cella_sealed_segment_seal(cipher, 0, true, cella_view_of(bytes, 9), bytes), CELLA_BAD_SIZE);
    assert_int_equal(cella_sealed_segment_seal(cipher, 0, false, cella_view_of(bytes, 7), bytes), CELLA_BAD_SIZE);
    assert_int_equal(cella_sealed_segment_seal(cipher, 1, true, cella_view_of(bytes, 49), bytes), CELLA_BAD_SIZE);
    assert_int_equal(cella_sealed_segment_seal(cipher, 1, false, cella_view_of(bytes, 47), bytes), CELLA_BAD_SIZE);
    assert_int_equal(cella_sealed_segment_seal(cipher, 1, true, none, bytes), CELLA_BAD_SIZE);
    assert_int_equal(cella_sealed_segment_seal(cipher, UINT32_MAX, true, cella_view_of(bytes, 1), bytes),
                     CELLA_BAD_SIZE);
    assert_int_equal(cella_sealed_segment_seal(cipher, UINT32_MAX - 1, true, cella_view_of(bytes, 1), bytes),
                     CELLA_OK);
    assert_int_equal(cella_sealed_segment_open(cipher, UINT32_MAX - 1, true, cella_view_of(bytes, 17), bytes),
                     CELLA_OK);
    assert_int_equal(bytes[0], 0);
    assert_int_equal(cella_sealed_segment_open(cipher, 1, true, cella_view_of(bytes, 65), bytes), CELLA_BAD_SIZE);
    assert_int_equal(cella_sealed_segment_open(cipher, 1, false, cella_view_of(bytes, 63), bytes), CELLA_BAD_SIZE);
    assert_int_equal(cella_sealed_segment_open(cipher, 0, true, cella_view_of(bytes, 15), bytes), CELLA_TRUNCATED);
    assert_int_equal(cella_sealed_segment_open(cipher, 1, true, cella_view_of(bytes, 16), bytes), CELLA_TRUNCATED);
    assert_int_equal(cella_sealed_segment_open(cipher, 1, true, cella_view_of(bytes, 17), bytes), CELLA_BAD_TAG);
    assert_int_equal(cella_sealed_cipher_of_header(&small, &key, none, cella_view_of(header, 39), &cipher),
                     CELLA_BAD_FORMAT);
}

/* Two files under one key share neither salt nor prefix. */
static void test_fresh_headers(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret key = secret_of_hex(KEY);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes a = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes b = { 0 };
    struct cella_view none = { 0 };
    assert_int_equal(seal_stream(&small, &key, none, none, 1, &a), CELLA_OK);
    assert_int_equal(seal_stream(&small, &key, none, none, 1, &b), CELLA_OK);
    assert_memory_not_equal(a.data + 1, b.data + 1, 32);
    assert_memory_not_equal(a.data + 33, b.data + 33, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_borders),
        cmocka_unit_test(test_layout_table),
        cmocka_unit_test(test_layout_limits),
        cmocka_unit_test(test_bad_parameters),
        cmocka_unit_test(test_bad_key_and_associated_data),
        cmocka_unit_test(test_every_change),
        cmocka_unit_test(test_stream_statuses),
        cmocka_unit_test(test_nothing_after_the_end),
        cmocka_unit_test(test_segment_sizes),
        cmocka_unit_test(test_fresh_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
