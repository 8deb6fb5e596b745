# SPDX-License-Identifier: Apache-2.0
"""The machine's clock is set, forward by years and back by days, while an executor runs and between two starts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import cella
import pytest
from faulty import FaultyExecutor, Story, faulty
from live import BUILD, package_of, wait_until

DAY = 86400
YEARS = 10 * 365 * DAY
READ = "def main(x): return x.read().decode()"

pytestmark = pytest.mark.skipif(
    not (BUILD / "faults").exists(), reason=f"NOT BUILT: {BUILD / 'faults'}; builds with sanitizers have no faulty programs"
)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[FaultyExecutor]:
    """An executor on a machine whose clock can be set."""
    with faulty(tmp_path / "faulty") as made:
        yield made


class Dated:
    """A party with things that have dates."""

    def __init__(self, machine: FaultyExecutor) -> None:
        self.identity = cella.Identity.generate()
        self.machine = machine
        me = self.connect()
        me.enrol()
        self.function = me.functions.register(package_of(READ, inputs=[{"name": "x", "optional": False}]))
        self.data = me.data.add(b"dated", "dated", policy={"until": int(time.time()) + DAY})
        self.waiting = me.tasks.create(self.function, inputs={"x": self.data}, approval_s=2 * DAY).id
        me.close()

    def connect(self) -> cella.Executor:
        """At the executor that runs now."""
        return cella.connect(self.machine.live.address, self.machine.live.trust, self.identity)

    def uses(self, me: cella.Executor) -> str:
        """Use the data: what comes out, or why not."""
        try:
            return str(me.tasks.create(self.function, inputs={"x": self.data}, invoke=True).wait(timeout=30).result())
        except cella.CellaError as problem:
            return problem.code


def times(me: cella.Executor) -> list[int]:
    """Of everything that the log says to a party."""
    return [int(entry["time"]) for entry in me.audit()]


def test_a_clock_that_is_set_under_a_running_executor(machine: FaultyExecutor) -> None:
    """Whatever is waiting goes on waiting, what is open stays open, and the log stays in order."""
    one, story = Dated(machine), Story(0)
    story.tell(machine.live)
    me = one.connect()
    for shift in (YEARS, -3 * DAY, 0, YEARS):
        mark = machine.mark
        machine.shift(shift)
        before = int(time.time())
        soon = me.tasks.create(one.function, approval_s=1, inputs={"x": one.data})  # makes the executor look at its clocks
        wait_until(lambda soon=soon: soon.refresh().done, 30, "a task expires by the executor's own time")
        assert soon.facts["error"]["code"] == "TASK_EXPIRED"
        if shift:
            words = "ahead; it counts if" if shift > 0 else "was set back by"
            machine.live.wait_for_log(f"clock: the machine's .*{words}", after=mark)
        assert one.uses(me) == "dated"
        assert cella.Task(me, one.waiting).refresh().state == "approved"
        assert before - 2 <= times(me)[-1] <= time.time() + 2
        fresh = Story(abs(shift) + 1)
        fresh.tell(machine.live)
        assert fresh.done == 20, fresh.problem
    assert times(me) == sorted(times(me))
    story.check(machine.live)


def test_a_clock_that_is_wrong_at_a_start(machine: FaultyExecutor) -> None:
    """Ahead: what waited ends, what had a date is over, and nothing is deleted; put right, nothing that ended comes back."""
    one, story = Dated(machine), Story(0)
    story.tell(machine.live)
    machine.end()
    machine.shift(YEARS)
    machine.start()
    machine.live.wait_for_log("task expired " + one.waiting)
    machine.end()
    machine.shift(0)
    machine.start()
    me = one.connect()
    assert cella.Task(me, one.waiting).refresh().facts["error"]["code"] == "TASK_EXPIRED"
    assert one.uses(me) == "DATA_POLICY"
    assert times(me) == sorted(times(me)) and times(me)[-1] > time.time() + YEARS - DAY
    me.data.change(one.data, {"until": int(time.time()) + 2 * YEARS})
    assert one.uses(me) == "dated"  # it was there all the time
    me.close()
    story.check(machine.live)
    machine.end()
    machine.shift(-3 * DAY)
    machine.start()
    me = one.connect()
    assert one.uses(me) == "dated" and cella.Task(me, one.waiting).refresh().state == "cancelled"
    assert times(me) == sorted(times(me))
    later = Story(1)
    later.tell(machine.live)
    assert later.done == 20, later.problem
    later.check(machine.live)
