# SPDX-License-Identifier: Apache-2.0
"""An executor whose platform can not seal keys (TDX, Nitro): all that it knows is in memory, and it says so. What it does,
what it refuses, what is left of it."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import cella
import pytest
from live import BUILD, PROGRAMS, CommandLine, LiveExecutor, host, package_of, refused, script_task, wait_until

SAID = "platform soft can not seal keys: executor, parties, functions and tasks end with this process"


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cella's programs with the other monitor."""
    folder = tmp_path_factory.mktemp("unsealing")
    folder.chmod(0o755)
    copied = Path(shutil.copytree(PROGRAMS, folder / "programs"))
    shutil.copy(BUILD / "system" / "cella-monitor-unsealing", copied / "cella-monitor")
    return copied


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory, programs: Path) -> Iterator[LiveExecutor]:
    """One for the tests that leave it as it is."""
    executor = LiveExecutor(tmp_path_factory.mktemp("live"), programs=programs)
    yield executor
    executor.close()


def rows(state: Path) -> dict[str, int]:
    """Rows of each table in the database of a host that has ended."""
    with contextlib.closing(sqlite3.connect(state / "ledger.db")) as database:
        tables = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {table: database.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0] for table in tables}


def test_it_works_and_says_what_it_is(live: LiveExecutor) -> None:
    assert live.log().count(SAID) == 1
    assert "ledger:" not in live.log() and "RECOVERY" not in live.log()
    me, other = live.client(), live.client()
    task = script_task(me, "def main(x, out):\n    out.write(x.read())\n    return 'done'", inputs={"x": b"data"}, outputs=["out"])
    assert task.wait(timeout=30).result() == "done" and task.outputs["out"].bytes() == b"data"
    function = me.functions.register(package_of("def main(): return 2", public=True))
    shared = me.tasks.create(function, result=[me.party, other.party])
    contract = shared.contract()
    for one in (me, other):
        cella.Task(one, shared.id).approve(contract)
    assert shared.invoke().wait(timeout=30).result() == 2
    failed = script_task(me, "def main():\n    raise ValueError").wait(check=False)
    assert failed.state == "failed"


def test_it_gives_no_proofs(live: LiveExecutor, tmp_path: Path) -> None:
    me = live.client()
    task = script_task(me, "def main(): return 1").wait(timeout=30)
    assert me.session.head is None
    with refused("BAD_STATE", text="keeps no ledger, and gives no receipts"):
        me.receipt(task.id)
    with refused("BAD_STATE", text="keeps no ledger"):
        task.provenance()
    with refused("BAD_STATE"):
        me.request("receipt.find", {"leaf": "A" * 43})
    with refused("BAD_STATE"):
        me.request("ledger.consistency", {"size": 1})
    data = me.data.add(b"gone")
    assert me.data.delete(data).deleted
    with refused("BAD_STATE", text="keeps no ledger"):
        me.receipt(data.id)
    cli = CommandLine(tmp_path, {"CELLA_AT": live.address, "CELLA_TRUST": str(live.trust)})
    (tmp_path / "one.py").write_text("def main(): return 1")
    ran = cli("run", "one.py")
    assert ran.out.strip() == "1" and "its proof" not in ran.err
    assert not list((tmp_path / ".local").rglob("heads/*")), "there is no head to keep"


def test_its_audit_is_there_while_it_lives(live: LiveExecutor) -> None:
    me = live.client()
    task = script_task(me, "def main(): return 1").wait(timeout=30)
    events = [entry["event"] for entry in me.audit(task=task.id)]
    assert events[0] == "task.created" and events[-1] == "task.finished"
    with refused("REPLAYED"):
        text = me.sign("party.get", {})
        for _ in range(2):
            me._send(text, None)


def test_all_is_gone_with_it(programs: Path, tmp_path: Path) -> None:
    """Its end is the end of parties, functions and tasks; the host starts another one, which knows nobody."""
    live = LiveExecutor(tmp_path, programs=programs)
    try:
        me = live.client()
        task = script_task(me, "def main(x): return len(x.read())", inputs={"x": b"data"}).wait(timeout=30)
        old, port, stored = me.id, live.address, set(live.objects())
        assert task.result() == 4 and stored
        live.one("monitor").kill()
        wait_until(lambda: live.log().count(SAID) == 2, 60, "another executor")

        def connected() -> cella.Executor | None:
            with contextlib.suppress(cella.TransportError):
                return cella.connect(port, live.trust, me.identity)
            return None

        again = wait_until(connected, 60, "it can be reached")
        assert again.id != old
        with refused("NOT_ENROLLED", "NOT_FOUND", "UNKNOWN_PARTY"):
            again.request("task.get", {"task": task.id})
        again.enrol()
        with refused("NOT_FOUND"):
            again.request("task.get", {"task": task.id})
        assert again.audit()[0]["event"] == "party.enrolled"
        assert script_task(again, "def main(): return 5").wait(timeout=30).result() == 5
        again.close()
        assert stored <= set(live.objects()), "ciphertext stays until the operator removes it"
    finally:
        assert live.close() == 0
    assert set(rows(live.state).values()) == {0}, "no record, no keyring"
    done = host("backup", "--dev", live.state, "--to", tmp_path / "copy")
    assert done.returncode == 0 and "0 records" in done.stderr, done.stderr


def test_a_state_folder_with_a_ledger_is_left_alone(programs: Path, tmp_path: Path) -> None:
    """Of an executor that could seal: one that can not does not read it, nor writes to it."""
    first = LiveExecutor(tmp_path)
    me = first.client()
    executor, party = me.id, me.party
    first.close()
    before = rows(first.state)
    assert before["records"] > 0 and before["files"] == 1
    second = LiveExecutor(tmp_path, programs=programs)
    other = second.client()
    assert other.id != executor
    with refused("ROLE_MISSING", "NOT_FOUND"):
        other.party_of(party)
    second.close()
    assert rows(first.state) == before
    third = LiveExecutor(tmp_path)
    try:
        again = cella.connect(third.address, third.trust, me.identity)
        assert (again.id, again.party_of()["party"]) == (executor, party)
        again.close()
    finally:
        third.close()
