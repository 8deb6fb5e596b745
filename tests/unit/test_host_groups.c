/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>

#include "control_group_tree.h"
#include "host/groups.h"

/* A state folder, and a hierarchy of each version in a plain folder. */
struct place {
    char root[32];
    struct cella_state_folder folder;
    struct cella_groups groups;
};

static void begin(struct place *place)
{
    char path[64];
    (void) snprintf(place->root, sizeof(place->root), "/tmp/cella-XXXXXX");
    assert_non_null(mkdtemp(place->root));
    static const char *const folders[] = { "state", "unified", "unified/own", "memory", "memory/own", "pids" };
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        (void) snprintf(path, sizeof(path), "%s/%s", place->root, folders[i]);
        assert_int_equal(mkdir(path, 0755), 0);
    }
    tree_put("cpu memory pids\n", "%s/unified/own/cgroup.controllers", place->root);
    tree_put("", "%s/unified/own/cgroup.subtree_control", place->root);
    (void) snprintf(path, sizeof(path), "%s/state", place->root);
    place->folder = (struct cella_state_folder){ .folder = open(path, O_RDONLY | O_DIRECTORY) };
    assert_true(place->folder.folder >= 0);
}

static void end(struct place *place)
{
    assert_int_equal(close(place->folder.folder), 0);
    tree_remove(place->root);
}

static void open_groups(struct place *place, const char *membership)
{
    char mounts[512];
    (void) snprintf(mounts, sizeof(mounts),
                    "1 2 0:1 / %s/memory rw - cgroup c rw,memory\n"
                    "2 2 0:2 / %s/pids rw - cgroup c rw,pids\n"
                    "3 2 0:3 / %s/unified rw - cgroup2 c rw\n",
                    place->root, place->root, place->root);
    cella_groups_open(&place->folder, cella_view_of_string(mounts), cella_view_of_string(membership), &place->groups);
}

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

static const char *record(struct place *place, char text[512])
{
    return tree_get(text, 512, "%s/state/" CELLA_GROUPS_RECORD, place->root);
}

static bool has_record(const struct place *place)
{
    return faccessat(place->folder.folder, CELLA_GROUPS_RECORD, F_OK, 0) == 0;
}

/* ---- which version ---- */

#define ALL "0::/own\n4:memory:/own\n5:pids:/\n"

static void test_version_2_first(void **state)
{
    (void) state;
    struct place place;
    char text[64];
    begin(&place);
    open_groups(&place, ALL);
    assert_true(place.groups.version == 2 && place.groups.count == 1);
    assert_string_equal(tree_get(text, sizeof(text), "%s/unified/own/cgroup.subtree_control", place.root),
                        "+memory +pids");
    end(&place);
}

static void test_version_1_otherwise(void **state)
{
    (void) state;
    static const char *const offered[] = { "", "hugetlb\n", "memory\n", "pids cpu\n" };
    for (size_t i = 0; i < sizeof(offered) / sizeof(offered[0]); i++) {
        struct place place;
        begin(&place);
        tree_put(offered[i], "%s/unified/own/cgroup.controllers", place.root);
        open_groups(&place, ALL);
        assert_true(place.groups.version == 1 && place.groups.count == 2);
        end(&place);
    }
}

static void test_neither(void **state)
{
    (void) state;
    static const char *const memberships[] = { "", "0::/\n", "0::/../x\n", "4:memory:/own\n", "5:pids:/\n" };
    char path[CELLA_CONTROL_GROUP_PATH_MAX];
    for (size_t i = 0; i < sizeof(memberships) / sizeof(memberships[0]); i++) {
        struct place place;
        begin(&place);
        open_groups(&place, memberships[i]);
        assert_int_equal(place.groups.version, 0);
        cella_groups_make(&place.groups);
        cella_groups_enter(&place.groups, getpid());
        assert_false(cella_groups_path(&place.groups, 0, path));
        assert_false(has_record(&place));
        assert_true(cella_groups_remove(&place.groups, 0));
        end(&place);
    }
}

/* ---- life ---- */

/* A folder of a test does not get the files that the kernel would make; so only version 1 can be made in it. */
static void test_made_and_removed(void **state)
{
    (void) state;
    struct place place;
    char path[2][CELLA_CONTROL_GROUP_PATH_MAX];
    char text[512];
    char expected[512];
    struct stat facts;
    begin(&place);
    open_groups(&place, "4:memory:/own\n5:pids:/\n");
    cella_groups_make(&place.groups);
    assert_true(cella_groups_path(&place.groups, 0, path[0]) && cella_groups_path(&place.groups, 1, path[1]));
    assert_false(cella_groups_path(&place.groups, 2, path[0]));
    (void) snprintf(expected, sizeof(expected), "%s/memory/own/%s", place.root, place.groups.name);
    assert_string_equal(path[0], expected);
    (void) snprintf(expected, sizeof(expected), "%.200s\n%.200s", path[0], path[1]);
    assert_string_equal(record(&place, text), expected);
    assert_int_equal(stat(path[0], &facts), 0);
    assert_int_equal(facts.st_uid, geteuid() == 0 ? 65534 : geteuid());
    tree_put("", "%s/cgroup.procs", path[0]);
    cella_groups_enter(&place.groups, 4711);
    assert_string_equal(tree_get(text, sizeof(text), "%s/cgroup.procs", path[0]), "4711");
    (void) snprintf(expected, sizeof(expected), "%.200s/cgroup.procs", path[0]);
    assert_int_equal(unlink(expected), 0);
    (void) snprintf(expected, sizeof(expected), "%.200s/cell-0", path[1]);
    assert_int_equal(mkdir(expected, 0755), 0);
    assert_true(cella_groups_remove(&place.groups, 0));
    assert_false(exists(path[0]) || exists(path[1]) || has_record(&place));
    assert_false(cella_groups_path(&place.groups, 0, path[0]));
    end(&place);
}

