/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * System call filters (seccomp): a const table of rules becomes a BPF program once, and is installed later, as often
 * as needed, with one system call. Installed filters add up: the strictest answer counts.
 *
 * Calls of a foreign architecture (32-bit, x32) end the process, whatever the table says.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

enum cella_filter_action {
    CELLA_FILTER_ALLOW,
    CELLA_FILTER_ERRNO, /* the call fails with the rule's error number and has no effect */
    CELLA_FILTER_KILL,  /* the whole process ends with SIGSYS */
};

/* When a rule counts. The argument's value is ANDed with the mask first. */
enum cella_filter_match {
    CELLA_FILTER_ALWAYS,
    CELLA_FILTER_EQUAL,     /* (argument & mask) == value */
    CELLA_FILTER_DIFFERENT, /* argument != value; no mask */
    CELLA_FILTER_BELOW,     /* argument < value; no mask */
    CELLA_FILTER_ABOVE,     /* argument > value; no mask */
};

/* One rule. Several rules for one call must have conditions of which at most one is true. */
struct cella_filter_rule {
    int number; /* SYS_... */
    enum cella_filter_action action;
    int error; /* for CELLA_FILTER_ERRNO */
    enum cella_filter_match match;
    unsigned int argument; /* 0 to 5 */
    uint64_t mask;
    uint64_t value;
};

struct cella_filter_table {
    const struct cella_filter_rule *rules;
    size_t count;
    enum cella_filter_action otherwise; /* ALLOW or KILL: for every call without a rule that counts */
};

/* Rows of a table. */
#define CELLA_FILTER_ALLOW_CALL(call) { SYS_##call, CELLA_FILTER_ALLOW, 0, CELLA_FILTER_ALWAYS, 0, 0, 0 }
#define CELLA_FILTER_ERRNO_CALL(call, error) { SYS_##call, CELLA_FILTER_ERRNO, (error), CELLA_FILTER_ALWAYS, 0, 0, 0 }
#define CELLA_FILTER_KILL_CALL(call) { SYS_##call, CELLA_FILTER_KILL, 0, CELLA_FILTER_ALWAYS, 0, 0, 0 }
#define CELLA_FILTER_ALLOW_EQUAL(call, argument, mask, value)                                                        \
    { SYS_##call, CELLA_FILTER_ALLOW, 0, CELLA_FILTER_EQUAL, (argument), (mask), (value) }
#define CELLA_FILTER_ERRNO_EQUAL(call, error, argument, mask, value)                                                 \
    { SYS_##call, CELLA_FILTER_ERRNO, (error), CELLA_FILTER_EQUAL, (argument), (mask), (value) }
#define CELLA_FILTER_ALLOW_DIFFERENT(call, argument, value)                                                          \
    { SYS_##call, CELLA_FILTER_ALLOW, 0, CELLA_FILTER_DIFFERENT, (argument), 0, (value) }
#define CELLA_FILTER_ERRNO_DIFFERENT(call, error, argument, value)                                                   \
    { SYS_##call, CELLA_FILTER_ERRNO, (error), CELLA_FILTER_DIFFERENT, (argument), 0, (value) }
#define CELLA_FILTER_ERRNO_BELOW(call, error, argument, value)                                                       \
    { SYS_##call, CELLA_FILTER_ERRNO, (error), CELLA_FILTER_BELOW, (argument), 0, (value) }
#define CELLA_FILTER_ERRNO_ABOVE(call, error, argument, value)                                                       \
    { SYS_##call, CELLA_FILTER_ERRNO, (error), CELLA_FILTER_ABOVE, (argument), 0, (value) }
#define CELLA_FILTER_MASK_ALL UINT64_MAX

/*
 * Answer that a table gives to a call, for tests and documents.
 *
 * arguments:  the six arguments
 * error:      the error number where the answer is CELLA_FILTER_ERRNO
 */
enum cella_filter_action cella_filter_answer(const struct cella_filter_table *table, int number,
                                             const uint64_t arguments[6], int *error);

/*
 * Build the BPF program of a table.
 *
 * out:  the program, for cella_filter_install. The caller clears it.
 *
 * CELLA_INTERNAL   a rule contradicts another or has a wrong number
 * CELLA_NO_MEMORY, CELLA_SYSTEM_FAILED
 */
CELLA_MUST_USE cella_status cella_filter_build(const struct cella_filter_table *table, struct cella_bytes *out);

/*
 * Put a program in force for this thread and all it starts. Needs no_new_privs.
 * CELLA_SYSTEM_FAILED  the kernel refused, or has no seccomp
 *
 * Source: seccomp(2).
 */
CELLA_MUST_USE cella_status cella_filter_install(struct cella_view program);
