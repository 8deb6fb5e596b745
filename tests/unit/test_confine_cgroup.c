/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <sys/mman.h>

#include "confine/cgroup.h"
#include "control_group_tree.h"

#define MEBIBYTE ((size_t) 1 << 20)

static void open_home(const char *root, struct cella_cgroup_home *home)
{
    assert_int_equal(cella_cgroup_home_open(&cella_cgroup_v2, root, NULL, home), CELLA_OK);
}

/* ---- version 2, in a tree that stands still ---- */

static void test_v2_home(void **state)
{
    (void) state;
    char root[32];
    char text[256];
    struct cella_cgroup_home home;
    tree_make(root);
    open_home(root, &home);
    assert_string_equal(cella_cgroup_kind_name(home.kind), "cgroup2");
    assert_string_equal(tree_get(text, sizeof(text), "%s/executor/cgroup.procs", root), "41");
    assert_string_equal(tree_get(text, sizeof(text), "%s/cgroup.subtree_control", root), "+memory +pids");
    cella_cgroup_home_close(&home);
    assert_true(home.memory == -1 && home.pids == -1 && home.kind == NULL);
    tree_remove(root);
}

/* The root of the machine keeps its processes: kernel threads can not be moved. */
static void test_v2_root_is_not_emptied(void **state)
{
    (void) state;
    char root[32];
    char text[256];
    char path[64];
    struct cella_cgroup_home home;
    tree_make(root);
    (void) snprintf(path, sizeof(path), "%s/cgroup.type", root);
    assert_int_equal(unlink(path), 0);
    open_home(root, &home);
    assert_string_equal(tree_get(text, sizeof(text), "%s/executor/cgroup.procs", root), "");
    cella_cgroup_home_close(&home);
    tree_remove(root);
}

static void test_v2_refused(void **state)
{
    (void) state;
    static const char *const needed[] = { "cgroup.controllers", "cgroup.procs", "cgroup.subtree_control",
                                          "executor/cgroup.procs", "probe/memory.max", "probe/pids.max",
                                          "probe/memory.events", "probe/memory.oom.group" };
    struct cella_cgroup_home home = { NULL, -1, -1 };
    for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
        char root[32];
        char path[128];
        tree_make(root);
        (void) snprintf(path, sizeof(path), "%s/%s", root, needed[i]);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(cella_cgroup_home_open(&cella_cgroup_v2, root, NULL, &home), CELLA_SYSTEM_FAILED);
        assert_null(home.kind);
        tree_remove(root);
    }
    assert_int_equal(cella_cgroup_home_open(&cella_cgroup_v2, "/nowhere", NULL, &home), CELLA_SYSTEM_FAILED);
}

static void test_v2_without_controllers(void **state)
{
    (void) state;
    static const char *const offered[] = { "", "cpu memory\n", "cpu pids\n", "memoryx pids\n" };
    for (size_t i = 0; i < sizeof(offered) / sizeof(offered[0]); i++) {
        char root[32];
        struct cella_cgroup_home home = { NULL, -1, -1 };
        tree_make(root);
        tree_put(offered[i], "%s/cgroup.controllers", root);
        assert_int_equal(cella_cgroup_home_open(&cella_cgroup_v2, root, NULL, &home), CELLA_SYSTEM_FAILED);
        tree_remove(root);
    }
}

static void test_v2_writes(void **state)
{
    (void) state;
    char root[32];
    char text[256];
    struct cella_cgroup_home home;
    tree_make(root);
    tree_add_group(root, "cell-0");
    open_home(root, &home);
    assert_int_equal(cella_cgroup_make(&home, "cell-0"), CELLA_OK);
    assert_string_equal(tree_get(text, sizeof(text), "%s/cell-0/memory.oom.group", root), "1");
    assert_string_equal(tree_get(text, sizeof(text), "%s/cell-0/memory.swap.max", root), "0");
    assert_int_equal(cella_cgroup_place(&home, "cell-0", 4711), CELLA_OK);
    assert_string_equal(tree_get(text, sizeof(text), "%s/cell-0/cgroup.procs", root), "4711");
    assert_int_equal(cella_cgroup_limit(&home, "cell-0", UINT64_C(123456789012), 5), CELLA_OK);
    assert_string_equal(tree_get(text, sizeof(text), "%s/cell-0/memory.max", root), "123456789012");
    assert_string_equal(tree_get(text, sizeof(text), "%s/cell-0/pids.max", root), "5");
    cella_cgroup_home_close(&home);
    tree_remove(root);
}

