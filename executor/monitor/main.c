/* SPDX-License-Identifier: Apache-2.0 */

/*
 * cella-monitor: the executor's first process. Started by cella-host with the descriptors of setup.h.
 *
 *   cella-monitor            run
 *   cella-monitor --measure  print the measurement list and its digest, and leave
 *   cella-monitor --doctor   print what an executor finds on this machine, and leave
 *   cella-monitor --tpm-identify, --tpm-activate  enrol this machine's TPM (platform/tpm_enrol.h): what it is, on standard
 *                            output; the answer to the challenge on standard input
 *
 * Exit status: 0 drained; 1 it could not start or go on, with a line on standard error; 2 usage.
 */

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/layers.h"
#include "monitor/attest.h"
#include "monitor/cgroups.h"
#include "monitor/disposal.h"
#include "monitor/courier.h"
#include "monitor/doctor.h"
#include "monitor/expiry.h"
#include "monitor/front.h"
#include "monitor/ledger.h"
#include "monitor/pool.h"
#include "monitor/refresh.h"
#include "monitor/resume.h"
#include "monitor/runner.h"
#include "monitor/setup.h"
#include "platform/files.h"
#include "platform/tpm_enrol.h"

#define PROGRAMS_MEASURED "/proc/self/exe"
#define LINGER_MS 1000U

/* ---- children ---- */

struct reaper {
    struct cella_monitor *monitor;
    struct cella_watcher watcher;
    int descriptor;
};

static void children_died(void *context, uint32_t events)
{
    struct reaper *reaper = context;
    struct cella_monitor *monitor = reaper->monitor;
    struct signalfd_siginfo ignored;
    int wait_status;
    pid_t pid;
    (void) events;
    (void) !read(reaper->descriptor, &ignored, sizeof(ignored));
    while ((pid = waitpid(-1, &wait_status, WNOHANG)) > 0) {
        if (!cella_pool_reaped(monitor->pool, pid, wait_status) &&
            !cella_couriers_reaped(monitor->couriers, pid, wait_status) && monitor->front != NULL) {
            (void) cella_front_reaped(monitor->front, pid, wait_status);
        }
    }
}

static cella_status watch_children(struct reaper *reaper)
{
    sigset_t signals;
    (void) sigemptyset(&signals);
    (void) sigaddset(&signals, SIGCHLD);
    if (sigprocmask(SIG_BLOCK, &signals, NULL) != 0) {
        return CELLA_SYSTEM_FAILED;
    }
    reaper->descriptor = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (reaper->descriptor < 0) {
        return CELLA_SYSTEM_FAILED;
    }
    reaper->watcher.ready = children_died;
    reaper->watcher.context = reaper;
    return cella_loop_watch(reaper->monitor->loop, &reaper->watcher, reaper->descriptor, EPOLLIN);
}

/* ---- the link ---- */

static void note_arrived(void *context, enum cella_note_kind kind, struct cella_view payload)
{
    struct cella_monitor *monitor = context;
    (void) payload;
    if (kind == CELLA_NOTE_DRAIN) {
        monitor->draining = true;
    }
}

static void stream_opened(void *context, struct cella_stream *stream, enum cella_stream_kind kind,
                          struct cella_view arguments)
{
    struct cella_monitor *monitor = context;
    (void) kind;
    (void) arguments;
    (void) !cella_link_reset(monitor->link, stream, CELLA_UNKNOWN_OPERATION);
}

/* The only streams that this program opens ask for collateral. */
static void stream_data(void *context, struct cella_stream *stream, struct cella_view bytes)
{
    (void) context;
    cella_refresh_data(cella_stream_user(stream), bytes);
}

static void ignore_stream(void *context, struct cella_stream *stream)
{
    (void) context;
    (void) stream;
}

static void stream_closed(void *context, struct cella_stream *stream, cella_status status)
{
    (void) context;
    cella_refresh_closed(cella_stream_user(stream), status);
}

