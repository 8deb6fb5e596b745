/* SPDX-License-Identifier: Apache-2.0 */
/* The pool over real zygotes of the python profile, which lie beside this program's folder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/layers.h"
#include "confine/cgroup.h"
#include "monitor/cgroups.h"
#include "monitor/pool.h"

#define TICK_MS 10
#define TICKS_MAX 3000

struct fixture {
    struct cella_monitor monitor;
    struct cella_timer tick;
    int ticks;
    bool (*reached)(struct fixture *fixture);
    const char *owner;
    struct cella_warm_cell cell;
    int exits;
};

static void ticked(void *context)
{
    struct fixture *fixture = context;
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        assert_true(cella_pool_reaped(fixture->monitor.pool, pid, status));
    }
    if (fixture->reached(fixture) || ++fixture->ticks > TICKS_MAX) {
        cella_loop_stop(fixture->monitor.loop);
        return;
    }
    cella_loop_set_timer(fixture->monitor.loop, &fixture->tick, TICK_MS);
}

/* Let the loop go round until something is the case. */
static void until(struct fixture *fixture, bool (*reached)(struct fixture *fixture))
{
    fixture->reached = reached;
    fixture->ticks = 0;
    fixture->tick.expired = ticked;
    fixture->tick.context = fixture;
    cella_loop_set_timer(fixture->monitor.loop, &fixture->tick, TICK_MS);
    assert_int_equal(cella_loop_run(fixture->monitor.loop, NULL, NULL), CELLA_OK);
    assert_true(fixture->ticks <= TICKS_MAX);
}

static void exited(void *context, uint64_t cell, const struct cella_cell_exit *exit)
{
    struct fixture *fixture = context;
    assert_int_equal(cell, fixture->cell.id);
    assert_int_equal(exit->wait_status, SIGKILL);
    fixture->exits++;
}

static bool has_exited(struct fixture *fixture)
{
    return fixture->exits > 0;
}

static bool has_taken(struct fixture *fixture)
{
    cella_status status = cella_pool_take(fixture->monitor.pool, "python", fixture->owner, &fixture->cell);
    if (status == CELLA_BUSY) {
        cella_pool_want(fixture->monitor.pool, "python", fixture->owner, 1);
        return false;
    }
    assert_int_equal(status, CELLA_OK);
    return true;
}

/* Take a cell, end it, and return the process above it: its zygote. */
static pid_t use_one(struct fixture *fixture, const char *owner)
{
    char path[64];
    char text[512] = { 0 };
    int parent = -1;
    fixture->owner = owner;
    until(fixture, has_taken);
    assert_true(fixture->cell.pid > 0);
    (void) snprintf(path, sizeof(path), "/proc/%d/stat", (int) fixture->cell.pid);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_true(fread(text, 1, sizeof(text) - 1, file) > 0);
    (void) fclose(file);
    assert_int_equal(sscanf(strrchr(text, ')') + 2, "%*c %d", &parent), 1);
    fixture->exits = 0;
    assert_int_equal(syscall(SYS_pidfd_send_signal, fixture->cell.pidfd, SIGKILL, NULL, 0U), 0);
    until(fixture, has_exited);
    (void) close(fixture->cell.socket);
    (void) close(fixture->cell.pidfd);
    return (pid_t) parent;
}

static int set_up(void **state)
{
    static struct fixture fixture;
    fixture = (struct fixture){ .exits = 0 };
    struct cella_config *config = &fixture.monitor.config;
    ssize_t size = readlink("/proc/self/exe", config->programs, sizeof(config->programs) - 16);
    assert_true(size > 0);
    for (int i = 0; i < 2; i++) { /* from unit/test_monitor_pool to bin */
        *strrchr(config->programs, '/') = '\0';
    }
    memcpy(config->programs + strlen(config->programs), "/bin", sizeof("/bin"));
    (void) snprintf(config->profiles[0], sizeof(config->profiles[0]), "python");
    config->profile_count = 1;
    config->pool = 2;
    config->pool_memory = (uint64_t) 1 << 30;
    config->recycle = 3;
    fixture.monitor.loop = cella_loop_new();
    struct cella_cgroup_home nowhere = { .kind = NULL };
    assert_int_equal(cella_cgroups_new(&nowhere, 0, &fixture.monitor.cgroups), CELLA_OK);
    assert_int_equal(cella_pool_new(&fixture.monitor, exited, &fixture, &fixture.monitor.pool), CELLA_OK);
    assert_int_equal(cella_pool_wait(fixture.monitor.pool), CELLA_OK);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    cella_pool_free(fixture->monitor.pool);
    cella_loop_free(fixture->monitor.loop);
    cella_cgroups_free(fixture->monitor.cgroups);
    while (waitpid(-1, NULL, 0) > 0) {
    }
    return 0;
}

static void test_an_owner_has_a_zygote_of_his_own(void **state)
{
    struct fixture *fixture = *state;
    pid_t shared = use_one(fixture, NULL);
    pid_t first = use_one(fixture, "first");
    pid_t second = use_one(fixture, "second");
    assert_true(shared != first && shared != second && first != second);
    assert_int_equal(use_one(fixture, "first"), first);
    assert_int_equal(use_one(fixture, NULL), shared);
}

static void test_more_owners_than_zygotes(void **state)
{
    struct fixture *fixture = *state;
    char owner[16];
    for (int i = 0; i < 10; i++) {
        (void) snprintf(owner, sizeof(owner), "owner%d", i);
        assert_true(use_one(fixture, owner) > 0);
    }
}

static pid_t before;

static bool is_replaced(struct fixture *fixture)
{
    (void) fixture;
    return kill(before, 0) != 0;
}

static void test_a_zygote_is_replaced(void **state)
{
    struct fixture *fixture = *state;
    before = use_one(fixture, NULL);
    while (kill(before, 0) == 0 && fixture->ticks <= TICKS_MAX) {
        (void) use_one(fixture, NULL);
    }
    until(fixture, is_replaced);
    assert_true(use_one(fixture, NULL) != before);
}

static void test_unknown_profiles(void **state)
{
    struct fixture *fixture = *state;
    struct cella_warm_cell cell;
    assert_int_equal(cella_pool_take(fixture->monitor.pool, "none", NULL, &cell), CELLA_NO_PROFILE);
    assert_int_equal(cella_pool_take(fixture->monitor.pool, "none", "owner", &cell), CELLA_NO_PROFILE);
    cella_pool_want(fixture->monitor.pool, "none", "owner", 1);
    assert_true(cella_pool_has(fixture->monitor.pool, "python"));
    assert_false(cella_pool_has(fixture->monitor.pool, "none"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_an_owner_has_a_zygote_of_his_own, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_more_owners_than_zygotes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_zygote_is_replaced, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unknown_profiles, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
