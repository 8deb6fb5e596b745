# SPDX-License-Identifier: Apache-2.0
"""Streamed inputs in a real cell: pipes that the monitor hands in, read once, forward, in any amount of memory."""

from __future__ import annotations

import os
import struct
import time

import pytest
from zygote_driver import BUILTIN, PYTHON, ZYGOTE, Limits, Streamed, ZygoteDriver, memory_file, task_text

pytestmark = pytest.mark.skipif(not ZYGOTE.exists(), reason="cella-zygote is not built")
MIB = 1 << 20


@pytest.fixture(scope="module")
def zygote():
    with ZygoteDriver() as one:
        yield one


def noise(size: int) -> bytes:
    block = os.urandom(65536)
    return b"".join(struct.pack(">Q", at) + block[8:] for at in range(0, size, 65536))[:size]


def test_a_stream_arrives_whole(zygote):
    content = noise(5 * MIB + 3)
    for source in ("def main(x, y):\n    y.write(x.read())\n    return [len(x), x.tell(), x.seekable()]",
                   "def main(x, y):\n    while block := x.read(100_000): y.write(block)\n    return [x.size, x.tell(), False]",
                   "def main(x, y):\n    y.writelines(x)\n    return [x.size, x.tell(), False]",
                   "def main(x, y):\n    b = bytearray(1 << 20)\n    while n := x.readinto(b): y.write(memoryview(b)[:n])\n    return [x.size, x.tell(), False]"):
        report = zygote.run(source, inputs={"x": Streamed(content)}, outputs=["y"])
        assert (report.status, report.result) == ("DONE", [len(content), len(content), False]), report
        assert report.outputs["y"] == content


def test_descriptors_and_their_order(zygote):
    """Memory, streams and absent inputs in any order; outputs keep their numbers."""
    inputs = {"a": b"memory a", "b": Streamed(b"stream b"), "c": None, "d": Streamed(b"stream d"), "e": b"", "f": Streamed(b"")}
    source = ("def main(a, b, c, d, e, f, y, z):\n    y.write(b'first')\n    z.write(b'second')\n"
              "    return [d.text(), a.text(), b.text(), c, e.text(), f.text(), len(f)]")
    report = zygote.run(source, inputs=inputs, outputs=["y", "z"])
    assert report.result == ["stream d", "memory a", "stream b", None, "", "", 0], report
    assert report.outputs == {"y": b"first", "z": b"second"}


def test_as_many_as_there_may_be(zygote):
    inputs = {f"i{number}": Streamed(b"%d" % number) for number in range(32)}
    outputs = [f"o{number}" for number in range(32)]
    source = "def main(**given):\n    for n in range(32): given[f'o{n}'].write(given[f'i{n}'].read())\n"
    report = zygote.run(source, inputs=inputs, outputs=outputs)
    assert report.status == "DONE", report
    assert report.outputs == {f"o{number}": b"%d" % number for number in range(32)}


def test_larger_than_the_tasks_memory(zygote):
    content = noise(64 * MIB)
    source = "def main(x):\n    total = 0\n    while block := x.read(1 << 20): total += len(block)\n    return total"
    report = zygote.run(source, inputs={"x": Streamed(content, block=MIB)}, limits=Limits(memory_bytes=16 * MIB))
    assert (report.status, report.result) == ("DONE", 64 * MIB), report
    assert report.exit["peak_kib"] < 60 << 10


def test_what_does_not_fit_is_a_memory_error_that_says_so(zygote):
    source = "def main(x):\n    return len(x.read())"
    report = zygote.run(source, inputs={"x": Streamed(noise(64 * MIB), block=MIB)}, limits=Limits(memory_bytes=16 * MIB))
    assert (report.status, report.line) == ("LIMIT_MEMORY", 2), report
    assert f"{64 * MIB} bytes of input 'x' do not fit into the task's memory; it is a stream" in report.message