static const struct cella_link_events link_events = {
    .note = note_arrived,
    .opened = stream_opened,
    .data = stream_data,
    .ended = ignore_stream,
    .closed = stream_closed,
    .writable = ignore_stream,
};

static void link_ready(void *context, uint32_t events)
{
    struct cella_monitor *monitor = context;
    (void) events;
    /* Without the host there is nobody to work for. */
    if (cella_link_read_from(monitor->link, CELLA_MONITOR_LINK_FD) != CELLA_OK) {
        cella_loop_stop(monitor->loop);
    }
}

static void wake_up(void *context)
{
    (void) context; /* the round that follows looks again */
}

static void flush_link(struct cella_monitor *monitor)
{
    (void) !cella_link_write_to(monitor->link, CELLA_MONITOR_LINK_FD);
    uint32_t more = cella_link_pending(monitor->link).size > 0 ? (uint32_t) EPOLLOUT : 0U;
    (void) !cella_loop_change(monitor->loop, &monitor->link_watcher, EPOLLIN | more);
}

/* Clients that wait for a last task get the time to fetch what came out of it: until nobody has asked anything for a moment. */
static void leave_when_quiet(struct cella_monitor *monitor)
{
    uint64_t quiet_ms = cella_front_quiet_ms(monitor->front);
    if (quiet_ms >= LINGER_MS) {
        cella_monitor_log(monitor, "drained");
        cella_loop_stop(monitor->loop);
    } else if (!monitor->linger.active) {
        cella_loop_set_timer(monitor->loop, &monitor->linger, LINGER_MS - quiet_ms);
    }
}

static void after_events(void *context)
{
    struct cella_monitor *monitor = context;
    cella_runner_advance(monitor->runner);
    cella_disposal_advance(monitor->disposal);
    bool durable = cella_ledger_is_durable(monitor->ledger, cella_ledger_position(monitor->ledger));
    if (monitor->draining && durable && cella_runner_is_idle(monitor->runner) &&
        cella_ledger_settle(monitor->ledger)) {
        leave_when_quiet(monitor);
    }
    if (!cella_ledger_proceed(monitor->ledger)) {
        cella_loop_stop(monitor->loop);
    }
    flush_link(monitor);
}

/* While the ledger is being read there is nobody to serve. */
static void after_start_events(void *context)
{
    flush_link(context);
}

/* ---- start ---- */

static cella_status send_ready(struct cella_monitor *monitor)
{
    char measurement[7 + 2 * CELLA_SHA256_SIZE + 1] = "sha256:";
    uint8_t charter[CELLA_SHA256_SIZE];
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes root = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    cella_hex_encode(cella_view_of(monitor->measurement, sizeof(monitor->measurement)), measurement + 7);
    CELLA_TRY(cella_sha256(cella_bytes_view(&monitor->charter.text), charter));
    CELLA_TRY(cella_bytes_set(&root, cella_view_of_string("ed25519:")));
    CELLA_TRY(cella_base64url_encode(cella_view_of(monitor->root, sizeof(monitor->root)), &root));
    CELLA_CLEANUP(cella_json_cleanup)
    json_t *json = json_pack("{s:s, s:s, s:s, s:s%, s:o, s:o, s:s}", "executor",
                             cella_keyring_executor(monitor->keyring), "platform",
                             cella_evidence_type_name(cella_platform_type(monitor->platform)), "measurement", measurement, "root",
                             (const char *) root.data, root.size, "charter",
                             cella_json_hex(cella_view_of(charter, sizeof(charter))), "layers",
                             cella_info_layers(cella_pool_layers(monitor->pool)), "version", CELLA_VERSION);
    CELLA_TRY(json == NULL ? CELLA_NO_MEMORY : cella_json_write(json, &text));
    return cella_link_note(monitor->link, CELLA_NOTE_READY, cella_bytes_view(&text));
}

