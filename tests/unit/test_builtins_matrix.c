/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "builtin_input.h"
#include "builtins/matrix.h"

static cella_status read_both(struct cella_view bytes, enum cella_matrix_header header,
                              enum cella_matrix_missing missing, size_t columns, struct cella_builtin_call *call,
                              struct cella_matrix *out)
{
    CELLA_CLEANUP(cella_matrix_release) struct cella_matrix streamed = { 0 };
    struct cella_builtin_call other = { .threads = 1 };
    struct piecewise from = { bytes, 3 };
    struct cella_builtin_input whole = input_of(bytes);
    struct cella_builtin_input stream = input_stream(&from);
    cella_status status = cella_matrix_read(call, &whole, header, missing, columns, out);
    assert_int_equal(cella_matrix_read(&other, &stream, header, missing, columns, &streamed), status);
    if (status == CELLA_OK) {
        assert_int_equal(out->rows, streamed.rows);
        assert_int_equal(out->columns, streamed.columns);
        assert_true(cella_view_equal(cella_bytes_view(&out->names), cella_bytes_view(&streamed.names)));
        for (size_t i = 0; i < out->rows * out->columns; i++) {
            assert_true(out->values[i] == streamed.values[i] || (isnan(out->values[i]) && isnan(streamed.values[i])));
        }
    }
    return status;
}

static void expect_csv(const char *text, enum cella_matrix_header header, size_t rows, size_t columns,
                       const char *written)
{
    struct cella_builtin_call call = { .threads = 1 };
    CELLA_CLEANUP(cella_matrix_release) struct cella_matrix matrix = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes out = { 0 };
    struct cella_builtin_output output = output_to(&out);
    assert_int_equal(
        read_both(cella_view_of_string(text), header, CELLA_MATRIX_KEEP_NAN, 0, &call, &matrix), CELLA_OK);
    assert_int_equal(matrix.rows, rows);
    assert_int_equal(matrix.columns, columns);
    assert_int_equal(cella_matrix_write_csv(&matrix, &output), CELLA_OK);
    assert_int_equal(cella_builtin_output_flush(&output), CELLA_OK);
    assert_true(cella_view_is(cella_bytes_view(&out), written));
    cella_bytes_clear(&output.pending);
}

static void test_csv(void **state)
{
    (void) state;
    expect_csv("1,2\n3,4\n", CELLA_MATRIX_AUTO, 2, 2, "1.0,2.0\n3.0,4.0\n");
    expect_csv("x,y\n1,2.5\n", CELLA_MATRIX_AUTO, 1, 2, "x,y\n1.0,2.5\n");
    expect_csv("x,y\n1,2\n", CELLA_MATRIX_HEADER, 1, 2, "x,y\n1.0,2.0\n");
    expect_csv("1,2\n3,4\n", CELLA_MATRIX_HEADER, 1, 2, "1,2\n3.0,4.0\n");
    expect_csv("1\n", CELLA_MATRIX_HEADER, 0, 1, "1\n");
    expect_csv("1\n\n2\n", CELLA_MATRIX_AUTO, 3, 1, "1.0\n\n2.0\n");
    expect_csv(",nan\nNaN,7\n", CELLA_MATRIX_AUTO, 2, 2, ",\n,7.0\n");
    expect_csv("\"a,b\"\n", CELLA_MATRIX_AUTO, 0, 1, "\"a,b\"\n");
}

static void expect_refused(const char *text, enum cella_matrix_header header, enum cella_matrix_missing missing,
                           size_t columns, const char *message)
{
    struct cella_builtin_call call = { .threads = 1 };
    CELLA_CLEANUP(cella_matrix_release) struct cella_matrix matrix = { 0 };
    assert_int_equal(read_both(cella_view_of_string(text), header, missing, columns, &call, &matrix),
                     CELLA_BUILTIN_FAILED);
    assert_string_equal(call.message, message);
}

