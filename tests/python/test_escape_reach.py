# SPDX-License-Identifier: Apache-2.0
"""What a script that owns its process reaches beyond it: descriptors, the control socket, code, inputs, threads, others."""

from __future__ import annotations

import errno
import os
import pathlib
import signal
import sys
import time

import pytest
import zygote_driver
from zygote_driver import Limits, ZygoteDriver

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "escapes"))
import corpus


@pytest.fixture(scope="module", params=corpus.there())
def zygote(request):
    with ZygoteDriver(request.param) as driver:
        yield driver


def script(body, parameters=""):
    """A script around lines of Python that have the primitive; ``found`` is what comes back."""
    lines = "".join(f"    {line}\n" for line in body.strip("\n").splitlines())
    return f"{corpus.raw()}\nimport time\ndef main({parameters}):\n    found = []\n{lines}    return found\n"


def result(zygote, body, parameters="", **options):
    report = zygote.run(script(body, parameters), **options)
    assert report.status == "DONE", report
    return report.result


class TestDescriptors:
    SCAN = """
facts = buffer(256)
for number in range(4096):
    if syscall(5, number, facts) == 0:
        found.append([number, _struct.unpack("<I", read(facts + 24, 4))[0] >> 12, read64(facts + 40)])
"""

    def test_only_the_declared_ones_are_open(self, zygote):
        """Character device 1:3 is /dev/null, 8 a file (the outputs), 12 a socket."""
        found = result(zygote, "out.write(b'1')\nother.write(b'2')" + self.SCAN, "data, out, other", inputs={"data": b"x"},
                       outputs=["out", "other"])
        null = os.stat("/dev/null").st_rdev
        assert found == [[0, 2, null], [1, 2, null], [2, 2, null], [3, 8, 0], [4, 8, 0], [128, 12, 0]]

    def test_none_beyond_hides_behind_upper_bits(self, zygote):
        assert result(zygote, """
room = buffer(64)
for number in (128, 128 + (1 << 32), 128 + (1 << 63), 64, 192, 4096 + 128):
    for call in (0, 1, 17, 18, 3):
        found.append(syscall(call, number, room, 1, 0))
    for call in (19, 20, 295, 296):
        found.append(syscall(call, number, room, 0, 0, 0))
""") == [-errno.EBADF] * (6 * 9)

    def test_the_dead_ends_are_dead(self, zygote):
        """The one open file that all cells of a zygote have in common keeps nothing."""
        leave = "for number in (0, 1, 2):\n    found += [syscall(1, number, text('left'), 4), syscall(8, number, 7, 0)]"
        assert result(zygote, leave) == [4, 0] * 3
        assert result(zygote, "room = buffer(8)\nfor number in (0, 1, 2):\n"
                              "    found += [syscall(8, number, 0, 1), syscall(0, number, room, 4)]") == [0, 0] * 3

    def test_outputs_of_another_task_are_other_files(self, zygote):
        found = [zygote.run(script("out.write(b'x')\nfacts = buffer(256)\nsyscall(5, 3, facts)\nfound.append(read64(facts + 8))",
                                   "out"), outputs=["out"]).result for _ in range(2)]
        assert found[0] != found[1]

    def test_a_hole_of_a_tebibyte(self, zygote):
        """Far offsets by every call that takes one; the limit is the file's size."""
        report = zygote.run(script("""
out.write(b"x")
room, vector = buffer(8), buffer(16)
write64(vector, room, 8)
syscall(13, 25, text("\\x01" + "\\0" * 40), 0, 8)
for offset in (100000, 1 << 40, (1 << 63) - 9):
    found += [syscall(18, 3, room, 8, offset), syscall(296, 3, vector, 1, offset, 0), syscall(77, 3, offset)]
    found += [syscall(8, 3, offset, 0) == offset, syscall(1, 3, room, 8)]
found.append(syscall(8, 3, 0, 2))
""", "out"), outputs=["out"], limits=Limits(output_bytes=100000))
        assert report.result[-1] == 1
        assert {value for value in report.result[:-1] if value is not True} == {-errno.EFBIG, -errno.EPERM}
        assert report.outputs["out"] == b"x"

    def test_an_output_can_not_grow_through_a_mapping(self, zygote):
        report = zygote.run(script("out.write(b'x')\npage = syscall(9, 0, 1 << 20, 3, 1, 3, 0)\nwrite(page, b'yy')\n"
                                   "found.append(read(page, 2).decode())\nwrite(page + 4096, b'z')", "out"), outputs=["out"])
        assert report.signal == signal.SIGBUS and report.outputs["out"] == b"y"


