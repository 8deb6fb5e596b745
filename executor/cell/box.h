/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The box: the layers around a zygote and its cells, put up in the order that works (docs/cells.md).
 *
 *   enter   before anything is loaded: namespaces, while there is one thread
 *   close   after preload: empty root, no capabilities, Landlock, system calls
 *   cell    in each child: its own user and pid namespaces, no capabilities, Landlock once more
 *   run     when the task is there: its limits, its clock, and the system calls of the setup are gone
 *
 * A layer that this machine does not have is left out of the layers' bits, never claimed; the monitor decides.
 */

#include "cell/message.h"
#include "cell/policy.h"

struct cella_box {
    uint32_t layers;    /* CELLA_LAYER_* in force so far */
    int own_pid;        /* the zygote's pid namespace; -1 without */
    int memory_figures; /* /proc/self/statm of the zygote */
    int null;           /* /dev/null, for the cells' standard descriptors */
    struct cella_bytes running[CELLA_RUNNING_KINDS]; /* filters, built once: building takes longer than all other layers */
};

/*
 * Enter the namespaces. Where that works the caller goes on as first process of its pid namespace, and what was
 * the caller stays outside as guard: it waits, ends with the same status, and takes everything inside with it.
 *
 * Both end when the process that started the zygote ends.
 *
 * CELLA_CLOSED         the starter is gone already
 * CELLA_SYSTEM_FAILED  end the program
 */
CELLA_MUST_USE cella_status cella_box_enter(struct cella_box *box);

/* Close the box around the zygote. CELLA_SYSTEM_FAILED, CELLA_NO_MEMORY, CELLA_INTERNAL: end the program. */
CELLA_MUST_USE cella_status cella_box_close(struct cella_box *box);

/*
 * Fork a cell's process.
 *
 * child:     0 in the cell, its process id in the zygote
 * baseline:  bytes of address space that the cell starts with
 *
 * CELLA_SYSTEM_FAILED
 */
CELLA_MUST_USE cella_status cella_box_fork(const struct cella_box *box, pid_t *child, uint64_t *baseline);

/*
 * Put a new cell into its layers. Its socket moves to CELLA_CELL_CONTROL_FD, everything else is closed.
 * out_layers:  what is in force for this cell. CELLA_SYSTEM_FAILED: end the process
 */
CELLA_MUST_USE cella_status cella_box_cell(const struct cella_box *box, int control, uint32_t *out_layers);

/*
 * Last step before the script: limits, the clock, then the final system call policy.
 *
 * address_space:  bytes, everything the process may map
 *
 * CELLA_UNSAFE  a coarse clock was asked for, and this machine has no system call filters to hold it
 * CELLA_SYSTEM_FAILED: end the process
 */
CELLA_MUST_USE cella_status cella_box_run(const struct cella_box *box, const struct cella_task *task,
                                          uint64_t address_space);
