/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A model made ready to run. Opening checks all of it before anything is computed: every operator, its version, its
 * attributes; that every value is made once and before it is used (so there are no loops); constants are computed, steps
 * fused. Running then takes inputs of any shape that fits. Values are given back after their last use.
 */

#include "builtins/native/onnx_model.h"
#include "builtins/native/onnx_threads.h"

#define CELLA_ONNX_MEMORY_MAX (4ULL << 30) /* bytes of tensors at a time */
#define CELLA_ONNX_OPSET_MAX 17
#define CELLA_ONNX_ML_OPSET_MAX 3
#define CELLA_ONNX_ABSENT SIZE_MAX /* no value, no step */

struct cella_onnx_kernel;
struct cella_onnx_operator;
struct cella_onnx_session;

struct cella_onnx_value {
    struct cella_view name;
    struct cella_onnx_tensor tensor; /* absent while it is not computed */
    size_t producer;                 /* step, or CELLA_ONNX_ABSENT: input or constant of the file */
    size_t first_use;                /* step that needs it first; CELLA_ONNX_ABSENT: none */
    size_t last_use;                 /* step after which it is given back */
    size_t uses;
    bool constant; /* the same in every run */
    bool kept;     /* an output of the graph */
};

/* What a step does beside its operator's work, put there by fusing steps that follow it. */
struct cella_onnx_finish {
    size_t addend; /* value that is added, of the output's shape, or CELLA_ONNX_ABSENT */
    bool clip;     /* then kept between low and high */
    float low;
    float high;
};

struct cella_onnx_step {
    struct cella_onnx_session *session;
    const struct cella_onnx_operator *operation;
    const struct cella_onnx_node *node;
    int64_t opset; /* of the operator's domain */
    size_t index;
    size_t *inputs; /* values, node->input_count of them; CELLA_ONNX_ABSENT: none */
    size_t *outputs;
    bool skipped; /* computed at opening, or part of another step */
    struct cella_onnx_finish finish;
    struct cella_onnx_tensor packed; /* constant weights in the kernel's order, made at the first run */
    struct cella_onnx_tensor bias;   /* of a convolution into which a normalization was merged: instead of its own */
    void *prepared;                  /* the operator's own, in the model's memory, made at the first run */
};

struct cella_onnx_session {
    struct cella_builtin_call *call;
    const char *source; /* what messages call the file */
    struct cella_onnx_memory memory;
    struct cella_onnx_work work;
    struct cella_onnx_model model;
    struct cella_onnx_threads *threads;
    const struct cella_onnx_kernel *kernel;
    struct cella_onnx_value *values;
    size_t value_count;
    struct cella_onnx_step *steps;
    size_t step_count;
    size_t *inputs; /* values, model.input_count of them */
    size_t *outputs;
};

/*
 * Open a model.
 *
 * source:   what messages call the file; must live as long as the session
 * bytes:    the file, untrusted; must live as long as the session
 * session:  zeroed but for memory.limit and work.limit, where they are to be less than CELLA_ONNX_MEMORY_MAX and
 *           CELLA_ONNX_WORK_MAX; the caller closes it, also after errors. It must not move.
 *
 * CELLA_BUILTIN_FAILED  refused, with a message that names the operator or node
 * CELLA_LIMIT_MEMORY    a value does not fit into the task's memory; the message names the node
 * CELLA_NO_MEMORY, CELLA_CANCELLED
 */
CELLA_MUST_USE cella_status cella_onnx_session_open(struct cella_builtin_call *call, const char *source,
                                                    struct cella_view bytes, struct cella_onnx_session *session);

/*
 * Compute. Before, session->work.examples and .fraction may be set: how many rows or images the caller has for a run (a
 * model may ask for CELLA_ONNX_WORK_MAX steps for each of them), and how far the call is.
 *
 * inputs:   model.input_count tensors, of session->memory or absent; shared, not taken
 * outputs:  model.output_count tensors, absent before; the caller releases them
 *
 * CELLA_BUILTIN_FAILED  shapes or types do not fit, the memory bound, too much work; the message names the node
 * CELLA_LIMIT_MEMORY, CELLA_NO_MEMORY, CELLA_CANCELLED
 */
CELLA_MUST_USE cella_status cella_onnx_session_run(struct cella_onnx_session *session,
                                                   const struct cella_onnx_tensor *inputs,
                                                   struct cella_onnx_tensor *outputs);

void cella_onnx_session_close(struct cella_onnx_session *session);

/* Merge steps that follow a convolution or matrix product into it; onnx_fuse.c. CELLA_NO_MEMORY. */
CELLA_MUST_USE cella_status cella_onnx_fuse(struct cella_onnx_session *session);

/* Note for each value who needs it first and last, skipped steps aside. */
void cella_onnx_session_count_uses(struct cella_onnx_session *session);
