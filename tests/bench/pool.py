# SPDX-License-Identifier: Apache-2.0
"""Cells of each profile under load: paced, in a closed loop, several in flight, in a burst. No front, no courier."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import subprocess
import time
from collections.abc import Callable

import boxes
from cell import EMPTY, WARM, repeated
from measure import Options, Row, Sample, gather
from programs import profile_file

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PAUSE_MS = 10
BURST = 64
IN_FLIGHT = (1, 2, 4)
TAIL = 3.0
"""p99 is at most so many times p50."""


@dataclasses.dataclass(frozen=True)
class Profile:
    """A profile and what is wanted of it.

    Attributes:
        name: of the profile.
        result_ms: limit of the median from request to result on a quiet machine of the reference's kind; None for none.
        rate: tasks per second with as many in flight as there are processors, on 2 of them; None for none.
        peer: what one would start otherwise.
    """

    name: str
    result_ms: float | None
    rate: float | None
    peer: boxes.Peer


def profiles() -> tuple[Profile, ...]:
    """All of them."""
    bwrap = boxes.box("bwrap --unshare-all", "Debian package bubblewrap", boxes.BWRAP)
    return (
        Profile("python", 0.6, 2000, bwrap.prove()),
        Profile("numpy", None, None, boxes.bare("numpy").prove()),
        Profile("science", 1.0, 300, boxes.bare("numpy, pandas, sklearn").prove()),
    )


class Load:
    """The player of the monitor's part, cell_load.c, for one profile."""

    def __init__(self, options: Options, helper: pathlib.Path, profile: str) -> None:
        script = options.scratch / "empty.py"
        script.write_bytes(EMPTY)
        self._start = [helper, options.build / "bin" / "cella-zygote", profile_file(profile), script]
        self.used_s = 0.0
        self.tasks = 0

    def _play(self, *words: object) -> list[list[float]]:
        done = subprocess.run([*self._start, *map(str, words)], capture_output=True, text=True, timeout=300)
        if done.returncode != 0:
            raise RuntimeError(done.stderr.strip() or f"cell_load left with {done.returncode}")
        return [[float(word) for word in line.split()] for line in done.stdout.splitlines()]

    def paced(self, count: int) -> tuple[list[float], list[float]]:
        """Milliseconds to the results, and to the ends of the cells."""
        lines = self._play("pool", count, WARM, PAUSE_MS)
        return [line[0] / 1e6 for line in lines], [line[1] / 1e6 for line in lines]

    def loop(self, count: int, in_flight: int) -> list[float]:
        """Milliseconds from request to result when each result brings the next request."""
        return [line[0] / 1e6 for line in self._play("queue", count, in_flight, in_flight, WARM)]

    def burst(self, in_flight: int) -> list[float]:
        """Milliseconds to the last result of a burst."""
        return [max(line[1] for line in self._play("queue", BURST, BURST, in_flight, WARM)) / 1e6]

    def rate(self, seconds: float, in_flight: int) -> list[float]:
        """Tasks per second, for so many seconds."""
        tasks, passed, used = self._play("rate", seconds, in_flight, in_flight)[0]
        self.tasks += int(tasks)
        self.used_s += used
        return [tasks / passed]


def build_helper(options: Options) -> pathlib.Path:
    """Compile cell_load.c with the build's libraries."""
    target = options.scratch / "cell_load"
    done = subprocess.run(
        ["gcc", "-std=gnu17", "-O2", "-D_GNU_SOURCE", "-I", ROOT / "executor", HERE / "cell_load.c", "-o", target,
         options.build / "libcella_cell.a", options.build / "libcella_base.a"], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"cell_load.c does not compile: {done.stderr.strip().splitlines()[0]}")
    return target


