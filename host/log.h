/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The host's log: one line per event on standard error, for people ("time level text") or for machines (a JSON
 * object per line). Everything the executor says is hostile text: it is cut, made printable and limited in rate
 * before it gets here as an argument.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

#define CELLA_LOG_LINE_MAX 1024U         /* bytes of one text; the rest is cut */
#define CELLA_LOG_FOREIGN_PER_SECOND 50U /* lines that the executor's programs may cause each second */

enum cella_log_level {
    CELLA_LOG_INFO,
    CELLA_LOG_WARNING,
    CELLA_LOG_ERROR,
};

/* Zeroed: readable lines on descriptor 0; set descriptor before use. */
struct cella_log {
    int descriptor;
    bool json;
    uint64_t second; /* of the rate limit's window */
    uint32_t foreign_count[2];   /* ordinary lines; warnings and errors, which ordinary ones can not crowd out */
    uint32_t foreign_dropped;
};

/* One line, printf style. Never fails: a log that can not be written is given up. */
void cella_log_write(struct cella_log *log, enum cella_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * One line that an executor program caused. level: INFO, WARNING for a program's death, ERROR for what
 * stops the executor from serving. source: which one, for the reader. text: untrusted; bytes that are not
 * printable ASCII become '?'. Above the rate limit of its level a line is counted and dropped.
 */
void cella_log_foreign(struct cella_log *log, enum cella_log_level level, const char *source,
                       struct cella_view text);

/* Collects a program's standard error, cut into lines. Zeroed at first. */
struct cella_log_lines {
    char line[CELLA_LOG_LINE_MAX];
    size_t size;
};

/* Take bytes that were read; every whole line is logged. At the end of the stream call it with an empty view. */
void cella_log_lines_add(struct cella_log_lines *lines, struct cella_log *log, const char *source,
                         struct cella_view bytes);
