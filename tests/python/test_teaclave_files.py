# SPDX-License-Identifier: Apache-2.0
"""Teaclave's file formats on the client's side and in the courier: what opens, and that nothing else does."""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path

import courier_driver as cd
import pytest
import teaclave_files
from courier_driver import FETCHED, MEMORY, STREAM, Courier, Object

from cella import DataKey, _native
from cella.sealing import unseal

FORMATS = sorted(teaclave_files.KEYS)
courier_test = pytest.mark.skipif(not cd.COURIER.exists(), reason="cella-courier is not built")
CHECK_VALUES = {
    0: "0013e47b9897078a19b1898291e65bed2417ae7de28641184d7ab9cfe2888904",
    13: "c249ade3cdf63b3fba26a66d4fc4140d6ee1a320a98e86a655213d8a2ce4e15e",
    3073: "78b1486b7d2724fc0eacc920b3cf8e836538c605a6d5683af68a78d6e970a283",
    396289: "7178f6754c96273ab9a9c227fcbb1a1d7b35d5739c69959db167b41551c9faaf",
}


def key_of(format: str) -> bytes:
    """Key, then iv."""
    return bytes(range(sum(teaclave_files.KEYS[format])))


def data_key(format: str, raw: bytes | None = None) -> DataKey:
    raw = key_of(format) if raw is None else raw
    size = teaclave_files.KEYS[format][0]
    return DataKey.teaclave(format, raw[:size], raw[size:])


def opened(path: Path, key: DataKey) -> bytes:
    with open(path, "rb") as source, open(path.with_suffix(".plain"), "w+b") as target:
        facts = unseal(key, source, target)
    assert facts.sha256 == hashlib.sha256(path.read_bytes()).digest() and facts.sealed_size == path.stat().st_size
    return path.with_suffix(".plain").read_bytes()


@pytest.mark.parametrize("size", sorted(CHECK_VALUES))
def test_the_maker_of_these_tests_makes_the_known_files(size: int) -> None:
    made = teaclave_files.protected(bytes(range(16)), bytes((31 * i + 7) % 256 for i in range(size)))
    assert hashlib.sha256(made).hexdigest() == CHECK_VALUES[size]


@pytest.mark.parametrize("size", [1, 16, 3072, 3073, 100_000, 2_000_000])
@pytest.mark.parametrize("format", FORMATS)
def test_files_open(tmp_path: Path, format: str, size: int) -> None:
    plain = os.urandom(size)
    (tmp_path / "file").write_bytes(teaclave_files.file_of(format, key_of(format), plain))
    assert opened(tmp_path / "file", data_key(format)) == plain
    with open(tmp_path / "file", "rb") as source:  # neither side with a size or offsets
        target = io.BytesIO()
        assert unseal(data_key(format), io.BytesIO(source.read()), target).plain_size == size
    assert target.getvalue() == plain


@pytest.mark.parametrize("format", FORMATS)
def test_nothing_comes_out_of_a_changed_file(tmp_path: Path, format: str) -> None:
    content = bytearray(teaclave_files.file_of(format, key_of(format), b"x" * 100))
    for place in (0, 50, 99, len(content) - 1):
        content[place] ^= 1
        target = io.BytesIO()
        with pytest.raises((_native.IntegrityError, _native.FormatError)):
            unseal(data_key(format), io.BytesIO(bytes(content)), target)
        assert target.getvalue() == b""
        content[place] ^= 1


@pytest.mark.parametrize("format", FORMATS)
def test_wrong_keys(tmp_path: Path, format: str) -> None:
    (tmp_path / "file").write_bytes(teaclave_files.file_of(format, key_of(format), b"x" * 100))
    for place in range(len(key_of(format))):
        raw = bytearray(key_of(format))
        raw[place] ^= 1
        with pytest.raises(_native.IntegrityError) as caught:
            opened(tmp_path / "file", data_key(format, bytes(raw)))
        assert caught.value.code == "BAD_TAG"


@pytest.mark.parametrize(
    ("format", "key", "iv", "field"),
    [
        ("aes-gcm-128", 32, 12, "key"), ("aes-gcm-128", 16, 16, "iv"), ("aes-gcm-128", 16, 0, "iv"),
        ("aes-gcm-256", 16, 12, "key"), ("teaclave-file-128", 32, 0, "key"), ("teaclave-file-128", 16, 12, "iv"),
        ("raw", 16, 12, "format"), ("sealed-file", 32, 0, "format"),
    ],
)  # fmt: skip
def test_sizes_of_keys(format: str, key: int, iv: int, field: str) -> None:
    with pytest.raises(_native.RequestError) as caught:
        DataKey.teaclave(format, bytes(key), bytes(iv))
    assert (caught.value.code, caught.value.field) == ("BAD_FIELD", field)


@pytest.mark.parametrize("format", FORMATS)
def test_key_files(tmp_path: Path, format: str) -> None:
    key = data_key(format)
    key.save(tmp_path / "json")
    raw = key.key.export().hex()
    (tmp_path / "hex").write_text(raw + "\n")
    (tmp_path / "hex").chmod(0o600)
    for again in (DataKey.load(tmp_path / "json"), DataKey.load_hex(tmp_path / "hex", format, key.iv)):
        assert again.secret.export() == key_of(format) and again.format == format
    (tmp_path / "hex").chmod(0o644)
    with pytest.raises(_native.PermissionDenied):
        DataKey.load_hex(tmp_path / "hex", format, key.iv)
    (tmp_path / "hex").chmod(0o600)
    (tmp_path / "hex").write_text("not hex")
    with pytest.raises(_native.FormatError):
        DataKey.load_hex(tmp_path / "hex", format, key.iv)


# ---- the courier ----


def content_of(file: int) -> bytes:
    return os.pread(file, os.fstat(file).st_size + 1, 0)


@courier_test
def test_the_courier_opens_all_formats_at_once() -> None:
    with Courier() as courier:
        objects = [Object(os.urandom(size), MEMORY, key=key_of(format), format=format)
                   for format in FORMATS for size in (1, 65536, 1_000_000)] + [Object(b"sealed"), Object(b"stream", STREAM)]
        courier.fetch(*objects)
        status, _, _, descriptors = courier.wait(FETCHED)
        assert status == 0
        for one, descriptor in zip(objects, descriptors):
            found = content_of(descriptor) if one.form == MEMORY else courier.read(descriptor)
            assert found == one.plain, (one.format, len(one.plain))


@courier_test
@pytest.mark.parametrize("format", FORMATS)
def test_the_courier_gives_nothing_of_what_does_not_verify(format: str) -> None:
    right = Object(b"first", MEMORY)
    for what in ("object", "key"):
        one = Object(os.urandom(100_000), MEMORY, key=key_of(format), format=format)
        if what == "object":  # the host's doing
            one.there = one.registered[:-1] + bytes([one.registered[-1] ^ 1])
        else:  # the owner's
            one.key = bytes([one.key[0] ^ 1]) + one.key[1:]
        with Courier() as courier:
            courier.fetch(right, one)
            status, index, _, descriptors = courier.wait(FETCHED)
            assert (status, index, descriptors) == (303 if what == "object" else 301, 1, [])


@courier_test
@pytest.mark.parametrize("format", FORMATS)
def test_the_courier_streams_sealed_files_only(format: str) -> None:
    with Courier() as courier:
        courier.fetch(Object(b"x" * 100, STREAM, key=key_of(format), format=format))
        assert courier.wait(FETCHED)[:2] == (201, 0)
