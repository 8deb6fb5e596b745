# SPDX-License-Identifier: Apache-2.0
"""Programs that die at any write, and disks that are full or fail at any write: nothing acknowledged is lost, nothing happens
by halves. A spread of the points is tried; with --long every one."""

from __future__ import annotations

import errno
import itertools
import os
import random
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import cella
import pytest
from faulty import EVER, FAIL_SYNC, FAIL_WRITE, KILLS, FaultyExecutor, Story, faulty, tell
from live import BUILD, LONG, LiveExecutor, host, wait_until

Record = Callable[[str, object], None]
POINTS = 2
"""Points of one program and way to die that the ordinary run tries."""
LANES = 2
"""Stories that are told at the same time."""

pytestmark = pytest.mark.skipif(
    not (BUILD / "faults").exists(), reason=f"NOT BUILT: {BUILD / 'faults'}; builds with sanitizers have no faulty programs"
)


def serves(live: LiveExecutor) -> bool:
    """Whether somebody new gets an answer."""
    try:
        live.client()
    except (cella.CellaError, OSError):
        return False
    finally:
        live.tidy()
    return True


class Campaign:
    """Strikes against one program of one executor.

    Attributes:
        stories: that were told so far.
        struck: how many of the strikes hit.
    """

    def __init__(self, faulty: FaultyExecutor, program: str) -> None:
        self.faulty = faulty
        self.program = program
        self.stories: list[Story] = []
        self.struck = 0
        self._dice = random.Random(program)

    def strike(self, action: int, point: int) -> bool:
        """Tell stories, and kill the program at a write of theirs. Whether there was one."""
        mark = self.faulty.mark
        self.faulty.plans[self.program].set(action, point)
        told = self.tell()
        hit = self.faulty.has_died(mark)
        self.faulty.disarm()
        if not hit:
            assert [story.problem for story in told] == [None] * LANES
        elif self.program == "ledger":
            self.goes_on()  # the others live, and it is started again
            self.check()
        if hit and (self.program != "ledger" or self.struck % 8 == 0):
            self.again()
        self.check()
        self.struck += hit
        return hit

    def strike_start(self, action: int, point: int) -> bool:
        """Kill the program at a write while the executor starts."""
        self.faulty.end()
        mark = self.faulty.mark
        self.faulty.plans[self.program].set(action, point)
        self.faulty.armed_start()
        hit = self.faulty.has_died(mark)
        self.again()
        if self.struck % 8 == 0 or not self.stories:
            self.tell()
        self.check()
        self.struck += hit
        return hit

    def tell(self) -> list[Story]:
        """New stories."""
        told = [Story(len(self.stories) + lane) for lane in range(LANES)]
        self.stories += told
        tell(told, self.faulty.live)
        return told

    def goes_on(self) -> None:
        """Wait until it serves, without help."""
        wait_until(lambda: serves(self.faulty.live), 60, f"it serves again:\n{self.faulty.live.log()[-3000:]}")

    def again(self) -> None:
        """End everything, and start on what is on the disk."""
        self.faulty.end()
        self.faulty.disarm()
        self.faulty.start()

    def check(self, every: bool = False) -> None:
        """What was told last, and something older."""
        live = self.faulty.live
        chosen = self.stories if every else self.stories[-LANES:] + self._dice.sample(self.stories, min(1, len(self.stories)))
        for story in chosen:
            story.check(live)
        assert "RECOVERY" not in live.log(), live.log()[-3000:]


@pytest.fixture
def campaign(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Campaign]:
    """One against the program that the test names."""
    with faulty(tmp_path / "faulty") as made:
        yield Campaign(made, request.param)


