# SPDX-License-Identifier: Apache-2.0
"""System calls from inside real cells, by a script that has taken its interpreter over: nothing but the documented list
does anything."""

from __future__ import annotations

import errno
import pathlib
import signal
import sys

import pytest
from zygote_driver import Limits, ZygoteDriver

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "escapes"))
import corpus

LAST_NUMBER = 470
EXEMPT = {335, 336}  # the kernel's own trampolines, see docs/cells.md section 3
ENDS = {"exit", "exit_group", "rt_sigreturn"}
CONDITIONAL_KILLS = {"sendto"}  # without arguments it is not on the socket


@pytest.fixture(scope="module", params=corpus.there())
def zygote(request):
    with ZygoteDriver(request.param) as driver:
        yield driver


@pytest.fixture(scope="module")
def one():
    """The zygote for what does not depend on the profile."""
    with ZygoteDriver("python") as driver:
        yield driver


@pytest.mark.parametrize("profile", corpus.PROFILES)
def test_every_profile_was_attacked(profile):
    if not corpus.built(profile):
        pytest.skip(f"NO PROFILE: {profile} is not there, its cells were not attacked")


def ask(zygote, body, **options):
    """Run lines of Python after the primitive; ``found`` is what comes back."""
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    return zygote.run(f"{corpus.raw()}\ndef main():\n    found = []\n{lines}    return found\n", **options)


def result(zygote, body, **options):
    report = ask(zygote, body, **options)
    assert report.status == "DONE", report
    return report.result


def test_the_primitive_is_real(zygote):
    """It reads memory, and makes system calls that give the kernel's own answers; otherwise nothing below shows anything."""
    found = result(zygote, """
mark = bytes(b"mark-" * 3)
found += [read(id(mark) + 32, 15).decode(), syscall(39), syscall(102), syscall(39 + 0), call(libc.symbol("labs"), -7)]
page = syscall(9, 0, 4096, 3, 34, -1, 0)
write(page, b"written")
found += [read(page, 7).decode(), syscall(11, page, 4096), syscall(1, 99, page, 1), syscall(1, 0, 16, 1)]
""")
    assert found == ["mark-mark-mark-", 1, 65534, 1, 7, "written", 0, -errno.EBADF, 1]


class TestEveryNumber:
    def test_refusals_are_the_documented_errors(self, zygote):
        documented = corpus.documented_calls()
        wanted = {name: getattr(errno, kind) for kind, names in documented.items() if kind.startswith("E") for name in names}
        numbers = {name: corpus.call_number(name) for name in wanted}
        assert len(wanted) > 130
        found = result(zygote, f"""
path, room, room2 = text("/etc/passwd"), buffer(8192), buffer(64)
plausible = [(0,) * 6, (path, room, 4096, room, 0, 0), (-100, path, room, 0, 0x1000, 0), (1, 1, 0, 0, 0, 0),
             (3, 3, room, 64, room2, 0), (2, 1, 0, room2, 0, 0)]
for name, number in {numbers!r}.items():
    found.append([name, sorted(set(syscall(number, *arguments) for arguments in plausible))])
""")
        assert dict(found) == {name: [-number] for name, number in wanted.items()}

    def test_allowed_ones_are_not_killed(self, zygote):
        names = corpus.documented_calls()["allow"] - ENDS
        numbers = {name: corpus.call_number(name) for name in names}
        found = result(zygote, f"""
time = buffer(64)
special = {{"select": (0, 0, 0, 0, time), "pselect6": (0, 0, 0, 0, time, 0), "ppoll": (0, 0, time, 0, 8), "times": (time,),
            "rt_sigprocmask": (0, 0, 0, 8), "nanosleep": (time, 0), "clock_nanosleep": (0, 0, time, 0)}}
for name, number in {numbers!r}.items():
    found.append([name, syscall(number, *special.get(name, (0, 0, 0, 0, 0, 0)))])
""")
        answers = dict(found)
        assert set(answers) == names
        assert answers["getppid"] == 0 and answers["ppoll"] == 0 and answers["rt_sigprocmask"] == 0 and answers["times"] > 0
        assert errno.ENOSYS not in {-value for name, value in found}

    @pytest.mark.parametrize("name", sorted(ENDS))
    def test_the_ones_that_end_only_end(self, one, name):
        report = ask(one, f"syscall({corpus.call_number(name)}, 0)")
        assert report.status == "DIED" and report.signal in (0, signal.SIGSEGV)

    def test_all_others_are_the_end(self, one):
        """One cell each: 0 to 470 without the documented ones, from a script that runs."""
        documented = {corpus.call_number(name) for names in corpus.documented_calls().values() for name in names}
        others = [number for number in range(LAST_NUMBER + 1) if number not in documented | EXEMPT]
        assert len(others) > 150
        alive = {}
        for number in others:
            report = ask(one, f"found.append(syscall({number}, 0, buffer(4096), 1, 0, 0, 0))")
            if report.signal != signal.SIGSYS:
                alive[number] = report
        assert alive == {}

    def test_the_kernels_trampolines_only_fail(self, one):
        for number in sorted(EXEMPT):
            report = ask(one, f"found.append(syscall({number}))")
            assert report.signal or report.result[0] < 0, report

    @pytest.mark.parametrize("number", [0, 1, 2, 9, 39, 59, 101, 512, 520, 525, 547])
    def test_x32_is_the_end(self, one, number):
        assert ask(one, f"syscall({number} | 0x40000000, 0, 0, 0)").signal == signal.SIGSYS

    @pytest.mark.parametrize("number", [1, 3, 4, 5, 11, 20, 120, 192])
    def test_32_bit_calls_are_the_end(self, one, number):
        """int 0x80 hides in the middle of other instructions of the C library."""
        if not corpus.has_int80():
            pytest.skip("NO INT80: this kernel has no 32-bit calls, they were not tried")
        report = ask(one, f"""
gate = libc.code(bytes.fromhex("cd80"))
assert gate
run_chain(_POP_RAX, {{}}, {number}, gate)
""")
        assert report.signal == signal.SIGSYS, report

    def test_numbers_with_other_upper_bits(self, one):
        """The kernel looks at 32 bits of a number; so does the filter."""
        for number in (39 + (1 << 32), 101 + (1 << 32), 1 << 31, (1 << 64) - 1, 548, 10_000):
            report = ask(one, f"found.append(syscall({number}))")
            assert report.signal == signal.SIGSYS or report.result in ([1], [-errno.ENOSYS]), (number, report)
            if number & 0xFFFFFFFF == 101:
                assert report.signal == signal.SIGSYS
