# SPDX-License-Identifier: Apache-2.0
"""Privacy budgets of data: what functions declare to spend, added up exactly, and refused when it is spent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import cella
import pytest
from governed import House, at_once, codes, housed
from live import LiveExecutor, files, package_of, refused, sleeper, until_running

NOISY = "def main(x, epsilon, delta=0, z=None):\n    if z is not None: z.write(x.read())\n    return len(x.read())\n"
AMOUNTS = [{"name": "epsilon", "type": "number"}, {"name": "delta", "default": 0}]
FAILS = "def main(x, epsilon, delta=0): raise ValueError('no')"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One executor for this file, open, where tasks may wait for an hour."""
    with housed(tmp_path_factory.mktemp("house"), enrol="open", approval_s=3600) as house:
        yield house


def noisy(one: cella.Executor, source: str = NOISY, **declared: Any) -> cella.Function:
    """A function that declares what it spends."""
    members = {"public": True, "inputs": files("x"), "outputs": files("z?"), "arguments": AMOUNTS,
               "privacy": {"epsilon": "epsilon", "delta": "delta"}, **declared}
    return one.functions.register(package_of(source, **members))


def spending(epsilon: Any, delta: Any = 0) -> dict[str, Any]:
    return {"epsilon": epsilon, "delta": delta}


def test_a_budget_is_spent(house: House) -> None:
    """In the contract, its words, the receipt, and what is left; ten tenths are one."""
    a = house.live.client()
    function = noisy(a)
    data = a.data.add(b"mine", "x", policy={"budget": {"epsilon": 1, "delta": 1e-6}})
    assert (data.spent, data.left) == (None, None)  # an answer of before it was asked
    assert a.data.get(data.id).left == spending(1, 1e-6)
    for number in range(10):
        task = a.tasks.create(function, inputs={"x": data}, arguments=spending(0.1, 1e-7))
        assert task.invoke().wait().result() == 4
        assert a.data.get(data.id).spent == spending((number + 1) / 10, (number + 1) / 10**7)
    contract = task.contract()
    assert contract.terms["inputs"]["x"]["privacy"] == spending(0.1, 1e-7)
    assert contract.terms["inputs"]["x"]["policy"] == {"budget": {"epsilon": 1, "delta": 1e-6}}
    text = contract.explain(a.party)
    assert "Each run spends epsilon 0.1 and delta 1e-07 of the privacy of x, and of all that it was made of." in text
    assert "its privacy budget, over all tasks, is epsilon 1 and delta 1e-06" in text
    assert "of its inputs is differentially private: argument epsilon says epsilon and argument delta says delta" in text
    assert "Privacy of x: epsilon 0.1, delta 1e-07 spent, by the contract" in a.receipt(task.id).lines()
    assert a.data.get(data.id).left == spending(0, 0)
    with refused("BUDGET_SPENT") as caught:
        a.tasks.create(function, inputs={"x": data}, arguments=spending(1e-6))
    assert caught.value.field == "args.inputs.x"
    assert f"{data.id}: budget epsilon 1, delta 1e-06; spent epsilon 1, delta 1e-06; this run epsilon 1e-06, delta 0" in str(
        caught.value)
    a.data.change(data, {"budget": {"epsilon": 1.2, "delta": 1}})
    assert a.data.get(data.id).left == spending(0.2, 1 - 1e-6)
    with refused("BUDGET_SPENT"):  # more than is left
        a.tasks.create(function, inputs={"x": data}, arguments=spending(0.2000001))
    assert a.tasks.create(function, inputs={"x": data}, arguments=spending(0.2), invoke=True).wait().result() == 4
    a.data.change(data, {"budget": {"epsilon": 0.5}})  # less than was spent
    assert a.data.get(data.id).left == spending(0, 0)
    assert a.data.change(data, None).left is None and a.data.get(data.id).spent == spending(1.2, 1e-6)


def test_it_is_exact_under_a_race(house: House) -> None:
    a = house.live.client()
    function = noisy(a)
    data = a.data.add(b"mine", "x", policy={"budget": {"epsilon": 0.7}})
    tasks = [a.tasks.create(function, inputs={"x": data}, arguments=spending(0.1)) for _ in range(64)]
    results = at_once(64, lambda index: tasks[index].invoke())
    assert codes(results) == ["BUDGET_SPENT"] * 57 + ["OK"] * 7
    assert a.data.get(data.id).spent == spending(0.7) and a.data.get(data.id).used == 7
    assert a.functions.usage(function)["used"] == 7


