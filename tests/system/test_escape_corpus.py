# SPDX-License-Identifier: Apache-2.0
"""The corpus of bad scripts and forged messages, each through a whole executor: its own status, words that say what was
wrong, and afterwards everything as before."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cella
import pytest
from live import REPOSITORY, LiveExecutor, descendants, running, script_task, until_in_cell, wait_until

sys.path.insert(0, str(REPOSITORY / "tests" / "escapes"))
import corpus

OWN = "cella-"
CUT = "\n[limit log_bytes 1000: what follows was dropped]\n"
"""How the names of the executor's own programs begin."""


class Surroundings:
    """What an attack could leave behind, in the executor and on the machine."""

    def __init__(self, live: LiveExecutor) -> None:
        self.live = live
        self.before = self.now()

    def now(self) -> dict[str, Any]:
        """Processes that last, what they have open, files, mounts, objects of interprocess communication."""
        lasting = [self.live.one(name) for name in ("host", "monitor", "front")] + self.live.role("zygote")
        lasting += [inner for guard in self.live.role("zygote") for inner in descendants(guard.pid) if inner.parent == guard.pid]
        facts: dict[str, Any] = {f"{one.name} {one.pid}": one.started for one in lasting}
        for name in ("/dev/shm", "/tmp", "/var/tmp"):
            facts[name] = {entry.name for entry in Path(name).iterdir() if self.is_theirs(entry)}
        for kind in ("shm", "sem", "msg"):
            facts[kind] = Path(f"/proc/sysvipc/{kind}").read_text()
        facts["mounts"] = len(Path("/proc/self/mountinfo").read_text().splitlines())
        for one in lasting:
            facts[f"mounts of {one.pid}"] = len(one.file("mountinfo").splitlines())
            facts[f"threads of {one.pid}"] = one._status("Threads")
        return facts

    @staticmethod
    def is_theirs(entry: Path) -> bool:
        """Whether a file is of the user that executors run as."""
        try:
            return entry.lstat().st_uid == 65534
        except FileNotFoundError:
            return False

    def open_files(self) -> dict[str, int]:
        """Open descriptors of the monitor, the front and the zygotes, when they have nothing to do."""
        found = {}
        for one in [self.live.one("monitor"), self.live.one("front")] + self.live.role("zygote"):
            for process in [one, *(inner for inner in descendants(one.pid) if inner.parent == one.pid)]:
                if process.name.startswith(OWN) and one.name != "cella-monitor" or process is one:
                    found[f"{process.name} {process.pid}"] = len(os.listdir(f"/proc/{process.pid}/fd"))
        return found

    def unchanged(self) -> None:
        """Everything is as it was."""
        after = self.now()
        assert {name: (value, after.get(name)) for name, value in self.before.items() if value != after.get(name)} == {}
        assert set(after) == set(self.before)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveExecutor]:
    """The executor of this module: what leaves it changed, fails its test."""
    # A pool that does not follow the load: idle cells cost the monitor descriptors.
    with running(tmp_path_factory.mktemp("corpus"), {"pool": 1, "profiles": corpus.there()}) as live:
        yield live


@pytest.fixture(scope="module")
def party(own: LiveExecutor) -> cella.Executor:
    """The attacker."""
    return own.client()


