/* SPDX-License-Identifier: Apache-2.0 */
#include "host/ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/packet.h"
#include "host/ledger_serve.h"

#define CONTROL_FD 3

/* The host ends it by closing the control socket, so that it is never cut off within a commit by a signal to all. */
static void set_signals(void)
{
    static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGXFSZ };
    sigset_t none;
    for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++) {
        (void) signal(ignored[i], SIG_IGN);
    }
    (void) signal(SIGCHLD, SIG_DFL);
    (void) sigemptyset(&none);
    (void) sigprocmask(SIG_SETMASK, &none, NULL);
}

static cella_status open_store(const struct cella_ledger_process *ledger, struct cella_ledger_store **out,
                               char blame[CELLA_LEDGER_BLAME_MAX])
{
    char path[1280];
    (void) snprintf(path, sizeof(path), "%s/" CELLA_LEDGER_FILE, ledger->folder);
    return cella_ledger_sqlite_open(path, ledger->max_bytes, out, blame);
}

static _Noreturn void run_child(const struct cella_ledger_process *ledger, int control)
{
    char blame[CELLA_LEDGER_BLAME_MAX] = "";
    struct cella_ledger_store *store = NULL;
    struct cella_log log = *ledger->log;
    set_signals();
    (void) umask(077);
    (void) prctl(PR_SET_NAME, "cella-ledger");
    /* Nothing of the host's stays open here: neither its lock nor its clients. */
    if (log.descriptor != STDERR_FILENO || dup2(control, CONTROL_FD) != CONTROL_FD ||
        syscall(SYS_close_range, CONTROL_FD + 1, ~0U, 0U) != 0) {
        _exit(1);
    }
    cella_status status = open_store(ledger, &store, blame);
    uint8_t report[4 + CELLA_LEDGER_BLAME_MAX] = { 0, 0, (uint8_t) ((unsigned int) status >> 8), (uint8_t) status };
    memcpy(report + 4, blame, sizeof(blame));
    if (cella_packet_send(CONTROL_FD, cella_view_of(report, sizeof(report)), NULL, 0) == CELLA_OK && status == CELLA_OK) {
        cella_ledger_serve(store, CONTROL_FD, &log);
    }
    if (store != NULL) {
        store->class->close(store);
    }
    _exit(status == CELLA_OK ? 0 : 1);
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
    uint8_t report[4 + CELLA_LEDGER_BLAME_MAX];
    struct cella_packet packet;
    CELLA_TRY(cella_packet_receive(ledger->control, report, sizeof(report), &packet));
    cella_packet_close(&packet);
    if (packet.message.size != sizeof(report)) {
        return CELLA_SYSTEM_FAILED;
    }
    unsigned int number = (unsigned int) report[2] << 8 | report[3];
    cella_status status = number == 0 ? CELLA_OK : cella_status_from_number(number);
    if (status != CELLA_OK) {
        report[sizeof(report) - 1] = '\0';
        cella_log_write(ledger->log, CELLA_LOG_ERROR, "%s", (const char *) report + 4);
    }
    return status;
}

cella_status cella_ledger_process_start(struct cella_ledger_process *ledger)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        return CELLA_SYSTEM_FAILED;
    }
    pid_t process = fork();
    if (process == 0) {
        run_child(ledger, pair[1]);
    }
    close(pair[1]);
    ledger->control = pair[0];
    ledger->process = process > 0 ? process : 0;
    cella_status status = process > 0 ? take_report(ledger) : CELLA_SYSTEM_FAILED;
    if (status != CELLA_OK) {
        cella_ledger_process_end(ledger);
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

void cella_ledger_process_end(struct cella_ledger_process *ledger)
{
    pid_t process = ledger->process;
    forget(ledger);
    if (process > 0) {
        while (waitpid(process, NULL, 0) < 0 && errno == EINTR) {
        }
    }
}