static void test_v2_reads(void **state)
{
    (void) state;
    char root[32];
    uint64_t memory_bytes;
    struct cella_cgroup_home home;
    struct cella_cgroup_usage usage;
    tree_make(root);
    tree_add_group(root, "cell-0");
    tree_put("3\n", "%s/cell-0/pids.current", root);
    tree_put("usage_usec 12345\nuser_usec 1\n", "%s/cell-0/cpu.stat", root);
    tree_put("max 7\noom 2\noom_kill 3\n", "%s/cell-0/memory.events", root);
    open_home(root, &home);
    assert_false(cella_cgroup_is_empty(&home, "cell-0"));
    assert_int_equal(cella_cgroup_usage(&home, "cell-0", &usage), CELLA_OK);
    assert_int_equal(cella_cgroup_memory(&home, "cell-0", &memory_bytes), CELLA_OK);
    assert_int_equal(memory_bytes, 4096);
    assert_true(usage.peak_bytes == 8192 && usage.cpu_us == 12345);
    assert_true(usage.kills == 3 && usage.full);
    /* The machine's memory ended, not the group's. */
    tree_put("max 7\noom 0\noom_kill 3\n", "%s/cell-0/memory.events", root);
    assert_int_equal(cella_cgroup_usage(&home, "cell-0", &usage), CELLA_OK);
    assert_true(usage.kills == 3 && !usage.full);
    /* Linux before 5.19 */
    char path[64];
    (void) snprintf(path, sizeof(path), "%s/cell-0/memory.peak", root);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(cella_cgroup_usage(&home, "cell-0", &usage), CELLA_OK);
    assert_int_equal(usage.peak_bytes, 0);
    tree_put("0\n", "%s/cell-0/pids.current", root);
    assert_true(cella_cgroup_is_empty(&home, "cell-0"));
    cella_cgroup_home_close(&home);
    tree_remove(root);
}

static void test_v2_no_number(void **state)
{
    (void) state;
    static const char *const contents[] = { "max\n", "", "\n", "99999999999999999999999\n" };
    char root[32];
    struct cella_cgroup_home home;
    tree_make(root);
    tree_add_group(root, "cell-0");
    open_home(root, &home);
    for (size_t i = 0; i < sizeof(contents) / sizeof(contents[0]); i++) {
        uint64_t memory_bytes;
        tree_put(contents[i], "%s/cell-0/memory.current", root);
        assert_int_equal(cella_cgroup_memory(&home, "cell-0", &memory_bytes), CELLA_SYSTEM_FAILED);
    }
    cella_cgroup_home_close(&home);
    tree_remove(root);
}

/* Files that do not hold what they should are failures, never a usage of zero. */
static void test_v2_nonsense(void **state)
{
    (void) state;
    static const struct {
        const char *file;
        const char *content;
    } rows[] = { { "memory.events", "oom 1\n" },
                 { "memory.events", "oom_kill 1" },
                 { "memory.events", "oom 1\noom_kill 99999999999999999999999\n" },
                 { "memory.events", "" },
                 { "cpu.stat", "user_usec 1\n" },
                 { "cpu.stat", "usage_usec x\n" } };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char root[32];
        struct cella_cgroup_home home;
        struct cella_cgroup_usage usage = { .peak_bytes = 77 };
        tree_make(root);
        tree_add_group(root, "cell-0");
        tree_put(rows[i].content, "%s/cell-0/%s", root, rows[i].file);
        open_home(root, &home);
        assert_int_equal(cella_cgroup_usage(&home, "cell-0", &usage), CELLA_SYSTEM_FAILED);
        assert_int_equal(usage.peak_bytes, 77);
        cella_cgroup_home_close(&home);
        tree_remove(root);
    }
}

