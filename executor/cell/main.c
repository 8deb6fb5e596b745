/* SPDX-License-Identifier: Apache-2.0 */

/*
 * cella-zygote --profile FILE
 *
 * Loads a profile into an interpreter once, closes itself into a box, and forks cells for the monitor, which holds
 * the other end of descriptor CELLA_ZYGOTE_FD. It is started before any key exists and never sees one.
 *
 * Exit status: 0 the monitor closed the socket, or was told UNAVAILABLE; 1 it could not go on, with a line on standard
 * error; 2 usage.
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cell/fstat.h"
#include "cell/heap.h"
#include "cell/interpreter.h"
#include "cell/libraries.h"
#include "cell/zygote.h"
#include "confine/descriptors.h"

#define PROFILE_MAX 65536

static cella_status read_profile(const char *path, struct cella_bytes *out)
{
    CELLA_CLEANUP(cella_descriptors_release) int file = open(path, O_RDONLY | O_CLOEXEC);
    struct stat facts;
    if (file < 0 || fstat(file, &facts) != 0) {
        fprintf(stderr, "profile file %s: %s%s\n", path, strerror(errno),
                errno == ENOENT ? "; there is no such profile, and it is not offered" : "");
        return CELLA_NO_PROFILE;
    }
    if (facts.st_size > PROFILE_MAX) {
        return CELLA_TOO_LARGE;
    }
    CELLA_TRY(cella_bytes_resize(out, (size_t) facts.st_size));
    return read(file, out->data, out->size) == (ssize_t) out->size ? CELLA_OK : CELLA_SYSTEM_FAILED;
}

/* Numerical libraries read these when they are loaded: one thread each, and no helper processes. */
static cella_status set_environment(void)
{
    static const char *const settings[][2] = {
        { "OPENBLAS_NUM_THREADS", "1" }, { "OMP_NUM_THREADS", "1" }, { "OMP_WAIT_POLICY", "passive" },
        { "JOBLIB_MULTIPROCESSING", "0" }
    };
    /* The starter's own strings stay in memory otherwise, where a script with raw memory access finds them. */
    for (char **entry = environ; entry != NULL && *entry != NULL; entry++) {
        memset(*entry, 0, strlen(*entry));
    }
    if (clearenv() != 0) {
        return CELLA_SYSTEM_FAILED;
    }
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        if (setenv(settings[i][0], settings[i][1], 1) != 0) {
            return CELLA_NO_MEMORY;
        }
    }
    return CELLA_OK;
}

/*
 * Open the folder of libraries with builtins, PROGRAMS/builtins for a profile PROGRAMS/profiles/NAME.json; -1 when there is
 * none. Later, as nobody, this process might not find the way there. Never one of the standard descriptors, closed ones
 * included: the interpreter looks at these.
 */
static int open_builtins(const char *profile_path)
{
    char path[PATH_MAX];
    int size = snprintf(path, sizeof(path), "%s", profile_path);
    char *last = size > 0 && (size_t) size < sizeof(path) ? strrchr(path, '/') : NULL;
    if (last == NULL) {
        return -1;
    }
    size = snprintf(last, sizeof(path) - (size_t) (last - path), "/../builtins");
    if ((size_t) size >= sizeof(path) - (size_t) (last - path)) {
        return -1;
    }
    CELLA_CLEANUP(cella_descriptors_release) int folder = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return folder < 0 ? -1 : fcntl(folder, F_DUPFD_CLOEXEC, CELLA_ZYGOTE_FD + 1);
}

static cella_status run(const char *profile_path, const char **step)
{
    struct cella_cell cell = { .talking = false }; /* lives as long as the process */
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes profile = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes name = { 0 };
    *step = "descriptors";
    CELLA_TRY(cella_descriptors_close(CELLA_ZYGOTE_FD + 1, -1));
    *step = "profile file";
    CELLA_TRY(read_profile(profile_path, &profile));
    cell.builtin_folder = open_builtins(profile_path);
    *step = "environment";
    CELLA_TRY(set_environment());
    *step = "namespaces";
    CELLA_TRY(cella_box_enter(&cell.box));
    *step = "interpreter";
    cella_heap_begin(&cell.heap);
    CELLA_TRY(cella_interpreter_start(&cell));
    *step = "preload";
    CELLA_TRY(cella_interpreter_preload(&cell, cella_bytes_view(&profile), &name));
    if (cell.builtin_folder >= 0) {
        (void) close(cell.builtin_folder);
    }
    *step = "environment";
    if (clearenv() != 0) {
        return CELLA_SYSTEM_FAILED;
    }
    *step = "box";
    cella_libraries_join();
    CELLA_TRY(cella_heap_collapse(&cell.heap));
    CELLA_TRY(cella_box_close(&cell.box));
    *step = "serving";
    return cella_zygote_serve(&cell, CELLA_ZYGOTE_FD, cella_bytes_view(&name));
}

int main(int argc, char **argv)
{
    const char *step = "start";
    if (argc != 3 || strcmp(argv[1], "--profile") != 0) {
        fprintf(stderr, "usage: cella-zygote --profile FILE, with a socket to the monitor as descriptor %d\n",
                CELLA_ZYGOTE_FD);
        return 2;
    }
    /* A terminal's interrupt is for the programs that can drain; and a cell has no terminal. */
    if (setsid() < 0 && getsid(0) != getpid()) {
        fprintf(stderr, "cella-zygote: stays in its starter's session\n");
    }
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    cella_status status = run(argv[2], &step);
    if (status == CELLA_CLOSED) {
        return 0;
    }
    if (status == CELLA_NO_PROFILE) { /* what is missing was said */
        const uint8_t unavailable = CELLA_ZYGOTE_UNAVAILABLE;
        return send(CELLA_ZYGOTE_FD, &unavailable, sizeof(unavailable), MSG_NOSIGNAL) == 1 ? 0 : 1;
    }
    fprintf(stderr, "cella-zygote: %s: %s\n", step, cella_status_text(status));
    return 1;
}
