# SPDX-License-Identifier: Apache-2.0
"""What owners allow to be done with their data, and what participants decide about a task."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import cella
import pytest
from governed import House, at_once, codes, housed
from live import files, package_of, refused, script_task, sleeper, wait_until

READ = "def main(x): return x.text()"
JOIN = "def main(x, y, z):\n    z.write(x.read() + y.read())\n    return 'joined'\n"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One executor for this file, open, where tasks may wait for an hour."""
    with housed(tmp_path_factory.mktemp("house"), enrol="open", approval_s=3600) as house:
        yield house


def people(house: House, count: int) -> list[cella.Executor]:
    return [house.live.client() for _ in range(count)]


def reader(one: cella.Executor, **declared: Any) -> cella.Function:
    return one.functions.register(package_of(READ, public=True, inputs=files("x"), **declared))


def shared(a: cella.Executor, b: cella.Executor, source: str = "def main(): return 1", **options: Any) -> cella.Task:
    """A task of two that both have approved."""
    task = a.tasks.create(a.functions.register(package_of(source, public=True)), result=[a.party, b.party], **options)
    contract = task.contract()
    b.tasks.get(task.id).approve(contract)
    return task.approve(contract)


# ---- policies of data ----


def test_a_policy_names_functions(house: House) -> None:
    a, b = people(house, 2)
    good, bad = reader(b), reader(b, name="other")
    data = a.data.add(b"mine", "x", policy={"functions": [good.sha256]})
    with refused("DATA_POLICY", text="functions") as caught:
        a.tasks.create(bad, inputs={"x": data})
    assert caught.value.field == "args.inputs.x"
    task = a.tasks.create(good, inputs={"x": data})
    assert good.sha256 in task.contract().explain(a.party)
    assert task.invoke().wait().result() == "mine"
    assert a.data.get(data.id).policy == {"functions": [good.sha256]}


def test_a_policy_names_auditors(house: House) -> None:
    a, b = people(house, 2)
    auditor = house.guest("auditor")
    function = reader(b)
    data = a.data.add(b"mine", "x", policy={"auditors": {"parties": [auditor.party], "threshold": 1}})
    with refused("DATA_POLICY"):
        a.tasks.create(function, inputs={"x": data})
    auditor.functions.audit(function, function.sha256)
    task = a.tasks.create(function, inputs={"x": data})
    auditor.functions.audit(function, function.sha256, accepted=False)
    with refused("DATA_POLICY"):
        task.invoke()


def test_a_policy_ends(house: House) -> None:
    a = people(house, 1)[0]
    function = reader(a)
    until = int(time.time()) + 2
    data = a.data.add(b"mine", "x", policy={"until": until})
    task = a.tasks.create(function, inputs={"x": data})
    assert a.tasks.create(function, inputs={"x": data}, invoke=True).wait().result() == "mine"
    time.sleep(max(0.0, until - time.time()) + 1)
    for act in (task.invoke, lambda: a.tasks.create(function, inputs={"x": data})):
        with refused("DATA_POLICY", text="until"):
            act()


def test_a_policy_asks_for_release_rules(house: House) -> None:
    a = people(house, 1)[0]
    data = a.data.add(b"mine", "x", policy={"release": {"minimum_group": 10}})
    for declared in ({}, {"release": {"minimum_group": 9}}, {"release": {"maximum_group": 10}}):
        with refused("DATA_POLICY", text="minimum_group"):
            a.tasks.create(reader(a, **declared), inputs={"x": data})
    task = a.tasks.create(reader(a, release={"minimum_group": 10}), inputs={"x": data})
    assert "minimum_group at least 10" in task.contract().explain()
    assert task.invoke().wait().result() == "mine"


@cella.function(inputs=["x"], release={"minimum_group": 10, "decimals": 2})
def average(x):
    return sum(map(float, x.text().split())) / 10


