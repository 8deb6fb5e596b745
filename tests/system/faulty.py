# SPDX-License-Identifier: Apache-2.0
"""Executors that die or fail at any write that one chooses (tests/faults/fault.c), and a story whose every step leaves a
state that can be told from all others: what was acknowledged, and whether anything happened by halves, can be asked
afterwards."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import shutil
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import cella
import cella.data
import cella.functions
import cella.task
from cella.sealing import Sealed
from live import BUILD, PROGRAMS, LiveExecutor, files, package_of, sealed_bytes, wait_until

FAULTY = BUILD / "faults"
COUNT, TELL, KILL_BEFORE, KILL_WITHIN, KILL_AFTER, FAIL_WRITE, FAIL_SYNC = range(1, 8)  # as in fault.c
KILLS = {"before": KILL_BEFORE, "within": KILL_WITHIN, "after": KILL_AFTER}
EVER = 0xFFFFFFFF
CONFIG: dict[str, Any] = {"profiles": ["python"], "pool": 1}


class Plan:
    """What one program is to do at its writes; it takes effect at once, in a process that runs."""

    def __init__(self, folder: Path, program: str) -> None:
        self.program = program
        self._generation = 0
        self._file = os.open(folder / f"cella-{program}.fault", os.O_RDWR | os.O_CREAT, 0o644)
        os.ftruncate(self._file, 4096)
        self.set(0)

    def set(self, action: int, first: int = 0, last: int = 0, error: int = 0) -> None:
        """From now on, counting from 1."""
        self._generation += 1
        os.pwrite(self._file, struct.pack("=4I", 0, first, last or first, error), 4)
        os.pwrite(self._file, struct.pack("=I", self._generation), 0)
        os.pwrite(self._file, struct.pack("=I", action), 4)

    def shift(self, seconds: int) -> None:
        """From now on the machine's clock is so much later, to this program."""
        os.pwrite(self._file, struct.pack("=q", seconds), 24)

    def close(self) -> None:
        """Forget it."""
        os.close(self._file)


class FaultyExecutor:
    """A state folder, and the executors that run on it one after the other.

    Attributes:
        live: the one that runs, or ran last.
        plans: by program: host, ledger, monitor.
    """

    def __init__(self, folder: Path, config: Mapping[str, Any] | None = None) -> None:
        self.folder = folder
        self.config = {**CONFIG, **(config or {})}
        self.programs = folder / "bin"
        self.programs.mkdir()
        for name in ("front", "courier", "zygote"):
            shutil.copy(PROGRAMS / f"cella-{name}", self.programs)
        shutil.copytree(PROGRAMS / "profiles", self.programs / "profiles")
        self.plans = {}
        for name in ("host", "ledger", "monitor"):
            shutil.copy(FAULTY / f"cella-{name}", self.programs)
            self.plans[name] = Plan(self.programs, name)
        self.live: LiveExecutor = self.start()

    def start(self, ready: bool = True) -> LiveExecutor:
        """The next one. ready: wait until clients can connect."""
        with contextlib.suppress(FileNotFoundError):
            (self.folder / "state" / "address").unlink()
        self.live = LiveExecutor(self.folder, self.config, programs=self.programs, host_program=self.programs / "cella-host",
                                 ready=ready)
        return self.live

    def armed_start(self) -> bool:
        """Start one that may die before it serves. Whether it serves."""
        live = self.start(ready=False)
        address = live.state / "address"
        mark = self.mark
        wait_until(lambda: address.exists() or self.has_died(mark) or live.process.poll() is not None, 60, "it starts or dies")
        serves = address.exists() and not self.has_died(mark)
        live.address = address.read_text().strip() if serves else ""
        return serves

    @property
    def mark(self) -> int:
        """Where the log ends."""
        return len(self.live.log()) if hasattr(self, "live") else 0

    def has_died(self, mark: int) -> bool:
        """Whether a program was killed at a chosen call since then."""
        return bool(re.search("fault: killed|cella-monitor died|before it was ready", self.live.log()[mark:]))

    def calls(self, program: str, act: Callable[[], object]) -> int:
        """How many writes of a program something takes."""
        plan = self.plans[program]
        plan.set(COUNT)
        act()
        time.sleep(1.1)  # the host's log takes so many of the executor's lines in a second
        mark = self.mark
        os.pwrite(plan._file, struct.pack("=I", TELL), 4)
        client = cella.connect(self.live.address, self.live.trust, cella.Identity.generate())
        client.enrol()
        client.close()
        told = wait_until(lambda: re.findall(r"fault: counted (\d+)", self.live.log()[mark:]), 20, "it tells")
        plan.set(0)
        return int(told[0])

    def disarm(self) -> None:
        """Nothing is to happen any more."""
        for plan in self.plans.values():
            plan.set(0)

    def end(self) -> None:
        """Kill the host, and with it all that is below; the ledger's process ends by itself."""
        left = self.live.role("ledger")
        self.live.tidy()
        if self.live.process.poll() is None:
            self.live.kill()
        wait_until(lambda: not any(one.alive for one in left), 20, "the ledger's process has ended")

    def shift(self, seconds: int) -> None:
        """The machine's clock is so much later, to all programs that look at it."""
        for plan in self.plans.values():
            plan.shift(seconds)

    def close(self) -> None:
        """End for good."""
        self.live.close()
        for plan in self.plans.values():
            plan.close()