static cella_status start_link(struct cella_monitor *monitor)
{
    monitor->door = CELLA_MONITOR_DOOR_FD;
    monitor->link = cella_link_new(CELLA_LINK_ENCLAVE, CELLA_LINK_MONITOR, &link_events, monitor);
    if (monitor->link == NULL) {
        return CELLA_NO_MEMORY;
    }
    if (fcntl(CELLA_MONITOR_LINK_FD, F_SETFL, O_NONBLOCK) != 0 ||
        fcntl(CELLA_MONITOR_LINK_FD, F_SETFD, FD_CLOEXEC) != 0 ||
        fcntl(CELLA_MONITOR_DOOR_FD, F_SETFD, FD_CLOEXEC) != 0) {
        return CELLA_SYSTEM_FAILED;
    }
    monitor->link_watcher.ready = link_ready;
    monitor->link_watcher.context = monitor;
    return cella_loop_watch(monitor->loop, &monitor->link_watcher, CELLA_MONITOR_LINK_FD, EPOLLIN);
}

/* The machine's software root, read only after the zygotes were started. */
static cella_status read_root(struct cella_monitor *monitor)
{
    CELLA_TRY(cella_secret_resize(&monitor->root_seed, CELLA_ED25519_KEY_SIZE));
    ssize_t count = pread(CELLA_MONITOR_ROOT_FD, monitor->root_seed.data, CELLA_ED25519_KEY_SIZE, 0);
    (void) close(CELLA_MONITOR_ROOT_FD);
    if (count != CELLA_ED25519_KEY_SIZE) {
        return CELLA_BAD_KEY;
    }
    return cella_ed25519_public(&monitor->root_seed, monitor->root);
}

/* What was looked for before the one that is taken, so that the operator reads why it is not something better. */
static void log_passed_over(struct cella_monitor *monitor)
{
    struct cella_platform_finding findings[CELLA_PLATFORMS_MAX];
    size_t count = cella_platform_look(&monitor->platform_setup, findings);
    for (size_t i = 0; i < count && !findings[i].usable; i++) {
        cella_monitor_log(monitor, "platform %s: not here: %s", findings[i].name, findings[i].why.characters);
    }
}

static cella_status open_platform(struct cella_monitor *monitor)
{
    struct cella_text why = { 0 };
    const char *wanted = monitor->config.platform;
    monitor->platform_setup = (struct cella_platform_setup){
        .root = "",
        .soft_root = &monitor->root_seed,
        .measurement = monitor->measurement,
        .layers = cella_pool_promised(monitor->pool),
    };
    if (strcmp(wanted, "auto") == 0) {
        log_passed_over(monitor);
    }
    cella_status status = cella_platform_open(wanted, &monitor->platform_setup, &monitor->platform, &why);
    if (status != CELLA_OK) {
        (void) fprintf(stderr, "cella-monitor: platform \"%s\": %s\n", wanted, why.characters);
        return status;
    }
    cella_monitor_log(monitor, "platform %s (%s, as configured: %s): %s", cella_platform_name(monitor->platform),
                      cella_evidence_type_name(cella_platform_type(monitor->platform)), wanted, why.characters);
    return CELLA_OK;
}

static cella_status open_ledger(struct cella_monitor *monitor)
{
    CELLA_TRY(cella_ledger_new(monitor, &monitor->ledger));
    return cella_ledger_start(monitor->ledger, after_start_events, monitor);
}

static cella_status live_in_memory(struct cella_monitor *monitor)
{
    cella_monitor_log(monitor, "platform %s can not seal keys: executor, parties, functions and tasks end with this process",
                      cella_platform_name(monitor->platform));
    return cella_keyring_new(&monitor->keyring);
}

static cella_status make_identity(struct cella_monitor *monitor)
{
    CELLA_TRY(read_root(monitor));
    CELLA_TRY(open_platform(monitor));
    CELLA_TRY(cella_platform_seals(monitor->platform) ? open_ledger(monitor) : live_in_memory(monitor));
    CELLA_TRY(cella_monitor_attest(monitor));
    monitor->refresh = cella_refresh_new(monitor);
    CELLA_TRY(monitor->refresh == NULL ? CELLA_NO_MEMORY : CELLA_OK);
    cella_refresh_start(monitor->refresh);
    return CELLA_OK;
}

