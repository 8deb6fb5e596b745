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
#include "builtins/csv.h"

static cella_status add(struct cella_bytes *out, const char *text)
{
    return cella_bytes_append(out, cella_view_of_string(text));
}

/* The header, then each record: fields in <>, quoted ones in [], a line number in front. */
static cella_status written(struct cella_builtin_call *call, struct cella_builtin_input *input,
                            enum cella_csv_header header, struct cella_bytes *out)
{
    CELLA_CLEANUP(cella_csv_release) struct cella_csv csv = { 0 };
    CELLA_TRY(cella_csv_begin(call, &csv, input, header));
    for (size_t i = 0; csv.names != NULL && i < csv.column_count; i++) {
        CELLA_TRY(add(out, "{"));
        CELLA_TRY(cella_bytes_append(out, csv.names[i]));
        CELLA_TRY(add(out, "}"));
    }
    for (bool there = true; there;) {
        CELLA_TRY(cella_csv_next(call, &csv, &there));
        char line[32];
        snprintf(line, sizeof(line), "%zu", csv.line);
        CELLA_TRY(add(out, there ? line : ""));
        for (size_t i = 0; there && i < csv.column_count; i++) {
            CELLA_TRY(add(out, csv.quoted[i] ? "[" : "<"));
            CELLA_TRY(cella_bytes_append(out, csv.fields[i]));
            CELLA_TRY(add(out, csv.quoted[i] ? "]" : ">"));
        }
    }
    return CELLA_OK;
}

static void expect_both(const char *text, enum cella_csv_header header, cella_status status, const char *expected)
{
    for (size_t piece = 0; piece < 3; piece++) {
        struct piecewise from = { cella_view_of_string(text), piece };
        struct cella_builtin_input input = piece == 0 ? input_of(from.rest) : input_stream(&from);
        struct cella_builtin_call call = { .threads = 1 };
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes out = { 0 };
        assert_int_equal(written(&call, &input, header, &out), status);
        if (status == CELLA_OK) {
            assert_int_equal(add(&out, "."), CELLA_OK);
            out.data[out.size - 1] = '\0';
            assert_string_equal((const char *) out.data, expected);
        } else {
            assert_string_equal(call.message, expected);
        }
    }
}

static void expect(const char *text, const char *expected)
{
    expect_both(text, CELLA_CSV_NO_HEADER, CELLA_OK, expected);
}

static void expect_refused(const char *text, const char *message)
{
    expect_both(text, CELLA_CSV_NO_HEADER, CELLA_BUILTIN_FAILED, message);
}

static void test_records(void **state)
{
    (void) state;
    expect("", "");
    expect("\n\r\n\n", "");
    expect("a,b\nc,d\n", "1<a><b>2<c><d>");
    expect("a,b\r\nc,d", "1<a><b>2<c><d>");
    expect("a,b\n\n\r\nc,d\n\n", "1<a><b>4<c><d>");
    expect("a\n\nb\n", "1<a>2<>3<b>");
    expect("a\r\n\r\nb", "1<a>2<>3<b>");
    expect(",\n,", "1<><>2<><>");
    expect("a,", "1<a><>");
    expect("\xef\xbb\xbf" "a,b", "1<a><b>");
    expect(" a , b ", "1< a >< b >");
    expect("\xc3\xa4,\xf0\x9f\x98\x80\n", "1<\xc3\xa4><\xf0\x9f\x98\x80>");
}

static void test_quotes(void **state)
{
    (void) state;
    expect("\"a\",b\n", "1[a]<b>");
    expect("\"\",\n,\"\"", "1[]<>2<>[]");
    expect("\"a,b\",\"c\nd\"\ne,f", "1[a,b][c\nd]3<e><f>");
    expect("\"a\"\"b\",\"\"\"\"\r\n\"\"\"x\"\"\",y\r\n", "1[a\"b][\"]2[\"x\"]<y>");
    expect("\"a\r\nb\r\"", "1[a\r\nb\r]");
    expect("x,\"0123456789012345678901234567890123456789012345678901234567890123456789,\"\"\n\",z\nu,v,w\n",
           "1<x>[0123456789012345678901234567890123456789012345678901234567890123456789,\"\n]<z>3<u><v><w>");
}

static void test_header(void **state)
{
    (void) state;
    expect_both("x,\"y\"\"z\"\n1,2\n", CELLA_CSV_HEADER, CELLA_OK, "{x}{y\"z}2<1><2>");
    expect_both("x,y\n", CELLA_CSV_HEADER, CELLA_OK, "{x}{y}");
    expect_both("", CELLA_CSV_HEADER, CELLA_OK, "");
    expect_both("x,,y\n", CELLA_CSV_HEADER, CELLA_BUILTIN_FAILED, "data, header, column 2: has no name");
    expect_both("x,y,x\n", CELLA_CSV_HEADER, CELLA_BUILTIN_FAILED, "data, header: two columns are named 'x'");
    expect_both("x,\xff\n", CELLA_CSV_HEADER, CELLA_BUILTIN_FAILED, "data, header, column 2: is not UTF-8");
    expect_both("x,\"y\n", CELLA_CSV_HEADER, CELLA_BUILTIN_FAILED,
                "data, header, column 2: a quote that is never closed");
    expect_both("x,y\n\n1,2,3\n", CELLA_CSV_HEADER, CELLA_BUILTIN_FAILED,
                "data, row 1 (line 3): has 3 fields, the first record has 2");
}

