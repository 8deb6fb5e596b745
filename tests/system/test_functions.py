# SPDX-License-Identifier: Apache-2.0
"""Functions of several parties: versions, allow lists, quotas, auditors, disabling; and what the log says of it all."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cella
import pytest
from cella.encoding import write_json
from governed import House, at_once, codes, housed
from live import CommandLine, package_of, refused

ONE = "def main(): return 1"
FAILS = "def main(): raise ValueError('no')"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One executor for this file, where parties are invited and auditors read what concerns functions."""
    with housed(tmp_path_factory.mktemp("house"), auditors_read=["functions"]) as house:
        yield house


def task_of(one: cella.Executor, function: Any, **options: Any) -> cella.Task:
    return one.tasks.create(function, **options)


# ---- versions, lists ----


def test_versions(house: House) -> None:
    a, b = house.guests(2)
    first = a.functions.register(package_of(ONE, name="count"))
    second = a.functions.register(package_of("def main(): return 2", name="count"))
    other = a.functions.register(package_of(ONE, name="sum"))
    theirs = b.functions.register(package_of(ONE, name="count"))
    assert [item.version for item in (first, second, other, theirs)] == [1, 2, 1, 1]
    assert a.functions.get("count").id == second.id and a.functions.get("count@1").id == first.id
    with refused("NOT_FOUND"):
        a.functions.get("count@3")
    task = task_of(a, first, invoke=True)
    assert task.contract().terms["function"]["version"] == 1 and task.wait().result() == 1
    a.functions.delete(second)
    assert a.functions.register(package_of(ONE, name="count")).version == 3  # no number means two things


def test_list_and_search(house: House) -> None:
    a, b = house.guests(2)
    public = a.functions.register(package_of(ONE, name="wards", public=True, description="Counts Patients by ward"))
    hidden = a.functions.register(package_of(ONE, name="wards_private"))
    named = a.functions.register(package_of(ONE, name="wards_for_b"), allow=[f"party:{b.party}"])
    assert [item.id for item in b.functions.list(owner=a.party)] == [public.id, named.id]
    assert [item.id for item in a.functions.list(owner=a.party)] == [public.id, hidden.id, named.id]
    assert [item.id for item in b.functions.list(search="pAtIeNtS")] == [public.id]
    assert [item.id for item in b.functions.list(name="wards")] == [public.id]
    assert b.functions.list(name="war") == []
    assert hidden.id in {item.id for item in house.root.functions.list(owner=a.party)}
    assert b.functions.get(named.id).allow is None and a.functions.get(named.id).allow == [f"party:{b.party}"]
    for count in range(101):
        a.functions.register(package_of(ONE, name="many", public=True))
    assert len(b.functions.list(name="many")) == 101  # more than a page


def test_an_allow_list(house: House) -> None:
    a, b, c, d = house.guests(4)
    clinic = house.root.organisations.create(f"clinic {a.party}")
    house.root.organisations.add(clinic, c.party)
    function = a.functions.register(
        package_of(ONE, public=True), allow=[f"party:{b.party}", f"organisation:{clinic}"]
    )
    for one in (a, b, c):
        assert task_of(one, function, invoke=True).wait().result() == 1
    with refused("NOT_ALLOWED"):
        task_of(d, function)
    task = task_of(c, function)
    house.root.organisations.remove(clinic, c.party)
    with refused("NOT_ALLOWED"):  # asked again when it is invoked
        task.invoke()
    a.functions.change(function, allow=[])
    with refused("NOT_ALLOWED"):
        task_of(b, function)
    assert task_of(a, function, invoke=True).wait().result() == 1  # its owner
    a.functions.change(function, allow=["anybody"])
    assert task_of(d, function, invoke=True).wait().result() == 1
    with refused("DENIED"):
        b.functions.change(function, allow=["anybody"])


@pytest.mark.parametrize("allow, code", [
    (["x"], "BAD_FIELD"), (["user:x"], "BAD_FIELD"), (["party:" + "A" * 43], "NOT_FOUND"), ([1], "BAD_FIELD"),
    (["organisation:organisation-" + "0" * 32], "NOT_FOUND"), (["anybody", "anybody"], "BAD_FIELD"),
])
def test_an_allow_list_of_nobody_known(house: House, allow: list[Any], code: str) -> None:
    with refused(code) as caught:
        house.guest().functions.register(package_of(ONE), allow=allow)
    assert caught.value.field == "args.allow"


