/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/native/onnx_table.h"

#include <math.h>
#include <string.h>

cella_status cella_onnx_rows(struct cella_onnx_step *step, size_t index, struct cella_onnx_tensor *out)
{
    const struct cella_onnx_tensor *input = cella_onnx_input(step, index);
    if (input == NULL || input->rank < 1 || input->rank > 2) {
        return cella_onnx_refuse(step, "input %zu is not a matrix", index);
    }
    if (input->type == CELLA_ONNX_FLOAT) {
        cella_onnx_tensor_share(input, out);
    } else {
        CELLA_TRY(cella_onnx_cast(step, input, CELLA_ONNX_FLOAT, out));
    }
    if (out->rank == 1) {
        out->dims[1] = out->dims[0];
        out->dims[0] = 1;
        out->rank = 2;
    }
    return CELLA_OK;
}

cella_status cella_onnx_transform_of(const struct cella_onnx_step *step, enum cella_onnx_transform *out)
{
    static const char *const names[] = { "NONE", "LOGISTIC", "SOFTMAX" };
    for (size_t i = 0; i < 3; i++) {
        if (cella_onnx_text_is(step, "post_transform", names[i], i == 0)) {
            *out = (enum cella_onnx_transform) i;
            return CELLA_OK;
        }
    }
    return cella_onnx_refuse(step, "post_transform is not NONE, LOGISTIC or SOFTMAX; others are not supported");
}

void cella_onnx_transform(enum cella_onnx_transform transform, float *scores, size_t count)
{
    float most = -INFINITY;
    float sum = 0;
    for (size_t i = 0; i < count; i++) {
        most = scores[i] > most ? scores[i] : most;
    }
    for (size_t i = 0; i < count; i++) {
        if (transform == CELLA_ONNX_TRANSFORM_LOGISTIC) {
            scores[i] = 1.0f / (1.0f + expf(-scores[i]));
        } else if (transform == CELLA_ONNX_TRANSFORM_SOFTMAX) {
            scores[i] = expf(scores[i] - most);
            sum += scores[i];
        }
    }
    for (size_t i = 0; transform == CELLA_ONNX_TRANSFORM_SOFTMAX && i < count; i++) {
        scores[i] /= sum;
    }
}

const float *cella_onnx_reals(const struct cella_onnx_step *step, const char *name, size_t *count)
{
    const struct cella_onnx_attribute *attribute = cella_onnx_attribute(step, name);
    *count = attribute == NULL ? 0 : attribute->count;
    return attribute == NULL ? NULL : attribute->reals;
}

const int64_t *cella_onnx_integers(const struct cella_onnx_step *step, const char *name, size_t *count)
{
    const struct cella_onnx_attribute *attribute = cella_onnx_attribute(step, name);
    *count = attribute == NULL ? 0 : attribute->count;
    return attribute == NULL ? NULL : attribute->integers;
}

cella_status cella_onnx_labels_of(const struct cella_onnx_step *step, const char *integers,
                                  struct cella_onnx_labels *out)
{
    const struct cella_onnx_attribute *texts = cella_onnx_attribute(step, "classlabels_strings");
    size_t text_count = texts == NULL ? 0 : texts->count;
    out->integers = cella_onnx_integers(step, integers, &out->count);
    if ((out->count == 0) == (text_count == 0)) {
        return cella_onnx_refuse(step, "it needs either whole numbers or texts as labels of its classes");
    }
    out->texts = text_count == 0 ? NULL : texts->texts;
    out->count = text_count == 0 ? out->count : text_count;
    return CELLA_OK;
}

cella_status cella_onnx_labels_output(struct cella_onnx_step *step, const struct cella_onnx_labels *labels, size_t rows,
                                      struct cella_onnx_tensor **out)
{
    return cella_onnx_output(step, 0, labels->texts != NULL ? CELLA_ONNX_STRING : CELLA_ONNX_INT64, 1, &rows, out);
}

void cella_onnx_label(const struct cella_onnx_labels *labels, struct cella_onnx_tensor *out, size_t row, size_t class)
{
    if (labels->texts != NULL) {
        ((struct cella_view *) out->data)[row] = labels->texts[class];
    } else {
        ((int64_t *) out->data)[row] = labels->integers[class];
    }
}

