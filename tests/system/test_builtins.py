# SPDX-License-Identifier: Apache-2.0
"""Builtins as tasks of several parties, through the whole system."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Iterator
from pathlib import Path

import cella
import pytest
from cella.functions import builtin_package
from live import LiveExecutor, refused


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveExecutor]:
    executor = LiveExecutor(tmp_path_factory.mktemp("builtins"), {"profiles": ["python", "native"], "pool": 2})
    yield executor
    executor.close()


def test_two_parties_intersect_their_lists(live: LiveExecutor) -> None:
    """Each learns which of its own lines the other has too, and nothing else; the receipt names the function."""
    ann, bob = live.client(), live.client()
    mine = [f"customer-{number}" for number in range(0, 3000, 2)]
    theirs = [f"customer-{number}" for number in range(0, 3000, 3)]
    random.Random(1).shuffle(theirs)
    psi = ann.functions.register(cella.Builtin.find("psi").package(members=2, outputs=["output0", "output1"]))
    task = ann.tasks.create(
        psi, inputs={"input0": ann.data.add("\n".join(mine).encode(), "mine"), "input1": [bob.party]},
        outputs={"output0": [ann.party], "output1": [bob.party]}, result=[ann.party, bob.party])
    other = bob.tasks.get(task.id)
    other.assign(inputs={"input1": bob.data.add("\n".join(theirs).encode(), "theirs")})
    for side in (task, other):
        side.approve(side.contract())
    task.invoke()
    for side in (task, other):
        side.wait()
        assert side.result() == {"parties": 2, "common": 500}
    flags = other.outputs["output1"].bytes().decode()
    assert flags == "".join("1" if line in set(mine) else "0" for line in theirs)
    with refused("DENIED"):
        task.outputs["output1"].bytes()
    assert task.receipt().verify(live.trust).accepted


def test_a_model_is_trained_and_used_without_python(live: LiveExecutor) -> None:
    """gbdt_train and gbdt_predict, the model going from one task into the next without leaving the executor."""
    owner = live.client()
    generator = random.Random(2)
    rows = [[generator.random() for _ in range(4)] for _ in range(400)]
    labels = [3 * row[0] - 2 * row[1] for row in rows]
    training = "".join(",".join(map(repr, [*row, label])) + "\n" for row, label in zip(rows, labels, strict=True))
    trained = owner.run(
        cella.Builtin.find("builtin-gbdt-train"), {"training_data": training.encode()}, ["trained_model"],
        {"feature_size": 4, "max_depth": 4, "iterations": 60, "shrinkage": 0.2, "feature_sample_ratio": 1.0,
         "data_sample_ratio": 1.0, "min_leaf_size": 1, "loss": "SquaredError", "training_optimization_level": 2})
    assert trained.wait().result() == "Trained 400 lines of data."
    model = owner.data.derive(trained, "trained_model")
    asked = "".join(",".join(map(repr, row)) + "\n" for row in rows[:50])
    predicted = owner.run(cella.Builtin.find("gbdt_predict"), {"model_file": model, "data_file": asked.encode()},
                          ["result_file"])
    assert predicted.wait().result() == "Predict result has 50 lines of data."
    found = [float(line) for line in predicted.outputs["result_file"].text().split()]
    assert max(abs(a - b) for a, b in zip(found, labels, strict=False)) < 0.5


def test_a_stream_is_read_as_it_comes(live: LiveExecutor) -> None:
    """An input larger than the task's memory, as a stream."""
    owner = live.client()
    text = b"name,amount\n" + b"".join(b"%d,%d\n" % (number % 100, number) for number in range(1_500_000))
    task = owner.run(
        cella.Builtin.find("aggregate"), {"data": text}, ["result"],
        {"group_by": "name", "aggregates": "count,sum:amount"}, streams=["data"], limits={"memory_bytes": "12M"})
    assert len(text) > 12 << 20
    task.wait()
    assert task.result()["groups"] == 100
    lines = task.outputs["result"].text().splitlines()
    assert lines[0] == "name,count,sum:amount" and len(lines) == 101


