/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <x86intrin.h>

#include "cell/clock.h"

#define TICK_NS 900000 /* the kernel's shortest tick is 1 ms */

/* How a child ends that does this with coarse clocks. */
static int outcome(int (*work)(void))
{
    int status = 0;
    pid_t process = fork();
    if (process == 0) {
        signal(SIGSEGV, SIG_DFL); /* cmocka catches it */
        _exit(cella_clock_coarsen() == CELLA_OK ? work() : 99);
    }
    assert_int_equal(waitpid(process, &status, 0), process);
    return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int64_t smallest_step(clockid_t clock)
{
    int64_t smallest = INT64_MAX;
    struct timespec last;
    struct timespec now;
    if (clock_gettime(clock, &last) != 0) {
        return -1;
    }
    for (int steps = 0; steps < 5;) {
        if (clock_gettime(clock, &now) != 0) {
            return -1;
        }
        int64_t step = (now.tv_sec - last.tv_sec) * 1000000000LL + now.tv_nsec - last.tv_nsec;
        if (step != 0) {
            smallest = step < smallest ? step : smallest;
            last = now;
            steps++;
        }
    }
    return smallest;
}

static int read_counter(void)
{
    return (int) (__rdtsc() & 1);
}

static int read_counter_with_processor(void)
{
    unsigned int processor;
    return (int) (__rdtscp(&processor) & 1);
}

static int read_clocks(void)
{
    static const clockid_t clocks[] = { CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_BOOTTIME,
                                        CLOCK_PROCESS_CPUTIME_ID };
    for (size_t i = 0; i < sizeof(clocks) / sizeof(clocks[0]); i++) {
        if (smallest_step(clocks[i]) < TICK_NS) {
            return 1 + (int) i;
        }
    }
    struct timeval now;
    struct timespec other;
    return clock_gettime(77, &other) == -1 && errno == EINVAL && gettimeofday(&now, NULL) == 0 && time(NULL) > 1700000000
               ? 0
               : 50;
}

static void test_fine_clocks_are_the_kernels(void **state)
{
    (void) state;
    struct timespec ours;
    struct timespec kernels;
    assert_in_range(smallest_step(CLOCK_MONOTONIC), 1, 100000);
    for (clockid_t clock = 0; clock < 12; clock++) {
        long expected = syscall(SYS_clock_gettime, clock, &kernels);
        assert_int_equal(clock_gettime(clock, &ours), expected);
        if (expected == 0) {
            assert_in_range(ours.tv_sec, kernels.tv_sec, kernels.tv_sec + 1);
        }
    }
    assert_int_equal(clock_gettime(77, &ours), -1);
    assert_int_equal(errno, EINVAL);
}

static void test_coarse_clocks_tick(void **state)
{
    (void) state;
    assert_int_equal(outcome(read_clocks), 0);
}

static void test_the_processors_counter_ends_the_process(void **state)
{
    (void) state;
    assert_int_equal(outcome(read_counter), 1000 + SIGSEGV);
    assert_int_equal(outcome(read_counter_with_processor), 1000 + SIGSEGV);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fine_clocks_are_the_kernels),
        cmocka_unit_test(test_coarse_clocks_tick),
        cmocka_unit_test(test_the_processors_counter_ends_the_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
