# SPDX-License-Identifier: Apache-2.0
"""Samples, pairs of measurements, and the rows that come out."""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import math
import os
import pathlib
import platform
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any


@dataclasses.dataclass(frozen=True)
class Options:
    """What every subject gets.

    Attributes:
        build: folder of the build: bin/ and the libraries.
        quick: fewer and smaller measurements; figures are rough.
        scratch: an empty folder on a disk.
        shm: an empty folder in memory (tmpfs), None where there is none.
    """

    build: pathlib.Path
    quick: bool
    scratch: pathlib.Path
    shm: pathlib.Path | None

    def count(self, full: int) -> int:
        """Number of repetitions."""
        return max(3, full // 5) if self.quick else full

    @property
    def patience(self) -> int:
        """How many times the repetitions may be done again while medians are not steady."""
        return 1 if self.quick else 3

    @property
    def budget_s(self) -> float:
        """Seconds after which one interleaving has enough, with at least 3 rounds: for machines that are slow or busy."""
        return 15.0 if self.quick else 180.0


STEADY = 0.05
"""A median is steady when it is known to this part of itself, with 95 % confidence."""
LESS = frozenset({"ms", "s", "MiB", "KiB", "times"})
"""Units of which less is better; of all others (rates) more is."""


@dataclasses.dataclass(frozen=True)
class Sample:
    """What was measured of one side, in the row's unit.

    Attributes:
        p50, p99: percentiles; with less than 100 values p99 is the largest.
        count: number of values.
        least: the smallest value.
        low, high: where the median of very many values would be, with 95 % confidence. Taken from the ranks, so nothing
            is assumed about how values are distributed; with less than 6 values the smallest and the largest, which is
            less than 95 % (75 % with 3).
    """

    p50: float
    p99: float
    count: int
    least: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Sample:
        """The sample of some values."""
        ordered = sorted(values)
        count = len(ordered)
        if count == 0:
            raise ValueError("no values")
        reach = 0.98 * math.sqrt(count)  # 1.96 standard deviations of the number of values below the median
        first, last = math.floor(count / 2 - reach), math.ceil(count / 2 + reach)
        return cls(_rank(ordered, 0.50), _rank(ordered, 0.99), count, ordered[0], ordered[max(0, first)],
                   ordered[min(count - 1, last)])

    @property
    def spread(self) -> float:
        """Half the width of the median's confidence interval, as a part of the median."""
        return (self.high - self.low) / 2 / self.p50 if self.p50 else 0.0

    @property
    def steady(self) -> bool:
        """Whether the median is known well enough; a single value says nothing about that."""
        return self.count == 1 or self.spread <= STEADY


def _rank(ordered: Sequence[float], part: float) -> float:
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)]


@dataclasses.dataclass
class Row:
    """One line of the table.

    Attributes:
        subject: name of the benchmark.
        what: what Cella did.
        unit: one of LESS ("ms", "MiB" ...), or a rate ("GB/s", "tasks/s" ...).
        cella: Cella's sample; None where it could not be measured.
        peer: what one would use otherwise, "" for none.
        other: the peer's sample; None when it is missing.
        goal: smallest acceptable ratio, None for none.
        ratio: how many times better Cella is than the peer, median against median.
        met: whether the goal or the limit is met; None without one.
        note: for the reader.
        limit: largest acceptable median of Cella's (of a rate: the smallest), in the unit; None for none.
        ratio_low, ratio_high: the ratio with each median at the bad and at the good end of its confidence interval.
        sure: whether met would be the same at both ends; None where met is.
    """

    subject: str
    what: str
    unit: str
    cella: Sample | None
    peer: str = ""
    other: Sample | None = None
    goal: float | None = None
    ratio: float | None = None
    met: bool | None = None
    note: str = ""
    limit: float | None = None
    ratio_low: float | None = None
    ratio_high: float | None = None
    sure: bool | None = None

    def __post_init__(self) -> None:
        if self.goal is not None and self.limit is not None:
            raise ValueError(f"{self.what}: a goal and a limit in one row")
        if self.cella is None:
            return
        if self.limit is not None:
            self._judge(self.limit, self.cella.p50, self.cella.low, self.cella.high, self.unit not in LESS)
        if self.other is None:
            return
        ours, theirs = self.cella, self.other
        if self.unit in LESS:
            tops, bottoms = (theirs.p50, theirs.low, theirs.high), (ours.p50, ours.high, ours.low)
        else:
            tops, bottoms = (ours.p50, ours.low, ours.high), (theirs.p50, theirs.high, theirs.low)
        if all(bottoms):
            self.ratio, self.ratio_low, self.ratio_high = (top / bottom for top, bottom in zip(tops, bottoms))
            if self.goal is not None:
                self._judge(self.goal, self.ratio, self.ratio_low, self.ratio_high, True)

    def _judge(self, wanted: float, middle: float, low: float, high: float, more: bool) -> None:
        reached = [value >= wanted if more else value <= wanted for value in (middle, low, high)]
        self.met = reached[0]
        self.sure = all(reached) or not any(reached)

    @property
    def steady(self) -> bool:
        """Whether both medians are known well enough. Sizes are not repeated: their values are of different processes."""
        return self.unit in ("MiB", "KiB") or all(sample.steady for sample in (self.cella, self.other) if sample is not None)

    def as_json(self) -> dict[str, Any]:
        """For the JSON file."""
        return {**dataclasses.asdict(self), "steady": self.steady}


