/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/control_group.h"

#define MOUNT_V2 "41 31 0:38 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
#define MOUNT_MEMORY "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
#define MOUNT_CPU "33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
#define OTHERS                                                                                                       \
    "22 1 8:1 / / rw,relatime shared:1 master:2 - ext4 /dev/root rw\n\n"                                             \
    "23 22 0:20 / /proc rw\n"                                                                                        \
    "nonsense\n"

/* Path that is found, or NULL. */
static const char *find(const char *mounts, const char *groups, const char *controller, char *out)
{
    cella_status status =
        cella_control_group_find(cella_view_of_string(mounts), cella_view_of_string(groups), controller, out);
    if (status != CELLA_OK) {
        assert_int_equal(status, CELLA_NOT_FOUND);
        assert_string_equal(out, "");
        return NULL;
    }
    return out;
}

static void test_found(void **state)
{
    (void) state;
    static const struct {
        const char *mounts;
        const char *groups;
        const char *controller;
        const char *expected;
    } rows[] = {
        { OTHERS MOUNT_V2, "1:name=systemd:/x\n0::/cella.service\n", "", "/sys/fs/cgroup/cella.service" },
        { MOUNT_V2, "0::/\n", "", "/sys/fs/cgroup" },
        { MOUNT_V2, "0::/", "", "/sys/fs/cgroup" },
        { OTHERS MOUNT_CPU MOUNT_MEMORY, "4:memory:/a/b\n2:cpu,cpuacct:/c\n", "memory", "/sys/fs/cgroup/memory/a/b" },
        { OTHERS MOUNT_CPU MOUNT_MEMORY, "4:memory:/a/b\n2:cpu,cpuacct:/c\n", "cpuacct",
          "/sys/fs/cgroup/cpu,cpuacct/c" },
        /* Part of a hierarchy is mounted: a container, or a bind mount. */
        { "1 2 0:3 /pods/x /cg rw - cgroup2 c rw\n", "0::/pods/x/deep\n", "", "/cg/deep" },
        { "1 2 0:3 /pods/x /cg rw - cgroup2 c rw\n", "0::/pods/x\n", "", "/cg" },
        { "1 2 0:3 /other /no rw - cgroup2 c rw\n1 2 0:3 /pods /cg rw - cgroup2 c rw\n", "0::/pods/x\n", "", "/cg/x" },
        /* Blanks and backslashes are octal. */
        { "1 2 0:3 / /a\\040b\\134c rw - cgroup2 c rw\n", "0::/d\n", "", "/a b\\c/d" },
    };
    char out[CELLA_CONTROL_GROUP_PATH_MAX];
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *found = find(rows[i].mounts, rows[i].groups, rows[i].controller, out);
        assert_non_null(found);
        assert_string_equal(found, rows[i].expected);
    }
}

static void test_not_found(void **state)
{
    (void) state;
    static const struct {
        const char *mounts;
        const char *groups;
        const char *controller;
    } rows[] = {
        { "", "", "" },
        { OTHERS, "0::/\n", "" },
        { MOUNT_MEMORY, "0::/\n4:memory:/\n", "" },
        { MOUNT_V2, "4:memory:/\n", "" },
        { MOUNT_V2, "4:memory:/\n", "memory" },
        { MOUNT_MEMORY, "4:memory:/\n", "mem" },
        { MOUNT_MEMORY, "4:memory:/\n", "pids" },
        { MOUNT_MEMORY, "4:memory\n", "memory" },
        { MOUNT_MEMORY, "4:memory:relative\n", "memory" },
        { MOUNT_V2, "0::/../other\n", "" },
        { MOUNT_V2, "0::/a/../b\n", "" },
        { "1 2 0:3 /pods/x /cg rw - cgroup2 c rw\n", "0::/pods/xy\n", "" },
        { "1 2 0:3 /pods/x /cg rw - cgroup2 c rw\n", "0::/pods\n", "" },
        { "1 2 0:3 /.. /cg rw - cgroup2 c rw\n", "0::/pods\n", "" },
        { "1 2 0:3 / cg rw - cgroup2 c rw\n", "0::/pods\n", "" },
        { "1 2 0:3 / /c\\000g rw - cgroup2 c rw\n", "0::/pods\n", "" },
        { "1 2 0:3 / /cg rw cgroup2 c rw\n", "0::/pods\n", "" },
    };
    char out[CELLA_CONTROL_GROUP_PATH_MAX];
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_null(find(rows[i].mounts, rows[i].groups, rows[i].controller, out));
    }
}

/* Neither part alone is too long; together they are. */
static void test_too_long(void **state)
{
    (void) state;
    char out[CELLA_CONTROL_GROUP_PATH_MAX];
    char mounts[2 * CELLA_CONTROL_GROUP_PATH_MAX];
    char groups[2 * CELLA_CONTROL_GROUP_PATH_MAX];
    char part[CELLA_CONTROL_GROUP_PATH_MAX + 64];
    static const struct {
        int size;
        bool fits;
    } rows[] = { { 100, true }, { 510, true }, { 512, false }, { 1022, false }, { 1024, false }, { 1080, false } };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        memset(part, 'x', sizeof(part));
        part[rows[i].size] = '\0';
        (void) snprintf(mounts, sizeof(mounts), "1 2 0:3 / /%s rw - cgroup2 c rw\n", part);
        (void) snprintf(groups, sizeof(groups), "0::/%s\n", part);
        assert_int_equal(find(mounts, groups, "", out) != NULL, rows[i].fits);
    }
}

/* What this machine says is understood: a process is in a group of every hierarchy, wherever it is mounted. */
static void test_own(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes mounts = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes groups = { 0 };
    assert_int_equal(cella_control_group_read_own(&mounts, &groups), CELLA_OK);
    assert_true(mounts.size > 0 && groups.size > 0);
    assert_true(mounts.data[mounts.size - 1] == '\n' && groups.data[groups.size - 1] == '\n');
}

static void test_files(void **state)
{
    (void) state;
    char folder_name[] = "/tmp/cella-XXXXXX";
    char text[8];
    assert_non_null(mkdtemp(folder_name));
    int folder = open(folder_name, O_RDONLY | O_DIRECTORY);
    assert_int_equal(cella_control_group_write(folder, "list", "memory"), CELLA_SYSTEM_FAILED); /* is not made */
    assert_int_equal(close(openat(folder, "list", O_CREAT | O_WRONLY, 0600)), 0);
    assert_int_equal(cella_control_group_write(folder, "list", "cpu memory pids\n"), CELLA_OK);
    assert_true(cella_control_group_lists(folder, "list", "cpu"));
    assert_true(cella_control_group_lists(folder, "list", "pids"));
    assert_false(cella_control_group_lists(folder, "list", "mem"));
    assert_false(cella_control_group_lists(folder, "list", "memory pids"));
    assert_false(cella_control_group_lists(folder, "absent", "cpu"));
    assert_int_equal(cella_control_group_read(folder, "list", text, sizeof(text)), CELLA_OK);
    assert_string_equal(text, "cpu mem");
    assert_int_equal(symlinkat("list", folder, "link"), 0);
    assert_int_equal(cella_control_group_write(folder, "link", "x"), CELLA_SYSTEM_FAILED);
    assert_int_equal(cella_control_group_read(folder, "link", text, sizeof(text)), CELLA_SYSTEM_FAILED);
    assert_string_equal(text, "");
    assert_int_equal(unlinkat(folder, "link", 0) | unlinkat(folder, "list", 0) | rmdir(folder_name), 0);
    assert_int_equal(close(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_found), cmocka_unit_test(test_not_found), cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_own),   cmocka_unit_test(test_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
