# SPDX-License-Identifier: Apache-2.0
"""Snapshots of the ledger: a start that uses one ends where one that reads every record does, and none is believed more than
the records."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import random
import re
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cella
import pytest
from cella import audit, ledger
from live import LONG, LiveExecutor, echo, files, package_of, refused, sealed_bytes, wait_until
from places import Page, Place

Start = Callable[..., LiveExecutor]
PROFILES = "python"
RESTORED = r"ledger: snapshot of (\d+) records restored"
UNUSED = "damaged or foreign"
NAMES = ("snapshot.0", "snapshot.1")


def work(live: LiveExecutor, me: cella.Executor, records: int) -> None:
    """Make at least so many records: three for each task."""
    function = me.functions.register(cella.functions.builtin_package("echo", arguments=["message"]))
    people = [cella.connect(live.address, live.trust, me.identity) for _ in range(8)]

    def create(one: cella.Executor) -> None:
        for _ in range(records // (3 * len(people)) + 1):
            one.request("task.create", {"function": function.id, "arguments": {"message": "x"}})

    threads = [threading.Thread(target=create, args=(one,)) for one in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one in people:
        one.close()


def seen(me: cella.Executor) -> list[object]:
    """What a party sees of the state, the journal included: each entry is proved, by the same leaf and the same rest of its record."""
    told = audit.fetch(me, {})
    proofs = [proof for page in told.pages for proof in page.answer["proofs"]]
    stands = [(proof["leaf"], proof.get("rest"), proof.get("statement")) for proof in proofs]
    return [me.party_of(), me.pages("task.list", "tasks"), me.pages("function.list", "functions"), list(told.entries), stands]


def sql(state: Path, text: str, *values: object) -> list[tuple[object, ...]]:
    """A statement, or several without values, on a ledger that no host has open. What the last one finds."""
    rows: list[tuple[object, ...]] = []
    with contextlib.closing(sqlite3.connect(state / "ledger.db", timeout=20)) as database, database:
        for one in text.split(";"):
            rows = database.execute(one, values).fetchall()
    return rows


def snapshots(state: Path) -> dict[str, int]:
    """Which snapshots there are, and how many records each stands for."""
    rows = sql(state, "SELECT name, bytes FROM parts NATURAL JOIN files WHERE part = 0 AND name LIKE 'snapshot%'")
    return {str(name): int.from_bytes(bytes(content)[6:14], "big") for name, content in rows}  # type: ignore[call-overload]


def count(state: Path) -> int:
    """Records of a ledger."""
    return int(str(sql(state, "SELECT count(*) FROM records")[0][0]))


def said(live: LiveExecutor) -> str:
    """What was logged since the last start: the file goes on from one host to the next."""
    return live.log().rsplit("limits of cells", 1)[-1]


def begin(start: Start, me: cella.Executor, config: dict[str, Any] | None = None) -> tuple[LiveExecutor, cella.Executor]:
    """A new host on the same state folder, and the same party, who has seen all that came before."""
    live = start(config)
    return live, cella.connect(live.address, live.trust, me.identity)


def test_a_start_with_a_snapshot(start: Start, tmp_path: Path) -> None:
    """Good, damaged, cut, missing, older, foreign, of another history: always the same state and the same records."""
    live = start()
    me = live.client()
    work(live, me, 1200)
    head = me.session.head
    assert live.close() == 0
    state = live.state
    first = count(state)
    assert snapshots(state) == {"snapshot.0": first}  # made at the end, with nothing after it
    live, me = begin(start, me)
    assert re.search(RESTORED, said(live))
    work(live, me, 1200)
    expected = seen(me)
    answer = me.request("ledger.consistency", {"size": head.size})
    assert ledger.check_proof(head, answer, me.session.sign_public).size > head.size + 1200
    me.close()
    assert live.close() == 0
    last = count(state)
    assert snapshots(state) == {"snapshot.0": first, "snapshot.1": last}
    whole = tmp_path / "whole"
    shutil.copytree(state, whole)
    foreign = sql(state, "SELECT hex(bytes) FROM parts WHERE name = 'keyring'")[0][0]
    newest = "snapshot.1"  # the names take turns
    both = "name IN ('snapshot.0', 'snapshot.1')"
    damages: list[tuple[str, int, bool]] = [  # what is done, lines about one that is not used, whether one is
        ("SELECT 1", 0, True),
        (f"UPDATE parts SET bytes = CAST(substr(bytes, 1, length(bytes) - 1) || x'00' AS BLOB) WHERE name = '{newest}'", 1, True),
        (f"UPDATE parts SET bytes = substr(bytes, 1, 100) WHERE name = '{newest}'", 1, True),
        (f"UPDATE parts SET bytes = substr(bytes, 1, 5) WHERE name = '{newest}'", 0, True),
        (f"UPDATE parts SET bytes = x'{foreign}' WHERE name = '{newest}'", 0, True),
        (f"DELETE FROM files WHERE name = '{newest}'", 0, True),
        # It claims to stand for more; the older one is given in its place, with its own claim and with the newest's.
        (f"UPDATE parts SET bytes = CAST(substr(bytes, 1, 6) || x'00000000ffffffff' || substr(bytes, 15) AS BLOB) "
         f"WHERE part = 0 AND name = '{newest}'", 1, True),
        (f"UPDATE files SET (version, size) = (SELECT version, size FROM files WHERE name = 'snapshot.0') WHERE name = '{newest}'; "
         f"DELETE FROM parts WHERE name = '{newest}'; "
         f"INSERT INTO parts SELECT '{newest}', version, part, bytes FROM parts WHERE name = 'snapshot.0'", 0, True),
        (f"UPDATE files SET (version, size) = (SELECT version, size FROM files WHERE name = 'snapshot.0') WHERE name = '{newest}'; "
         f"DELETE FROM parts WHERE name = '{newest}'; "
         f"INSERT INTO parts SELECT '{newest}', version, part, CAST(substr(bytes, 1, 6) || x'{last:016x}' || substr(bytes, 15) AS "
         "BLOB) FROM parts WHERE name = 'snapshot.0'", 1, True),
        (f"UPDATE parts SET bytes = CAST(substr(bytes, 1, 999) || x'0102' || substr(bytes, 1002) AS BLOB) WHERE {both}", 2, False),
        (f"DELETE FROM files WHERE {both}", 0, False),
    ]
    for text, unused, used in damages:
        sql(state, text)
        live, me = begin(start, me)  # the client has seen the newest head: it would say ROLLBACK
        assert len(re.findall(UNUSED, said(live))) == unused, (text, said(live))
        assert (re.search(RESTORED, said(live)) is not None) is used, text
        assert seen(me) == expected, text
        assert echo(me, "goes on") == "goes on"
        me.close()
        live.kill()
        snapshots(state)  # the store is free once it can be read: its process ends a moment after its host
        shutil.rmtree(ledger.folder())  # the next one stands where this one stood before
        shutil.rmtree(state)
        shutil.copytree(whole, state)


def test_a_snapshot_that_refutes_its_ledger(start: Start, tmp_path: Path) -> None:
    """An older ledger, or another, beside a snapshot of what was there: RECOVERY. Nobody has to keep the snapshot, so a host that
    means to put the ledger back takes it away; then clients notice."""
    live = start()
    me = live.client()
    ends = []
    for _ in range(2):
        work(live, me, 1200)
        me.close()
        assert live.close() == 0
        ends.append(count(live.state))
        live, me = begin(start, me)
    me.party_of()  # it has seen the newest head
    me.close()
    live.kill()
    state = live.state
    assert list(snapshots(state).values()) == ends
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    shutil.copytree(state, whole)
    last = ends[1]

    def recovers(reason: str) -> None:
        before = count(state)
        live = start()
        found = live.wait_for_log("RECOVERY: [^\n]*", after=len(live.log()) - len(said(live)))
        assert "the ledger is not whole" in found and reason in said(live)
        live.kill()
        assert count(state) == before  # nothing was written

    sql(state, "DELETE FROM records WHERE sequence >= ?", last - 100)
    shutil.copytree(state, cut)
    recovers(f"the snapshot stands for {last} records, but there are {last - 100}: the end of the ledger is missing")
    shutil.rmtree(state)
    shutil.copytree(cut, state)
    sql(state, "DELETE FROM files WHERE name = 'snapshot.1'")
    live = start()
    assert re.findall(RESTORED, said(live)) == [str(ends[0])]
    with refused("ROLLBACK"):
        cella.connect(live.address, live.trust, me.identity)
    live.kill()
    snapshots(state)
    shutil.rmtree(state)
    shutil.copytree(whole, state)
    sql(state, "UPDATE records SET record = (SELECT record FROM records WHERE sequence = 5) WHERE sequence = ?", last - 1)
    recovers(f"record {last - 1} is another than the one that the snapshot ends with")


def test_a_snapshot_of_another_executor(start: Start) -> None:
    """It is not used, although it is larger, and is whole where it was made."""
    one, two = start(name="one"), start(name="two")
    me, other = one.client(), two.client()
    work(one, me, 1200)
    work(two, other, 3000)
    expected = seen(me)
    for live in (one, two):
        assert live.close() == 0
    (name, size), = snapshots(two.state).items()
    row, = sql(two.state, "SELECT version, size FROM files WHERE name = ?", name)
    parts = sql(two.state, "SELECT * FROM parts WHERE name = ?", name)
    sql(one.state, "DELETE FROM parts WHERE name = ?", name)
    sql(one.state, "REPLACE INTO files VALUES (?, ?, ?)", name, *row)
    for part in parts:
        sql(one.state, "INSERT INTO parts VALUES (?, ?, ?, ?)", *part)
    live = start(name="one")
    assert f"the snapshot of {size} records is {UNUSED}" in said(live)
    assert re.search(RESTORED, said(live)) is None
    assert seen(cella.connect(live.address, live.trust, me.identity)) == expected


COPY = "def main(x, out):\n    out.write(x.read())\n    return 'copied'"


def test_all_that_parties_have_is_in_it(start: Start) -> None:
    """Data with their keys, outputs, results, approvals, receipts of runs and deletions, data derived from an output; and the host is
    told again to delete what is deleted."""
    live = start()
    me, other = live.client(), live.client()
    before = set(live.objects())
    deleted, kept = me.data.add(b"deleted" * 100), me.data.add(b"kept")
    object_of = live.stored(deleted.size, before)
    content = object_of.read_bytes()
    function = me.functions.register(package_of(COPY, public=True, inputs=files("x"), outputs=files("out")))

    def run(**inputs: object) -> cella.Task:
        task = me.tasks.create(function, inputs=inputs, outputs={"out": [me.party, other.party]})
        for one in (me, other):
            cella.Task(one, task.id).approve(task.contract())
        task.invoke(nonce=b"asked by me")
        assert task.wait(timeout=60).result() == "copied"
        return task

    task = run(x=deleted)
    derived = me.data.derive(task, "out")
    me.data.delete(deleted)
    wait_until(lambda: not object_of.exists(), 20, "the host deletes the object")
    work(live, me, 1200)

    def everything(me: cella.Executor) -> list[object]:
        one = cella.Task(me, task.id)
        return [me.request("task.get", {"task": task.id}), me.pages("data.list", "data"), one.result(), one.outputs["out"].bytes(),
                dataclasses.asdict(one.receipt().parts), dataclasses.asdict(me.receipt(deleted.id).parts), *seen(me)]

    expected = everything(me)
    me.close()
    assert live.close() == 0
    object_of.write_bytes(content)  # a host that did not obey
    live, me = begin(start, me)
    assert re.search(RESTORED, said(live))
    assert everything(me) == expected
    wait_until(lambda: not object_of.exists(), 20, "the host is told again")
    other = cella.connect(live.address, live.trust, other.identity)
    assert run(x=kept).receipt().verify(live.trust).accepted  # a statement after those of before
    assert run(x=me.data.get(derived.id)).outputs["out"].bytes() == b"deleted" * 100
    with refused("DELETED"):
        run(x=deleted)


JOIN = "def main(x, y, z):\n    z.write(x.read() + y.read())\n    return 'joined'\n"
READ = "def main(x):\n    return x.text()\n"


@pytest.fixture
def place() -> Iterator[Place]:
    made = Place()
    yield made
    made.close()


def test_what_binds_data_and_where_they_lie_is_in_it(start: Start, place: Place, tmp_path: Path) -> None:
    """Places of data, policies of every owner, of data that others were made of and of deleted ones, with their uses; the first keys
    of parties who have replaced theirs; and an audit in a file. What they refuse and allow is the same afterwards."""
    config = {"fetch_from": f"{place.url}/data", "fetch_private": True, "profiles": ["python"]}
    live = start(config)
    a, b = live.client(), live.client()
    a.parties.rotate(a.identity.successor())
    join = a.functions.register(package_of(JOIN, public=True, inputs=files("x", "y"), outputs=files("z")))
    read = a.functions.register(package_of(READ, public=True, inputs=files("x")))
    key = cella.DataKey.generate()
    sealed = sealed_bytes(key, b"elsewhere, ")
    for path in ("/data/old", "/data/new"):
        place.pages[path] = Page(sealed)
    digest = hashlib.sha256(sealed).hexdigest()
    x = a.data.add_url(f"{place.url}/data/old", key, sha256=digest, size=len(sealed), policy={"uses": 9})
    y = b.data.add(b"uploaded", "y", policy={"uses": 3})

    def both(function: cella.Function, inputs: dict[str, Any], **options: Any) -> cella.Task:
        task = a.tasks.create(function, inputs=inputs, **options)
        if y in inputs.values() or [b.party] in inputs.values():
            b.tasks.get(task.id).assign({"y": y})
        for one in (a, b):
            one.tasks.get(task.id).approve(task.contract())
        return task.invoke().wait(timeout=60)

    made = both(join, {"x": x, "y": [b.party]}, outputs={"z": [a.party, b.party]}, fusion=["z"])
    fused = b.data.derive(made, "z")
    a.data.change(fused, {"functions": [read.sha256]})
    b.data.change(fused, {"uses": 7})
    assert a.data.update(x, f"{place.url}/data/new").url.endswith("/data/new")
    assert both(read, {"x": fused}).result() == "elsewhere, uploaded"
    b.data.delete(y)
    a.parties.rotate(a.identity.successor())
    work(live, b, 1200)
    waiting = a.tasks.create(read, inputs={"x": x})

    def everything(one: cella.Executor) -> list[object]:
        return [[one.request("data.get", {"data": data.id}) for data in (fused, x if one.party == a.party else y)],
                dataclasses.asdict(one.receipt(made.id).parts), one.request("task.get", {"task": made.id}), *seen(one)]

    expected = [everything(one) for one in (a, b)]
    bounds = {(bound["data"], bound["owner"]): bound["policy"] for bound in a.data.get(fused.id).bound_by}
    assert bounds == {(fused.id, b.party): {"uses": 7}, (x.id, a.party): {"uses": 9}, (y.id, b.party): {"uses": 3}}
    contract = waiting.contract()
    asked = len(place.asked)
    for one in (a, b):
        one.close()
    assert live.close() == 0
    live, a = begin(start, a, config)
    assert re.search(RESTORED, said(live))
    b = cella.connect(live.address, live.trust, b.identity)
    assert [everything(one) for one in (a, b)] == expected
    receipt = a.receipt(made.id)
    assert receipt.verify(live.trust).accepted and len(receipt.parts.histories) == 1
    assert audit.verify_audit(audit.fetch(a, {}).save(tmp_path / "audit.json"), live.trust).accepted
    waiting = a.tasks.get(waiting.id)
    assert waiting.contract().sha256 == contract.sha256
    assert waiting.invoke().wait(timeout=60).result() == "elsewhere, "
    assert place.asked[asked:] == ["/data/new"]
    with refused("DATA_POLICY", text=f"functions do not include {join.id}"):
        a.tasks.create(join, inputs={"x": fused, "y": fused}, outputs={"z": [a.party, b.party]})
    assert both(read, {"x": fused}).result() == "elsewhere, uploaded"
    assert [a.data.get(x.id).used, b.data.get(y.id).used, a.data.get(fused.id).used] == [4, 3, 2]
    with refused("USES_USED_UP", text=y.id):
        a.tasks.create(read, inputs={"x": fused})
    assert len(audit.fetch(b, {}).entries) > len(expected[1][-2])  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def long_ledger(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, cella.Executor, list[object]]:
    """A state folder with so many records that a start makes a snapshot at once, and what its party sees."""
    folder = tmp_path_factory.mktemp("long")
    live = LiveExecutor(folder)
    me = live.client()
    work(live, me, 10800)
    expected = seen(me)
    me.close()
    assert live.close() == 0
    assert 10000 <= snapshots(live.state)["snapshot.0"] < count(live.state)  # made beside requests
    sql(live.state, "DELETE FROM files WHERE name LIKE 'snapshot%'")
    sql(live.state, "DELETE FROM parts WHERE name LIKE 'snapshot%'")
    return folder, live.state, me, expected


@pytest.mark.parametrize("role", ["ledger", "monitor", "host"])
def test_killed_while_a_snapshot_is_written(start: Start, long_ledger: tuple[Path, Path, cella.Executor, list[object]],
                                            tmp_path: Path, role: str) -> None:
    """Whatever dies at whatever moment: no snapshot, or a whole one, and all of the ledger."""
    _, source, me, expected = long_ledger
    dice = random.Random(role)
    first = start()
    assert first.close() == 0
    shutil.rmtree(first.state)
    shutil.copytree(source, first.state)
    shutil.rmtree(ledger.folder(), ignore_errors=True)  # every role continues another copy
    for _ in range(4):
        live = start()
        time.sleep(dice.uniform(0, 0.15))
        if role == "host":
            live.kill()
        else:
            min(live.role(role), key=lambda one: one.pid).kill()  # its child, if there is one, has a higher number
            wait_until(lambda live=live: serves(live, me), 60, "it serves again")
            live.kill()
        for name in NAMES:  # a whole one, or none
            for size, there in sql(first.state, "SELECT size, (SELECT sum(length(bytes)) FROM parts WHERE parts.name = files.name "
                                   "AND parts.version = files.version) FROM files WHERE name = ?", name):
                assert size == there
    live, me = begin(start, me)
    assert UNUSED not in said(live)
    assert seen(me)[1:] == expected[1:]


def test_a_very_long_ledger(start: Start) -> None:
    """Every record is read, and the newest snapshot is: both starts find the same. (test_monitor_record.c replays 100,000 records and
    test_monitor_image.c has 10,000 tasks in each run of the tests; here clients make them.)"""
    records = 100_000 if LONG else 9_000
    live = start()
    me = live.client()
    work(live, me, records)
    expected = seen(me)
    assert len(me.pages("task.list", "tasks")) * 3 >= records
    me.close()
    assert live.close() == 0
    length = count(live.state)
    live, me = begin(start, me)
    assert re.findall(RESTORED, said(live)) == [str(length)]
    assert seen(me) == expected
    me.close()
    live.kill()
    for table in ("files", "parts"):
        sql(live.state, f"DELETE FROM {table} WHERE name LIKE 'snapshot%'")
    live, me = begin(start, me)
    assert f"ledger: {length + 1} records read in" in said(live)  # and the start of before
    assert seen(me) == expected


def serves(live: LiveExecutor, party: cella.Executor) -> bool:
    """Whether a party gets an answer."""
    try:
        cella.connect(live.address, live.trust, party.identity).party_of()
    except (cella.CellaError, OSError):
        return False
    return True
