/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A cell: one task in one process. State that the interpreter's hooks and the native module share.
 */

#include "cell/box.h"
#include "cell/receive.h"

struct cella_cell {
    struct cella_box box;
    uint64_t baseline; /* bytes of address space when it was forked */
    bool talking;      /* the task has begun: messages go to the monitor. Before that, warming is silent */
    bool guarded;      /* the audit hook refuses what a function may not do */
    bool log_cut;
    uint64_t log_left; /* bytes */
    struct cella_received received;
};

/*
 * Live as a cell: box, warm up, say so, wait for a task, run it, answer, end. Never returns.
 *
 * control:  the socket whose other end becomes the monitor's. The first packet through it is for the zygote: u32
 *           layers in force for this cell.
 */
__attribute__((noreturn)) void cella_cell_live(struct cella_cell *cell, int control);

/* Append log text within the task's limit; says once that it was reached. Never fails a task. */
void cella_cell_log(struct cella_cell *cell, struct cella_view text);
