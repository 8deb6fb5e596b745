# SPDX-License-Identifier: Apache-2.0
"""Sealed files on their way: changed, cut, swapped or withheld, everybody notices; large ones cost no memory."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cella
import pytest
from cella import _native
from cella.sealing import Sealed, seal, unseal
from live import Hand, LiveExecutor, descendants, files, long_only, package_of, refused, script_task, sealed_bytes, throw_away, wait_until

SEGMENTS = {"4KB": 4096, "1MB": 1 << 20}
HEADER = 40
"""Bytes before the first segment's ciphertext: size, salt and nonce prefix."""
TAG = 16
COPY = "def main(x, out):\n    out.write(x.buffer())\n    return len(x)\n"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveExecutor]:
    """An executor in whose store the tests play the host."""
    executor = LiveExecutor(tmp_path_factory.mktemp("store"))
    yield executor
    executor.close()


@pytest.fixture
def owner(store: LiveExecutor) -> cella.Executor:
    return store.client()


def register(executor: cella.Executor, key: cella.DataKey, content: bytes, **other: Any) -> cella.Data:
    """Register a sealed file as it is, or with other facts."""
    facts = Sealed(0, other.get("size", len(content)), other.get("sha256", hashlib.sha256(content).digest()))
    return executor.data.register("file", facts, key)


def put(executor: cella.Executor, key: cella.DataKey, content: bytes) -> cella.Data:
    """Register and upload, whatever the content is worth: its digest is right."""
    data = register(executor, key, content)
    executor.upload(data.id, io.BytesIO(content), len(content))
    return data


def use(executor: cella.Executor, data: cella.Data) -> cella.Task:
    """A task that reads the data."""
    function = executor.functions.register(package_of(COPY, inputs=files("x"), outputs=files("out")))
    return executor.tasks.create(function, inputs={"x": data}, outputs={"out": None}, invoke=True).wait(timeout=100)


def sizes(segment: str) -> list[int]:
    """Sizes around every edge: the first segment is shorter by the header."""
    plain = SEGMENTS[segment] - TAG
    first = plain - HEADER
    return [0, 1, first - 1, first, first + 1, first + plain - 1, first + plain, first + plain + 1]


# ---- all sizes ----


@pytest.mark.parametrize("segment", SEGMENTS)
def test_every_size_comes_back(owner: cella.Executor, segment: str) -> None:
    for size in sizes(segment):
        content = os.urandom(size)
        task = use(owner, owner.data.add(content, key=cella.DataKey.generate(segment)))
        assert task.result() == size and task.outputs["out"].bytes() == content


def test_outputs_of_every_size(owner: cella.Executor) -> None:
    wanted = sizes("1MB")
    names = [f"o{index}" for index in range(len(wanted))]
    source = "def main(sizes, **outputs):\n    for index, size in enumerate(sizes): outputs[f'o{index}'].write(bytes([index]) * size)\n"
    task = script_task(owner, source, outputs=names, arguments={"sizes": wanted}).wait()
    for index, size in enumerate(wanted):
        assert task.outputs[f"o{index}"].bytes() == bytes([index]) * size


def test_other_associated_data(owner: cella.Executor) -> None:
    for label in (b"", b"x" * 256, bytes(range(256))):
        assert use(owner, owner.data.add(b"content", key=cella.DataKey.generate("4KB", label))).result() == 7
    with refused("BAD_FIELD"):
        owner.data.add(b"content", key=cella.DataKey.generate("4KB", b"x" * 257))


def test_a_stream_can_be_sealed(tmp_path: Path) -> None:
    """Sources and targets need not be files of the file system."""
    key = cella.DataKey.generate("4KB")
    sealed, opened = io.BytesIO(), io.BytesIO()
    facts = seal(key, io.BytesIO(b"content" * 1000), sealed)
    assert facts.sha256 == hashlib.sha256(sealed.getvalue()).digest() and facts.plain_size == 7000
    sealed.seek(0)
    unseal(key, sealed, opened)
    assert opened.getvalue() == b"content" * 1000


# ---- files that their owner registered wrong: the executor opens nothing that is not whole ----


def changed(content: bytes, place: int) -> bytes:
    place %= len(content)
    return content[:place] + bytes([content[place] ^ 0x40]) + content[place + 1 :]


def pieces(content: bytes, segment: int) -> list[bytes]:
    """The segments, the first one with the header."""
    return [content[at : at + segment] for at in range(0, len(content), segment)]


