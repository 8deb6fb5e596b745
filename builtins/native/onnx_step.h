/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What an operator's code uses: its inputs, outputs and attributes, and the table that describes operators. Attributes
 * were checked against the table when the model was opened, values were not: shapes, types and numbers are untrusted.
 */

#include "builtins/native/onnx_session.h"

/*
 * One row: an operator of the engine.
 *
 * attributes:  "name:kind" separated by blanks; kind is f, i, s, t, F, I, S as in onnx_model.h's order. Other attributes
 *              are refused, so that none is silently without effect.
 */
struct cella_onnx_operator {
    const char *domain; /* "" for ai.onnx */
    const char *name;
    uint8_t inputs_least;
    uint16_t inputs_most;
    uint16_t outputs_most;
    const char *attributes;
    cella_status (*run)(struct cella_onnx_step *step);
};

/* The operator of a node, or NULL; onnx_operators.c. */
const struct cella_onnx_operator *cella_onnx_operator_find(struct cella_view domain, struct cella_view name);

/* Operator number index, or NULL past the end. */
const struct cella_onnx_operator *cella_onnx_operator_at(size_t index);

/* CELLA_BUILTIN_FAILED with "SOURCE: node 'NAME' (OPERATOR): what". */
CELLA_MUST_USE cella_status cella_onnx_refuse(const struct cella_onnx_step *step, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Ask for steps before they are done (onnx_work.h). Elements of a node's inputs, and of what cella_onnx_output and
 * cella_onnx_scratch make, are asked for by these: operators add what they do beyond going once through each of them.
 *
 * CELLA_BUILTIN_FAILED  the model would take more than a run may have; the message says how many
 */
CELLA_MUST_USE cella_status cella_onnx_work(const struct cella_onnx_step *step, double steps);

/* Say that the step went through so many elements; see cella_onnx_work_done. CELLA_CANCELLED. */
CELLA_MUST_USE cella_status cella_onnx_went(const struct cella_onnx_step *step, size_t elements);

/* Input number index, or NULL if it is absent. */
const struct cella_onnx_tensor *cella_onnx_input(const struct cella_onnx_step *step, size_t index);

/* Whether output number index is wanted. */
bool cella_onnx_wanted(const struct cella_onnx_step *step, size_t index);

/* CELLA_BUILTIN_FAILED unless input index is there and of the type. */
CELLA_MUST_USE cella_status cella_onnx_expect(const struct cella_onnx_step *step, size_t index,
                                              enum cella_onnx_type type);

/* CELLA_BUILTIN_FAILED that says that the operator has no code for the type. */
CELLA_MUST_USE cella_status cella_onnx_refuse_type(const struct cella_onnx_step *step, enum cella_onnx_type type);

/*
 * Make output number index, its elements not set. *out points to it. One that nobody wants is made too.
 * CELLA_BUILTIN_FAILED  larger than the memory bound, or too much work
 * CELLA_LIMIT_MEMORY    more than the task's memory; the message says how much
 */
CELLA_MUST_USE cella_status cella_onnx_output(struct cella_onnx_step *step, size_t index, enum cella_onnx_type type,
                                              size_t rank, const size_t *dims, struct cella_onnx_tensor **out);

/*
 * The same with the shape of a tensor, and in the place of input number reuse if that has type and shape, and nobody
 * needs it any more.
 */
CELLA_MUST_USE cella_status cella_onnx_output_over(struct cella_onnx_step *step, size_t index, size_t reuse,
                                                   enum cella_onnx_type type, const struct cella_onnx_tensor *shape,
                                                   struct cella_onnx_tensor **out);

/* Output 0 is input 0 in another shape, which has the same count. CELLA_BUILTIN_FAILED otherwise. */
CELLA_MUST_USE cella_status cella_onnx_output_reshaped(struct cella_onnx_step *step, size_t rank, const size_t *dims);

/* Scratch memory for the step. The caller releases it. Errors as cella_onnx_output. */
CELLA_MUST_USE cella_status cella_onnx_scratch(struct cella_onnx_step *step, enum cella_onnx_type type, size_t count,
                                               struct cella_onnx_tensor *out);

/* Attributes. What is not given is otherwise, or NULL. */
const struct cella_onnx_attribute *cella_onnx_attribute(const struct cella_onnx_step *step, const char *name);
int64_t cella_onnx_integer(const struct cella_onnx_step *step, const char *name, int64_t otherwise);
float cella_onnx_real(const struct cella_onnx_step *step, const char *name, float otherwise);
bool cella_onnx_text_is(const struct cella_onnx_step *step, const char *name, const char *text, bool otherwise);

/*
 * A list of whole numbers out of input number index (int64 or int32, at most one dimension).
 *
 * most:   room in list
 * count:  how many there are; 0 if the input is absent
 *
 * CELLA_BUILTIN_FAILED  another type, too many
 */
CELLA_MUST_USE cella_status cella_onnx_list(const struct cella_onnx_step *step, size_t index, size_t most,
                                            int64_t *list, size_t *count);

/*
 * The same from attribute name in models before opset since, from input number index from then on.
 */
CELLA_MUST_USE cella_status cella_onnx_list_since(const struct cella_onnx_step *step, const char *name, int64_t since,
                                                  size_t index, size_t most, int64_t *list, size_t *count);

/* An axis as ONNX counts it, from the end if negative. CELLA_BUILTIN_FAILED out of range. */
CELLA_MUST_USE cella_status cella_onnx_axis(const struct cella_onnx_step *step, int64_t given, size_t rank,
                                            size_t *axis);
