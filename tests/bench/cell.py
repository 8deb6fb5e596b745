# SPDX-License-Identifier: Apache-2.0
"""A task in a cell, against other ways to start an isolated or a prepared Python.

cell_load.c plays the monitor for a real cella-zygote. Latency: one task at a time out of a pool of warm cells, which is
refilled after the task, as the monitor does. Two moments are taken: when the cell has said that the result is complete,
and when the cell has been killed and reaped. Rate: cold cells, made while tasks wait, as the monitor does under load.
"""

from __future__ import annotations

import os
import pathlib
import subprocess
import threading
import time

from measure import Options, Row, Sample, collected, interleave, program, spawn, timed

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
WARM = 4
"""Cells that the monitor keeps warm at most, by default."""
AHEAD = 2
"""Cells asked for beyond the tasks that run: tasks wait in the queue."""
PAUSE_S = 0.01
PYTHON = "/usr/bin/python3"
BWRAP = ["bwrap", "--unshare-all", "--ro-bind", "/usr", "/usr", "--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64",
         "/lib64", "--proc", "/proc", "--dev", "/dev", PYTHON, "-I", "-S", "-c", "pass"]
NUMPY = [PYTHON, "-I", "-c", "import numpy"]
SCIENCE = [PYTHON, "-I", "-c", "import numpy, pandas, sklearn"]
EMPTY = "def main():\n    pass\n"
USES_NUMPY = "import numpy\n\ndef main():\n    return float((numpy.arange(64.0).reshape(8, 8) @ numpy.ones(8)).sum())\n"


def helper(options: Options) -> pathlib.Path:
    """Compile cell_load.c with the build's libraries."""
    target = options.scratch / "cell_load"
    if not target.exists():
        libraries = [options.build / f"libcella_{name}.a" for name in ("cell", "confine", "base")]
        subprocess.run(["gcc", "-std=gnu17", "-O2", "-D_GNU_SOURCE", "-I", ROOT / "executor", HERE / "cell_load.c", "-o",
                        target, *libraries, "-lseccomp"], check=True)
    return target


def command(options: Options, profile: str, source: str) -> list[str | os.PathLike[str]]:
    """The helper with a zygote of a profile and a script."""
    script = options.scratch / "script.py"
    script.write_text(source)
    return [helper(options), options.build / "bin" / "cella-zygote", options.build / "bin" / "profiles" / f"{profile}.json",
            script]


class Pool:
    """A pool of warm cells."""

    def __init__(self, options: Options, profile: str, source: str) -> None:
        self.process = subprocess.Popen([*command(options, profile, source), "pool", str(WARM)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, bufsize=1)
        self._filled()

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *exception: object) -> None:
        self.process.communicate()

    def _filled(self) -> None:
        if self.process.stdout.readline() != "filled\n":  # type: ignore[union-attr]
            raise RuntimeError("cell_load failed")

    def run(self) -> tuple[float, float]:
        """Run one task. Milliseconds to the result, and to the end of the cell."""
        self.process.stdin.write("\n")  # type: ignore[union-attr]
        result, end = self.process.stdout.readline().split()  # type: ignore[union-attr]
        self._filled()
        return int(result) / 1e6, int(end) / 1e6


def sustained(options: Options, profile: str, seconds: float, in_flight: int) -> float:
    """Tasks per second in a closed loop."""
    words = [*command(options, profile, EMPTY), "rate", str(seconds), str(in_flight), str(AHEAD)]
    done, passed, _ = subprocess.check_output(words, text=True).split()
    return int(done) / float(passed)


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


def latency(options: Options, profile: str, source: str, what: str, name: str, peer: list[str], goal: float) -> list[Row]:
    """Cells of a profile against a program."""
    here = program(peer[0]) is not None
    ends: list[float] = []
    with Pool(options, profile, source) as pool:

        def cell() -> float:
            result, end = pool.run()
            ends.append(end)
            return result

        def other() -> float:
            return timed(lambda: spawn(peer)) if here else 0.0

        results, others = interleave(options.count(300 if goal < 200 else 50), cell, other, pause_s=PAUSE_S)
    sample = Sample.of(others) if here else None
    name = name if here else f"{name}: {peer[0]} is not installed"
    return [
        Row("cell", f"{what}, to the result", "ms", Sample.of(results), name, sample, goal),
        Row("cell", f"{what}, to the end of the cell", "ms", Sample.of(ends[1:]), name, sample),
    ]


def rate(options: Options, profile: str, name: str, peer: list[str]) -> Row:
    """Sustained rate with one task per processor in flight."""
    seconds = 1.0 if options.quick else 3.0
    in_flight = os.cpu_count() or 1
    here = program(peer[0]) is not None
    with collected():
        ours, theirs = interleave(
            options.count(5),
            lambda: sustained(options, profile, seconds, in_flight),
            lambda: repeated(peer, seconds, in_flight) if here else 0.0,
        )
    return Row("cell", f"{profile} profile, sustained, {in_flight} in flight", "cells/s", Sample.of(ours),
               name if here else f"{name}: {peer[0]} is not installed", Sample.of(theirs) if here else None)


def measure(options: Options) -> list[Row]:
    """All rows of this subject."""
    bwrap, numpy = "bwrap --unshare-all python3 -I -S -c pass", "python3 -I -c 'import numpy'"
    science = "python3 -I -c 'import numpy, pandas, sklearn'"
    rows = latency(options, "python", EMPTY, "python profile, empty function", bwrap, BWRAP, 15)
    rows += latency(options, "numpy", EMPTY, "numpy profile, empty function", numpy, NUMPY, 50)
    rows += latency(options, "numpy", USES_NUMPY, "numpy profile, function that uses numpy", numpy, NUMPY, 50)
    rates = [rate(options, "python", bwrap, BWRAP), rate(options, "numpy", numpy, NUMPY)]
    if (options.build / "bin" / "profiles" / "science.json").exists():
        rows += latency(options, "science", EMPTY, "science profile, empty function", science, SCIENCE, 500)
        rates.append(rate(options, "science", science, SCIENCE))
    return rows + rates
