/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A real TPM 2.0 in software (swtpm) as this machine's /dev/tpmrm0: a folder that stands for "/", in which the device is
 * a terminal whose other end passes commands on. Where swtpm is not installed the test is skipped, and says so.
 */

#include "evidence_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "platform/platform.h"

struct software_tpm {
    char root[64]; /* stands for "/" */
    char socket[96];
    pid_t swtpm;
    pid_t bridge;
    int other_end; /* keeps the terminal from hanging up between two openings */
    /* Changes what it answers to a command; NULL: nothing. Set before tpm_start. */
    void (*alter)(uint32_t command, uint8_t answer[4096], size_t *size);
};

static inline void join(char *out, size_t size, const char *a, const char *b)
{
    int length = snprintf(out, size, "%s%s", a, b);
    assert_true(length > 0 && (size_t) length < size);
}

static inline int tpm_connect(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    memcpy(address.sun_path, path, strlen(path) + 1);
    int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(descriptor, (const struct sockaddr *) &address, sizeof(address)) != 0) {
        (void) close(descriptor);
        return -1;
    }
    return descriptor;
}

/* One command or answer: its header says its size. 0: the other side is gone. */
static inline size_t tpm_read(int descriptor, uint8_t buffer[4096])
{
    size_t size = 0;
    size_t wanted = 10;
    while (size < wanted && wanted <= 4096) {
        ssize_t count = read(descriptor, buffer + size, wanted - size);
        if (count <= 0) {
            return 0;
        }
        size += (size_t) count;
        if (size >= 10) {
            wanted = (size_t) buffer[2] << 24 | (size_t) buffer[3] << 16 | (size_t) buffer[4] << 8 | buffer[5];
        }
    }
    return size;
}

/* A command and its answer, over a connection of its own. Returns the response code. */
static inline uint32_t tpm_exchange(const char *path, uint8_t buffer[4096], size_t *size)
{
    int descriptor = tpm_connect(path);
    if (descriptor < 0 || write(descriptor, buffer, *size) != (ssize_t) *size) {
        *size = 0;
        return UINT32_MAX;
    }
    *size = tpm_read(descriptor, buffer);
    (void) close(descriptor);
    return (uint32_t) buffer[6] << 24 | (uint32_t) buffer[7] << 16 | (uint32_t) buffer[8] << 8 | buffer[9];
}

static inline void tpm_bridge(int terminal, const struct software_tpm *tpm)
{
    uint8_t buffer[4096];
    size_t size;
    (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
    while ((size = tpm_read(terminal, buffer)) > 0) {
        uint32_t command = (uint32_t) buffer[6] << 24 | (uint32_t) buffer[7] << 16 | (uint32_t) buffer[8] << 8 | buffer[9];
        (void) tpm_exchange(tpm->socket, buffer, &size);
        if (tpm->alter != NULL) {
            tpm->alter(command, buffer, &size);
        }
        if (size == 0 || write(terminal, buffer, size) != (ssize_t) size) {
            break;
        }
    }
    _exit(0);
}

static inline bool tpm_installed(void)
{
    return access("/usr/bin/swtpm", X_OK) == 0;
}

static inline void tpm_start_swtpm(struct software_tpm *tpm)
{
    char state[96];
    char server[128];
    join(state, sizeof(state), "dir=", tpm->root);
    join(server, sizeof(server), "type=unixio,path=", tpm->socket);
    tpm->swtpm = fork();
    if (tpm->swtpm == 0) {
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void) execl("/usr/bin/swtpm", "swtpm", "socket", "--tpm2", "--tpmstate", state, "--server", server, "--flags",
                     "not-need-init,startup-clear", (char *) NULL);
        _exit(127);
    }
    for (int i = 0; i < 500; i++) {
        int probe = tpm_connect(tpm->socket);
        if (probe >= 0) {
            (void) close(probe);
            return;
        }
        (void) usleep(20000);
    }
    fail_msg("swtpm does not answer at %s", tpm->socket);
}

static inline void tpm_start_bridge(struct software_tpm *tpm)
{
    char folder[96];
    char link[128];
    struct termios raw;
    int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(terminal >= 0);
    assert_int_equal(grantpt(terminal), 0);
    assert_int_equal(unlockpt(terminal), 0);
    const char *name = ptsname(terminal);
    tpm->other_end = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(tpm->other_end >= 0);
    assert_int_equal(tcgetattr(tpm->other_end, &raw), 0);
    cfmakeraw(&raw);
    assert_int_equal(tcsetattr(tpm->other_end, TCSANOW, &raw), 0);
    join(folder, sizeof(folder), tpm->root, "/dev");
    (void) mkdir(folder, 0700);
    join(link, sizeof(link), folder, "/tpmrm0");
    (void) unlink(link);
    assert_int_equal(symlink(name, link), 0);
    tpm->bridge = fork();
    if (tpm->bridge == 0) {
        (void) close(tpm->other_end);
        tpm_bridge(terminal, tpm);
    }
    (void) close(terminal);
}

/* False: swtpm is not there, and the test is skipped. */
static inline bool tpm_start(struct software_tpm *tpm)
{
    *tpm = (struct software_tpm){ .other_end = -1, .alter = tpm->alter };
    if (!tpm_installed()) {
        (void) fprintf(stderr, "SKIPPED: no swtpm on this machine\n");
        skip();
        return false;
    }
    (void) setenv("TSS2_LOG", "all+none", 1); /* as the monitor does */
    memcpy(tpm->root, "/tmp/cella-tpm-XXXXXX", sizeof("/tmp/cella-tpm-XXXXXX"));
    assert_non_null(mkdtemp(tpm->root));
    join(tpm->socket, sizeof(tpm->socket), tpm->root, "/socket");
    tpm_start_swtpm(tpm);
    tpm_start_bridge(tpm);
    return true;
}

static inline void tpm_end(pid_t *process)
{
    if (*process > 0) {
        (void) kill(*process, SIGKILL);
        (void) waitpid(*process, NULL, 0);
    }
    *process = 0;
}

static inline int tpm_remove(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void) status;
    (void) type;
    (void) place;
    return remove(path);
}

static inline void tpm_stop(struct software_tpm *tpm)
{
    tpm_end(&tpm->bridge);
    tpm_end(&tpm->swtpm);
    if (tpm->other_end >= 0) {
        (void) close(tpm->other_end);
    }
    if (tpm->root[0] != '\0') {
        (void) nftw(tpm->root, tpm_remove, 16, FTW_DEPTH | FTW_PHYS);
    }
    *tpm = (struct software_tpm){ .other_end = -1 };
}

/* TPM2_PCR_Extend of the SHA-256 bank. */
static inline void tpm_extend(const struct software_tpm *tpm, uint8_t number, const uint8_t digest[32])
{
    uint8_t buffer[4096] = {
        0x80, 0x02, 0, 0, 0, 65, 0, 0, 0x01, 0x82, 0, 0, 0, number, 0, 0, 0, 9, 0x40, 0, 0, 0x09, 0, 0, 0, 0, 0,
        0, 0, 0, 1, 0, 0x0b,
    };
    size_t size = 65;
    memcpy(buffer + 33, digest, 32);
    assert_int_equal(tpm_exchange(tpm->socket, buffer, &size), 0);
}