/* One number for all columns, or one for each. */
static cella_status per_column(const struct cella_onnx_step *step, const char *name, size_t columns,
                               const float **numbers, bool *single)
{
    size_t count;
    *numbers = cella_onnx_reals(step, name, &count);
    *single = count == 1;
    return count == 1 || count == columns
        ? CELLA_OK
        : cella_onnx_refuse(step, "%s has %zu numbers for %zu columns", name, count, columns);
}

cella_status cella_onnx_run_scaler(struct cella_onnx_step *step)
{
    CELLA_CLEANUP(cella_onnx_tensor_release) struct cella_onnx_tensor rows = { 0 };
    struct cella_onnx_tensor *output;
    const float *offset;
    const float *scale;
    bool one_offset;
    bool one_scale;
    CELLA_TRY(cella_onnx_rows(step, 0, &rows));
    CELLA_TRY(per_column(step, "offset", rows.dims[1], &offset, &one_offset));
    CELLA_TRY(per_column(step, "scale", rows.dims[1], &scale, &one_scale));
    CELLA_TRY(cella_onnx_output(step, 0, CELLA_ONNX_FLOAT, rows.rank, rows.dims, &output));
    for (size_t i = 0; i < rows.count; i++) {
        size_t column = i % rows.dims[1];
        ((float *) output->data)[i] =
            (((const float *) rows.data)[i] - offset[one_offset ? 0 : column]) * scale[one_scale ? 0 : column];
        CELLA_TRY(cella_onnx_went(step, 1));
    }
    return CELLA_OK;
}

cella_status cella_onnx_run_normalizer(struct cella_onnx_step *step)
{
    CELLA_CLEANUP(cella_onnx_tensor_release) struct cella_onnx_tensor rows = { 0 };
    struct cella_onnx_tensor *output;
    bool l1 = cella_onnx_text_is(step, "norm", "L1", false);
    if (!l1 && !cella_onnx_text_is(step, "norm", "L2", false)) {
        return cella_onnx_refuse(step, "norm is not L1 or L2; others are not supported");
    }
    CELLA_TRY(cella_onnx_rows(step, 0, &rows));
    CELLA_TRY(cella_onnx_output(step, 0, CELLA_ONNX_FLOAT, rows.rank, rows.dims, &output));
    for (size_t r = 0; r < rows.dims[0]; r++) {
        const float *from = (const float *) rows.data + r * rows.dims[1];
        float *to = (float *) output->data + r * rows.dims[1];
        double sum = 0;
        for (size_t i = 0; i < rows.dims[1]; i++) {
            sum += l1 ? fabs((double) from[i]) : (double) from[i] * (double) from[i];
        }
        double norm = l1 ? sum : sqrt(sum);
        for (size_t i = 0; i < rows.dims[1]; i++) {
            to[i] = norm == 0 ? from[i] : (float) ((double) from[i] / norm);
        }
        CELLA_TRY(cella_onnx_went(step, 2 * rows.dims[1] + 1));
    }
    return CELLA_OK;
}

cella_status cella_onnx_run_imputer(struct cella_onnx_step *step)
{
    CELLA_CLEANUP(cella_onnx_tensor_release) struct cella_onnx_tensor rows = { 0 };
    struct cella_onnx_tensor *output;
    const float *imputed;
    bool one;
    float replaced = cella_onnx_real(step, "replaced_value_float", 0);
    CELLA_TRY(cella_onnx_rows(step, 0, &rows));
    CELLA_TRY(per_column(step, "imputed_value_floats", rows.dims[1], &imputed, &one));
    CELLA_TRY(cella_onnx_output(step, 0, CELLA_ONNX_FLOAT, rows.rank, rows.dims, &output));
    for (size_t i = 0; i < rows.count; i++) {
        float value = ((const float *) rows.data)[i];
        bool missing = isnan(replaced) ? isnan(value) : value == replaced;
        ((float *) output->data)[i] = missing ? imputed[one ? 0 : i % rows.dims[1]] : value;
        CELLA_TRY(cella_onnx_went(step, 1));
    }
    return CELLA_OK;
}

