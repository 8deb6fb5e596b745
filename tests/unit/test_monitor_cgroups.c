/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/mman.h>

#include "base/layers.h"
#include "confine/cgroup.h"
#include "control_group_tree.h"
#include "monitor/cgroups.h"

#define MEBIBYTE ((uint64_t) 1 << 20)

static struct cella_cgroups *open_groups(const struct cella_cgroup_kind *kind, const char *memory, const char *pids,
                                         uint32_t ready)
{
    struct cella_cgroup_home home = { NULL, -1, -1 };
    struct cella_cgroups *groups = NULL;
    if (kind != NULL) {
        assert_int_equal(cella_cgroup_home_open(kind, memory, pids, &home), CELLA_OK);
    }
    assert_int_equal(cella_cgroups_new(&home, ready, &groups), CELLA_OK);
    assert_null(home.kind); /* taken over */
    return groups;
}

/* ---- no groups ---- */

static void test_without_groups(void **state)
{
    (void) state;
    uint32_t slot = 7;
    uint64_t cpu_us = 1;
    uint64_t peak = 2;
    bool oom = true;
    struct cella_cgroups *groups = open_groups(NULL, NULL, NULL, 4);
    assert_string_equal(cella_cgroups_tier(groups), "rlimits");
    assert_int_equal(cella_cgroups_layers(groups), 0);
    assert_int_equal(cella_cgroups_place(groups, getpid(), &slot), CELLA_OK);
    assert_int_equal(slot, CELLA_CGROUPS_NO_SLOT);
    assert_int_equal(cella_cgroups_limit(groups, slot, 1, 1), CELLA_OK);
    assert_int_equal(cella_cgroups_usage(groups, slot, &cpu_us, &peak, &oom), CELLA_NOT_FOUND);
    assert_true(cpu_us == 1 && peak == 2 && oom);
    cella_cgroups_release(groups, slot);
    cella_cgroups_free(groups);
    cella_cgroups_free(NULL);
}

/* ---- version 2, in a tree that stands still ---- */

struct tree {
    char root[32];
    struct cella_cgroups *groups;
};

static void tree_begin(struct tree *tree, uint32_t made)
{
    tree_make(tree->root);
    for (uint32_t i = 0; i < made; i++) {
        char name[16];
        (void) snprintf(name, sizeof(name), "cell-%" PRIu32, i);
        tree_add_group(tree->root, name);
    }
    tree->groups = open_groups(&cella_cgroup_v2, tree->root, NULL, 1);
    assert_string_equal(cella_cgroups_tier(tree->groups), "cgroup2");
    assert_int_equal(cella_cgroups_layers(tree->groups), CELLA_LAYER_CGROUP);
}

static void tree_end(struct tree *tree)
{
    cella_cgroups_free(tree->groups);
    tree_remove(tree->root);
}

static void test_limits(void **state)
{
    (void) state;
    struct tree tree;
    uint32_t slot;
    char text[64];
    char expected[64];
    tree_begin(&tree, 1);
    assert_int_equal(cella_cgroups_place(tree.groups, 4711, &slot), CELLA_OK);
    assert_int_equal(slot, 0);
    assert_string_equal(tree_get(text, sizeof(text), "%s/cell-0/cgroup.procs", tree.root), "4711");
    assert_string_equal(tree_get(text, sizeof(text), "%s/cell-0/memory.max", tree.root), "");
    assert_int_equal(cella_cgroups_limit(tree.groups, slot, 100 * MEBIBYTE, 3), CELLA_OK);
    (void) snprintf(expected, sizeof(expected), "%" PRIu64, 4096 + 100 * MEBIBYTE + CELLA_CGROUPS_ROOM);
    assert_string_equal(tree_get(text, sizeof(text), "%s/cell-0/memory.max", tree.root), expected);
    assert_string_equal(tree_get(text, sizeof(text), "%s/cell-0/pids.max", tree.root), "4");
    /* A sum of limits that no machine has is no wrap-around. */
    tree_put("", "%s/cell-0/memory.max", tree.root);
    assert_int_equal(cella_cgroups_limit(tree.groups, slot, UINT64_MAX, 0), CELLA_OK);
    assert_string_equal(tree_get(text, sizeof(text), "%s/cell-0/memory.max", tree.root), "9223372036854775807");
    tree_end(&tree);
}

