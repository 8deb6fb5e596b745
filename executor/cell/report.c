/* SPDX-License-Identifier: Apache-2.0 */
#include "cell/report.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* Together below CELLA_CELL_MESSAGE_MAX, with room for the numbers. */
#define EXCEPTION_MAX 256U
#define MESSAGE_MAX 4096U
#define TRACEBACK_MAX 24576U

static cella_status send_packet(int control, const uint8_t *packet, size_t size)
{
    ssize_t sent;
    do {
        sent = sendto(control, packet, size, MSG_NOSIGNAL, NULL, 0);
    } while (sent < 0 && errno == EINTR);
    return sent == (ssize_t) size ? CELLA_OK : CELLA_CLOSED;
}

/* On the stack: a cell at its memory limit must still be able to say so. */
static cella_status send_pieces(int control, enum cella_cell_kind kind, struct cella_view text)
{
    uint8_t packet[CELLA_CELL_MESSAGE_MAX];
    packet[0] = (uint8_t) kind;
    while (text.size > 0) {
        size_t size = text.size < sizeof(packet) - 1 ? text.size : sizeof(packet) - 1;
        memcpy(packet + 1, text.data, size);
        CELLA_TRY(send_packet(control, packet, size + 1));
        text = cella_view_of(text.data + size, text.size - size);
    }
    return CELLA_OK;
}

/* At most max bytes, without cutting a UTF-8 character in two. */
static struct cella_view cut(struct cella_view text, size_t max)
{
    if (text.size <= max) {
        return text;
    }
    while (max > 0 && (text.data[max] & 0xc0) == 0x80) {
        max--;
    }
    return cella_view_of(text.data, max);
}

cella_status cella_report_log(int control, struct cella_view text)
{
    return send_pieces(control, CELLA_CELL_LOG, text);
}

cella_status cella_report_result(int control, struct cella_view text)
{
    return send_pieces(control, CELLA_CELL_RESULT, text);
}

cella_status cella_report_progress(int control, uint16_t fraction, struct cella_view text)
{
    uint8_t packet[3 + CELLA_PROGRESS_TEXT_MAX] = { CELLA_CELL_PROGRESS, (uint8_t) (fraction >> 8),
                                                    (uint8_t) fraction };
    struct cella_view shown = cut(text, CELLA_PROGRESS_TEXT_MAX);
    if (shown.size > 0) {
        memcpy(packet + 3, shown.data, shown.size);
    }
    return send_packet(control, packet, 3 + shown.size);
}

cella_status cella_report_failure(int control, const struct cella_report_error *error)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes packet = { 0 };
    CELLA_TRY(cella_write_u8(&packet, CELLA_CELL_ERROR));
    CELLA_TRY(cella_write_u32(&packet, (uint32_t) error->status));
    CELLA_TRY(cella_write_u32(&packet, error->line));
    CELLA_TRY(cella_write_field(&packet, cut(error->exception, EXCEPTION_MAX)));
    CELLA_TRY(cella_write_field(&packet, cut(error->message, MESSAGE_MAX)));
    CELLA_TRY(cella_write_field(&packet, cut(error->traceback, TRACEBACK_MAX)));
    return send_packet(control, packet.data, packet.size);
}

cella_status cella_report_done(int control)
{
    uint8_t packet = CELLA_CELL_DONE;
    return send_packet(control, &packet, 1);
}