def damages(segment: str) -> dict[str, bytes]:
    """A file of three segments and a bit, damaged in many ways. Its key is in KEYS."""
    size = SEGMENTS[segment]
    content = sealed_bytes(KEYS[segment], os.urandom(3 * size + 100))
    part = pieces(content, size)
    assert len(part) == 4
    found = {f"byte {place} changed": changed(content, place) for place in (0, 1, 20, 33, 39, 40, size - 1, size, 2 * size + 5, -17, -16, -1)}
    found |= {
        "first segment dropped": b"".join([part[0][:HEADER], *part[1:]]), "middle segment dropped": part[0] + part[1] + part[3],
        "last segment dropped": b"".join(part[:3]), "segments swapped": part[0] + part[2] + part[1] + part[3],
        "segment repeated": part[0] + part[1] + part[1] + part[2] + part[3], "last segment twice": content + part[3],
        "last segment in front": part[0] + part[3] + part[1] + part[2], "one byte less": content[:-1], "one byte more": content + b"\0",
        "segment of another file": part[0] + sealed_bytes(KEYS[segment], bytes(3 * size))[size : 2 * size] + part[2] + part[3],
        "header of another file": sealed_bytes(KEYS[segment], bytes(100))[:HEADER] + content[HEADER:],
        "cut within the second segment": content[: size + 100], "cut behind the tag": content[: HEADER + TAG],
        "no header": content[HEADER:], "all zeros": bytes(len(content)),
    }
    return found


KEYS = {segment: cella.DataKey.generate(segment) for segment in SEGMENTS}


@pytest.mark.parametrize("segment", SEGMENTS)
def test_damaged_files_are_not_opened(owner: cella.Executor, segment: str) -> None:
    tasks = {}
    function = owner.functions.register(package_of(COPY, inputs=files("x"), outputs=files("out")))
    for name, content in damages(segment).items():
        try:
            data = put(owner, KEYS[segment], content)
        except cella.CellaError as refusal:  # a size that no sealed file has
            assert refusal.code == "BAD_FIELD" and refusal.field == "args.size", name
            continue
        tasks[name] = owner.tasks.create(function, inputs={"x": data}, outputs={"out": None}, invoke=True)
    assert len(tasks) > 15
    for name, task in tasks.items():
        task.wait(check=False)
        error = task.error()
        assert error is not None, f"{name}: it was opened"
        assert error.code in ("BAD_TAG", "TRUNCATED", "BAD_FORMAT", "BAD_SIZE"), f"{name}: {error}"
        assert "input x" in str(error), f"{name}: {error}"


@pytest.mark.parametrize("segment", SEGMENTS)
def test_damaged_files_are_not_opened_here(tmp_path: Path, segment: str) -> None:
    for name, content in damages(segment).items():
        (tmp_path / "sealed").write_bytes(content)
        with open(tmp_path / "sealed", "rb") as source, open(tmp_path / "opened", "wb") as target:
            with pytest.raises(cella.CellaError) as caught:
                unseal(KEYS[segment], source, target)
        assert caught.value.code in ("BAD_TAG", "TRUNCATED", "BAD_FORMAT", "BAD_SIZE"), f"{name}: {caught.value}"


@pytest.mark.parametrize("wrong", [
    cella.DataKey.generate("4KB"), cella.DataKey(KEYS["4KB"].key, "4KB", b"other"), cella.DataKey(KEYS["4KB"].key, "1MB"),
])
def test_a_wrong_key_label_or_segment(owner: cella.Executor, wrong: cella.DataKey) -> None:
    content = sealed_bytes(KEYS["4KB"], os.urandom(10000))
    with refused("BAD_TAG", "BAD_FORMAT", "TRUNCATED", text="input x"):
        use(owner, put(owner, wrong, content))


# ---- uploads that are not what was registered ----


def test_upload_of_other_bytes(store: LiveExecutor, owner: cella.Executor) -> None:
    key = cella.DataKey.generate("4KB")
    content = sealed_bytes(key, bytes(20000))
    before = set(store.objects())
    hand = Hand(store, owner)
    data = register(owner, key, content)
    for other in (changed(content, 0), changed(content, -1), bytes(len(content))):
        answer = hand.upload(data.id, other)
        assert (answer.code, answer.status) == ("BAD_DIGEST", 403)
    for other in (content[:-1], content + b"\0", b"x"):
        answer = hand.upload(data.id, other)
        assert (answer.code, answer.status) == ("BAD_SIZE", 400)
    assert set(store.objects()) == before  # nothing is stored on a mismatch
    assert not owner.data.get(data.id).stored
    with refused("BAD_STATE"):
        use(owner, data)
    assert hand.upload(data.id, content).json == {"data": data.id, "stored": True}
    assert owner.data.get(data.id).stored and use(owner, data).result() == 20000
    assert hand.upload(data.id, content).code == "EXISTS"
    hand.close()


