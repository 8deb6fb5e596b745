/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/matrix.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "builtins/csv_reader.h"
#include "builtins/npy.h"
#include "builtins/number.h"

#define PIECE 16384U
#define FOUND_AT_ONCE 4194304U /* numbers checked between two looks at whether the task is cancelled */
#define ROWS_BETWEEN_REPORTS 65536U
#define PREAMBLE_MAX 256U /* of the .npy that we write */

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "numbers are written as they lie in memory");

/* A stream whose first bytes were read already, to see what it is: it gives them again. */
struct replay {
    struct cella_builtin_input *source;
    uint8_t first[CELLA_NPY_MAGIC_SIZE];
    size_t size;
    size_t used;
};

static cella_status read_again(void *context, uint8_t *to, size_t size, size_t *got)
{
    struct replay *replay = context;
    size_t left = replay->size - replay->used;
    if (left == 0) {
        return cella_builtin_input_read(replay->source, to, size, got);
    }
    *got = left < size ? left : size;
    memcpy(to, replay->first + replay->used, *got);
    replay->used += *got;
    return CELLA_OK;
}

/* Numbers as they come, row by row. */
struct growing {
    double *values;
    size_t count;
    size_t capacity;
};

static void growing_clear(struct growing *growing)
{
    free(growing->values);
}

static cella_status make_room(struct growing *growing, size_t more)
{
    if (growing->capacity - growing->count >= more) {
        return CELLA_OK;
    }
    size_t capacity = growing->capacity == 0 ? 1024 : growing->capacity;
    while (capacity - growing->count < more) {
        if (capacity > SIZE_MAX / 4 / sizeof(double)) {
            return CELLA_NO_MEMORY;
        }
        capacity *= 2;
    }
    double *grown = realloc(growing->values, capacity * sizeof(double));
    if (grown == NULL) {
        return CELLA_NO_MEMORY;
    }
    growing->values = grown;
    growing->capacity = capacity;
    return CELLA_OK;
}

static cella_status take_field(struct cella_builtin_call *call, const struct cella_csv *csv, size_t column,
                               enum cella_matrix_missing missing, double *out)
{
    struct cella_view field = csv->fields[column];
    if (cella_number_parse(field, out) == CELLA_OK && isfinite(*out)) {
        return CELLA_OK;
    }
    if (missing == CELLA_MATRIX_KEEP_NAN) {
        bool is_nan = cella_number_parse(field, out) == CELLA_OK && isnan(*out);
        if (is_nan || (field.size == 0 && !csv->quoted[column])) {
            *out = (double) NAN;
            return CELLA_OK;
        }
    }
    return cella_csv_number(call, csv, column, out);
}

/* No field of the present record is a number or missing. */
static bool looks_like_header(const struct cella_csv *csv)
{
    for (size_t i = 0; i < csv->column_count; i++) {
        double value = 0;
        if (csv->fields[i].size == 0 || cella_number_parse(csv->fields[i], &value) == CELLA_OK) {
            return false;
        }
    }
    return true;
}

static cella_status take_names(struct cella_builtin_call *call, const struct cella_csv *csv,
                               struct cella_bytes *names)
{
    for (size_t i = 0; csv->names != NULL && i < csv->column_count; i++) {
        if (memchr(csv->names[i].data, '\0', csv->names[i].size) != NULL) {
            return cella_builtin_refuse(call, "%s, header, column %zu: a name with a NUL in it", csv->input->name,
                                        i + 1);
        }
        CELLA_TRY(cella_bytes_append(names, csv->names[i]));
        CELLA_TRY(cella_bytes_append(names, cella_view_of("", 1)));
    }
    return CELLA_OK;
}

static cella_status check_columns(struct cella_builtin_call *call, const struct cella_builtin_input *input,
                                  size_t columns, size_t wanted)
{
    if (columns == 0) {
        return cella_builtin_refuse(call, "%s: is empty: there are no columns", input->name);
    }
    if (wanted != 0 && columns != wanted) {
        return cella_builtin_refuse(call, "%s: has %zu columns instead of %zu", input->name, columns, wanted);
    }
    return CELLA_OK;
}

