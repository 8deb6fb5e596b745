/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/native/onnx_work.h"

#include <time.h>

#define LOOK_STEPS (1U << 26) /* so that small parts do not ask the kernel what time it is: 2 to 50 milliseconds */
#define TELL_SECONDS 0.2

void cella_onnx_work_begin(struct cella_onnx_work *work)
{
    work->asked = 0;
}

double cella_onnx_work_most(const struct cella_onnx_work *work)
{
    return work->limit * (double) (work->examples == 0 ? 1 : work->examples);
}

bool cella_onnx_work_add(struct cella_onnx_work *work, double steps)
{
    work->asked += steps;
    return work->asked <= cella_onnx_work_most(work);
}

cella_status cella_onnx_work_done(struct cella_onnx_work *work, double steps)
{
    struct timespec now;
    if (work == NULL) {
        return CELLA_OK;
    }
    work->unseen += steps;
    if (work->unseen < LOOK_STEPS) {
        return CELLA_OK;
    }
    work->unseen = 0;
    /* A clock that fails is no reason not to listen. */
    if (clock_gettime(CLOCK_MONOTONIC_COARSE, &now) == 0) {
        double seconds = (double) now.tv_sec + (double) now.tv_nsec * 1e-9;
        if (seconds - work->told < TELL_SECONDS) {
            return CELLA_OK;
        }
        work->told = seconds;
    }
    return cella_builtin_progress(work->call, work->fraction);
}
