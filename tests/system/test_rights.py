# SPDX-License-Identifier: Apache-2.0
"""The table of rights, cell by cell: everybody who can be something to a target asks for everything that can be done to it."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cella
import pytest
from cella.encoding import to_base64url
from governed import House, housed
from live import files, package_of

PROTOCOL = Path(__file__).resolve().parents[2] / "docs" / "protocol.md"
REFUSALS = {"DENIED", "NOT_FOUND", "NOT_ALLOWED", "ROLE_MISSING"}


def rows() -> dict[str, tuple[str, set[str], set[str]]]:
    """Operation -> role, who may, who may know: from the document, which is compared with the source elsewhere."""
    text = PROTOCOL.read_text(encoding="utf-8").partition("## 12. Rights")[2].partition("\n## ")[0]
    found = re.findall(r"^\| `([a-z]+\.[a-z]+)` \| (\S+) \| ([^|]+) \| ([^|]+) \|$", text, re.MULTILINE)
    return {op: (role.strip("`"), set(may.split(", ")), set(know.split(", "))) for op, role, may, know in found}


ROWS = rows()
Actors = dict[str, tuple[cella.Executor, set[str]]]
"""Name -> who asks, and what he is to the target."""


class World:
    """People around targets of each kind. Targets are made anew, since what is done to them changes them."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.root = house.root
        self.own = self.root.organisations.create("own")
        self.manager = house.guest(organisation=self.own, manages=True)
        self.colleague = house.guest(organisation=self.own)
        self.stranger, self.listed, self.owner, self.other = house.guests(4)
        self.reviewer = house.guest("auditor", "data_owner", "function_owner")
        other = self.root.organisations.create("other")
        self.foreign = house.guest(organisation=other, manages=True)

    def party(self) -> tuple[dict[str, str], Actors]:
        target = self.house.guest(organisation=self.own)
        return {"party": target.party, "organisation": self.own}, {
            "self": (target, {"the party itself", "members"}),
            "administrator": (self.root, {"administrators"}),
            "manager": (self.manager, {"managers", "members"}),
            "colleague": (self.colleague, {"members"}),
            "foreign manager": (self.foreign, set()),
            "stranger": (self.stranger, set()),
        }

    def powerful_party(self) -> tuple[dict[str, str], Actors]:
        """Somebody over whom a manager has no power."""
        target = self.house.guest("auditor", "data_owner", organisation=self.own)
        return {"party": target.party, "organisation": self.own}, {
            "self": (target, {"the party itself", "members"}),
            "administrator": (self.root, {"administrators"}),
            "manager": (self.manager, {"members"}),
        }

    def organisation(self) -> tuple[dict[str, str], Actors]:
        return {"organisation": self.own, "party": self.colleague.party}, {
            "administrator": (self.root, {"administrators"}),
            "manager": (self.manager, {"managers", "members"}),
            "colleague": (self.colleague, {"members"}),
            "stranger": (self.stranger, set()),
        }

    def service(self) -> tuple[dict[str, str], Actors]:
        return {}, {
            "administrator": (self.root, {"administrators"}),
            "manager": (self.manager, set()),
            "stranger": (self.stranger, set()),
        }

    def function(self) -> tuple[dict[str, str], Actors]:
        target = self.owner.functions.register(package_of("def main(): return 1"), allow=[f"party:{self.listed.party}"])
        self.owner.functions.show(target, self.reviewer.party)
        return {"function": target.id, "auditor": self.reviewer.party}, {
            "owner": (self.owner, {"owners"}),
            "administrator": (self.root, {"administrators"}),
            "listed": (self.listed, {"allowed", "listed"}),
            "reviewer": (self.reviewer, {"reviewers"}),
            "stranger": (self.stranger, set()),
        }

    def data(self) -> tuple[dict[str, str], Actors]:
        target = self.owner.data.add(b"mine", "x")
        return {"data": target.id}, {
            "owner": (self.owner, {"owners"}),
            "administrator": (self.root, {"administrators"}),
            "stranger": (self.stranger, set()),
        }

    def task(self) -> tuple[dict[str, str], Actors]:
        function = self.owner.functions.register(package_of("def main(z): z.write(b'z')", public=True, outputs=files("z")))
        target = self.owner.tasks.create(function, outputs={"z": [self.listed.party]}, result=[self.other.party])
        contract = target.contract()
        for one in (self.owner, self.listed, self.other):
            one.tasks.get(target.id).approve(contract)
        target.invoke().wait()
        leaf = to_base64url(target.receipt().leaf)
        return {"task": target.id, "output": "z", "contract": contract.sha256, "leaf": leaf}, {
            "creator": (self.owner, {"the creator", "participants"}),
            "receiver": (self.listed, {"receivers", "participants"}),
            "participant": (self.other, {"participants"}),
            "administrator": (self.root, {"administrators"}),
            "stranger": (self.stranger, set()),
        }


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One executor for this file."""
    with housed(tmp_path_factory.mktemp("house")) as house:
        yield World(house)


ZEROS = "0" * 32
KEYS = {"sign": to_base64url(bytes(range(32))), "seal": to_base64url(b"\x09" + bytes(31))}
TRIED: dict[str, tuple[str, Callable[[dict[str, str]], dict[str, Any]]]] = {
    # operation -> kind of its target, arguments
    "party.get": ("party", lambda t: {"party": t["party"]}),
    "party.change": ("party", lambda t: {"party": t["party"], "roles": ["data_owner"]}),
    "party.remove": ("party", lambda t: {"party": t["party"]}),
    "organisation.remove": ("party", lambda t: {"party": t["party"], "organisation": t["organisation"]}),
    "party.add": ("service", lambda t: {**KEYS, "roles": ["data_owner"]}),
    "invitation.revoke": ("service", lambda t: {"invitation": ZEROS}),
    "organisation.create": ("service", lambda t: {"name": "own"}),
    "organisation.get": ("organisation", lambda t: {"organisation": t["organisation"]}),
    "organisation.add": ("organisation", lambda t: {"organisation": t["organisation"], "party": t["party"]}),
    "organisation.delete": ("organisation", lambda t: {"organisation": t["organisation"]}),
    "function.get": ("function", lambda t: {"function": t["function"]}),
    "function.usage": ("function", lambda t: {"function": t["function"]}),
    "function.change": ("function", lambda t: {"function": t["function"], "quota": 5}),
    "function.disable": ("function", lambda t: {"function": t["function"]}),
    "function.enable": ("function", lambda t: {"function": t["function"]}),
    "function.delete": ("function", lambda t: {"function": t["function"]}),
    "function.show": ("function", lambda t: {"function": t["function"], "auditor": t["auditor"]}),
    "function.source": ("function", lambda t: {"function": t["function"]}),
    "function.audit": ("function", lambda t: {"function": t["function"], "statement": "x"}),
    "task.create": ("function", lambda t: {"function": t["function"]}),
    "data.get": ("data", lambda t: {"data": t["data"]}),
    "data.change": ("data", lambda t: {"data": t["data"]}),
    "data.update": ("data", lambda t: {"data": t["data"], "url": "https://data.example/x"}),
    "data.delete": ("data", lambda t: {"data": t["data"]}),
    "receipt.get": ("task", lambda t: {"of": t["task"]}),
    "receipt.find": ("task", lambda t: {"leaf": t["leaf"]}),
    "data.derive": ("task", lambda t: {"task": t["task"], "output": t["output"]}),
    "task.assign": ("task", lambda t: {"task": t["task"], "inputs": {}}),
    "task.contract": ("task", lambda t: {"task": t["task"]}),
    "task.approve": ("task", lambda t: {"task": t["task"], "contract": t["contract"]}),
    "task.withdraw": ("task", lambda t: {"task": t["task"]}),
    "task.reject": ("task", lambda t: {"task": t["task"]}),
    "task.invoke": ("task", lambda t: {"task": t["task"]}),
    "task.retry": ("task", lambda t: {"task": t["task"]}),
    "task.cancel": ("task", lambda t: {"task": t["task"]}),
    "task.get": ("task", lambda t: {"task": t["task"]}),
    "task.watch": ("task", lambda t: {"task": t["task"], "version": 0}),
}
OTHERWISE = {
    "party.rotate", "party.join",  # only about oneself: test_parties
    "party.list", "organisation.list", "function.list", "data.list", "task.list", "audit.list",  # below; test_functions
    "executor.info", "ledger.consistency", "function.register", "data.register",  # any party; roles below
    "object.upload", "object.download",  # below
}


def code_of(one: cella.Executor, op: str, args: dict[str, Any]) -> str:
    try:
        one.request(op, args)
    except cella.CellaError as problem:
        return str(problem.code)
    return "OK"


def expected(op: str, relations: set[str], one: cella.Executor) -> str | None:
    """The refusal that the table says; None where he may."""
    role, may, know = ROWS[op]
    relations = relations | {"any party"}
    if role != "–" and role not in one.party_of()["roles"]:
        return "ROLE_MISSING"
    if relations & may:
        return None
    if op == "task.create":
        return "NOT_ALLOWED"  # says which right is missing
    return "DENIED" if relations & know else "NOT_FOUND"


def judge(op: str, who: str, got: str, want: str | None) -> None:
    if want is None:
        assert got not in REFUSALS, f"{op}: {who} may, but got {got}"
    else:
        assert got == want, f"{op}: {who} got {got} instead of {want}"


def test_every_line_is_tried() -> None:
    assert set(ROWS) == set(TRIED) | OTHERWISE and not set(TRIED) & OTHERWISE


@pytest.mark.parametrize("op", TRIED)
def test_who_may(world: World, op: str) -> None:
    kind, args = TRIED[op]
    for who in getattr(world, kind)()[1]:
        if op == "organisation.delete" and who == "administrator":
            continue  # the others still need it; test_parties does it
        target, actors = getattr(world, kind)()
        one, relations = actors[who]
        want = expected(op, relations, one)
        judge(op, who, code_of(one, op, args(target)), want)


@pytest.mark.parametrize("op", ["party.change", "party.remove", "organisation.remove"])
def test_a_manager_and_somebody_of_standing(world: World, op: str) -> None:
    for who in ("self", "administrator", "manager"):
        target, actors = world.powerful_party()
        one, relations = actors[who]
        want = expected(op, relations, one)
        judge(op, who, code_of(one, op, TRIED[op][1](target)), want)


def test_objects(world: World) -> None:
    """Moving bytes is asked on a path of its own."""

    def code(one: cella.Executor, args: dict[str, str]) -> str:
        try:
            one.download(args, lambda block: None)
        except cella.CellaError as problem:
            return str(problem.code)
        return "OK"

    for kind in ("data", "task"):
        target, actors = getattr(world, kind)()
        args = {"data": target["data"]} if kind == "data" else {"task": target["task"], "output": target["output"]}
        for who, (one, relations) in actors.items():
            judge("object.download", who, code(one, args), expected("object.download", relations, one))
    for one in (world.root, world.stranger):
        with pytest.raises(cella.NotFound):
            one.upload(world.data()[0]["data"], io.BytesIO(b"x"), 1)


def test_lists_show_what_may_be_known(world: World) -> None:
    function, actors = world.function()
    for who, (one, relations) in actors.items():
        seen = function["function"] in {item.id for item in one.functions.list(owner=world.owner.party)}
        assert seen == bool(relations & ROWS["function.list"][1]), who
    data, actors = world.data()
    for who, (one, relations) in actors.items():
        assert (data["data"] in {item.id for item in one.data.list()}) == bool(relations & ROWS["data.list"][1]), who
    task, actors = world.task()
    for who, (one, relations) in actors.items():
        assert (task["task"] in {item["task"] for item in one.tasks.list()}) == bool(relations & ROWS["task.list"][1]), who
    party, actors = world.party()
    for who, (one, relations) in actors.items():
        seen = party["party"] in {item["party"] for item in one.parties.list()}
        assert seen == bool(relations & ROWS["party.list"][1]), who


@pytest.mark.parametrize("op, role", [(op, row[0]) for op, row in ROWS.items() if row[0] != "–"])
def test_what_needs_a_role(world: World, op: str, role: str) -> None:
    """Asked before the target is looked at, whatever else somebody is: an administrator is no owner of data."""
    without = world.house.guest(*({"function_owner", "data_owner", "auditor", "administrator"} - {role}))
    args = TRIED[op][1](dict.fromkeys(("function", "task", "output", "data"), "x")) if op in TRIED else {}
    assert code_of(without, op, args) == "ROLE_MISSING"
    world.root.parties.remove(without.party)
