/* SPDX-License-Identifier: Apache-2.0 */
#include "host/log.h"

#include <stdarg.h>
#include <time.h>
#include <unistd.h>

static const char *const level_names[] = { "info", "warning", "error" };

static void write_all(int descriptor, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t count = write(descriptor, text, size);
        if (count <= 0) {
            return;
        }
        text += count;
        size -= (size_t) count;
    }
}

/* Escape for a JSON string: quote and backslash; everything else is printable ASCII or at least valid as it is. */
static size_t escape(const char *text, char *out, size_t room)
{
    size_t used = 0;
    for (; *text != '\0' && used + 3 < room; text++) {
        if (*text == '"' || *text == '\\') {
            out[used++] = '\\';
        }
        out[used++] = (unsigned char) *text < 0x20 ? ' ' : *text;
    }
    out[used] = '\0';
    return used;
}

void cella_log_write(struct cella_log *log, enum cella_log_level level, const char *format, ...)
{
    char text[CELLA_LOG_LINE_MAX];
    char escaped[2 * CELLA_LOG_LINE_MAX];
    char line[2 * CELLA_LOG_LINE_MAX + 128];
    char moment[32];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    time_t now = time(NULL);
    struct tm parts;
    gmtime_r(&now, &parts);
    strftime(moment, sizeof(moment), "%Y-%m-%dT%H:%M:%SZ", &parts);
    int size;
    if (log->json) {
        escape(text, escaped, sizeof(escaped));
        size = snprintf(line, sizeof(line), "{\"time\":\"%s\",\"level\":\"%s\",\"text\":\"%s\"}\n", moment,
                        level_names[level], escaped);
    } else {
        size = snprintf(line, sizeof(line), "%s %-7s %s\n", moment, level_names[level], text);
    }
    if (size > 0) {
        write_all(log->descriptor, line, (size_t) size);
    }
}

/* Count a foreign line; false when this second has had enough. */
static bool admit(struct cella_log *log, enum cella_log_level level)
{
    struct timespec now;
    uint32_t *count = &log->foreign_count[level == CELLA_LOG_INFO ? 0 : 1];
    clock_gettime(CLOCK_MONOTONIC, &now);
    if ((uint64_t) now.tv_sec != log->second) {
        uint32_t dropped = log->foreign_dropped;
        log->second = (uint64_t) now.tv_sec;
        log->foreign_count[0] = 0;
        log->foreign_count[1] = 0;
        log->foreign_dropped = 0;
        if (dropped > 0) {
            cella_log_write(log, CELLA_LOG_WARNING, "executor: %u more lines were dropped", dropped);
        }
    }
    if (*count >= CELLA_LOG_FOREIGN_PER_SECOND) {
        log->foreign_dropped++;
        return false;
    }
    (*count)++;
    return true;
}

void cella_log_foreign(struct cella_log *log, enum cella_log_level level, const char *source, struct cella_view text)
{
    char printable[CELLA_LOG_LINE_MAX];
    if (!admit(log, level)) {
        return;
    }
    size_t size = text.size < sizeof(printable) - 1 ? text.size : sizeof(printable) - 1;
    for (size_t i = 0; i < size; i++) {
        printable[i] = text.data[i] >= 0x20 && text.data[i] < 0x7f ? (char) text.data[i] : '?';
    }
    printable[size] = '\0';
    cella_log_write(log, level, "%s: %s", source, printable);
}

void cella_log_lines_add(struct cella_log_lines *lines, struct cella_log *log, const char *source,
                         struct cella_view bytes)
{
    for (size_t i = 0; i < bytes.size; i++) {
        bool end = bytes.data[i] == '\n';
        if (!end) {
            lines->line[lines->size++] = (char) bytes.data[i];
        }
        /* A line without an end is shown in pieces, so that it can not fill memory. */
        if ((end && lines->size > 0) || lines->size == sizeof(lines->line)) {
            cella_log_foreign(log, CELLA_LOG_INFO, source, cella_view_of(lines->line, lines->size));
            lines->size = 0;
        }
    }
    if (bytes.size == 0 && lines->size > 0) {
        cella_log_foreign(log, CELLA_LOG_INFO, source, cella_view_of(lines->line, lines->size));
        lines->size = 0;
    }
}
