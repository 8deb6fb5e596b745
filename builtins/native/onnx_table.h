/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What operators on tables share: inputs as rows of float32, scores made probabilities, labels that are numbers or texts.
 */

#include "builtins/native/onnx_operators.h"

/* What happens to scores at the end. */
enum cella_onnx_transform {
    CELLA_ONNX_TRANSFORM_NONE,
    CELLA_ONNX_TRANSFORM_LOGISTIC,
    CELLA_ONNX_TRANSFORM_SOFTMAX,
};

/*
 * Input number index as float32: one row, or a matrix.
 * out: absent before; the caller releases it. Its rank is 2.
 * CELLA_BUILTIN_FAILED  more dimensions, text
 */
CELLA_MUST_USE cella_status cella_onnx_rows(struct cella_onnx_step *step, size_t index, struct cella_onnx_tensor *out);

/* The attribute post_transform. CELLA_BUILTIN_FAILED if it is another. */
CELLA_MUST_USE cella_status cella_onnx_transform_of(const struct cella_onnx_step *step,
                                                    enum cella_onnx_transform *out);

/* Apply it to the scores of one row. */
void cella_onnx_transform(enum cella_onnx_transform transform, float *scores, size_t count);

/* Labels of classes: the list attribute of whole numbers or that of texts, whichever is there. Either may be NULL. */
struct cella_onnx_labels {
    const int64_t *integers;
    const struct cella_view *texts;
    size_t count;
};

/* CELLA_BUILTIN_FAILED  none or both are there */
CELLA_MUST_USE cella_status cella_onnx_labels_of(const struct cella_onnx_step *step, const char *integers,
                                                 struct cella_onnx_labels *out);

/* Make output 0, one label for each row. */
CELLA_MUST_USE cella_status cella_onnx_labels_output(struct cella_onnx_step *step,
                                                     const struct cella_onnx_labels *labels, size_t rows,
                                                     struct cella_onnx_tensor **out);

/* Put label number class into row. */
void cella_onnx_label(const struct cella_onnx_labels *labels, struct cella_onnx_tensor *out, size_t row, size_t class);

/* An attribute that is a list of float32, or of whole numbers; *count is 0 if it is not there. */
const float *cella_onnx_reals(const struct cella_onnx_step *step, const char *name, size_t *count);
const int64_t *cella_onnx_integers(const struct cella_onnx_step *step, const char *name, size_t *count);