def test_functions_that_get_no_data_with_a_budget(house: House) -> None:
    a = house.live.client()
    data = a.data.add(b"mine", "x", policy={"budget": {"epsilon": 1}})
    silent = noisy(a, privacy={"epsilon": "epsilon"}, arguments=AMOUNTS)
    without = a.functions.register(package_of(NOISY, public=True, inputs=files("x"), arguments=AMOUNTS))
    with refused("DATA_POLICY", text=f"{data.id}: budget; {without.id} declares no privacy"):
        a.tasks.create(without, inputs={"x": data}, arguments=spending(0.1))
    task = a.tasks.create(silent, inputs={"x": data}, arguments=spending(0.1, 0.5))  # delta is no word of this one's
    assert task.contract().terms["inputs"]["x"]["privacy"] == spending(0.1)
    other = noisy(a, "def main(x, y, epsilon, delta): return 1", inputs=files("x", "y?"),
                  privacy={"epsilon": "epsilon", "inputs": ["x"]})
    free = a.data.add(b"anybody's", "y")
    with refused("DATA_POLICY", text="does not protect the privacy of input y"):
        a.tasks.create(other, inputs={"x": free, "y": data}, arguments=spending(0.1))
    task = a.tasks.create(other, inputs={"x": data, "y": free}, arguments=spending(0.1))
    assert "privacy" not in task.contract().terms["inputs"]["y"]
    assert "of inputs x is differentially private" in task.contract().explain()


@pytest.mark.parametrize("amounts, argument", [
    (spending(0), "epsilon"), (spending(-0.1), "epsilon"), (spending(1000000.5), "epsilon"), (spending(1, -1e-9), "delta"),
    (spending(1, 1.5), "delta"), (spending(1, "0"), "delta"), (spending(1, None), "delta"), (spending(1, True), "delta"),
])
def test_amounts_that_are_none(house: House, amounts: dict[str, Any], argument: str) -> None:
    """Refused for data with a budget, and of no consequence without one."""
    a = house.live.client()
    function = noisy(a)
    data = a.data.add(b"mine", "x", policy={"budget": {"epsilon": 1000000, "delta": 1}})
    with refused("BAD_ARGUMENT", text=f"argument {argument} must be a number"):
        a.tasks.create(function, inputs={"x": data}, arguments=amounts)
    task = a.tasks.create(function, inputs={"x": [a.party]}, arguments=amounts)
    with refused("BAD_ARGUMENT", text=f"argument {argument} must be a number"):
        task.assign({"x": data})
    free = a.data.add(b"mine", "x")
    task.assign({"x": free})
    assert "privacy" not in task.contract().terms["inputs"]["x"]
    a.data.change(free, {"budget": {"epsilon": 1000000, "delta": 1}})
    with refused("BAD_ARGUMENT"):
        task.invoke()
    a.data.change(free, None)
    assert task.invoke().wait().result() == 4
    assert a.data.get(free.id).spent is None


def test_arguments_of_another_type_are_refused_before(house: House) -> None:
    a = house.live.client()
    function = noisy(a)
    for wrong in ({}, {"epsilon": "1"}, {"epsilon": None}):
        with refused("BAD_ARGUMENT") as caught:
            a.tasks.create(function, inputs={"x": [a.party]}, arguments=wrong)
        assert caught.value.field == "arguments.epsilon"


@pytest.mark.parametrize("budget, member", [
    ({}, ".epsilon"), ({"epsilon": -1}, ".epsilon"), ({"epsilon": "1"}, ".epsilon"), ({"epsilon": 1, "delta": 2}, ".delta"),
    ({"epsilon": 1e7}, ".epsilon"), ({"epsilon": 1, "delta": None}, ".delta"), ({"epsilon": 1, "rho": 1}, ".rho"), (1, ""),
])
def test_a_budget_that_is_none(house: House, budget: Any, member: str) -> None:
    a = house.live.client()
    data = a.data.add(b"mine", "x")
    with refused("BAD_FIELD", "MISSING_FIELD", "UNKNOWN_FIELD") as caught:
        a.data.change(data, {"budget": budget})
    assert caught.value.field == f"args.policy.budget{member}"