@pytest.fixture(scope="module")
def honest(own: LiveExecutor) -> Callable[[str], None]:
    """Does an honest task in a profile, and looks at the answer."""
    other = own.client()
    made: dict[str, Any] = {}
    source = "def main(n):\n    import json, re\n    return [n, sum(range(n)), json.loads(json.dumps({'a': n})), re.sub('a+', 'b', 'caat')]\n"

    def check(profile: str) -> None:
        from live import package_of

        if profile not in made:
            made[profile] = other.functions.register(package_of(source, profile=profile, arguments=[{"name": "n"}]))
        n = int(time.time_ns() % 1000)
        task = other.tasks.create(made[profile], arguments={"n": n}, invoke=True).wait(timeout=30)
        assert task.result() == [n, n * (n - 1) // 2, {"a": n}, "cbt"]

    return check


@pytest.fixture(scope="module")
def around(own: LiveExecutor, honest: Callable[[str], None]) -> Surroundings:
    """The executor and its machine as they were before the first attack."""
    for profile in corpus.there():
        honest(profile)
    return Surroundings(own)


def try_it(party: cella.Executor, name: str, profile: str) -> tuple[corpus.Attack, cella.Task, str, str]:
    """Run an attack to its end: its status, and the words of its error."""
    attack = corpus.attack(name)
    task = script_task(party, attack.source, outputs=attack.outputs, limits=attack.limits, profile=profile)
    try:
        task.wait(timeout=60)
    except cella.CellaError as error:
        return attack, task, error.code, str(error)
    return attack, task, "DONE", ""


def judge(attack: corpus.Attack, task: cella.Task, status: str, words: str) -> None:
    """The status is one that must be; the words say what was wrong; nothing is released by a task that failed."""
    assert status in attack.statuses, f"{status} instead of {' or '.join(attack.statuses)}: {words}"
    if status != "DONE":
        assert attack.text in words
        assert "result" not in task.refresh().facts
        assert all("sealed_key" not in output for output in task.facts["outputs"].values())
    usage = task.refresh().usage
    assert usage["cpu_us"] < (attack.limits.get("cpu_s", 10) + 1) * 1_000_000


def leaves_nothing(own: LiveExecutor, around: Surroundings, honest: Callable[[str], None], profile: str) -> None:
    """The next honest task is right, no process of the attack is left, everything else is as before."""
    honest(profile)
    around.unchanged()


@pytest.mark.parametrize("name", corpus.attacks("bad_"))
def test_bad_scripts(own: LiveExecutor, party: cella.Executor, around: Surroundings, honest: Callable[[str], None], name: str) -> None:
    judge(*try_it(party, name, "python"))
    leaves_nothing(own, around, honest, "python")


@pytest.mark.parametrize("name", corpus.attacks("forge_"))
def test_forged_messages(own: LiveExecutor, party: cella.Executor, around: Surroundings, honest: Callable[[str], None],
                         name: str) -> None:
    judge(*try_it(party, name, "python"))
    leaves_nothing(own, around, honest, "python")


# ---- what the corpus does not show one by one


QUICK = ("bad_closing", "bad_code", "bad_runtime", "bad_output_lie", "bad_output_late", "bad_closerange", "bad_leaving_in_thread",
         "bad_bomb", "forge_done", "forge_log", "forge_kind", "forge_result", "forge_result_after_done")


def test_fifty_attacks_leave_no_descriptors(own: LiveExecutor, party: cella.Executor, around: Surroundings,
                                            honest: Callable[[str], None]) -> None:
    """Monitor, front and zygotes have as much open as before; one that is kept open would show."""
    profiles = corpus.there()
    for profile in profiles:
        honest(profile)
    wait_until(lambda: around.open_files() == (time.sleep(0.3), around.open_files())[1], 20, "the executor has settled")
    before = around.open_files()
    assert len(before) >= 4 and sum(before.values()) > 20
    busy = script_task(party, "import cella, time\ndef main(a, b):\n    cella.progress(0.5)\n    time.sleep(600)", outputs=["a", "b"])
    until_in_cell(busy)
    assert around.open_files() != before, "the files of a task that runs are not seen"
    busy.cancel()
    for number in range(50):
        name = QUICK[number % len(QUICK)]
        judge(*try_it(party, name, profiles[number % len(profiles)]))
    for profile in profiles:
        honest(profile)
    wait_until(lambda: around.open_files() == before, 20, f"as many are open as before: {before}, {around.open_files()}")
    around.unchanged()


def test_no_process_is_left(own: LiveExecutor, party: cella.Executor, honest: Callable[[str], None]) -> None:
    """The processes of a task are seen while it runs, and gone when it has ended: by their numbers, not by a count."""
    source = ("import cella, threading, time\ndef main():\n    for _ in range(3):\n"
              "        threading.Thread(target=time.sleep, args=(600,)).start()\n    cella.progress(0.5)\n    time.sleep(600)")
    task = script_task(party, source)
    until_in_cell(task)
    cells = [process for process in own.below() if process._status("Threads") == "4"]
    assert len(cells) == 1
    task.cancel()
    wait_until(lambda: not cells[0].alive, 10, "the cell has ended")
    honest("python")


IGNORES = """
import cella, os, signal, threading, time
def main():
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
    cella.progress(0.5)
    while True:
        try:
            while True:
                sum(range(10 ** 7))
        except BaseException:
            pass
"""


def test_cancel_can_not_be_ignored(own: LiveExecutor, party: cella.Executor, honest: Callable[[str], None],
                                   around: Surroundings) -> None:
    for source in (IGNORES, "import cella\ndef main():\n    cella.progress(0.5)\n    return 3 ** (10 ** 10) % 7"):
        task = script_task(party, source)
        until_in_cell(task)
        begun = time.monotonic()
        task.cancel()
        wait_until(lambda: task.refresh().state == "cancelled", 15, "the task is cancelled")
        assert time.monotonic() - begun < 10
        leaves_nothing(own, around, honest, "python")


FLOOD = r"""
def main():
    cella.progress(0.5)
    packets = [_keep(bytes([kind]) + body) for kind, body in ((2, b"x" * 30000), (2, b"y"), (3, b"\x00\x01" + b"z" * 200))]
    while True:
        for packet, size in zip(packets, (30001, 2, 203)):
            syscall(44, 128, packet, size, 0x4000, 0, 0)
"""


def test_floods_do_not_keep_others_waiting(own: LiveExecutor, party: cella.Executor, honest: Callable[[str], None],
                                           around: Surroundings) -> None:
    """A cell that says as much as it can, in one of the places for running tasks: the other places are served as ever."""
    if (os.cpu_count() or 1) < 2:
        pytest.skip("ONE PROCESSOR: an executor runs one task at a time there, floods were not tried")
    limits = {"cpu_s": 2, "wall_s": 30, "log_bytes": 1000}
    flood = script_task(party, "import cella\n" + corpus.raw() + FLOOD, limits=limits)
    until_in_cell(flood)
    longest = 0.0
    for _ in range(5):
        begun = time.monotonic()
        honest("python")
        longest = max(longest, time.monotonic() - begun)
    assert flood.refresh().state == "running", "the flood was over too early to show anything"
    assert longest < 10
    with pytest.raises(cella.CellaError) as caught:
        flood.wait(timeout=60)
    assert len((caught.value.log or "").replace(CUT, "")) <= 1000
    leaves_nothing(own, around, honest, "python")
    assert caught.value.code in ("LIMIT_CPU", "LIMIT_WALL")


def test_a_limit_of_cpu_time_is_exact(own: LiveExecutor, party: cella.Executor) -> None:
    for _ in range(4):
        attack, task, status, words = try_it(party, "cpu_ticks", "python")
        assert status in attack.statuses and attack.text in words, words
        assert 900_000 <= task.refresh().usage["cpu_us"] <= 1_500_000


class TestWhatTheReceiverGets:
    """A cell may forge its own result and words; who reads them gets an error of Cella, or text, and nothing worse."""

    @pytest.mark.parametrize("text", ["b''", "b'['", "b'[' * 500000", "b'{\"a\":1,\"a\":2}'", "b'NaN'", "b'\\xff'", "b'1 2'", "b'9' * 400000"])
    def test_a_result_that_is_none(self, party: cella.Executor, text: str) -> None:
        source = corpus.attack("forge_done").source.replace("b'\"forged\"'", text)
        assert text in source
        task = script_task(party, source).wait(timeout=30)
        with pytest.raises(cella.CellaError) as caught:
            task.result()
        assert len(str(caught.value)) < 1000

    def test_an_honest_one_is_read(self, party: cella.Executor) -> None:
        task = script_task(party, corpus.attack("forge_done").source).wait(timeout=30)
        assert task.result() == "forged"

    def test_a_log_has_its_size(self, party: cella.Executor) -> None:
        _, task, status, _ = try_it(party, "forge_log", "python")
        assert status == "DONE" and task.messages()["log"] in ("y" * 1000, "y" * 1000 + CUT)

    def test_a_traceback_has_its_size(self, party: cella.Executor) -> None:
        source = corpus.attack("forge_error").source
        task = script_task(party, source, limits={"log_bytes": 100})
        with pytest.raises(cella.CellaError) as caught:
            task.wait(timeout=30)
        assert "forged" in str(caught.value)
        assert len(caught.value.traceback_text or "") <= 100
