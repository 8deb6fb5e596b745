/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The account of a model's work, in steps: one multiply-add of a product of matrices is a step, an element that is read or
 * written is CELLA_ONNX_WORK_ELEMENT of them, which takes about as long. A few hundred bytes of a hostile model can ask for
 * years: so each node's steps are added to the account before it computes anything, and the node with which a run would
 * exceed the limit is refused. While a node computes, it says so here now and then, which is how it is cancelled.
 *
 * Steps are doubles: sizes multiply beyond what whole numbers hold.
 */

#include "builtins/call.h"

#define CELLA_ONNX_WORK_MAX 1e12 /* a few minutes of one processor, for each example that a run has */
#define CELLA_ONNX_WORK_ELEMENT 16.0
#define CELLA_ONNX_WORK_PART (1U << 28) /* steps between two looks at whether the call was cancelled, about: 0.3 s at most */

struct cella_onnx_work {
    struct cella_builtin_call *call;
    double limit;    /* steps of a run, for each example */
    size_t examples; /* that the caller has for each run: at least 1 */
    double asked;    /* steps of the present run so far, its present node's included */
    double fraction; /* of the call, for cella_builtin_progress */
    double unseen;   /* steps since the clock was looked at */
    double told;     /* when cella_builtin_progress was called last, in seconds */
};

/* Begin a run: nothing was asked for yet. */
void cella_onnx_work_begin(struct cella_onnx_work *work);

/* Add steps that are about to be done. False if that is more than the run may have; they are added then too. */
CELLA_MUST_USE bool cella_onnx_work_add(struct cella_onnx_work *work, double steps);

/* How many steps a run may have. */
double cella_onnx_work_most(const struct cella_onnx_work *work);

/*
 * Say that about so many steps were done. Only from the thread that was called. Cheap: it looks at the clock seldom, and
 * tells the caller a few times a second at most.
 *
 * work:  NULL: nobody listens
 *
 * CELLA_CANCELLED  the call is to end: return that
 */
CELLA_MUST_USE cella_status cella_onnx_work_done(struct cella_onnx_work *work, double steps);
