/* SPDX-License-Identifier: Apache-2.0 */
#include "cell/receive.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cell/policy.h"
#include "confine/descriptors.h"

#define DESCRIPTORS_MAX (1 + 2 * CELLA_TASK_FILES_MAX)
#define TASK_TEXT_MAX (CELLA_TASK_SOURCE_MAX + CELLA_TASK_ARGUMENTS_MAX + 16384U)

/* What makes an input's content final: nobody, on either side, can write or resize it. */
#define SEALS (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK)

struct packet {
    int descriptors[DESCRIPTORS_MAX];
    size_t count;
};

static cella_status receive_packet(int control, struct packet *out)
{
    uint8_t kind = 0;
    struct iovec part = { &kind, 1 };
    union {
        char bytes[CMSG_SPACE(sizeof(int) * DESCRIPTORS_MAX)];
        struct cmsghdr align;
    } ancillary;
    struct msghdr message = {
        .msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = ancillary.bytes,
        .msg_controllen = sizeof(ancillary.bytes),
    };
    ssize_t size;
    do {
        size = recvmsg(control, &message, MSG_CMSG_CLOEXEC);
    } while (size < 0 && errno == EINTR);
    if (size <= 0) {
        return CELLA_CLOSED;
    }
    const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (kind != CELLA_CELL_TASK || (message.msg_flags & (MSG_CTRUNC | MSG_TRUNC)) != 0 || header == NULL ||
        header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) {
        return CELLA_BAD_FORMAT;
    }
    out->count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    memcpy(out->descriptors, CMSG_DATA(header), out->count * sizeof(int));
    return CELLA_OK;
}

static cella_status read_text(int file, struct cella_bytes *out)
{
    struct stat facts;
    if (fstat(file, &facts) != 0) {
        return CELLA_SYSTEM_FAILED;
    }
    if (facts.st_size < 0 || facts.st_size > (off_t) TASK_TEXT_MAX) {
        return CELLA_TOO_LARGE;
    }
    CELLA_TRY(cella_bytes_resize(out, (size_t) facts.st_size));
    return pread(file, out->data, out->size, 0) == (ssize_t) out->size ? CELLA_OK : CELLA_SYSTEM_FAILED;
}

static cella_status map_input(int file, struct cella_view *out, uint64_t *total)
{
    struct stat facts;
    int seals = fcntl(file, F_GET_SEALS);
    if (seals < 0 || (seals & SEALS) != SEALS) {
        return CELLA_BAD_FORMAT;
    }
    if (fstat(file, &facts) != 0) {
        return CELLA_SYSTEM_FAILED;
    }
    size_t size = (size_t) facts.st_size;
    if (size == 0) {
        return CELLA_OK;
    }
    void *content = mmap(NULL, size, PROT_READ, MAP_SHARED, file, 0);
    if (content == MAP_FAILED) {
        return CELLA_NO_MEMORY;
    }
    *out = cella_view_of(content, size);
    *total += size;
    return CELLA_OK;
}

static cella_status check_stream(int file)
{
    struct stat facts;
    if (fstat(file, &facts) != 0) {
        return CELLA_SYSTEM_FAILED;
    }
    bool readable = (fcntl(file, F_GETFL) & O_ACCMODE) == O_RDONLY;
    return S_ISFIFO(facts.st_mode) && readable ? CELLA_OK : CELLA_BAD_FORMAT;
}

static size_t count_present(const struct cella_task *task)
{
    size_t count = 0;
    for (size_t i = 0; i < task->input_count; i++) {
        count += task->inputs[i].form != CELLA_INPUT_ABSENT ? 1 : 0;
    }
    return count;
}

cella_status cella_receive_task(int control, struct cella_received *out)
{
    struct packet packet = { .count = 0 };
    CELLA_TRY(receive_packet(control, &packet));
    if (packet.count == 0) {
        return CELLA_BAD_FORMAT;
    }
    CELLA_TRY(read_text(packet.descriptors[0], &out->text));
    CELLA_TRY(cella_task_read(cella_bytes_view(&out->text), &out->task));
    size_t present = count_present(&out->task);
    if (packet.count != 1 + present + out->task.output_count) {
        return CELLA_BAD_FORMAT;
    }
    /* Outputs first, then streams: what stays open, in the order of its numbers. */
    int kept[2 * CELLA_TASK_FILES_MAX];
    size_t count = out->task.output_count;
    memcpy(kept, packet.descriptors + 1 + present, count * sizeof(int));
    const int *next = packet.descriptors + 1;
    for (size_t i = 0; i < out->task.input_count; i++) {
        if (out->task.inputs[i].form == CELLA_INPUT_STREAM) {
            CELLA_TRY(check_stream(*next));
            kept[count++] = *next++;
        } else if (out->task.inputs[i].form == CELLA_INPUT_MEMORY) {
            CELLA_TRY(map_input(*next++, &out->inputs[i], &out->inputs_bytes));
        }
    }
    out->stream_count = count - out->task.output_count;
    CELLA_TRY(cella_descriptors_place(kept, count, CELLA_CELL_OUTPUT_FD));
    int after = CELLA_CELL_OUTPUT_FD + (int) count;
    CELLA_TRY(cella_descriptors_close(after, CELLA_CELL_CONTROL_FD - 1));
    return cella_descriptors_close(CELLA_CELL_CONTROL_FD + 1, -1);
}