def test_a_function_declares_release_rules_through_the_client(house: House) -> None:
    """Decorator, script and builtin: what is declared is in the hash, in the contract, and compared with the policy."""
    a, b = people(house, 2)
    strict = a.data.add(b"1 2 3", "x", policy={"release": {"minimum_group": 11}})
    fitting = a.data.add(b"1 2 3", "x", policy={"release": {"minimum_group": 10, "decimals": 1}})
    function = b.functions.register(average.package(public=True))
    assert function.spec["release"] == a.functions.get(function.id).spec["release"] == {"minimum_group": 10, "decimals": 2}
    with refused("DATA_POLICY", text="minimum_group 11; the function declares 10"):
        a.tasks.create(function, inputs={"x": strict})
    task = a.tasks.create(function, inputs={"x": fitting})
    text = task.contract().explain(a.party)
    assert "keeps to: decimals at least 2, minimum_group at least 10" in text
    assert "asks that the function declares: decimals at least 1, minimum_group at least 10" in text
    assert task.invoke().wait().result() == 0.6
    assert a.run(average, inputs={"x": fitting}).wait().result() == 0.6
    with refused("DATA_POLICY"):
        a.run(average, inputs={"x": strict})
    script = cella.Script.parse(READ, "read.py").package(["x"], public=True, release={"minimum_group": 11})
    assert a.tasks.create(b.functions.register(script), inputs={"x": strict}, invoke=True).wait().result() == "1 2 3"


def test_uses_are_counted_exactly_under_a_race(house: House) -> None:
    a = people(house, 1)[0]
    function = reader(a)
    data = a.data.add(b"mine", "x", policy={"uses": 5})
    tasks = [a.tasks.create(function, inputs={"x": data}) for _ in range(64)]
    results = at_once(64, lambda index: tasks[index].invoke())
    assert codes(results) == ["OK"] * 5 + ["USES_USED_UP"] * 59
    assert a.data.get(data.id).used == 5
    usage = a.functions.usage(function)
    assert usage["used"] == 5  # what was refused for its data took nothing of the quota
    with refused("USES_USED_UP"):
        a.tasks.create(function, inputs={"x": data})
    a.data.change(data, {"uses": 6})
    loser = next(task for task, result in zip(tasks, results) if isinstance(result, Exception))
    assert loser.invoke().wait().result() == "mine"


@pytest.mark.parametrize("policy, field", [
    ({"functions": []}, "functions"), ({"functions": ["x"]}, "functions"), ({"functions": ["AB" * 32]}, "functions"),
    ({"uses": -1}, "uses"), ({"uses": 1.5}, "uses"), ({"until": 0}, "until"), ({"release": {}}, "release"),
    ({"release": {"minimum_group": 0}}, "release"), ({"release": {"1": 1}}, "release"),
    ({"auditors": {"parties": [], "threshold": 1}}, "auditors.parties"), ({"colour": "blue"}, "colour"),
])
def test_a_policy_that_is_refused(house: House, policy: dict[str, Any], field: str) -> None:
    a = people(house, 1)[0]
    data = a.data.add(b"mine", "x")
    for act in (lambda: a.data.add(b"mine", "x", policy=policy), lambda: a.data.change(data, policy)):
        with refused("BAD_FIELD", "UNKNOWN_FIELD") as caught:
            act()
        assert caught.value.field == f"args.policy.{field}"
    assert a.data.get(data.id).policy is None


def test_a_policy_is_tightened_before_it_runs(house: House) -> None:
    a, b = people(house, 2)
    data = a.data.add(b"mine", "x")
    task = a.tasks.create(reader(b), inputs={"x": data})
    with refused("NOT_FOUND"):
        b.data.change(data.id, None)
    a.data.change(data, {"uses": 0})
    with refused("USES_USED_UP"):
        task.invoke()
    a.data.change(data, None)
    assert task.invoke().wait().result() == "mine"


# ---- deleting, new keys of data ----


def test_deleted_data(house: House) -> None:
    a, b = people(house, 2)
    data = a.data.add(b"mine", "x")
    task = a.tasks.create(reader(a), inputs={"x": data})
    with refused("NOT_FOUND"):
        b.data.delete(data.id)
    assert a.data.delete(data).deleted and a.data.delete(data).deleted
    with refused("DELETED"):
        task.invoke()
    with refused("DELETED"):
        a.tasks.create(reader(a), inputs={"x": data})
    with refused("BAD_STATE"):
        a.download({"data": data.id}, lambda block: None)
    with refused("DELETED"):
        a.data.change(data, None)
    assert data.id not in {item.id for item in a.data.list()}
    assert [entry["event"] for entry in a.audit(data=data.id)][-1] == "data.deleted"