@contextlib.contextmanager
def faulty(folder: Path, config: Mapping[str, Any] | None = None) -> Iterator[FaultyExecutor]:
    """A faulty executor for a block."""
    folder.mkdir(exist_ok=True)
    made = FaultyExecutor(folder, config)
    try:
        yield made
    finally:
        made.close()


# ---- the story ----

OVER = ("finished", "failed", "cancelled")
READ = "def main(x): return x.read().decode()"
ONE = "def main(): return 1"
STEPS = (
    "a enrols", "b enrols", "read registered", "data registered", "data stored", "joint created", "joint assigned",
    "a approves", "b approves", "joint invoked", "joint over", "one registered", "own invoked", "own over", "spare created",
    "spare refused", "spare cancelled", "quota changed", "data deleted", "read deleted",
)


class Story:
    """Two parties who do one thing after the other, each unlike the others; it stops at the first that fails.

    Attributes:
        done: steps that were acknowledged.
        pending: whether one more was asked for.
        seen: what the state looked like when it was asked for last; None before. It must not change any more.
    """

    def __init__(self, number: int) -> None:
        self.name = f"s{number}"
        self.a, self.b = cella.Identity.generate(), cella.Identity.generate()
        self.content = f"content of {self.name}".encode()
        self.done = 0
        self.pending = False
        self.problem: BaseException | None = None
        self.ids: dict[str, str] = {}
        self.over: dict[str, Any] = {}
        self.seen: dict[str, Any] | None = None

    def tell(self, live: LiveExecutor) -> None:
        """Go through all steps, or as far as it goes."""
        try:
            a = cella.connect(live.address, live.trust, self.a)
            b = cella.connect(live.address, live.trust, self.b)
        except BaseException as problem:
            self.problem = problem
            return
        try:
            for act in self._acts(a, b):
                self.pending = True
                act()
                self.pending = False
                self.done += 1
        except BaseException as problem:
            self.problem = problem
        finally:
            a.close()
            b.close()

    def _acts(self, a: cella.Executor, b: cella.Executor) -> list[Callable[[], object]]:
        ids, made = self.ids, {}
        key = cella.DataKey.generate()
        sealed = sealed_bytes(key, self.content)

        def keep(name: str, value: Any) -> None:
            made[name] = value
            ids[name] = value.id

        def finish(name: str, result: Any) -> None:
            task = made[name]
            while not task.done:  # not wait(), which is patient with an executor that has gone
                task.watch(over=True)
            assert task.result() == result
            self.over[name] = task.facts

        def refused() -> None:
            try:
                made["spare"].invoke()
            except cella.CellaError as problem:
                if problem.code != "QUOTA_USED_UP":
                    raise
                return
            raise AssertionError("a quota of one let a second run pass")

        facts = Sealed(len(self.content), len(sealed), hashlib.sha256(sealed).digest())
        registry = a.functions
        return [
            a.enrol, b.enrol,
            lambda: keep("read", registry.register(package_of(READ, name=f"read-{self.name}", public=True, inputs=files("x")),
                                                   quota=2)),
            lambda: keep("data", b.data.register(self.name, facts, key)),
            lambda: b.upload(ids["data"], io.BytesIO(sealed), len(sealed)),
            lambda: keep("joint", a.tasks.create(made["read"], inputs={"x": b.party}, result=[a.party, b.party])),
            lambda: cella.Task(b, ids["joint"]).assign({"x": ids["data"]}),
            lambda: made["joint"].approve(made["joint"].contract()),
            lambda: cella.Task(b, ids["joint"]).approve(cella.Task(b, ids["joint"]).contract()),
            lambda: made["joint"].invoke(),
            lambda: finish("joint", self.content.decode()),
            lambda: keep("one", registry.register(package_of(ONE, name=f"one-{self.name}"), quota=1)),
            lambda: keep("own", a.tasks.create(made["one"], invoke=True)),
            lambda: finish("own", 1),
            lambda: keep("spare", a.tasks.create(made["one"])),
            refused,
            lambda: made["spare"].cancel(),
            lambda: registry.change(made["one"], quota=2),
            lambda: b.data.delete(ids["data"]),
            lambda: registry.delete(made["read"]),
        ]

    # What is there afterwards

    def look(self, live: LiveExecutor) -> dict[str, Any]:
        """What both parties see of it, once every run is over."""
        found: dict[str, Any] = {}
        a = cella.connect(live.address, live.trust, self.a)
        b = cella.connect(live.address, live.trust, self.b)
        try:
            found["a"], found["b"] = enrolled(a), enrolled(b)
            if found["a"]:
                self._look_as_a(a, live.trust, found)
            if found["b"]:
                found["data"] = [(one["name"], one["stored"], one["used"]) for one in b.pages("data.list", "data")
                                 if not one.get("deleted")]
                if self.done >= 4:
                    found["deleted"] = bool(b.request("data.get", {"data": self.ids["data"]}).get("deleted"))
                if found.get("deleted"):
                    assert b.receipt(self.ids["data"]).verify(live.trust).accepted
        finally:
            a.close()
            b.close()
        return found

    def _look_as_a(self, a: cella.Executor, trust: Path, found: dict[str, Any]) -> None:
        functions = {one.name.partition("-")[0]: one.id for one in a.functions.list(owner=a.party)}
        found["functions"] = sorted(functions)
        tasks = a.pages("task.list", "tasks")
        facts = {one["task"]: cella.Task(a, one["task"]).refresh() for one in tasks}
        for task in facts.values():
            if task.state in ("queued", "running"):
                task.wait(timeout=60, check=False)
        for name, item in functions.items():
            usage = a.functions.usage(item)
            states = [facts[one["task"]].state for one in tasks if one["function"] == item]
            counts = {state: states.count(state) for state in ("finished", "failed")}
            assert usage["used"] == sum(counts.values()) == usage["finished"] + usage["failed"], (self.name, usage, states)
            found[f"usage of {name}"] = (usage["quota"], usage["used"])
        found["tasks"] = []
        for one in tasks:
            task = facts[one["task"]]
            events = [entry["event"].removeprefix("task.") for entry in a.audit(task=task.id)]
            check_events(task.state, events)
            if task.state == "failed":
                assert task.facts["error"]["code"] == "EXECUTOR_DIED", task.facts
            if task.state == "finished":
                assert a.receipt(task.id).verify(trust).accepted
            state = "ran" if task.state in ("finished", "failed") else task.state
            found["tasks"].append((state, len(task.facts["approved"])))
        for name, before in self.over.items():
            task = facts[self.ids[name]]
            assert {**task.facts} == {**before}, f"{self.name}: what was over has changed"

    def expected(self, steps: int) -> dict[str, Any]:
        """What both parties see after so many steps."""
        found: dict[str, Any] = {"a": steps >= 1, "b": steps >= 2}
        if found["a"]:
            functions = (["one"] if steps >= 12 else []) + (["read"] if 3 <= steps < 20 else [])
            found["functions"] = functions
            if "one" in functions:
                found["usage of one"] = (2 if steps >= 18 else 1, 1 if steps >= 13 else 0)
            if "read" in functions:
                found["usage of read"] = (2, 1 if steps >= 10 else 0)
            joint = {6: ("created", 0), 7: ("assigned", 0), 8: ("assigned", 1), 9: ("approved", 2)}
            found["tasks"] = [joint.get(steps, ("ran", 2))] if steps >= 6 else []
            found["tasks"] += [("ran", 1)] if steps >= 13 else []
            found["tasks"] += [("cancelled" if steps >= 17 else "approved", 1)] if steps >= 15 else []
        if found["b"]:
            deleted = steps >= 19
            found["data"] = [(self.name, steps >= 5, 1 if steps >= 10 else 0)] if steps >= 4 and not deleted else []
            if self.done >= 4:
                found["deleted"] = deleted
        return found

    def check(self, live: LiveExecutor) -> None:
        """Nothing acknowledged is lost, nothing else happened by halves, and what was found once stays."""
        found = self.look(live)
        if self.seen is None:
            allowed = [self.expected(self.done)] + ([self.expected(self.done + 1)] if self.pending else [])
            assert found in allowed, (
                f"{self.name}: after {STEPS[self.done - 1] if self.done else 'nothing'}, asked for "
                f"{STEPS[self.done] if self.pending else 'nothing'} ({self.problem}):\nfound   {found}\nallowed {allowed}"
            )
            self.seen = found
        assert found == self.seen, f"{self.name}: found {found}, before {self.seen}"


def enrolled(client: cella.Executor) -> bool:
    """Whether the executor knows the party; asked in a way that does not enrol it."""
    try:
        client._send(client.sign("party.get", {}), None)
    except cella.CellaError as problem:
        if problem.code != "UNKNOWN_PARTY":
            raise
        return False
    return True


def check_events(state: str, events: list[str]) -> None:
    """What the log says of a task is a way that tasks can go, and ends where the task is."""
    order = ["created", "assigned", "contracted", "approved", "queued", "started", "finished", "failed"]
    places = [order.index(event) for event in events]
    assert places == sorted(places), events
    assert all(events.count(event) == 1 for event in set(events) - {"approved"}), events
    last = {"finished": "finished", "failed": "failed", "cancelled": "failed", "created": "created"}
    assert events[-1] in (last.get(state, events[-1]),), (state, events)


def tell(stories: list[Story], live: LiveExecutor) -> None:
    """Several stories at the same time, so that changes of theirs share commits."""
    threads = [threading.Thread(target=story.tell, args=(live,)) for story in stories]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not any(thread.is_alive() for thread in threads), "a client waits for ever"
    for story in stories:
        if not isinstance(story.problem, (cella.CellaError, OSError, type(None))):
            raise story.problem
