# SPDX-License-Identifier: Apache-2.0
"""Who reads what a script says: its class and line everybody who takes part, its own words only whom the contract names."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import cella
import pytest
from live import package_of, refused

Parties = Callable[[int], list[cella.Executor]]
FAILS = """import cella
def main(data):
    cella.log("logged " + data.text())
    print("printed " + data.text())
    raise ValueError("raised " + data.text())
"""
SECRET = "words of the data"


def seen_by(executor: cella.Executor, task: cella.Task) -> cella.Task:
    return cella.Task(executor, task.id).refresh()


def made(function_owner: cella.Executor, creator: cella.Executor, data_owner: cella.Executor, *, public: bool,
         messages: list[str] | None = None, source: str = FAILS) -> cella.Task:
    """A task of these people whose data are assigned."""
    package = package_of(source, inputs=[{"name": "data"}], public=public)
    function = function_owner.functions.register(package)
    task = creator.tasks.create(function, inputs={"data": [data_owner.party]}, messages=messages)
    cella.Task(data_owner, task.id).assign({"data": data_owner.data.add(SECRET.encode(), "data")})
    return task.refresh()


def approved_and_run(task: cella.Task, *people: cella.Executor) -> None:
    """Everybody approves what he read, unless the only participant's assignment was enough; then it runs to its end."""
    for one in people:
        at = seen_by(one, task)
        at.approve(at.contract())
    task.invoke().wait(check=False)


def reads(executor: cella.Executor, task: cella.Task) -> bool:
    """Whether a participant reads the words. Class, line and usage he sees in any case, and never the words elsewhere."""
    at = seen_by(executor, task)
    error = at.error()
    assert error is not None and (error.code, error.script_class, error.line) == ("SCRIPT_FAILED", "ValueError", 5)
    assert at.usage["cpu_us"] > 0
    words = at.messages()
    assert SECRET not in repr({name: value for name, value in at.facts.items() if name != "messages"})
    if not words:
        assert "messages" not in at.facts and SECRET not in str(error) and not error.traceback_text and not error.log
        return False
    assert words["error_message"] == "raised " + SECRET and "line 5, in main" in words["traceback"]
    assert "logged " + SECRET in words["log"] and "printed " + SECRET in words["log"]
    return True


def named(task: cella.Task) -> tuple[set[str], list[str]]:
    """Participants and readers of the words, as the contract has them."""
    terms = task.contract().terms
    return set(terms["participants"]), terms["messages"]["receivers"]


def takes_no_part(executor: cella.Executor, task: cella.Task) -> None:
    with refused("NOT_FOUND"):
        seen_by(executor, task)


def test_a_public_function_on_ones_own_data(parties: Parties) -> None:
    author, user = parties(2)
    task = made(author, user, user, public=True)
    assert named(task) == ({user.party}, [user.party])
    approved_and_run(task)
    assert reads(user, task)
    takes_no_part(author, task)


def test_a_public_function_on_anothers_data(parties: Parties) -> None:
    author, user, owner = parties(3)
    task = made(author, user, owner, public=True)
    assert named(task) == ({user.party, owner.party}, [])
    approved_and_run(task, user, owner)
    assert not reads(user, task) and not reads(owner, task)
    takes_no_part(author, task)


def test_ones_own_private_function_on_ones_own_data(parties: Parties) -> None:
    (user,) = parties(1)
    task = made(user, user, user, public=False)
    assert named(task) == ({user.party}, [user.party])
    approved_and_run(task)
    assert reads(user, task)


def test_anothers_private_function_on_ones_own_data(parties: Parties) -> None:
    """Its owner takes part, so the user is not alone any more: nobody reads, not even the data's only owner."""
    author, user = parties(2)
    task = made(author, user, user, public=False)
    assert named(task) == ({author.party, user.party}, [])
    approved_and_run(task, author, user)
    assert not reads(author, task) and not reads(user, task)


@pytest.mark.parametrize("public", [True, False])
def test_an_author_reads_only_what_all_owners_of_data_approved(parties: Parties, public: bool) -> None:
    author, user, owner = parties(3)
    task = made(author, user, owner, public=public, messages=[author.party])
    assert named(task) == ({author.party, user.party, owner.party}, [author.party])
    for one in (user, author):
        at = seen_by(one, task)
        at.approve(at.contract())
    with refused("NOT_APPROVED"):
        task.invoke()
    told = " ".join(seen_by(owner, task).contract().explain(owner.party).split())
    assert f"error texts, traceback, log, words of progress, all of which can contain data: to {author.party}" in told
    assert f"{author.party} owns the function, which can write there whatever it reads." in told
    approved_and_run(task, owner)
    assert reads(author, task) and not reads(user, task) and not reads(owner, task)


def test_somebody_who_only_reads_the_words(parties: Parties) -> None:
    author, user, helper = parties(3)
    task = made(author, user, user, public=True, messages=[helper.party, user.party])
    assert named(task)[0] == {user.party, helper.party} and set(named(task)[1]) == {user.party, helper.party}
    with refused("NOT_APPROVED"):
        task.invoke()
    approved_and_run(task, user, helper)
    assert reads(user, task) and reads(helper, task)
    with refused("DENIED"):
        seen_by(helper, task).cancel()


def test_nobody_when_nobody_is_asked_for(parties: Parties) -> None:
    (user,) = parties(1)
    task = made(user, user, user, public=False, messages=[])
    assert named(task) == ({user.party}, [])
    approved_and_run(task)
    assert not reads(user, task)


@pytest.mark.parametrize("messages", [None, "author"])
def test_words_of_success_go_the_same_way(parties: Parties, messages: str | None) -> None:
    author, user = parties(2)
    source = "def main(data):\n    print('printed ' + data.text())\n    return 1\n"
    readers = None if messages is None else [author.party]
    task = made(author, user, user, public=False, messages=readers, source=source)
    approved_and_run(task, author, user)
    assert task.result() == 1
    for one, expected in ((author, messages is not None), (user, False)):
        assert seen_by(one, task).messages().get("log", "") == (f"printed {SECRET}\n" if expected else "")


def test_a_class_is_a_name_and_nothing_else(parties: Parties) -> None:
    """What every participant sees of an error has room for a name only: no blanks, quotes or other characters."""
    author, user = parties(2)
    source = "def main(data):\n    raise type('A b<' + 'é' * 300 + '\\n', (Exception,), {})()\n"
    task = made(author, user, user, public=False, source=source)
    approved_and_run(task, author, user)
    error: dict[str, Any] = {}
    with contextlib.suppress(KeyError):
        error = seen_by(user, task).facts["error"]
    assert error["class"].startswith("A?b?") and len(error["class"]) <= 120
    assert set(error["class"]) <= set("Ab?") and error["line"] == 2
