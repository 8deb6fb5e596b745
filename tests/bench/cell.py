# SPDX-License-Identifier: Apache-2.0
"""A task in a warm cell, against other ways to start an isolated or a prepared Python.

This plays the monitor for a real cella-zygote: one task at a time out of a warm pool, which is refilled after the
task, as the monitor does. Two moments are taken: when the cell has said that the result is complete, and when the
cell has been killed and reaped, which is when the monitor releases the result.
"""

from __future__ import annotations

import os
import pathlib
import select
import sys
import threading
import time

from measure import Options, Row, Sample, collected, interleave, program, spawn, timed

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "python"))

WARM = 4
"""Cells that the monitor keeps warm by default."""
PAUSE_S = 0.01
PYTHON = "/usr/bin/python3"
BWRAP = ["bwrap", "--unshare-all", "--ro-bind", "/usr", "/usr", "--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64",
         "/lib64", "--proc", "/proc", "--dev", "/dev", PYTHON, "-I", "-S", "-c", "pass"]
NUMPY = [PYTHON, "-I", "-c", "import numpy"]
EMPTY = b"def main():\n    pass\n"
USES_NUMPY = b"import numpy\n\ndef main():\n    return float((numpy.arange(64.0).reshape(8, 8) @ numpy.ones(8)).sum())\n"


class Cells:
    """A zygote with warm cells."""

    def __init__(self, options: Options, profile: str) -> None:
        os.environ["CELLA_BUILD"] = str(options.build)
        import zygote_driver

        self._messages = zygote_driver
        self.zygote = zygote_driver.ZygoteDriver(profile)
        self.zygote.spawn(WARM)

    def __enter__(self) -> Cells:
        return self

    def __exit__(self, *exception: object) -> None:
        self.zygote.close()

    def text(self, source: bytes) -> bytes:
        """A task."""
        driver = self._messages
        return driver.task_text(driver.PYTHON, "main", source, b"{}", driver.Limits(), [], [])

    def start(self, text: bytes):  # noqa: ANN201 - a cell of the driver
        """Give a warm cell its task."""
        cell = self.zygote.cells.pop()  # the one that waited least, as the monitor
        file = self._messages.memory_file(text, seal=False)
        cell.send(file)
        os.close(file)
        return cell

    def read(self, cell) -> bool:  # noqa: ANN001
        """Read one message; True when it was the last one, and the cell has been killed as the monitor does."""
        packet = cell.link.recv(32768)
        if not packet or packet[0] == self._messages.ERROR:
            raise RuntimeError(f"a cell failed: {packet!r}")
        if packet[0] != self._messages.DONE:
            return False
        cell.kill()
        return True

    def run(self, text: bytes) -> tuple[float, float]:
        """Run one task. Milliseconds to the result, and to the end of the cell."""
        begun = time.perf_counter_ns()
        cell = self.start(text)
        while not self.read(cell):
            pass
        result = time.perf_counter_ns()
        self.zygote.wait_exit(cell)
        released = time.perf_counter_ns()
        cell.close()
        return (result - begun) / 1e6, (released - begun) / 1e6

    def refill(self) -> None:
        """What the monitor does when nothing runs."""
        missing = WARM - len(self.zygote.cells)
        if missing > 0:
            self.zygote.spawn(missing)

    def sustained(self, text: bytes, seconds: float, in_flight: int) -> float:
        """Tasks per second in a closed loop, refilled as the monitor does: when a task finds no warm cell."""
        running: dict[int, object] = {}
        dying: dict[int, object] = {}
        asked = done = 0
        poll = select.poll()
        poll.register(self.zygote.link, select.POLLIN)
        begun = time.monotonic()
        while (passed := time.monotonic() - begun) < seconds or running or dying:
            while passed < seconds and len(running) + len(dying) < in_flight and self.zygote.cells:
                cell = self.start(text)
                running[cell.link.fileno()] = cell
                poll.register(cell.link, select.POLLIN)
            if passed < seconds and len(running) + len(dying) < in_flight and asked == 0:
                self.zygote.link.send(b"\x01" + WARM.to_bytes(2, "big"))
                asked = WARM
            for descriptor, _ in poll.poll(1000):
                if descriptor == self.zygote.link.fileno():
                    have = len(self.zygote.cells)
                    self.zygote._receive(10)
                    asked -= len(self.zygote.cells) - have
                elif self.read(running[descriptor]):
                    poll.unregister(descriptor)
                    cell = running.pop(descriptor)
                    dying[cell.number] = cell
            for number in [number for number in dying if number in self.zygote.exits]:
                del self.zygote.exits[number]
                dying.pop(number).close()
                done += 1
        elapsed = time.monotonic() - begun
        while asked > 0:
            have = len(self.zygote.cells)
            self.zygote._receive(10)
            asked -= len(self.zygote.cells) - have
        return done / elapsed


def repeated(arguments: list[str], seconds: float, in_flight: int) -> float:
    """Runs of a program per second."""
    until = time.monotonic() + seconds
    counts = [0] * in_flight

    def loop(place: int) -> None:
        while time.monotonic() < until:
            spawn(arguments)
            counts[place] += 1

    begun = time.monotonic()
    threads = [threading.Thread(target=loop, args=(place,)) for place in range(in_flight)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.monotonic() - begun)


def latency(options: Options, profile: str, source: bytes, what: str, name: str, peer: list[str], goal: float) -> list[Row]:
    """Cells of a profile against a program."""
    here = program(peer[0]) is not None
    ends: list[float] = []
    with Cells(options, profile) as cells:
        text = cells.text(source)

        def cell() -> float:
            result, released = cells.run(text)
            ends.append(released)
            return result

        def refill() -> float:
            cells.refill()
            return 0.0

        def other() -> float:
            return timed(lambda: spawn(peer)) if here else 0.0

        results, _, others = interleave(options.count(300), cell, refill, other, pause_s=PAUSE_S)
    sample = Sample.of(others) if here else None
    name = name if here else f"{name}: {peer[0]} is not installed"
    return [
        Row("cell", f"{what}, to the result", "ms", Sample.of(results), name, sample, goal),
        Row("cell", f"{what}, to the end of the cell", "ms", Sample.of(ends[1:]), name, sample, goal),
    ]


def rate(options: Options, profile: str, name: str, peer: list[str]) -> Row:
    """Sustained rate with one task per processor in flight."""
    seconds = 1.0 if options.quick else 3.0
    in_flight = os.cpu_count() or 1
    here = program(peer[0]) is not None
    with Cells(options, profile) as cells, collected():
        text = cells.text(EMPTY)
        ours, theirs = interleave(
            options.count(5),
            lambda: cells.sustained(text, seconds, in_flight),
            lambda: repeated(peer, seconds, in_flight) if here else 0.0,
        )
    return Row("cell", f"{profile} profile, sustained, {in_flight} in flight", "cells/s", Sample.of(ours),
               name if here else f"{name}: {peer[0]} is not installed", Sample.of(theirs) if here else None)


def measure(options: Options) -> list[Row]:
    """All rows of this subject."""
    bwrap, numpy = "bwrap --unshare-all python3 -I -S -c pass", "python3 -I -c 'import numpy'"
    rows = latency(options, "python", EMPTY, "python profile, empty function", bwrap, BWRAP, 10)
    rows += latency(options, "numpy", EMPTY, "numpy profile, empty function", numpy, NUMPY, 50)
    rows += latency(options, "numpy", USES_NUMPY, "numpy profile, function that uses numpy", numpy, NUMPY, 50)
    return [*rows, rate(options, "python", bwrap, BWRAP), rate(options, "numpy", numpy, NUMPY)]
