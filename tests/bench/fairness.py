# SPDX-License-Identifier: Apache-2.0
"""One party's task while another party has many queued, through front and monitor."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import time
from multiprocessing.connection import Connection

import cella
from measure import Options, Row, Sample, gather, timed
from programs import Host

QUEUED = 200
"""Tasks that the busy party tries to have in the queue; it may be allowed fewer."""
TASK_MS = 20
SLEEPER = f"import time\n\ndef main():\n    time.sleep({TASK_MS / 1000})\n"
TURNS = 3.0
"""A task may wait for so many turns of the other party's tasks, which is far below their number."""


class Crowd:
    """The busy party: a process with a connection of its own, so that its requests do not take time from this one."""

    def __init__(self, host: Host) -> None:
        context = multiprocessing.get_context("fork")
        self._near, far = context.Pipe()
        self._process = context.Process(target=_crowd, args=(host, far), daemon=True)
        self._process.start()
        far.close()

    def __enter__(self) -> Crowd:
        return self

    def __exit__(self, *exception: object) -> None:
        self._near.close()
        self._process.join(20)
        if self._process.is_alive():
            self._process.kill()

    def fill(self) -> int:
        """Queue as many tasks as it may, up to QUEUED; their number."""
        return self._ask("fill")

    def left(self) -> int:
        """Tasks that are not over."""
        return self._ask("left")

    def clear(self) -> None:
        """Cancel what is not over."""
        self._ask("clear")

    def _ask(self, what: str) -> int:
        self._near.send(what)
        if not self._near.poll(120):
            raise RuntimeError("the busy party does not answer")
        answer = self._near.recv()
        if isinstance(answer, str):
            raise RuntimeError(f"the busy party failed: {answer}")
        return int(answer)


def _crowd(host: Host, link: Connection) -> None:
    """What the busy party's process does."""
    tasks: list[cella.Task] = []
    try:
        with host.connect() as executor:
            function = executor.functions.register(cella.Script.parse(SLEEPER, "sleeper.py").package())
            while True:
                what = link.recv()
                if what == "fill":
                    with contextlib.suppress(cella.LimitError):  # the queue, or its share of it, is full
                        while len(tasks) < QUEUED:
                            tasks.append(executor.tasks.create(function, invoke=True))
                    link.send(len(tasks))
                elif what == "left":
                    link.send(_unfinished(tasks))
                else:
                    for task in tasks:
                        with contextlib.suppress(cella.CellaError):
                            task.cancel()
                    tasks.clear()
                    link.send(0)
    except EOFError:
        pass
    except BaseException as problem:
        link.send(repr(problem))


def _unfinished(tasks: list[cella.Task]) -> int:
    """How many are not over, found by halves: they end in the order in which they were queued."""
    first, last = 0, len(tasks)
    while first < last:
        middle = (first + last) // 2
        if tasks[middle].refresh().done:
            first = middle + 1
        else:
            last = middle
    return len(tasks) - first


def measure(options: Options) -> list[Row]:
    """All rows of this subject."""
    numbers: list[tuple[int, int]] = []
    each = options.count(20)
    slots = os.cpu_count() or 1
    with Host(options) as host, Crowd(host) as crowd, host.connect() as executor:
        function = executor.functions.register(cella.Script.parse("def main():\n    pass\n", "empty.py").package())

        def one() -> float:
            return timed(lambda: executor.tasks.create(function, invoke=True).result())

        def idle() -> list[float]:
            found = []
            for _ in range(each):
                time.sleep(0.01)
                found.append(one())
            return found

        def crowded() -> list[float]:
            """Only tasks of B's that begin while more of A's are left than run at a time count."""
            queued, left, found = crowd.fill(), 0, []
            while len(found) < each and (now := crowd.left()) > slots:
                left = now
                found.append(one())
            numbers.append((queued, left))
            crowd.clear()
            if not found:
                raise RuntimeError(f"the other party's {queued} tasks were over before there was anything to measure")
            return found

        one()
        quiet, busy = gather(options.count(5), [idle, crowded], patience=options.patience, budget_s=options.budget_s)
    return rows_of(Sample.of(quiet), Sample.of(busy), numbers)


def rows_of(quiet: Sample, busy: Sample, numbers: list[tuple[int, int]]) -> list[Row]:
    """The rows, out of both samples and (queued at the beginning, left when B's last began) of each round."""
    queued, left = min(queued for queued, _ in numbers), min(left for _, left in numbers)
    what = f"party B's task, party A with up to {queued} tasks of {TASK_MS} ms queued"
    waited = max(0.0, busy.p50 - quiet.p50) / TASK_MS
    slots = os.cpu_count() or 1
    note = f"A had at least {left} left when B's began; in the order of arrival B would wait for {queued / slots:.0f} turns"
    return [
        Row("fairness", what, "ms", busy, "the same, nothing else queued", quiet, note=note),
        Row("fairness", f"{what}: turns of A's that B waits", "times", Sample.of([waited]), limit=TURNS),
    ]