# ---- quotas ----


def test_a_quota_counts_runs(house: House) -> None:
    a, b = house.guests(2)
    function = a.functions.register(package_of(FAILS, public=True), quota=2)
    for _ in range(2):
        task_of(b, function, invoke=True).wait(check=False)
    with refused("QUOTA_USED_UP") as caught:
        task_of(b, function, invoke=True)
    assert "quota" in str(caught.value)
    usage = b.functions.usage(function)
    assert (usage["quota"], usage["used"], usage["failed"], usage["finished"]) == (2, 2, 2, 0) and usage["cpu_us"] > 0
    a.functions.change(function, quota=3)
    task_of(b, function, invoke=True).wait(check=False)
    a.functions.change(function, quota=-1)
    assert task_of(b, function, invoke=True).wait(check=False).state == "failed"


def test_a_quota_of_successes(house: House) -> None:
    a = house.guest()
    source = "def main(fail):\n    if fail:\n        raise ValueError\n    return 1\n"
    function = a.functions.register(
        package_of(source, public=True, arguments=[{"name": "fail"}]), quota=1, quota_of="successes"
    )
    for _ in range(3):
        task_of(a, function, arguments={"fail": True}, invoke=True).wait(check=False)
    assert a.functions.usage(function)["used"] == 0
    assert task_of(a, function, arguments={"fail": False}, invoke=True).wait().result() == 1
    with refused("QUOTA_USED_UP"):
        task_of(a, function, arguments={"fail": False}, invoke=True)


def test_64_clients_race_for_one_quota(house: House) -> None:
    """Exactly as many run as there are; and no use of the data is counted for those who did not."""
    owner = house.guest()
    function = owner.functions.register(package_of(ONE, public=True), quota=20)
    clients = [house.guest() for _ in range(64)]
    tasks = [task_of(one, function) for one in clients]
    results = at_once(64, lambda index: tasks[index].invoke())
    assert codes(results) == ["OK"] * 20 + ["QUOTA_USED_UP"] * 44
    won = [task for task, result in zip(tasks, results) if not isinstance(result, Exception)]
    assert [task.wait().result() for task in won] == [1] * 20
    usage = owner.functions.usage(function)
    assert (usage["used"], usage["finished"], usage["failed"]) == (20, 20, 0)
    assert sum(task.refresh().state == "approved" for task in tasks) == 44


# ---- disabling, deleting ----


def test_disabled_means_disabled(house: House) -> None:
    a, b = house.guests(2)
    function = a.functions.register(package_of(ONE, public=True))
    task = task_of(b, function)
    with refused("DENIED"):
        b.functions.disable(function)
    a.functions.disable(function)
    with refused("FUNCTION_DISABLED"):
        task_of(b, function)
    with refused("FUNCTION_DISABLED"):
        task.invoke()
    assert a.functions.get(function.id).disabled
    a.functions.enable(function)
    assert task.invoke().wait().result() == 1
    house.root.functions.disable(function)
    with refused("DENIED"):
        a.functions.enable(function)
    with refused("DENIED"):  # disabling it himself first does not make it his to enable
        a.functions.disable(function)
    house.root.functions.enable(function)
    assert task_of(b, function, invoke=True).wait().result() == 1


def test_deleted(house: House) -> None:
    a, b = house.guests(2)
    function = a.functions.register(package_of(ONE, public=True))
    task = task_of(b, function)
    with refused("DENIED"):
        b.functions.delete(function)
    with refused("DENIED"):
        house.root.functions.delete(function)
    a.functions.delete(function)
    a.functions.delete(function)
    with refused("FUNCTION_DISABLED"):
        task.invoke()
    found = b.functions.get(function.id)
    assert found.source is None and found.sha256 == function.sha256
    assert function.id not in {item.id for item in a.functions.list()}
    for act in (lambda: a.functions.package(function), lambda: a.functions.enable(function)):
        with refused("DELETED"):
            act()


# ---- auditors ----