/* Half of it could be made: none is left. */
static void test_not_made(void **state)
{
    (void) state;
    struct place place;
    char path[64];
    begin(&place);
    open_groups(&place, "4:memory:/own\n5:pids:/\n");
    (void) snprintf(path, sizeof(path), "%s/pids", place.root);
    assert_int_equal(rmdir(path), 0);
    cella_groups_make(&place.groups);
    assert_string_equal(place.groups.name, "");
    assert_false(has_record(&place));
    (void) snprintf(path, sizeof(path), "%s/memory/own", place.root);
    assert_int_equal(rmdir(path), 0); /* empty again */
    end(&place);
}

/* A host that was killed left its groups: the next one on the state folder removes them, whatever it uses itself. */
static void test_left_by_another(void **state)
{
    (void) state;
    struct place place;
    char old[2][CELLA_CONTROL_GROUP_PATH_MAX];
    begin(&place);
    open_groups(&place, "4:memory:/own\n5:pids:/\n");
    cella_groups_make(&place.groups);
    assert_true(cella_groups_path(&place.groups, 0, old[0]) && cella_groups_path(&place.groups, 1, old[1]));
    open_groups(&place, "");
    assert_int_equal(place.groups.version, 0);
    assert_true(cella_groups_remove(&place.groups, 0));
    assert_false(exists(old[0]) || exists(old[1]) || has_record(&place));
    end(&place);
}

/* What can not be removed stays written down, also when the next executor's are made. */
static void test_busy(void **state)
{
    (void) state;
    struct place place;
    char old[CELLA_CONTROL_GROUP_PATH_MAX];
    char text[512];
    begin(&place);
    open_groups(&place, "4:memory:/own\n5:pids:/\n");
    cella_groups_make(&place.groups);
    assert_true(cella_groups_path(&place.groups, 0, old));
    tree_put("", "%s/busy", old);
    assert_false(cella_groups_remove(&place.groups, 45));
    assert_string_equal(record(&place, text), old);
    cella_groups_make(&place.groups);
    assert_non_null(strstr(record(&place, text), old));
    assert_non_null(strstr(text, place.groups.name));
    (void) snprintf(text, sizeof(text), "%.200s/busy", old);
    assert_int_equal(unlink(text), 0);
    assert_true(cella_groups_remove(&place.groups, 0));
    assert_false(exists(old) || has_record(&place));
    end(&place);
}

/* The record may say what it likes: nothing else is touched. */
static void test_foreign_lines(void **state)
{
    (void) state;
    struct place place;
    char path[64];
    begin(&place);
    static const char *const names[] = { "precious", "cella-", "cella-1234", "cella-0123456789abcdef0" };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char line[256];
        (void) snprintf(path, sizeof(path), "%s/%s", place.root, names[i]);
        assert_int_equal(mkdir(path, 0755), 0);
        (void) snprintf(line, sizeof(line), "\n\n%s\nrelative/cella-0123456789abcdef\n%s", path, path);
        tree_put(line, "%s/state/" CELLA_GROUPS_RECORD, place.root);
        open_groups(&place, "");
        assert_true(cella_groups_remove(&place.groups, 0));
        assert_true(exists(path));
        assert_false(has_record(&place));
    }
    /* A group that has gone by itself is forgotten. */
    tree_put("/nowhere/cella-0123456789abcdef\n", "%s/state/" CELLA_GROUPS_RECORD, place.root);
    assert_true(cella_groups_remove(&place.groups, 0));
    assert_false(has_record(&place));
    end(&place);
}

/* In the kernel: a process that still ends is waited for, but not for ever. */
static void test_waits(void **state)
{
    (void) state;
    struct place place;
    char memory[CELLA_CONTROL_GROUP_PATH_MAX];
    char pids[CELLA_CONTROL_GROUP_PATH_MAX];
    char mounts[4096];
    if (!tree_real(memory, pids)) {
        skip();
    }
    begin(&place);
    (void) snprintf(mounts, sizeof(mounts), "1 2 0:1 / %.1000s rw - cgroup c rw,memory\n2 2 0:2 / %.1000s rw - cgroup c "
                                            "rw,pids\n", memory, pids);
    cella_groups_open(&place.folder, cella_view_of_string(mounts), cella_view_of_string("4:memory:/\n5:pids:/\n"),
                      &place.groups);
    cella_groups_make(&place.groups);
    int gate[2];
    assert_int_equal(pipe(gate), 0);
    pid_t child = fork();
    if (child == 0) {
        char none;
        (void) close(gate[1]);
        (void) !read(gate[0], &none, 1);
        (void) usleep(300000);
        _exit(0);
    }
    cella_groups_enter(&place.groups, child);
    assert_false(cella_groups_remove(&place.groups, 50));
    assert_true(has_record(&place));
    assert_int_equal(close(gate[1]), 0);
    (void) signal(SIGCHLD, SIG_IGN); /* nobody waits for it, as when the host was killed */
    assert_true(cella_groups_remove(&place.groups, 5000));
    assert_false(has_record(&place));
    (void) signal(SIGCHLD, SIG_DFL);
    tree_real_remove(memory, pids);
    end(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_version_2_first), cmocka_unit_test(test_version_1_otherwise),
        cmocka_unit_test(test_neither),         cmocka_unit_test(test_made_and_removed),
        cmocka_unit_test(test_not_made),        cmocka_unit_test(test_left_by_another),
        cmocka_unit_test(test_busy),            cmocka_unit_test(test_foreign_lines),
        cmocka_unit_test(test_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
