# SPDX-License-Identifier: Apache-2.0
"""Resident memory of each program: idle, with tasks, and while much data passes through."""

from __future__ import annotations

import collections
import contextlib
import os
import subprocess
import threading
import time
from collections.abc import Iterator

import cella
import memory_cells
from cella.functions import builtin_package
from measure import Options, Row, Sample
from programs import Host, client_command, memory, processes

TASKS = 16
FLAT_MIB = 8.0
"""More than this between the smallest and the largest data is not flat."""
SLEEPER = "import time\n\ndef main():\n    time.sleep(2)\n"
COPIER = "def main(data, copy):\n    while block := data.read(1 << 20):\n        copy.write(block)\n    return len(data)\n"
ROLES = ("host", "front", "monitor", "courier", "guard", "zygote", "cell")


def by_role(host: Host) -> dict[str, list[dict[str, int]]]:
    """Memory of the host's programs now."""
    found: dict[str, list[dict[str, int]]] = collections.defaultdict(list)
    for process in processes(host.process.pid):
        numbers = memory(process.pid)
        if numbers:
            found[process.role].append(numbers)
    return found


def role_rows(host: Host, when: str) -> list[Row]:
    """A row for each role, and one for all of them."""
    rows = []
    found = by_role(host)
    for role in ROLES:
        numbers = found.get(role, [])
        if numbers:
            rss = Sample.of([one["rss"] / 1024 for one in numbers])
            shared = [one["pss"] / 1024 for one in numbers if "pss" in one]
            note = f"{len(numbers)} processes; " if len(numbers) > 1 else ""
            note += f"PSS {sum(shared):.1f} MiB in all" if len(shared) == len(numbers) else "PSS: needs root"
            rows.append(Row("memory", f"{when}: {role}, RSS of one", "MiB", rss, note=note))
    everything = [one["pss"] / 1024 for numbers in found.values() for one in numbers if "pss" in one]
    if len(everything) == sum(map(len, found.values())):
        rows.append(Row("memory", f"{when}: all programs, PSS", "MiB", Sample.of([sum(everything)]),
                        note=f"{len(everything)} processes"))
    return rows


def settled(host: Host) -> None:
    """Wait until no task's leftovers are there."""
    time.sleep(1.0)
    host.process.poll()


def with_tasks(host: Host) -> list[Row]:
    """While tasks are there: as many run as there are processors, the others wait."""
    with host.connect() as executor:
        script = cella.Script.parse(SLEEPER, "sleeper.py")
        function = executor.functions.register(script.package())
        tasks = [executor.tasks.create(function, invoke=True) for _ in range(TASKS)]
        time.sleep(1.0)
        states = collections.Counter(task.refresh().state for task in tasks)
        rows = role_rows(host, f"{TASKS} tasks")
        rows[-1].note += "; " + ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
        for task in tasks:
            if not task.refresh().done:
                with contextlib.suppress(cella.CellaError):
                    task.cancel()
    return rows


def per_task(options: Options, host: Host) -> Row:
    """What a finished task leaves in the monitor."""
    count = options.count(1000)
    with host.connect() as executor:
        function = executor.functions.register(builtin_package("echo", arguments=["message"]))
        for _ in range(20):
            executor.tasks.create(function, arguments={"message": "x"}, invoke=True).result()
        before = by_role(host)["monitor"][0]["rss"]
        for _ in range(count):
            executor.tasks.create(function, arguments={"message": "x"}, invoke=True).result()
        after = by_role(host)["monitor"][0]["rss"]
    return Row("memory", "monitor, growth per finished task", "KiB", Sample.of([(after - before) / count]),
               note=f"over {count} echo tasks")


# Data


class Watch:
    """Highest VmHWM by role, looked up every few milliseconds, for processes that come and go."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop)
        self.client = 0
        self.peaks: dict[str, float] = {}

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Look meanwhile."""
        self._thread.start()
        try:
            yield
        finally:
            self._stop.set()
            self._thread.join()

    def _loop(self) -> None:
        while not self._stop.wait(0.01):
            for process in processes(self._host.process.pid):
                self._take(process.role, memory(process.pid))
            if self.client:
                self._take("client", memory(self.client))

    def _take(self, role: str, numbers: dict[str, int]) -> None:
        self.peaks[role] = max(self.peaks.get(role, 0.0), numbers.get("peak", 0) / 1024)


def pass_through(options: Options, mebibytes: int) -> tuple[dict[str, float], float]:
    """Send data through a task that copies it, with the command line client. Peaks by role in MiB; seconds."""
    with Host(options) as host:
        folder = host.state
        (folder / "copy.py").write_text(COPIER)
        block = os.urandom(1 << 20)
        with open(folder / "data", "wb") as file:
            for _ in range(mebibytes):
                file.write(block)
        command = client_command(
            "run", folder / "copy.py", "--at", host.address, "--trust", host.trust, "--identity", folder / "identity.json",
            "--input", f"data={folder / 'data'}", "--output", f"copy={folder / 'copy'}")
        watch = Watch(host)
        environment = {**os.environ, "TMPDIR": str(folder)}
        with watch.running():
            begun = time.monotonic()
            client = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            watch.client = client.pid
            said, _ = client.communicate()
            passed = time.monotonic() - begun
        if client.returncode != 0 or (folder / "copy").stat().st_size != mebibytes << 20:
            raise RuntimeError(f"{mebibytes} MiB did not come back: {said.decode(errors='replace').strip()}")
        return watch.peaks, passed


def data_rows(options: Options) -> list[Row]:
    """Peaks for growing data, each with an executor of its own."""
    sizes = (1, 64, 256) if options.quick else (1, 64, 1024, 2048)
    peaks: dict[int, dict[str, float]] = {}
    rows = []
    for size in sizes:
        try:
            peaks[size], passed = pass_through(options, size)
        except RuntimeError as problem:
            rows.append(Row("memory", f"{size} MiB up, through a task and down", "s", None, note=str(problem)[:200]))
            continue
        rows.append(Row("memory", f"{size} MiB up, through a task and down", "s", Sample.of([passed]),
                        note=f"{size / passed:.0f} MiB/s"))
    for role in ("front", "courier", "host", "monitor", "client"):
        found = {size: one[role] for size, one in peaks.items() if role in one}
        if not found:
            continue
        row = Row("memory", f"{role}, peak RSS with {max(found)} MiB of data", "MiB", Sample.of([found[max(found)]]),
                  note=", ".join(f"{size} MiB: {peak:.1f}" for size, peak in found.items()))
        if len(found) > 1:
            row.met = max(found.values()) - found[min(found)] <= FLAT_MIB
            row.note += f"; flat means at most {FLAT_MIB:.0f} MiB more than with the least"
        rows.append(row)
    return rows


def measure(options: Options) -> list[Row]:
    """All rows of this subject."""
    with Host(options) as host:
        settled(host)
        rows = role_rows(host, "idle")
        rows += with_tasks(host)
        rows.append(per_task(options, host))
    return rows + memory_cells.measure(options) + data_rows(options)