class TestTheControlSocket:
    @pytest.mark.parametrize("call", [45, 46, 47, 48, 49, 50, 51, 52, 54, 55, 299, 307])
    def test_nothing_but_sending(self, zygote, call):
        assert zygote.run(script(f"syscall({call}, 128, buffer(4096), 64, 0x40, 0, 0)")).signal == signal.SIGSYS

    def test_only_the_socket(self, zygote):
        for number in (0, 3, 64, 127, 129, 192, 1 << 32):
            assert zygote.run(script(f"syscall(44, {number}, text('\\x02x'), 2, 0x40, 0, 0)")).signal == signal.SIGSYS, number
        assert zygote.run(script("syscall(44, 128 | 1 << 32, text('\\x02x'), 2, 0x40, 0, 0)")).log == "x"

    def test_an_address_leads_nowhere_else(self, zygote):
        """sendto with the address of an abstract socket outside: what arrives, arrives at the monitor."""
        import socket

        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as outside:
            outside.bind("\0cella-escape-test")
            outside.listen()
            outside.settimeout(0.2)
            report = zygote.run(script("""
address = _keep(_struct.pack("<H", 1) + b"\\0cella-escape-test")
syscall(44, 128, _keep(b"\\x02sent"), 5, 0x40, address, 20)
"""))
            assert report.log == "sent" or report.status == "DONE"
            with pytest.raises(TimeoutError):
                outside.accept()

    def test_flags_change_nothing(self, zygote):
        """A packet arrives once or not at all, whatever is asked for; out of band there is nothing."""
        report = zygote.run(script("""
packet = _keep(b"\\x02.")
for bit in range(32):
    found.append(syscall(44, 128, packet, 2, 1 << bit | 0x4000, 0, 0))
"""))
        sent = [value for value in report.result if value > 0]
        assert set(report.result) <= {2, -errno.EOPNOTSUPP, -errno.EINVAL, -errno.EAGAIN} and report.result[0] < 0
        assert report.log == "." * len(sent)

    def test_packets_of_any_size(self, zygote):
        found = result(zygote, """
room = syscall(9, 0, 1 << 24, 3, 34, -1, 0)
for size in (1 << 24, 1 << 22):
    found.append(syscall(44, 128, room, size, 0x40, 0, 0))
""")
        assert found == [-errno.EMSGSIZE] * 2


CODE = "b82a000000c3"  # mov eax, 42; ret


