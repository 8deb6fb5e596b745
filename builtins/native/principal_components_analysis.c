/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/builtin.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "builtins/csv.h"
#include "builtins/gram.h"
#include "builtins/matrix.h"
#include "builtins/number.h"
#include "builtins/parallel.h"

#define PCA(X)                                                                                                       \
    X(INTEGER, n, 1, 4096, NULL, "number of components")                                                             \
    X(FLAG, center, "true", "take each column's mean away first")                                                    \
    X(INTEGER, feature_size, 0, 16383, "0", "number of features: the input has as many columns, or one more, which is " \
                                            "ignored; 0: all columns are features")                                  \
    X(INPUT, input_data, "CSV or .npy", "numbers" CELLA_MATRIX_AUTO_TEXT_PLACES)                                     \
    X(OUTPUT, output_data, "CSV", "each row in the coordinates of the components: n columns, without a header")      \
    X(OPTIONAL_OUTPUT, components, "JSON", "{\"mean\": [...], \"components\": [[...], ...], \"explained_variance\": [...], " \
                                           "\"explained_variance_ratio\": [...]}")

#define FEATURES_MAX 4096U
#define ROWS_AT_ONCE 16384U /* transformed and written between two looks at whether the task is cancelled */
#define PART 1024U          /* rows */

/* LAPACK's, with Fortran's lengths of texts at the end. */
extern void dsyevr_(const char *job, const char *range, const char *triangle, const int *size, double *matrix,
                    const int *stride, const double *least, const double *most, const int *first, const int *last,
                    const double *tolerance, int *found, double *values, double *vectors, const int *vector_stride,
                    int *support, double *work, const int *work_size, int *whole_work, const int *whole_work_size,
                    int *info, size_t job_length, size_t range_length, size_t triangle_length);

struct analysis {
    struct cella_builtin_call *call;
    struct cella_matrix matrix;
    struct cella_gram gram;
    size_t features;
    size_t count;
    double *mean;    /* gram.padded of them */
    double *vectors; /* count rows, gram.padded apart, the largest variance first */
    double *values;  /* variances; features of them, since LAPACK uses the others */
    double total;    /* of all variances */
    double *scores;
    size_t first;    /* row that scores begins with */
    size_t rows;     /* in scores */
};

static void release(struct analysis *analysis)
{
    cella_matrix_release(&analysis->matrix);
    cella_gram_release(&analysis->gram);
    free(analysis->mean);
    free(analysis->vectors);
    free(analysis->values);
    free(analysis->scores);
}

static cella_status begin(struct analysis *analysis)
{
    CELLA_TRY(cella_gram_begin(&analysis->gram, analysis->matrix.rows, analysis->features));
    size_t at_once = analysis->matrix.rows < ROWS_AT_ONCE ? analysis->matrix.rows : ROWS_AT_ONCE;
    analysis->mean = calloc(analysis->gram.padded, sizeof(double));
    analysis->vectors = calloc(analysis->count * analysis->gram.padded, sizeof(double));
    analysis->values = calloc(analysis->features, sizeof(double));
    analysis->scores = calloc(at_once * analysis->count, sizeof(double));
    return analysis->mean == NULL || analysis->vectors == NULL || analysis->values == NULL || analysis->scores == NULL
               ? CELLA_NO_MEMORY
               : CELLA_OK;
}

/* Two passes: the second takes away what rounding left of the first. */
static void find_mean(struct analysis *analysis)
{
    double rows = (double) analysis->matrix.rows;
    double *sums = analysis->vectors; /* not used yet */
    for (int pass = 0; pass < 2; pass++) {
        memset(sums, 0, analysis->features * sizeof(double));
        for (size_t i = 0; i < analysis->matrix.rows; i++) {
            const double *row = analysis->matrix.values + i * analysis->matrix.columns;
            for (size_t j = 0; j < analysis->features; j++) {
                sums[j] += row[j] - analysis->mean[j];
            }
        }
        for (size_t j = 0; j < analysis->features; j++) {
            analysis->mean[j] += sums[j] / rows;
        }
    }
    memset(sums, 0, analysis->features * sizeof(double));
}

static void fill(void *context, size_t strip, size_t first, size_t count, double *left, double *right)
{
    const struct analysis *analysis = context;
    size_t padded = analysis->gram.padded;
    (void) strip;
    for (size_t i = 0; i < count; i++) {
        const double *row = analysis->matrix.values + (first + i) * analysis->matrix.columns;
        for (size_t j = 0; j < analysis->features; j++) {
            right[i * padded + j] = row[j] - analysis->mean[j];
        }
    }
    memcpy(left, right, count * padded * sizeof(double));
}

struct work {
    double *numbers;
    int *wholes;
    double *vectors;
};

