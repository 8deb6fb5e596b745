# SPDX-License-Identifier: Apache-2.0
"""The ledger: what was acknowledged comes back, whatever dies; what was changed, lost or put back is noticed."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

import cella
import pytest
from cella import ledger
from live import LONG, LiveExecutor, echo, host, package_of, refused, script_task, until_running, wait_until

Start = Callable[..., LiveExecutor]
PROFILES = "python"
SOURCE = "def main(): return 1"
SLEEP = "import time\ndef main():\n    time.sleep(600)"


def functions_of(me: cella.Executor) -> set[str]:
    """Ids of the functions that a party sees."""
    return {one["function"] for one in me.pages("function.list", "functions")}


def register(me: cella.Executor, number: int) -> str:
    """A change of the state: a new function."""
    return me.functions.register(package_of(SOURCE, name=f"f{abs(number)}")).id


def again(start: Start, me: cella.Executor) -> tuple[LiveExecutor, cella.Executor]:
    """A new host on the same state folder, and the same party there."""
    live = start()
    return live, cella.connect(live.address, live.trust, me.identity)


def records(state: Path) -> list[bytes]:
    """The records of a ledger that no host has open."""
    with contextlib.closing(sqlite3.connect(state / "ledger.db")) as database:
        return [row[0] for row in database.execute("SELECT record FROM records ORDER BY sequence")]


def change(state: Path, text: str, *values: object) -> None:
    """Change the store behind the executor's back."""
    with contextlib.closing(sqlite3.connect(state / "ledger.db")) as database, database:
        database.execute(text, values)


# ---- what comes back ----


def test_everything_comes_back(start: Start) -> None:
    first = start()
    me, other = first.client(), first.client()
    finished = script_task(me, "def main(x, out):\n    out.write(x.read())\n    return 'result'", inputs={"x": b"data"},
                           outputs=["out"])
    assert finished.wait(timeout=30).result() == "result"
    before = me.request("task.get", {"task": finished.id})
    seen = functions_of(me)
    executor = me.id
    assert first.close() == 0
    second, me = again(start, me)
    assert me.id == executor
    assert me.request("task.get", {"task": finished.id}) == before
    assert functions_of(me) == seen
    assert cella.Task(me, finished.id).wait(timeout=5).result() == "result"
    assert other.identity.party == cella.connect(second.address, second.trust, other.identity).party_of()["party"]
    assert echo(me, "and goes on") == "and goes on"


def test_a_queued_task_runs_and_a_running_one_failed(start: Start) -> None:
    first = start({"concurrency": 1})
    me = first.client()
    running = until_running(script_task(me, SLEEP))
    waiting = [script_task(me, f"def main(): return {number}") for number in range(3)]
    first.kill()
    second = start({"concurrency": 1})
    me = cella.connect(second.address, second.trust, me.identity)
    assert [cella.Task(me, task.id).wait(timeout=30).result() for task in waiting] == [0, 1, 2]
    with refused("EXECUTOR_DIED"):
        cella.Task(me, running.id).wait(timeout=5).result()


def test_a_request_is_not_accepted_twice_by_the_next_executor(start: Start) -> None:
    first = start()
    me = first.client()
    signed = me.sign("task.create", {"function": register(me, 1)})
    me._send(signed, None)
    first.kill()
    _, me = again(start, me)
    with refused("REPLAYED"):
        me._send(signed, None)
    assert len(me.pages("task.list", "tasks")) == 1


# ---- what dies ----