def test_registered_with_a_wrong_digest_or_size(store: LiveExecutor, owner: cella.Executor) -> None:
    key = cella.DataKey.generate("4KB")
    content = sealed_bytes(key, bytes(20000))
    hand = Hand(store, owner)
    assert hand.upload(register(owner, key, content, sha256=bytes(32)).id, content).code == "BAD_DIGEST"
    assert hand.upload(register(owner, key, content, size=len(content) + 1).id, content).code == "BAD_SIZE"
    hand.close()


def test_an_upload_that_breaks_off(store: LiveExecutor, owner: cella.Executor) -> None:
    key = cella.DataKey.generate("4KB")
    content = sealed_bytes(key, bytes(500_000))
    before = set(store.objects())
    data = register(owner, key, content)
    hand = Hand(store, owner)
    for sent in (0, 1, 100_000):
        with store.raw() as connection:
            head = f"PUT /v1/objects HTTP/1.1\r\nHost: cella\r\nContent-Length: {len(content)}\r\n"
            signed = hand.sign("object.upload", {"data": data.id})
            connection.send(head.encode() + f"Cella-Request: {signed}\r\n\r\n".encode() + content[:sent])
    wait_until(lambda: hand.upload(data.id, content).code == "OK", 20, "the data can be uploaded again")
    wait_until(lambda: len(set(store.objects()) - before) == 1, 20, "nothing of the broken uploads is left")
    assert use(owner, data).result() == 500_000


# ---- the host plays tricks ----


def corrupt(path: Path, content: bytes) -> None:
    path.chmod(0o600)
    path.write_bytes(content)


def stored(store: LiveExecutor, owner: cella.Executor, content: bytes) -> tuple[cella.Data, Path]:
    """Data, and the object that the host has of it."""
    before = set(store.objects())
    data = owner.data.add(content, key=cella.DataKey.generate("4KB"))
    return data, store.stored(data.size, before)


def test_the_host_withholds_an_object(store: LiveExecutor, owner: cella.Executor) -> None:
    data, path = stored(store, owner, os.urandom(10000))
    path.unlink()
    with refused("OBJECT_MISSING", text="input x"):
        use(owner, data)
    with refused("OBJECT_MISSING"):
        owner.download({"data": data.id}, throw_away)