cella_status cella_onnx_run_feature_vectorizer(struct cella_onnx_step *step)
{
    size_t dims[2] = { 0, 0 };
    struct cella_onnx_tensor *output;
    size_t column = 0;
    size_t widths;
    const int64_t *given = cella_onnx_integers(step, "inputdimensions", &widths);
    if (widths != 0 && widths != step->node->input_count) {
        return cella_onnx_refuse(step, "inputdimensions has %zu numbers for %zu inputs", widths, step->node->input_count);
    }
    for (size_t i = 0; i < step->node->input_count; i++) {
        CELLA_CLEANUP(cella_onnx_tensor_release) struct cella_onnx_tensor rows = { 0 };
        CELLA_TRY(cella_onnx_rows(step, i, &rows));
        if (i > 0 && rows.dims[0] != dims[0]) {
            return cella_onnx_refuse(step, "input %zu has %zu rows, input 0 has %zu", i, rows.dims[0], dims[0]);
        }
        if (widths != 0 && (given[i] < 0 || (uint64_t) given[i] != rows.dims[1])) {
            return cella_onnx_refuse(step, "input %zu has %zu columns, inputdimensions says %lld", i, rows.dims[1],
                                     (long long) given[i]);
        }
        dims[0] = rows.dims[0];
        dims[1] += rows.dims[1];
    }
    CELLA_TRY(cella_onnx_output(step, 0, CELLA_ONNX_FLOAT, 2, dims, &output));
    for (size_t i = 0; i < step->node->input_count; i++) {
        CELLA_CLEANUP(cella_onnx_tensor_release) struct cella_onnx_tensor rows = { 0 };
        CELLA_TRY(cella_onnx_rows(step, i, &rows));
        for (size_t r = 0; r < dims[0] && rows.dims[1] > 0; r++) {
            memcpy((float *) output->data + r * dims[1] + column, (const float *) rows.data + r * rows.dims[1],
                   rows.dims[1] * sizeof(float));
            CELLA_TRY(cella_onnx_went(step, rows.dims[1]));
        }
        column += rows.dims[1];
    }
    return CELLA_OK;
}

cella_status cella_onnx_run_array_feature_extractor(struct cella_onnx_step *step)
{
    const struct cella_onnx_tensor *input = cella_onnx_input(step, 0);
    const struct cella_onnx_tensor *places = cella_onnx_input(step, 1);
    struct cella_onnx_tensor *output;
    if (input->rank < 1 || input->rank > 2 || places->type != CELLA_ONNX_INT64) {
        return cella_onnx_refuse(step, "its inputs are not a matrix and a list of int64");
    }
    size_t columns = input->dims[input->rank - 1];
    size_t dims[2] = { input->rank == 1 ? 1 : input->dims[0], places->count };
    size_t size = cella_onnx_type_size(input->type);
    for (size_t i = 0; i < places->count; i++) {
        int64_t place = ((const int64_t *) places->data)[i];
        if (place < 0 || (uint64_t) place >= columns) {
            return cella_onnx_refuse(step, "there is no column %lld", (long long) place);
        }
    }
    CELLA_TRY(cella_onnx_output(step, 0, input->type, 2, dims, &output));
    uint8_t *to = output->data;
    for (size_t r = 0; r < dims[0]; r++) {
        for (size_t i = 0; i < dims[1]; i++, to += size) {
            size_t place = (size_t) ((const int64_t *) places->data)[i];
            memcpy(to, (const uint8_t *) input->data + (r * columns + place) * size, size);
            CELLA_TRY(cella_onnx_went(step, 1));
        }
    }
    return CELLA_OK;
}

/* Maps from labels to probabilities are left what they were: columns in the order of the labels. */
cella_status cella_onnx_run_zip_map(struct cella_onnx_step *step)
{
    struct cella_onnx_labels labels;
    const struct cella_onnx_tensor *input = cella_onnx_input(step, 0);
    CELLA_TRY(cella_onnx_labels_of(step, "classlabels_int64s", &labels));
    if (input->rank != 2 || input->dims[1] != labels.count) {
        return cella_onnx_refuse(step, "there are %zu labels, but its input has other columns", labels.count);
    }
    return cella_onnx_output_reshaped(step, input->rank, input->dims);
}

/* to[r][e] = rows[r] . coefficients[e] + intercepts[e] */
static cella_status linear(const struct cella_onnx_step *step, const struct cella_onnx_tensor *rows,
                           const float *coefficients, const float *intercepts, size_t results, float *to)
{
    CELLA_TRY(cella_onnx_work(step, (double) rows->count * (double) results * CELLA_ONNX_WORK_ELEMENT));
    for (size_t r = 0; r < rows->dims[0]; r++) {
        const float *row = (const float *) rows->data + r * rows->dims[1];
        for (size_t e = 0; e < results; e++) {
            double sum = intercepts == NULL ? 0 : (double) intercepts[e];
            for (size_t i = 0; i < rows->dims[1]; i++) {
                sum += (double) row[i] * (double) coefficients[e * rows->dims[1] + i];
            }
            *to++ = (float) sum;
            CELLA_TRY(cella_onnx_went(step, rows->dims[1] + 1));
        }
    }
    return CELLA_OK;
}

