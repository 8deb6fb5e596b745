/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "builtins/builtin.h"
#include "builtins/csv.h"
#include "builtins/native/onnx_data.h"
#include "builtins/number.h"

#define PREDICT(X)                                                                                                   \
    X(TEXT, tensor, 0, 256, "", "the model's output that is wanted; empty: all of them as CSV, the first one as .npy")  \
    X(CHOICE, form, "csv|npy", "csv", "form of the predictions: a table with a header, or an array of the output's type") \
    X(INTEGER, batch, 1, 65536, "256", "rows that are computed together, where the model leaves that open")          \
    X(FLAG, missing, "false", "missing fields of CSV are given to the model as NaN; otherwise they are refused") \
    X(INPUT, model, "ONNX", "the model: one file with its weights inside")                                           \
    X(INPUT, data, "CSV or .npy", "a row for each example; the first dimension of an array" CELLA_MATRIX_AUTO_TEXT)  \
    X(OUTPUT, predictions, "CSV or .npy", "a row for each example, in order")

#define OUTPUTS_MAX 64U

struct prediction {
    struct cella_builtin_call *call;
    struct cella_onnx_session session;
    struct cella_onnx_data data;
    struct cella_onnx_feed feed;
    struct cella_builtin_output *output;
    size_t only; /* the output that is wanted, or CELLA_ONNX_ABSENT */
    bool as_array;
    struct cella_bytes array; /* .npy: numbers so far, as the header before them needs their count */
    struct cella_onnx_tensor shape; /* of what is in array; only its dims and type */
    struct cella_onnx_tensor inputs[OUTPUTS_MAX];
    struct cella_onnx_tensor outputs[OUTPUTS_MAX];
};

static void drop_tensors(struct prediction *prediction)
{
    for (size_t i = 0; i < OUTPUTS_MAX; i++) {
        cella_onnx_tensor_release(&prediction->inputs[i]);
        cella_onnx_tensor_release(&prediction->outputs[i]);
    }
}

static void release(struct prediction **place)
{
    if (*place != NULL) {
        drop_tensors(*place);
        cella_onnx_session_close(&(*place)->session);
        cella_onnx_data_release(&(*place)->data);
        cella_bytes_clear(&(*place)->array);
        free(*place);
    }
}

static cella_status choose(struct prediction *prediction, const struct cella_view *name)
{
    const struct cella_onnx_model *model = &prediction->session.model;
    prediction->only = prediction->as_array ? 0 : CELLA_ONNX_ABSENT;
    if (model->output_count > OUTPUTS_MAX || model->input_count > OUTPUTS_MAX) {
        return cella_builtin_refuse(prediction->call, "model: it has more than %u inputs or outputs", OUTPUTS_MAX);
    }
    for (size_t i = 0; i < model->output_count; i++) {
        if (name->size > 0 && cella_view_equal(*name, model->outputs[i].name)) {
            prediction->only = i;
            return CELLA_OK;
        }
    }
    char text[64];
    return name->size == 0 ? CELLA_OK
                           : cella_builtin_refuse_argument(prediction->call, "argument 'tensor': the model has no output "
                                                                             "'%s'", cella_onnx_printable(*name, text));
}

static bool wanted(const struct prediction *prediction, size_t output)
{
    return prediction->only == CELLA_ONNX_ABSENT || prediction->only == output;
}

static size_t width_of(const struct cella_onnx_tensor *tensor)
{
    return tensor->rank == 0 ? 0 : cella_onnx_span(tensor, 1, tensor->rank - 1);
}

/* Every output must have a row for each example. */
static cella_status check_outputs(const struct prediction *prediction, size_t rows)
{
    char text[64];
    for (size_t i = 0; i < prediction->session.model.output_count; i++) {
        const struct cella_onnx_tensor *tensor = &prediction->outputs[i];
        if (wanted(prediction, i) && (tensor->rank == 0 || tensor->dims[0] != rows)) {
            return cella_builtin_refuse(prediction->call, "model: output '%s' has not one row for each of %zu examples; "
                                                          "try argument 'batch' 1",
                                        cella_onnx_printable(prediction->session.model.outputs[i].name, text), rows);
        }
    }
    return CELLA_OK;
}

