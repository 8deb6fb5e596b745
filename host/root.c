/* SPDX-License-Identifier: Apache-2.0 */
#include "host/root.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEPTH_MAX 256

static void close_file(int *descriptor)
{
    if (*descriptor >= 0) {
        (void) close(*descriptor);
    }
}

/* Asked of a child, because the answer yes can not be taken back. */
static bool can_make_user_namespace(void)
{
    pid_t child = fork();
    if (child == 0) {
        _exit(unshare(CLONE_NEWUSER) == 0 ? 0 : 1);
    }
    int status = 1;
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return child > 0 && status == 0;
}

/* Climb to the root of the mount namespace: with a root folder below the current one, nothing stops "..". */
static cella_status leave_chroot(void)
{
    struct stat here;
    struct stat above;
    if (chdir("/") != 0 || chroot("usr") != 0) {
        return CELLA_SYSTEM_FAILED;
    }
    for (int i = 0; i < DEPTH_MAX; i++) {
        if (stat(".", &here) != 0 || stat("..", &above) != 0) {
            return CELLA_SYSTEM_FAILED;
        }
        if (here.st_ino == above.st_ino && here.st_dev == above.st_dev) {
            return chroot(".") == 0 ? CELLA_OK : CELLA_SYSTEM_FAILED;
        }
        if (chdir("..") != 0) {
            return CELLA_SYSTEM_FAILED;
        }
    }
    return CELLA_SYSTEM_FAILED;
}

/* Make the folder behind a descriptor the root of this mount namespace, with all that is mounted below it. */
static cella_status become_root(int folder)
{
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
        return CELLA_SYSTEM_FAILED;
    }
    CELLA_CLEANUP(close_file)
    int tree = (int) syscall(SYS_open_tree, folder, "",
                             OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (unsigned int) AT_RECURSIVE |
                                 (unsigned int) AT_EMPTY_PATH);
    if (tree < 0 ||
        syscall(SYS_move_mount, tree, "", folder, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) != 0 ||
        fchdir(tree) != 0) {
        return CELLA_SYSTEM_FAILED;
    }
    return syscall(SYS_pivot_root, ".", ".") == 0 && umount2(".", MNT_DETACH) == 0 ? CELLA_OK : CELLA_SYSTEM_FAILED;
}

cella_status cella_root_renew(void)
{
    char place[PATH_MAX];
    if (geteuid() != 0 || can_make_user_namespace()) {
        return CELLA_OK;
    }
    if (getcwd(place, sizeof(place)) == NULL || unshare(CLONE_NEWNS) != 0) {
        return CELLA_SYSTEM_FAILED;
    }
    /* Opened now, it is a folder of the new mount namespace. */
    CELLA_CLEANUP(close_file) int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0) {
        return CELLA_SYSTEM_FAILED;
    }
    CELLA_TRY(leave_chroot());
    CELLA_TRY(become_root(root));
    return chdir(place) == 0 ? CELLA_OK : CELLA_SYSTEM_FAILED;
}