def test_data_get_a_new_key(house: House) -> None:
    a = people(house, 1)[0]
    old, new = cella.DataKey.generate(), cella.DataKey.generate()
    data = a.data.add(b"mine" * 1000, "x", key=old, policy={"uses": 3})
    again = a.data.rotate(data, old, new)
    assert (again.id, again.sha256) != (data.id, data.sha256) and again.policy == {"uses": 3}
    assert a.data.get(data.id).deleted
    assert a.tasks.create(reader(a), inputs={"x": again}, invoke=True).wait().result() == "mine" * 1000


# ---- outputs as inputs ----


def test_a_fusion_output_feeds_the_next_task(house: House) -> None:
    """Nobody gets its key; it becomes an input only where all its owners approve."""
    a, b, c = people(house, 3)
    join = c.functions.register(package_of(JOIN, public=True, inputs=files("x", "y"), outputs=files("z")))
    data = {"x": a.data.add(b"from a, ", "x"), "y": b.data.add(b"from b", "y")}
    first = a.tasks.create(
        join, inputs={"x": data["x"], "y": [b.party]}, outputs={"z": [a.party, b.party]}, fusion=["z"]
    )
    b.tasks.get(first.id).assign({"y": data["y"]})
    contract = first.contract()
    assert "nobody gets its key" in contract.explain(a.party)
    for one in (a, b):
        one.tasks.get(first.id).approve(contract)
    assert first.invoke().wait().result() == "joined"
    for one in (a, b):
        output = one.tasks.get(first.id).outputs["z"]
        with refused("DENIED"):
            output.bytes()
        with refused("DENIED"):
            one.download({"task": first.id, "output": "z"}, lambda block: None)
    with refused("NOT_FOUND"):
        c.data.derive(first, "z")
    fused = b.data.derive(first, "z")
    assert set(fused.owners) == {a.party, b.party} and fused.stored
    for one in (a, b):
        with refused("DENIED"):
            one.download({"data": fused.id}, lambda block: None)
    read = reader(c)
    for owners in ([a.party], [a.party, b.party, c.party], [a.party, c.party]):
        task = a.tasks.create(read, inputs={"x": owners})
        with refused("DENIED"):
            task.assign({"x": fused})
    second = a.tasks.create(read, inputs={"x": fused})
    with refused("NOT_APPROVED"):
        second.approve(second.contract()).invoke()
    b.tasks.get(second.id).approve(second.contract())
    assert second.invoke().wait().result() == "from a, from b"
    again = a.tasks.create(join, inputs={"x": fused, "y": fused}, outputs={"z": [a.party]})
    for one in (a, b):
        one.tasks.get(again.id).approve(again.contract())
    assert again.invoke().wait().outputs["z"].text() == "from a, from b" * 2


# ---- what binds data that were made of others ----

COPY = "def main(x, z):\n    z.write(x.read())\n"


def fusion(a: cella.Executor, b: cella.Executor, function: cella.Function, x: cella.Data, y: cella.Data) -> cella.Data:
    """x of a and y of b, joined: data of both that nobody can open."""
    task = a.tasks.create(function, inputs={"x": x, "y": [b.party]}, outputs={"z": [a.party, b.party]}, fusion=["z"])
    theirs = b.tasks.get(task.id)
    theirs.assign({"y": y})
    for one in (task, theirs):
        one.approve(task.contract())
    task.invoke().wait()
    return b.data.derive(task, "z")


def both_run(a: cella.Executor, b: cella.Executor, function: cella.Function, **options: Any) -> cella.Task:
    task = a.tasks.create(function, **options)
    for one in (a, b):
        one.tasks.get(task.id).approve(task.contract())
    return task.invoke().wait()


def joiner(one: cella.Executor, **declared: Any) -> cella.Function:
    return one.functions.register(package_of(JOIN, public=True, inputs=files("x", "y"), outputs=files("z"), **declared))


