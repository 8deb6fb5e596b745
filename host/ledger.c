/* SPDX-License-Identifier: Apache-2.0 */
#include "host/ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/packet.h"
#include "base/wire.h"
#include "host/program.h"

/*
 * Nothing is left open of the host's but its log. Signals stay blocked until the program ignores what is sent to all: until
 * then it would die of them. Those that the host ignores or handles are as a program expects them. 0, or errno
 */
static int spawn(const struct cella_ledger_process *ledger, int control, pid_t *out)
{
    char path[1280];
    char room[24];
    sigset_t all;
    (void) snprintf(path, sizeof(path), "%s/" CELLA_LEDGER_FILE, ledger->folder);
    (void) snprintf(room, sizeof(room), "%llu", (unsigned long long) ledger->max_bytes);
    (void) sigfillset(&all);
    char *argv[] = { (char *) ledger->program, path, room, ledger->log->json ? "json" : "text", NULL };
    const int descriptors[] = { -1, STDERR_FILENO, STDERR_FILENO, control };
    _Static_assert(sizeof(descriptors) / sizeof(descriptors[0]) == CELLA_LEDGER_CONTROL_FD + 1, "the control socket is the last");
    return cella_program_spawn(argv, descriptors, CELLA_LEDGER_CONTROL_FD + 1, &all, &all, out);
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
