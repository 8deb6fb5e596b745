# SPDX-License-Identifier: Apache-2.0
"""Zygote and cells as processes: birth, death, and what is left of them."""

import os
import signal
import socket
import struct
import time

import pytest
from zygote_driver import PYTHON, SPAWN, Limits, ZygoteDriver, memory_file, task_text


@pytest.fixture
def zygote():
    driver = ZygoteDriver("python")
    yield driver
    driver.close()


def process_of(cell):
    return int(next(line.split()[1] for line in open(f"/proc/self/fdinfo/{cell.handle}") if line.startswith("Pid:")))


def gone(number, timeout=5.0):
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        try:
            state = open(f"/proc/{number}/stat").read().rsplit(")", 1)[1].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


def test_ready_names_profile_version_and_layers(zygote):
    assert (zygote.profile, zygote.version) == ("python", "3.11.2")
    assert {"namespaces", "seccomp", "landlock", "capabilities", "rlimits", "undumpable"} <= zygote.layers


def test_cells_have_numbers_sockets_and_handles(zygote):
    cells = zygote.spawn(3)
    assert len({cell.number for cell in cells}) == 3
    assert len({process_of(cell) for cell in cells}) == 3


def test_the_zygote_is_in_a_box_itself(zygote):
    zygote.spawn(1)
    guard = zygote.process.pid
    inner = int(open(f"/proc/{guard}/task/{guard}/children").read().split()[0])
    for number, capabilities in ((guard, 0), (inner, 1 << 21)):  # CAP_SYS_ADMIN over its own namespaces
        status = dict(line.split(":", 1) for line in open(f"/proc/{number}/status"))
        assert (status["Seccomp"].strip(), status["NoNewPrivs"].strip()) == ("2", "1")
        assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == capabilities and int(status["CapBnd"], 16) == 0
    if os.geteuid() == 0:
        assert os.listdir(f"/proc/{inner}/root/") == [] and os.listdir(f"/proc/{guard}/fd") == []


def test_a_cell_serves_once(zygote):
    cell, targets = zygote.start("def main(): return 1")
    assert zygote.collect(cell, targets).result == 1


def test_exit_reports_use(zygote):
    report = zygote.run("def main():\n    x = bytearray(50 << 20)\n    n = 0\n    for i in range(3000000): n += i\n"
                        "    return n")
    assert report.signal == signal.SIGKILL  # after its last word a cell waits to be killed
    assert report.exit["peak_kib"] > 50 << 10
    assert 10_000 < report.exit["user_us"] + report.exit["system_us"] < 5_000_000


def test_an_unused_cell_ends_quietly(zygote):
    cell = zygote.take()
    cell.close()
    assert zygote.wait_exit(cell)["status"] == 0


@pytest.mark.parametrize("whom", ["guard", "zygote", "socket"])
def test_cells_die_with_their_zygote(whom):
    zygote = ZygoteDriver("python")
    warm, busy = zygote.spawn(2)
    cell, targets = zygote.start("def main():\n    while True: pass", limits=Limits(cpu_s=60))
    numbers = [process_of(warm), process_of(busy)]
    guard = zygote.process.pid
    inner = int(open(f"/proc/{guard}/task/{guard}/children").read().split()[0])
    if whom == "socket":
        zygote.link.close()
    else:
        os.kill(guard if whom == "guard" else inner, signal.SIGKILL)
    zygote.process.wait(10)
    assert all(gone(number) for number in [inner, *numbers])
    zygote.close()


def test_the_zygote_dies_with_its_starter():
    """The starter's socket stays open here, so only the death signal tells the zygote."""
    reading, writing = os.pipe()
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    starter = os.fork()
    if starter == 0:
        import subprocess

        from zygote_driver import PROFILES, ZYGOTE
        child = subprocess.Popen(["/bin/bash", "-c", f'exec "$0" "$@" 3<&{far.fileno()}', ZYGOTE, "--profile",
                                  PROFILES / "python.json"], pass_fds=(far.fileno(),))
        os.write(writing, str(child.pid).encode())
        signal.pause()
    guard = int(os.read(reading, 20))
    assert near.recv(1000)
    os.kill(starter, signal.SIGKILL)
    os.waitpid(starter, 0)
    assert gone(guard)
    far.close()
    assert near.recv(10) == b""
    near.close()


def test_a_zygote_ends_with_status_0_when_the_monitor_is_done(zygote):
    zygote.link.close()
    assert zygote.process.wait(10) == 0


@pytest.mark.parametrize("packet", [b"\x01", b"\x01\x00\x01\x02", b"\x01\x00\x01\x00\x00", b"\x09\x00\x01", struct.pack(">BHB", 2, 1, 0)])
def test_a_malformed_request_ends_the_zygote(zygote, packet):
    zygote.link.send(packet)
    assert zygote.process.wait(10) == 1


@pytest.mark.parametrize("text", [b"", b"\0\0\0\2", b"garbage" * 10])
def test_a_malformed_task_is_an_error(zygote, text):
    cell = zygote.take()
    file = memory_file(text)
    cell.send(file)
    report = zygote.collect(cell, {})
    assert report.status == "BAD_FORMAT"
    os.close(file)


def test_descriptors_that_do_not_fit_the_task(zygote):
    text = task_text(PYTHON, "main", b"def main(a): pass", b"{}", Limits(), [("a", 1, 0)], [])
    for count in (0, 2):
        cell = zygote.take()
        files = [memory_file(text)] + [memory_file(b"") for _ in range(count)]
        cell.send(*files)
        assert zygote.collect(cell, {}).status == "BAD_FORMAT"


def test_an_unsealed_input_is_refused(zygote):
    report = zygote.run("def main(a): return a.text()", inputs={"a": b"x"}, seal=False)
    assert report.status == "BAD_FORMAT" and "input" in report.message


def test_many_files(zygote):
    inputs = {f"i{n}": str(n).encode() for n in range(32)}
    outputs = [f"o{n}" for n in range(32)]
    report = zygote.run("def main(**f):\n    for n in range(32): f[f'o{n}'].write(f[f'i{n}'].read())", inputs=inputs,
                        outputs=outputs)
    assert report.status == "DONE", report
    assert report.outputs == {f"o{n}": str(n).encode() for n in range(32)}


def test_many_cells_in_a_row(zygote):
    for _ in range(50):
        assert zygote.run("def main(): return 1").result == 1
    zygote.link.send(struct.pack(">BHB", SPAWN, 20, 1))
    while len(zygote.cells) < 20:
        zygote._receive(20)
    numbers = [cell.number for cell in zygote.cells]
    assert len(set(numbers)) == 20
