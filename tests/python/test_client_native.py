# SPDX-License-Identifier: Apache-2.0
"""The extension module: known answers, errors from the one table, secrets that stay inside."""

from __future__ import annotations

import copy
import gc
import hashlib
import json
import pickle
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from conftest import REPOSITORY

from cella import _native
from cella._native import Secret

RFC8032_SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
RFC8032_PUBLIC = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
RFC8032_EMPTY = bytes.fromhex(
    "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
    "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
)


def test_sha256() -> None:
    for data in (b"", b"abc", bytes(100000)):
        assert _native.sha256(data) == hashlib.sha256(data).digest()


def test_ed25519_rfc8032() -> None:
    seed = Secret.from_bytes(RFC8032_SEED)
    assert _native.ed25519_public(seed) == RFC8032_PUBLIC
    assert _native.ed25519_sign(seed, b"") == RFC8032_EMPTY
    _native.ed25519_verify(RFC8032_PUBLIC, b"", RFC8032_EMPTY)
    with pytest.raises(_native.IntegrityError) as caught:
        _native.ed25519_verify(RFC8032_PUBLIC, b"x", RFC8032_EMPTY)
    assert (caught.value.code, caught.value.number, caught.value.category) == ("BAD_SIGNATURE", 302, "TRUST")


def test_jws_and_thumbprint(vectors: Path) -> None:
    known = json.loads((vectors / "jose" / "rfc8037.json").read_text())
    seed = Secret.from_bytes(RFC8032_SEED)
    assert _native.thumbprint(RFC8032_PUBLIC) == known["A.3_thumbprint"]["thumbprint"]
    signed = _native.jws_sign(seed, known["A.4_signing"]["payload"].encode(), "plain")
    assert signed.startswith("eyJhbGciOiJFZERTQSJ9." + known["A.4_signing"]["payloadB64"] + ".")
    assert signed in known["A.4_signing"].values()


def test_jws_headers_are_those_of_the_protocol() -> None:
    from cella.encoding import from_base64url, to_base64url

    seed = Secret.from_bytes(RFC8032_SEED)
    head, payload, signature = _native.jws_sign(seed, b"{}").split(".")
    assert from_base64url(head) == b'{"alg":"EdDSA","kid":"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"}'
    _native.ed25519_verify(RFC8032_PUBLIC, f"{head}.{payload}".encode(), from_base64url(signature))
    head = _native.jws_sign(seed, b"{}", form="jwk").split(".")[0]
    x = to_base64url(RFC8032_PUBLIC)
    assert from_base64url(head) == f'{{"alg":"EdDSA","jwk":{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}}}'.encode()
    with pytest.raises(_native.RequestError):
        _native.jws_sign(seed, b"{}", "none")


def test_hpke_known_answer(vectors: Path) -> None:
    vector = json.loads((vectors / "hpke" / "base-x25519-sha256-aes256gcm.json").read_text())["vector"]
    first = vector["encryptions"][0]
    key = Secret.from_bytes(bytes.fromhex(vector["skRm"]))
    sealed = bytes.fromhex(vector["enc"] + first["ct"])
    info = bytes.fromhex(vector["info"])
    opened = _native.hpke_open(key, info, sealed, bytes.fromhex(first["aad"]))
    assert opened.export() == bytes.fromhex(first["pt"])
    assert _native.x25519_public(key) == bytes.fromhex(vector["pkRm"])


def test_hpke_negative(vectors: Path) -> None:
    known = json.loads((vectors / "hpke" / "self-made-negative.json").read_text())
    assert known  # the full set is checked in C; here: what crosses the binding
    key = Secret.generate()
    sealed = _native.hpke_seal(_native.x25519_public(key), b"info", b"plain")
    assert _native.hpke_open(key, b"info", sealed).export() == b"plain"
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises(_native.IntegrityError):
            _native.hpke_open(key, b"info", changed)
    with pytest.raises(_native.IntegrityError):
        _native.hpke_open(key, b"other", sealed)
    with pytest.raises(_native.FormatError):
        _native.hpke_open(key, b"info", sealed[:47])
    with pytest.raises(_native.IntegrityError):
        _native.hpke_seal(bytes(32), b"", b"")


def test_hpke_takes_secrets_without_showing_them() -> None:
    key, data_key = Secret.generate(), Secret.generate()
    sealed = _native.hpke_seal(_native.x25519_public(key), b"", data_key)
    assert _native.hpke_open(key, b"", sealed).export() == data_key.export()


def test_part_of_a_secret() -> None:
    secret = Secret.from_bytes(bytes(range(40)))
    assert secret.part(0, 32).export() == bytes(range(32)) and secret.part(32, 8).export() == bytes(range(32, 40))
    for start, size in ((0, 41), (33, 8), (40, 1), (41, 1), (-1, 2), (0, 0), (0, -1), (1 << 62, 1 << 62)):
        with pytest.raises(_native.FormatError):
            secret.part(start, size)


def test_secret_shows_nothing() -> None:
    secret = Secret.from_bytes(b"k" * 32)
    assert repr(secret) == "<Secret of 32 bytes>" and len(secret) == 32
    assert not [
        name
        for name in dir(secret)
        if not name.startswith("_") and name not in ("export", "generate", "from_bytes", "part")
    ]
    for refuse in (pickle.dumps, copy.copy, copy.deepcopy, bytes, memoryview):
        with pytest.raises(TypeError):
            refuse(secret)  # type: ignore[operator]
    with pytest.raises(TypeError):
        Secret()
    with pytest.raises(TypeError):
        type("Sub", (Secret,), {})
    with pytest.raises(TypeError):
        Secret.export = None  # type: ignore[method-assign,assignment]
    with pytest.raises(TypeError):
        _native.ed25519_sign(b"k" * 32, b"")  # type: ignore[arg-type]
    assert Secret.generate().export() != Secret.generate().export()
    with pytest.raises(_native.FormatError):
        Secret.generate(0)