static cella_status take_rows(struct cella_builtin_call *call, struct cella_csv *csv,
                              enum cella_matrix_missing missing, bool there, struct growing *growing)
{
    while (there) {
        CELLA_TRY(make_room(growing, csv->column_count));
        for (size_t i = 0; i < csv->column_count; i++) {
            CELLA_TRY(take_field(call, csv, i, missing, &growing->values[growing->count + i]));
        }
        growing->count += csv->column_count;
        if (csv->row % ROWS_BETWEEN_REPORTS == 0) {
            CELLA_TRY(cella_builtin_progress(call, 0));
        }
        CELLA_TRY(cella_csv_next(call, csv, &there));
    }
    return CELLA_OK;
}

static cella_status read_csv(struct cella_builtin_call *call, struct cella_builtin_input *input,
                             enum cella_matrix_header header, enum cella_matrix_missing missing, size_t wanted,
                             struct cella_matrix *out)
{
    CELLA_CLEANUP(cella_csv_release) struct cella_csv csv = { 0 };
    CELLA_CLEANUP(growing_clear) struct growing growing = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes names = { 0 };
    bool there = false;
    CELLA_TRY(cella_csv_begin(call, &csv, input,
                              header == CELLA_MATRIX_HEADER ? CELLA_CSV_HEADER : CELLA_CSV_NO_HEADER));
    CELLA_TRY(check_columns(call, input, csv.column_count, wanted));
    CELLA_TRY(cella_csv_next(call, &csv, &there));
    if (header == CELLA_MATRIX_AUTO && there && looks_like_header(&csv)) {
        csv.row = 0;
        CELLA_TRY(csv_make_names(call, &csv));
        CELLA_TRY(cella_csv_next(call, &csv, &there));
    }
    CELLA_TRY(take_names(call, &csv, &names));
    CELLA_TRY(take_rows(call, &csv, missing, there, &growing));
    if (growing.count > 0) {
        /* What doubling took too much goes back; a failure to make it smaller is none. */
        double *fitted = realloc(growing.values, growing.count * sizeof(double));
        growing.values = fitted == NULL ? growing.values : fitted;
    }
    out->rows = csv.row;
    out->columns = csv.column_count;
    out->values = out->owned = growing.values;
    growing.values = NULL;
    cella_bytes_take(&out->names, &names);
    return CELLA_OK;
}

/* Fill piece as far as the input goes. */
static cella_status read_piece(struct cella_builtin_input *input, uint8_t *piece, size_t size, size_t *got)
{
    for (*got = 0; *got < size;) {
        size_t more = 0;
        CELLA_TRY(cella_builtin_input_read(input, piece + *got, size - *got, &more));
        if (more == 0) {
            break;
        }
        *got += more;
    }
    return CELLA_OK;
}

static cella_status check_values(struct cella_builtin_call *call, const struct cella_builtin_input *input,
                                 const struct cella_npy *npy, enum cella_matrix_missing missing, const double *values,
                                 size_t first, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (isfinite(values[i]) || (missing == CELLA_MATRIX_KEEP_NAN && isnan(values[i]))) {
            continue;
        }
        size_t place = first + i;
        size_t row = npy->fortran ? place % npy->rows : place / npy->columns;
        size_t column = npy->fortran ? place / npy->rows : place % npy->columns;
        return cella_builtin_refuse(call, "%s, row %zu, column %zu: is %s", input->name, row + 1, column + 1,
                                    isnan(values[i]) ? "missing (NaN)" : "infinite");
    }
    return CELLA_OK;
}

/* So many numbers were there, and perhaps more bytes. */
static cella_status check_size(struct cella_builtin_call *call, const struct cella_builtin_input *input,
                               const struct cella_npy *npy, size_t numbers, bool surplus)
{
    size_t total = npy->rows * npy->columns;
    return numbers < total ? cella_builtin_refuse(call, "%s: ends after %zu of %zu numbers", input->name, numbers, total)
           : surplus       ? cella_builtin_refuse(call, "%s: goes on after its %zu numbers", input->name, total)
                           : CELLA_OK;
}