static void test_usage(void **state)
{
    (void) state;
    struct tree tree;
    uint32_t slot;
    uint64_t cpu_us;
    uint64_t peak;
    bool oom;
    tree_begin(&tree, 1);
    assert_int_equal(cella_cgroups_place(tree.groups, 4711, &slot), CELLA_OK);
    assert_int_equal(cella_cgroups_limit(tree.groups, slot, MEBIBYTE, 0), CELLA_OK);
    tree_put("usage_usec 500\n", "%s/cell-0/cpu.stat", tree.root);
    tree_put("1048576\n", "%s/cell-0/memory.peak", tree.root);
    assert_int_equal(cella_cgroups_usage(tree.groups, slot, &cpu_us, &peak, &oom), CELLA_OK);
    assert_true(cpu_us == 500 && peak == MEBIBYTE - 4096 && !oom);
    tree_put("oom 1\noom_kill 1\n", "%s/cell-0/memory.events", tree.root);
    assert_int_equal(cella_cgroups_usage(tree.groups, slot, &cpu_us, &peak, &oom), CELLA_OK);
    assert_true(oom);
    tree_put("oom 0\noom_kill 1\n", "%s/cell-0/memory.events", tree.root);
    assert_int_equal(cella_cgroups_usage(tree.groups, slot, &cpu_us, &peak, &oom), CELLA_OK);
    assert_false(oom); /* the machine was out of memory */
    cella_cgroups_release(tree.groups, slot);
    assert_int_equal(cella_cgroups_usage(tree.groups, slot, &cpu_us, &peak, &oom), CELLA_NOT_FOUND);
    assert_int_equal(cella_cgroups_limit(tree.groups, slot, 1, 1), CELLA_INTERNAL);
    tree_end(&tree);
}

/* A kill that came before this cell was placed is not its own: a group of version 1 keeps its count. */
static void test_kills_before(void **state)
{
    (void) state;
    struct tree tree;
    uint32_t slot;
    uint64_t cpu_us;
    uint64_t peak;
    bool oom;
    tree_begin(&tree, 1);
    tree_put("oom 4\noom_kill 4\n", "%s/cell-0/memory.events", tree.root);
    assert_int_equal(cella_cgroups_place(tree.groups, 4711, &slot), CELLA_OK);
    assert_int_equal(cella_cgroups_usage(tree.groups, slot, &cpu_us, &peak, &oom), CELLA_OK);
    assert_false(oom);
    tree_put("oom 5\noom_kill 5\n", "%s/cell-0/memory.events", tree.root);
    assert_int_equal(cella_cgroups_usage(tree.groups, slot, &cpu_us, &peak, &oom), CELLA_OK);
    assert_true(oom);
    tree_end(&tree);
}

/* A group is used again only after its cell was released and nobody is in it. */
static void test_slots(void **state)
{
    (void) state;
    struct tree tree;
    uint32_t first;
    uint32_t second;
    uint32_t third;
    tree_begin(&tree, 3);
    assert_int_equal(cella_cgroups_place(tree.groups, 1, &first), CELLA_OK);
    assert_int_equal(cella_cgroups_place(tree.groups, 2, &second), CELLA_OK);
    assert_true(first == 0 && second == 1);
    tree_put("1\n", "%s/cell-0/pids.current", tree.root);
    cella_cgroups_release(tree.groups, first);
    cella_cgroups_release(tree.groups, first);
    cella_cgroups_release(tree.groups, 12345);
    assert_int_equal(cella_cgroups_place(tree.groups, 3, &third), CELLA_OK);
    assert_int_equal(third, 2);
    tree_put("0\n", "%s/cell-0/pids.current", tree.root);
    assert_int_equal(cella_cgroups_place(tree.groups, 4, &third), CELLA_OK);
    assert_int_equal(third, 0);
    tree_end(&tree);
}

/* A cell that could not be placed leaves no slot behind that is taken for good as new. */
static void test_place_fails(void **state)
{
    (void) state;
    struct tree tree;
    uint32_t slot;
    char path[64];
    tree_begin(&tree, 2);
    (void) snprintf(path, sizeof(path), "%s/cell-0/cgroup.procs", tree.root);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(cella_cgroups_place(tree.groups, 1, &slot), CELLA_SYSTEM_FAILED);
    assert_int_equal(slot, CELLA_CGROUPS_NO_SLOT);
    tree_put("1\n", "%s/cell-0/pids.current", tree.root);
    assert_int_equal(cella_cgroups_place(tree.groups, 1, &slot), CELLA_OK);
    assert_int_equal(slot, 1);
    tree_end(&tree);
}