def test_auditors_sign_for_what_they_read(house: House) -> None:
    a, b = house.guests(2)
    first, second, third = (house.guest("auditor") for _ in range(3))
    function = a.functions.register(package_of(ONE, name="secret"))
    rule = {"parties": [first.party, second.party, third.party], "threshold": 2}
    with refused("DENIED"):
        first.functions.package(function)
    with refused("DENIED"):
        first.functions.audit(function, function.sha256)
    with refused("DENIED"):
        b.functions.show(function, first.party)
    for auditor in (first, second):
        a.functions.show(function, auditor.party)
        package = auditor.functions.package(function)
        assert b"return 1" in package and hashlib.sha256(package).hexdigest() == function.sha256
    with refused("NOT_AUDITED"):
        task_of(b, function, auditors=rule)
    first.functions.audit(function, function.sha256, note="read it all")
    first.functions.audit(function, function.sha256)  # nobody counts twice
    with refused("NOT_AUDITED"):
        task_of(b, function, auditors=rule)
    statement = second.functions.audit(function, function.sha256)
    task = task_of(b, function, auditors=rule)
    contract = task.contract()
    assert contract.terms["auditors"] == rule
    assert set(contract.terms["function"]["audited_by"]) == {first.party, second.party}
    text = contract.explain(b.party)
    assert "at least 2 of the auditors" in text and function.sha256 in text
    shown = {item["auditor"]: item for item in b.functions.get(function.id).audits}
    assert shown[second.party]["statement"] == statement and shown[second.party]["accepted"]
    for one in (a, b):
        one.tasks.get(task.id).approve(contract)
    first.functions.audit(function, function.sha256, accepted=False, note="a mistake")
    with refused("NOT_AUDITED"):  # a signature that was withdrawn counts no more, contract or not
        task.invoke()
    first.functions.audit(function, function.sha256)
    house.root.parties.remove(second.party)
    with refused("NOT_AUDITED"):
        task.invoke()


def test_statements_that_are_refused(house: House) -> None:
    a, auditor, other = house.guest(), house.guest("auditor"), house.guest("auditor")
    function = a.functions.register(package_of(ONE, public=True))
    good = {"version": 1, "type": "cella function audit", "sha256": function.sha256, "auditor": auditor.party, "accepted": True}

    def ask(code: str, by: cella.Executor = auditor, **change: Any) -> None:
        text = write_json({**good, **change})
        with refused(code):
            auditor.request("function.audit", {"function": function.id, "statement": by.identity.sign_statement(text)})

    ask("BAD_SIGNATURE", by=other)
    ask("BAD_FIELD", sha256="00" * 32)
    ask("BAD_FIELD", auditor=other.party)
    ask("BAD_FIELD", type="cella rotation")
    ask("UNKNOWN_FIELD", colour="blue")
    with refused("BAD_FORMAT"):
        auditor.request("function.audit", {"function": function.id, "statement": auditor.identity.sign_request(b"{}")})
    assert not a.functions.get(function.id).audits
    auditor.functions.audit(function, function.sha256)


@pytest.mark.parametrize("rule, field", [
    ({"parties": [], "threshold": 1}, "args.auditors.parties"),
    ({"parties": ["A" * 43, "A" * 43], "threshold": 1}, "args.auditors.parties"),
    ({"parties": ["A" * 43], "threshold": 0}, "args.auditors.threshold"),
    ({"parties": ["A" * 43], "threshold": 2}, "args.auditors.threshold"),
    ({"parties": ["x"], "threshold": 1}, "args.auditors.parties"),
])
def test_a_requirement_that_means_nothing(house: House, rule: dict[str, Any], field: str) -> None:
    a = house.guest()
    function = a.functions.register(package_of(ONE))
    with refused("BAD_FIELD") as caught:
        task_of(a, function, auditors=rule)
    assert caught.value.field == field


# ---- what the log says, to whom ----