static void clear_work(struct work *work)
{
    free(work->numbers);
    free(work->wholes);
    free(work->vectors);
}

/* The largest eigenvalues of gram.out and their vectors, in ascending order. */
static cella_status decompose(struct analysis *analysis, struct work *work)
{
    int size = (int) analysis->features;
    int stride = (int) analysis->gram.padded;
    int first = size - (int) analysis->count + 1;
    int found = 0;
    int info = 0;
    const double none = 0;
    int work_size = 26 * size;
    int whole_work_size = 10 * size;
    work->numbers = reallocarray(NULL, (size_t) work_size, sizeof(double));
    work->wholes = reallocarray(NULL, (size_t) whole_work_size + 2 * (size_t) size, sizeof(int));
    work->vectors = reallocarray(NULL, analysis->count * analysis->features, sizeof(double));
    if (work->numbers == NULL || work->wholes == NULL || work->vectors == NULL) {
        return CELLA_NO_MEMORY;
    }
    dsyevr_("V", "I", "L", &size, analysis->gram.out, &stride, &none, &none, &first, &size, &none, &found,
            analysis->values, work->vectors, &size, work->wholes + whole_work_size, work->numbers, &work_size,
            work->wholes, &whole_work_size, &info, 1, 1, 1);
    return info == 0 && found == (int) analysis->count ? CELLA_OK : CELLA_INTERNAL;
}

/* A vector and its opposite are as good: that one is taken whose largest number, by size, is positive. */
static double sign_of(const double *vector, size_t count)
{
    double largest = 0;
    for (size_t i = 0; i < count; i++) {
        largest = fabs(vector[i]) > fabs(largest) ? vector[i] : largest;
    }
    return largest < 0 ? -1 : 1;
}

static cella_status find_components(struct analysis *analysis)
{
    CELLA_CLEANUP(clear_work) struct work work = { 0 };
    size_t features = analysis->features;
    double freedom = (double) analysis->matrix.rows - 1;
    for (size_t i = 0; i < features; i++) {
        analysis->total += analysis->gram.out[i * analysis->gram.padded + i] / freedom;
    }
    if (!isfinite(analysis->total)) {
        return cella_builtin_refuse(analysis->call, "input_data: squares are beyond the range of numbers; scale the columns");
    }
    CELLA_TRY(decompose(analysis, &work));
    for (size_t i = 0; i < analysis->count; i++) {
        const double *from = work.vectors + (analysis->count - 1 - i) * features;
        double sign = sign_of(from, features);
        for (size_t j = 0; j < features; j++) {
            analysis->vectors[i * analysis->gram.padded + j] = sign * from[j];
        }
    }
    for (size_t i = 0; i < analysis->count; i++) {
        size_t opposite = analysis->count - 1 - i;
        double value = analysis->values[i];
        if (i < opposite) {
            analysis->values[i] = analysis->values[opposite];
            analysis->values[opposite] = value;
        }
    }
    for (size_t i = 0; i < analysis->count; i++) {
        analysis->values[i] = analysis->values[i] > 0 ? analysis->values[i] / freedom : 0;
    }
    return CELLA_OK;
}

static void transform_part(void *context, size_t index)
{
    const struct analysis *analysis = context;
    size_t padded = analysis->gram.padded;
    double shifted[FEATURES_MAX] __attribute__((aligned(32)));
    size_t end = (index + 1) * PART < analysis->rows ? (index + 1) * PART : analysis->rows;
    memset(shifted, 0, padded * sizeof(double));
    for (size_t i = index * PART; i < end; i++) {
        const double *row = analysis->matrix.values + (analysis->first + i) * analysis->matrix.columns;
        for (size_t j = 0; j < analysis->features; j++) {
            shifted[j] = row[j] - analysis->mean[j];
        }
        for (size_t k = 0; k < analysis->count; k++) {
            analysis->scores[i * analysis->count + k] =
                cella_gram_dot(shifted, analysis->vectors + k * padded, padded);
        }
    }
}

static cella_status transform(struct analysis *analysis, struct cella_builtin_output *output)
{
    size_t rows = analysis->matrix.rows;
    for (analysis->first = 0; analysis->first < rows; analysis->first += ROWS_AT_ONCE) {
        analysis->rows = rows - analysis->first < ROWS_AT_ONCE ? rows - analysis->first : ROWS_AT_ONCE;
        cella_parallel(analysis->call, (analysis->rows + PART - 1) / PART, transform_part, analysis);
        for (size_t i = 0; i < analysis->rows * analysis->count; i++) {
            bool first = i % analysis->count == 0;
            if (first && i > 0) {
                CELLA_TRY(cella_builtin_output_write(output, cella_view_of("\n", 1)));
            }
            CELLA_TRY(cella_csv_write_number(output, analysis->scores[i], first));
        }
        CELLA_TRY(cella_builtin_output_write(output, cella_view_of("\n", 1)));
        CELLA_TRY(cella_builtin_progress(analysis->call,
                                         0.5 + 0.5 * (double) (analysis->first + analysis->rows) / (double) rows));
    }
    return CELLA_OK;
}

