# SPDX-License-Identifier: Apache-2.0
"""Sealed files through the client: vectors, round trips, tampering, files by several threads, key files."""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cella import DataKey, _native, atomic
from cella._native import Opener, Sealer, Secret
from cella.sealing import seal, sealed_copy, unseal

KEY = Secret.from_bytes(bytes(range(32)))
BORDERS = {"4KB": (4040, 4080), "1MB": (1048520, 1048560)}


def seal_bytes(plain: bytes, segment: str = "4KB", label: bytes = b"", key: Secret = KEY) -> bytes:
    sealer = Sealer(key, label, segment)
    return sealer.update(plain) + sealer.finish()


def open_bytes(sealed: bytes, segment: str = "4KB", label: bytes = b"", key: Secret = KEY) -> bytes:
    opener = Opener(key, label, segment)
    return opener.update(sealed) + opener.finish()


def refuse(sealed: bytes, **arguments: object) -> None:
    with pytest.raises((_native.IntegrityError, _native.FormatError)):
        open_bytes(sealed, **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["self-made-4kb.json", "self-made-1mb.json"])
def test_known_answers(vectors: Path, tmp_path: Path, name: str) -> None:
    known = json.loads((vectors / "tink-streaming" / name).read_text())
    key = Secret.from_bytes(bytes.fromhex(known["keyValue"]))
    segment = "4KB" if "4kb" in name else "1MB"
    checked = 0
    for case in known["tests"]:
        if "ciphertext" not in case:
            continue
        sealed = bytes.fromhex(case["ciphertext"])
        label = bytes.fromhex(case["associatedData"])
        plain = open_bytes(sealed, segment, label, key)
        assert hashlib.sha256(plain).hexdigest() == case["plaintextSha256"]
        assert plain == bytes((31 * i + 7) % 256 for i in range(case["plaintextSize"]))
        (tmp_path / "sealed").write_bytes(sealed)
        with open(tmp_path / "sealed", "rb") as source, open(tmp_path / "plain", "w+b") as target:
            facts = unseal(DataKey(key, segment, label), source, target)
        assert (tmp_path / "plain").read_bytes() == plain
        assert facts.sha256.hex() == case["ciphertextSha256"]
        checked += 1
    assert checked


