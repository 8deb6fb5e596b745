/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Evidence in the background. The slow device is Gramine's /dev/attestation/quote as a pipe: it gives its answer when the
 * test writes it, and until then whoever asks waits.
 */

#include "evidence_files.h"
#include "temporary_tree.h"

#include <errno.h>
#include <time.h>

#include "monitor/attest.h"

#define FOLDER "/dev/attestation"
#define ANSWERS_MAX 80

struct world {
    char root[64];
    char pipe[128];
    struct cella_secret seed;
    uint8_t measurement[CELLA_SHA256_SIZE];
    struct cella_platform_setup setup;
    struct cella_platform *platform;
    struct cella_loop *loop;
    struct cella_attester *attester;
    struct cella_timer timer;
    uint64_t tickets[ANSWERS_MAX];
    cella_status statuses[ANSWERS_MAX];
    size_t sizes[ANSWERS_MAX];
    size_t answers;
    size_t wanted;
};

static void made(void *context, uint64_t ticket, cella_status status, struct cella_monitor_evidence *evidence)
{
    struct world *world = context;
    world->tickets[world->answers] = ticket;
    world->statuses[world->answers] = status;
    world->sizes[world->answers++] = evidence->evidence.size;
    if (world->answers == world->wanted) {
        cella_loop_stop(world->loop);
    }
}

static void stop_loop(void *context)
{
    cella_loop_stop(((struct world *) context)->loop);
}

static void run(struct world *world, uint64_t ms)
{
    world->timer.expired = stop_loop;
    world->timer.context = world;
    cella_loop_set_timer(world->loop, &world->timer, ms);
    assert_int_equal(cella_loop_run(world->loop, NULL, NULL), CELLA_OK);
    cella_loop_clear_timer(world->loop, &world->timer);
}

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    tree_make(world->root);
    tree_put(world->root, FOLDER "/attestation_type", "dcap", 4);
    tree_put(world->root, FOLDER "/user_report_data", "", 0);
    (void) snprintf(world->pipe, sizeof(world->pipe), "%s" FOLDER "/quote", world->root);
    assert_int_equal(mkfifo(world->pipe, 0600), 0);
    assert_int_equal(cella_secret_random(&world->seed, CELLA_ED25519_KEY_SIZE), CELLA_OK);
    world->setup = (struct cella_platform_setup){ .root = world->root, .soft_root = &world->seed,
                                                  .measurement = world->measurement };
    world->loop = cella_loop_new();
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    cella_platform_free(world->platform);
    cella_secret_clear(&world->seed);
    cella_loop_free(world->loop);
    int failed = tree_remove(world->root);
    free(world);
    return failed;
}

static void begin(struct world *world, const char *platform)
{
    struct cella_text why;
    assert_int_equal(cella_platform_open(platform, &world->setup, &world->platform, &why), CELLA_OK);
    assert_int_equal(cella_attester_new(world->loop, world->platform, &world->attester), CELLA_OK);
}

static cella_status ask(struct world *world, uint64_t *ticket)
{
    const uint8_t report_data[CELLA_REPORT_DATA_SIZE] = { 7 };
    return cella_attester_ask(world->attester, report_data, cella_view_of("0123456789abcdef0123456789abcdef", 32),
                              (struct cella_attester_events){ made, world }, ticket);
}

static void pause_briefly(void)
{
    const struct timespec moment = { 0, 1000000 };
    (void) nanosleep(&moment, NULL);
}

/* Wait until the thread is with the device. Gives the device's end: as long as it is open, there is no answer. */
static int device_at_work(const struct world *world)
{
    int file;
    while ((file = open(world->pipe, O_WRONLY | O_NONBLOCK | O_CLOEXEC)) < 0) {
        assert_int_equal(errno, ENXIO); /* nobody reads yet */
        pause_briefly();
    }
    return file;
}

static void answer(int device, const void *data, size_t size)
{
    assert_int_equal(write(device, data, size), size);
    assert_int_equal(close(device), 0);
}

/* Its device has answered, so its thread ends. */
static void end_attester(const struct world *world)
{
    while (!cella_attester_free(world->attester)) {
        pause_briefly();
    }
}

static void test_answers_in_order(void **state)
{
    struct world *world = *state;
    uint64_t tickets[3];
    begin(world, "soft");
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(ask(world, &tickets[i]), CELLA_OK);
        assert_true(tickets[i] != 0);
    }
    world->wanted = 3;
    run(world, 10000);
    assert_int_equal(world->answers, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(world->tickets[i], tickets[i]);
        assert_int_equal(world->statuses[i], CELLA_OK);
        assert_int_equal(world->sizes[i], 214);
    }
    assert_true(cella_attester_free(world->attester));
}

static void test_slow_device_does_not_hold_up_the_loop(void **state)
{
    struct world *world = *state;
    uint64_t ticket;
    begin(world, "gramine");
    assert_int_equal(ask(world, &ticket), CELLA_OK);
    world->wanted = 1;
    run(world, 100); /* comes back by its timer */
    assert_int_equal(world->answers, 0);
    answer(device_at_work(world), "no quote", 8);
    run(world, 10000);
    assert_int_equal(world->answers, 1);
    assert_int_equal(world->statuses[0], CELLA_BAD_EVIDENCE);
    assert_int_equal(world->sizes[0], 0);
    assert_true(cella_attester_free(world->attester));
}

/* At the start, before the loop runs. */
static void test_waiting_without_the_loop(void **state)
{
    struct world *world = *state;
    uint64_t ticket;
    begin(world, "gramine");
    assert_int_equal(ask(world, &ticket), CELLA_OK);
    int device = device_at_work(world);
    assert_false(cella_attester_wait(world->attester, 10));
    assert_int_equal(world->answers, 0);
    answer(device, "no quote", 8);
    assert_true(cella_attester_wait(world->attester, 10000));
    assert_int_equal(world->answers, 1);
    assert_int_equal(world->tickets[0], ticket);
    assert_int_equal(world->statuses[0], CELLA_BAD_EVIDENCE);
    end_attester(world);
}

static void test_queue_is_bounded(void **state)
{
    struct world *world = *state;
    uint64_t first;
    uint64_t ticket = 0;
    begin(world, "gramine");
    assert_int_equal(ask(world, &first), CELLA_OK);
    int device = device_at_work(world); /* so this question waits no more, and no other one stops to wait */
    for (size_t i = 0; i < CELLA_ATTESTER_WAITING_MAX; i++) {
        assert_int_equal(ask(world, &ticket), CELLA_OK);
    }
    assert_int_equal(ask(world, &first), CELLA_BUSY);
    cella_attester_forget(world->attester, ticket);
    assert_int_equal(ask(world, &ticket), CELLA_OK);
    cella_attester_forget(world->attester, 12345678); /* nobody's */
    assert_int_equal(ask(world, &first), CELLA_BUSY);
    assert_false(cella_attester_free(world->attester));
    answer(device, "x", 1); /* its thread ends then; the others are never asked */
    end_attester(world);
}

/* The device never answers: whoever ends the attester is told so, and may try again. */
static void test_device_at_work_at_the_end(void **state)
{
    struct world *world = *state;
    uint64_t ticket;
    begin(world, "gramine");
    assert_int_equal(ask(world, &ticket), CELLA_OK);
    int device = device_at_work(world);
    assert_false(cella_attester_free(world->attester));
    answer(device, "x", 1);
    end_attester(world);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_answers_in_order),
        CASE(test_slow_device_does_not_hold_up_the_loop),
        CASE(test_waiting_without_the_loop),
        CASE(test_queue_is_bounded),
        CASE(test_device_at_work_at_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