static cella_status write_header(const struct prediction *prediction)
{
    bool first = true;
    for (size_t i = 0; i < prediction->session.model.output_count; i++) {
        struct cella_view name = prediction->session.model.outputs[i].name;
        size_t width = width_of(&prediction->outputs[i]);
        for (size_t c = 0; wanted(prediction, i) && c < width; c++, first = false) {
            char text[64];
            char field[96];
            cella_onnx_printable(name, text);
            int size = width == 1 ? snprintf(field, sizeof(field), "%s", text)
                                  : snprintf(field, sizeof(field), "%s_%zu", text, c);
            CELLA_TRY(cella_csv_write(prediction->output, cella_view_of(field, (size_t) size), first));
        }
    }
    return cella_builtin_output_write(prediction->output, cella_view_of("\n", 1));
}

static cella_status write_integer(const struct prediction *prediction, int64_t value, bool first)
{
    return cella_builtin_output_print(prediction->output, "%s%lld", first ? "" : ",", (long long) value);
}

static cella_status write_element(const struct prediction *prediction, const struct cella_onnx_tensor *tensor,
                                  size_t index, bool first)
{
    char text[CELLA_NUMBER_TEXT_MAX + 1];
    size_t size;
    float value;
    switch (tensor->type) {
    case CELLA_ONNX_FLOAT:
        text[0] = ',';
        value = ((const float *) tensor->data)[index];
        size = value != value ? 0 : cella_number_format_float(value, text + 1); /* NaN is a missing field */
        return cella_builtin_output_write(prediction->output, cella_view_of(text + first, size + !first));
    case CELLA_ONNX_DOUBLE:
        return cella_csv_write_number(prediction->output, ((const double *) tensor->data)[index], first);
    case CELLA_ONNX_INT64:
        return write_integer(prediction, ((const int64_t *) tensor->data)[index], first);
    case CELLA_ONNX_INT32:
        return write_integer(prediction, ((const int32_t *) tensor->data)[index], first);
    case CELLA_ONNX_INT8:
        return write_integer(prediction, ((const int8_t *) tensor->data)[index], first);
    case CELLA_ONNX_UINT8:
    case CELLA_ONNX_BOOL:
        return write_integer(prediction, ((const uint8_t *) tensor->data)[index], first);
    case CELLA_ONNX_STRING:
        return cella_csv_write(prediction->output, ((const struct cella_view *) tensor->data)[index], first);
    case CELLA_ONNX_NONE:
        break;
    }
    return CELLA_INTERNAL;
}

static cella_status write_rows(const struct prediction *prediction, size_t rows)
{
    for (size_t r = 0; r < rows; r++) {
        bool first = true;
        for (size_t i = 0; i < prediction->session.model.output_count; i++) {
            const struct cella_onnx_tensor *tensor = &prediction->outputs[i];
            size_t width = width_of(tensor);
            for (size_t c = 0; wanted(prediction, i) && c < width; c++, first = false) {
                CELLA_TRY(write_element(prediction, tensor, r * width + c, first));
            }
        }
        CELLA_TRY(cella_builtin_output_write(prediction->output, cella_view_of("\n", 1)));
    }
    return CELLA_OK;
}

static cella_status collect(struct prediction *prediction, size_t first, size_t rows)
{
    const struct cella_onnx_tensor *tensor = &prediction->outputs[prediction->only];
    if (tensor->type == CELLA_ONNX_STRING) {
        return cella_builtin_refuse_argument(prediction->call, "argument 'form': an output of texts can not be .npy");
    }
    bool same = first == 0 || (tensor->rank == prediction->shape.rank &&
                               memcmp(tensor->dims + 1, prediction->shape.dims + 1,
                                      (tensor->rank - 1) * sizeof(tensor->dims[0])) == 0);
    if (!same) {
        return cella_builtin_refuse(prediction->call, "model: its output's shape changes from batch to batch");
    }
    prediction->shape = *tensor;
    prediction->shape.buffer = NULL;
    return cella_bytes_append(&prediction->array,
                              cella_view_of(tensor->data, rows * width_of(tensor) * cella_onnx_type_size(tensor->type)));
}

