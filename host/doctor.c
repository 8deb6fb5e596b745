/* SPDX-License-Identifier: Apache-2.0 */
#include "host/host.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "host/diagnosis.h"
#include "host/launch.h"

#define PATIENCE_S 60 /* for the detection, which starts a zygote */

static void close_descriptor(int *descriptor)
{
    if (*descriptor >= 0) {
        (void) close(*descriptor);
        *descriptor = -1;
    }
}

/* Everything that comes until the end. CELLA_TIMEOUT; CELLA_TOO_LARGE */
static cella_status read_all(int descriptor, struct cella_bytes *out)
{
    time_t end = time(NULL) + PATIENCE_S;
    struct pollfd ready = { descriptor, POLLIN, 0 };
    uint8_t piece[4096];
    for (;;) {
        int left_ms = 1000 * (int) (end - time(NULL));
        if (left_ms <= 0 || poll(&ready, 1, left_ms) == 0) {
            return CELLA_TIMEOUT;
        }
        ssize_t size = read(descriptor, piece, sizeof(piece));
        if (size <= 0) {
            return size == 0 ? CELLA_OK : CELLA_SYSTEM_FAILED;
        }
        CELLA_TRY(out->size + (size_t) size > CELLA_DIAGNOSIS_INPUT_MAX ? CELLA_TOO_LARGE : CELLA_OK);
        CELLA_TRY(cella_bytes_append(out, cella_view_of(piece, (size_t) size)));
    }
}

/* What its programs complained about; the pipe does not block. */
static void log_voice(int voice, struct cella_log *log)
{
    struct cella_log_lines lines = { .size = 0 };
    uint8_t text[8192];
    ssize_t size = read(voice, text, sizeof(text));
    cella_log_lines_add(&lines, log, "executor", cella_view_of(text, size > 0 ? (size_t) size : 0));
    cella_log_lines_add(&lines, log, "executor", (struct cella_view){ 0 });
}

/* Start the detection where an executor would run, and take what it writes. */
static cella_status detect(const struct cella_host_config *config, struct cella_log *log, struct cella_bytes *out,
                           char blame[CELLA_HOST_BLAME_MAX])
{
    static const char *const argv[] = { "cella-monitor", "--doctor", NULL };
    CELLA_CLEANUP(close_descriptor) int outside = -1;
    CELLA_CLEANUP(close_descriptor) int inside = -1;
    CELLA_CLEANUP(cella_devices_close) struct cella_devices devices = { .platform = "auto" };
    CELLA_CLEANUP(cella_executor_clear) struct cella_executor executor = { 0, -1, -1, -1 };
    int pair[2];
    if (pipe2(pair, O_CLOEXEC) != 0) {
        snprintf(blame, CELLA_HOST_BLAME_MAX, "a pipe: %s", strerror(errno));
        return CELLA_SYSTEM_FAILED;
    }
    outside = pair[0];
    inside = pair[1];
    cella_devices_open("auto", (uint64_t) getpid(), &devices);
    const struct cella_launch launch = {
        .programs = config->programs, .argv = argv, .standard_out = inside, .devices = &devices
    };
    CELLA_TRY(cella_launch(&launch, &executor, blame));
    blame[0] = '\0';
    close_descriptor(&inside);
    cella_status status = read_all(outside, out);
    log_voice(executor.voice, log);
    if (status != CELLA_OK) {
        snprintf(blame, CELLA_HOST_BLAME_MAX, "the executor's detection: %s", cella_status_text(status));
    }
    return status;
}

static bool is_writable(struct cella_view mounts, struct cella_view own, const char *controller, const char *file)
{
    char path[CELLA_CONTROL_GROUP_PATH_MAX];
    char whole[CELLA_CONTROL_GROUP_PATH_MAX + 32];
    if (cella_control_group_find(mounts, own, controller, path) != CELLA_OK) {
        return false;
    }
    snprintf(whole, sizeof(whole), "%s/%s", path, file);
    return access(whole, W_OK) == 0 && access(path, W_OK) == 0;
}

static bool offers_controllers(struct cella_view mounts, struct cella_view own)
{
    char path[CELLA_CONTROL_GROUP_PATH_MAX];
    char file[CELLA_CONTROL_GROUP_PATH_MAX + 32];
    if (cella_control_group_find(mounts, own, CELLA_CONTROL_GROUP_UNIFIED, path) != CELLA_OK) {
        return false;
    }
    snprintf(file, sizeof(file), "%s/cgroup.controllers", path);
    return cella_control_group_lists(AT_FDCWD, file, "memory") && cella_control_group_lists(AT_FDCWD, file, "pids");
}

/* Looks as if this host could make control groups. Trying would move it about. */
static bool can_make_groups(void)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes mounts = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes own = { 0 };
    if (cella_control_group_read_own(&mounts, &own) != CELLA_OK) {
        return false;
    }
    struct cella_view mount_view = cella_bytes_view(&mounts);
    struct cella_view own_view = cella_bytes_view(&own);
    return (offers_controllers(mount_view, own_view) &&
            is_writable(mount_view, own_view, CELLA_CONTROL_GROUP_UNIFIED, "cgroup.subtree_control")) ||
           (is_writable(mount_view, own_view, "memory", ".") && is_writable(mount_view, own_view, "pids", "."));
}

/* Why inputs can not be fetched from places that are configured; "" when they can, or none are. */
static const char *fetch_trouble(const struct cella_host_config *config)
{
    if (config->fetch_from[0] == '\0') {
        return "";
    }
    if (strcmp(config->fetch_program, "none") == 0) {
        return "fetch_program is none, or cella-fetch is not beside cella-host";
    }
    return access(config->fetch_program, X_OK) == 0 ? "" : "fetch_program is not there, or can not be run";
}

int cella_host_doctor(const struct cella_host_config *config, struct cella_log *log)
{
    char blame[CELLA_HOST_BLAME_MAX] = "";
    struct cella_diagnosis diagnosis;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes lines = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes report = { 0 };
    (void) !detect(config, log, &lines, blame);
    (void) !cella_diagnosis_make("", cella_bytes_view(&lines), blame, &diagnosis);
    diagnosis.groups = can_make_groups();
    diagnosis.fetch_from = config->fetch_from;
    diagnosis.fetch_trouble = fetch_trouble(config);
    cella_status status = config->json ? cella_diagnosis_print_json(&diagnosis, config->platform, &report)
                                       : cella_diagnosis_print(&diagnosis, config->platform, &report);
    if (status != CELLA_OK || fwrite(report.data, 1, report.size, stdout) != report.size || fflush(stdout) != 0) {
        cella_log_write(log, CELLA_LOG_ERROR, "the report can not be written: %s", cella_status_text(status));
        return 1;
    }
    return cella_diagnosis_serves(&diagnosis, config->platform) ? 0 : 1;
}
