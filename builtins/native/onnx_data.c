/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/native/onnx_data.h"

#include <math.h>
#include <string.h>

static cella_status read_array(struct cella_builtin_call *call, struct cella_onnx_data *out)
{
    CELLA_TRY(cella_npy_read_array_header(call, &out->input, &out->npy));
    const struct cella_npy *npy = &out->npy;
    size_t count = 1;
    for (size_t i = 0; i < npy->dimensions; i++) {
        if (__builtin_mul_overflow(count, npy->sizes[i], &count)) {
            return cella_builtin_refuse(call, "%s: the array's dimensions multiply to too much", out->input.name);
        }
    }
    size_t bytes;
    size_t there = out->input.bytes.size - out->input.position;
    if (npy->dimensions == 0 || count == 0 || (npy->fortran && npy->dimensions > 1)) {
        return cella_builtin_refuse(call, "%s: the array is empty, a single number, or in Fortran order", out->input.name);
    }
    if (__builtin_mul_overflow(count, npy->width, &bytes) || bytes != there) {
        return cella_builtin_refuse(call, "%s: %zu numbers of %zu bytes are announced, %zu bytes are there",
                                    out->input.name, count, npy->width, there);
    }
    out->is_array = true;
    out->numbers = out->input.bytes.data + out->input.position;
    out->rows = npy->sizes[0];
    out->width = count / npy->sizes[0];
    return CELLA_OK;
}

cella_status cella_onnx_data_read(struct cella_builtin_call *call, struct cella_builtin_input *input,
                                  enum cella_matrix_missing missing, struct cella_onnx_data *out)
{
    CELLA_TRY(cella_builtin_input_all(input, &out->input.bytes));
    memcpy(out->input.name, input->name, sizeof(input->name));
    struct cella_view bytes = out->input.bytes;
    if (bytes.size >= CELLA_NPY_MAGIC_SIZE && memcmp(bytes.data, CELLA_NPY_MAGIC, CELLA_NPY_MAGIC_SIZE) == 0) {
        return read_array(call, out);
    }
    CELLA_TRY(cella_matrix_read(call, &out->input, CELLA_MATRIX_AUTO, missing, 0, &out->matrix));
    out->rows = out->matrix.rows;
    out->width = out->matrix.columns;
    return out->rows > 0 ? CELLA_OK : cella_builtin_refuse(call, "%s: there are no rows", input->name);
}

void cella_onnx_data_release(struct cella_onnx_data *data)
{
    cella_matrix_release(&data->matrix);
}

static cella_status refuse_input(const struct cella_onnx_feed *feed, size_t input, const char *what)
{
    char text[64];
    return cella_builtin_refuse(feed->session->call, "%s: the model's input '%s' %s", feed->session->source,
                                cella_onnx_printable(feed->session->model.inputs[input].name, text), what);
}

/* How many numbers of a row an input takes; 0: its file leaves that open. */
static cella_status width_of(const struct cella_onnx_feed *feed, size_t input, size_t *out)
{
    const struct cella_onnx_value_info *info = &feed->session->model.inputs[input];
    *out = 1;
    if (info->type == CELLA_ONNX_STRING || info->type == CELLA_ONNX_NONE) {
        return refuse_input(feed, input, "is not of a type of numbers");
    }
    if (!info->shaped || info->rank == 0) {
        *out = 0;
        return info->shaped ? refuse_input(feed, input, "is a single number, not rows") : CELLA_OK;
    }
    for (size_t i = 1; i < info->rank; i++) {
        size_t size = info->dims[i].open ? 0 : info->dims[i].size;
        if (__builtin_mul_overflow(*out, size, out)) {
            return refuse_input(feed, input, "is too large");
        }
    }
    return CELLA_OK;
}

/* The column of a name, or CELLA_ONNX_ABSENT. */
static size_t column_named(const struct cella_onnx_data *data, struct cella_view name)
{
    const char *at = (const char *) data->matrix.names.data;
    for (size_t i = 0; data->matrix.names.size > 0 && i < data->matrix.columns; i++) {
        if (cella_view_is(name, at)) {
            return i;
        }
        at += strlen(at) + 1;
    }
    return CELLA_ONNX_ABSENT;
}

