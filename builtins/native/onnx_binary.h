/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Adding to a step's output what a fused step would have added. */

#include "builtins/native/onnx_step.h"

/*
 * Output 0 becomes output 0 plus step->finish.addend, broadcast, then clipped if finish says so.
 * CELLA_BUILTIN_FAILED, CELLA_NO_MEMORY
 */
CELLA_MUST_USE cella_status cella_onnx_add_later(struct cella_onnx_step *step);
