/* SPDX-License-Identifier: Apache-2.0 */
#include "host/host.h"

#include <errno.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/launch.h"

/* The programs' complaints go to the log; their end is the end of the pipe. */
static void follow_voice(int voice, struct cella_log *log)
{
    struct cella_log_lines lines = { .size = 0 };
    struct pollfd ready = { voice, POLLIN, 0 };
    uint8_t text[4096];
    for (;;) {
        ssize_t size = read(voice, text, sizeof(text));
        if (size > 0) {
            cella_log_lines_add(&lines, log, "cella-monitor", cella_view_of(text, (size_t) size));
        } else if (size == 0 || (errno != EAGAIN && errno != EINTR)) {
            break;
        } else {
            (void) poll(&ready, 1, -1);
        }
    }
    cella_log_lines_add(&lines, log, "cella-monitor", (struct cella_view){ 0 });
}

int cella_host_measure(const struct cella_host_config *config, struct cella_log *log)
{
    static const char *const argv[] = { "cella-monitor", "--measure", NULL };
    char blame[CELLA_HOST_BLAME_MAX];
    struct cella_executor executor;
    const struct cella_launch launch = {
        .programs = config->programs,
        .argv = argv,
        .standard_out = STDOUT_FILENO,
    };
    if (cella_launch(&launch, &executor, blame) != CELLA_OK) {
        cella_log_write(log, CELLA_LOG_ERROR, "executor not started: %s", blame);
        return 1;
    }
    follow_voice(executor.voice, log);
    int status = 0;
    bool reaped = waitpid(executor.process, &status, 0) == executor.process;
    executor.process = reaped ? 0 : executor.process;
    cella_executor_clear(&executor);
    return reaped && WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
