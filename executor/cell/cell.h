/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A cell: one task in one process. State that the interpreter's hooks and the native module share.
 */

#include "builtins/registry.h"
#include "cell/box.h"
#include "cell/heap.h"
#include "cell/interpreter.h"

struct cella_cell {
    struct cella_box box;
    uint64_t baseline; /* bytes of address space when it was forked */
    bool talking;      /* the task has begun: messages go to the monitor. Before that, warming is silent */
    bool guarded;      /* the audit hook refuses what a function may not do */
    bool log_cut;
    uint64_t log_left; /* bytes */
    unsigned int told; /* of a builtin's progress: the whole percent that was told last, and one; 0: nothing yet */
    struct cella_builtin_registry builtins;
    int builtin_folder; /* while the zygote loads: where libraries with builtins are, -1 when there is no such folder */
    struct cella_heap heap;
    struct cella_python python;
    struct cella_received received;
};

/*
 * Live as a cell: box, fresh random state, say HERE, wait for a task, run it, answer, wait to be killed. Never returns.
 *
 * control:  the socket whose other end becomes the monitor's
 * warm:     touch the memory that a task will touch, before saying HERE
 */
__attribute__((noreturn)) void cella_cell_live(struct cella_cell *cell, int control, bool warm);

/* Append log text within the task's limit; says once that it was reached. Never fails a task. */
void cella_cell_log(struct cella_cell *cell, struct cella_view text);