/* Before there is any other process: those that are there may have to be moved. */
static cella_status open_groups(struct cella_monitor *monitor)
{
    uint32_t warm = monitor->config.pool * (uint32_t) monitor->config.profile_count;
    CELLA_TRY(cella_cgroups_open(warm + monitor->config.concurrency, &monitor->cgroups));
    cella_monitor_log(monitor, "limits of cells: %s", cella_cgroups_tier(monitor->cgroups));
    return CELLA_OK;
}

/* Less than the charter says is still true to it: its limits are the most that may be asked for. */
static void fit_limits(struct cella_monitor *monitor)
{
    uint64_t asked = monitor->charter.limits.memory_bytes;
    if (cella_setup_fit_memory(&monitor->charter, cella_setup_machine_memory())) {
        cella_monitor_log(monitor,
                          "limits.memory_bytes is %llu, which is what this machine has, not %llu as the charter",
                          (unsigned long long) monitor->charter.limits.memory_bytes, (unsigned long long) asked);
    }
}

/* step: names what failed, for the operator; error the member of it that is wrong. */
static cella_status run(struct cella_monitor *monitor, struct reaper *reaper, const char **step,
                        struct cella_json_error *error)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes list = { 0 };
    CELLA_TRY(cella_setup_read(monitor, step, error));
    monitor->loop = cella_loop_new();
    if (monitor->loop == NULL) {
        return CELLA_NO_MEMORY;
    }
    cella_clock_start(&monitor->clock);
    *step = "the link";
    CELLA_TRY(start_link(monitor));
    fit_limits(monitor);
    CELLA_TRY(watch_children(reaper));
    *step = "control groups";
    CELLA_TRY(open_groups(monitor));
    /* Zygotes first: nothing that is secret exists yet, so nothing can be inherited by a cell. */
    *step = "starting the zygotes";
    CELLA_TRY(cella_runner_new(monitor, &monitor->runner));
    CELLA_TRY(cella_disposal_new(monitor, &monitor->disposal));
    *step = "measuring the executor's files";
    CELLA_TRY(cella_files_measure(monitor->config.programs, &list, monitor->measurement));
    *step = "loading the profiles";
    CELLA_TRY(cella_pool_wait(monitor->pool));
    *step = "reading the ledger and making evidence";
    CELLA_TRY(make_identity(monitor));
    *step = "starting the front";
    CELLA_TRY(cella_front_new(monitor, &monitor->front));
    CELLA_TRY(send_ready(monitor));
    cella_resume_tasks(monitor);
    cella_disposal_start(monitor->disposal);
    monitor->linger.expired = wake_up;
    cella_expiry_start(monitor);
    *step = "running";
    CELLA_TRY(cella_loop_run(monitor->loop, after_events, monitor));
    return cella_ledger_proceed(monitor->ledger) ? CELLA_OK : CELLA_LEDGER_FAILED;
}

static void stop(struct cella_monitor *monitor, int exit_status)
{
    if (monitor->link != NULL) {
        flush_link(monitor);
    }
    cella_disposal_free(monitor->disposal);
    cella_runner_free(monitor->runner);
    cella_cgroups_free(monitor->cgroups);
    cella_front_free(monitor->front);
    cella_ledger_free(monitor->ledger);
    if (!cella_attester_free(monitor->attester)) {
        _exit(exit_status); /* a device is at work, with keys that must not go from under it */
    }
    cella_keyring_free(monitor->keyring);
    cella_secret_clear(&monitor->root_seed);
    cella_state_clear(&monitor->state);
    cella_refresh_free(monitor->refresh);
    cella_link_free(monitor->link);
    cella_monitor_evidence_clear(&monitor->evidence);
    cella_bytes_clear(&monitor->collateral);
    cella_platform_free(monitor->platform);
    cella_bytes_clear(&monitor->charter.text);
    cella_loop_free(monitor->loop);
}