static void test_csv_refused(void **state)
{
    (void) state;
    expect_refused("", CELLA_MATRIX_AUTO, CELLA_MATRIX_REFUSE, 0, "data: is empty: there are no columns");
    expect_refused("1,2\n", CELLA_MATRIX_AUTO, CELLA_MATRIX_REFUSE, 3, "data: has 2 columns instead of 3");
    expect_refused("1,2\n3,\n", CELLA_MATRIX_AUTO, CELLA_MATRIX_REFUSE, 0, "data, row 2, column 2: is missing");
    expect_refused("a,b\n1,nan\n", CELLA_MATRIX_AUTO, CELLA_MATRIX_REFUSE, 0,
                   "data, row 1, column 2 (b): 'nan' is not a finite number");
    expect_refused("a,b\n1,-inf\n", CELLA_MATRIX_AUTO, CELLA_MATRIX_KEEP_NAN, 0,
                   "data, row 1, column 2 (b): '-inf' is not a finite number");
    expect_refused("a,b\n1,x\n", CELLA_MATRIX_AUTO, CELLA_MATRIX_KEEP_NAN, 0,
                   "data, row 1, column 2 (b): 'x' is not a number");
    expect_refused("a,b\n1,\"\"\n", CELLA_MATRIX_AUTO, CELLA_MATRIX_KEEP_NAN, 0,
                   "data, row 1, column 2 (b): '' is not a number");
    expect_refused("a,1\n1,2\n", CELLA_MATRIX_AUTO, CELLA_MATRIX_KEEP_NAN, 0,
                   "data, row 1, column 1: 'a' is not a number");
    expect_refused("a,a\n1,2\n", CELLA_MATRIX_AUTO, CELLA_MATRIX_REFUSE, 0, "data, header: two columns are named 'a'");
}

static struct cella_view npy(struct cella_bytes *to, const char *dictionary, const void *numbers, size_t size)
{
    uint8_t head[] = { 0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, 0, 0 };
    head[8] = (uint8_t) strlen(dictionary);
    to->size = 0;
    assert_int_equal(cella_bytes_append(to, cella_view_of(head, sizeof(head))), CELLA_OK);
    assert_int_equal(cella_bytes_append(to, cella_view_of_string(dictionary)), CELLA_OK);
    assert_int_equal(cella_bytes_append(to, cella_view_of(numbers, size)), CELLA_OK);
    return cella_bytes_view(to);
}

static void expect_npy(const char *dictionary, const void *numbers, size_t size, size_t rows, size_t columns,
                       const double *expected)
{
    struct cella_builtin_call call = { .threads = 1 };
    CELLA_CLEANUP(cella_matrix_release) struct cella_matrix matrix = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes bytes = { 0 };
    assert_int_equal(read_both(npy(&bytes, dictionary, numbers, size), CELLA_MATRIX_AUTO, CELLA_MATRIX_REFUSE, 0, &call,
                               &matrix),
                     CELLA_OK);
    assert_int_equal(matrix.rows, rows);
    assert_int_equal(matrix.columns, columns);
    assert_int_equal(matrix.names.size, 0);
    for (size_t i = 0; i < rows * columns; i++) {
        assert_true(matrix.values[i] == expected[i]);
    }
}

static void test_npy(void **state)
{
    (void) state;
    static const double six[] = { 1, 2, 3, 4, 5, 6 };
    static const double turned[] = { 1, 3, 5, 2, 4, 6 };
    static const double ones[] = { 1, 0, 1 };
    static const double minus[] = { -1, 1 };
    static const double large[] = { 18446744073709551615.0 };
    static const float halves[] = { 0.5F, -2.5F };
    static const double as_double[] = { 0.5, -2.5 };
    expect_npy("{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }  \n", six, 48, 2, 3, six);
    expect_npy("{'descr':'<f8','fortran_order':True,'shape':(2,3)}", six, 48, 2, 3, turned);
    expect_npy("{\"shape\": (6,), \"fortran_order\": True, \"descr\": \"=f8\"}", six, 48, 6, 1, six);
    expect_npy("{'descr': '|b1', 'fortran_order': False, 'shape': (3, 1), }", "\x01\x00\x05", 3, 3, 1, ones);
    expect_npy("{'descr': '|i1', 'fortran_order': False, 'shape': (1, 2), }", "\xff\x01", 2, 1, 2, minus);
    expect_npy("{'descr': '>i2', 'fortran_order': False, 'shape': (1, 2), }", "\xff\xff\x00\x01", 4, 1, 2, minus);
    expect_npy("{'descr': '<i4', 'fortran_order': False, 'shape': (2,), }", "\xff\xff\xff\xff\x01\0\0\0", 8, 2, 1,
               minus);
    expect_npy("{'descr': '>u8', 'fortran_order': False, 'shape': (1,), }", "\xff\xff\xff\xff\xff\xff\xff\xff", 8, 1, 1,
               large);
    expect_npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }", halves, 8, 1, 2, as_double);
    expect_npy("{'descr': '>f8', 'fortran_order': False, 'shape': (1,), }", "\x3f\xf0\0\0\0\0\0\0", 8, 1, 1, six);
    expect_npy("{'descr': '<f8', 'fortran_order': False, 'shape': (0, 3), }", "", 0, 0, 3, six);
}

