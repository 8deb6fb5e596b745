/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * CSV as RFC 4180 says: fields separated by commas, quoted ones with "" for a quote, line ends within quotes; records end
 * with LF or CR LF; UTF-8, a byte order mark in front is skipped. Every record has as many fields as the first one. Blank
 * lines are skipped, except in files of one column. A record of a stream has at most 64 MiB. All of it is untrusted; errors
 * name input, row and column.
 */

#include "builtins/input.h"
#include "builtins/output.h"

#define CELLA_CSV_COLUMNS_MAX 16384U

enum cella_csv_header {
    CELLA_CSV_NO_HEADER,
    CELLA_CSV_HEADER,
};

struct cella_csv {
    struct cella_builtin_input *input;
    enum cella_csv_header header;
    size_t column_count;      /* after begin */
    struct cella_view *names; /* with a header: column_count of them, unquoted; owned. Otherwise NULL */
    struct cella_view *fields; /* of the present record, unquoted; valid until the next call */
    bool *quoted;              /* which fields were in quotes: "" is a text, nothing at all is missing */
    size_t row;                /* data records so far, from 1: the present record's number */
    size_t line;               /* line of the file that the present record begins on, from 1 */
    struct csv_reader *reader; /* private to csv.c */
};

/*
 * Begin and read the header or the first record (which next then gives). An empty input has no columns and no records.
 *
 * CELLA_BUILTIN_FAILED  refused, with a message: no valid UTF-8 or CSV in the header, a name twice or empty, more than
 *                       CELLA_CSV_COLUMNS_MAX columns
 * CELLA_NO_MEMORY, CELLA_SYSTEM_FAILED, CELLA_CANCELLED
 */
CELLA_MUST_USE cella_status cella_csv_begin(struct cella_builtin_call *call, struct cella_csv *csv,
                                            struct cella_builtin_input *input, enum cella_csv_header header);

/* The next record. *there is false at the end. Errors as above; another number of fields is one. */
CELLA_MUST_USE cella_status cella_csv_next(struct cella_builtin_call *call, struct cella_csv *csv, bool *there);

/*
 * Which column a name or, without a header, a number from 0 means.
 * CELLA_BAD_ARGUMENT  there is no such column; the message names the argument, what was given and what there is
 */
CELLA_MUST_USE cella_status cella_csv_column(struct cella_builtin_call *call, const struct cella_csv *csv,
                                             const char *argument, struct cella_view name, size_t *out);

/*
 * Field column of the present record as a number.
 * CELLA_BUILTIN_FAILED  missing, no number, NaN or infinite; the message names input, row, column and text
 */
CELLA_MUST_USE cella_status cella_csv_number(struct cella_builtin_call *call, const struct cella_csv *csv,
                                             size_t column, double *out);

/* CELLA_BUILTIN_FAILED with "INPUT, row R, column C (NAME): what". */
CELLA_MUST_USE cella_status cella_csv_refuse(struct cella_builtin_call *call, const struct cella_csv *csv,
                                             size_t column, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

void cella_csv_release(struct cella_csv *csv);

/* Write one field, quoted where it must be, and a comma before it unless it is the first. */
CELLA_MUST_USE cella_status cella_csv_write(struct cella_builtin_output *output, struct cella_view field, bool first);

/* Write a number so that it reads back the same, NaN as nothing. */
CELLA_MUST_USE cella_status cella_csv_write_number(struct cella_builtin_output *output, double value, bool first);
