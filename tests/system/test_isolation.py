# SPDX-License-Identifier: Apache-2.0
"""What contracts ask beyond the ordinary box, over the real programs; and inputs that are streams."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import cella
import pytest
from live import LiveExecutor, package_of, refused, script_task

Parties = Callable[[int], list[cella.Executor]]
ORDINARY = {"clock": "fine", "zygote": "shared", "sizes": "exact"}
STRICT = {"clock": "coarse", "zygote": "owner", "sizes": "padded"}
COPY = """def main(table, out):
    with out:
        while block := table.read(1 << 20):
            out.write(block)
    return out.size
"""


def terms_of(task: cella.Task) -> Any:
    return task.contract().terms


@pytest.mark.parametrize("of_function, of_task", itertools.product(
    (None, {}, {"clock": "coarse"}, {"zygote": "owner", "sizes": "exact"}, STRICT, ORDINARY),
    (None, {"sizes": "padded"}, {"clock": "fine"}, ORDINARY, STRICT),
))
def test_the_stricter_wins(me: cella.Executor, of_function: dict[str, str] | None, of_task: dict[str, str] | None) -> None:
    declared = {} if of_function is None else {"isolation": of_function}
    task = me.tasks.create(me.functions.register(package_of("def main(): return 1", **declared)), isolation=of_task)
    wishes = (of_function or {}, of_task or {})
    expected = {name: strict if strict in [wish.get(name) for wish in wishes] else ORDINARY[name] for name, strict in STRICT.items()}
    assert terms_of(task)["isolation"] == expected
    assert task.refresh().isolation == expected
    assert terms_of(task)["limits"]["threads"] == (0 if expected["clock"] == "coarse" else me.information()["limits"]["threads"])


@pytest.mark.parametrize("limits", [{"threads": 4}, {"threads": 0}, {}])
def test_a_coarse_clock_leaves_no_threads(me: cella.Executor, limits: dict[str, int]) -> None:
    task = script_task(me, "def main(): return 1", limits=limits, isolation={"clock": "coarse"}, invoke=False)
    assert terms_of(task)["limits"]["threads"] == 0
    said = " ".join(task.contract().explain(me.party).split())
    assert "no clock finer than the kernel's tick" in said and ", a single thread, wall 120 s" in said


def test_threads_need_no_coarse_clock_to_be_none(me: cella.Executor) -> None:
    source = "import threading\ndef main():\n    try:\n        threading.Thread(target=print).start()\n    except RuntimeError:\n        return 'refused'\n"
    assert script_task(me, source, limits={"threads": 0}).wait().result() == "refused"
    assert script_task(me, source, limits={"threads": 1}).wait().result() is None


def test_everybody_approves_the_isolation(parties: Parties) -> None:
    a, b = parties(2)
    function = a.functions.register(package_of("def main(): return 1"))
    made = [a.tasks.create(function, result=[a.party, b.party], isolation=one) for one in (None, STRICT)]
    plain, strict = (cella.Task(b, task.id).contract() for task in made)
    assert plain.terms["isolation"] == ORDINARY and strict.terms["isolation"] == STRICT
    with refused("WRONG_CONTRACT"):
        cella.Task(b, made[0].id).approve(strict.sha256)
    assert "padded to classes" in strict.explain() and "padded to classes" not in plain.explain()


def test_a_task_in_the_strictest_box(me: cella.Executor) -> None:
    task = script_task(me, COPY, inputs={"table": b"abc" * 1000}, outputs=["out"], isolation=STRICT).wait()
    assert task.result() == 3000 and task.outputs["out"].bytes() == b"abc" * 1000
    assert task.isolation == STRICT


# ---- sizes ----


@pytest.mark.parametrize("size", [0, 1, 1000, 100_000, 1 << 20, 3_000_001])
def test_a_padded_output_is_what_was_written(me: cella.Executor, size: int, tmp_path: Any) -> None:
    content = bytes(index % 251 for index in range(size))
    task = script_task(me, COPY, inputs={"table": content}, outputs=["out"], isolation={"sizes": "padded"}).wait()
    output = task.outputs["out"]
    assert output.bytes() == content and output.save(tmp_path / "out") == size and task.result() == size
    assert (tmp_path / "out").read_bytes() == content


SIZED = "def main(out, size=0):\n    out.write(b'x' * size)\n    print('y' * (size // 100))\n    return 'z' * (size // 10)\n"


def test_padded_sizes_tell_the_class_only(me: cella.Executor) -> None:
    """Sealed sizes of outputs, results and messages are the same for what falls into one class, and grow between classes."""
    def sizes(size: int, isolation: dict[str, str] | None) -> tuple[int, int, int]:
        task = script_task(me, SIZED, outputs=["out"], arguments={"size": size}, isolation=isolation).wait()
        assert len(task.outputs["out"].bytes()) == size and len(task.result()) == size // 10
        assert len(task.messages()["log"]) == size // 100 + 1
        return task.facts["outputs"]["out"]["size"], len(task.facts["result"]), len(task.facts["messages"])

    small, near, large = (sizes(size, {"sizes": "padded"}) for size in (100_000, 100_200, 200_000))
    assert small == near and all(one < other for one, other in zip(small, large))
    exact, other = (sizes(size, None) for size in (100_000, 100_200))
    assert exact[0] + 200 == other[0] and exact[1] < other[1] and exact[2] < other[2]
    assert all(one >= other for one, other in zip(small, exact)) and small[0] < 1.13 * exact[0]


# ---- streams ----


def streamed(executor: cella.Executor, source: str, content: bytes, *, inputs: Any = None, **options: Any) -> cella.Task:
    """A task whose input table is a stream."""
    declared = inputs or [{"name": "table", "stream": True}]
    function = executor.functions.register(package_of(source, inputs=declared, outputs=options.pop("outputs", [])))
    data = executor.data.add(content, "table")
    return executor.tasks.create(function, inputs={"table": data}, invoke=True, **options)


def test_a_stream_is_read_forward(me: cella.Executor) -> None:
    content = b"".join(b"%d,%d\n" % (index, index * index) for index in range(200_000))
    source = "def main(table):\n    return [table.seekable(), sum(1 for line in table), table.read() == b'']"
    task = streamed(me, source, content)
    assert terms_of(task)["inputs"]["table"]["stream"] is True
    assert "read once, forward" in task.contract().explain()
    assert task.wait().result() == [False, 200_000, True]


def test_a_stream_that_is_larger_than_the_memory_limit(me: cella.Executor) -> None:
    source = "def main(table):\n    size = 0\n    while block := table.read(1 << 20):\n        size += len(block)\n    return size"
    content = bytes(200 << 20)
    assert streamed(me, source, content, limits={"memory_bytes": 64 << 20}).wait().result() == len(content)


def test_a_stream_that_nobody_reads(me: cella.Executor) -> None:
    assert streamed(me, "def main(table): return 'did not look'", bytes(5 << 20)).wait().result() == "did not look"


def test_a_stream_that_was_changed_on_the_hosts_disk(own: LiveExecutor) -> None:
    """The script has seen the part before the damage; nothing of what it made is released."""
    me = own.client()
    content = bytes(5 << 20)
    function = me.functions.register(package_of(
        "def main(table, out):\n    out.write(table.read())\n    return 1", inputs=[{"name": "table", "stream": True}],
        outputs=[{"name": "out"}]))
    data = me.data.add(content, "table")
    stored = own.stored(data.size)
    with open(stored, "r+b") as file:
        file.seek(-100, 2)
        file.write(b"damage")
    task = me.tasks.create(function, inputs={"table": data}, outputs={"out": None}, invoke=True).wait(check=False)
    error = task.error()
    assert error is not None and error.code in ("BAD_TAG", "BAD_DIGEST") and error.category == "TRUST"
    assert "result" not in task.facts and "sealed_key" not in task.facts["outputs"]["out"]