static void test_refused(void **state)
{
    (void) state;
    expect_refused("a,b\n1\n", "data, row 2 (line 2): has 1 fields, the first record has 2");
    expect_refused("a,b\n1,2,3\n", "data, row 2 (line 2): has 3 fields, the first record has 2");
    expect_refused("a,b\n1,2\"\n",
                   "data, row 2 (line 2), column 2: a quote inside a field that does not begin with one");
    expect_refused("a,b\n\"1\"2,3\n", "data, row 2 (line 2), column 1: text between a closing quote and the next comma");
    expect_refused("a,\"b\nc\"\n\"1\",\"2", "data, row 2 (line 3), column 2: a quote that is never closed");
    expect_refused("a,b\rc,d\n", "data, row 1 (line 1), column 2: a carriage return without a line feed; write it in "
                                 "quotes or end lines with LF or CR LF");
    expect_refused("a,\"b\"\rc\n", "data, row 1 (line 1), column 3: a carriage return without a line feed; write it in "
                                   "quotes or end lines with LF or CR LF");
    expect_refused("a,b\n1,\xc0\x80\n", "data, row 2 (line 2), column 2: is not UTF-8");
    expect_refused("a,b\n\xed\xa0\x80,2\n", "data, row 2 (line 2), column 1: is not UTF-8");
    expect_refused("a,b\n1,\xf0\x9f\x98\n", "data, row 2 (line 2), column 2: is not UTF-8");
}

static void test_too_many_columns(void **state)
{
    (void) state;
    char *text = malloc(CELLA_CSV_COLUMNS_MAX + 1);
    assert_non_null(text);
    memset(text, ',', CELLA_CSV_COLUMNS_MAX);
    text[CELLA_CSV_COLUMNS_MAX] = '\0';
    expect_refused(text, "data: has 16385 columns, more than 16384");
    text[CELLA_CSV_COLUMNS_MAX - 1] = '\0';
    struct cella_builtin_input input = input_of(cella_view_of_string(text));
    struct cella_builtin_call call = { .threads = 1 };
    struct cella_csv csv = { 0 };
    assert_int_equal(cella_csv_begin(&call, &csv, &input, CELLA_CSV_NO_HEADER), CELLA_OK);
    assert_int_equal(csv.column_count, CELLA_CSV_COLUMNS_MAX);
    cella_csv_release(&csv);
    free(text);
}

static void test_columns_and_numbers(void **state)
{
    (void) state;
    struct cella_builtin_input input = input_of(cella_view_of_string("id,\"v\"\n a ,1.5\n,\"\"\ninf,nan\n"));
    struct cella_builtin_call call = { .threads = 1 };
    CELLA_CLEANUP(cella_csv_release) struct cella_csv csv = { 0 };
    size_t column = 9;
    bool there = false;
    double value = 0;
    assert_int_equal(cella_csv_begin(&call, &csv, &input, CELLA_CSV_HEADER), CELLA_OK);
    assert_int_equal(cella_csv_column(&call, &csv, "key", cella_view_of_string("v"), &column), CELLA_OK);
    assert_int_equal(column, 1);
    assert_int_equal(cella_csv_column(&call, &csv, "key", cella_view_of_string("w"), &column), CELLA_BAD_ARGUMENT);
    assert_string_equal(call.message, "argument 'key': 'w' is no column of data, which has 2: 'id' to 'v'");
    assert_int_equal(cella_csv_next(&call, &csv, &there), CELLA_OK);
    assert_int_equal(cella_csv_number(&call, &csv, 1, &value), CELLA_OK);
    assert_true(value == 1.5);
    assert_int_equal(cella_csv_number(&call, &csv, 0, &value), CELLA_BUILTIN_FAILED);
    assert_string_equal(call.message, "data, row 1, column 1 (id): ' a ' is not a number");
    assert_int_equal(cella_csv_next(&call, &csv, &there), CELLA_OK);
    assert_int_equal(cella_csv_number(&call, &csv, 0, &value), CELLA_BUILTIN_FAILED);
    assert_string_equal(call.message, "data, row 2, column 1 (id): is missing");
    assert_int_equal(cella_csv_number(&call, &csv, 1, &value), CELLA_BUILTIN_FAILED);
    assert_string_equal(call.message, "data, row 2, column 2 (v): '' is not a number");
    assert_int_equal(cella_csv_next(&call, &csv, &there), CELLA_OK);
    assert_int_equal(cella_csv_number(&call, &csv, 0, &value), CELLA_BUILTIN_FAILED);
    assert_string_equal(call.message, "data, row 3, column 1 (id): 'inf' is not a finite number");
    assert_int_equal(cella_csv_number(&call, &csv, 1, &value), CELLA_BUILTIN_FAILED);
}