static void test_most(void **state)
{
    (void) state;
    struct tree tree;
    uint32_t slot = 0;
    tree_begin(&tree, 40);
    for (uint32_t i = 0; i < 40; i++) {
        assert_int_equal(cella_cgroups_place(tree.groups, 1, &slot), CELLA_OK);
        assert_int_equal(slot, i);
    }
    /* The kernel makes no more. */
    assert_int_equal(cella_cgroups_place(tree.groups, 1, &slot), CELLA_SYSTEM_FAILED);
    tree_end(&tree);
}

/* ---- version 1, in the kernel ---- */

static pid_t begin_child(void)
{
    pid_t child = fork();
    if (child == 0) {
        char *memory = mmap(NULL, 4 * MEBIBYTE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        (void) raise(SIGSTOP);
        for (size_t i = 0; memory != MAP_FAILED && i < 4 * MEBIBYTE; i += 4096) {
            memory[i] = 1;
        }
        (void) raise(SIGSTOP);
        _exit(0);
    }
    assert_true(child > 0);
    assert_int_equal(waitpid(child, NULL, WUNTRACED), child);
    return child;
}

static void let_it_go_on(pid_t child, int options)
{
    assert_int_equal(kill(child, SIGCONT), 0);
    assert_int_equal(waitpid(child, NULL, options), child);
}

static void test_real_life(void **state)
{
    (void) state;
    char memory[CELLA_CONTROL_GROUP_PATH_MAX];
    char pids[CELLA_CONTROL_GROUP_PATH_MAX];
    uint32_t slot;
    uint64_t cpu_us;
    uint64_t peak;
    bool oom;
    char text[64];
    char expected[64];
    if (!tree_real(memory, pids)) {
        skip();
    }
    struct cella_cgroups *groups = open_groups(&cella_cgroup_v1, memory, pids, 2);
    assert_string_equal(cella_cgroups_tier(groups), "cgroup1");
    for (uint32_t round = 0; round < 20; round++) {
        pid_t child = begin_child();
        assert_int_equal(cella_cgroups_place(groups, child, &slot), CELLA_OK);
        assert_int_equal(slot, round < 2 ? round : 0); /* those made ready, then the first one again */
        assert_int_equal(cella_cgroups_limit(groups, slot, 8 * MEBIBYTE, 2), CELLA_OK);
        assert_string_equal(tree_get(text, sizeof(text), "%s/cell-%" PRIu32 "/pids.max", pids, slot), "3");
        let_it_go_on(child, WUNTRACED);
        assert_int_equal(cella_cgroups_usage(groups, slot, &cpu_us, &peak, &oom), CELLA_OK);
        assert_in_range(peak, 3 * MEBIBYTE, 8 * MEBIBYTE); /* the kernel counts in pieces */
        assert_false(oom);
        let_it_go_on(child, 0);
        cella_cgroups_release(groups, slot);
    }
    (void) snprintf(expected, sizeof(expected), "%" PRIu64, 8 * MEBIBYTE + CELLA_CGROUPS_ROOM);
    tree_get(text, sizeof(text), "%s/cell-1/memory.limit_in_bytes", memory);
    assert_true(strtoull(text, NULL, 10) >= strtoull(expected, NULL, 10));
    assert_true(strtoull(text, NULL, 10) < strtoull(expected, NULL, 10) + MEBIBYTE);
    cella_cgroups_free(groups);
    tree_real_remove(memory, pids); /* nothing was left in them */
}

/* Whatever this machine has: one of the three, and no failure. */
static void test_open(void **state)
{
    (void) state;
    /* Version 2 would move the test itself, so in a process of its own. */
    pid_t child = fork();
    if (child == 0) {
        struct cella_cgroups *groups = NULL;
        if (cella_cgroups_open(0, &groups) != CELLA_OK) {
            _exit(1);
        }
        const char *tier = cella_cgroups_tier(groups);
        bool known = strcmp(tier, "cgroup2") == 0 || strcmp(tier, "cgroup1") == 0 || strcmp(tier, "rlimits") == 0;
        bool layer = cella_cgroups_layers(groups) == CELLA_LAYER_CGROUP;
        cella_cgroups_free(groups);
        _exit(known && layer == (strcmp(tier, "rlimits") != 0) ? 0 : 2);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_groups), cmocka_unit_test(test_limits),
        cmocka_unit_test(test_usage),          cmocka_unit_test(test_kills_before),
        cmocka_unit_test(test_slots),          cmocka_unit_test(test_place_fails),
        cmocka_unit_test(test_most),           cmocka_unit_test(test_real_life),
        cmocka_unit_test(test_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