@pytest.mark.parametrize("role", ["ledger", "monitor", "host"])
def test_nothing_acknowledged_is_lost(start: Start, role: str) -> None:
    """Kill a program again and again while clients make changes: each that was acknowledged is there, each that was not is
    there as a whole or not at all."""
    rounds = 700 if LONG else 4
    dice = random.Random(role)
    live = start()
    parties = [live.client() for _ in range(4)]
    known: list[set[str]] = [set() for _ in parties]
    for number in range(rounds):
        stop = threading.Event()
        clients = [cella.connect(live.address, live.trust, one.identity) for one in parties]

        def work(index: int, client: cella.Executor) -> None:
            while not stop.is_set():
                try:
                    task = client.request(
                        "task.create", {"function": register(client, number), "invoke": True}  # three events or none
                    )
                    known[index].add(task["task"])
                except (cella.CellaError, OSError):
                    time.sleep(0.01)

        threads = [threading.Thread(target=work, args=pair) for pair in enumerate(clients)]
        for thread in threads:
            thread.start()
        time.sleep(dice.uniform(0.05, 0.4))
        if role == "host":
            live.kill()
        else:
            live.one(role).kill()
            time.sleep(0.3)
        stop.set()
        for thread in threads:
            thread.join(60)
        if role == "host":
            live = start()
        else:
            wait_until(lambda live=live: serving(live, parties[0]), 60, "it serves again")
        for index, party in enumerate(parties):
            client = cella.connect(live.address, live.trust, party.identity)
            tasks = {one["task"]: one["state"] for one in client.pages("task.list", "tasks")}
            assert known[index] <= set(tasks)
            assert not {"created", "assigned", "approved"} & set(tasks.values()), "half of a change"
            client.close()
    assert all(known)


def serving(live: LiveExecutor, party: cella.Executor) -> bool:
    """Whether a party gets an answer."""
    try:
        cella.connect(live.address, live.trust, party.identity).party_of()
    except (cella.CellaError, OSError):
        return False
    return True


def test_the_disk_is_full(start: Start, tmp_path: Path) -> None:
    live = start({"ledger_max_bytes": 1 << 19})
    me = live.client()
    made = set()
    with refused("LEDGER_FULL"):
        for number in range(10000):
            made.add(register(me, number))
    with refused("LEDGER_FULL"):
        me.party_of()
    live.wait_for_log("error +executor: .*has no room for the ledger")
    assert live.role("monitor")
    live.kill()
    (tmp_path / "state.json").unlink()
    _, me = again(start, me)  # with more room it goes on
    assert made <= functions_of(me)
    register(me, -1)


# ---- what was changed ----


def in_recovery(start: Start, me: cella.Executor, because: str) -> None:
    """An executor starts, is attested, and serves nothing."""
    live = start()
    live.wait_for_log(f"error +executor: RECOVERY: .*({because})")
    with refused("RECOVERY"):
        cella.connect(live.address, live.trust, me.identity).party_of()
    with refused("RECOVERY"):
        live.client()
    assert live.process.poll() is None
    live.close()