static void test_columns_without_names(void **state)
{
    (void) state;
    struct cella_builtin_input input = input_of(cella_view_of_string("1,2\n"));
    struct cella_builtin_call call = { .threads = 1 };
    CELLA_CLEANUP(cella_csv_release) struct cella_csv csv = { 0 };
    size_t column = 9;
    assert_int_equal(cella_csv_begin(&call, &csv, &input, CELLA_CSV_NO_HEADER), CELLA_OK);
    assert_int_equal(cella_csv_column(&call, &csv, "key", cella_view_of_string("1"), &column), CELLA_OK);
    assert_int_equal(column, 1);
    assert_int_equal(cella_csv_column(&call, &csv, "key", cella_view_of_string("2"), &column), CELLA_BAD_ARGUMENT);
    assert_string_equal(call.message, "argument 'key': '2' is no column of data, which has 2 without names: give a "
                                      "number from 0");
}

static void test_write(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes out = { 0 };
    struct cella_builtin_output output = output_to(&out);
    static const char *const fields[] = { "a", "", "b,c", "\"", "x\"\"y", "two\nlines", "cr\r" };
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        assert_int_equal(cella_csv_write(&output, cella_view_of_string(fields[i]), i == 0), CELLA_OK);
    }
    assert_int_equal(cella_csv_write_number(&output, 0.1, false), CELLA_OK);
    assert_int_equal(cella_csv_write_number(&output, (double) NAN, false), CELLA_OK);
    assert_int_equal(cella_builtin_output_flush(&output), CELLA_OK);
    assert_true(cella_view_is(cella_bytes_view(&out),
                              "a,,\"b,c\",\"\"\"\",\"x\"\"\"\"y\",\"two\nlines\",\"cr\r\",0.1,"));
    cella_bytes_clear(&output.pending);
}

/* Records of all shapes, longer than the window in all: it moves and grows at every possible place. */
static void test_long_stream(void **state)
{
    (void) state;
    static const char *const pieces[] = { "a", "\"q\"", "\"x\"\"y\"", "\"1\n2\"", "", "0.123456789", "\xc3\xa4" };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    uint64_t random = 77;
    for (size_t i = 0; i < 60000; i++) {
        for (size_t column = 0; column < 3; column++) {
            random = random * 6364136223846793005U + 1442695040888963407U;
            assert_int_equal(add(&text, column == 0 ? "" : ","), CELLA_OK);
            assert_int_equal(add(&text, pieces[(random >> 33) % 7]), CELLA_OK);
            if (i % 10000 == 7 && column == 1) {
                assert_int_equal(add(&text, ",\""), CELLA_OK);
                assert_int_equal(cella_bytes_resize(&text, text.size + 600000), CELLA_OK);
                assert_int_equal(add(&text, "\""), CELLA_OK);
                column++;
            }
        }
        assert_int_equal(add(&text, (random >> 40) % 2 == 0 ? "\n" : "\r\n"), CELLA_OK);
    }
    struct cella_builtin_call call = { .threads = 1 };
    struct cella_builtin_input whole = input_of(cella_bytes_view(&text));
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes one = { 0 };
    assert_int_equal(written(&call, &whole, CELLA_CSV_NO_HEADER, &one), CELLA_OK);
    assert_true(one.size > text.size);
    for (size_t piece = 10007; piece < 300000; piece *= 3) {
        struct piecewise from = { cella_bytes_view(&text), piece };
        struct cella_builtin_input stream = input_stream(&from);
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes two = { 0 };
        assert_int_equal(written(&call, &stream, CELLA_CSV_NO_HEADER, &two), CELLA_OK);
        assert_true(cella_view_equal(cella_bytes_view(&one), cella_bytes_view(&two)));
    }
}

static cella_status endless(void *context, uint8_t *to, size_t size, size_t *got)
{
    bool *begun = context;
    memset(to, 'x', size);
    to[0] = *begun ? 'x' : '"';
    *begun = true;
    *got = size;
    return CELLA_OK;
}

static void test_endless_record(void **state)
{
    (void) state;
    bool begun = false;
    struct cella_builtin_input input = { .name = "data", .read = endless, .context = &begun };
    struct cella_builtin_call call = { .threads = 1 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes out = { 0 };
    assert_int_equal(written(&call, &input, CELLA_CSV_NO_HEADER, &out), CELLA_BUILTIN_FAILED);
    assert_string_equal(call.message, "data, row 1 (line 1): is longer than 67108864 bytes; is a quote not closed?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records),
        cmocka_unit_test(test_quotes),
        cmocka_unit_test(test_header),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_too_many_columns),
        cmocka_unit_test(test_columns_and_numbers),
        cmocka_unit_test(test_columns_without_names),
        cmocka_unit_test(test_write),
        cmocka_unit_test(test_long_stream),
        cmocka_unit_test(test_endless_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
