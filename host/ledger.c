/* SPDX-License-Identifier: Apache-2.0 */
#include "host/ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/packet.h"
#include "base/wire.h"

/* What is left open of the host's: nothing but its log. */
static int arrange(posix_spawn_file_actions_t *actions, int control)
{
    int failed = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    failed = failed == 0 ? posix_spawn_file_actions_adddup2(actions, STDERR_FILENO, STDOUT_FILENO) : failed;
    failed = failed == 0 ? posix_spawn_file_actions_adddup2(actions, control, CELLA_LEDGER_CONTROL_FD) : failed;
    return failed == 0 ? posix_spawn_file_actions_addclosefrom_np(actions, CELLA_LEDGER_CONTROL_FD + 1) : failed;
}

/*
 * Signals stay blocked until the program ignores what is sent to all: until then it would die of them. Those that the host
 * ignores or handles are as a program expects them.
 */
static int set_attributes(posix_spawnattr_t *attributes)
{
    sigset_t all;
    (void) sigfillset(&all);
    int failed = posix_spawnattr_setsigmask(attributes, &all);
    failed = failed == 0 ? posix_spawnattr_setsigdefault(attributes, &all) : failed;
    return failed == 0 ? posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF) : failed;
}

static int spawn_with(const struct cella_ledger_process *ledger, const posix_spawn_file_actions_t *actions,
                      const posix_spawnattr_t *attributes, pid_t *out)
{
    char path[1280];
    char room[24];
    (void) snprintf(path, sizeof(path), "%s/" CELLA_LEDGER_FILE, ledger->folder);
    (void) snprintf(room, sizeof(room), "%llu", (unsigned long long) ledger->max_bytes);
    char *argv[] = { (char *) ledger->program, path, room, ledger->log->json ? "json" : "text", NULL };
    return posix_spawn(out, ledger->program, actions, attributes, argv, environ);
}

/* A new program, not a copy of this process: the worker's thread may hold locks of the C library. 0, or errno */
static int spawn(const struct cella_ledger_process *ledger, int control, pid_t *out)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int failed = posix_spawn_file_actions_init(&actions);
    if (failed != 0) {
        return failed;
    }
    failed = posix_spawnattr_init(&attributes);
    if (failed == 0) {
        failed = arrange(&actions, control);
        failed = failed == 0 ? set_attributes(&attributes) : failed;
        failed = failed == 0 ? spawn_with(ledger, &actions, &attributes, out) : failed;
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return failed;
}

static void forget(struct cella_ledger_process *ledger)
{
    if (ledger->control >= 0) {
        close(ledger->control);
    }
    ledger->control = -1;
    ledger->process = 0;
}

static cella_status take_report(struct cella_ledger_process *ledger)
{
    uint8_t report[CELLA_LEDGER_REPORT_SIZE];
    struct cella_packet packet;
    uint32_t number = 0;
    cella_status status = cella_packet_receive(ledger->control, report, sizeof(report), &packet);
    if (status == CELLA_OK) {
        cella_packet_close(&packet);
    }
    if (status != CELLA_OK || packet.message.size != sizeof(report)) {
        cella_log_write(ledger->log, CELLA_LOG_ERROR, "ledger_program: %s has not said that it serves the ledger",
                        ledger->program);
        return CELLA_SYSTEM_FAILED;
    }
    struct cella_reader reader = cella_reader_of(packet.message);
    CELLA_TRY(cella_read_u32(&reader, &number));
    CELLA_TRY(cella_read_u64(&reader, &ledger->records));
    status = number == 0 ? CELLA_OK : cella_status_from_number(number);
    if (status != CELLA_OK) {
        report[sizeof(report) - 1] = '\0';
        cella_log_write(ledger->log, CELLA_LOG_ERROR, "%s", (const char *) reader.rest.data);
    }
    return status;
}

cella_status cella_ledger_process_start(struct cella_ledger_process *ledger)
{
    int pair[2];
    pid_t process = 0;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        cella_log_write(ledger->log, CELLA_LOG_ERROR, "ledger: %s", strerror(errno));
        return CELLA_SYSTEM_FAILED;
    }
    int failed = spawn(ledger, pair[1], &process);
    close(pair[1]);
    ledger->control = pair[0];
    ledger->process = failed == 0 ? process : 0;
    if (failed != 0) {
        cella_log_write(ledger->log, CELLA_LOG_ERROR, "ledger_program: %s: %s", ledger->program, strerror(failed));
    }
    cella_status status = failed == 0 ? take_report(ledger) : CELLA_SYSTEM_FAILED;
    if (status != CELLA_OK) {
        (void) cella_ledger_process_end(ledger);
    }
    return status;
}

bool cella_ledger_process_link(struct cella_ledger_process *ledger, int descriptor)
{
    cella_status status = CELLA_CLOSED;
    /* Twice: one that has died may not have been noticed yet. */
    for (int i = 0; i < 2 && status == CELLA_CLOSED; i++) {
        (void) cella_ledger_process_reap(ledger);
        status = ledger->process == 0 ? cella_ledger_process_start(ledger) : CELLA_OK;
        status = status == CELLA_OK ? cella_packet_send(ledger->control, cella_view_of("L", 1), &descriptor, 1) : status;
    }
    close(descriptor);
    return status == CELLA_OK;
}

bool cella_ledger_process_reap(struct cella_ledger_process *ledger)
{
    int status;
    if (ledger->process == 0 || waitpid(ledger->process, &status, WNOHANG) != ledger->process) {
        return false;
    }
    if (WIFSIGNALED(status)) {
        cella_log_write(ledger->log, CELLA_LOG_ERROR, "the ledger's process died (signal %d); it is started again",
                        WTERMSIG(status));
    } else {
        cella_log_write(ledger->log, CELLA_LOG_ERROR, "the ledger's process ended (exit status %d); it is started again",
                        WEXITSTATUS(status));
    }
    forget(ledger);
    return true;
}

bool cella_ledger_process_end(struct cella_ledger_process *ledger)
{
    pid_t process = ledger->process;
    int status = 0;
    forget(ledger);
    if (process > 0) {
        while (waitpid(process, &status, 0) < 0 && errno == EINTR) {
        }
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
