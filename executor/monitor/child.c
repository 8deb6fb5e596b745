/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/packet.h"

#define DESCRIPTORS_MAX 4
#define ARGUMENTS_MAX 8

void cella_child_close(int *descriptor)
{
    if (*descriptor >= 0) {
        (void) close(*descriptor);
        *descriptor = -1;
    }
}

/* In the child: put the descriptors into place, close all others. Only calls that are safe after fork. */
static void place_descriptors(const int *descriptors, size_t count)
{
    int above[DESCRIPTORS_MAX];
    for (size_t i = 0; i < count; i++) {
        above[i] = descriptors[i] < 0 ? -1 : fcntl(descriptors[i], F_DUPFD, 64);
    }
    for (size_t i = 0; i < count; i++) {
        if (above[i] >= 0 && dup2(above[i], 3 + (int) i) < 0) {
            _exit(126);
        }
    }
    (void) syscall(SYS_close_range, 3 + (unsigned int) count, ~0U, 0U);
}

static void run_child(const char *path, const char *const *arguments, const int *descriptors, size_t count)
{
    const char *argv[ARGUMENTS_MAX + 2] = { path };
    for (size_t i = 0; i < ARGUMENTS_MAX && arguments[i] != NULL; i++) {
        argv[i + 1] = arguments[i];
    }
    const char *const environment[] = { NULL };
    sigset_t none;
    (void) sigemptyset(&none);
    (void) sigprocmask(SIG_SETMASK, &none, NULL);
    (void) signal(SIGPIPE, SIG_DFL);
    place_descriptors(descriptors, count);
    (void) execve(path, (char *const *) (uintptr_t) argv, (char *const *) (uintptr_t) environment);
    _exit(127);
}

cella_status cella_child_start(const struct cella_monitor *monitor, const char *program,
                               const char *const *arguments, const int *descriptors, size_t descriptor_count,
                               pid_t *pid, int *pidfd)
{
    char path[512];
    int length = snprintf(path, sizeof(path), "%s/%s", monitor->config.programs, program);
    if (length < 0 || (size_t) length >= sizeof(path) || descriptor_count > DESCRIPTORS_MAX) {
        return CELLA_BAD_SIZE;
    }
    pid_t child = fork();
    if (child < 0) {
        return CELLA_SYSTEM_FAILED;
    }
    if (child == 0) {
        run_child(path, arguments, descriptors, descriptor_count);
    }
    *pid = child;
    *pidfd = (int) syscall(SYS_pidfd_open, child, 0U); /* close-on-exec by definition */
    return *pidfd < 0 ? CELLA_SYSTEM_FAILED : CELLA_OK;
}

cella_status cella_child_socket(int type, int *near, int *far)
{
    int pair[2];
    if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair) != 0) {
        return CELLA_SYSTEM_FAILED;
    }
    *near = pair[0];
    *far = pair[1];
    return fcntl(pair[0], F_SETFL, O_NONBLOCK) == 0 ? CELLA_OK : CELLA_SYSTEM_FAILED;
}

cella_status cella_child_link(const struct cella_monitor *monitor, enum cella_link_role role, int *out)
{
    const uint8_t question = (uint8_t) role;
    uint8_t answer[2];
    struct cella_packet packet;
    CELLA_TRY(cella_packet_send(monitor->door, cella_view_of(&question, 1), NULL, 0));
    CELLA_TRY(cella_packet_receive(monitor->door, answer, sizeof(answer), &packet));
    if (packet.message.size != 1 || answer[0] != question || packet.descriptor_count != 1) {
        cella_packet_close(&packet);
        return CELLA_BAD_FORMAT;
    }
    *out = packet.descriptors[0];
    return CELLA_OK;
}