def chosen(count: int, spread: int) -> Iterator[int]:
    """Points: all, or so many between the first and the one of this number."""
    return itertools.count(1) if LONG else iter([(index + 1) * count // (spread + 1) for index in range(spread)])


def go_through(points: Iterator[int], strike: Callable[[int], bool]) -> int:
    """Strike at points until three in a row are beyond the last. How many hit."""
    hits = misses = 0
    for point in points:
        hit = strike(point)
        hits += hit
        if LONG and point % 25 == 0:
            print(f"{hits} points passed", flush=True)
        misses = 0 if hit else misses + 1
        if misses == 3:
            break
    return hits


@pytest.mark.parametrize("campaign", ["host", "ledger", "monitor"], indirect=True)
def test_it_dies_at_a_write(campaign: Campaign, record_property: Record) -> None:
    count = campaign.faulty.calls(campaign.program, campaign.tell)
    lines = []
    for number, (way, action) in enumerate(KILLS.items()):
        running = go_through(chosen(count - number, POINTS), lambda point, action=action: campaign.strike(action, point))
        assert running >= POINTS - 1
        starts = itertools.count(1) if LONG else iter([2] if action == KILLS["within"] else [])
        starting = go_through(starts, lambda point, action=action: campaign.strike_start(action, point))
        assert starting > 0 or not (LONG or action == KILLS["within"])
        lines.append(f"{running} points of changes and {starting} of starts {way} the write")
    campaign.again()
    campaign.check(every=True)
    record_property("table", f"killed {campaign.program}: " + ", ".join(lines))


# ---- disks ----

TROUBLES = {
    "ENOSPC": (FAIL_WRITE, errno.ENOSPC, "LEDGER_FULL", "STORE_FULL"),
    **({"EDQUOT": (FAIL_WRITE, errno.EDQUOT, "LEDGER_FULL", "STORE_FULL")} if LONG else {}),
    "EIO": (FAIL_SYNC, errno.EIO, "LEDGER_FAILED", "STORE_FAILED"),
}


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("campaign", ["ledger"], indirect=True)
def test_the_ledgers_disk_fails(campaign: Campaign, trouble: str, record_property: Record) -> None:
    """From any write on: requests are refused with a code that says so, and it goes on by itself where it stopped."""
    action, error, code, _ = TROUBLES[trouble]
    plan = campaign.faulty.plans["ledger"]

    def strike(point: int) -> bool:
        mark = campaign.faulty.mark
        plan.set(action, point, EVER, error)
        told = campaign.tell()
        problems = {getattr(story.problem, "code", "OK") for story in told}
        assert problems <= {code, "OK"}, (point, [story.problem for story in told])
        hit = "fault: failing" in campaign.faulty.live.log()[mark:]
        plan.set(0)
        campaign.goes_on()
        campaign.check()
        if hit and point % 4 == 0:
            campaign.again()
            campaign.check()
        return hit

    hits = go_through(chosen(60 if action == FAIL_SYNC else 120, 2), strike)
    assert hits > 0
    # From before it starts.
    campaign.faulty.end()
    plan.set(action, 1, EVER, error)
    assert campaign.faulty.armed_start()
    with pytest.raises(cella.CellaError) as caught:
        campaign.faulty.live.client()
    assert caught.value.code == code
    plan.set(0)
    campaign.goes_on()
    campaign.again()
    campaign.check(every=True)
    record_property("table", f"{trouble} for the ledger: {hits} points")


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("campaign", ["host"], indirect=True)
def test_the_stores_disk_fails(campaign: Campaign, trouble: str, record_property: Record) -> None:
    """An upload is refused with a code that says so, leaves nothing behind, and is good when it is done again."""
    action, error, _, code = TROUBLES[trouble]
    plan = campaign.faulty.plans["host"]
    live = campaign.faulty.live
    me = live.client()
    hits = 0
    for point in range(1, 12):
        before = sorted(live.objects())
        mark = campaign.faulty.mark
        plan.set(action, point, EVER, error)
        try:
            me.data.add(bytes(100_000), f"d{point}")
        except cella.CellaError as problem:
            assert problem.code == code, problem
            assert sorted(live.objects()) == before
        hit = "fault: failing" in campaign.faulty.live.log()[mark:]
        plan.set(0)
        me.data.add(bytes(100_000), f"again{point}")
        hits += hit
        if not hit:
            break
    assert hits > 0 and not hit
    campaign.tell()
    campaign.again()
    campaign.check()
    assert all(one["stored"] for one in cella.connect(campaign.faulty.live.address, live.trust, me.identity).pages(
        "data.list", "data") if one["name"].startswith("again"))
    record_property("table", f"{trouble} for the store: {hits} points")


@pytest.mark.parametrize("campaign", ["ledger"], indirect=True)
def test_a_backup_without_room(campaign: Campaign, tmp_path: Path) -> None:
    """What is not in the one file is not left out of a copy in silence."""
    campaign.tell()
    live, state, programs = campaign.faulty.live, campaign.faulty.live.state, campaign.faulty.programs
    os.kill(live.one("host").pid, signal.SIGSTOP)
    live.one("ledger").kill()  # it has no time to put anything in order
    campaign.faulty.end()
    assert (state / "ledger.db-wal").stat().st_size > 0
    config = tmp_path / "backup.json"
    config.write_text(f'{{"state": "{state}", "ledger_program": "{programs / "cella-ledger"}"}}')
    campaign.faulty.plans["ledger"].set(FAIL_WRITE, 1, EVER, errno.ENOSPC)
    done = host("backup", "--config", config, "--to", tmp_path / "copy")
    assert done.returncode == 1 and "make room" in done.stderr and not (tmp_path / "copy").exists(), done.stderr
    campaign.faulty.disarm()
    done = host("backup", "--config", config, "--to", tmp_path / "copy")
    assert done.returncode == 0, done.stderr
    campaign.faulty.start()
    campaign.check()
