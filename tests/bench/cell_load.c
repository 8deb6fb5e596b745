/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plays the monitor for a real cella-zygote, in C so that the player takes little of the processors:
 *
 *   cell_load ZYGOTE PROFILE SCRIPT rate SECONDS IN_FLIGHT AHEAD
 *       a closed loop of cold cells: as many tasks as IN_FLIGHT, AHEAD more cells asked for than tasks that wait.
 *       Prints "TASKS SECONDS USED": used is processor time, in seconds, of the zygote and its cells.
 *   cell_load ZYGOTE PROFILE SCRIPT pool WARM
 *       one task for each line of standard input, out of WARM warm cells, refilled after each task.
 *       Prints "RESULT END" for each: nanoseconds from the request to the result, and to the cell's end; a last line
 *       when the cells are warm again.
 *   cell_load ZYGOTE PROFILE SCRIPT queue COUNT AT_ONCE IN_FLIGHT WARM
 *       AT_ONCE requests at the same moment to a pool with WARM warm cells; with each result comes a new request, until
 *       there were COUNT. At most IN_FLIGHT run at a time, the others wait for their turn; what is missing is made cold.
 *       Prints "RESULT LAST" for each: nanoseconds from its request, and from the first request of all, to its result.
 *
 * SCRIPT defines main(). A task that fails ends the program with status 1.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/packet.h"
#include "cell/message.h"

#define CELLS_MAX 64

enum stage { FREE, COMING, READY, RUNNING, DYING };

struct cell {
    enum stage stage;
    uint64_t number;
    int socket;
    int pidfd;
    uint64_t asked; /* when its task was requested, ns; 0 when its end has been told */
};

struct load {
    int zygote;
    pid_t guard;
    int coming; /* asked for, not announced yet */
    struct cell cells[CELLS_MAX];
    struct cella_bytes task;
};

static void die(const char *what)
{
    fprintf(stderr, "cell_load: %s\n", what);
    exit(1);
}

static void check(cella_status status, const char *what)
{
    if (status != CELLA_OK) {
        die(what);
    }
}

static uint64_t now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t) time.tv_sec * 1000000000U + (uint64_t) time.tv_nsec;
}

/* Processor time that a zygote and the cells it has reaped took, in seconds. */
static double used_by(pid_t guard)
{
    char path[64];
    char text[1024] = { 0 };
    unsigned long ticks[4];
    long zygote = guard;
    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int) guard, (int) guard);
    FILE *file = fopen(path, "r");
    if (file == NULL || fscanf(file, "%ld", &zygote) != 1) {
        die("the zygote is not to be found");
    }
    fclose(file);
    snprintf(path, sizeof(path), "/proc/%ld/stat", zygote);
    file = fopen(path, "r");
    if (file == NULL || fread(text, 1, sizeof(text) - 1, file) == 0) {
        die("the zygote is not to be found");
    }
    fclose(file);
    if (sscanf(strrchr(text, ')') + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %lu %lu", &ticks[0],
               &ticks[1], &ticks[2], &ticks[3]) != 4) {
        die("the zygote's times are not to be read");
    }
    return (double) (ticks[0] + ticks[1] + ticks[2] + ticks[3]) / (double) sysconf(_SC_CLK_TCK);
}

static int start_zygote(const char *program, const char *profile, pid_t *process)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) != 0) {
        die("socketpair");
    }
    *process = fork();
    if (*process == 0) {
        dup2(ends[1], CELLA_ZYGOTE_FD);
        execl(program, program, "--profile", profile, (char *) NULL);
        _exit(127);
    }
    close(ends[1]);
    return ends[0];
}

static void ask(struct load *load, int count, bool warm)
{
    const uint8_t message[4] = { CELLA_ZYGOTE_SPAWN, (uint8_t) (count >> 8), (uint8_t) count, warm };
    check(cella_packet_send(load->zygote, cella_view_of(message, sizeof(message)), NULL, 0), "SPAWN");
    load->coming += count;
}

static int count_in(const struct load *load, enum stage stage)
{
    int count = 0;
    for (int i = 0; i < CELLS_MAX; i++) {
        count += load->cells[i].stage == stage;
    }
    return count;
}

static struct cell *find(struct load *load, enum stage stage)
{
    for (int i = 0; i < CELLS_MAX; i++) {
        if (load->cells[i].stage == stage) {
            return &load->cells[i];
        }
    }
    return NULL;
}