def latencies(options: Options, profile: Profile, load: Load) -> list[Row]:
    """One request at a time with pauses; and in a closed loop."""
    ends: list[float] = []

    def paced() -> list[float]:
        results, released = load.paced(options.count(200))
        ends.extend(released)
        return results

    measures: list[Callable[[], list[float]]] = [paced]
    measures += [lambda k=k: load.loop(options.count(500), k) for k in IN_FLIGHT]  # type: ignore[misc]
    results, *loops = gather(1 if options.quick else 3, measures, patience=options.patience, budget_s=options.budget_s / 3, first_counts=True)
    sample, what = Sample.of(results), f"{profile.name} profile, empty function"
    rows = [
        Row("pool", f"{what}, paced, to the result", "ms", sample, limit=profile.result_ms),
        Row("pool", f"{what}, paced, p99 by p50", "times", Sample.of([sample.p99 / sample.p50]), limit=TAIL,
            note=f"{sample.count} values"),
        Row("pool", f"{what}, paced, to the end of the cell", "ms", Sample.of(ends)),
    ]
    return rows + [Row("pool", f"{what}, closed loop, {k} in flight, to the result", "ms", Sample.of(found))
                   for k, found in zip(IN_FLIGHT, loops)]


def rates(options: Options, profile: Profile, load: Load) -> list[Row]:
    """Sustained, beside the peer as often at a time."""
    seconds = 0.5 if options.quick else 2.0
    peer, processors = profile.peer, os.cpu_count() or 1
    measures: list[Callable[[], list[float]]] = [lambda k=k: load.rate(seconds, k) for k in IN_FLIGHT]  # type: ignore[misc]
    if not peer.missing:
        measures.append(lambda: [peer_rate(peer, 2 * seconds, processors)])
    found = gather(1 if options.quick else 3, measures, patience=options.patience, budget_s=options.budget_s / 3, first_counts=True)
    cost = f"{load.used_s / load.tasks * 1000:.2f} ms of processor time per task" if load.tasks else ""
    rows = []
    for k, values in zip(IN_FLIGHT, found):
        what = f"{profile.name} profile, sustained, {k} in flight"
        if k == processors:
            rows.append(Row("pool", what, "tasks/s", Sample.of(values), peer.label,
                            None if peer.missing else Sample.of(found[-1]), note=cost))
            if profile.rate is not None:
                rows.append(Row("pool", what, "tasks/s", Sample.of(values), limit=profile.rate, note="limit for 2 processors"))
        else:
            rows.append(Row("pool", what, "tasks/s", Sample.of(values)))
    return rows


def peer_rate(peer: boxes.Peer, seconds: float, in_flight: int) -> float:
    """Runs of a peer per second."""
    assert peer.command is not None
    return repeated(peer.command(0), seconds, in_flight)


def bursts(options: Options, profile: Profile, load: Load) -> Row:
    """Many requests at once to a pool that did nothing."""
    processors, peer = os.cpu_count() or 1, profile.peer
    beside = profile.name == "python" and peer.command is not None

    def others() -> list[float]:
        assert peer.command is not None
        command, begun, running, left = peer.command(0), time.perf_counter(), [], BURST
        while left or running:
            while left and len(running) < processors:
                running.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL))
                left -= 1
            running.pop(0).wait()
        return [(time.perf_counter() - begun) * 1000]

    measures: list[Callable[[], list[float]]] = [lambda: load.burst(processors)]
    values = gather(options.count(15), [*measures, *([others] if beside else [])], patience=options.patience,
                    budget_s=options.budget_s / 6, first_counts=True)
    return Row("pool", f"{profile.name} profile, {BURST} requests at once, to the last result", "ms", Sample.of(values[0]),
               f"{peer.name}, {BURST} times" if beside else "", Sample.of(values[1]) if beside else None,
               note=f"{processors} at a time, {WARM} warm cells at the beginning")


def measure(options: Options) -> list[Row]:
    """All rows of this subject."""
    helper = build_helper(options)
    rows = []
    for profile in profiles():
        try:
            load = Load(options, helper, profile.name)
            load.burst(1)
        except (OSError, RuntimeError) as problem:
            rows.append(Row("pool", f"{profile.name} profile, empty function, paced, to the result", "ms", None,
                            limit=profile.result_ms, note=f"there is no profile {profile.name} here: {problem}"))
            continue
        rows += latencies(options, profile, load) + rates(options, profile, load) + [bursts(options, profile, load)]
    return rows