def test_a_fusion_output_is_bound_by_the_policies_of_what_it_was_made_of(house: House) -> None:
    """By hash, by release rule, by time: the owner's present policy, though he is asked for nothing but the first task."""
    a, b, c = people(house, 3)
    join, read = joiner(c), reader(c)
    x = a.data.add(b"of a, ", "x", policy={"functions": [join.sha256]})
    fused = fusion(a, b, join, x, b.data.add(b"of b", "y"))
    for owner in (a, b):
        assert owner.data.get(fused.id).bound_by == ({"data": x.id, "owner": a.party, "policy": {"functions": [join.sha256]}},)
    with refused("DATA_POLICY", text=f"{x.id}: functions do not include {read.id}"):
        b.tasks.create(read, inputs={"x": fused})
    a.data.change(x, {"functions": [join.sha256, read.sha256]})
    task = b.tasks.create(read, inputs={"x": fused})
    explained = task.contract().explain(a.party)
    assert f"made of {x.id}, whose owner, you, have set:" in explained and read.sha256 in explained
    for one in (a, b):
        one.tasks.get(task.id).approve(task.contract())
    a.data.change(x, {"release": {"minimum_group": 10}})  # what has not started is judged by the new one
    with refused("DATA_POLICY", text="release minimum_group 10; the function declares 0"):
        task.invoke()
    a.data.change(x, {"until": int(time.time()) - 1})
    with refused("DATA_POLICY", text=f"{x.id}: until"):
        task.invoke()
    a.data.change(x, None)
    assert b.data.get(fused.id).bound_by == ()
    assert task.invoke().wait(check=False).state == "finished"


def test_a_deleted_source_goes_on_binding(house: House) -> None:
    a, b, c = people(house, 3)
    x = a.data.add(b"of a, ", "x", policy={"uses": 2})
    fused = fusion(a, b, joiner(c), x, b.data.add(b"of b", "y"))
    a.data.delete(x)
    read = reader(c)
    assert both_run(a, b, read, inputs={"x": fused}).result() == "of a, of b"
    with refused("USES_USED_UP", text=x.id):
        a.tasks.create(read, inputs={"x": fused})


def test_uses_of_sources_are_counted_once_a_run(house: House) -> None:
    """Over two steps, with the same source on several ways, and given back by what has not started."""
    a, b, c = people(house, 3)
    join, read = joiner(c), reader(c)
    x = a.data.add(b"a", "x", policy={"uses": 4})
    y = b.data.add(b"b", "y")
    first = fusion(a, b, join, x, y)
    assert (a.data.get(x.id).used, b.data.get(y.id).used) == (1, 1)
    run = both_run(a, b, join, inputs={"x": first, "y": first}, outputs={"z": [a.party, b.party]}, fusion=["z"])
    second = a.data.derive(run, "z")
    assert [a.data.get(one.id).used for one in (x, first, second)] == [2, 1, 0]
    assert both_run(a, b, read, inputs={"x": second}).result() == "abab"
    assert [a.data.get(one.id).used for one in (x, first, second)] == [3, 2, 1]
    assert f"Each run takes 1 of the 4 uses of {x.id}, by x." in a.tasks.create(
        read, inputs={"x": second}).contract().explain(a.party)
    tasks = [a.tasks.create(read, inputs={"x": one}) for one in (first, second, first, second)]
    for task in tasks:
        for one in (a, b):
            one.tasks.get(task.id).approve(task.contract())
    results = at_once(4, lambda index: tasks[index].invoke())
    assert codes(results) == ["OK"] + ["USES_USED_UP"] * 3
    assert a.data.get(x.id).used == 4


