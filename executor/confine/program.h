/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * How a program of Cella confines itself, in one call, when it has opened all it needs.
 *
 *   - descriptors above those it was given are closed
 *   - no core files, not inspectable, no new privileges, no capabilities
 *   - Landlock: nothing in the file system, no TCP, no signals to others
 *   - seccomp: the program's own list of system calls; any other ends the process
 *
 * Call it while single-threaded: Landlock and seccomp bind the calling thread and what it starts.
 */

#include "confine/filter.h"

struct cella_confine_program {
    struct cella_filter_table calls;
    int descriptors; /* 0 to descriptors - 1 stay open; 0: close nothing */
    bool keep_files;   /* true: no Landlock, for a program that still has to open files or exec */
    bool keep_signals; /* true for a program that signals what it started: see confine/landlock.h */
};

/*
 * Confine the calling process for good.
 *
 * layers:  CELLA_LAYER_* bits (base/layers.h) that are in force afterwards; may be NULL. Layers that this machine
 *          does not have are left out, and the caller decides whether to go on.
 *
 * CELLA_SYSTEM_FAILED  a layer that every supported kernel has could not be set: end the program
 */
CELLA_MUST_USE cella_status cella_confine_program(const struct cella_confine_program *program, uint32_t *layers);

/* The argument with which the monitor starts a program when the operator allowed missing layers. */
#define CELLA_CONFINE_ALLOW_MISSING "--allow-missing-layers"

/*
 * The same for a program's main: it goes on in a weaker box only when it was started with that argument and no other.
 *
 * CELLA_UNSAFE  this machine has no Landlock or no seccomp; CELLA_BAD_ARGUMENT  other arguments
 */
CELLA_MUST_USE cella_status cella_confine_main(const struct cella_confine_program *program, int argc, char **argv);

/*
 * cella-front: talks on descriptors it has, computes, ends. It can neither open, nor connect, nor start anything.
 * cella-courier: the same, and makes memory files, fills them and seals them.
 */
extern const struct cella_confine_program cella_confine_front;
extern const struct cella_confine_program cella_confine_courier;