def test_sizes_are_those_of_the_format() -> None:
    for segment, (first, rest) in BORDERS.items():
        for size in (0, 1, first - 1, first, first + 1, first + rest, first + rest + 1, 3_000_000):
            segments = 1 if size <= first else 1 + -(-(size - first) // rest)
            assert _native.sealed_size(size, segment) == 40 + size + 16 * segments
            assert _native.plain_size(_native.sealed_size(size, segment), segment) == size
    with pytest.raises(_native.IntegrityError):
        _native.plain_size(55)
    with pytest.raises(_native.RequestError):
        _native.plain_size(56, "2MB")


@given(
    plain=st.binary(max_size=13000), cuts=st.lists(st.integers(1, 5000), max_size=6), label=st.binary(max_size=40)
)
@settings(deadline=None)
def test_round_trip_in_any_pieces(plain: bytes, cuts: list[int], label: bytes) -> None:
    sealer, opener = Sealer(KEY, label, "4KB"), Opener(KEY, label, "4KB")
    sealed = b""
    rest = plain
    for cut in cuts:
        sealed += sealer.update(rest[:cut])
        rest = rest[cut:]
    sealed += sealer.update(rest) + sealer.finish()
    assert len(sealed) == _native.sealed_size(len(plain), "4KB")
    opened = b""
    for cut in cuts:
        opened += opener.update(sealed[:cut])
        sealed = sealed[cut:]
    assert opened + opener.update(sealed) + opener.finish() == plain


@given(plain=st.binary(max_size=9000), place=st.integers(0), bit=st.integers(0, 7))
@settings(deadline=None)
def test_any_changed_bit_is_refused(plain: bytes, place: int, bit: int) -> None:
    sealed = bytearray(seal_bytes(plain))
    sealed[place % len(sealed)] ^= 1 << bit
    refuse(bytes(sealed))


@given(plain=st.binary(max_size=9000), size=st.integers(0))
@settings(deadline=None)
def test_any_cut_is_refused(plain: bytes, size: int) -> None:
    sealed = seal_bytes(plain)
    refuse(sealed[: size % len(sealed)])
    refuse(sealed + b"\0" * (1 + size % 5000))


def test_segments_can_not_move() -> None:
    sealed = seal_bytes(bytes(20000))
    parts = [sealed[i : i + 4096] for i in range(0, len(sealed), 4096)]
    refuse(b"".join([parts[0], parts[2], parts[1], *parts[3:]]))
    refuse(b"".join([parts[0], parts[1], parts[1], *parts[2:]]))
    refuse(b"".join([parts[0], *parts[2:]]))
    other = seal_bytes(bytes(20000))
    refuse(sealed[:4096] + other[4096:])
    for arguments in ({"label": b"x"}, {"segment": "1MB"}, {"key": Secret.generate()}):
        refuse(sealed, **arguments)


def test_streams_end_once() -> None:
    sealer = Sealer(KEY, b"", "4KB")
    sealer.finish()
    for step in (lambda: sealer.update(b"x"), sealer.finish):
        with pytest.raises(_native.StateError):
            step()
    opener = Opener(KEY, b"", "4KB")
    with pytest.raises((_native.IntegrityError, _native.FormatError)):
        opener.update(bytes(5000))
    with pytest.raises(_native.StateError):
        opener.finish()
    with pytest.raises(_native.RequestError):
        Sealer(KEY, b"", "64KB")
    with pytest.raises(_native.CellaError):
        Sealer(KEY, bytes(2000), "4KB")


@pytest.mark.parametrize("segment", ["4KB", "1MB"])
@pytest.mark.parametrize("threads", [1, 2, 7])
def test_files_by_threads(tmp_path: Path, segment: str, threads: int) -> None:
    first, rest = BORDERS[segment]
    for size in (0, 1, first, first + 1, first + 3 * rest, first + 3 * rest + 1):
        plain = os.urandom(size)
        (tmp_path / "plain").write_bytes(plain)
        key = DataKey.generate(segment)
        steps: list[tuple[int, int]] = []
        with open(tmp_path / "plain", "rb") as source, open(tmp_path / "sealed", "w+b") as target:
            facts = seal(key, source, target, threads=threads, progress=lambda *step: steps.append(step))
        sealed = (tmp_path / "sealed").read_bytes()
        assert (facts.plain_size, facts.sealed_size) == (size, len(sealed))
        assert facts.sha256 == hashlib.sha256(sealed).digest()
        assert steps[-1] == (size, size)
        assert open_bytes(sealed, segment, key.associated_data, key.key) == plain
        with open(tmp_path / "sealed", "rb") as source, open(tmp_path / "again", "w+b") as target:
            assert unseal(key, source, target, threads=threads).sha256 == facts.sha256
        assert (tmp_path / "again").read_bytes() == plain


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(place=st.integers(0), cut=st.booleans())
def test_changed_files_leave_nothing(tmp_path: Path, place: int, cut: bool) -> None:
    sealed = bytearray(seal_bytes(bytes(30000), label=b"cella input v1"))
    if cut:
        del sealed[place % len(sealed) :]
    else:
        sealed[place % len(sealed)] ^= 1
    (tmp_path / "sealed").write_bytes(sealed)
    with pytest.raises((_native.IntegrityError, _native.FormatError)):
        with open(tmp_path / "sealed", "rb") as source, atomic.replace(tmp_path / "plain") as target:
            unseal(DataKey(KEY, "4KB"), source, target, threads=3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sealed"]


def test_pipes_are_streams(tmp_path: Path) -> None:
    plain = os.urandom(300_000)
    reader, writer = os.pipe()
    child = subprocess.Popen(["head", "-c", "300000", "/dev/zero"], stdout=writer)
    os.close(writer)
    key = DataKey.generate("4KB")
    with open(reader, "rb") as source, open(tmp_path / "sealed", "w+b") as target:
        facts = seal(key, source, target)
    child.wait()
    sealed = (tmp_path / "sealed").read_bytes()
    assert facts.sha256 == hashlib.sha256(sealed).digest() and facts.plain_size == 300_000
    assert open_bytes(sealed, "4KB", key.associated_data, key.key) == bytes(300_000)
    assert plain


def test_errors_of_the_system_are_their_own(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(bytes(5000))
    with open(tmp_path / "plain", "rb") as source:
        with open(tmp_path / "target", "wb") as target:
            os.close(os.dup(target.fileno()))
            with pytest.raises(OSError) as caught:
                _native.seal_file(KEY, b"", source.fileno(), os.open(tmp_path / "plain", os.O_RDONLY), "4KB")
            assert caught.value.errno == 9
        with pytest.raises(OSError):
            _native.seal_file(KEY, b"", -1, source.fileno())
        read, write = os.pipe()
        with pytest.raises(OSError):
            _native.seal_file(KEY, b"", read, write)


def test_progress_may_stop_the_work(tmp_path: Path) -> None:
    with open(tmp_path / "plain", "w+b") as source, open(tmp_path / "sealed", "w+b") as target:
        source.truncate(64 << 20)

        def stop(done: int, total: int) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            _native.seal_file(KEY, b"", source.fileno(), target.fileno(), "4KB", 2, stop)


def test_memory_stays_flat(tmp_path: Path) -> None:
    """Sealing and opening 512 MiB needs no more memory than a few segments."""
    program = (
        "import sys, resource; sys.path.insert(0, sys.argv[1])\n"
        "from cella import DataKey; from cella.sealing import seal, unseal\n"
        "key = DataKey.generate()\n"
        "def both(size):\n"
        "    with open('plain', 'w+b') as a, open('sealed', 'w+b') as b, open('again', 'w+b') as c:\n"
        "        a.truncate(size); seal(key, a, b, threads=2); unseal(key, b, c, threads=2)\n"
        "    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "small = both(8 << 20); large = both(512 << 20); print(large - small)\n"
    )
    import cella

    package = str(Path(cella.__file__).resolve().parents[1])
    out = subprocess.run(
        [sys.executable, "-c", program, package], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert int(out.stdout) < 4096  # KiB


def test_key_files(tmp_path: Path) -> None:
    path = tmp_path / "a.key"
    key = DataKey.generate("4KB", b"label")
    key.save(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again = DataKey.load(path)
    assert (again.key.export(), again.segment, again.associated_data) == (key.key.export(), "4KB", b"label")
    with pytest.raises(_native.StateError):
        key.save(path)
    path.chmod(0o644)
    with pytest.raises(_native.PermissionDenied, match="chmod 600"):
        DataKey.load(path)
    path.chmod(0o600)
    for content in (b"", b"[]", b"{}", path.read_bytes().replace(b"data key", b"identity"), b"\xff"):
        path.write_bytes(content)
        with pytest.raises(_native.FormatError):
            DataKey.load(path)
    with pytest.raises(FileNotFoundError):
        DataKey.load(tmp_path / "absent")


def test_sealed_copy_has_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    import tempfile

    tempfile.tempdir = None
    (tmp_path / "plain").write_bytes(b"secret" * 1000)
    try:
        with open(tmp_path / "plain", "rb") as plain, sealed_copy(DataKey.generate(), plain) as (file, facts):
            assert [path.name for path in tmp_path.iterdir()] == ["plain"]
            assert hashlib.sha256(file.read()).digest() == facts.sha256
    finally:
        tempfile.tempdir = None


def test_atomic_files(tmp_path: Path) -> None:
    target = tmp_path / "a"
    with pytest.raises(RuntimeError):
        with atomic.replace(target) as file:
            file.write(b"half")
            raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    target.write_bytes(b"old")
    with atomic.replace(target, 0o600) as file:
        file.write(b"new")
        assert target.read_bytes() == b"old"
    assert target.read_bytes() == b"new" and stat.S_IMODE(target.stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        atomic.create(target, b"other")
    assert target.read_bytes() == b"new" and len(list(tmp_path.iterdir())) == 1
    assert io.BytesIO(b"").read() == b""
