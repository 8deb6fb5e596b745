# SPDX-License-Identifier: Apache-2.0
"""Inputs as streams, from the client through the host's store into the cell: in order, whole, or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cella
import pytest
from live import LiveExecutor, descendants, files, package_of, refused, until_in_cell, wait_until

MIB = 1 << 20
COPY = "def main(x, out):\n    out.write(b'')\n    while block := x.read(1 << 20): out.write(block)\n    return [x.size, x.seekable()]\n"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveExecutor]:
    """An executor in whose store the tests play the host."""
    executor = LiveExecutor(tmp_path_factory.mktemp("store"))
    yield executor
    executor.close()


@pytest.fixture
def owner(store: LiveExecutor) -> cella.Executor:
    return store.client()


def noise(size: int) -> bytes:
    block = os.urandom(65536)
    return b"".join(at.to_bytes(8, "big") + block[8:] for at in range(0, size, 65536))[:size]


def stream_task(
    executor: cella.Executor,
    source: str,
    streams: Mapping[str, bytes | cella.Data],
    *,
    memory: Mapping[str, bytes] | None = None,
    outputs: Sequence[str] = (),
    **options: Any,
) -> cella.Task:
    """A task of which some inputs are streams."""
    memory = dict(memory or {})
    declared = [{**one, "stream": True} for one in files(*streams)] + files(*memory)
    package = package_of(source, inputs=declared, outputs=files(*outputs))
    given = {name: content if isinstance(content, cella.Data) else executor.data.add(content, name)
             for name, content in {**memory, **streams}.items()}
    return executor.tasks.create(
        executor.functions.register(package), inputs=given, outputs={name: None for name in outputs}, invoke=True, **options)


def stored(live: LiveExecutor, owner: cella.Executor, content: bytes, segment: str = "1MB") -> tuple[cella.Data, Path]:
    """Data, and the object that the host has of it."""
    before = set(live.objects())
    data = owner.data.add(content, key=cella.DataKey.generate(segment))
    return data, live.stored(data.size, before)


def corrupt(path: Path, content: bytes) -> None:
    path.chmod(0o600)
    path.write_bytes(content)


def changed(content: bytes, place: int) -> bytes:
    place %= len(content)
    return content[:place] + bytes([content[place] ^ 0x40]) + content[place + 1 :]


# ---- what works ----


@pytest.mark.parametrize("size", [0, 1, MIB - 56, MIB - 55, 5 * MIB + 7])
def test_a_stream_is_the_whole_input(owner: cella.Executor, size: int) -> None:
    content = noise(size)
    task = stream_task(owner, COPY, {"x": content}, outputs=["out"]).wait()
    assert task.result() == [size, False] and task.outputs["out"].bytes() == content


def test_small_segments(owner: cella.Executor, store: LiveExecutor) -> None:
    content = noise(3 * MIB)
    data, _ = stored(store, owner, content, "4KB")
    assert stream_task(owner, COPY, {"x": data}, outputs=["out"]).wait().outputs["out"].bytes() == content


def test_streams_and_memory_side_by_side(owner: cella.Executor) -> None:
    contents = {"a": noise(3 * MIB), "b": noise(2 * MIB + 1)}
    source = ("import hashlib\ndef main(a, b, m):\n    one, other = hashlib.sha256(), hashlib.sha256()\n    while True:\n"
              "        left, right = a.read(100_000), b.read(70_000)\n        one.update(left)\n        other.update(right)\n"
              "        if not left and not right: break\n    return [one.hexdigest(), other.hexdigest(), m.text()]\n")
    task = stream_task(owner, source, contents, memory={"m": b"in memory"}).wait()
    assert task.result() == [hashlib.sha256(contents[name]).hexdigest() for name in "ab"] + ["in memory"]


def test_larger_than_the_limit_of_memory(owner: cella.Executor) -> None:
    content = noise(96 * MIB)
    source = "import hashlib\ndef main(x):\n    seen = hashlib.sha256()\n    while block := x.read(1 << 20): seen.update(block)\n    return seen.hexdigest()\n"
    task = stream_task(owner, source, {"x": content}, limits={"memory_bytes": 32 * MIB}).wait()
    assert task.result() == hashlib.sha256(content).hexdigest()
    assert task.usage["peak_kib"] < 80 << 10


def test_a_script_may_leave_it_unread(owner: cella.Executor) -> None:
    assert stream_task(owner, "def main(x): return x.read(3).decode('latin-1')", {"x": b"abc" * MIB}).wait().result() == "abc"
    assert stream_task(owner, "def main(x): return x.size", {"x": b"abc" * MIB}).wait().result() == 3 * MIB


def test_what_a_stream_can_not_do(owner: cella.Executor) -> None:
    with refused("SCRIPT_FAILED", line=2, text="declared as a stream"):
        stream_task(owner, "def main(x):\n    x.buffer()", {"x": b"abc"}).wait().result()


def test_couriers_stay_small(own: LiveExecutor) -> None:
    """As much memory for a large stream as for a small one."""
    me = own.client()
    peaks = []
    for size in (2 * MIB, 128 * MIB):
        peak, done = [0], threading.Event()

        def watch(peak: list[int] = peak, done: threading.Event = done) -> None:
            while not done.wait(0.005):
                for one in own.role("courier"):
                    with contextlib.suppress(OSError, AssertionError):
                        peak[0] = max(peak[0], one.high_water_kib)

        data = me.data.add(noise(size))
        watcher = threading.Thread(target=watch)
        watcher.start()
        task = stream_task(me, "def main(x):\n    n = 0\n    while block := x.read(1 << 20): n += len(block)\n    return n\n", {"x": data}).wait()
        done.set()
        watcher.join()
        assert task.result() == size and descendants(own.process.pid)
        peaks.append(peak[0])
    assert peaks[1] < max(peaks[0], 8 << 10) + (6 << 10), peaks


# ---- what fails, fails for its reason ----

READERS = {
    "reads it": "def main(x):\n    while x.read(1 << 20): pass\n    return 'read'\n",
    "catches errors": "def main(x):\n    try:\n        while x.read(1 << 20): pass\n    except OSError: pass\n    return 'read'\n",
    "reads the first bytes": "def main(x):\n    return len(x.read(10))\n",
    "reads nothing": "def main(x):\n    return x.size\n",
}
TRICKS = ["flip first", "flip middle", "flip last", "cut", "empty", "longer", "zeros", "other file"]


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("trick", TRICKS)
def test_the_host_alters_an_object(store: LiveExecutor, owner: cella.Executor, trick: str, reader: str) -> None:
    """Whatever the script makes of it, the task fails, and for the true reason."""
    data, path = stored(store, owner, noise(3 * MIB))
    content = path.read_bytes()
    corrupt(path, {
        "flip first": changed(content, 0), "flip middle": changed(content, len(content) // 2), "flip last": changed(content, -1),
        "cut": content[: 2 * MIB], "empty": b"", "longer": content + b"x", "zeros": bytes(len(content)),
        "other file": os.urandom(len(content)),
    }[trick])
    with refused("BAD_DIGEST", text="input x"):
        stream_task(owner, READERS[reader], {"x": data}).wait().result()


def test_the_host_withholds_an_object(store: LiveExecutor, owner: cella.Executor) -> None:
    data, path = stored(store, owner, noise(MIB))
    path.unlink()
    with refused("OBJECT_MISSING", text="input x"):
        stream_task(owner, READERS["reads it"], {"x": data}).wait().result()


def test_no_output_of_a_failed_stream(store: LiveExecutor, owner: cella.Executor) -> None:
    """What a script wrote before its input turned out wrong goes to nobody."""
    data, path = stored(store, owner, noise(4 * MIB))
    corrupt(path, changed(path.read_bytes(), -1))
    before = set(store.objects())
    task = stream_task(owner, COPY, {"x": data}, outputs=["out"]).wait(check=False)
    assert task.error().code == "BAD_DIGEST"
    assert set(store.objects()) == before


def test_the_script_fails_for_its_own_reason(owner: cella.Executor) -> None:
    with refused("SCRIPT_FAILED", line=2, text="mine"):
        stream_task(owner, "def main(x):\n    raise ValueError('mine')", {"x": noise(4 * MIB)}).wait().result()


def test_a_task_is_cancelled_in_mid_stream(owner: cella.Executor, store: LiveExecutor) -> None:
    source = "import cella, time\ndef main(x):\n    x.read(1)\n    cella.progress(0.5)\n    while True: time.sleep(0.1)\n"
    task = until_in_cell(stream_task(owner, source, {"x": noise(16 * MIB)}))
    task.cancel()
    assert task.wait(check=False).state == "cancelled"
    store.serves()


def test_a_reader_is_cancelled_while_it_waits(own: LiveExecutor) -> None:
    """The courier dies under a script that waits for more: the task ends, and says why."""
    me = own.client()
    source = "import cella, time\ndef main(x):\n    x.read(1)\n    cella.progress(0.5)\n    time.sleep(1)\n    return len(x.read())\n"
    task = until_in_cell(stream_task(me, source, {"x": noise(32 * MIB)}))
    for one in own.role("courier"):
        with contextlib.suppress(OSError):
            one.kill()
    error = task.wait(check=False).error()
    assert error is not None and error.code == "COURIER_DIED"
    wait_until(lambda: own.role("courier"), 10, "another courier waits")
    own.serves()