static void expect_npy_refused(const char *dictionary, const void *numbers, size_t size, const char *message)
{
    struct cella_builtin_call call = { .threads = 1 };
    CELLA_CLEANUP(cella_matrix_release) struct cella_matrix matrix = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes bytes = { 0 };
    struct cella_builtin_input input = input_of(npy(&bytes, dictionary, numbers, size));
    assert_int_equal(cella_matrix_read(&call, &input, CELLA_MATRIX_AUTO, CELLA_MATRIX_REFUSE, 0, &matrix),
                     CELLA_BUILTIN_FAILED);
    assert_string_equal(call.message, message);
}

static void test_npy_refused(void **state)
{
    (void) state;
    static const double bad[] = { 1, (double) NAN, 3, -(double) INFINITY };
    const char *dictionary = "data: the .npy header is not a dictionary with descr (of one simple type), fortran_order "
                             "and shape";
    expect_npy_refused("", "", 0, dictionary);
    expect_npy_refused("{'descr': '<f8', 'shape': (2,)}", "", 0, dictionary);
    expect_npy_refused("{'descr': '<f8', 'fortran_order': 0, 'shape': (2,)}", "", 0, dictionary);
    expect_npy_refused("{'descr': '<f8', 'fortran_order': False, 'shape': (2}", "", 0, dictionary);
    expect_npy_refused("{'descr': '<f8', 'fortran_order': False, 'shape': (-2,)}", "", 0, dictionary);
    expect_npy_refused("{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999999999,)}", "", 0, dictionary);
    expect_npy_refused("{'descr': '<f8', 'fortran_order': False, 'shape': (1,), 'shape': (1,)}", "", 0, dictionary);
    expect_npy_refused("{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (2,)}", "", 0, dictionary);
    expect_npy_refused("{'descr': '<c16', 'fortran_order': False, 'shape': (2,)}", "", 0,
                       "data: .npy of type '<c16'; bool, integers, f4 and f8 can be read");
    expect_npy_refused("{'descr': '|O', 'fortran_order': False, 'shape': (2,)}", "", 0,
                       "data: .npy of type '|O'; bool, integers, f4 and f8 can be read");
    expect_npy_refused("{'descr': '<f8', 'fortran_order': False, 'shape': ()}", "", 0,
                       "data: the array has 0 dimensions, not one or two");
    expect_npy_refused("{'descr': '<f8', 'fortran_order': False, 'shape': (1, 1, 1)}", "", 0,
                       "data: the array has 3 dimensions, not one or two");
    expect_npy_refused("{'descr': '<f8', 'fortran_order': False, 'shape': (2, 0)}", "", 0,
                       "data: is empty: there are no columns");
    expect_npy_refused("{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296, 4294967296)}", "", 0,
                       "data: a shape of 4294967296 x 4294967296 is beyond any memory");
    expect_npy_refused("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000, 1000)}", bad, 32,
                       "data: is too short for its shape of 1000000 x 1000");
    expect_npy_refused("{'descr': '<f8', 'fortran_order': False, 'shape': (5,)}", bad, 8,
                       "data: ends after 1 of 5 numbers");
    expect_npy_refused("{'descr': '<f8', 'fortran_order': False, 'shape': (1,)}", bad, 9,
                       "data: goes on after its 1 numbers");
    expect_npy_refused("{'descr': '<f8', 'fortran_order': False, 'shape': (2, 2)}", bad, 32,
                       "data, row 1, column 2: is missing (NaN)");
    expect_npy_refused("{'descr': '<f8', 'fortran_order': True, 'shape': (2, 2)}", bad, 32,
                       "data, row 2, column 1: is missing (NaN)");
}

