/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/layers.h"
#include "confine/descriptors.h"
#include "confine/program.h"

/* Run a probe in a child that is confined; its exit status, or 128 and the signal. */
static int confined(const struct cella_confine_program *program, int (*probe)(void))
{
    pid_t child = fork();
    if (child == 0) {
        uint32_t layers = 0;
        if (cella_confine_program(program, &layers) != CELLA_OK || (layers & CELLA_LAYER_SECCOMP) == 0) {
            _exit(99);
        }
        _exit(probe());
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int serve(void)
{
    int ends[2] = { 0, 1 };
    char text[8];
    void *memory = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct timespec now;
    return memory != MAP_FAILED && clock_gettime(CLOCK_MONOTONIC, &now) == 0 && getpid() > 0 && ends[1] == 1 &&
                   getrandom(text, sizeof(text), 0) == 8
               ? 0
               : 1;
}

static int open_file(void)
{
    return open("/etc/passwd", O_RDONLY) < 0 && errno == EACCES ? 0 : 1;
}

static int connect_out(void)
{
    return socket(AF_INET, SOCK_STREAM, 0) < 0 && errno == EACCES ? 0 : 1;
}

static int make_code(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? 0 : 1;
}

static int execute(void)
{
    char *const arguments[] = { NULL };
    return execve("/bin/true", arguments, arguments);
}

static int become_debugger(void)
{
    return (int) syscall(SYS_ptrace, 0, 0, 0, 0);
}

static int fork_child(void)
{
    return fork() < 0 && errno == EPERM ? 0 : 1;
}

static void *nothing(void *argument)
{
    return argument;
}

static int start_thread(void)
{
    pthread_t thread;
    return pthread_create(&thread, NULL, nothing, NULL) == 0 && pthread_join(thread, NULL) == 0 ? 0 : 1;
}

static int memory_file(void)
{
    int file = memfd_create("x", MFD_ALLOW_SEALING | MFD_CLOEXEC);
    return file >= 0 && ftruncate(file, 10) == 0 && pwrite(file, "x", 1, 0) == 1 &&
                   fcntl(file, F_ADD_SEALS, F_SEAL_WRITE) == 0 && write(file, "x", 1) < 0
               ? 0
               : 1;
}

static int inspect(void)
{
    return prctl(PR_GET_DUMPABLE) >= 0 ? 1 : 0;
}

static void test_front(void **state)
{
    (void) state;
    assert_int_equal(confined(&cella_confine_front, serve), 0);
    assert_int_equal(confined(&cella_confine_front, open_file), 0);
    assert_int_equal(confined(&cella_confine_front, connect_out), 0);
    assert_int_equal(confined(&cella_confine_front, make_code), 0);
    assert_int_equal(confined(&cella_confine_front, fork_child), 0);
    assert_int_equal(confined(&cella_confine_front, start_thread), 0);
    assert_int_equal(confined(&cella_confine_front, inspect), 0);
    assert_int_equal(confined(&cella_confine_front, execute), 128 + SIGSYS);
    assert_int_equal(confined(&cella_confine_front, become_debugger), 128 + SIGSYS);
    assert_int_equal(confined(&cella_confine_front, memory_file), 128 + SIGSYS);
}

static void test_courier(void **state)
{
    (void) state;
    assert_int_equal(confined(&cella_confine_courier, serve), 0);
    assert_int_equal(confined(&cella_confine_courier, memory_file), 0);
    assert_int_equal(confined(&cella_confine_courier, open_file), 0);
    assert_int_equal(confined(&cella_confine_courier, execute), 128 + SIGSYS);
}

static void test_descriptors(void **state)
{
    (void) state;
    pid_t child = fork();
    if (child == 0) {
        int files[3] = { open("/dev/null", O_RDONLY), open("/dev/zero", O_RDONLY), open("/dev/null", O_RDONLY) };
        int reversed[2] = { files[1], files[0] };
        char byte = 1;
        /* The sources are the targets, the other way round. */
        if (files[0] < 3 || cella_descriptors_place(reversed, 2, files[0]) != CELLA_OK || reversed[0] != files[0] ||
            read(files[0], &byte, 1) != 1 || read(files[1], &byte, 1) != 0 ||
            cella_descriptors_close(files[2], files[2]) != CELLA_OK || fcntl(files[2], F_GETFD) >= 0 ||
            cella_descriptors_close(3, -1) != CELLA_OK || fcntl(files[0], F_GETFD) >= 0) {
            _exit(1);
        }
        _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_front),
        cmocka_unit_test(test_courier),
        cmocka_unit_test(test_descriptors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
