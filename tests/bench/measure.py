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


@dataclasses.dataclass(frozen=True)
class Sample:
    """What was measured of one side, in the row's unit.

    Attributes:
        p50, p99: percentiles; with less than 100 values p99 is the largest.
        count: number of values.
    """

    p50: float
    p99: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Sample:
        """The sample of some values."""
        ordered = sorted(values)
        return cls(_rank(ordered, 0.50), _rank(ordered, 0.99), len(ordered))


def _rank(ordered: Sequence[float], part: float) -> float:
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)]


@dataclasses.dataclass
class Row:
    """One line of the table.

    Attributes:
        subject: name of the benchmark.
        what: what Cella did.
        unit: "ms" (less is better), "GB/s", "tasks/s" ... (more is better), or "MiB" (no ratio).
        cella: Cella's sample; None where it could not be measured.
        peer: what one would use otherwise, "" for none.
        other: the peer's sample; None when it is missing.
        goal: smallest acceptable ratio, None for none.
        ratio: how many times better Cella is than the peer, median against median.
        met: whether the goal is met; None without one.
        note: for the reader.
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

    def __post_init__(self) -> None:
        if self.cella is None or self.other is None:
            return
        better = (self.other.p50, self.cella.p50) if self.unit == "ms" else (self.cella.p50, self.other.p50)
        self.ratio = better[0] / better[1] if better[1] else None
        if self.goal is not None and self.ratio is not None:
            self.met = self.ratio >= self.goal

    def as_json(self) -> dict[str, Any]:
        """For the JSON file."""
        return dataclasses.asdict(self)


Action = Callable[[], Any]


def timed(action: Action) -> float:
    """Milliseconds that an action takes."""
    begun = time.perf_counter_ns()
    action()
    return (time.perf_counter_ns() - begun) / 1e6


def interleave(count: int, *measures: Callable[[], float], pause_s: float = 0.0) -> list[list[float]]:
    """Call measures in turn, A B A B ..., so that whatever else the machine does falls on all of them.

    Args:
        count: rounds that count; one more goes before them.
        measures: each returns one value.
        pause_s: wait before each call.

    Returns:
        For each measure its values.
    """
    values: list[list[float]] = [[] for _ in measures]
    with collected():
        for turn in range(count + 1):
            for place, measure in enumerate(measures):
                if pause_s:
                    time.sleep(pause_s)
                value = measure()
                if turn > 0:
                    values[place].append(value)
    return values


@contextlib.contextmanager
def collected() -> Iterator[None]:
    """No garbage collection of this process meanwhile."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def spawn(arguments: Sequence[str | os.PathLike[str]]) -> None:
    """Run a program to its end with nothing on its standard streams; cheaper than subprocess.

    Raises:
        RuntimeError: it failed.
    """
    null = [(os.POSIX_SPAWN_OPEN, number, "/dev/null", os.O_RDWR, 0) for number in (0, 1, 2)]
    process = os.posix_spawnp(arguments[0], list(arguments), os.environ, file_actions=null)
    _, status = os.waitpid(process, 0)
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