/* The keys' process is not inspected, not dumped, and gains nothing from what it executes. */
static cella_status protect_process(void)
{
    const struct rlimit none = { 0, 0 };
    if (setrlimit(RLIMIT_CORE, &none) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
        return CELLA_SYSTEM_FAILED;
    }
    (void) signal(SIGPIPE, SIG_IGN);
    return CELLA_OK;
}

/* Folder of this program. */
static cella_status find_programs(char out[512])
{
    ssize_t size = readlink(PROGRAMS_MEASURED, out, 511);
    if (size <= 0) {
        return CELLA_SYSTEM_FAILED;
    }
    out[size] = '\0';
    *strrchr(out, '/') = '\0';
    return CELLA_OK;
}

static cella_status doctor(void)
{
    char programs[512];
    CELLA_TRY(find_programs(programs));
    return cella_doctor_report(programs);
}

static cella_status measure(void)
{
    char programs[512];
    uint8_t measurement[CELLA_SHA256_SIZE];
    char text[2 * CELLA_SHA256_SIZE + 1];
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes list = { 0 };
    CELLA_TRY(find_programs(programs));
    CELLA_TRY(cella_files_measure(programs, &list, measurement));
    cella_hex_encode(cella_view_of(measurement, sizeof(measurement)), text);
    (void) printf("%.*smeasurement sha256:%s\n", (int) list.size, (const char *) list.data, text);
    return CELLA_OK;
}

/* activate: answer the challenge on standard input; else say which keys there are. */
static int enrol_tpm(bool activate)
{
    static const struct cella_platform_setup setup = { .root = "" };
    uint8_t challenge[CELLA_TPM_CHALLENGE_MAX + 1];
    struct cella_text trouble = { "" };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes out = { 0 };
    size_t size = activate ? fread(challenge, 1, sizeof(challenge), stdin) : 0;
    cella_status status = activate ? cella_tpm_activate(&setup, cella_view_of(challenge, size), &out, &trouble)
                                   : cella_tpm_identify(&setup, &out, &trouble);
    if (status != CELLA_OK) {
        (void) fprintf(stderr, "cella-monitor: %s (%s)\n", trouble.characters, cella_status_name(status));
        return 1;
    }
    (void) printf("%.*s\n", (int) out.size, (const char *) out.data);
    return fflush(stdout) == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct cella_monitor monitor = { 0 };
    struct reaper reaper = { .monitor = &monitor };
    struct cella_json_error error = { 0 };
    const char *step = "";
    /* The TPM's library would write every refusal to standard error, and on demand what is secret; our log says what matters. */
    (void) setenv("TSS2_LOG", "all+none", 1);
    if (argc == 2 && strcmp(argv[1], "--measure") == 0) {
        return measure() == CELLA_OK ? 0 : 1;
    }
    if (argc == 2 && strcmp(argv[1], "--doctor") == 0) {
        return doctor() == CELLA_OK ? 0 : 1;
    }
    if (argc == 2 && (strcmp(argv[1], "--tpm-identify") == 0 || strcmp(argv[1], "--tpm-activate") == 0)) {
        return enrol_tpm(strcmp(argv[1], "--tpm-activate") == 0);
    }
    if (argc != 1) {
        (void) fprintf(stderr, "usage: cella-monitor [--measure | --doctor | --tpm-identify | --tpm-activate]\n"
                               "Started by cella-host; see cella-host --help.\n");
        return 2;
    }
    cella_status status = protect_process();
    status = status == CELLA_OK ? run(&monitor, &reaper, &step, &error) : status;
    if (status != CELLA_OK) {
        (void) fprintf(stderr, "cella-monitor: %s: %s%s%s (%s)\n", step, error.field,
                       error.field[0] == '\0' ? "" : ": ", cella_status_text(status), cella_status_name(status));
    }
    stop(&monitor, status == CELLA_OK ? 0 : 1);
    return status == CELLA_OK ? 0 : 1;
}
