/* SPDX-License-Identifier: Apache-2.0 */
#include "host/program.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- any program ---- */

static int arrange(posix_spawn_file_actions_t *actions, const int *descriptors, size_t count)
{
    int failed = 0;
    for (size_t i = 0; i < count && failed == 0; i++) {
        failed = descriptors[i] < 0 ? posix_spawn_file_actions_addopen(actions, (int) i, "/dev/null", O_RDONLY, 0)
                                    : posix_spawn_file_actions_adddup2(actions, descriptors[i], (int) i);
    }
    return failed == 0 ? posix_spawn_file_actions_addclosefrom_np(actions, (int) count) : failed;
}

static int set_signals(posix_spawnattr_t *attributes, const sigset_t *blocked, const sigset_t *defaults)
{
    int failed = posix_spawnattr_setsigmask(attributes, blocked);
    failed = failed == 0 ? posix_spawnattr_setsigdefault(attributes, defaults) : failed;
    return failed == 0 ? posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF) : failed;
}

int cella_program_spawn(char *const *argv, const int *descriptors, size_t count, const sigset_t *blocked,
                        const sigset_t *defaults, pid_t *out)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int failed = posix_spawn_file_actions_init(&actions);
    if (failed != 0) {
        return failed;
    }
    failed = posix_spawnattr_init(&attributes);
    if (failed == 0) {
        failed = arrange(&actions, descriptors, count);
        failed = failed == 0 ? set_signals(&attributes, blocked, defaults) : failed;
        failed = failed == 0 ? posix_spawn(out, argv[0], &actions, &attributes, argv, environ) : failed;
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return failed;
}

/* ---- one that runs for one request ---- */

static void close_pipe(int *descriptor, struct event **event)
{
    if (*event != NULL) {
        event_free(*event);
        *event = NULL;
    }
    if (*descriptor >= 0) {
        (void) close(*descriptor);
        *descriptor = -1;
    }
}

/* False when there is nothing more at the moment. */
static bool hear(struct cella_program *program)
{
    uint8_t text[4096];
    ssize_t count = program->voice < 0 ? 0 : read(program->voice, text, sizeof(text));
    if (count > 0) {
        cella_log_lines_add(&program->lines, program->log, program->name, cella_view_of(text, (size_t) count));
    } else if (count == 0 || (errno != EAGAIN && errno != EINTR)) {
        close_pipe(&program->voice, &program->voice_event);
    }
    return count > 0;
}

static void on_voice(evutil_socket_t descriptor, short what, void *context)
{
    (void) descriptor;
    (void) what;
    (void) hear(context);
}

static cella_status watch(struct cella_program *program, int descriptor, event_callback_fn what, void *context,
                          struct event **out)
{
    *out = event_new(program->base, descriptor, EV_READ | EV_PERSIST, what, context);
    return *out != NULL && fcntl(descriptor, F_SETFL, O_NONBLOCK) == 0 && event_add(*out, NULL) == 0 ? CELLA_OK
                                                                                                    : CELLA_NO_MEMORY;
}

/* Ends of pipes that this process does not keep. */
struct ends {
    int input[2];
    int output;
    int voice;
};

static void close_ends(struct ends *ends)
{
    const int all[] = { ends->input[0], ends->input[1], ends->output, ends->voice };
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (all[i] >= 0) {
            (void) close(all[i]);
        }
    }
}

static cella_status open_pipe(int *reading, int *writing)
{
    int both[2];
    if (pipe2(both, O_CLOEXEC) != 0) {
        return CELLA_BUSY;
    }
    *reading = both[0];
    *writing = both[1];
    return CELLA_OK;
}

static cella_status open_ends(struct cella_program *program, struct cella_view input, struct ends *ends)
{
    CELLA_TRY(open_pipe(&program->output, &ends->output));
    CELLA_TRY(open_pipe(&program->voice, &ends->voice));
    if (input.size == 0) {
        return CELLA_OK;
    }
    CELLA_TRY(open_pipe(&ends->input[0], &ends->input[1]));
    return write(ends->input[1], input.data, input.size) == (ssize_t) input.size ? CELLA_OK : CELLA_SYSTEM_FAILED;
}

static cella_status start(struct cella_program *program, char *const *argv, struct cella_view input,
                          event_callback_fn on_output, void *context)
{
    CELLA_CLEANUP(close_ends) struct ends ends = { { -1, -1 }, -1, -1 };
    sigset_t none;
    sigset_t defaults;
    CELLA_TRY(open_ends(program, input, &ends));
    CELLA_TRY(watch(program, program->output, on_output, context, &program->output_event));
    CELLA_TRY(watch(program, program->voice, on_voice, program, &program->voice_event));
    (void) sigemptyset(&none);
    (void) sigemptyset(&defaults);
    (void) sigaddset(&defaults, SIGPIPE);
    const int descriptors[] = { ends.input[0], ends.output, ends.voice };
    int failed = cella_program_spawn(argv, descriptors, 3, &none, &defaults, &program->process);
    if (failed != 0) {
        program->process = 0;
        cella_log_write(program->log, CELLA_LOG_WARNING, "%s_program: %s: %s", program->name, argv[0], strerror(failed));
        return CELLA_SYSTEM_FAILED;
    }
    return CELLA_OK;
}

cella_status cella_program_start(struct cella_program *program, char *const *argv, struct cella_view input,
                                 event_callback_fn on_output, void *context)
{
    cella_status status = start(program, argv, input, on_output, context);
    if (status != CELLA_OK) {
        cella_program_close_output(program);
        close_pipe(&program->voice, &program->voice_event);
    }
    return status;
}

void cella_program_close_output(struct cella_program *program)
{
    close_pipe(&program->output, &program->output_event);
}

void cella_program_end(struct cella_program *program)
{
    cella_program_close_output(program);
    if (program->process > 0) {
        (void) kill(program->process, SIGKILL);
    }
}

bool cella_program_reap(struct cella_program *program)
{
    if (program->process <= 0 || waitpid(program->process, &program->exit_status, WNOHANG) != program->process) {
        return false;
    }
    program->process = 0;
    while (hear(program)) { /* its last words come before what becomes of them */
    }
    return true;
}

void cella_program_finish(struct cella_program *program)
{
    close_pipe(&program->voice, &program->voice_event);
    cella_log_lines_add(&program->lines, program->log, program->name, (struct cella_view){ 0 });
}

void cella_program_release(struct cella_program *program)
{
    if (program->process > 0) {
        (void) kill(program->process, SIGKILL);
        while (waitpid(program->process, NULL, 0) < 0 && errno == EINTR) {
        }
    }
    cella_program_close_output(program);
    close_pipe(&program->voice, &program->voice_event);
}
