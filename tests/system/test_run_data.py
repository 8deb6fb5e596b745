# SPDX-License-Identifier: Apache-2.0
"""Inputs that are streams, and padded outputs, through the whole executor."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from typing import Any

import cella
import pytest
from live import LiveExecutor, files, package_of, refused, sleeper, until_in_cell, wait_until

COPY = (
    "def main(a, out):\n"
    "    size = out.write(b'')\n"
    "    while block := a.read(100_000):\n"
    "        size += len(block)\n"
    "        out.write(block)\n"
    "    return [size, a.size]\n"
)


def declared(names: Sequence[str], streams: Sequence[str]) -> list[dict[str, Any]]:
    return [{**one, "stream": True} if one["name"] in streams else one for one in files(*names)]


def function_of(me: cella.Executor, source: str, inputs: str = "a", outputs: str = "out", streams: str = "a", **more: Any) -> Any:
    return me.functions.register(
        package_of(source, inputs=declared(inputs.split(), streams.split()), outputs=files(*outputs.split()), **more)
    )


def run(me: cella.Executor, function: Any, inputs: dict[str, Any], outputs: Sequence[str] = ("out",), **more: Any) -> cella.Task:
    return me.tasks.create(function, inputs=inputs, outputs={name: None for name in outputs}, invoke=True, **more)


@pytest.mark.parametrize("size", [0, 1, 65536, 3_000_001, 20_000_000])
def test_a_stream_is_copied(me: cella.Executor, size: int) -> None:
    content = random.Random(size).randbytes(size)
    task = run(me, function_of(me, COPY), {"a": me.data.add(content)}).wait()
    assert task.result() == [size, size] and task.outputs["out"].bytes() == content
    assert task.usage["bytes_in"] >= size


def test_more_than_the_memory_limit(me: cella.Executor) -> None:
    source = "def main(a):\n    size = 0\n    while block := a.read(1 << 16): size += len(block)\n    return size\n"
    size = 70_000_000
    task = run(me, function_of(me, source, outputs=""), {"a": me.data.add(bytes(size))}, [], limits={"memory_bytes": 30_000_000})
    assert task.wait().result() == size and task.usage["peak_kib"] < 60_000


def test_streams_and_files_in_any_order(me: cella.Executor) -> None:
    source = (
        "def main(a, b, c, d=None, e=None, out=None, two=None):\n"
        "    out.write(c.read(1)), two.write(a.read(1))\n"
        "    return [one and one.read().decode() for one in (a, b, c, d, e)] + [b.seek(0), a.name, c.size]\n"
    )
    function = function_of(me, source, "a b c d? e?", "out two", "a c d e")
    inputs = {name: me.data.add(f"{name} is here".encode()) for name in "abce"}
    task = run(me, function, inputs, ["out", "two"]).wait()
    assert task.result() == [" is here", "b is here", " is here", None, "e is here", 0, "a", 9]
    assert task.outputs["out"].bytes() == b"c" and task.outputs["two"].bytes() == b"a"


def test_what_is_not_read_is_verified_all_the_same(own: LiveExecutor) -> None:
    me = own.client()
    function = function_of(me, "def main(a, out):\n    out.write(a.read(3))\n    return 'early'\n")
    known = own.objects()
    data = me.data.add(bytes(9_000_000))
    task = run(me, function, {"a": data}).wait()
    assert task.result() == "early" and task.outputs["out"].bytes() == bytes(3)
    stored = own.stored(data.size, known)
    content = bytearray(stored.read_bytes())
    content[-1] ^= 1
    stored.write_bytes(content)
    before = set(own.objects())
    failed = run(me, function, {"a": data})
    with refused("BAD_DIGEST", "BAD_TAG", text=f"input a ({data.id})"):
        failed.wait()
    assert "result" not in failed.facts and set(own.objects()) <= before


@pytest.mark.parametrize("body", ["return len(a.read())", "raise ValueError(len(a.read()))", "try: a.read()\n    finally: return 1"])
def test_the_couriers_word_comes_before_the_scripts(own: LiveExecutor, body: str) -> None:
    me = own.client()
    known = own.objects()
    data = me.data.add(bytes(9_000_000))
    stored = own.stored(data.size, known)
    content = bytearray(stored.read_bytes())
    content[5_000_000] ^= 1
    stored.write_bytes(content)
    for _ in range(5):
        with refused("BAD_DIGEST", "BAD_TAG", text=f"input a ({data.id})"):
            run(me, function_of(me, f"def main(a):\n    {body}\n", outputs=""), {"a": data}, []).wait()


def test_a_failure_does_not_wait_for_the_rest(me: cella.Executor) -> None:
    function = function_of(me, "def main(a):\n    a.read(1)\n    raise ValueError('x')\n", outputs="")
    data = me.data.add(bytes(30_000_000))
    with refused("SCRIPT_FAILED", line=3):
        run(me, function, {"a": data}, []).wait()


HOLDS = "import cella, time\ndef main(a):\n    cella.progress(0.5)\n    a.read(10)\n    time.sleep(600)\n"


def test_limits_and_cancellation_hold_while_streaming(me: cella.Executor) -> None:
    function = function_of(me, HOLDS, outputs="")
    data = me.data.add(bytes(5_000_000))
    with refused("LIMIT_WALL", text="limit wall_s 1; used 1."):
        run(me, function, {"a": data}, [], limits={"wall_s": 1}).wait()
    task = until_in_cell(run(me, function, {"a": data}, []))
    task.cancel()
    with refused("CANCELLED"):
        task.wait()
    assert run(me, function_of(me, COPY), {"a": data}).wait().state == "finished"


def test_a_stream_waits_for_its_cell(start: Any) -> None:
    own = start({"concurrency": 1, "pool": 2})
    me = own.client()
    kept = sleeper(me)
    content = random.Random(1).randbytes(5_000_000)
    task = run(me, function_of(me, COPY), {"a": me.data.add(content)})
    time.sleep(0.5)
    kept.cancel()
    assert task.wait().outputs["out"].bytes() == content


# ---- what an observer of sizes sees ----


PADDED = {"sizes": "padded"}


def test_padded_sizes_are_equal(own: LiveExecutor) -> None:
    """Outputs, result and messages of different size are of one class outside, and exact for the receiver."""
    me = own.client()
    source = "def main(n, out):\n    out.write(b'x' * n)\n    print('y' * (n % 50))\n    return 'z' * (n % 97)\n"
    function = function_of(me, source, "", streams="", arguments=[{"name": "n"}], isolation=PADDED)
    seen = set()
    for size in (0, 1, 100, 255):
        task = me.tasks.create(function, arguments={"n": size}, outputs={"out": None}, invoke=True).wait()
        assert task.outputs["out"].bytes() == b"x" * size and task.result() == "z" * (size % 97)
        assert task.messages()["log"].strip() == "y" * (size % 50)
        facts = task.facts
        seen.add((facts["outputs"]["out"]["size"], len(facts["result"]), len(facts["messages"]), facts["usage"]["bytes_out"]))
    assert len(seen) == 1, seen


def test_padding_of_what_is_large(me: cella.Executor) -> None:
    function = function_of(me, "def main(out):\n    out.write(b'x' * 3_000_001)\n    return list(range(3000))\n", "", streams="",
                           isolation=PADDED)
    task = run(me, function, {}).wait()
    assert task.outputs["out"].bytes() == b"x" * 3_000_001 and task.result() == list(range(3000))
    assert 3_014_656 < task.facts["outputs"]["out"]["size"] < 3_014_656 + 1000


def test_a_padded_task_that_fails_says_nothing_exact(me: cella.Executor) -> None:
    function = function_of(me, "def main(out):\n    out.write(b'x' * 3000)\n    out.write(b'x' * 3000)\n", "", streams="",
                           isolation=PADDED, limits={"output_bytes": 5000})
    task = run(me, function, {}).wait(check=False)
    assert task.facts["error"]["detail"] == "limit output_bytes 5000; output out was to have more"
