# SPDX-License-Identifier: Apache-2.0
"""Run the tests in a chroot: Linux makes no user namespaces there, and cells need them.

The same help that host/root.c gives to cella-host, for tests that start the executor's programs themselves.
"""

from __future__ import annotations

import ctypes
import os

CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000
MS_REC, MS_PRIVATE, MNT_DETACH = 0x4000, 0x40000, 2
SYS_PIVOT_ROOT, SYS_OPEN_TREE, SYS_MOVE_MOUNT = 155, 428, 429
OPEN_TREE_CLONE, OPEN_TREE_CLOEXEC, AT_EMPTY_PATH, AT_RECURSIVE = 1, 0o2000000, 0x1000, 0x8000
MOVE_MOUNT_FROM_EMPTY, MOVE_MOUNT_TO_EMPTY = 4, 0x40


def _check(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def _can_make_user_namespace(libc: ctypes.CDLL) -> bool:
    child = os.fork()
    if child == 0:
        os._exit(0 if libc.unshare(CLONE_NEWUSER) == 0 else 1)
    return os.waitpid(child, 0)[1] == 0


def renew() -> None:
    """Make the folder that this process sees as / the root of a mount namespace of its own, if that is needed."""
    libc = ctypes.CDLL(None, use_errno=True)
    if os.geteuid() != 0 or _can_make_user_namespace(libc):
        return
    place = os.getcwd()
    _check(libc.unshare(CLONE_NEWNS))
    root = os.open("/", os.O_PATH | os.O_DIRECTORY)
    os.chdir("/")
    os.chroot("usr")
    while not os.path.samestat(os.stat("."), os.stat("..")):
        os.chdir("..")
    os.chroot(".")
    _check(libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None))
    tree = _check(libc.syscall(SYS_OPEN_TREE, root, b"", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE))
    _check(libc.syscall(SYS_MOVE_MOUNT, tree, b"", root, b"", MOVE_MOUNT_FROM_EMPTY | MOVE_MOUNT_TO_EMPTY))
    os.fchdir(tree)
    _check(libc.syscall(SYS_PIVOT_ROOT, b".", b"."))
    _check(libc.umount2(b".", MNT_DETACH))
    os.chdir(place)
    os.close(root)
    os.close(tree)
