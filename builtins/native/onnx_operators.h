/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The operators' functions, for the table in onnx_operators.c. Each checks its inputs, makes its outputs and computes them;
 * one function may serve several operators. Errors of all: CELLA_BUILTIN_FAILED with a message that names the node;
 * CELLA_NO_MEMORY.
 */

#include "builtins/native/onnx_step.h"

CELLA_MUST_USE cella_status cella_onnx_run_conv(struct cella_onnx_step *step);
CELLA_MUST_USE cella_status cella_onnx_run_pool(struct cella_onnx_step *step);
CELLA_MUST_USE cella_status cella_onnx_run_global_pool(struct cella_onnx_step *step);
CELLA_MUST_USE cella_status cella_onnx_run_gemm(struct cella_onnx_step *step);
CELLA_MUST_USE cella_status cella_onnx_run_matmul(struct cella_onnx_step *step);
CELLA_MUST_USE cella_status cella_onnx_run_binary(struct cella_onnx_step *step);
CELLA_MUST_USE cella_status cella_onnx_run_pow(struct cella_onnx_step *step);
CELLA_MUST_USE cella_status cella_onnx_run_variadic(struct cella_onnx_step *step);
CELLA_MUST_USE cella_status cella_onnx_run_unary(struct cella_onnx_step *step);
CELLA_MUST_USE cella_status cella_onnx_run_clip(struct cella_onnx_step *step);
CELLA_MUST_USE cella_status cella_onnx_run_classify(struct cella_onnx_step *step);
CELLA_MUST_USE cella_status cella_onnx_run_cast(struct cella_onnx_step *step);
CELLA_MUST_USE cella_status cella_onnx_run_shape(struct cella_onnx_step *step);
CELLA_MUST_USE cella_status cella_onnx_run_size(struct cella_onnx_step *step);
CELLA_MUST_USE cella_status cella_onnx_run_reshape(struct cella_onnx_step *step);
CELLA_MUST_USE cella_status cella_onnx_run_flatten(struct cella_onnx_step *step);
CELLA_MUST_USE cella_status cella_onnx_run_squeeze(struct cella_onnx_step *step);
CELLA_MUST_USE cella_status cella_onnx_run_unsqueeze(struct cella_onnx_step *step);
CELLA_MUST_USE cella_status cella_onnx_run_identity(struct cella_onnx_step *step);
CELLA_MUST_USE cella_status cella_onnx_run_constant(struct cella_onnx_step *step);
CELLA_MUST_USE cella_status cella_onnx_run_constant_of_shape(struct cella_onnx_step *step);
CELLA_MUST_USE cella_status cella_onnx_run_expand(struct cella_onnx_step *step);
CELLA_MUST_USE cella_status cella_onnx_run_range(struct cella_onnx_step *step);
CELLA_MUST_USE cella_status cella_onnx_run_transpose(struct cella_onnx_step *step);
CELLA_MUST_USE cella_status cella_onnx_run_concat(struct cella_onnx_step *step);
CELLA_MUST_USE cella_status cella_onnx_run_split(struct cella_onnx_step *step);
CELLA_MUST_USE cella_status cella_onnx_run_slice(struct cella_onnx_step *step);
CELLA_MUST_USE cella_status cella_onnx_run_gather(struct cella_onnx_step *step);
CELLA_MUST_USE cella_status cella_onnx_run_pad(struct cella_onnx_step *step);
CELLA_MUST_USE cella_status cella_onnx_run_tile(struct cella_onnx_step *step);
CELLA_MUST_USE cella_status cella_onnx_run_blocks(struct cella_onnx_step *step);
CELLA_MUST_USE cella_status cella_onnx_run_where(struct cella_onnx_step *step);
CELLA_MUST_USE cella_status cella_onnx_run_reduce(struct cella_onnx_step *step);
CELLA_MUST_USE cella_status cella_onnx_run_arg(struct cella_onnx_step *step);
CELLA_MUST_USE cella_status cella_onnx_run_top_k(struct cella_onnx_step *step);
CELLA_MUST_USE cella_status cella_onnx_run_batch_normalization(struct cella_onnx_step *step);
CELLA_MUST_USE cella_status cella_onnx_run_instance_normalization(struct cella_onnx_step *step);
CELLA_MUST_USE cella_status cella_onnx_run_layer_normalization(struct cella_onnx_step *step);
CELLA_MUST_USE cella_status cella_onnx_run_lp_normalization(struct cella_onnx_step *step);
CELLA_MUST_USE cella_status cella_onnx_run_lrn(struct cella_onnx_step *step);
CELLA_MUST_USE cella_status cella_onnx_run_softmax(struct cella_onnx_step *step);
CELLA_MUST_USE cella_status cella_onnx_run_scaler(struct cella_onnx_step *step);
CELLA_MUST_USE cella_status cella_onnx_run_normalizer(struct cella_onnx_step *step);
CELLA_MUST_USE cella_status cella_onnx_run_imputer(struct cella_onnx_step *step);
CELLA_MUST_USE cella_status cella_onnx_run_feature_vectorizer(struct cella_onnx_step *step);
CELLA_MUST_USE cella_status cella_onnx_run_array_feature_extractor(struct cella_onnx_step *step);
CELLA_MUST_USE cella_status cella_onnx_run_linear_classifier(struct cella_onnx_step *step);
CELLA_MUST_USE cella_status cella_onnx_run_linear_regressor(struct cella_onnx_step *step);
CELLA_MUST_USE cella_status cella_onnx_run_tree_classifier(struct cella_onnx_step *step);
CELLA_MUST_USE cella_status cella_onnx_run_tree_regressor(struct cella_onnx_step *step);
CELLA_MUST_USE cella_status cella_onnx_run_zip_map(struct cella_onnx_step *step);

/* The bounds of a Clip step whose bounds are constant or attributes. */
CELLA_MUST_USE cella_status cella_onnx_clip_bounds(const struct cella_onnx_step *step, float *low, float *high);

/* A tensor's numbers in another type. out is absent before; the caller releases it. */
CELLA_MUST_USE cella_status cella_onnx_cast(struct cella_onnx_step *step, const struct cella_onnx_tensor *from,
                                            enum cella_onnx_type type, struct cella_onnx_tensor *out);