/* All numbers, piece by piece, to where they belong. */
static cella_status take_values(struct cella_builtin_call *call, struct cella_builtin_input *input,
                                const struct cella_npy *npy, enum cella_matrix_missing missing, double *out)
{
    uint8_t piece[PIECE];
    double values[PIECE];
    size_t per_piece = PIECE / npy->width;
    size_t total = npy->rows * npy->columns;
    for (size_t first = 0; first < total; first += per_piece) {
        size_t count = total - first < per_piece ? total - first : per_piece;
        size_t got = 0;
        CELLA_TRY(read_piece(input, piece, count * npy->width, &got));
        if (got != count * npy->width) {
            return check_size(call, input, npy, first + got / npy->width, false);
        }
        cella_npy_convert(npy, piece, count, values);
        CELLA_TRY(check_values(call, input, npy, missing, values, first, count));
        if (!npy->fortran) {
            memcpy(out + first, values, count * sizeof(double));
        }
        for (size_t i = 0; npy->fortran && i < count; i++) {
            out[(first + i) % npy->rows * npy->columns + (first + i) / npy->rows] = values[i];
        }
        if (first / per_piece % 256 == 0) {
            CELLA_TRY(cella_builtin_progress(call, 0));
        }
    }
    size_t surplus = 0;
    CELLA_TRY(cella_builtin_input_read(input, piece, 1, &surplus));
    return check_size(call, input, npy, total, surplus > 0);
}

/* The input's own bytes, where they are what a matrix has: first use of as much other memory costs more than reading them. */
static const double *find_values(const struct cella_builtin_input *input, const struct cella_npy *npy)
{
    const uint8_t *values = input->bytes.data + input->position;
    bool as_ours = npy->kind == 'f' && npy->width == sizeof(double) && !npy->big_endian && !npy->fortran;
    return input->read == NULL && as_ours && (uintptr_t) values % _Alignof(double) == 0
               ? (const double *) (const void *) values
               : NULL;
}

static cella_status check_found(struct cella_builtin_call *call, const struct cella_builtin_input *input,
                                const struct cella_npy *npy, enum cella_matrix_missing missing, const double *values)
{
    size_t total = npy->rows * npy->columns;
    size_t there = input->bytes.size - input->position;
    for (size_t first = 0; first < total && there >= total * sizeof(double); first += FOUND_AT_ONCE) {
        size_t count = total - first < FOUND_AT_ONCE ? total - first : FOUND_AT_ONCE;
        CELLA_TRY(check_values(call, input, npy, missing, values + first, first, count));
        CELLA_TRY(cella_builtin_progress(call, 0));
    }
    return check_size(call, input, npy, there / sizeof(double), there > total * sizeof(double));
}

static cella_status read_npy(struct cella_builtin_call *call, struct cella_builtin_input *input,
                             enum cella_matrix_missing missing, size_t wanted, struct cella_matrix *out)
{
    struct cella_npy npy = { 0 };
    size_t total = 0;
    CELLA_TRY(cella_npy_read_header(call, input, &npy));
    CELLA_TRY(check_columns(call, input, npy.columns, wanted));
    if (__builtin_mul_overflow(npy.rows, npy.columns, &total) || total > SIZE_MAX / 4 / sizeof(double)) {
        return cella_builtin_refuse(call, "%s: a shape of %zu x %zu is beyond any memory", input->name, npy.rows,
                                    npy.columns);
    }
    if (input->read == NULL && total > input->bytes.size / npy.width) {
        return cella_builtin_refuse(call, "%s: is too short for its shape of %zu x %zu", input->name, npy.rows,
                                    npy.columns);
    }
    out->rows = npy.rows;
    out->columns = npy.columns;
    out->values = find_values(input, &npy);
    if (out->values != NULL) {
        return check_found(call, input, &npy, missing, out->values);
    }
    out->owned = malloc(total == 0 ? 1 : total * sizeof(double));
    out->values = out->owned;
    return out->owned == NULL ? CELLA_NO_MEMORY : take_values(call, input, &npy, missing, out->owned);
}