static void announced(struct load *load, struct cella_reader *reader, struct cella_packet *packet)
{
    struct cell *cell = find(load, FREE);
    if (cell == NULL || packet->descriptor_count != 2) {
        die("CELL");
    }
    *cell = (struct cell){ COMING, 0, packet->descriptors[0], packet->descriptors[1], 0 };
    packet->descriptor_count = 0;
    check(cella_read_u64(reader, &cell->number), "CELL");
    load->coming--;
}

static void exited(struct load *load, struct cella_reader *reader)
{
    uint64_t number;
    uint32_t status;
    check(cella_read_u64(reader, &number), "EXIT");
    check(cella_read_u32(reader, &status), "EXIT");
    for (int i = 0; i < CELLS_MAX; i++) {
        struct cell *cell = &load->cells[i];
        if (cell->stage == FREE || cell->number != number) {
            continue;
        }
        if (cell->stage != DYING) {
            die("a cell ended before its task did");
        }
        close(cell->socket);
        close(cell->pidfd);
        cell->stage = FREE;
    }
}

static enum cella_zygote_kind hear_zygote(struct load *load)
{
    uint8_t buffer[512];
    uint8_t kind;
    struct cella_packet packet;
    check(cella_packet_receive(load->zygote, buffer, sizeof(buffer), &packet), "the zygote is gone");
    struct cella_reader reader = cella_reader_of(packet.message);
    check(cella_read_u8(&reader, &kind), "a message without a kind");
    if (kind == CELLA_ZYGOTE_CELL) {
        announced(load, &reader, &packet);
    } else if (kind == CELLA_ZYGOTE_EXIT) {
        exited(load, &reader);
    }
    cella_packet_close(&packet);
    return (enum cella_zygote_kind) kind;
}

/* True when the task's result is complete; the cell has then been killed, as the monitor does. */
static bool hear_cell(struct cell *cell)
{
    uint8_t buffer[CELLA_CELL_MESSAGE_MAX];
    ssize_t size = recv(cell->socket, buffer, sizeof(buffer), 0);
    if (size <= 0 || buffer[0] == CELLA_CELL_ERROR) {
        die("a task failed");
    }
    if (buffer[0] == CELLA_CELL_HERE) {
        cell->stage = READY;
    }
    if (buffer[0] != CELLA_CELL_DONE) {
        return false;
    }
    (void) syscall(SYS_pidfd_send_signal, cell->pidfd, SIGKILL, NULL, 0U);
    cell->stage = DYING;
    return true;
}