static cella_status write_numbers(struct cella_builtin_output *output, const char *before, const double *numbers,
                                  size_t count, double divisor)
{
    CELLA_TRY(cella_builtin_output_print(output, "%s[", before));
    for (size_t i = 0; i < count; i++) {
        CELLA_TRY(cella_csv_write_number(output, divisor > 0 ? numbers[i] / divisor : 0, i == 0));
    }
    return cella_builtin_output_print(output, "]");
}

static cella_status write_components(const struct analysis *analysis, struct cella_builtin_output *output)
{
    CELLA_TRY(write_numbers(output, "{\"mean\": ", analysis->mean, analysis->features, 1));
    CELLA_TRY(cella_builtin_output_print(output, ", \"components\": ["));
    for (size_t i = 0; i < analysis->count; i++) {
        CELLA_TRY(write_numbers(output, i == 0 ? "" : ",\n", analysis->vectors + i * analysis->gram.padded,
                                analysis->features, 1));
    }
    CELLA_TRY(write_numbers(output, "], \"explained_variance\": ", analysis->values, analysis->count, 1));
    CELLA_TRY(write_numbers(output, ", \"explained_variance_ratio\": ", analysis->values, analysis->count,
                            analysis->total));
    return cella_builtin_output_print(output, "}\n");
}

static cella_status check(struct analysis *analysis, const char *input, int64_t feature_size)
{
    struct cella_builtin_call *call = analysis->call;
    size_t columns = analysis->matrix.columns;
    size_t wanted = feature_size > 0 ? (size_t) feature_size : columns;
    if (columns != wanted && columns != wanted + 1) {
        return cella_builtin_refuse(call, "%s: %zu columns; feature_size %lld wants as many, or one more", input, columns,
                                    (long long) feature_size);
    }
    if (wanted > FEATURES_MAX || analysis->matrix.rows < 2) {
        return cella_builtin_refuse(call, "%s: %zu rows and %zu features; 2 rows are the least, %u features the most",
                                    input, analysis->matrix.rows, wanted, FEATURES_MAX);
    }
    analysis->features = wanted;
    if (analysis->count > wanted || analysis->count > analysis->matrix.rows) {
        return cella_builtin_refuse_argument(call, "argument 'n' is %zu; %zu rows of %zu features do not have as many "
                                             "components", analysis->count, analysis->matrix.rows, wanted);
    }
    return CELLA_OK;
}

CELLA_BUILTIN(principal_components_analysis, "principal_components_analysis", PCA,
              .alias = "builtin_principal_components_analysis", .version = "1",
              .documentation = "Principal components: the directions in which rows differ most, and the rows in these "
                               "coordinates. A component's sign is such that the number with the largest absolute value in "
                               "it is positive. Variances are divided by the number of rows less one, as scikit-learn's.",
              .returns = "\"transform R rows * C cols lines of data.\"",
              .limits = "4,096 features. Memory: 8 bytes for each value (none for .npy of f8), and for f features about 12 * f * f numbers. "
                        "Variances below 1e-15 of the largest one are rounding.",
              .example = ">>> rows = '1,2\\n2,4\\n3,6\\n'\n"
                         ">>> cella.builtins.principal_components_analysis(rows, n=1).returned\n"
                         "'transform 3 rows * 1 cols lines of data.'\n")
{
    CELLA_CLEANUP(release) struct analysis analysis = { .call = call, .count = (size_t) n };
    CELLA_TRY(cella_matrix_read(call, input_data, CELLA_MATRIX_AUTO, CELLA_MATRIX_REFUSE, 0, &analysis.matrix));
    CELLA_TRY(check(&analysis, input_data->name, feature_size));
    CELLA_TRY(begin(&analysis));
    if (center) {
        find_mean(&analysis);
    }
    CELLA_TRY(cella_builtin_progress(call, 0.1));
    cella_gram_run(call, &analysis.gram, fill, &analysis);
    CELLA_TRY(cella_builtin_progress(call, 0.4));
    CELLA_TRY(find_components(&analysis));
    CELLA_TRY(transform(&analysis, output_data));
    if (components != NULL) {
        CELLA_TRY(write_components(&analysis, components));
    }
    return cella_builtin_result(call, "transform %zu rows * %zu cols lines of data.", analysis.matrix.rows,
                                analysis.count);
}