Action = Callable[[], Any]


def timed(action: Action) -> float:
    """Milliseconds that an action takes."""
    begun = time.perf_counter_ns()
    action()
    return (time.perf_counter_ns() - begun) / 1e6


def interleave(count: int, *measures: Callable[[], float], pause_s: float = 0.0, patience: int = 1,
               budget_s: float = math.inf) -> list[list[float]]:
    """Call measures in turn, A B A B ..., so that whatever else the machine does falls on all of them.

    Args:
        count: rounds that count; one more goes before them.
        measures: each returns one value.
        pause_s: wait before each call.
        patience: as long as some median is not steady, do the rounds again, up to so many times in all.
        budget_s: begin no round after so long, once there are 3.

    Returns:
        For each measure its values, of all rounds: none is thrown away.
    """
    def one(measure: Callable[[], float]) -> Callable[[], list[float]]:
        return lambda: [measure()]

    return gather(count, [one(measure) for measure in measures], pause_s, patience, budget_s)


def gather(count: int, measures: Sequence[Callable[[], Sequence[float]]], pause_s: float = 0.0, patience: int = 1,
           budget_s: float = math.inf, first_counts: bool = False) -> list[list[float]]:
    """The same for measures that return several values at a time.

    Args:
        first_counts: no other round goes before those that count.
    """
    values: list[list[float]] = [[] for _ in measures]
    with collected():
        until = time.monotonic() + budget_s
        if not first_counts:
            _round(measures, pause_s)
        for turn in range(count * patience):
            if turn > 0 and turn % count == 0 and all(Sample.of(found).steady for found in values):
                break
            if turn >= 3 and time.monotonic() > until:
                break
            for place, found in enumerate(_round(measures, pause_s)):
                values[place] += found
    return values


def _round(measures: Sequence[Callable[[], Sequence[float]]], pause_s: float) -> list[Sequence[float]]:
    found = []
    for measure in measures:
        if pause_s:
            time.sleep(pause_s)
        found.append(measure())
    return found


@contextlib.contextmanager
def collected() -> Iterator[None]:
    """No garbage collection of this process meanwhile."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def start(arguments: Sequence[str | os.PathLike[str]], group: bool = False) -> int:
    """Start a program with nothing on its standard streams; cheaper than subprocess.

    Args:
        group: in a process group of its own.

    Returns:
        Its process id.
    """
    null = [(os.POSIX_SPAWN_OPEN, number, "/dev/null", os.O_RDWR, 0) for number in (0, 1, 2)]
    return os.posix_spawnp(arguments[0], list(arguments), os.environ, file_actions=null,
                           **({"setpgroup": 0} if group else {}))


def spawn(arguments: Sequence[str | os.PathLike[str]]) -> None:
    """Run a program to its end.

    Raises:
        RuntimeError: it failed.
    """
    _, status = os.waitpid(start(arguments), 0)
    if status != 0:
        raise RuntimeError(f"{' '.join(map(str, arguments))} failed with wait status {status}")


def program(name: str) -> str | None:
    """Path of a program, also where only root looks; None when it is not installed."""
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


def machine() -> dict[str, Any]:
    """What the figures depend on, without naming the machine."""
    model = ""
    with contextlib.suppress(OSError), open("/proc/cpuinfo") as file:
        model = next((line.partition(":")[2].strip() for line in file if line.startswith("model name")), "")
    flags = pathlib.Path("/proc/cpuinfo").read_text() if os.path.exists("/proc/cpuinfo") else ""
    return {
        "processor": model,
        "processors": os.cpu_count(),
        "virtual": "hypervisor" in flags,
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load": [round(load, 2) for load in os.getloadavg()],
    }
