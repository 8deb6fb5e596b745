/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/builtin.h"

#include <math.h>
#include <stdlib.h>

#include "builtins/decimal.h"
#include "builtins/matrix.h"
#include "builtins/parallel.h"
#include "builtins/trees.h"

#define GBDT_PREDICT(X)                                                                                              \
    X(INPUT, model_file, "JSON", "a model of gbdt_train, of xgboost (JSON, booster gbtree) or of Teaclave")          \
    X(INPUT, data_file, "CSV or .npy", "a column for each feature of the model, in the order of training; a missing value is " \
                                     "allowed" CELLA_MATRIX_AUTO_TEXT_PLACES)                                        \
    X(OUTPUT, result_file, "lines", "a number with 10 decimals for each row; for MultiSoftprob one for each class, " \
                                    "separated by commas")

#define PART 4096U /* rows */
#define PARTS 32U  /* between two looks at whether the task is cancelled */
#define PLACES 10U

struct prediction {
    const struct cella_trees *trees;
    size_t count;
    float *rows;
    float *sums;
    float *out;
};

static void clear(struct prediction *prediction)
{
    free(prediction->rows);
    free(prediction->sums);
    free(prediction->out);
}

static void predict_part(void *context, size_t index)
{
    const struct prediction *prediction = context;
    const struct cella_trees *trees = prediction->trees;
    size_t first = index * PART;
    size_t count = prediction->count - first < PART ? prediction->count - first : PART;
    cella_trees_predict(trees, prediction->rows + first * trees->features, count,
                        prediction->sums + first * trees->groups, prediction->out + first * trees->columns);
}

/* The rows as the models' libraries have them; a model may have a number of its own for what is missing. */
static cella_status make_floats(struct cella_builtin_call *call, const char *input, const struct cella_matrix *matrix,
                                size_t first, const struct prediction *prediction)
{
    float unknown = prediction->trees->unknown;
    CELLA_TRY(cella_matrix_floats(call, input, matrix, first, prediction->count, matrix->columns, prediction->rows));
    for (size_t i = 0; !isnan(unknown) && i < prediction->count * matrix->columns; i++) {
        prediction->rows[i] = prediction->rows[i] == unknown ? NAN : prediction->rows[i];
    }
    return CELLA_OK;
}

static cella_status write_rows(const float *values, size_t rows, size_t columns, struct cella_builtin_output *output)
{
    char text[CELLA_DECIMAL_TEXT_MAX + 1];
    for (size_t i = 0; i < rows * columns; i++) {
        size_t size = cella_decimal_format((double) values[i], PLACES, text);
        text[size] = (i + 1) % columns == 0 ? '\n' : ',';
        CELLA_TRY(cella_builtin_output_write(output, cella_view_of(text, size + 1)));
    }
    return CELLA_OK;
}

static cella_status predict(struct cella_builtin_call *call, const char *input, const struct cella_trees *trees,
                            const struct cella_matrix *matrix, struct cella_builtin_output *output)
{
    size_t at_once = matrix->rows < PART * PARTS ? matrix->rows : PART * PARTS;
    CELLA_CLEANUP(clear) struct prediction prediction = { .trees = trees };
    prediction.rows = calloc(at_once * trees->features + 1, sizeof(float));
    prediction.sums = calloc(at_once * trees->groups + 1, sizeof(float));
    prediction.out = calloc(at_once * trees->columns + 1, sizeof(float));
    if (prediction.rows == NULL || prediction.sums == NULL || prediction.out == NULL) {
        return CELLA_NO_MEMORY;
    }
    for (size_t first = 0; first < matrix->rows; first += at_once) {
        prediction.count = matrix->rows - first < at_once ? matrix->rows - first : at_once;
        CELLA_TRY(make_floats(call, input, matrix, first, &prediction));
        cella_parallel(call, (prediction.count + PART - 1) / PART, predict_part, &prediction);
        CELLA_TRY(write_rows(prediction.out, prediction.count, trees->columns, output));
        CELLA_TRY(cella_builtin_progress(call, (double) (first + prediction.count) / (double) matrix->rows));
    }
    return CELLA_OK;
}

CELLA_BUILTIN(gbdt_predict, "gbdt_predict", GBDT_PREDICT, .alias = "builtin-gbdt-predict", .version = "1",
              .documentation = "Predict with gradient boosted decision trees. The sums are those of the library that the "
                               "model comes from, to the last bit; models are checked completely before they are used.",
              .returns = "\"Predict result has N lines of data.\"",
              .limits = "Memory: 8 bytes for each value of data_file (none for .npy of f8), 4 for each value of 131,072 rows, 24 for each node of the model. Models: trees up to "
                        "512 levels deep, 1,024 classes; no splits by categories, no dart, no vectors in leaves.",
              .example = ">>> model = '{\"conf\": {\"feature_size\": 1, \"iterations\": 1, \"shrinkage\": 1, \"loss\": \"LAD\", '\n"
                         ">>> model += '\"initial_guess_enabled\": false}, \"bias\": 2.5, \"trees\": [{\"tree\": {\"tree\": ['\n"
                         ">>> model += '{\"value\": {\"feature_index\": 0, \"feature_value\": 0, \"pred\": 0.5, \"missing\": 0, '\n"
                         ">>> model += '\"is_leaf\": true}, \"left\": 0, \"right\": 0}]}}]}'\n"
                         ">>> cella.builtins.gbdt_predict(model, '7\\n').result_file\n"
                         "b'3.0000000000\\n'\n")
{
    CELLA_CLEANUP(cella_trees_release) struct cella_trees trees = { 0 };
    CELLA_CLEANUP(cella_matrix_release) struct cella_matrix matrix = { 0 };
    CELLA_TRY(cella_trees_read(call, model_file, &trees));
    CELLA_TRY(cella_matrix_read(call, data_file, CELLA_MATRIX_AUTO, CELLA_MATRIX_KEEP_NAN, trees.features, &matrix));
    CELLA_TRY(predict(call, data_file->name, &trees, &matrix, result_file));
    return cella_builtin_result(call, "Predict result has %zu lines of data.", matrix.rows);
}