def test_the_audit_shows_everybody_his_own(house: House) -> None:
    a, b, c = house.guests(3)
    auditor = house.guest("auditor")
    begin = int(time.time())
    function = a.functions.register(package_of(ONE, public=True))
    task = task_of(a, function, result=[a.party, b.party])
    contract = task.contract()
    for one in (a, b):
        one.tasks.get(task.id).approve(contract)
    task.invoke().wait()

    def events(one: cella.Executor, **filters: Any) -> list[str]:
        return [entry["event"] for entry in one.audit(**filters)]

    course = ["created", "assigned", "contracted", "approved", "approved", "queued", "started", "finished"]
    assert events(b, task=task.id) == [f"task.{word}" for word in course]
    assert events(c, task=task.id) == events(house.root, task=task.id) == events(auditor, task=task.id) == []
    assert events(a, function=function.id) == ["function.registered", *(f"task.{word}" for word in course)]
    assert events(auditor, function=function.id) == ["function.registered"] == events(house.root, function=function.id)
    assert events(c, function=function.id) == [] == events(c, party=b.party)
    mine = a.audit(party=a.party, since=begin)
    assert [entry["number"] for entry in mine] == sorted({entry["number"] for entry in mine})
    assert all(begin <= entry["time"] <= time.time() + 1 for entry in mine)
    assert events(a, since=begin + 3600) == [] == events(a, until=begin - 3600, task=task.id)
    assert {entry.get("by") for entry in b.audit(task=task.id) if entry["event"] == "task.approved"} == {a.party, b.party}


# ---- the command line ----


def test_the_command_line(house: House, tmp_path: Path) -> None:
    """An author, an auditor and an owner of data, each at a command line."""

    def person(name: str, *roles: str) -> CommandLine:
        home = tmp_path / name
        home.mkdir()
        guest = house.guest(*roles)
        guest.identity.save(home / "identity.json")
        names = {"CELLA_AT": house.live.address, "CELLA_TRUST": str(house.live.trust)}
        return CommandLine(home, {**names, "CELLA_IDENTITY": str(home / "identity.json")})

    author, auditor, owner = person("author", "function_owner"), person("auditor", "auditor"), person("owner", "data_owner")
    ids = {one.home.name: one("id").out.strip() for one in (author, auditor, owner)}
    (author.home / "count.py").write_text("def main(x):\n    return len(x.read())\n")
    (owner.home / "x.txt").write_text("twelve bytes")
    made = author("function", "register", "count.py", "--input", "x", "--quota", "1", "--allow", f"party:{ids['owner']}")
    function = made.out.strip()
    assert "count@1" in made.err
    author("function", "share", function, ids["auditor"])
    shown = auditor("function", "source", function)
    assert "return len" in shown.out
    sha256 = json.loads(auditor("function", "source", function, "--json").out)["sha256"]
    data = owner("data", "add", "x.txt", "--auditor", ids["auditor"], "--uses", "1", "--until", "2100-01-01").out.strip()
    create = ("task", "create", function, "--input", f"x={data}", "--auditor", ids["auditor"], "--attempts", "2", "--days", "1")
    assert "NOT_AUDITED" in owner(*create, code=None).err or "DATA_POLICY" in owner(*create, code=None).err
    auditor("function", "sign", function, "--sha256", sha256, "--note", "read")
    assert "count@1" in owner("function", "list", "--search", "COUNT").out
    task = owner(*create).out.split()[0]
    contract = owner("task", "contract", task).out
    for words in ("1 of the 1 runs of the function's quota", "1 of the 1 uses of x", "up to 2 runs", "2100-01-01", "may withdraw"):
        assert words in contract, contract
    for one in (author, owner):
        one("task", "approve", task, "--yes")
    assert "assigned" in author("task", "withdraw", task).out
    author("task", "approve", task, "--yes")
    owner("task", "invoke", task)
    assert owner("task", "fetch", task).out.strip() == "12"
    assert "BAD_STATE" in owner("task", "retry", task, code=None).err
    usage = json.loads(author("function", "usage", function, "--json").out)
    assert (usage["used"], usage["finished"]) == (1, 1)
    again = owner("task", "create", function, "--input", f"x={ids['owner']}").out.split()[0]
    author("task", "reject", again, "--reason", "enough")
    assert "enough" in owner("task", "show", again).out
    for op in ("disable", "enable", "delete"):
        author("function", op, function)
    owner("data", "policy", data, "--none")
    owner("data", "delete", data)
    log = owner("audit", "--data", data).out
    assert "data.registered" in log and "data.deleted" in log
    assert [entry["what"] for entry in owner("audit", "--task", task, "--json").events("entry")][-1] == "task.finished"
