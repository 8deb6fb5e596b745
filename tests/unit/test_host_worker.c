/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "host/worker.h"

#define JOBS 50

struct deed {
    struct cella_job job;
    pthread_t runner;
    int gate; /* read end: the job waits for a byte; -1 none */
    int runs;
    int ends;
};

static void run(void *context)
{
    struct deed *deed = context;
    char byte;
    deed->runner = pthread_self();
    deed->runs += deed->gate < 0 || read(deed->gate, &byte, 1) == 1 ? 1 : 0;
}

static void done(void *context)
{
    struct deed *deed = context;
    deed->ends += deed->runs;
}

static struct deed deed_of(int gate)
{
    struct deed deed;
    memset(&deed, 0, sizeof(deed));
    deed.job = (struct cella_job){ .run = run, .done = done };
    deed.gate = gate;
    return deed;
}

static void wait_for(struct cella_worker *worker, const int *ends)
{
    struct pollfd poller = { .fd = cella_worker_descriptor(worker), .events = POLLIN };
    while (*ends == 0) {
        assert_int_equal(poll(&poller, 1, 10000), 1);
        cella_worker_collect(worker);
    }
}

static void test_jobs_run_elsewhere_and_end_here(void **state)
{
    struct cella_worker *worker;
    struct deed deed = deed_of(-1);
    (void) state;
    deed.job.context = &deed;
    assert_int_equal(cella_worker_new(&worker), CELLA_OK);
    cella_worker_give(worker, &deed.job);
    wait_for(worker, &deed.ends);
    assert_int_equal(deed.runs, 1);
    assert_int_equal(deed.ends, 1);
    assert_false(pthread_equal(deed.runner, pthread_self()));
    cella_worker_free(worker);
}

static void test_nobody_waits_for_a_job(void **state)
{
    struct cella_worker *worker;
    int gate[2];
    (void) state;
    assert_int_equal(pipe(gate), 0);
    struct deed deed = deed_of(gate[0]);
    deed.job.context = &deed;
    assert_int_equal(cella_worker_new(&worker), CELLA_OK);
    cella_worker_give(worker, &deed.job);
    cella_worker_collect(worker); /* nothing has ended yet */
    assert_int_equal(deed.ends, 0);
    assert_int_equal(write(gate[1], "x", 1), 1);
    wait_for(worker, &deed.ends);
    cella_worker_free(worker);
    close(gate[0]);
    close(gate[1]);
}

static void test_free_finishes_what_was_given(void **state)
{
    struct cella_worker *worker;
    static struct deed deeds[JOBS];
    (void) state;
    assert_int_equal(cella_worker_new(&worker), CELLA_OK);
    for (size_t i = 0; i < JOBS; i++) {
        deeds[i] = deed_of(-1);
        deeds[i].job.context = &deeds[i];
        cella_worker_give(worker, &deeds[i].job);
    }
    cella_worker_free(worker);
    for (size_t i = 0; i < JOBS; i++) {
        assert_int_equal(deeds[i].runs, 1);
        assert_int_equal(deeds[i].ends, 1);
    }
    cella_worker_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jobs_run_elsewhere_and_end_here),
        cmocka_unit_test(test_nobody_waits_for_a_job),
        cmocka_unit_test(test_free_finishes_what_was_given),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
