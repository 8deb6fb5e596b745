/* SPDX-License-Identifier: Apache-2.0 */
#include "front/reply.h"

#include <inttypes.h>

static const char *const category_names[] = {
    [CELLA_CATEGORY_NONE] = "NONE",     [CELLA_CATEGORY_INPUT] = "INPUT",       [CELLA_CATEGORY_TRUST] = "TRUST",
    [CELLA_CATEGORY_STATE] = "STATE",   [CELLA_CATEGORY_LIMIT] = "LIMIT",       [CELLA_CATEGORY_IO] = "IO",
    [CELLA_CATEGORY_MEMORY] = "MEMORY", [CELLA_CATEGORY_INTERNAL] = "INTERNAL", [CELLA_CATEGORY_TASK] = "TASK",
};

static const unsigned int category_http[] = {
    [CELLA_CATEGORY_NONE] = 200,   [CELLA_CATEGORY_INPUT] = 400,    [CELLA_CATEGORY_TRUST] = 403,
    [CELLA_CATEGORY_STATE] = 409,  [CELLA_CATEGORY_LIMIT] = 429,    [CELLA_CATEGORY_IO] = 503,
    [CELLA_CATEGORY_MEMORY] = 503, [CELLA_CATEGORY_INTERNAL] = 500, [CELLA_CATEGORY_TASK] = 409,
};

static const struct {
    cella_status status;
    unsigned int http;
} exceptions[] = {
    { CELLA_UNKNOWN_PARTY, 401 },
    { CELLA_DENIED, 403 },
    { CELLA_NOT_FOUND, 404 },
    { CELLA_TOO_LARGE, 413 },
};

static const struct {
    unsigned int http;
    const char *text;
} reasons[] = {
    { 200, "OK" },
    { 400, "Bad Request" },
    { 401, "Unauthorized" },
    { 403, "Forbidden" },
    { 404, "Not Found" },
    { 405, "Method Not Allowed" },
    { 409, "Conflict" },
    { 411, "Length Required" },
    { 413, "Content Too Large" },
    { 417, "Expectation Failed" },
    { 429, "Too Many Requests" },
    { 500, "Internal Server Error" },
    { 503, "Service Unavailable" },
};

unsigned int cella_reply_http_status(cella_status status)
{
    for (size_t i = 0; i < sizeof(exceptions) / sizeof(exceptions[0]); i++) {
        if (exceptions[i].status == status) {
            return exceptions[i].http;
        }
    }
    return category_http[cella_status_row(status)->category];
}

static const char *reason_of(unsigned int http_status)
{
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if (reasons[i].http == http_status) {
            return reasons[i].text;
        }
    }
    return "Error";
}

cella_status cella_reply_head(struct cella_bytes *out, unsigned int http_status, const char *type, uint64_t length,
                              bool closes)
{
    char text[256];
    int size = snprintf(text, sizeof(text),
                        "HTTP/1.1 %u %s\r\nContent-Type: %s\r\nContent-Length: %" PRIu64
                        "\r\nCache-Control: no-store\r\n%s\r\n",
                        http_status, reason_of(http_status), type, length, closes ? "Connection: close\r\n" : "");
    return cella_bytes_append(out, cella_view_of(text, (size_t) size));
}

cella_status cella_reply_error(struct cella_bytes *out, cella_status status, unsigned int http_status, bool closes)
{
    const struct cella_status_row *row = cella_status_row(status);
    char body[512];
    int size = snprintf(body, sizeof(body),
                        "{\"error\":{\"code\":\"%s\",\"number\":%u,\"category\":\"%s\",\"message\":\"%s\"}}",
                        row->name, (unsigned int) row->status, category_names[row->category], row->text);
    http_status = http_status == 0 ? cella_reply_http_status(status) : http_status;
    CELLA_TRY(cella_reply_head(out, http_status, "application/json", (uint64_t) size, closes));
    return cella_bytes_append(out, cella_view_of(body, (size_t) size));
}