@pytest.mark.parametrize("trick", ["flip first", "flip middle", "flip last", "cut", "empty", "longer", "other file", "zeros"])
def test_the_host_alters_an_object(store: LiveExecutor, owner: cella.Executor, trick: str) -> None:
    data, path = stored(store, owner, os.urandom(10000))
    content = path.read_bytes()
    size = len(content)
    corrupt(path, {
        "flip first": changed(content, 0), "flip middle": changed(content, size // 2), "flip last": changed(content, -1),
        "cut": content[: size // 2], "empty": b"", "longer": content + b"x", "other file": os.urandom(size), "zeros": bytes(size),
    }[trick])
    with refused("BAD_DIGEST", text="input x"):
        use(owner, data)
    corrupt(path, content)
    assert use(owner, data).result() == 10000


def test_the_host_swaps_objects(store: LiveExecutor, owner: cella.Executor) -> None:
    one, first = stored(store, owner, b"1" * 10000)
    other, second = stored(store, owner, b"2" * 10000)
    first.rename(first.with_name("kept"))
    second.rename(first)
    first.with_name("kept").rename(second)
    for data in (one, other):
        with refused("BAD_DIGEST"):
            use(owner, data)


@pytest.mark.parametrize("trick, codes", [
    ("flip", ("BAD_DIGEST", "BAD_TAG")), ("cut", ("OBJECT_MISSING", "BAD_DIGEST", "TRUNCATED")), ("gone", ("OBJECT_MISSING",)),
    ("other output", ("BAD_DIGEST", "BAD_TAG", "OBJECT_MISSING")),
])
def test_the_host_alters_an_output(store: LiveExecutor, owner: cella.Executor, tmp_path: Path, trick: str,
                                   codes: tuple[str, ...]) -> None:
    before = set(store.objects())
    source = "def main(a, b):\n    a.write(b'1' * 5000)\n    b.write(b'2' * 5001)\n"
    task = script_task(owner, source, outputs=["a", "b"]).wait()
    paths = sorted(set(store.objects()) - before, key=lambda path: path.stat().st_size)
    assert len(paths) == 2
    content = paths[0].read_bytes()
    if trick == "gone":
        paths[0].unlink()
    else:
        corrupt(paths[0], {"flip": changed(content, -1), "cut": content[:-1], "other output": paths[1].read_bytes()}[trick])
    with refused(*codes):
        task.outputs["a"].bytes()
    with refused(*codes):
        task.outputs["a"].save(tmp_path / "a")
    assert list(tmp_path.iterdir()) == []  # nothing half-way appears
    assert task.outputs["b"].bytes() == b"2" * 5001


def test_a_link_in_the_store_is_not_followed(store: LiveExecutor, owner: cella.Executor, tmp_path: Path) -> None:
    data, path = stored(store, owner, os.urandom(5000))
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with refused("STORE_FAILED", "OBJECT_MISSING"):
        use(owner, data)


def test_nothing_is_in_the_clear(store: LiveExecutor, owner: cella.Executor) -> None:
    words = b"these are the words that nobody may read"
    source = "def main(x, out):\n    # these words are the code\n    out.write(x.read()[::-1])\n    return x.buffer().tobytes().decode()[:40]\n"
    task = script_task(owner, source, inputs={"x": words * 100}, outputs=["out"]).wait()
    assert task.result() == words.decode()
    for path in store.state.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert words not in content and words[::-1] not in content and b"words are the code" not in content, path
    assert words.decode() not in store.log()


# ---- large files ----

CLIENT = """
import resource, sys
import cella
address, trust, source, target = sys.argv[1:]
room = cella.connect(address, trust, cella.Identity.generate())
task = room.run(cella.Script.parse(sys.stdin.read(), "copy.py"), {"x": source}, ["out"], limits={"memory_bytes": 1 << 30}).wait()
task.outputs["out"].save(target)
print(task.result(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
PATTERN = """
def main(x, out):
    view = x.buffer()
    for at in range(0, len(view), 1 << 20):
        out.write(view[at:at + (1 << 20)])
    return len(view)
"""


def digest_of(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def make_file(path: Path, size: int) -> None:
    block = os.urandom(1 << 20)
    with open(path, "wb") as file:
        for number in range(size >> 20):
            file.write(number.to_bytes(8, "big") + block[8:])


def through(live: LiveExecutor, folder: Path, size: int) -> tuple[int, dict[str, int]]:
    """A file to a task and back; most memory of the client, and of the programs that its bytes go through, in KiB."""
    source, target = folder / "source", folder / "target"
    make_file(source, size)
    courier = {"cella-courier": 0}
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(CLIENT), live.address, str(live.trust), str(source), str(target)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, "TMPDIR": str(folder)}, text=True,
    )
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(PATTERN)
    process.stdin.close()
    while process.poll() is None:
        for one in live.role("courier"):
            try:
                courier["cella-courier"] = max(courier["cella-courier"], one.high_water_kib)
            except (OSError, AssertionError):
                continue  # it has just left
        try:
            process.wait(0.1)
        except subprocess.TimeoutExpired:
            continue
    said = process.stdout.read().split()
    assert process.returncode == 0 and int(said[0]) == size
    assert digest_of(source) == digest_of(target)
    source.unlink()
    target.unlink()
    high = {name: live.one(name).high_water_kib for name in ("host", "front", "monitor")}
    assert descendants(live.process.pid)
    return int(said[1]), {**high, "courier": courier["cella-courier"]}


def flat(live: LiveExecutor, folder: Path, size: int) -> None:
    """Memory for a large file is that for a small one."""
    small_client, small = through(live, folder, 1 << 20)
    large_client, large = through(live, folder, size)
    assert large_client < small_client + (24 << 10), f"client: {small_client} and {large_client} KiB"
    for name, before in small.items():
        assert large[name] < max(before, 4 << 10) + (12 << 10), f"{name}: {before} and {large[name]} KiB"
        assert large[name] < 64 << 10


def test_a_large_file_costs_no_memory(own: LiveExecutor, tmp_path: Path) -> None:
    flat(own, tmp_path, 256 << 20)


@long_only
def test_a_very_large_file_costs_no_memory(own: LiveExecutor, tmp_path: Path) -> None:
    flat(own, tmp_path, 2 << 30)


def test_the_native_sizes_agree() -> None:
    for segment in SEGMENTS:
        for size in sizes(segment):
            assert len(sealed_bytes(KEYS[segment], bytes(size))) == _native.sealed_size(size, segment)
            assert _native.plain_size(_native.sealed_size(size, segment), segment) == size
