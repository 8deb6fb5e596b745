# SPDX-License-Identifier: Apache-2.0
"""Programs that die at any write, and disks that are full or fail at any write: nothing acknowledged is lost, nothing happens
by halves. A spread of the points is tried; with --long every one."""

from __future__ import annotations

import errno
import itertools
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import cella
import pytest
from faulty import EVER, FAIL_SYNC, FAIL_WRITE, KILLS, FaultyExecutor, Story, faulty, tell
from live import BUILD, LONG, LiveExecutor, host, wait_until

Record = Callable[[str, object], None]
POINTS = 4
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
    if LONG:
        return itertools.count(1)
    return iter(sorted({max(1, (index + 1) * count // (spread + 1)) for index in range(spread)}))


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
        starting = go_through(chosen(24 + 8 * number, 1), lambda point, action=action: campaign.strike_start(action, point))
        assert running >= POINTS // 2 and starting > 0
        lines.append(f"{running} points of changes and {starting} of starts {way} the write")
    campaign.again()
    campaign.check(every=True)
    record_property("table", f"killed {campaign.program}: " + ", ".join(lines))
