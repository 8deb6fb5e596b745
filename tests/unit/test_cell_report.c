/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cell/report.h"

static int ends[2];
static uint8_t packet[2 * CELLA_CELL_MESSAGE_MAX];

static int open_pair(void **state)
{
    (void) state;
    return socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends);
}

static int close_pair(void **state)
{
    (void) state;
    close(ends[0]);
    return close(ends[1]);
}

static size_t receive(void)
{
    ssize_t size = recv(ends[1], packet, sizeof(packet), MSG_DONTWAIT);
    return size < 0 ? 0 : (size_t) size;
}

static void test_pieces(void **state)
{
    (void) state;
    static uint8_t text[CELLA_CELL_MESSAGE_MAX + 10];
    assert_int_equal(cella_report_result(ends[0], cella_view_of(text, sizeof(text))), CELLA_OK);
    assert_int_equal(receive(), CELLA_CELL_MESSAGE_MAX);
    assert_int_equal(packet[0], CELLA_CELL_RESULT);
    assert_int_equal(receive(), 12);
    assert_int_equal(cella_report_log(ends[0], (struct cella_view){ 0 }), CELLA_OK);
    assert_int_equal(receive(), 0);
}

static void test_progress_is_cut_between_characters(void **state)
{
    (void) state;
    char text[CELLA_PROGRESS_TEXT_MAX + 10];
    memset(text, 'x', sizeof(text));
    memcpy(text + CELLA_PROGRESS_TEXT_MAX - 1, "\xc3\xa4", 2);
    assert_int_equal(cella_report_progress(ends[0], 2500, cella_view_of(text, sizeof(text))), CELLA_OK);
    assert_int_equal(receive(), 3 + CELLA_PROGRESS_TEXT_MAX - 1);
    assert_int_equal(packet[1] << 8 | packet[2], 2500);
}

static void test_a_failure_fits_one_packet(void **state)
{
    (void) state;
    static char text[100000];
    memset(text, 'x', sizeof(text));
    struct cella_view long_text = cella_view_of(text, sizeof(text));
    struct cella_report_error error = { CELLA_SCRIPT_FAILED, 7, long_text, long_text, long_text };
    assert_int_equal(cella_report_failure(ends[0], &error), CELLA_OK);
    size_t size = receive();
    assert_in_range(size, 1000, CELLA_CELL_MESSAGE_MAX);
    struct cella_reader reader = cella_reader_of(cella_view_of(packet, size));
    uint8_t kind;
    uint32_t number;
    uint32_t line;
    struct cella_view field;
    assert_int_equal(cella_read_u8(&reader, &kind), CELLA_OK);
    assert_int_equal(cella_read_u32(&reader, &number), CELLA_OK);
    assert_int_equal(cella_read_u32(&reader, &line), CELLA_OK);
    assert_int_equal(kind, CELLA_CELL_ERROR);
    assert_int_equal(number, CELLA_SCRIPT_FAILED);
    assert_int_equal(line, 7);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(cella_read_field(&reader, CELLA_CELL_MESSAGE_MAX, &field), CELLA_OK);
    }
    assert_int_equal(cella_reader_end(&reader), CELLA_OK);
}

static void test_nobody_listens(void **state)
{
    (void) state;
    shutdown(ends[1], SHUT_RDWR);
    assert_int_equal(cella_report_done(ends[0]), CELLA_CLOSED);
    assert_int_equal(cella_report_log(ends[0], cella_view_of_string("x")), CELLA_CLOSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_pieces, open_pair, close_pair),
        cmocka_unit_test_setup_teardown(test_progress_is_cut_between_characters, open_pair, close_pair),
        cmocka_unit_test_setup_teardown(test_a_failure_fits_one_packet, open_pair, close_pair),
        cmocka_unit_test_setup_teardown(test_nobody_listens, open_pair, close_pair),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