static const char *npy_type(enum cella_onnx_type type)
{
    switch (type) {
    case CELLA_ONNX_FLOAT:
        return "<f4";
    case CELLA_ONNX_DOUBLE:
        return "<f8";
    case CELLA_ONNX_INT64:
        return "<i8";
    case CELLA_ONNX_INT32:
        return "<i4";
    case CELLA_ONNX_INT8:
        return "|i1";
    case CELLA_ONNX_UINT8:
        return "|u1";
    case CELLA_ONNX_BOOL:
    case CELLA_ONNX_STRING:
    case CELLA_ONNX_NONE:
        break;
    }
    return "|b1";
}

static cella_status write_array(const struct prediction *prediction)
{
    char header[512] = CELLA_NPY_MAGIC "\x01\x00\x00\x00";
    size_t start = CELLA_NPY_MAGIC_SIZE + 4;
    size_t size = start + (size_t) snprintf(header + start, sizeof(header) - start,
                                            "{'descr': '%s', 'fortran_order': False, 'shape': (%zu,",
                                            npy_type(prediction->shape.type), prediction->data.rows);
    for (size_t i = 1; i < prediction->shape.rank; i++) {
        size += (size_t) snprintf(header + size, sizeof(header) - size, " %zu,", prediction->shape.dims[i]);
    }
    size += (size_t) snprintf(header + size, sizeof(header) - size, "), }");
    size_t padded = (size + 1 + 63) / 64 * 64;
    memset(header + size, ' ', padded - size);
    header[padded - 1] = '\n';
    header[8] = (char) ((padded - start) & 0xffU);
    header[9] = (char) ((padded - start) >> 8);
    CELLA_TRY(cella_builtin_output_write(prediction->output, cella_view_of(header, padded)));
    return cella_builtin_output_write(prediction->output, cella_bytes_view(&prediction->array));
}

static cella_status predict_all(struct prediction *prediction)
{
    size_t batch = prediction->feed.batch;
    prediction->session.work.examples = batch < prediction->data.rows ? batch : prediction->data.rows;
    for (size_t first = 0; first < prediction->data.rows; first += batch) {
        size_t rows = prediction->data.rows - first < batch ? prediction->data.rows - first : batch;
        prediction->session.work.fraction = (double) first / (double) prediction->data.rows;
        CELLA_TRY(cella_builtin_progress(prediction->call, prediction->session.work.fraction));
        CELLA_TRY(cella_onnx_feed_rows(&prediction->feed, first, rows, prediction->inputs));
        size_t computed = prediction->inputs[0].dims[0];
        CELLA_TRY(cella_onnx_session_run(&prediction->session, prediction->inputs, prediction->outputs));
        CELLA_TRY(check_outputs(prediction, computed));
        if (!prediction->as_array && first == 0) {
            CELLA_TRY(write_header(prediction));
        }
        CELLA_TRY(prediction->as_array ? collect(prediction, first, rows) : write_rows(prediction, rows));
        drop_tensors(prediction);
    }
    return prediction->as_array ? write_array(prediction) : CELLA_OK;
}

static cella_status describe_value(struct prediction *prediction, const struct cella_onnx_value_info *info, bool first)
{
    char text[64];
    struct cella_builtin_call *call = prediction->call;
    cella_onnx_printable(info->name, text);
    for (char *at = text; *at != '\0'; at++) {
        *at = *at == '"' || *at == '\\' ? '\'' : *at;
    }
    CELLA_TRY(cella_builtin_result(call, "%s{\"name\": \"%s\", \"type\": \"%s\", \"shape\": [", first ? "" : ", ", text,
                                   cella_onnx_type_name(info->type)));
    for (size_t i = 0; i < info->rank; i++) {
        CELLA_TRY(info->dims[i].open
                      ? cella_builtin_result(call, "%snull", i == 0 ? "" : ", ")
                      : cella_builtin_result(call, "%s%zu", i == 0 ? "" : ", ", info->dims[i].size));
    }
    return cella_builtin_result(call, "]}");
}