@pytest.mark.parametrize("privacy, member", [
    ({}, "epsilon"), ({"epsilon": "gone"}, "epsilon"), ({"epsilon": "word"}, "epsilon"), ({"epsilon": "epsilon", "delta": "epsilon"}, "delta"),
    ({"epsilon": "epsilon", "delta": "word"}, "delta"), ({"epsilon": "epsilon", "inputs": []}, "inputs"),
    ({"epsilon": "epsilon", "inputs": ["z"]}, "inputs"), ({"epsilon": "epsilon", "inputs": ["x", "x"]}, "inputs"),
    ({"epsilon": "epsilon", "rho": "epsilon"}, "rho"),
])
def test_a_declaration_that_is_none(house: House, privacy: dict[str, Any], member: str) -> None:
    a = house.live.client()
    with refused("BAD_FIELD", "MISSING_FIELD", "UNKNOWN_FIELD") as caught:
        noisy(a, privacy=privacy, arguments=[*AMOUNTS, {"name": "word", "type": "string"}])
    assert caught.value.field == f"privacy.{member}"


def test_what_was_made_of_data_spends_their_budget(house: House) -> None:
    """Every source once a run; what comes in by two inputs is refused, of which nobody has declared anything."""
    a = house.live.client()
    function = noisy(a)
    two = noisy(a, "def main(x, y, epsilon, delta): return 2", inputs=files("x", "y"), outputs=[])
    x = a.data.add(b"mine", "x", policy={"budget": {"epsilon": 1}})
    made = a.tasks.create(function, inputs={"x": x}, outputs={"z": None}, arguments=spending(0.25), invoke=True).wait()
    derived = a.data.derive(made, "z")
    assert derived.left == spending(0.75) and derived.spent == spending(0)
    assert derived.bound_by == ({"data": x.id, "owner": a.party, "policy": {"budget": {"epsilon": 1}}},)
    plain = a.functions.register(package_of("def main(x): return 1", public=True, inputs=files("x")))
    with refused("DATA_POLICY", text=f"{x.id}: budget; {plain.id} declares no privacy"):
        a.tasks.create(plain, inputs={"x": derived})
    again = a.tasks.create(function, inputs={"x": derived}, outputs={"z": None}, arguments=spending(0.5), invoke=True).wait()
    assert [a.data.get(one.id).spent for one in (x, derived)] == [spending(0.75), spending(0.5)]
    third = a.data.derive(again, "z")
    for pair in ((x, x), (x, derived), (derived, x), (derived, third)):
        with refused("DATA_POLICY", text=f"{x.id}: budget; they come in by two inputs"):
            a.tasks.create(two, inputs=dict(zip("xy", pair)), arguments=spending(0.1))
    task = a.tasks.create(two, inputs={"x": third, "y": [a.party]}, arguments=spending(0.1))
    with refused("DATA_POLICY", text="two inputs"):
        task.assign({"y": x})
    with refused("BUDGET_SPENT", text=x.id):
        a.tasks.create(function, inputs={"x": third}, arguments=spending(0.3))
    a.data.change(derived, {"budget": {"epsilon": 0.6}})
    assert a.data.get(third.id).left == spending(0.1)
    free = a.data.add(b"yours", "y")
    assert task.assign({"y": free}).invoke().wait().result() == 2
    assert [a.data.get(one.id).spent for one in (x, derived, third, free)] == [
        spending(0.85), spending(0.6), spending(0.1), spending(0.1)]


def test_an_unbound_pair_is_judged_when_a_budget_comes(house: House) -> None:
    a = house.live.client()
    two = noisy(a, "def main(x, y, epsilon, delta): return 2", inputs=files("x", "y"), outputs=[])
    x = a.data.add(b"mine", "x")
    task = a.tasks.create(two, inputs={"x": x, "y": x}, arguments=spending(0.1))
    a.data.change(x, {"budget": {"epsilon": 1}})
    with refused("DATA_POLICY", text="two inputs"):
        task.invoke()


def test_a_failure_and_a_retry_are_charged_and_what_has_not_started_is_not(house: House) -> None:
    a = house.live.client()
    function = noisy(a, FAILS, outputs=[])
    data = a.data.add(b"mine", "x", policy={"budget": {"epsilon": 0.3}})
    task = a.tasks.create(function, inputs={"x": data}, arguments=spending(0.1), attempts=5)
    for spent in (0.1, 0.2, 0.3):
        (task.invoke if spent == 0.1 else task.retry)().wait(check=False)
        assert a.data.get(data.id).spent == spending(spent)
    with refused("BUDGET_SPENT"):
        task.retry()
    assert a.data.get(data.id).spent == spending(0.3)


