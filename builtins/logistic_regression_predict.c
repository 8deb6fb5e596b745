/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/builtin.h"

#include <math.h>
#include <stdlib.h>

#include "builtins/decimal.h"
#include "builtins/parse.h"
#include "builtins/matrix.h"

#define LOGISTIC_PREDICT(X)                                                                                          \
    X(INPUT, model_file, "JSON", "a model of logistic_regression_train or of Teaclave: {\"parameters\": [intercept, " \
                                 "one for each feature], ...}")                                                      \
    X(INPUT, data_file, "CSV or .npy", "a column for each feature of the model, in the order of training"            \
                                     CELLA_MATRIX_AUTO_TEXT_PLACES)                                                  \
    X(OUTPUT, result_file, "lines", "the probability of class 1, with 4 decimals, for each row")

#define PLACES 4U
#define PARAMETERS_MAX 16385U
#define ROWS_AT_ONCE 65536U

struct model {
    double *parameters;
    size_t count;
};

static void clear(struct model *model)
{
    free(model->parameters);
}

static cella_status read_parameters(struct cella_parse *json, struct model *model)
{
    if (model->count > 0) {
        return cella_parse_refuse(json, "\"parameters\" is there twice");
    }
    model->parameters = calloc(PARAMETERS_MAX, sizeof(double));
    if (model->parameters == NULL) {
        return CELLA_NO_MEMORY;
    }
    CELLA_TRY(cella_parse_array(json));
    for (;;) {
        bool there;
        CELLA_TRY(cella_parse_element(json, &there));
        if (!there) {
            return model->count > 1 ? CELLA_OK : cella_parse_refuse(json, "an intercept and a feature are the least");
        }
        if (model->count == PARAMETERS_MAX) {
            return cella_parse_refuse(json, "more than %u parameters", PARAMETERS_MAX);
        }
        CELLA_TRY(cella_parse_number(json, &model->parameters[model->count]));
        if (!isfinite(model->parameters[model->count])) {
            return cella_parse_refuse(json, "a number beyond the range of 64 bits");
        }
        model->count++;
    }
}

static cella_status read_model(struct cella_builtin_call *call, struct cella_builtin_input *input, struct model *model)
{
    struct cella_parse json;
    CELLA_TRY(cella_parse_begin(&json, call, input));
    CELLA_TRY(cella_parse_object(&json));
    for (;;) {
        struct cella_view name;
        bool there;
        CELLA_TRY(cella_parse_member(&json, &name, &there));
        if (!there) {
            break;
        }
        CELLA_TRY(cella_view_is(name, "parameters") ? read_parameters(&json, model) : cella_parse_skip(&json));
    }
    if (model->count == 0) {
        return cella_parse_refuse(&json, "there is no \"parameters\"");
    }
    return cella_parse_end(&json);
}

static double predict(const struct model *model, const double *row)
{
    double sum = model->parameters[0];
    for (size_t i = 1; i < model->count; i++) {
        sum += model->parameters[i] * row[i - 1];
    }
    return 1 / (1 + exp(-sum));
}

CELLA_BUILTIN(logistic_regression_predict, "logistic_regression_predict", LOGISTIC_PREDICT,
              .alias = "builtin-logistic-regression-predict", .version = "1",
              .documentation = "Predict with a logistic regression: how probable class 1 is for each row.",
              .returns = "\"Predicted N lines of data.\"",
              .limits = "16,384 features. Memory: 8 bytes for each value of data_file; none for .npy of f8.",
              .example = ">>> cella.builtins.logistic_regression_predict('{\"parameters\": [0, 1]}', '0\\n2\\n').result_file\n"
                         "b'0.5000\\n0.8808\\n'\n")
{
    CELLA_CLEANUP(clear) struct model model = { 0 };
    CELLA_CLEANUP(cella_matrix_release) struct cella_matrix matrix = { 0 };
    char text[CELLA_DECIMAL_TEXT_MAX + 1];
    CELLA_TRY(read_model(call, model_file, &model));
    CELLA_TRY(cella_matrix_read(call, data_file, CELLA_MATRIX_AUTO, CELLA_MATRIX_REFUSE, model.count - 1, &matrix));
    for (size_t i = 0; i < matrix.rows; i++) {
        double probability = predict(&model, matrix.values + i * matrix.columns);
        if (isnan(probability)) {
            return cella_builtin_refuse(call, "%s, row %zu: the sum of products is no number", data_file->name, i + 1);
        }
        size_t size = cella_decimal_format(probability, PLACES, text);
        text[size] = '\n';
        CELLA_TRY(cella_builtin_output_write(result_file, cella_view_of(text, size + 1)));
        if (i % ROWS_AT_ONCE == 0) {
            CELLA_TRY(cella_builtin_progress(call, (double) i / (double) matrix.rows));
        }
    }
    return cella_builtin_result(call, "Predicted %zu lines of data.", matrix.rows);
}