/* Several inputs of one number each, all of which are columns by name. */
static bool match_names(struct cella_onnx_feed *feed)
{
    size_t count = feed->session->model.input_count;
    for (size_t i = 0; i < count; i++) {
        if (feed->widths[i] != 1 || column_named(feed->data, feed->session->model.inputs[i].name) == CELLA_ONNX_ABSENT) {
            return false;
        }
    }
    for (size_t i = 0; i < count; i++) {
        feed->firsts[i] = column_named(feed->data, feed->session->model.inputs[i].name);
    }
    return true;
}

static cella_status share_columns(struct cella_onnx_feed *feed)
{
    size_t count = feed->session->model.input_count;
    size_t taken = 0;
    for (size_t i = 0; i < count; i++) {
        CELLA_TRY(width_of(feed, i, &feed->widths[i]));
        if (feed->widths[i] == 0 && count == 1) {
            feed->widths[i] = feed->data->width;
        }
        if (feed->widths[i] == 0) {
            return refuse_input(feed, i, "leaves its size open, and there are others beside it");
        }
        feed->firsts[i] = taken;
        if (__builtin_add_overflow(taken, feed->widths[i], &taken)) {
            return refuse_input(feed, i, "is too large");
        }
    }
    if (match_names(feed)) {
        return CELLA_OK;
    }
    return taken == feed->data->width
        ? CELLA_OK
        : cella_builtin_refuse(feed->session->call, "%s: the model takes %zu numbers for each row, the data have %zu",
                               feed->data->input.name, taken, feed->data->width);
}

cella_status cella_onnx_feed_begin(struct cella_onnx_session *session, const struct cella_onnx_data *data, size_t batch,
                                   struct cella_onnx_feed *out)
{
    *out = (struct cella_onnx_feed){ .session = session, .data = data, .batch = batch };
    size_t count = session->model.input_count;
    CELLA_TRY(cella_onnx_model_take(&session->model, count, sizeof(size_t), (void **) &out->firsts));
    CELLA_TRY(cella_onnx_model_take(&session->model, count, sizeof(size_t), (void **) &out->widths));
    if (count == 0) {
        return cella_builtin_refuse(session->call, "%s: the model has no input", session->source);
    }
    CELLA_TRY(share_columns(out));
    size_t fixed = 0;
    for (size_t i = 0; i < count; i++) {
        const struct cella_onnx_value_info *info = &session->model.inputs[i];
        if (info->shaped && !info->dims[0].open) {
            if (fixed != 0 && fixed != info->dims[0].size) {
                return refuse_input(out, i, "takes another number of rows than those before it");
            }
            fixed = info->dims[0].size;
        }
    }
    if (fixed > 1U << 20) {
        return cella_builtin_refuse(session->call, "%s: the model takes %zu rows at a time; at most %u are supported",
                                    session->source, fixed, 1U << 20);
    }
    out->batch = fixed != 0 ? fixed : batch;
    return CELLA_OK;
}

static size_t input_dims(const struct cella_onnx_feed *feed, size_t input, size_t count, size_t *dims)
{
    const struct cella_onnx_value_info *info = &feed->session->model.inputs[input];
    const struct cella_onnx_data *data = feed->data;
    bool fixed = info->shaped && !info->dims[0].open;
    dims[0] = fixed ? info->dims[0].size : count;
    bool as_it_is = data->is_array && feed->session->model.input_count == 1 &&
        (!info->shaped || info->rank == data->npy.dimensions);
    size_t rank = as_it_is ? data->npy.dimensions : info->shaped ? info->rank : 2;
    bool flat = !as_it_is && !info->shaped;
    for (size_t i = 1; i < rank; i++) {
        dims[i] = as_it_is ? data->npy.sizes[i] : flat || info->dims[i].open ? feed->widths[input] : info->dims[i].size;
    }
    return rank;
}