def test_recovery(start: Start) -> None:
    first = start()
    me = first.client()
    for number in range(3):
        register(me, number)
    assert first.close() == 0
    state = first.state
    whole = state.with_name("whole")
    shutil.copytree(state, whole)
    content = records(state)
    damages: list[tuple[object, ...]] = []
    for number in range(len(content)) if LONG else [2]:
        flipped = bytearray(content[number])
        flipped[len(flipped) // 2] ^= 1
        other = content[number - 1]
        damages += [
            ("UPDATE records SET record = ? WHERE sequence = ?", bytes(flipped), number),
            ("UPDATE records SET record = ? WHERE sequence = ?", other, number),
            ("UPDATE records SET record = iif(sequence = ?, ?, ?) WHERE sequence IN (?, ?)", number, other, content[number],
             number, (number - 1) % len(content)),
        ]
        if number < len(content) - 1:  # a last one that is missing is for clients to notice
            damages.append(("DELETE FROM records WHERE sequence = ?", number))
    damages += [
        ("INSERT INTO records (sequence, record) VALUES (?, ?)", len(content), content[-1]),
        ("DELETE FROM files",),
        ("UPDATE parts SET bytes = ?", b"CKEY\0\1\0\0\0\4soft\0\0\0\1x"),
    ]
    for text, *values in damages:
        change(state, str(text), *values)
        damaged = records(state)
        in_recovery(start, me, "ledger is not whole|keyring")
        assert records(state) == damaged  # nothing was touched
        shutil.rmtree(state)
        shutil.copytree(whole, state)
    (state / "charter.json").write_text('{"version": 1, "enrol": "open"}')
    in_recovery(start, me, "charter.json is not the charter of this ledger")
    shutil.copy(whole / "charter.json", state / "charter.json")
    _, me = again(start, me)
    assert len(functions_of(me)) == 3


def test_an_old_ledger_is_put_back(start: Start) -> None:
    first = start()
    me = first.client()
    register(me, 1)
    assert first.close() == 0
    old = first.state.with_name("old")
    shutil.copytree(first.state, old)
    second, me = again(start, me)
    made = {register(me, number) for number in range(3)}
    me.close()
    assert second.close() == 0
    shutil.rmtree(first.state)
    shutil.copytree(old, first.state)
    third = start()
    with refused("ROLLBACK"):
        cella.connect(third.address, third.trust, me.identity)
    # It is continued until it is longer than the true one was: then the proof shows the fork.
    stranger = third.client()
    for number in range(20):
        register(stranger, number)
    third.kill()
    fourth = start()
    with refused("ROLLBACK"):
        cella.connect(fourth.address, fourth.trust, me.identity)
    assert not made & functions_of(stranger := fourth.client())
    assert stranger.id == me.id


def test_two_executors_on_two_copies(start: Start) -> None:
    """Both serve, and no client that has seen one takes the other for it, be it shorter or longer."""
    first = start()
    me = first.client()
    register(me, 1)
    assert first.close() == 0
    shutil.copytree(first.state, first.state.with_name("twin"))
    one, twin = start(), start(name="twin")
    me = cella.connect(one.address, one.trust, me.identity)
    register(me, 2)
    with refused("ROLLBACK"):
        cella.connect(twin.address, twin.trust, me.identity)
    stranger = twin.client()
    for number in range(20):
        register(stranger, number)
    with refused("ROLLBACK", text="forked"):
        cella.connect(twin.address, twin.trust, me.identity)
    register(me, 3)


def test_backup_and_restore(start: Start, tmp_path: Path) -> None:
    first = start()
    me = first.client()
    task = script_task(me, "def main(x, out):\n    out.write(x.read())", inputs={"x": b"data"}, outputs=["out"])
    task.wait(timeout=30)
    copy = tmp_path / "copy"
    refusal = host("backup", "--dev", first.state, "--to", copy)
    assert refusal.returncode == 1 and "in use by another cella-host" in refusal.stderr and not copy.exists()
    assert first.close() == 0
    done = host("backup", "--dev", first.state, "--to", copy)
    assert done.returncode == 0 and "records" in done.stderr, done.stderr
    assert host("backup", "--dev", first.state, "--to", copy).returncode == 1  # it exists
    refusal = host("restore", "--from", copy, "--dev", first.state)
    assert refusal.returncode == 1 and "exists" in refusal.stderr
    second, me = again(start, me)
    register(me, 1)
    me.close()
    cella.connect(second.address, second.trust, me.identity).party_of()  # has seen the newest records
    assert second.close() == 0
    shutil.rmtree(first.state)
    done = host("restore", "--from", copy, "--dev", first.state)
    assert done.returncode == 0 and "ROLLBACK" in done.stderr, done.stderr
    third = start()
    with refused("ROLLBACK"):
        cella.connect(third.address, third.trust, me.identity)
    shutil.rmtree(ledger.folder())
    me = cella.connect(third.address, third.trust, me.identity)
    assert cella.Task(me, task.id).refresh().outputs["out"].bytes() == b"data"
    assert host("restore", "--from", tmp_path / "nothing", "--dev", tmp_path / "x").returncode == 1
    assert host("restore", "--from", third.state / "store", "--dev", tmp_path / "x").returncode == 1
    assert not (tmp_path / "x").exists()


def test_heads_continue(start: Start) -> None:
    live = start()
    me = live.client()
    heads = [me.session.head]
    for number in range(4):
        register(me, number)
        client = cella.connect(live.address, live.trust, me.identity)
        heads.append(client.session.head)
    for before, after in zip(heads, heads[1:], strict=False):
        assert before is not None and after is not None and before.size < after.size and before.epoch == after.epoch == 1
        answer = me.request("ledger.consistency", {"size": before.size})
        assert ledger.check_proof(before, answer, me.session.sign_public).size >= after.size
    last = heads[-1]
    assert last is not None
    with refused("ROLLBACK"):
        me.request("ledger.consistency", {"size": last.size + 1000})
    forged = ledger.Head(last.executor, 1, last.size - 1, b"\1" * 32, b"\2" * 32, b"")
    with refused("ROLLBACK", text="forked"):
        ledger.check_proof(forged, me.request("ledger.consistency", {"size": forged.size}), me.session.sign_public)


def behind_its_back(own: LiveExecutor, text: str, *values: object) -> None:
    """Change the store of a running executor: its ledger process dies, and does not come back before the change."""
    host_process = own.one("host")
    os.kill(host_process.pid, signal.SIGSTOP)
    try:
        killed = own.one("ledger")
        killed.kill()
        wait_until(lambda: not killed.alive, 5, "the ledger's process has died")
        change(own.state, text, *values)
    finally:
        os.kill(host_process.pid, signal.SIGCONT)


def test_another_executor_has_written(own: LiveExecutor) -> None:
    """Records that this one did not make, in front of its next one: it is fenced, and does not build on them."""
    me = own.client()
    register(me, 1)
    count = int(me.request("ledger.consistency", {"size": 1})["head"]["size"])
    foreign = b"CREC\0\1" + bytes(32) + count.to_bytes(8, "big") + bytes(100)
    behind_its_back(own, "INSERT INTO records (sequence, record) VALUES (?, ?)", count, foreign)
    own.wait_for_log("RECOVERY: another executor has written to this ledger")
    with refused("LEDGER_TAKEN"):
        register(me, 2)
    assert own.process.poll() is None


def test_the_host_loses_what_it_had_acknowledged(own: LiveExecutor) -> None:
    me = own.client()
    register(me, 1)
    behind_its_back(own, "DELETE FROM records WHERE sequence = (SELECT max(sequence) FROM records)")
    own.wait_for_log("RECOVERY: the host has lost records that it had acknowledged")
    with refused("RECOVERY"):
        me.party_of()


def test_the_ledger_hangs(own: LiveExecutor) -> None:
    """No answer leaves while the disk does not, and it is clear after a while that something is wrong."""
    me = own.client()
    process = own.one("ledger")
    os.kill(process.pid, signal.SIGSTOP)
    try:
        begun = time.monotonic()
        with refused("LEDGER_FAILED"):
            register(me, 1)
        assert 8 < time.monotonic() - begun < 20
        with refused("LEDGER_FAILED"):
            me.party_of()
    finally:
        os.kill(process.pid, signal.SIGCONT)
    own.wait_for_log("ledger: goes on")
    assert len(functions_of(me)) == 1  # what was under way took effect after all, as its error said
    assert echo(me, "and goes on") == "and goes on"


def test_a_second_host_is_refused(own: LiveExecutor, tmp_path: Path) -> None:
    """Not even past the lock of the state folder: the store is open in one process."""
    copy = tmp_path / "second"
    copy.mkdir()
    for file in own.state.glob("*"):
        if file.name.startswith("ledger.db"):
            (copy / file.name).symlink_to(file)
        elif file.name in ("soft_root.key", "charter.json"):
            shutil.copy(file, copy)
    with pytest.raises(BaseException, match="another process has it open"):
        LiveExecutor(tmp_path, name="second", profiles="python")
    own.serves()