class TestCode:
    def test_code_can_be_called_where_it_may_be(self, zygote):
        """The same bytes, where the C library has them: otherwise the crashes below show nothing."""
        found = result(zygote, """
place = libc.code(bytes.fromhex("31c0c3"))  # xor eax, eax; ret
found.append(call(place))
""")
        assert found == [0]

    @pytest.mark.parametrize("make", [
        "place = syscall(9, 0, 4096, 3, 34, -1, 0)", "place = _stack", "place = _keep(bytes(64))",
        "place = libc.symbol('environ') if False else libpython.segments[-1][0]",
    ])
    def test_data_is_not_code(self, zygote, make):
        report = zygote.run(script(f"{make}\nwrite(place, bytes.fromhex('{CODE}'))\nfound.append(call(place))"))
        assert report.signal == signal.SIGSEGV, report

    def test_no_page_becomes_code(self, zygote):
        found = result(zygote, """
page = syscall(9, 0, 8192, 3, 34, -1, 0)
code = _syscall & ~4095
for protection in (4, 5, 6, 7, 4 | 1 << 32, 0x01000004, 0x02000005):
    found.append(syscall(10, page, 4096, protection))
    found.append(syscall(9, 0, 4096, protection, 34, -1, 0))
    found.append(syscall(9, 0, 4096, protection, 1, 3, 0))
    found.append(syscall(9, code, 4096, protection, 0x32, -1, 0))
""")
        assert found == [-errno.EACCES] * 28

    def test_loaded_code_can_not_be_written(self, zygote):
        assert zygote.run(script("write(_syscall, b'\\x90')")).signal == signal.SIGSEGV

    def test_what_was_made_writable_stays_data(self, zygote):
        """A script may spoil its own copy of a library; it can not run what it wrote there."""
        report = zygote.run(script(f"""
function = libc.symbol("labs")
page = function & ~4095
assert page != _syscall & ~4095 and call(function, -3) == 3
found += [syscall(10, page, 4096, 3)]
write(function, bytes.fromhex("{CODE}"))
found += [syscall(10, page, 4096, 5), syscall(10, page, 4096, 4)]
assert found == [0, -13, -13]
import cella
cella.log("written")
call(function, -3)
"""))
        assert report.log == "written\n" and report.signal == signal.SIGSEGV, report

    def test_moving_does_not_help(self, zygote):
        """mremap keeps what a page may do: moved data does not run, moved code can not be written."""
        move = "page = syscall(9, 0, 4096, 3, 34, -1, 0)\nwrite(page, bytes.fromhex('%s'))\n" \
               "code = syscall(25, page, 4096, 4096, 3, libc.symbol('labs') & ~4095)\nassert code > 0\ncall(code)" % CODE
        assert zygote.run(script(move)).signal == signal.SIGSEGV
        move = "code = syscall(25, libc.symbol('labs') & ~4095, 4096, 8192, 1, 0)\nassert code > 0\nwrite(code, b'x')"
        assert zygote.run(script(move)).signal == signal.SIGSEGV


class TestInputs:
    ADDRESS = "view = data.buffer()\nplace = read64(id(view) + 56)\nassert read(place, 7) == b'content'\n"

    @pytest.fixture
    def kept(self, monkeypatch):
        """Handles to the memory files that the driver makes, as another reader of the same input would have."""
        files = []
        make = zygote_driver.memory_file

        def keeping(*arguments, **options):
            file = make(*arguments, **options)
            files.append(os.dup(file))
            return file

        monkeypatch.setattr(zygote_driver, "memory_file", keeping)
        yield files
        for file in files:
            os.close(file)

    def contents(self, files):
        return [os.pread(file, 7, 0) for file in files]

    def test_no_call_makes_them_writable(self, zygote, kept):
        found = result(zygote, self.ADDRESS + """
page = place & ~4095
found += [syscall(10, page, 4096, 3), syscall(10, page, 4096, 2)]
copy = syscall(25, page, 0, 4096, 1, 0)
found += [copy > 0 or copy, syscall(10, copy, 4096, 3)]
found += [syscall(28, page, 4096, advice) for advice in (9, 14, 24, 25)]
""", "data", inputs={"data": b"content"})
        assert found[:2] == [-errno.EACCES] * 2 and found[2] in (True, -errno.EINVAL)
        assert found[3] in (-errno.EACCES, -errno.EINVAL)  # as the original, where a second view could be made
        assert found[4] < 0, "MADV_REMOVE made a hole in an input"
        assert b"content" in self.contents(kept)

    def test_writing_to_one_is_the_end(self, zygote, kept):
        report = zygote.run(script(self.ADDRESS + "write(place, b'changed')", "data"), inputs={"data": b"content"})
        assert report.signal == signal.SIGSEGV
        assert b"content" in self.contents(kept) and b"changed" not in self.contents(kept)

    def test_a_private_copy_stays_private(self, zygote, kept):
        assert result(zygote, self.ADDRESS + """
page = place & ~4095
assert syscall(9, page, 4096, 3, 0x32, -1, 0) == page
write(page, b"changed")
found.append(data.read().decode()[:7])
""", "data", inputs={"data": b"content"}) == ["changed"]
        assert b"content" in self.contents(kept) and b"changed" not in self.contents(kept)


