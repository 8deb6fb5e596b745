/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One run of a task: the descriptors, secrets and partial results that exist only while it is on its way.
 */

#include "monitor/courier.h"
#include "monitor/pool.h"

struct cella_runner;

enum cella_run_stage {
    CELLA_RUN_FETCHING, /* a courier brings the inputs */
    CELLA_RUN_WAITING,  /* inputs are here, no warm cell yet */
    CELLA_RUN_CELL,     /* the script runs, or its process is ending */
    CELLA_RUN_STORING,  /* a courier takes the outputs away */
};

struct cella_run {
    struct cella_runner *runner;
    struct cella_task_record *task;
    enum cella_run_stage stage;
    struct cella_courier *courier;
    struct cella_warm_cell cell; /* socket -1 when there is none */
    bool exited;                 /* the zygote has reported the cell's end */
    bool done;                   /* the cell has said DONE */
    bool refused;                /* the cell has said ERROR, or broke the protocol */
    bool cancelled;
    cella_status failure;        /* why the monitor ended it, CELLA_OK if it did not */
    char detail[CELLA_DETAIL_MAX];
    uint64_t started_ms;
    int inputs[CELLA_TASK_FILES_MAX]; /* memfds; -1 where there is none */
    size_t input_count;
    int outputs[CELLA_TASK_FILES_MAX];
    size_t output_count;
    struct cella_secret output_keys[CELLA_TASK_FILES_MAX];
    struct cella_secret result;
    size_t result_size;
    struct cella_secret log;
    size_t log_size;
    struct cella_bytes error_class;
    struct cella_secret error_message;
    struct cella_secret traceback;
    uint32_t error_line;
    cella_status error;
    struct cella_cell_exit exit;
    struct cella_watcher watcher;
    struct cella_timer deadline;
    struct cella_run *next;
};

/* A run for a task, nothing started. NULL without memory. */
/* The monitor of a runner. */
struct cella_monitor *cella_runner_monitor(struct cella_runner *runner);

struct cella_run *cella_run_new(struct cella_runner *runner, struct cella_task_record *task);
/* Kill what still runs, close and wipe everything. Accepts NULL. */
void cella_run_free(struct cella_run *run);

/* ---- the message to a courier (run_data.c) ---- */

CELLA_MUST_USE cella_status cella_run_write_fetch(const struct cella_monitor *monitor, const struct cella_run *run,
                                                  struct cella_secret *out);
/* Makes the outputs' keys and object ids. */
CELLA_MUST_USE cella_status cella_run_write_store(struct cella_run *run, struct cella_secret *out);
/* Sealed input bytes of the task. */
uint64_t cella_run_bytes_in(const struct cella_run *run);

/* ---- the cell (run_cell.c) ---- */

/* Hand the task to the warm cell in run->cell and listen to it. */
CELLA_MUST_USE cella_status cella_run_start_cell(struct cella_monitor *monitor, struct cella_run *run);
/* Kill the cell, if there is one, for a reason. The first reason stays. */
void cella_run_kill_cell(struct cella_run *run, cella_status reason, const char *detail);
/* Why a cell that has ended did not finish; CELLA_OK if it did. Fills run->detail. */
cella_status cella_run_verdict(struct cella_run *run);

/* ---- the end (run_end.c) ---- */

/* Commit the end of the run: finished when status is CELLA_OK, else failed or cancelled. Wakes who watches. */
CELLA_MUST_USE cella_status cella_run_commit_end(struct cella_monitor *monitor, struct cella_run *run,
                                                 cella_status status, struct cella_reader *stored);