@pytest.mark.parametrize("arguments, code, text", [
    ({"order": "ascending"}, "BUILTIN_FAILED", "input_data1, line 2"),
])
def test_what_the_function_refuses_is_told(live: LiveExecutor, arguments: dict[str, str], code: str, text: str) -> None:
    owner = live.client()
    task = owner.run(cella.Builtin.find("ordered_set_intersect"), {"input_data1": b"02\n01\n", "input_data2": b"01\n"},
                     ["output_result1", "output_result2"], arguments)
    with refused(code, text=text):
        task.wait()


def test_a_join_that_can_not_fit(live: LiveExecutor) -> None:
    """Everybody learns which limit it was, and who may read messages which key would have made it so large."""
    owner = live.client()
    many = b"id\n" + b"1\n" * 1_000_000
    task = owner.run(cella.Builtin.find("join"), {"input0": many, "input1": many}, ["output0"], {"on": "id"},
                     limits={"output_bytes": "1M"})
    with pytest.raises(cella.LimitError, match="would have 1000000000000 records .'output0': 2000000000000 bytes") as caught:
        task.wait()
    assert caught.value.detail == "limit output_bytes 1048576; output output0 has 0 and was to have more"
    assert "is in 1000000 of its records and 1000000 of input1's" in caught.value.script_message


def test_a_task_whose_profile_does_not_have_it(live: LiveExecutor) -> None:
    """Of a package that was not made with the table."""
    owner = live.client()
    task = owner.tasks.create(owner.functions.register(builtin_package("rsa_sign", ["rsa_key"], [], ["data"])),
                              inputs={"rsa_key": owner.data.add(b"key", "key")}, arguments={"data": "x"})
    with pytest.raises(cella.CellaError, match="profiles native and science have it: ask for it with profile='native'"):
        task.invoke().wait()


def test_a_profile_that_does_not_have_it() -> None:
    with refused("BAD_ARGUMENT", text="has no gbdt_train"):
        cella.Builtin.find("gbdt_train").package(profile="python")


def test_defaults_of_a_registered_builtin(live: LiveExecutor) -> None:
    """A task need not give what the table has a default for, and can not give what is locked."""
    owner = live.client()
    package = cella.Builtin.find("psi").package(members=2, outputs=[], locked={"reveal": "size"})
    function = owner.functions.register(package)
    data = {f"input{index}": owner.data.add(io.BytesIO(b"a\nb\n").getvalue(), f"x{index}") for index in range(2)}
    task = owner.tasks.create(function, inputs=data, arguments={"mode": "oblivious"}, invoke=True)
    assert json.loads(json.dumps(task.wait().result())) == {"parties": 2, "common": 2}
    with refused("BAD_ARGUMENT", text="reveal"):
        owner.tasks.create(function, inputs=data, arguments={"reveal": "ids"})


def test_the_small_business_story(live: LiveExecutor, tmp_path: Path) -> None:
    """A model of one party, data of another: a classifier in C, without any script."""
    shop, maker = live.client(), live.client()
    model = {"alpha": 0.1, "iters": 1, "parameters": [-1.0, 2.0, 0.0]}
    function = shop.functions.register(cella.Builtin.find("logistic_regression_predict").package())
    task = shop.tasks.create(
        function, inputs={"data_file": shop.data.add(b"0,1\n1,5\n", "rows"), "model_file": [maker.party]},
        outputs={"result_file": [shop.party]})
    other = maker.tasks.get(task.id)
    other.assign(inputs={"model_file": maker.data.add(json.dumps(model).encode(), "model")})
    for side in (task, other):
        side.approve(side.contract())
    task.invoke().wait()
    assert [round(float(line), 4) for line in task.outputs["result_file"].text().split()] == [0.2689, 0.7311]
    with refused("DENIED"):
        other.outputs["result_file"].bytes()
