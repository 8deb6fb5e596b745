/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What cella-monitor says to a zygote and to its cells, and what they answer.
 *
 * A zygote has one SOCK_SEQPACKET socket to the monitor (descriptor CELLA_ZYGOTE_FD). For each cell it sends the
 * monitor that cell's own socket and pidfd, right after the fork; from then on monitor and cell talk directly and the zygote only reaps.
 * Everything that arrives from a cell is hostile: the script has the socket's descriptor. All integers are
 * big-endian (base/wire.h); one packet is one message and begins with its kind.
 *
 * Zygote:
 *   -> SPAWN  u16 count, u8 warm             make that many more cells; warm 1: each warms up, 0: as fast as possible
 *   <- READY  u32 layers, field profile, field version   once, after preload ("3.11.2"; CELLA_LAYER_* bits in force)
 *   <- UNAVAILABLE  no payload              instead of READY: the profile can not be loaded on this machine, as it told on
 *                                           standard error; starting the zygote again would not help
 *   <- CELL   u64 cell; descriptors: socket, pidfd        a cell was forked; it says HERE itself
 *   <- EXIT   u64 cell, u32 wait status, u64 user_us, u64 system_us, u64 peak_kib      a cell was reaped
 *
 * Cell:
 *   <- HERE      u32 layers in force, u32 KiB of memory of its own; first message. The zygote has set SO_PASSCRED on the
 *                monitor's end, so the kernel's credentials come with it: the cell's process id for the monitor
 *   -> TASK   no payload; descriptors: task memfd, inputs in order, outputs in order
 *   <- LOG       bytes of UTF-8
 *   <- PROGRESS  u16 fraction in 1/10000, then at most CELLA_PROGRESS_TEXT_MAX bytes of UTF-8
 *   <- RESULT    next piece of the result's JSON text
 *   <- ERROR     u32 status number, u32 line (0 unknown), field class, field message, field traceback; last message
 *   <- DONE      the result is complete and every output is written; last message
 *
 * A cell that ends without DONE or ERROR has failed, whatever its exit status. EXIT tells why: SIGSYS is a forbidden
 * system call (SANDBOX_VIOLATION); SIGKILL that the monitor did not send is a control group's memory limit if that says
 * so (LIMIT_MEMORY), the kernel's limit of CPU time when cpu_s was used (LIMIT_CPU); anything else is CELL_DIED.
 * After ERROR or DONE a cell waits to be killed. Where the monitor sends SIGTERM, the script's main thread gets an exception
 * (cella.Cancelled); when it lets it pass, the last message is ERROR with CANCELLED.
 * A cell whose socket the monitor closes before TASK ends by itself with status 0. EXIT before HERE: it died while it
 * boxed itself or warmed up.
 */

#include "base/wire.h"

#define CELLA_ZYGOTE_FD 3

enum cella_zygote_kind {
    CELLA_ZYGOTE_SPAWN = 1,
    CELLA_ZYGOTE_READY = 2,
    CELLA_ZYGOTE_CELL = 3,
    CELLA_ZYGOTE_EXIT = 4,
    CELLA_ZYGOTE_UNAVAILABLE = 5,
};

enum cella_cell_kind {
    CELLA_CELL_TASK = 1,
    CELLA_CELL_LOG = 2,
    CELLA_CELL_PROGRESS = 3,
    CELLA_CELL_RESULT = 4,
    CELLA_CELL_ERROR = 5,
    CELLA_CELL_DONE = 6,
    CELLA_CELL_HERE = 7,
};

#define CELLA_CELL_MESSAGE_MAX 32768U   /* bytes of one packet, either way */
#define CELLA_PROGRESS_TEXT_MAX 200U
#define CELLA_TASK_FILES_MAX 32U        /* inputs, and outputs */
#define CELLA_TASK_SOURCE_MAX 1048576U  /* bytes of script */
#define CELLA_TASK_ARGUMENTS_MAX 262144U /* bytes of JSON */
#define CELLA_FILE_NAME_MAX 64U         /* declared name of an input or output: a Python identifier */

enum cella_task_kind {
    CELLA_TASK_PYTHON = 1,
    CELLA_TASK_BUILTIN = 2,
};

/* Limits of one task. Every one is a hard limit; 0 never means "none". */
struct cella_task_limits {
    uint32_t cpu_s;
    uint32_t wall_s;          /* held by the monitor */
    uint64_t memory_bytes;    /* address space beyond the warm cell's own */
    uint64_t output_bytes;    /* each output */
    uint32_t result_bytes;
    uint32_t log_bytes;       /* log text and traceback together */
    uint32_t threads;         /* the script's own threads besides the main one; 0: single-threaded */
};

/*
 * The task memfd's content:
 *   u32 2, u8 kind, field entry, field source, field arguments,
 *   u32 cpu_s, u32 wall_s, u64 memory_bytes, u64 output_bytes, u32 result_bytes, u32 log_bytes, u32 threads,
 *   u8 clock, u16 input count, each: field name, u8 form, u64 bytes of plaintext (0 when absent)
 *   u16 output count, each: field name
 *
 * entry: name of the Python function to call, or of the builtin. For Python, "entrypoint" with a single parameter
 * means Teaclave's form.
 */
enum cella_input_form {
    CELLA_INPUT_ABSENT = 0, /* optional, and not assigned: no descriptor */
    CELLA_INPUT_MEMORY = 1, /* a memory file, sealed against any change */
    CELLA_INPUT_STREAM = 2, /* the read end of a pipe: read once, forward, while it is being decrypted */
};

enum cella_task_clock {
    CELLA_CLOCK_FINE = 0,
    CELLA_CLOCK_COARSE = 1, /* no clock finer than the kernel's tick, and no threads to build one from */
};

struct cella_cell_input {
    struct cella_view name;
    enum cella_input_form form;
    uint64_t size; /* bytes of plaintext of a stream; a memory file knows its own */
};

struct cella_task {
    enum cella_task_kind kind;
    struct cella_view entry;
    struct cella_view source;
    struct cella_view arguments;
    struct cella_task_limits limits;
    enum cella_task_clock clock;
    struct cella_cell_input inputs[CELLA_TASK_FILES_MAX];
    size_t input_count;
    struct cella_view outputs[CELLA_TASK_FILES_MAX]; /* names */
    size_t output_count;
};

/* Write the memfd's content. Linked by the monitor (cell/message.c uses base only). */
CELLA_MUST_USE cella_status cella_task_write(const struct cella_task *task, struct cella_bytes *out);

/* Read it; views borrow from text. CELLA_BAD_FORMAT, CELLA_TOO_LARGE */
CELLA_MUST_USE cella_status cella_task_read(struct cella_view text, struct cella_task *out);