class TestThreads:
    """clone with every flag that might make more than a thread of this process."""

    START = """
spin = libc.code(b"\\xeb\\xfe") or libpython.code(b"\\xeb\\xfe")
stacks = [syscall(9, 0, 65536, 3, 34, -1, 0) for _ in range(2)]
def clone(flags, stack=0):
    top = stacks[stack] + 65536 - 64
    write64(top, _POP_RDI, 60, _syscall)
    return syscall(56, flags, top, 0, 0, 0)
THREAD = 0x100 | 0x200 | 0x400 | 0x800 | 0x10000 | 0x40000
"""

    def test_a_thread_is_one(self, zygote):
        found = result(zygote, self.START + "found.append(clone(THREAD))")
        assert found[0] > 0

    @pytest.mark.parametrize("flag", [0x20000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000])
    def test_namespaces_are_the_end(self, zygote, flag):
        assert zygote.run(script(self.START + f"clone(THREAD | {flag})")).signal == signal.SIGSYS

    def test_processes_are_refused(self, zygote):
        """fork, vfork, a process that shares all but its number, with and without a parent of its own."""
        assert result(zygote, self.START + """
for flags in (17, 0, 0x4100, 0x100, 0x100 | 0x200 | 0x400 | 0x800, 0x8000 | 17, 0x2000 | 17, 0x10000000 | 17, 0x80000000 | 17,
              1 << 32, 17 | 1 << 33):
    found.append(clone(flags))
""") == [-errno.EPERM] * 11

    def test_a_thread_with_descriptors_of_its_own_gains_nothing(self, zygote):
        report = zygote.run(script(self.START + "found.append(clone(THREAD & ~0x400) > 0)\ntime.sleep(0.05)"))
        assert report.result == [True], report

    def test_their_number_is_limited(self, zygote):
        report = zygote.run(script(self.START + """
assert spin
for _ in range(200):
    stack = syscall(9, 0, 4096, 3, 34, -1, 0)
    write64(stack + 2048, spin)
    found.append(syscall(56, THREAD, stack + 2048, 0, 0, 0))
"""), limits=Limits(threads=4, cpu_s=3))
        assert sum(value > 0 for value in report.result) == 4, report
        assert report.result[4:] == [-errno.EAGAIN] * 196


    def test_native_ones_can_be_joined(self, zygote):
        """The C library waits for a thread's end with a futex that is refused here; it must look again, not give up."""
        found = result(zygote, """
thread = buffer(8)
found.append(call(libc.symbol("pthread_create"), thread, 0, libc.symbol("usleep"), 50000))
begun = time.monotonic()
found += [call(libc.symbol("pthread_join"), read64(thread), 0), time.monotonic() - begun]
""")
        assert found[:2] == [0, 0] and found[2] > 0.02

    def test_each_has_every_filter(self, zygote):
        """A filter holds the thread that set it and those that it starts: none may be there before the last one."""
        waiting = zygote.take()
        zygote.cells.append(waiting)
        assert len(self.filters(waiting)) == 1
        running = zygote.start("import threading, time\ndef main():\n    for _ in range(3):\n"
                               "        threading.Thread(target=time.sleep, args=(5,), daemon=True).start()\n"
                               "    time.sleep(5)")
        until = time.monotonic() + 10
        while len(found := self.filters(running[0])) < 4 and time.monotonic() < until:
            time.sleep(0.02)
        assert len(found) == 4 and len(set(found)) == 1 and found[0] > 0
        running[0].kill()
        zygote.collect(*running)

    @staticmethod
    def filters(cell):
        """How many filters each thread of a cell has."""
        number = next(line.split()[1] for line in open(f"/proc/self/fdinfo/{cell.handle}") if line.startswith("Pid:"))
        return [int(line.split()[1]) for thread in pathlib.Path(f"/proc/{number}/task").iterdir()
                for line in (thread / "status").read_text().splitlines() if line.startswith("Seccomp_filters:")]