static cella_status summarize(struct prediction *prediction)
{
    const struct cella_onnx_model *model = &prediction->session.model;
    CELLA_TRY(cella_builtin_result(prediction->call, "{\"rows\": %zu, \"inputs\": [", prediction->data.rows));
    for (size_t i = 0; i < model->input_count; i++) {
        CELLA_TRY(describe_value(prediction, &model->inputs[i], i == 0));
    }
    CELLA_TRY(cella_builtin_result(prediction->call, "], \"outputs\": ["));
    for (size_t i = 0; i < model->output_count; i++) {
        CELLA_TRY(describe_value(prediction, &model->outputs[i], i == 0));
    }
    return cella_builtin_result(prediction->call, "]}");
}

CELLA_BUILTIN(onnx_predict, "onnx_predict", PREDICT, .version = "1", .result = CELLA_BUILTIN_RESULT_JSON,
              .documentation = "Compute a model's outputs for rows of a table or array. The model is an ONNX file (operator "
                               "sets 1 to 17, and 1 to 3 of ai.onnx.ml): networks for images and tables, linear models, "
                               "trees. All of it is checked before anything is computed; an operator that is not supported is "
                               "refused by name. A model with several inputs shares the columns among them in order, or by "
                               "their names if each is one column. Maps of labels to probabilities (ZipMap) become columns.",
              .returns = "rows, and name, type and shape of the model's inputs and outputs; null is a size that is open",
              .determinism = "float32 sums are made in another order by processors with other vector instructions: results "
                             "differ in the last digits",
              .limits = "the data are in memory; 4 GiB of tensors at a time and 10^12 steps for each row, 8 dimensions, 65,536 "
                        "nodes, 64 inputs and outputs; "
                        "weights outside of the file, float16, sequences, loops, branches are refused",
              .example = ">>> model = bytes.fromhex(\n"
                         "...     '08083a7e0a560a0178120179220f4c696e656172526567726573736f722a1b0a0c636f656666'\n"
                         "...     '696369656e74733d000000403d00002041a001062a140a0a696e74657263657074733d000080'\n"
                         "...     '3fa001063a0a61692e6f6e6e782e6d6c5a110a0178120c0a0a080112060a000a02080262110a'\n"
                         "...     '0179120c0a0a080112060a000a020801420e0a0a61692e6f6e6e782e6d6c1002')\n"
                         ">>> cella.builtins.onnx_predict(model, b\"1,2\\n3,4\\n\").predictions\n"
                         "b'y\\n23.0\\n47.0\\n'\n")
{
    CELLA_CLEANUP(release) struct prediction *prediction = calloc(1, sizeof(*prediction));
    if (prediction == NULL) {
        return CELLA_NO_MEMORY;
    }
    struct cella_view bytes;
    prediction->call = call;
    prediction->output = predictions;
    prediction->as_array = form == 1;
    CELLA_TRY(cella_builtin_input_all(model, &bytes));
    CELLA_TRY(cella_onnx_session_open(call, model->name, bytes, &prediction->session));
    CELLA_TRY(choose(prediction, tensor));
    CELLA_TRY(cella_onnx_data_read(call, data, missing ? CELLA_MATRIX_KEEP_NAN : CELLA_MATRIX_REFUSE,
                                   &prediction->data));
    CELLA_TRY(cella_onnx_feed_begin(&prediction->session, &prediction->data, (size_t) batch, &prediction->feed));
    CELLA_TRY(predict_all(prediction));
    return summarize(prediction);
}
