# SPDX-License-Identifier: Apache-2.0
"""Cells of each profile under load: paced, in a closed loop, several in flight, in a burst. No front, no courier."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import time
from collections.abc import Callable

import boxes
from cell import AHEAD, EMPTY, PAUSE_S, WARM, Pool, command, repeated
from measure import Options, Row, Sample, gather
from programs import profile_file

BURST = 64
IN_FLIGHT = (1, 2, 4)
PROCESSORS = 2
"""For which the wanted rates are."""
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

    def __init__(self, options: Options, profile: str) -> None:
        profile_file(options, profile)
        self._options, self._profile = options, profile
        self._start = command(options, profile, EMPTY)
        self.used_ms: list[float] = []

    def _play(self, *words: object) -> list[list[float]]:
        done = subprocess.run([*self._start, *map(str, words)], capture_output=True, text=True, timeout=300)
        if done.returncode != 0:
            raise RuntimeError(done.stderr.strip() or f"cell_load left with {done.returncode}")
        return [[float(word) for word in line.split()] for line in done.stdout.splitlines()]

    def paced(self, count: int) -> tuple[list[float], list[float]]:
        """Milliseconds to the results, and to the ends of the cells. The first task does not count."""
        results, ends = [], []
        with Pool(self._options, self._profile, EMPTY) as pool:
            pool.run()
            for _ in range(count):
                time.sleep(PAUSE_S)
                result, end = pool.run()
                results.append(result)
                ends.append(end)
        return results, ends

    def loop(self, count: int, in_flight: int) -> list[float]:
        """Milliseconds from request to result when each result brings the next request; not of the warm cells."""
        return [line[0] / 1e6 for line in self._play("queue", count + WARM, in_flight, in_flight, WARM)[WARM:]]

    def burst(self, in_flight: int) -> list[float]:
        """Milliseconds to the last result of a burst."""
        return [max(line[1] for line in self._play("queue", BURST, BURST, in_flight, WARM)) / 1e6]

    def rate(self, seconds: float, in_flight: int) -> list[float]:
        """Tasks per second, for so many seconds. Notes the processor time of a task, of zygote and cell together."""
        tasks, passed, used = self._play("rate", seconds, in_flight, AHEAD)[0]
        self.used_ms.append(used * 1000 / tasks)
        return [tasks / passed]


def rounds(options: Options, count: int, measures: list[Callable[[], list[float]]]) -> list[list[float]]:
    """Measures in turn, each with a new zygote: so there is nothing to warm up first, and few rounds do."""
    return gather(max(1, count // 5) if options.quick else count, measures, patience=options.patience,
                  budget_s=options.budget_s / 3, first_counts=True)


def latencies(options: Options, profile: Profile, load: Load) -> list[Row]:
    """One request at a time with pauses; and in a closed loop."""
    ends: list[float] = []
    tails: list[float] = []

    def paced() -> list[float]:
        results, released = load.paced(options.count(500))
        ends.extend(released)
        tails.append(Sample.of(results).p99 / Sample.of(results).p50)
        return results

    measures: list[Callable[[], list[float]]] = [paced]
    measures += [lambda k=k: load.loop(options.count(500), k) for k in IN_FLIGHT]  # type: ignore[misc]
    results, *loops = rounds(options, 3, measures)
    sample, what = Sample.of(results), f"{profile.name} profile, empty function"
    rows = [
        Row("pool", f"{what}, paced, to the result", "ms", sample, limit=profile.result_ms),
        Row("pool", f"{what}, paced, p99 by p50", "times", Sample.of(tails), limit=TAIL,
            note=f"batches of {options.count(500)} tasks"),
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
    found = rounds(options, 3, measures)
    rows = []
    for k, values in zip(IN_FLIGHT, found):
        what = f"{profile.name} profile, sustained, {k} in flight"
        if k == processors:
            rows.append(Row("pool", what, "tasks/s", Sample.of(values), peer.label,
                            None if peer.missing else Sample.of(found[-1])))
            if profile.rate is not None:
                rows.append(Row("pool", what, "tasks/s", Sample.of(values), limit=profile.rate,
                                note=f"limit for {PROCESSORS} processors"))
        else:
            rows.append(Row("pool", what, "tasks/s", Sample.of(values)))
    allowed = None if profile.rate is None else PROCESSORS / profile.rate * 1000
    rows.append(Row("pool", f"{profile.name} profile, sustained, processor time of zygote and cell per task", "ms",
                    Sample.of(load.used_ms), limit=allowed,
                    note="" if allowed is None else f"limit: what {profile.rate:g} tasks/s leave on {PROCESSORS} processors"))
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
    values = rounds(options, 15, [*measures, *([others] if beside else [])])
    return Row("pool", f"{profile.name} profile, {BURST} requests at once, to the last result", "ms", Sample.of(values[0]),
               f"{peer.name}, {BURST} times" if beside else "", Sample.of(values[1]) if beside else None,
               note=f"{processors} at a time, {WARM} warm cells at the beginning")


def measure(options: Options) -> list[Row]:
    """All rows of this subject."""
    rows: list[Row] = []
    for profile in profiles():
        try:
            load = Load(options, profile.name)
            load.burst(1)
        except (OSError, RuntimeError) as problem:
            rows.append(Row("pool", f"{profile.name} profile, empty function, paced, to the result", "ms", None,
                            limit=profile.result_ms, note=f"there is no profile {profile.name} here: {problem}"))
            continue
        rows += latencies(options, profile, load) + rates(options, profile, load) + [bursts(options, profile, load)]
    return rows