static void test_npy_version(void **state)
{
    (void) state;
    struct cella_builtin_call call = { .threads = 1 };
    struct cella_matrix matrix = { 0 };
    struct cella_builtin_input four = input_of(cella_view_of("\x93NUMPY\x04\x00\x00\x00", 10));
    assert_int_equal(cella_matrix_read(&call, &four, CELLA_MATRIX_AUTO, CELLA_MATRIX_REFUSE, 0, &matrix),
                     CELLA_BUILTIN_FAILED);
    assert_string_equal(call.message, "data: is not .npy of version 1, 2 or 3");
    struct cella_builtin_input cut = input_of(cella_view_of("\x93NUMPY\x01\x00\x09\x00{", 11));
    assert_int_equal(cella_matrix_read(&call, &cut, CELLA_MATRIX_AUTO, CELLA_MATRIX_REFUSE, 0, &matrix),
                     CELLA_BUILTIN_FAILED);
    assert_string_equal(call.message, "data: the .npy header is cut off");
    struct cella_builtin_input long_one = input_of(cella_view_of("\x93NUMPY\x02\x00\x00\x00\x01\x00", 12));
    assert_int_equal(cella_matrix_read(&call, &long_one, CELLA_MATRIX_AUTO, CELLA_MATRIX_REFUSE, 0, &matrix),
                     CELLA_BUILTIN_FAILED);
    assert_string_equal(call.message, "data: the .npy header has 65536 bytes, more than 65535");
}

static void test_write_npy(void **state)
{
    (void) state;
    double values[] = { 1, -0.0, (double) NAN, 4, 5, 6 };
    struct cella_matrix matrix = { .rows = 3, .columns = 2, .values = values };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes out = { 0 };
    struct cella_builtin_output output = output_to(&out);
    assert_int_equal(cella_matrix_write_npy(&matrix, &output), CELLA_OK);
    assert_int_equal(cella_builtin_output_flush(&output), CELLA_OK);
    cella_bytes_clear(&output.pending);
    assert_int_equal(out.size, 128 + sizeof(values));
    struct cella_builtin_call call = { .threads = 1 };
    CELLA_CLEANUP(cella_matrix_release) struct cella_matrix back = { 0 };
    assert_int_equal(
        read_both(cella_bytes_view(&out), CELLA_MATRIX_HEADER, CELLA_MATRIX_KEEP_NAN, 2, &call, &back), CELLA_OK);
    assert_memory_equal(back.values, values, sizeof(values));
}

static cella_status cancel(void *context, double fraction)
{
    (void) context;
    (void) fraction;
    return CELLA_CANCELLED;
}

/* Numbers are used where they lie if a double may lie there. */
static void test_npy_in_place(void **state)
{
    (void) state;
    static const double six[] = { 1, 2, 3, 4, 5, 6 };
    static const char head[] = "\x93NUMPY\x01\x00\x3e\x00{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }  \n";
    _Alignas(double) uint8_t room[sizeof(head) + sizeof(six) + 1];
    for (size_t shift = 0; shift < 2; shift++) {
        struct cella_builtin_call call = { .threads = 1 };
        CELLA_CLEANUP(cella_matrix_release) struct cella_matrix matrix = { 0 };
        memcpy(room + shift, head, sizeof(head) - 1);
        memcpy(room + shift + sizeof(head) - 1, six, sizeof(six));
        struct cella_builtin_input input = input_of(cella_view_of(room + shift, sizeof(head) - 1 + sizeof(six)));
        assert_int_equal(cella_matrix_read(&call, &input, CELLA_MATRIX_AUTO, CELLA_MATRIX_REFUSE, 0, &matrix), CELLA_OK);
        assert_memory_equal(matrix.values, six, sizeof(six));
        assert_true((matrix.owned == NULL) == (shift == 0));
    }
}

static void test_cancelled(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    assert_int_equal(cella_bytes_resize(&text, 200000), CELLA_OK);
    for (size_t i = 0; i < text.size; i++) {
        text.data[i] = i % 2 == 0 ? '1' : '\n';
    }
    struct cella_builtin_call call = { .threads = 1, .progress = cancel };
    CELLA_CLEANUP(cella_matrix_release) struct cella_matrix matrix = { 0 };
    struct cella_builtin_input input = input_of(cella_bytes_view(&text));
    assert_int_equal(cella_matrix_read(&call, &input, CELLA_MATRIX_AUTO, CELLA_MATRIX_REFUSE, 0, &matrix),
                     CELLA_CANCELLED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_csv),         cmocka_unit_test(test_csv_refused), cmocka_unit_test(test_npy),
        cmocka_unit_test(test_npy_refused), cmocka_unit_test(test_npy_version), cmocka_unit_test(test_write_npy),
        cmocka_unit_test(test_npy_in_place), cmocka_unit_test(test_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
