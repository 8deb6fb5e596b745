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
    CELLA_RUN_WAITING,  /* inputs are here; a cell is not */
    CELLA_RUN_CELL,     /* the script runs, or its process is ending, or streams are being fetched to their end */
    CELLA_RUN_STORING,  /* a courier takes the outputs away */
};

struct cella_run {
    struct cella_runner *runner;
    struct cella_task_record *task;
    enum cella_run_stage stage;
    bool started;                /* the task's state is running */
    bool tried;                  /* it was asked in this round whether a cell is there for it */
    bool starved;                /* there is a place for it, but no cell */
    struct cella_courier *courier;
    struct cella_warm_cell cell; /* socket -1 when there is none */
    bool streaming;              /* the courier has not said yet how its streams ended */
    bool settling;               /* keeps what a courier says meanwhile from settling it again */
    bool exited;                 /* the zygote has reported the cell's end */
    bool done;                   /* the cell has said DONE */
    bool refused;                /* the cell has said ERROR */
    bool silent;                 /* its socket has been read to the end */
    bool broken;                 /* what it said made no sense, or was too much */
    bool cancelled;
    cella_status reason;         /* why it was cancelled, and what everybody is told about it, and who wanted it */
    char reason_detail[CELLA_DETAIL_MAX];
    const struct cella_party *reason_by;
    bool asked_to_store;         /* outputs may lie in the store */
    cella_status failure;        /* why the monitor ended it, CELLA_OK if it did not */
    char detail[CELLA_DETAIL_MAX];
    uint64_t spent_ms;           /* by the task's wall clock, until going_since_ms */
    uint64_t going_since_ms;     /* 0: the clock stands still */
    int inputs[CELLA_TASK_FILES_MAX]; /* memfds, and pipes of streams; -1 where there is none */
    size_t input_count;
    int outputs[CELLA_TASK_FILES_MAX];
    size_t output_count;
    struct cella_secret output_keys[CELLA_TASK_FILES_MAX];
    struct cella_secret result;
    size_t result_size;
    struct cella_secret log;
    size_t log_size;
    bool log_cut;
    struct cella_bytes error_class;
    struct cella_secret error_message;
    struct cella_secret traceback;
    uint32_t error_line;
    cella_status error;
    struct cella_cell_exit exit;
    bool measured;               /* cpu_us and peak_kib are known */
    uint64_t cpu_before_us;      /* what the cell had used before it got the task */
    uint64_t cpu_us;
    uint64_t peak_kib;
    bool oom;                    /* the kernel killed the cell at its control group's limit */
    struct cella_watcher watcher;
    struct cella_timer deadline;
    struct cella_timer cpu_check;
    struct cella_timer grace; /* of a cell that was asked to leave */
    struct cella_run *next;
};

/* The monitor of a runner. */
struct cella_monitor *cella_runner_monitor(struct cella_runner *runner);

/* A run for a task, nothing started. NULL without memory. */
struct cella_run *cella_run_new(struct cella_runner *runner, struct cella_task_record *task);
/* Kill what still runs, close and wipe everything. Accepts NULL. */
void cella_run_free(struct cella_run *run);

/* Go on with a run whose cell has spoken or ended (runner.c). The run may be gone afterwards. */
void cella_run_settle(struct cella_run *run);

/* ---- the message to a courier (run_data.c) ---- */

CELLA_MUST_USE cella_status cella_run_write_fetch(const struct cella_monitor *monitor, const struct cella_run *run,
                                                  struct cella_secret *out);
/* Makes the outputs' keys, and names their objects. */
CELLA_MUST_USE cella_status cella_run_write_store(struct cella_run *run, struct cella_secret *out);
/* Sealed input bytes of the task. */
uint64_t cella_run_bytes_in(const struct cella_run *run);
/* Whether one of the inputs that it has is a stream. */
bool cella_run_has_streams(const struct cella_run *run);
/* Whether the data are one of its inputs. */
bool cella_run_reads(const struct cella_run *run, const struct cella_data *data);
/* Bytes of plaintext of a sealed file, which streams are, from its size. CELLA_TRUNCATED, CELLA_BAD_SIZE */
CELLA_MUST_USE cella_status cella_run_plain_size(const struct cella_data *data, uint64_t *out);

/* ---- handing over the task (run_task.c) ---- */

/* Hand the task to the warm cell in run->cell. CELLA_CLOSED  it is dead: take another one */
CELLA_MUST_USE cella_status cella_run_start_cell(struct cella_monitor *monitor, struct cella_run *run);

/* ---- the cell (run_cell.c) ---- */

/* Listen to the cell that has the task. */
CELLA_MUST_USE cella_status cella_run_listen(struct cella_monitor *monitor, struct cella_run *run);
/* Read what a cell that has ended had still said. */
void cella_run_read_rest(struct cella_run *run);
/* It has said its last word: DONE or ERROR. */
bool cella_run_has_spoken(const struct cella_run *run);
/* It runs, or its end is still to be reported. */
bool cella_run_awaits_cell(const struct cella_run *run);
/* Kill the cell, if there is one, for a reason. The first reason stays. */
void cella_run_kill_cell(struct cella_run *run, cella_status reason, const char *detail);
/* Ask the cell to leave (SIGTERM); it is killed when it has not within the grace period, or when asked again. */
void cella_run_cancel_cell(struct cella_run *run);

/* ---- what it used, and why it ended (run_verdict.c) ---- */

/* CPU time of the cell's process so far, in microseconds. False when it can not be read. */
bool cella_run_cpu_us(const struct cella_run *run, uint64_t *out);
/*
 * Take the usage of a cell that still exists. The figures are the kernel's; nothing in them comes from the script.
 * False when they can not be read: then those of its exit count.
 */
bool cella_run_measure(struct cella_run *run);
/* Why a cell that is over did not finish; CELLA_OK if it did. Fills run->detail, and the usage if it is not known. */
cella_status cella_run_verdict(struct cella_run *run);

/* ---- the end (run_end.c) ---- */

/* Milliseconds that its wall clock has gone. */
uint64_t cella_run_wall_ms(const struct cella_run *run);
/* Commit the end of the run: finished when status is CELLA_OK, else failed or cancelled. Wakes who watches. */
CELLA_MUST_USE cella_status cella_run_commit_end(struct cella_monitor *monitor, struct cella_run *run,
                                                 cella_status status, struct cella_reader *stored);
