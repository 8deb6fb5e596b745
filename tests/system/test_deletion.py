# SPDX-License-Identifier: Apache-2.0
"""What deleting data does: no key, no further task, and no object at the host; and what it leaves alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cella
import pytest
from live import LiveExecutor, files, package_of, refused, until_running, wait_until

Start = Callable[..., LiveExecutor]
PROFILES = "python"
COPY = "def main(x, out):\n    out.write(x.read())\n"
SLOW = "import time\ndef main(x):\n    start = x.read(2)\n    time.sleep(2)\n    return len(start + x.read())\n"


def objects(live: LiveExecutor) -> set[Path]:
    return set(live.objects())


def gone(live: LiveExecutor, *paths: Path) -> None:
    wait_until(lambda: not objects(live) & set(paths), 10, "the host deletes the objects")


def copied(me: cella.Executor, data: cella.Data, **outputs: object) -> cella.Task:
    function = me.functions.register(package_of(COPY, inputs=files("x"), outputs=files("out")))
    task = me.tasks.create(function, inputs={"x": data}, outputs=outputs or {"out": None}, invoke=True)
    task.wait(timeout=30)
    return task


def test_the_object_is_deleted(own: LiveExecutor) -> None:
    me = own.client()
    before = objects(own)
    kept, data = me.data.add(b"kept" * 10), me.data.add(b"deleted" * 100)
    stored = own.stored(data.size, before)
    assert me.data.delete(data).deleted
    gone(own, stored)
    assert len(objects(own) - before) == 1
    assert copied(me, kept).outputs["out"].bytes() == b"kept" * 10
    with refused("DELETED"):
        copied(me, data)
    assert me.data.delete(data).deleted  # again: nothing changes
    own.serves()


def test_many_at_once(own: LiveExecutor) -> None:
    me = own.client()
    before = objects(own)
    many = [me.data.add(b"x" * number) for number in range(30)]
    assert len(objects(own) - before) == 30
    for data in many:
        me.data.delete(data)
    wait_until(lambda: objects(own) == before, 20, "all are deleted")


def test_a_run_that_reads_them_goes_on(own: LiveExecutor) -> None:
    me = own.client()
    for stream in (False, True):
        before = objects(own)
        data = me.data.add(bytes(6_000_000))
        stored = own.stored(data.size, before)
        function = me.functions.register(package_of(SLOW, inputs=[{**one, "stream": stream} for one in files("x")]))
        task = until_running(me.tasks.create(function, inputs={"x": data}, invoke=True))
        me.data.delete(data)
        me.data.list()
        assert stored.exists()
        assert task.wait(timeout=30).result() == 6_000_000
        gone(own, stored)


def test_derived_data(own: LiveExecutor) -> None:
    """The receiver still has the output; nobody derives it again, and data derived before stay."""
    me = own.client()
    task = copied(me, me.data.add(b"content"))
    first, second = me.data.derive(task, "out"), me.data.derive(task, "out")
    known = objects(own)
    me.data.delete(first)
    with refused("BAD_STATE"):
        me.data.derive(task, "out")
    assert copied(me, second).outputs["out"].bytes() == b"content"
    assert known <= objects(own)
    assert task.outputs["out"].bytes() == b"content"


def test_what_was_not_told_is_told_at_the_next_start(start: Start, tmp_path: Path) -> None:
    first = start()
    me = first.client()
    before = objects(first)
    data, kept = me.data.add(b"deleted" * 100), me.data.add(b"kept")
    stored = first.stored(data.size, before)
    content = stored.read_bytes()
    me.data.delete(data)
    gone(first, stored)
    assert first.close() == 0
    stored.write_bytes(content)  # a host that did not obey, or was not told
    second = start()
    gone(second, stored)
    me = second.client(me.identity, enrol=False)
    assert copied(me, kept).outputs["out"].bytes() == b"kept"


# ---- what an end in the middle leaves ----

TWO = "def main(size, first, second):\n    first.write(b'f' * 1000)\n    for _ in range(size):\n        second.write(bytes(1 << 20))\n"


@pytest.mark.parametrize("program", ["host", "monitor"])
def test_outputs_of_a_run_that_was_cut_off_are_deleted(start: Start, program: str) -> None:
    """Killed while it stores: its task failed, the next start has its objects deleted, and those of the next attempt stay."""
    live = start()
    me = live.client()
    function = me.functions.register(package_of(
        TWO, inputs=[], outputs=files("first", "second"), arguments=[{"name": "size"}]))
    known = objects(live)
    options = {"outputs": {"first": None, "second": None}, "attempts": 2}
    task = me.tasks.create(function, arguments={"size": 128}, **options).invoke()
    left = wait_until(lambda: [path for path in live.objects() if path.name.islower() and path.stat().st_size < 2000 and
                               path not in known and path.parent.name != "store"], 60, "the first output is stored")
    live.one(program).kill()
    if program == "host":
        live.wait()
        assert left[0].exists()
        live = start()
    me = wait_until(lambda: connected(live, me), 60, "an executor answers again")
    task = me.tasks.get(task.id)
    with refused("EXECUTOR_DIED"):
        task.wait(timeout=30).result()
    wait_until(lambda: objects(live) == known, 20, f"nothing of the attempt is left: {objects(live) - known}")
    assert task.retry().wait(timeout=60).outputs["first"].bytes() == b"f" * 1000
    two = objects(live) - known
    assert len(two) == 2 and left[0] not in two
    live.close()
    live = start()
    me = wait_until(lambda: connected(live, me), 60, "an executor answers again")
    data = me.data.add(b"to see that what is told at a start was told", "x")
    me.data.delete(data)
    wait_until(lambda: objects(live) == known | two, 20, "the second attempt's outputs stay")
    assert me.tasks.get(task.id).outputs["second"].bytes() == bytes(128 << 20)


def connected(live: LiveExecutor, me: cella.Executor) -> cella.Executor | None:
    """The same party at the next executor, if that is there."""
    try:
        return cella.connect(live.address, live.trust, me.identity)
    except cella.CellaError:
        return None