def test_each_owner_of_a_fusion_output_sets_his_own_policy(house: House) -> None:
    a, b, c = people(house, 3)
    join, read, other = joiner(c), reader(c), reader(c, name="other")
    fused = fusion(a, b, join, a.data.add(b"1", "x"), b.data.add(b"2", "y"))
    assert fused.policy is None and fused.bound_by == ()
    with refused("NOT_FOUND"):
        c.data.change(fused.id, None)
    assert a.data.change(fused, {"functions": [read.sha256]}).policy == {"functions": [read.sha256]}
    changed = b.data.change(fused, {"uses": 1})
    assert changed.policy == {"uses": 1}
    assert changed.bound_by == ({"data": fused.id, "owner": a.party, "policy": {"functions": [read.sha256]}},)
    with refused("DATA_POLICY", text=fused.id):
        b.tasks.create(other, inputs={"x": fused})
    b.data.change(fused, None)  # nobody takes back what another has set
    with refused("DATA_POLICY"):
        b.tasks.create(other, inputs={"x": fused})
    b.data.change(fused, {"uses": 1})
    task = both_run(a, b, read, inputs={"x": fused})
    assert task.result() == "12"
    text = task.contract().explain(b.party)
    assert f"its owner, {a.party}, has set:" in text and "its owner, you, have set:" in text
    with refused("USES_USED_UP"):
        a.tasks.create(read, inputs={"x": fused})


def test_an_output_that_its_receiver_has_is_bound_in_the_executor_all_the_same(house: House) -> None:
    a, b, c = people(house, 3)
    copy = c.functions.register(package_of(COPY, public=True, inputs=files("x"), outputs=files("z")))
    x = a.data.add(b"mine", "x", policy={"functions": [copy.sha256]})
    task = a.tasks.create(copy, inputs={"x": x}, outputs={"z": None}, invoke=True).wait()
    derived = a.data.derive(task, "z")
    with refused("DATA_POLICY"):
        a.tasks.create(reader(c), inputs={"x": derived})
    assert a.tasks.create(copy, inputs={"x": derived}, outputs={"z": None}, invoke=True).wait().outputs["z"].text() == "mine"


def test_policies_that_no_contract_has_room_for(house: House) -> None:
    """Eight sources that name 256 functions each: 140 KB for one input."""
    a = people(house, 1)[0]
    names = [f"x{number}" for number in range(8)]
    function = a.functions.register(
        package_of(f"def main({', '.join(names)}, z):\n    z.write(b'.')\n", inputs=files(*names), outputs=files("z")))
    many = [function.sha256, *(f"{number:064x}" for number in range(255))]
    data = {name: a.data.add(name.encode(), name, policy={"functions": many}) for name in names}
    task = a.tasks.create(function, inputs=data, outputs={"z": None}, invoke=True).wait()
    derived = a.data.derive(task, "z")
    with refused("TOO_LARGE", text="at most 131072") as caught:
        a.tasks.create(function, inputs=dict.fromkeys(names, derived), outputs={"z": None})
    assert caught.value.field == "args.inputs.x0"


def test_data_are_made_of_so_many_at_most(house: House) -> None:
    """256 sources: the next step up is refused, and says so."""
    a = people(house, 1)[0]
    names = [f"x{number}" for number in range(32)]
    script = f"def main({', '.join(names)}, z):\n    z.write(b'.')\n"
    function = a.functions.register(package_of(script, inputs=files(*names), outputs=files("z")))
    data = [a.data.add(b"%d" % number, "x") for number in range(32 * 8 - 8)]

    def joined(of: list[cella.Data]) -> cella.Task:
        inputs = dict(zip(names, of + of[:1] * (32 - len(of))))
        return a.tasks.create(function, inputs=inputs, outputs={"z": None}, invoke=True).wait()

    groups = [a.data.derive(joined(data[first : first + 31]), "z") for first in range(0, 248, 31)]
    full = a.data.derive(joined(groups), "z")  # 248 uploads and 8 outputs
    with refused("TOO_MANY") as caught:
        a.data.derive(joined([full]), "z")
    assert caught.value.field == "args.output"


@pytest.mark.parametrize("receivers, isolation", [("a", None), ("bc", None), ("ab", {"sizes": "padded"})])
def test_a_fusion_output_that_is_none(house: House, receivers: str, isolation: dict[str, str] | None) -> None:
    a, b, c = people(house, 3)
    named = {"a": a.party, "b": b.party, "c": c.party}
    function = a.functions.register(package_of("def main(z): z.write(b'')", outputs=files("z")))
    with refused("BAD_FIELD"):
        a.tasks.create(function, outputs={"z": [named[one] for one in receivers]}, fusion=["z"], isolation=isolation)