cella_status cella_matrix_read(struct cella_builtin_call *call, struct cella_builtin_input *input,
                               enum cella_matrix_header header, enum cella_matrix_missing missing,
                               size_t columns_wanted, struct cella_matrix *out)
{
    struct replay replay = { .source = input };
    struct cella_builtin_input again = { .read = read_again, .context = &replay };
    struct cella_view first = input->bytes;
    if (input->read != NULL) {
        memcpy(again.name, input->name, sizeof(again.name));
        CELLA_TRY(read_piece(input, replay.first, sizeof(replay.first), &replay.size));
        first = cella_view_of(replay.first, replay.size);
        input = &again;
    }
    bool is_npy = first.size >= CELLA_NPY_MAGIC_SIZE && memcmp(first.data, CELLA_NPY_MAGIC, CELLA_NPY_MAGIC_SIZE) == 0;
    return is_npy ? read_npy(call, input, missing, columns_wanted, out)
                  : read_csv(call, input, header, missing, columns_wanted, out);
}

void cella_matrix_release(struct cella_matrix *matrix)
{
    free(matrix->owned);
    cella_bytes_clear(&matrix->names);
    *matrix = (struct cella_matrix){ 0 };
}

cella_status cella_matrix_floats(struct cella_builtin_call *call, const char *input, const struct cella_matrix *matrix,
                                 size_t first, size_t rows, size_t columns, float *out)
{
    for (size_t i = 0; i < rows; i++) {
        const double *row = matrix->values + (first + i) * matrix->columns;
        for (size_t j = 0; j < columns; j++) {
            if (fabs(row[j]) > (double) FLT_MAX) {
                return cella_builtin_refuse(call, "%s, row %zu, column %zu: beyond the range of 32-bit numbers", input,
                                            first + i + 1, j + 1);
            }
            out[i * columns + j] = (float) row[j];
        }
    }
    return CELLA_OK;
}

cella_status cella_matrix_write_npy(const struct cella_matrix *matrix, struct cella_builtin_output *output)
{
    char header[PREAMBLE_MAX];
    memcpy(header, CELLA_NPY_MAGIC "\x01\x00\x00\x00", CELLA_NPY_MAGIC_SIZE + 4);
    size_t size = CELLA_NPY_MAGIC_SIZE + 4;
    size += (size_t) snprintf(header + size, sizeof(header) - size,
                              "{'descr': '<f8', 'fortran_order': False, 'shape': (%zu, %zu), }", matrix->rows,
                              matrix->columns);
    /* Numpy begins numbers at a multiple of 64. */
    size_t padded = (size + 1 + 63) / 64 * 64;
    memset(header + size, ' ', padded - size);
    header[padded - 1] = '\n';
    header[8] = (char) (padded - 10);
    CELLA_TRY(cella_builtin_output_write(output, cella_view_of(header, padded)));
    return cella_builtin_output_write(output,
                                      cella_view_of(matrix->values, matrix->rows * matrix->columns * sizeof(double)));
}

cella_status cella_matrix_write_csv(const struct cella_matrix *matrix, struct cella_builtin_output *output)
{
    const char *name = (const char *) matrix->names.data;
    for (size_t i = 0; matrix->names.size > 0 && i < matrix->columns; i++) {
        struct cella_view text = cella_view_of_string(name);
        CELLA_TRY(cella_csv_write(output, text, i == 0));
        name += text.size + 1;
    }
    if (matrix->names.size > 0) {
        CELLA_TRY(cella_builtin_output_write(output, cella_view_of("\n", 1)));
    }
    for (size_t row = 0; row < matrix->rows; row++) {
        for (size_t i = 0; i < matrix->columns; i++) {
            CELLA_TRY(cella_csv_write_number(output, matrix->values[row * matrix->columns + i], i == 0));
        }
        CELLA_TRY(cella_builtin_output_write(output, cella_view_of("\n", 1)));
    }
    return CELLA_OK;
}
