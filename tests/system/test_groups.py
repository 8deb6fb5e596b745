# SPDX-License-Identifier: Apache-2.0
"""Control groups: what holds a cell, what the monitor says about it, and that none is left when an executor is gone."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cella
import pytest
from live import LiveExecutor, Process, refused, running, script_task, until_in_cell, wait_until

NOBODY = 65534
MEBIBYTE = 1 << 20
ROOM = 32 * MEBIBYTE
"""CELLA_CGROUPS_ROOM in executor/monitor/cgroups.h."""

Start = Callable[..., LiveExecutor]
PROFILES = "python"

HOLD = """
import cella, time
def main(seconds, size):
    cella.progress(0.5)
    time.sleep(seconds)
    return len(bytearray(size))
"""


def paths(executor: LiveExecutor) -> list[Path]:
    """The groups that the host has made for its executor, as it has written them down."""
    record = executor.state / "groups"
    return [Path(line) for line in record.read_text().split()] if record.exists() else []


def tier(executor: LiveExecutor) -> str:
    """What the monitor says."""
    return str(executor.client().information()["limits_tier"])


def has_groups(executor: LiveExecutor) -> bool:
    """Whether this machine gives groups to its executor."""
    return tier(executor) != "rlimits"


@pytest.fixture(scope="module")
def groups(live: LiveExecutor) -> LiveExecutor:
    """The shared executor, if it has control groups."""
    if not has_groups(live):
        pytest.skip("NO CONTROL GROUPS: this user may make none on this machine")
    return live


def group_of(process: Process, path: Path) -> Path:
    """The group that a process is in, in the hierarchy of a path."""
    # Below the mount point both have the same names.
    for line in process.file("cgroup").decode().splitlines():
        own = line.split(":", 2)[2]
        if path.name in own:
            return Path(str(path).partition(f"/{path.name}")[0] + own[own.index(f"/{path.name}"):])
    raise AssertionError(f"{process} is in no group below {path}")


def cells(executor: LiveExecutor) -> list[Process]:
    """Its cells: the children of the zygotes' inner processes."""
    zygotes = {one.pid for one in executor.role("zygote")}
    inner = {one.pid for one in executor.below() if one.parent in zygotes}
    return [one for one in executor.below() if one.parent in inner]


def memory_file(group: Path) -> Path:
    """The file that holds its limit, in the hierarchy that has it."""
    unified = group / "memory.max"
    return unified if unified.exists() else group / "memory.limit_in_bytes"


def memory_limit(group: Path) -> int:
    """In bytes; far above 1 << 60 when there is none."""
    return int(memory_file(group).read_text().replace("max", str(1 << 62)))


# ---- what holds a cell ----


def test_an_idle_cell_is_in_a_group_of_its_own(groups: LiveExecutor) -> None:
    places = paths(groups)
    assert places

    def all_placed() -> bool:
        """A cell that warms up is not there yet."""
        found = cells(groups)
        return len(found) >= 2 and all(
            re.fullmatch(r"cell-[0-9]+", group_of(cell, place).name) for cell in found for place in places)

    wait_until(all_placed, 20, "there are idle cells, and all of them in groups")
    for place in places:
        found = [group_of(cell, place) for cell in cells(groups)]
        assert all(one.parent == place for one in found) and len(set(found)) == len(found), found
    others = [one for name in ("monitor", "front", "zygote") for one in groups.role(name)]
    for one in others:
        assert not group_of(one, places[0]).name.startswith("cell-")


def running_cell(executor: LiveExecutor, threads: int) -> list[Path]:
    """The groups of the one cell whose task may have so many threads."""
    places = paths(executor)
    for cell in cells(executor):
        try:
            found = [group_of(cell, place) for place in places]
            # An idle cell may be in a group that still has the number of an earlier one, but no limit of memory.
            limits = [memory_limit(one) for one in found if memory_file(one).exists()]
            numbers = [(one / "pids.max").read_text().strip() for one in found if (one / "pids.max").exists()]
            if limits[0] < 1 << 60 and numbers == [str(threads + 1)]:
                return found
        except OSError:
            continue
    return []