/* Shapes that are partly open: what was given must be what is known. */
static cella_status check_dims(const struct cella_onnx_feed *feed, size_t input, size_t rank, const size_t *dims)
{
    const struct cella_onnx_value_info *info = &feed->session->model.inputs[input];
    size_t width = 1;
    for (size_t i = 1; i < rank; i++) {
        if (info->shaped && !info->dims[i].open && info->dims[i].size != dims[i]) {
            return refuse_input(feed, input, "has another shape than the array");
        }
        width = __builtin_mul_overflow(width, dims[i], &width) ? 0 : width;
    }
    return width == feed->widths[input]
        ? CELLA_OK
        : refuse_input(feed, input, "leaves its shape open: give an .npy array of its shape");
}

static double number_at(const struct cella_onnx_data *data, size_t index)
{
    double value;
    if (!data->is_array) {
        return data->matrix.values[index];
    }
    cella_npy_convert(&data->npy, data->numbers + index * data->npy.width, 1, &value);
    return value;
}

static cella_status store(const struct cella_onnx_feed *feed, size_t row, double value, struct cella_onnx_tensor *to,
                          size_t index)
{
    bool whole = value == floor(value) && fabs(value) <= 0x1p53;
    double limit = to->type == CELLA_ONNX_INT32 ? 0x1p31 : to->type == CELLA_ONNX_INT8 ? 0x1p7 : 0x1p53;
    double least = to->type == CELLA_ONNX_UINT8 || to->type == CELLA_ONNX_BOOL ? 0 : -limit;
    limit = to->type == CELLA_ONNX_UINT8 ? 256 : to->type == CELLA_ONNX_BOOL ? 2 : limit;
    if (to->type != CELLA_ONNX_FLOAT && to->type != CELLA_ONNX_DOUBLE && (!whole || value < least || value >= limit)) {
        return cella_builtin_refuse(feed->session->call, "%s, row %zu: %g is not a number of the model's type %s",
                                    feed->data->input.name, row + 1, value, cella_onnx_type_name(to->type));
    }
    switch (to->type) {
    case CELLA_ONNX_FLOAT:
        ((float *) to->data)[index] = (float) value;
        break;
    case CELLA_ONNX_DOUBLE:
        ((double *) to->data)[index] = value;
        break;
    case CELLA_ONNX_INT64:
        ((int64_t *) to->data)[index] = (int64_t) value;
        break;
    case CELLA_ONNX_INT32:
        ((int32_t *) to->data)[index] = (int32_t) value;
        break;
    case CELLA_ONNX_INT8:
        ((int8_t *) to->data)[index] = (int8_t) value;
        break;
    case CELLA_ONNX_UINT8:
    case CELLA_ONNX_BOOL:
        ((uint8_t *) to->data)[index] = (uint8_t) value;
        break;
    case CELLA_ONNX_NONE:
    case CELLA_ONNX_STRING:
        return CELLA_INTERNAL;
    }
    return CELLA_OK;
}

cella_status cella_onnx_feed_rows(const struct cella_onnx_feed *feed, size_t first, size_t count,
                                  struct cella_onnx_tensor *inputs)
{
    struct cella_onnx_session *session = feed->session;
    for (size_t i = 0; i < session->model.input_count; i++) {
        size_t dims[CELLA_ONNX_RANK_MAX];
        size_t rank = input_dims(feed, i, count, dims);
        CELLA_TRY(check_dims(feed, i, rank, dims));
        cella_status made =
            cella_onnx_tensor_make(&session->memory, session->model.inputs[i].type, rank, dims, &inputs[i]);
        if (made == CELLA_LIMIT_MEMORY) {
            return refuse_input(feed, i, "needs more memory than the engine's bound");
        }
        CELLA_TRY(made);
        memset(inputs[i].data, 0, inputs[i].count * cella_onnx_type_size(inputs[i].type));
        for (size_t r = 0; r < count; r++) {
            size_t from = (first + r) * feed->data->width + feed->firsts[i];
            for (size_t c = 0; c < feed->widths[i]; c++) {
                CELLA_TRY(store(feed, first + r, number_at(feed->data, from + c), &inputs[i],
                                r * feed->widths[i] + c));
            }
        }
    }
    return CELLA_OK;
}