static void test_v2_reset_makes_anew(void **state)
{
    (void) state;
    char root[32];
    char path[64];
    struct stat facts;
    struct cella_cgroup_home home;
    tree_make(root);
    tree_add_group(root, "cell-0");
    open_home(root, &home);
    /* With something in it, it can neither be removed nor reset. */
    assert_int_equal(cella_cgroup_remove(&home, "cell-0"), CELLA_SYSTEM_FAILED);
    assert_int_equal(cella_cgroup_reset(&home, "cell-0"), CELLA_SYSTEM_FAILED);
    /* An empty one is removed, and a new one is made, which in a plain folder gets no files. */
    (void) snprintf(path, sizeof(path), "%s/cell-1", root);
    assert_int_equal(mkdir(path, 0751), 0);
    assert_int_equal(cella_cgroup_reset(&home, "cell-1"), CELLA_SYSTEM_FAILED);
    assert_int_equal(stat(path, &facts), 0);
    assert_int_equal(facts.st_mode & 0777, 0755);
    assert_int_equal(cella_cgroup_remove(&home, "cell-1"), CELLA_OK);
    assert_int_equal(cella_cgroup_remove(&home, "cell-1"), CELLA_SYSTEM_FAILED);
    assert_int_equal(errno, ENOENT);
    cella_cgroup_home_close(&home);
    tree_remove(root);
}

static void test_names(void **state)
{
    (void) state;
    static const char *const bad[] = { "", ".", "..", "a/b", "../x", "/", "A", "a b", "a\n",
                                       "abcdefghijklmnopqrstuvwxyzabcdef" };
    char root[32];
    struct cella_cgroup_home home;
    struct cella_cgroup_usage usage;
    tree_make(root);
    open_home(root, &home);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(cella_cgroup_make(&home, bad[i]), CELLA_SYSTEM_FAILED);
        assert_int_equal(errno, EINVAL);
        assert_int_equal(cella_cgroup_remove(&home, bad[i]), CELLA_SYSTEM_FAILED);
        assert_int_equal(errno, EINVAL);
        assert_int_equal(cella_cgroup_place(&home, bad[i], 1), CELLA_SYSTEM_FAILED);
        assert_int_equal(cella_cgroup_usage(&home, bad[i], &usage), CELLA_SYSTEM_FAILED);
        assert_false(cella_cgroup_is_empty(&home, bad[i]));
    }
    cella_cgroup_home_close(&home);
    tree_remove(root);
}

/* ---- version 1, in the kernel ---- */

struct real {
    char memory[CELLA_CONTROL_GROUP_PATH_MAX];
    char pids[CELLA_CONTROL_GROUP_PATH_MAX];
    struct cella_cgroup_home home;
};

static void real_begin(struct real *real)
{
    if (!tree_real(real->memory, real->pids)) {
        skip();
    }
    assert_int_equal(cella_cgroup_home_open(&cella_cgroup_v1, real->memory, real->pids, &real->home), CELLA_OK);
    assert_string_equal(cella_cgroup_kind_name(real->home.kind), "cgroup1");
    assert_int_equal(cella_cgroup_make(&real->home, "cell-0"), CELLA_OK);
}

static void real_end(struct real *real)
{
    assert_int_equal(cella_cgroup_remove(&real->home, "cell-0"), CELLA_OK);
    cella_cgroup_home_close(&real->home);
    tree_real_remove(real->memory, real->pids);
}

/* A process that waits for a byte, then does something, and waits again. */
static pid_t begin_child(int *gate, void (*work)(void))
{
    int pair[2];
    assert_int_equal(pipe(pair), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        char go;
        (void) close(pair[1]);
        if (read(pair[0], &go, 1) == 1) {
            work();
        }
        (void) !read(pair[0], &go, 1);
        _exit(0);
    }
    (void) close(pair[0]);
    *gate = pair[1];
    return child;
}

