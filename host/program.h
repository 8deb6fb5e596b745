/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Programs that the host starts beside the executor: each a program of its own with its own libraries, not a copy of this
 * process, whose threads may hold locks of the C library. A struct cella_program is one that runs for one request: its
 * standard output is the answer, its standard error goes into the log.
 */

#include <event2/event.h>
#include <signal.h>
#include <sys/types.h>

#include "host/log.h"

#define CELLA_PROGRAM_DESCRIPTORS_MAX 4U

/*
 * Start a program.
 *
 * argv:         its path first, NULL last
 * descriptors:  number k becomes its descriptor k, -1 is /dev/null; all others are closed in it
 * count:        at most CELLA_PROGRAM_DESCRIPTORS_MAX
 * blocked:      signals that are blocked in it
 * defaults:     signals that are in it as a program expects them, however this process handles them
 *
 * 0, or errno.
 */
int cella_program_spawn(char *const *argv, const int *descriptors, size_t count, const sigset_t *blocked,
                        const sigset_t *defaults, pid_t *out);

struct cella_program {
    struct event_base *base;
    struct cella_log *log;
    const char *name; /* in the log: NAME, and NAME_program for its setting */
    pid_t process;    /* 0: none runs */
    int exit_status;  /* of waitpid, once process is 0 */
    int output;       /* -1 after its end */
    int voice;
    struct event *output_event;
    struct event *voice_event;
    struct cella_log_lines lines;
};

/* One that does not run yet. Everything is borrowed. */
static inline struct cella_program cella_program_of(struct event_base *base, struct cella_log *log, const char *name)
{
    return (struct cella_program){ .base = base, .log = log, .name = name, .output = -1, .voice = -1 };
}

/*
 * Start it.
 *
 * input:      its standard input, at most what fits into an empty pipe; empty: /dev/null
 * on_output:  called with context when something of its standard output, which does not block, can be read
 *
 * CELLA_BUSY           no descriptors are left
 * CELLA_NO_MEMORY
 * CELLA_SYSTEM_FAILED  it can not be started; the log says why
 */
CELLA_MUST_USE cella_status cella_program_start(struct cella_program *program, char *const *argv, struct cella_view input,
                                                event_callback_fn on_output, void *context);

/* Its standard output is at its end, or of no interest any more. */
void cella_program_close_output(struct cella_program *program);

/* Kill it; what it says from now on is of no interest. SIGCHLD follows. */
void cella_program_end(struct cella_program *program);

/* A child of this process has ended. True when it was this one: exit_status is set, and its last words are in the log. */
bool cella_program_reap(struct cella_program *program);

/* Has it ended, and its standard output too? */
static inline bool cella_program_is_over(const struct cella_program *program)
{
    return program->process == 0 && program->output < 0;
}

/* Once it is over: log a last line that has no end. */
void cella_program_finish(struct cella_program *program);

/* Kill it if it runs, wait for its end, free what it has. */
void cella_program_release(struct cella_program *program);
