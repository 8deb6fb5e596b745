# SPDX-License-Identifier: Apache-2.0
"""Every system call number, tried under the filters of a running cell: only what the policy lists does anything."""

import os
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("CELLA_BUILD", ROOT / "build" / "release"))
PROBE = BUILD / "boundary" / "cella-syscall-probe"


def lines(*arguments):
    done = subprocess.run([PROBE, *arguments], check=True, capture_output=True, text=True, timeout=120)
    return [line.split("\t") for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def tries():
    return lines()


def test_every_number_was_tried(tries):
    assert {int(row[1]) for row in tries if row[2] == "zeros"} == set(range(471))


# Linux 6.11 and later let their own trampolines' calls pass every filter; outside of a trampoline they only fail.
EXEMPT = {335: "uretprobe", 336: "uprobe"}


def test_every_outcome_is_the_policys(tries):
    wrong = [row for row in tries if row[3] != row[4] and int(row[1]) not in EXEMPT]
    assert wrong == []


@pytest.mark.parametrize("name, label, outcome", [
    ("open", "path", "13"), ("openat", "path", "13"), ("newfstatat", "path", "2"), ("newfstatat", "empty path", "2"),
    ("execve", "path", "13"), ("socket", "inet", "13"), ("ptrace", "traceme", "kill"), ("unshare", "user", "kill"),
    ("io_uring_setup", "plain", "kill"), ("recvmsg", "control", "kill"), ("sendto", "control", "allow"),
    ("sendto", "output", "kill"), ("write", "output", "allow"), ("write", "control, high bits", "9"),
    ("close", "control, high bits", "9"), ("mmap", "code, high bits", "13"), ("clone", "thread", "allow"),
    ("clone", "thread in a namespace", "kill"), ("clone", "process", "1"), ("ftruncate", "to a hole", "1"),
    ("clone", "nothing shared", "kill"), ("clone", "alone: thread", "1"), ("clone", "coarse: thread", "1"),
    ("clock_gettime", "monotonic", "allow"), ("clock_gettime", "coarse: monotonic", "1"),
    ("clock_gettime", "coarse: real time", "1"), ("clock_gettime", "coarse: processor time", "1"),
    ("clock_gettime", "coarse: another process", "1"), ("clock_gettime", "coarse: coarse, high bits", "1"),
    ("clock_gettime", "coarse: coarse", "allow"), ("gettimeofday", "coarse: plain", "1"),
    ("getrusage", "coarse: plain", "1"), ("mmap", "coarse: code", "13"), ("unshare", "coarse: user", "kill"),
    ("getpid", "x32", "kill"), ("seccomp", "zeros", "kill"), ("prctl", "name", "1"), ("clone3", "zeros", "38"),
])
def test_the_ones_that_matter(tries, name, label, outcome):
    assert [row[4] for row in tries if row[0] == name and row[2] == label] == [outcome]


def test_the_document_lists_the_same_calls():
    text = (ROOT / "docs" / "cells.md").read_text(encoding="utf-8")
    documented = {action: set(names.split()) for action, names in
                  re.findall(r"^```calls ([A-Za-z]+)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)}
    names = {2: "ENOENT", 1: "EPERM", 13: "EACCES", 38: "ENOSYS", 25: "ENOTTY", 10: "ECHILD"}
    policy: dict[str, set[str]] = {}
    for name, _, action, when in lines("--policy"):
        kind = "conditional" if when == "sometimes" else "allow" if action == "allow" else names[int(action)]
        policy.setdefault(kind, set()).add(name)
    assert documented == policy
