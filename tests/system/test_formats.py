# SPDX-License-Identifier: Apache-2.0
"""Data in Teaclave's formats as inputs of tasks, and what deleting data does to the host's store."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cella
import pytest
from cella.sealing import Sealed
from live import LiveExecutor, files, package_of, refused

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))

import teaclave_files

Start = Callable[..., LiveExecutor]
FORMATS = sorted(teaclave_files.KEYS)
DIGEST = "import hashlib\ndef main(a):\n    return [len(a.read()), a.seek(0), hashlib.sha256(a.read()).hexdigest()]\n"


def key_of(format: str) -> cella.DataKey:
    key, iv = teaclave_files.KEYS[format]
    return cella.DataKey.teaclave(format, os.urandom(key), os.urandom(iv))


def written(path: Path, key: cella.DataKey, plain: bytes) -> Path:
    path.write_bytes(teaclave_files.file_of(key.format, key.secret.export(), plain))
    return path


def digest(me: cella.Executor, data: cella.Data) -> Any:
    function = me.functions.register(package_of(DIGEST, inputs=files("a")))
    return me.tasks.create(function, inputs={"a": data}, invoke=True).wait().result()


@pytest.mark.parametrize("size", [1, 3073, 1_500_000])
@pytest.mark.parametrize("format", FORMATS)
def test_a_task_over_each_format(me: cella.Executor, tmp_path: Path, format: str, size: int) -> None:
    plain = os.urandom(size)
    key = key_of(format)
    path = written(tmp_path / "visits", key, plain)
    data = me.data.add(path, key=key, format=format)
    assert me.data.get(data.id).format == format == data.format
    assert data.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert digest(me, data) == [size, 0, hashlib.sha256(plain).hexdigest()]


def test_the_contract_names_the_format(me: cella.Executor, tmp_path: Path) -> None:
    key = key_of("aes-gcm-256")
    data = me.data.add(written(tmp_path / "x", key, b"abc"), key=key, format="aes-gcm-256")
    function = me.functions.register(package_of("def main(a, b):\n    return 1\n", inputs=files("a", "b")))
    task = me.tasks.create(function, inputs={"a": data, "b": me.data.add(b"sealed")})
    contract = task.contract()
    assert contract.terms["inputs"]["a"]["format"] == "aes-gcm-256" and "format" not in contract.terms["inputs"]["b"]
    assert contract.explain().count("not a sealed file but aes-gcm-256") == 1


@pytest.mark.parametrize("format", FORMATS)
def test_a_wrong_key_is_noticed_before_anything_is_sent(me: cella.Executor, tmp_path: Path, format: str) -> None:
    path = written(tmp_path / "x", key_of(format), b"abc" * 100)
    before = len(me.data.list())
    with refused("BAD_TAG"):
        me.data.add(path, key=key_of(format), format=format)
    assert len(me.data.list()) == before


@pytest.mark.parametrize("format", FORMATS)
def test_a_wrong_key_that_was_registered_all_the_same(me: cella.Executor, tmp_path: Path, format: str) -> None:
    content = written(tmp_path / "x", key_of(format), b"abc" * 100).read_bytes()
    facts = Sealed(300, len(content), hashlib.sha256(content).digest())
    data = me.data.register("x", facts, key_of(format))
    with open(tmp_path / "x", "rb") as file:
        me.upload(data.id, file, len(content))
    with refused("BAD_TAG", text=f"input a ({data.id})"):
        digest(me, data)


@pytest.mark.parametrize("format", FORMATS)
def test_a_host_that_changes_the_object(own: LiveExecutor, tmp_path: Path, format: str) -> None:
    me = own.client()
    key = key_of(format)
    known = own.objects()
    data = me.data.add(written(tmp_path / "x", key, os.urandom(5000)), key=key, format=format)
    stored = own.stored(data.size, known)
    content = bytearray(stored.read_bytes())
    for place in (0, 2000, len(content) - 1):
        stored.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with refused("BAD_DIGEST", text=f"input a ({data.id})"):
            digest(me, data)


@pytest.mark.parametrize("format", FORMATS)
def test_it_can_not_be_a_stream(me: cella.Executor, tmp_path: Path, format: str) -> None:
    key = key_of(format)
    data = me.data.add(written(tmp_path / "x", key, b"abc"), key=key, format=format)
    inputs = [{**one, "stream": True} for one in files("a")]
    function = me.functions.register(package_of("def main(a):\n    return len(a.read())\n", inputs=inputs))
    with refused("NOT_STREAMABLE", text=f"{data.id} is {format}") as caught:
        me.tasks.create(function, inputs={"a": data}, invoke=True)
    assert caught.value.field == "args.inputs.a"


def test_what_data_register_refuses(me: cella.Executor) -> None:
    sha256 = os.urandom(32)

    def args(key_size: int, **members: Any) -> dict[str, Any]:
        sealed = me.seal("data key", me.party.encode() + sha256, cella._native.Secret.generate(key_size))
        return {"name": "x", "sha256": sha256.hex(), "size": 4096, "sealed_key": sealed, **members}

    for format, size in {"aes-gcm-128": 28, "aes-gcm-256": 44, "teaclave-file-128": 16}.items():
        for wrong in {16, 28, 32, 44} - {size}:
            with refused("BAD_KEY"):
                me.request("data.register", args(wrong, format=format))
        for extra in ({"segment": "1MB"}, {"associated_data": ""}):
            with refused("UNKNOWN_FIELD"):
                me.request("data.register", args(size, format=format, **extra))
    for size in (28, 44, 16):
        with refused("BAD_KEY"):
            me.request("data.register", args(size, format="sealed-file", segment="1MB"))
    for format in ("raw", "", "AES-GCM-128", "teaclave-file-1280", 1, None):
        with refused("BAD_FIELD", "TOO_LARGE"):
            me.request("data.register", args(32, format=format, segment="1MB"))
    for format, size, key in (("aes-gcm-128", 16, 28), ("teaclave-file-128", 4095, 16), ("teaclave-file-128", 8192, 16)):
        with refused("BAD_FIELD") as caught:
            me.request("data.register", args(key, format=format) | {"size": size})
        assert caught.value.field == "args.size"


def test_the_format_survives_a_restart(start: Start, tmp_path: Path) -> None:
    identity = cella.Identity.generate()
    key = key_of("teaclave-file-128")
    first = start()
    data = first.client(identity).data.add(written(tmp_path / "x", key, b"abc" * 2000), key=key, format=key.format)
    assert first.close() == 0
    me = start().client(identity, enrol=False)
    assert me.data.get(data.id).format == "teaclave-file-128"
    assert digest(me, data)[0] == 6000


def test_rotation_makes_a_sealed_file(me: cella.Executor, tmp_path: Path) -> None:
    key = key_of("aes-gcm-128")
    data = me.data.add(written(tmp_path / "x", key, b"abc" * 700_000), key=key, format=key.format)
    with refused("BAD_TAG"):
        me.data.rotate(data, key_of("aes-gcm-128"), cella.DataKey.generate())
    again = me.data.rotate(data, key, cella.DataKey.generate())
    assert again.format == "sealed-file" and again.name == "x" and me.data.get(data.id).deleted
    assert digest(me, again)[0] == 2_100_000