@pytest.mark.parametrize(("outputs", "output_bytes", "threads"), [([], MEBIBYTE, 2), (["a", "b"], 5 * MEBIBYTE, 3)])
def test_a_running_cell_has_the_limits_of_its_task(
    groups: LiveExecutor, outputs: list[str], output_bytes: int, threads: int
) -> None:
    limits = {"memory_bytes": 64 * MEBIBYTE, "output_bytes": output_bytes, "threads": threads}
    source = "import cella, time\ndef main(**outputs):\n    cella.progress(0.5)\n    time.sleep(600)"
    task = until_in_cell(script_task(groups.client(), source, outputs=outputs, limits=limits))
    found = wait_until(lambda: running_cell(groups, threads), 10, "a cell with its number of threads")
    expected = 64 * MEBIBYTE + len(outputs) * output_bytes + ROOM
    held = [memory_limit(one) for one in found if memory_file(one).exists()]
    assert len(held) == 1 and expected <= held[0] < expected + 16 * MEBIBYTE
    task.cancel()


def lower_limit(found: list[Path], size: int) -> None:
    """As if the task were to need more than its group may hold: what only its own limits do not see."""
    for group in found:
        if memory_file(group).exists():
            memory_file(group).write_text(str(size))


@pytest.mark.skipif(os.geteuid() != 0, reason="NOT ROOT: a cell's group can not be changed from outside")
def test_beyond_the_group(groups: LiveExecutor) -> None:
    """The kernel kills; the executor names the limit, and goes on."""
    me = groups.client()
    limits = {"memory_bytes": 256 * MEBIBYTE, "threads": 1}
    task = until_in_cell(script_task(me, HOLD, arguments={"seconds": 2, "size": 100 * MEBIBYTE}, limits=limits))
    lower_limit(wait_until(lambda: running_cell(groups, 1), 10, "a cell with one thread"), 40 * MEBIBYTE)
    with refused("LIMIT_MEMORY", text=f"limit memory_bytes {256 * MEBIBYTE}; used at most "):
        task.wait(timeout=30)
    assert 30 * 1024 < task.usage["peak_kib"] <= 40 * 1024
    again = script_task(me, HOLD, arguments={"seconds": 0, "size": 100 * MEBIBYTE}, limits=limits).wait(timeout=30)
    assert again.result() == 100 * MEBIBYTE


def test_peak_memory_is_the_tasks_own(groups: LiveExecutor) -> None:
    """Without what the zygote has loaded."""
    me = groups.client()
    task = script_task(me, "def main():\n    return len(bytes(range(256)) * (200 << 10))").wait(timeout=30)
    assert 48 * 1024 <= task.usage["peak_kib"] < 60 * 1024
    for _ in range(8):  # in groups that are new, and in those that others have used
        small = script_task(me, "def main():\n    return 1").wait(timeout=30)
        assert 0 < small.usage["peak_kib"] < 12 * 1024


def test_groups_are_used_again(groups: LiveExecutor) -> None:
    me = groups.client()
    place = paths(groups)[0]

    def count() -> int:
        return len(list(place.glob("cell-*")))

    for _ in range(3):
        assert script_task(me, "def main(): return 1").wait(timeout=30).result() == 1
    before = count()
    for _ in range(40):
        assert script_task(me, "def main(): return 1").wait(timeout=30).result() == 1
    assert count() <= before + 4


# ---- what the client sees ----


def test_who_demands_the_layer(groups: LiveExecutor, tmp_path: Path) -> None:
    layers = groups.client().information()["layers"]
    assert "cgroup" in layers
    text = groups.trust.read_text()
    assert "\nlayers = [" in text and '"cgroup"]' not in text.replace(", ", "")
    trust = tmp_path / "trust.toml"
    trust.write_text(text.replace("\nlayers = [", '\nlayers = ["cgroup", '))
    with cella.connect(groups.address, trust, cella.Identity.generate()) as strict:
        strict.enrol()
        assert strict.information()["limits_tier"] in ("cgroup2", "cgroup1")