static int end_child(pid_t child, int gate)
{
    int status = -1;
    assert_int_equal(close(gate), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void touch(size_t size)
{
    char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (size_t i = 0; memory != MAP_FAILED && i < size; i += 4096) {
        memory[i] = 1;
    }
}

static void touch_64(void)
{
    touch(64 * MEBIBYTE);
}

static void touch_8(void)
{
    touch(8 * MEBIBYTE);
}

static void do_nothing(void)
{
}

static void test_v1_memory_is_held(void **state)
{
    (void) state;
    struct real real;
    struct cella_cgroup_usage usage;
    int gate;
    real_begin(&real);
    pid_t child = begin_child(&gate, touch_64);
    assert_int_equal(cella_cgroup_place(&real.home, "cell-0", child), CELLA_OK);
    assert_false(cella_cgroup_is_empty(&real.home, "cell-0"));
    assert_int_equal(cella_cgroup_remove(&real.home, "cell-0"), CELLA_SYSTEM_FAILED);
    assert_int_equal(cella_cgroup_limit(&real.home, "cell-0", 16 * MEBIBYTE, 1), CELLA_OK);
    assert_int_equal(cella_cgroup_usage(&real.home, "cell-0", &usage), CELLA_OK);
    assert_true(usage.kills == 0 && !usage.full);
    assert_int_equal(write(gate, "g", 1), 1);
    int status = end_child(child, gate);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_int_equal(cella_cgroup_usage(&real.home, "cell-0", &usage), CELLA_OK);
    assert_true(usage.kills == 1 && usage.full);
    assert_in_range(usage.peak_bytes, 15 * MEBIBYTE, 16 * MEBIBYTE);
    assert_true(cella_cgroup_is_empty(&real.home, "cell-0"));
    real_end(&real);
}

/* After a reset the next process may use what the last one could not, and the peak is its own. */
static void test_v1_reset(void **state)
{
    (void) state;
    struct real real;
    struct cella_cgroup_usage usage;
    int gate;
    real_begin(&real);
    for (int round = 0; round < 2; round++) {
        pid_t child = begin_child(&gate, round == 0 ? touch_64 : touch_8);
        assert_int_equal(cella_cgroup_place(&real.home, "cell-0", child), CELLA_OK);
        if (round == 1) {
            assert_int_equal(cella_cgroup_limit(&real.home, "cell-0", 256 * MEBIBYTE, 1), CELLA_OK);
        }
        assert_int_equal(write(gate, "gg", 2), 2);
        assert_int_equal(end_child(child, gate), 0);
        assert_int_equal(cella_cgroup_usage(&real.home, "cell-0", &usage), CELLA_OK);
        assert_in_range(usage.peak_bytes, (round == 0 ? 64 : 8) * MEBIBYTE, (round == 0 ? 68 : 12) * MEBIBYTE);
        assert_int_equal(usage.kills, 0);
        assert_true(cella_cgroup_is_empty(&real.home, "cell-0"));
        assert_int_equal(cella_cgroup_reset(&real.home, "cell-0"), CELLA_OK);
    }
    real_end(&real);
}

static void fork_twice(void)
{
    for (int i = 0; i < 2; i++) {
        pid_t child = fork();
        if (child < 0) {
            _exit(10 + i);
        }
        if (child == 0) {
            (void) pause();
        }
    }
    _exit(20);
}

static void test_v1_processes_are_held(void **state)
{
    (void) state;
    struct real real;
    int gate;
    real_begin(&real);
    pid_t child = begin_child(&gate, fork_twice);
    assert_int_equal(cella_cgroup_place(&real.home, "cell-0", child), CELLA_OK);
    assert_int_equal(cella_cgroup_limit(&real.home, "cell-0", 256 * MEBIBYTE, 2), CELLA_OK);
    assert_int_equal(write(gate, "g", 1), 1);
    int status = end_child(child, gate);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 11); /* the second was one too many */
    /* The first is still there: nobody may use the group again. */
    assert_false(cella_cgroup_is_empty(&real.home, "cell-0"));
    char text[64];
    tree_get(text, sizeof(text), "%s/cell-0/cgroup.procs", real.pids);
    assert_int_equal(kill((pid_t) strtol(text, NULL, 10), SIGKILL), 0);
    for (int i = 0; i < 500 && !cella_cgroup_is_empty(&real.home, "cell-0"); i++) {
        (void) usleep(10000);
    }
    real_end(&real);
}

static void test_v1_gone(void **state)
{
    (void) state;
    struct real real;
    int gate;
    real_begin(&real);
    pid_t child = begin_child(&gate, do_nothing);
    (void) end_child(child, gate);
    assert_int_equal(cella_cgroup_place(&real.home, "cell-0", child), CELLA_SYSTEM_FAILED);
    assert_int_equal(errno, ESRCH);
    assert_int_equal(cella_cgroup_place(&real.home, "cell-9", getpid()), CELLA_SYSTEM_FAILED);
    assert_int_equal(errno, ENOENT);
    real_end(&real);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_v2_home),
        cmocka_unit_test(test_v2_root_is_not_emptied),
        cmocka_unit_test(test_v2_refused),
        cmocka_unit_test(test_v2_without_controllers),
        cmocka_unit_test(test_v2_writes),
        cmocka_unit_test(test_v2_reads),
        cmocka_unit_test(test_v2_no_number),
        cmocka_unit_test(test_v2_nonsense),
        cmocka_unit_test(test_v2_reset_makes_anew),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_v1_memory_is_held),
        cmocka_unit_test(test_v1_reset),
        cmocka_unit_test(test_v1_processes_are_held),
        cmocka_unit_test(test_v1_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