def test_wrong_key_sizes() -> None:
    with pytest.raises(_native.IntegrityError) as caught:
        _native.ed25519_public(Secret.from_bytes(b"short"))
    assert caught.value.code == "BAD_KEY"
    with pytest.raises(_native.FormatError) as wrong:
        _native.thumbprint(bytes(31))
    assert (wrong.value.code, wrong.value.field) == ("BAD_SIZE", "key")


BUILTIN_BASES = {
    "FormatError": ValueError,
    "RequestError": ValueError,
    "ArgumentError": ValueError,
    "PolicyError": ValueError,
    "PermissionDenied": PermissionError,
    "NotFound": LookupError,
    "StateError": RuntimeError,
    "TransportError": ConnectionError,
    "StorageError": OSError,
    "ScriptError": RuntimeError,
    "ResourceError": MemoryError,
}


def test_every_row_of_the_table_makes_its_exception() -> None:
    rows = re.findall(
        r"ROW\((\w+),\s*(\d+),\s*(\w+),\s*(\w+),", (REPOSITORY / "executor/base/status.h").read_text()
    )
    table = _native.status_table()
    assert [(name, int(number), category, exception) for name, number, category, exception in rows] == [
        row[:4] for row in table
    ]
    import cella

    for name, number, category, exception, sentence in table[1:]:
        for key in (name, number):
            error = _native.error(key)
            assert type(error).__name__ == exception and isinstance(error, cella.CellaError)
            assert (error.code, error.number, error.category, error.field) == (name, number, category, None)
            assert str(error) == f"{name}: {sentence}"
            assert isinstance(error, BUILTIN_BASES.get(exception, Exception))
        assert getattr(cella, exception) is type(error)


def test_error_details() -> None:
    error = _native.error("BAD_FIELD", "too small", "args.size")
    assert str(error) == "BAD_FIELD: too small (field args.size)" and error.field == "args.size"
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.code, again.field, str(again)) == (type(error), "BAD_FIELD", "args.size", str(error))
    for unknown in ("NO_SUCH_CODE", 99999, None, 0, "OK", -1, 10**30, "\ud800", b"x"):
        assert _native.error(unknown).code == "INTERNAL"  # type: ignore[arg-type]


def test_raising_does_not_leak() -> None:
    def blocks() -> int:
        for _ in range(2000):
            try:
                _native.thumbprint(b"")
            except _native.FormatError:
                pass
        gc.collect()
        return sys.getallocatedblocks()

    blocks()
    assert abs(blocks() - blocks()) < 100


def test_threads_share_nothing() -> None:
    """Many threads in C at once: the GIL is released, the state is per call."""
    problems: list[BaseException] = []

    def work() -> None:
        try:
            key = Secret.generate()
            for _ in range(200):
                sealed = _native.hpke_seal(_native.x25519_public(key), b"i", b"p" * 100)
                assert _native.hpke_open(key, b"i", sealed).export() == b"p" * 100
        except BaseException as problem:
            problems.append(problem)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems


def test_extension_exports_one_symbol_and_is_abi3() -> None:
    path = _native.__file__
    assert path.endswith(".abi3.so")
    symbols = subprocess.run(
        ["nm", "-D", "--defined-only", path], capture_output=True, text=True, check=True
    ).stdout
    assert [line.split()[-1] for line in symbols.splitlines()] == ["PyInit__native"]
    dynamic = subprocess.run(["readelf", "-dlW", path], capture_output=True, text=True, check=True).stdout
    needed = set(re.findall(r"Shared library: \[([^.\]]+)", dynamic))
    assert needed <= {"libssl", "libcrypto", "libjansson", "libc", "ld-linux-x86-64"}
    assert "BIND_NOW" in dynamic and "GNU_RELRO" in dynamic
    assert not re.search(r"GNU_STACK.*RWE", dynamic)


def test_stub_names_what_the_module_has() -> None:
    stub = (REPOSITORY / "python/cella/_native.pyi").read_text()
    named = set(re.findall(r"^(?:class|def) (\w+)", stub, re.M)) | set(re.findall(r"^(\w+): Final", stub, re.M))
    there = {name for name in dir(_native) if not name.startswith("_")}
    assert named == there


def test_policy_is_strict(tmp_path: Path) -> None:
    from cella import Trust

    good = {
        "version": 1,
        "min_level": 2,
        "accept": ["soft"],
        "measurement": [{"name": "one", "type": "soft", "value": "sha256:" + "ab" * 32}],
        "soft": {"roots": ["ed25519:" + "A" * 43]},
    }
    assert "charter" not in Trust(good).terms
    bad = [
        good | {"version": 2},
        good | {"accept": []},
        good | {"accept": ["snp"]},
        good | {"measurement": []},
        good | {"unknown": 1},
        good | {"min_level": 9},
        good | {"measurement": [{"name": "one", "type": "soft", "value": "ab"}]},
    ]
    for terms in bad:
        with pytest.raises(_native.PolicyError) as caught:
            Trust(terms)
        assert caught.value.code == "BAD_POLICY"
    path = tmp_path / "trust.toml"
    path.write_text("version = ")
    with pytest.raises(_native.PolicyError, match="not TOML"):
        Trust.load(path)
    with pytest.raises(_native.PolicyError, match="no trust file"):
        Trust.load(tmp_path / "absent.toml")