def test_an_ordinary_output_feeds_the_next_task(house: House) -> None:
    a = people(house, 1)[0]
    task = script_task(a, "def main(z): z.write(b'chained')", outputs=["z"]).wait()
    data = a.data.derive(task, "z")
    assert a.tasks.create(reader(a), inputs={"x": data}, invoke=True).wait().result() == "chained"
    assert task.outputs["z"].text() == "chained"
    padded = script_task(a, "def main(z): z.write(b'p')", outputs=["z"], isolation={"sizes": "padded"}).wait()
    with refused("BAD_STATE"):
        a.data.derive(padded, "z")
    with refused("NOT_FOUND"):
        a.data.derive(task, "other")


# ---- withdraw, reject, retry, expiry, priorities ----


def test_withdraw_before_it_runs(house: House) -> None:
    a, b = people(house, 2)
    task = shared(a, b)
    assert b.tasks.get(task.id).withdraw().state == "assigned"
    with refused("NOT_APPROVED"):
        task.invoke()
    b.tasks.get(task.id).approve(task.contract())
    assert task.invoke().wait().result() == 1
    with refused("BAD_STATE"):
        b.tasks.get(task.id).withdraw()
    stranger = people(house, 1)[0]
    with refused("NOT_FOUND"):
        stranger.request("task.withdraw", {"task": task.id})


def test_withdraw_what_is_queued(house: House) -> None:
    """It leaves the queue, and gives back what it had taken of the quota."""
    a, b = people(house, 2)
    crowd = [script_task(a, "import time\ndef main(): time.sleep(60)") for _ in range(20)]
    task = shared(a, b).invoke()
    assert task.state == "queued"
    assert b.tasks.get(task.id).withdraw().state == "assigned"
    function = task.contract().terms["function"]["function"]
    assert a.functions.usage(function)["used"] == 0
    for one in crowd:
        one.cancel()
    for one in crowd:
        one.wait(check=False)
    assert task.refresh().state == "assigned"
    b.tasks.get(task.id).approve(task.contract())
    assert task.invoke().wait().result() == 1
    running = sleeper(a)
    with refused("BAD_STATE"):
        running.withdraw()
    running.cancel()


def test_reject_with_a_reason(house: House) -> None:
    a, b = people(house, 2)
    task = shared(a, b)
    b.tasks.get(task.id).reject("the ethics board says no")
    task.refresh()
    assert task.state == "cancelled" and task.facts["error"]["code"] == "REJECTED"
    assert task.facts["error"]["detail"] == "the ethics board says no"
    with refused("REJECTED"):
        task.raise_for_error()
    for act in (task.invoke, task.retry, task.withdraw, task.reject, lambda: task.approve(task.contract())):
        with refused("BAD_STATE"):
            act()
    with refused("BAD_FIELD"):
        shared(a, b).reject("x" * 201)


def test_retry_within_the_contract(house: House) -> None:
    a, b = people(house, 2)
    task = shared(a, b, "import os\ndef main(): raise ValueError('again')", attempts=2)
    assert "up to 2 runs" in task.contract().explain()
    with refused("BAD_STATE"):
        task.retry()
    task.invoke().wait(check=False)
    first = task.refresh().facts["usage"]
    with refused("DENIED"):
        b.tasks.get(task.id).retry()
    task.retry().wait(check=False)
    assert task.refresh().facts["attempt"] == 2 and task.facts["usage"] != first
    with refused("ATTEMPTS_USED_UP"):
        task.retry()
    assert a.functions.usage(task.facts["function"])["used"] == 2
    done = script_task(a, "def main(): return 1").wait()
    with refused("BAD_STATE"):
        done.retry()


def test_what_nobody_invokes_ends(house: House) -> None:
    a, b = people(house, 2)
    task = shared(a, b, approval_s=1)
    kept = shared(a, b, approval_s=600)
    wait_until(lambda: task.refresh().state == "cancelled", 30, "it expires")
    assert task.facts["error"]["code"] == "TASK_EXPIRED" and kept.refresh().state == "approved"
    assert [entry.get("code") for entry in a.audit(task=task.id)][-1] == "TASK_EXPIRED"
    with refused("BAD_FIELD"):
        shared(a, b, approval_s=3601)  # not above the charter's