@pytest.fixture
def plain() -> Iterator[LiveExecutor]:
    """An executor of a user without any rights."""
    if os.geteuid() != 0:
        pytest.skip("NOT ROOT: a host of another user can not be started")
    folder = Path(tempfile.mkdtemp(prefix="cella-plain-"))
    os.chown(folder, NOBODY, NOBODY)
    try:
        with running(folder, user=NOBODY) as executor:
            yield executor
    finally:
        shutil.rmtree(folder)


def test_a_plain_user_has_none(plain: LiveExecutor, tmp_path: Path) -> None:
    me = plain.client()
    information = me.information()
    assert information["limits_tier"] == "rlimits" and "cgroup" not in information["layers"]
    plain.wait_for_log("limits of cells: rlimits")
    assert paths(plain) == []
    task = script_task(me, "def main(): return 1").wait(timeout=30)
    assert task.result() == 1 and task.usage["peak_kib"] > 1000
    with refused("LIMIT_MEMORY"):
        script_task(me, "def main(): return len(bytearray(1 << 30))", limits={"memory_bytes": 64 * MEBIBYTE}).wait(timeout=30)
    trust = tmp_path / "trust.toml"
    trust.write_text(plain.trust.read_text().replace("\nlayers = [", '\nlayers = ["cgroup", '))
    with pytest.raises(cella.AttestationError) as caught:
        cella.connect(plain.address, trust, cella.Identity.generate()).enrol()
    assert caught.value.code == "LAYERS"


# ---- nothing is left ----


def made(executor: LiveExecutor) -> list[Path]:
    """Its groups, or a loud skip."""
    if not has_groups(executor):
        pytest.skip("NO CONTROL GROUPS: this user may make none on this machine")
    found = paths(executor)
    assert found and all(one.is_dir() for one in found)
    return found


def none_of(groups: list[Path]) -> bool:
    """Whether all have gone."""
    return not any(one.exists() for one in groups)


def busy(executor: LiveExecutor) -> None:
    """Tasks that run while the end comes."""
    me = executor.client()
    for _ in range(2):
        until_in_cell(script_task(me, HOLD, arguments={"seconds": 600, "size": 1}))


def test_none_is_left_after_the_usual_end(own: LiveExecutor) -> None:
    before = made(own)
    assert own.close() == 0
    assert none_of(before) and paths(own) == []


def test_the_monitor_is_killed(own: LiveExecutor) -> None:
    before = made(own)
    busy(own)
    mark = len(own.log())
    own.one("monitor").kill()
    own.wait_for_log(r"ready: clients connect to", after=mark, seconds=60)
    after = paths(own)
    assert none_of(before) and after and not set(after) & set(before)
    assert own.close() == 0
    assert none_of(after)


def test_the_host_is_killed_and_another_one_started(start: Start) -> None:
    first = start()
    before = made(first)
    busy(first)
    first.kill()
    assert paths(first) == before
    second = start()
    assert none_of(before)
    after = paths(second)
    assert after and not set(after) & set(before)
    second.serves()
    assert second.close() == 0
    assert none_of(after) and paths(second) == []


def test_two_hosts_have_groups_of_their_own(start: Start) -> None:
    one, other = start(name="one"), start(name="other")
    ours, theirs = made(one), made(other)
    assert not set(ours) & set(theirs)
    one.close()
    assert none_of(ours) and all(group.is_dir() for group in theirs)
    other.serves()


def test_many_at_once(own: LiveExecutor) -> None:
    """More tasks than places, ended in every way, while others come."""
    made(own)
    me = own.client()
    sources: list[tuple[str, dict[str, Any]]] = [
        ("def main(): return 1", {}), ("import os\ndef main(): os._exit(1)", {}), ("def main(): return 1 / 0", {}),
        ("def main(): return len(bytearray(1 << 30))", {"memory_bytes": 8 * MEBIBYTE}),
    ]
    ends: list[str] = []

    def one(number: int) -> None:
        source, limits = sources[number % len(sources)]
        task = script_task(me, source, limits=limits)
        try:
            ends.append(str(task.wait(timeout=60).result()))
        except cella.CellaError as error:
            ends.append(error.code)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
    assert sorted(ends) == sorted(["1", "CELL_DIED", "SCRIPT_FAILED", "LIMIT_MEMORY"] * 6)
    own.serves()