static void start_task(const struct load *load, struct cell *cell)
{
    const uint8_t kind = CELLA_CELL_TASK;
    int file = memfd_create("task", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (file < 0 || write(file, load->task.data, load->task.size) != (ssize_t) load->task.size) {
        die("memory file");
    }
    check(cella_packet_send(cell->socket, cella_view_of(&kind, 1), &file, 1), "TASK");
    close(file);
    cell->stage = RUNNING;
}

/* Wait for something, and take it in. */
static void hear(struct load *load)
{
    struct pollfd polled[CELLS_MAX + 1] = { { .fd = load->zygote, .events = POLLIN } };
    struct cell *cells[CELLS_MAX + 1] = { NULL };
    nfds_t count = 1;
    for (int i = 0; i < CELLS_MAX; i++) {
        if (load->cells[i].stage == COMING || load->cells[i].stage == RUNNING) {
            cells[count] = &load->cells[i];
            polled[count++] = (struct pollfd){ .fd = load->cells[i].socket, .events = POLLIN };
        }
    }
    if (poll(polled, count, 10000) <= 0) {
        die("nothing happens");
    }
    for (nfds_t i = 1; i < count; i++) {
        if (polled[i].revents != 0) {
            (void) hear_cell(cells[i]);
        }
    }
    if (polled[0].revents != 0) {
        (void) hear_zygote(load);
    }
}

static void measure_rate(struct load *load, double seconds, int in_flight, int ahead)
{
    uint64_t begun = now_ns();
    uint64_t until = begun + (uint64_t) (seconds * 1e9);
    unsigned long done = 0;
    double used = used_by(load->guard);
    while (now_ns() < until) {
        struct cell *ready;
        int running = count_in(load, RUNNING);
        while (running < in_flight && (ready = find(load, READY)) != NULL) {
            start_task(load, ready);
            running++;
        }
        int missing = in_flight - running + ahead - load->coming - count_in(load, COMING) - count_in(load, READY);
        if (missing > 0) {
            ask(load, missing, false);
        }
        int dying = count_in(load, DYING);
        hear(load);
        int died = dying - count_in(load, DYING);
        done += died > 0 ? (unsigned long) died : 0;
    }
    printf("%lu %.6f %.3f\n", done, (double) (now_ns() - begun) / 1e9, used_by(load->guard) - used);
}

static void fill(struct load *load, int warm)
{
    ask(load, warm - count_in(load, READY), true);
    while (count_in(load, READY) < warm) {
        hear(load);
    }
}

static void fill_and_tell(struct load *load, int warm)
{
    fill(load, warm);
    printf("filled\n");
    fflush(stdout);
}

static void measure_pool(struct load *load, int warm)
{
    char line[16];
    fill_and_tell(load, warm);
    while (fgets(line, sizeof(line), stdin) != NULL) {
        uint64_t begun = now_ns();
        struct cell *cell = find(load, READY);
        start_task(load, cell);
        while (!hear_cell(cell)) {
        }
        uint64_t result = now_ns();
        while (cell->stage == DYING) {
            (void) hear_zygote(load);
        }
        printf("%llu %llu\n", (unsigned long long) (result - begun), (unsigned long long) (now_ns() - begun));
        fill_and_tell(load, warm);
    }
}

/* Start what may be started, and ask for what is missing. How many have been started by now. */
static int dispatch(struct load *load, const uint64_t *requests, int requested, int started, int in_flight)
{
    struct cell *ready;
    int running = count_in(load, RUNNING);
    while (started < requested && running < in_flight && (ready = find(load, READY)) != NULL) {
        ready->asked = requests[started++];
        start_task(load, ready);
        running++;
    }
    int waiting = requested - started < in_flight ? requested - started : in_flight;
    int missing = waiting - load->coming - count_in(load, COMING) - count_in(load, READY);
    if (missing > 0) {
        ask(load, missing, false);
    }
    return started;
}

/* Print the tasks that ended since the last time. How many. */
static int report(struct load *load, uint64_t begun)
{
    int count = 0;
    for (int i = 0; i < CELLS_MAX; i++) {
        struct cell *cell = &load->cells[i];
        if (cell->stage == DYING && cell->asked != 0) {
            uint64_t now = now_ns();
            printf("%llu %llu\n", (unsigned long long) (now - cell->asked), (unsigned long long) (now - begun));
            cell->asked = 0;
            count++;
        }
    }
    return count;
}

static void measure_queue(struct load *load, int count, int at_once, int in_flight, int warm)
{
    uint64_t *requests = calloc((size_t) count, sizeof(*requests));
    int requested = 0;
    int started = 0;
    int done = 0;
    if (requests == NULL || at_once > count) {
        die("COUNT");
    }
    fill(load, warm);
    uint64_t begun = now_ns();
    while (requested < at_once) {
        requests[requested++] = begun;
    }
    while (done < count) {
        started = dispatch(load, requests, requested, started, in_flight);
        hear(load);
        int ended = report(load, begun);
        done += ended;
        for (int i = 0; i < ended && requested < count; i++) {
            requests[requested++] = now_ns();
        }
    }
    free(requests);
}

static void write_task(const char *path, struct cella_bytes *out)
{
    static char script[65536];
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        die("no such script");
    }
    size_t size = fread(script, 1, sizeof(script), file);
    fclose(file);
    const struct cella_task task = {
        .kind = CELLA_TASK_PYTHON,
        .entry = cella_view_of_string("main"),
        .source = cella_view_of(script, size),
        .arguments = cella_view_of_string("{}"),
        .limits = { 60, 60, 256U << 20, 16U << 20, 65536, 65536, 4 },
    };
    check(cella_task_write(&task, out), "task");
}

int main(int argc, char **argv)
{
    static struct load load;
    const char *mode = argc > 4 ? argv[4] : "";
    if (argc != (strcmp(mode, "rate") == 0 ? 8 : strcmp(mode, "pool") == 0 ? 6 : strcmp(mode, "queue") == 0 ? 9 : -1)) {
        die("usage: cell_load ZYGOTE PROFILE SCRIPT rate SECONDS IN_FLIGHT AHEAD | pool WARM | "
            "queue COUNT AT_ONCE IN_FLIGHT WARM");
    }
    write_task(argv[3], &load.task);
    load.zygote = start_zygote(argv[1], argv[2], &load.guard);
    while (hear_zygote(&load) != CELLA_ZYGOTE_READY) {
    }
    if (strcmp(mode, "rate") == 0) {
        measure_rate(&load, atof(argv[5]), atoi(argv[6]), atoi(argv[7]));
    } else if (strcmp(mode, "pool") == 0) {
        measure_pool(&load, atoi(argv[5]));
    } else {
        measure_queue(&load, atoi(argv[5]), atoi(argv[6]), atoi(argv[7]), atoi(argv[8]));
    }
    return 0;
}