def test_every_owner_has_a_budget_of_his_own(house: House) -> None:
    a, b = house.live.client(), house.live.client()
    function = noisy(a)
    x = a.data.add(b"mine", "x")
    task = a.tasks.create(function, inputs={"x": x}, outputs={"z": [a.party, b.party]}, fusion=["z"], arguments=spending(1))
    for one in (a, b):
        one.tasks.get(task.id).approve(task.contract())
    task.invoke().wait()
    fused = a.data.derive(task, "z")
    a.data.change(fused, {"budget": {"epsilon": 2, "delta": 1e-9}})
    assert b.data.change(fused, {"budget": {"epsilon": 1, "delta": 1e-3}}).left == spending(1, 1e-9)
    with refused("BUDGET_SPENT", text="budget epsilon 1, delta 0.001"):
        a.tasks.create(function, inputs={"x": fused}, arguments=spending(1.5))


Start = Callable[..., LiveExecutor]


def test_it_is_exact_across_a_crash(start: Start) -> None:
    """What was queued is paid for once, what ran and died too, what leaves the queue gives back; before the crash as after it."""
    first = start({"concurrency": 1, "profiles": ["python"]})
    a = first.client()
    function = noisy(a)
    data = a.data.add(b"mine", "x", policy={"budget": {"epsilon": 0.5}})
    assert a.tasks.create(function, inputs={"x": data}, arguments=spending(0.1), invoke=True).wait().result() == 4
    until_running(sleeper(a))
    waiting = [a.tasks.create(function, inputs={"x": data}, arguments=spending(0.1)) for _ in range(5)]
    for task in waiting[:4]:
        task.invoke()
    with refused("BUDGET_SPENT"):
        waiting[4].invoke()
    waiting[3].withdraw()
    assert a.data.get(data.id).spent == spending(0.4)
    first.kill()
    second = start({"concurrency": 1, "profiles": ["python"]})
    a = cella.connect(second.address, second.trust, a.identity)
    ends = [cella.Task(a, task.id).wait(timeout=30, check=False).state for task in waiting[:3]]
    assert ends[0] in ("finished", "failed") and ends[1:] == ["finished"] * 2  # the first may have had its inputs fetched ahead
    assert (a.data.get(data.id).spent, a.data.get(data.id).left) == (spending(0.4), spending(0.1))
    last = cella.Task(a, waiting[4].id)
    assert last.invoke().wait().result() == 4
    with refused("BUDGET_SPENT"):
        a.tasks.create(function, inputs={"x": data}, arguments=spending(0.000001))


@cella.function(inputs=["x"], privacy={"epsilon": "epsilon"})
def rough(x, epsilon=0.5):
    return len(x.read())


def test_a_function_declares_through_the_client(house: House) -> None:
    a = house.live.client()
    data = a.data.add(b"mine", "x", policy={"budget": {"epsilon": 1}})
    assert a.run(rough, inputs={"x": data}).wait().result() == 4
    assert a.run(rough, inputs={"x": data}, arguments={"epsilon": 0.4}).wait().result() == 4
    with refused("BUDGET_SPENT"):
        a.run(rough, inputs={"x": data})
    assert a.data.get(data.id).left == spending(0.1)


def test_a_builtin_with_noise_spends_and_one_without_gets_nothing(house: House) -> None:
    a = house.live.client()
    package = cella.Builtin.find("aggregate").package(["data", "groups"], optional=["groups"])
    function = a.functions.register(package)
    assert function.spec["privacy"] == {"epsilon": "epsilon", "delta": "delta", "inputs": ["data"]}
    rows = a.data.add(b"ward,age\n" + b"a,30\nb,40\n" * 50, "rows", policy={"budget": {"epsilon": 1}})
    asked = {"aggregates": "count", "mechanism": "laplace", "epsilon": 0.75}

    def run(**arguments: Any) -> Any:
        return a.tasks.create(function, inputs={"data": rows}, outputs={"result": None}, arguments={**asked, **arguments},
                              invoke=True).wait()

    assert run().outputs["result"].text().startswith("count\n")
    assert a.data.get(rows.id).left == spending(0.25, 0)
    with refused("BUDGET_SPENT"):
        run()
    with refused("BAD_ARGUMENT", text="argument epsilon must be a number above 0"):
        run(mechanism="none", epsilon=0)
    with refused("DATA_POLICY", text="does not protect the privacy of input groups"):
        a.tasks.create(function, inputs={"data": a.data.add(b"ward\na\n", "other"), "groups": rows},
                       arguments={**asked, "group_by": "ward"}, outputs={"result": None})
