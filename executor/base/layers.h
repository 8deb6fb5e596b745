/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The layers of the box around a cell. A zygote reports which are in force, evidence carries them as bits, trust
 * files demand them by name. Meaning and order: docs/cells.md.
 */

#include "base/bytes.h"

/* ROW(name, bit, text) */
#define CELLA_LAYER_TABLE(ROW)                                                                                       \
    ROW(NAMESPACES,   0, "namespaces")   /* user, mount (empty root), pid, net, ipc, uts, cgroup */                  \
    ROW(LANDLOCK,     1, "landlock")     /* no file system, no network, own signal scope where the kernel has it */  \
    ROW(SECCOMP,      2, "seccomp")      /* allow list, default kill */                                              \
    ROW(CAPABILITIES, 3, "capabilities") /* none, bounding set empty, no_new_privs */                                \
    ROW(RLIMITS,      4, "rlimits")      /* CPU, address space, file size, descriptors */                            \
    ROW(UNDUMPABLE,   5, "undumpable")   /* no ptrace, no core dumps */                                              \
    ROW(CGROUP,       6, "cgroup")       /* memory and process count held by a control group */

enum cella_layer {
#define CELLA_LAYER_ENUM(name, bit, text) CELLA_LAYER_##name = 1 << (bit),
    CELLA_LAYER_TABLE(CELLA_LAYER_ENUM)
#undef CELLA_LAYER_ENUM
};

/* What an executor needs to run tasks without its operator's explicit leave. */
#define CELLA_LAYERS_REQUIRED                                                                                        \
    ((uint32_t) (CELLA_LAYER_NAMESPACES | CELLA_LAYER_LANDLOCK | CELLA_LAYER_SECCOMP | CELLA_LAYER_CAPABILITIES |    \
                 CELLA_LAYER_RLIMITS | CELLA_LAYER_UNDUMPABLE))

/* Name of the layer with a bit number (from 0), or NULL. */
const char *cella_layer_name(unsigned int bit);

/* Bit of the layer with a name, or 0. */
uint32_t cella_layer_bit(struct cella_view name);