def test_the_more_urgent_goes_first(house: House) -> None:
    a = people(house, 1)[0]
    crowd = [script_task(a, "import time\ndef main(): time.sleep(60)") for _ in range(20)]
    function = a.functions.register(package_of("import time\ndef main(): return time.time()"))
    order = [a.tasks.create(function, priority=priority, invoke=True) for priority in (0, 5, 9, 9)]
    for one in crowd:
        one.cancel()
        with contextlib.suppress(cella.StateError):
            one.cancel()  # at once
    for one in crowd:
        one.wait(check=False)
    for one in order:
        one.wait()
    numbers = {entry["subject"]: entry["number"] for entry in a.audit() if entry["event"] == "task.started"}
    begun = sorted(order, key=lambda one: numbers[one.id])
    assert [one.id for one in begun] == [order[index].id for index in (2, 3, 1, 0)]
    for wrong in (-1, 10):
        with refused("BAD_FIELD"):
            a.tasks.create(function, priority=wrong)


# ---- races ----


def test_64_approve_at_once(house: House) -> None:
    everybody = people(house, 64)
    creator = everybody[0]
    function = creator.functions.register(package_of("def main(): return 1", public=True))
    task = creator.tasks.create(function, result=[one.party for one in everybody])
    contract = task.contract()
    results = at_once(64, lambda index: everybody[index].request("task.approve", {"task": task.id, "contract": contract.sha256}))
    assert codes(results) == ["OK"] * 64
    assert task.refresh().state == "approved" and len(task.facts["approved"]) == 64
    events = [entry["event"] for entry in creator.audit(task=task.id)]
    assert events.count("task.approved") == 64
    results = at_once(64, lambda index: everybody[index].request("task.withdraw" if index % 2 else "task.approve",
                      {"task": task.id} if index % 2 else {"task": task.id, "contract": contract.sha256}))
    assert codes(results) == ["OK"] * 64 and len(task.refresh().facts["approved"]) == 32 and task.state == "assigned"


def test_64_cancel_and_invoke_at_once(house: House) -> None:
    """One end, once, whatever comes in between; and the quota is what the ends say."""
    a = people(house, 1)[0]
    clients = [house.live.client(a.identity, enrol=False) for _ in range(64)]
    for _ in range(3):
        function = a.functions.register(package_of("import time\ndef main(): time.sleep(30)"), quota=1)
        task = a.tasks.create(function)
        results = at_once(64, lambda index: clients[index].request("task.cancel" if index % 2 else "task.invoke", {"task": task.id}))
        assert set(codes(results)) <= {"OK", "BAD_STATE"}
        task.wait(check=False, timeout=30)
        assert task.state == "cancelled"
        events = [entry["event"] for entry in a.audit(task=task.id)]
        assert events.count("task.failed") == 1 and events.count("task.queued") <= 1
        usage = a.functions.usage(function)
        assert usage["cancelled"] == 1 and usage["used"] == events.count("task.started")


def test_cancel_in_every_state(house: House) -> None:
    a, b = people(house, 2)
    created = a.tasks.create(reader(a), inputs={"x": [b.party]})
    assigned = a.tasks.create(a.functions.register(package_of("def main(): return 1", public=True)), result=[a.party, b.party])
    approved = shared(a, b)
    running = sleeper(a)
    for task, state in ((created, "created"), (assigned, "assigned"), (approved, "approved"), (running, "running")):
        assert task.refresh().state == state
        with refused("NOT_FOUND", "DENIED"):
            b.request("task.cancel", {"task": task.id})
        house.root.request("task.cancel", {"task": task.id})  # an administrator may, and reads nothing
        with refused("NOT_FOUND"):
            house.root.tasks.get(task.id)
        assert task.wait(check=False, timeout=20).state == "cancelled"
        with refused("BAD_STATE"):
            task.cancel()