class TestTheInterpretersHooks:
    """They are for clear words. Without them the kernel says the same in fewer."""

    def test_words_of_the_hook(self, zygote):
        report = zygote.run("def main(): open('/etc/passwd')")
        assert report.exception == "PermissionError" and "declared inputs" in report.message

    def test_without_them(self, zygote):
        """Take the list of hooks out of the runtime's state, wherever it is: a word that points at one hook of ours."""
        report = zygote.run(script("""
state, taken = libpython.symbol("_PyRuntime"), 0
for place in range(state, state + 0x2000, 8):
    hook = read64(place)
    if hook and hook % 16 == 0 and syscall(26, hook & ~4095, 4096, 1) == 0 and read64(hook) == 0:
        entry = read64(hook + 8)
        if _executable.base < entry < _executable.base + (1 << 23):
            write64(place, 0)
            taken += 1
assert taken == 1, taken
open("/etc/passwd")
""").replace("import time\n", "import time, _cell\n_executable = Library(read64(read64(id(_cell.log) + 16) + 8))\n", 1))
        assert report.exception == "PermissionError" and report.message == "[Errno 13] Permission denied: '/etc/passwd'", report


@pytest.fixture(scope="module")
def pair():
    """Two zygotes of one profile, as two function owners may have them."""
    with ZygoteDriver("python") as first, ZygoteDriver("python") as second:
        yield first, second


class TestOthers:
    def test_signals_reach_nobody(self, zygote):
        """Every call that signals, at every process a cell could name; a sibling sleeps on, the zygote serves on."""
        sleeper = zygote.start("import time\ndef main():\n    time.sleep(0.8)\n    return 'alive'")
        found = result(zygote, """
for who in (*range(-40, 40), os_pid):
    found += [syscall(62, who, 9), syscall(200, who, 9), syscall(234, who, who, 9)]
found = sorted(set(found))
""".replace("os_pid", str(zygote.process.pid)))
        assert found == [-errno.EPERM]
        for call in (129, 297, 424, 434, 310, 311, 101, 438, 312, 440):
            assert zygote.run(script(f"syscall({call}, 1, 9, buffer(256), 0, 0, 0)")).signal == signal.SIGSYS
        assert zygote.collect(*sleeper).result == "alive"
        assert zygote.process.poll() is None

    def test_nobody_is_seen(self, zygote):
        """What tells of other processes tells of this one only: process 1 of its own world."""
        assert result(zygote, """
found += [syscall(39), syscall(110), sorted({syscall(call, who) for call in (121, 124) for who in range(2, 300)}),
          sorted({syscall(140, 0, who) for who in range(2, 300)}), sorted({syscall(145, who) for who in range(2, 300)})]
room = buffer(64)
found.append(sorted({syscall(228, ~who << 3 | 2, room) for who in range(2, 300)}))
""") == [1, 0, [-errno.ESRCH], [-errno.ESRCH], [-errno.ESRCH], [-errno.EINVAL]]

    WAIT = """
place = libc.base + 4096 * 40
room = buffer(16)
write64(room, 2, 0)
found.append(syscall(202, place, {operation}, _struct.unpack("<I", read(place, 4))[0], room, 0, 0xFFFFFFFF))
"""
    WAKE = """
place, until = libc.base + 4096 * 40, time.monotonic() + 1.2
while time.monotonic() < until and not any(found):
    found.append(syscall(202, place, {operation}, 1000, 0, 0, 0xFFFFFFFF))
    time.sleep(0.02)
found = [max(found)]
"""

    def wake_the_other(self, first, second, wait, wake):
        """What the waiter gets, and how many the waker woke."""
        waiter = first.start(script(self.WAIT.format(operation=wait)))
        woken = second.run(script(self.WAKE.format(operation=wake)))
        waited = first.collect(*waiter)
        return (waited.result or [waited.signal])[0], (woken.result or [woken.signal])[0]

    def test_a_wait_inside_one_cell_is_woken(self, zygote):
        """The positive: on memory of its own a thread is woken, so that a wait elsewhere which is not shows something."""
        assert result(zygote, """
import threading
lock = threading.Lock()
lock.acquire()
threading.Thread(target=lambda: (time.sleep(0.05), lock.release())).start()
found.append(lock.acquire(timeout=5))
""") == [True]

    def test_cells_can_not_wake_each_other(self, pair):
        """A futex that is not private is known by file and offset, and all cells have the same libraries' files mapped."""
        for wait, wake in ((0, 1), (9, 10)):
            waited, woken = self.wake_the_other(*pair, wait, wake)
            assert waited != 0 and woken != 1

    def test_private_futexes_stay_private(self, pair):
        assert self.wake_the_other(*pair, 128, 129) == (-errno.ETIMEDOUT, 0)