/* Coefficients for results rows of columns, and as many intercepts or none. */
static cella_status linear_parameters(const struct cella_onnx_step *step, size_t results, size_t columns,
                                      const float **coefficients, const float **intercepts)
{
    size_t coefficient_count;
    size_t intercept_count;
    size_t needed;
    *coefficients = cella_onnx_reals(step, "coefficients", &coefficient_count);
    *intercepts = cella_onnx_reals(step, "intercepts", &intercept_count);
    if (__builtin_mul_overflow(results, columns, &needed) || coefficient_count != needed ||
        (intercept_count != 0 && intercept_count != results)) {
        return cella_onnx_refuse(step, "%zu coefficients and %zu intercepts for %zu results of %zu columns",
                                 coefficient_count, intercept_count, results, columns);
    }
    *intercepts = intercept_count == 0 ? NULL : *intercepts;
    return CELLA_OK;
}

cella_status cella_onnx_run_linear_regressor(struct cella_onnx_step *step)
{
    CELLA_CLEANUP(cella_onnx_tensor_release) struct cella_onnx_tensor rows = { 0 };
    struct cella_onnx_tensor *output;
    enum cella_onnx_transform transform;
    const float *coefficients;
    const float *intercepts;
    int64_t targets = cella_onnx_integer(step, "targets", 1);
    CELLA_TRY(cella_onnx_transform_of(step, &transform));
    CELLA_TRY(cella_onnx_rows(step, 0, &rows));
    if (targets < 1) {
        return cella_onnx_refuse(step, "it has %lld targets", (long long) targets);
    }
    size_t dims[2] = { rows.dims[0], (size_t) targets };
    CELLA_TRY(linear_parameters(step, dims[1], rows.dims[1], &coefficients, &intercepts));
    CELLA_TRY(cella_onnx_output(step, 0, CELLA_ONNX_FLOAT, 2, dims, &output));
    CELLA_TRY(linear(step, &rows, coefficients, intercepts, dims[1], output->data));
    for (size_t r = 0; r < dims[0]; r++) {
        cella_onnx_transform(transform, (float *) output->data + r * dims[1], dims[1]);
    }
    return CELLA_OK;
}

cella_status cella_onnx_run_linear_classifier(struct cella_onnx_step *step)
{
    CELLA_CLEANUP(cella_onnx_tensor_release) struct cella_onnx_tensor rows = { 0 };
    CELLA_CLEANUP(cella_onnx_tensor_release) struct cella_onnx_tensor scores = { 0 };
    struct cella_onnx_tensor *label;
    struct cella_onnx_tensor *output;
    struct cella_onnx_labels labels;
    enum cella_onnx_transform transform;
    const float *coefficients;
    const float *intercepts;
    CELLA_TRY(cella_onnx_labels_of(step, "classlabels_ints", &labels));
    CELLA_TRY(cella_onnx_transform_of(step, &transform));
    CELLA_TRY(cella_onnx_rows(step, 0, &rows));
    CELLA_TRY(linear_parameters(step, labels.count, rows.dims[1], &coefficients, &intercepts));
    size_t dims[2] = { rows.dims[0], labels.count };
    CELLA_TRY(cella_onnx_labels_output(step, &labels, dims[0], &label));
    CELLA_TRY(cella_onnx_scratch(step, CELLA_ONNX_FLOAT, dims[0] * dims[1], &scores));
    CELLA_TRY(linear(step, &rows, coefficients, intercepts, dims[1], scores.data));
    for (size_t r = 0; r < dims[0]; r++) {
        float *row = (float *) scores.data + r * dims[1];
        size_t best = 0;
        for (size_t i = 1; i < dims[1]; i++) {
            best = row[i] > row[best] ? i : best;
        }
        cella_onnx_label(&labels, label, r, best);
        cella_onnx_transform(transform, row, dims[1]);
    }
    if (step->node->output_count > 1 && step->outputs[1] != CELLA_ONNX_ABSENT) {
        CELLA_TRY(cella_onnx_output(step, 1, CELLA_ONNX_FLOAT, 2, dims, &output));
        memcpy(output->data, scores.data, scores.count * sizeof(float));
    }
    return CELLA_OK;
}