def test_the_first_line_is_there_at_once(zygote):
    """The script works while the rest is still on its way."""
    source = "import cella\ndef main(x):\n    cella.log(x.readline().decode())\n    return len(x.read())"
    begun = time.monotonic()
    cell, targets = zygote.start(source, inputs={"x": Streamed(b"first\n" + bytes(600_000), block=100_000, pause=0.2)})
    packet = cell.link.recv(65536)
    assert packet[1:].startswith(b"first\n") and time.monotonic() - begun < 0.8
    assert zygote.collect(cell, targets).result == 600_000


def test_an_early_end_is_the_scripts_oserror(zygote):
    source = "def main(x):\n    return len(x.read())"
    report = zygote.run(source, inputs={"x": Streamed(b"x" * 1000, size=2000)})
    assert (report.status, report.exception, report.line) == ("SCRIPT_FAILED", "OSError", 2), report
    assert "input 'x' ended after 1000 of 2000 bytes: it was not delivered completely" in report.message


def test_what_a_stream_can_not_do(zygote):
    for verb in ("x.buffer()", "(x.read(3), x.seek(0))", "(x.read(1), x.json())"):
        report = zygote.run(f"def main(x):\n    {verb}", inputs={"x": Streamed(b"[1, 2]")})
        assert (report.status, report.exception, report.line) == ("SCRIPT_FAILED", "io.UnsupportedOperation", 2), report
        assert "it is declared as a stream" in report.message
    assert zygote.run("def main(x):\n    x.seek(2)\n    return x.read(2).decode()", inputs={"x": Streamed(b"abcdef")}).result == "cd"


def test_a_script_may_leave_a_stream_unread(zygote):
    report = zygote.run("def main(x):\n    return x.size", inputs={"x": Streamed(noise(MIB))})
    assert (report.status, report.result) == ("DONE", MIB)


def test_a_waiting_reader_does_not_stop_other_threads(zygote):
    source = ("import threading\ndef main(x):\n    seen = []\n    thread = threading.Thread(target=lambda: seen.append(x.read()))\n"
              "    thread.start()\n    n = 0\n    while thread.is_alive(): n += 1\n    return [n > 1000, len(seen[0])]")
    report = zygote.run(source, inputs={"x": Streamed(b"x" * 100_000, block=50_000, pause=0.1)})
    assert report.result == [True, 100_000], report


def test_builtins_take_streams_into_memory(zygote):
    arguments = {"order": "ascending"}
    inputs = {"input_data1": Streamed(b"a\nb\nc\n"), "input_data2": b"b\nc\nd\n"}
    outputs = ["output_result1", "output_result2"]
    report = zygote.run(b"", "ordered_set_intersect", arguments, inputs, outputs, kind=BUILTIN)
    plain = zygote.run(b"", "ordered_set_intersect", arguments, {**inputs, "input_data1": b"a\nb\nc\n"}, outputs, kind=BUILTIN)
    assert report.status == plain.status == "DONE" and report.outputs == plain.outputs, report


def test_teaclave_scripts_read_streams(zygote):
    source = ("def entrypoint(argv):\n    with teaclave_open('x', 'rb') as f:\n        return f.readline() + '|' + f.read()\n")
    report = zygote.run(source, "entrypoint", inputs={"x": Streamed(b"one\ntwo")})
    assert report.result == "one\n|two", report


@pytest.mark.parametrize("wrong", ["memory file", "write end", "socket", "none"])
def test_a_stream_is_the_read_end_of_a_pipe(zygote, wrong):
    text = task_text(PYTHON, "main", b"def main(x): pass", b"{}", Limits(), [("x", 2, 5)], [])
    reader, writer = os.pipe()
    files = {"memory file": lambda: [memory_file(b"12345")], "write end": lambda: [writer],
             "socket": lambda: [os.dup(zygote.link.fileno())], "none": list}[wrong]()
    cell = zygote.take()
    cell.send(memory_file(text), *files)
    report = zygote.collect(cell, {})
    assert report.status == "BAD_FORMAT", report
    for file in {reader, writer, *files}:
        os.close(file)
