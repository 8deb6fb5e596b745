# SPDX-License-Identifier: Apache-2.0
"""Identity files: who may read them, what is in them, what is refused."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

import cella
from cella import _native
from cella.encoding import secret_info
from cella.identity import default_path


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "identity.json"
    identity = cella.Identity.generate()
    assert identity.save(path) == path
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    again = cella.Identity.load(path)
    assert (again.party, again.sign_public, again.seal_public) == (
        identity.party,
        identity.sign_public,
        identity.seal_public,
    )
    assert set(json.loads(path.read_text())) == {"version", "kind", "party", "sign", "seal"}
    assert len(identity.party) == 43 and repr(identity) == f"<Identity {identity.party}>"


def test_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "identity.json"
    cella.Identity.generate().save(path)
    before = path.read_bytes()
    with pytest.raises(cella.StateError) as caught:
        cella.Identity.generate().save(path)
    assert caught.value.code == "EXISTS" and path.read_bytes() == before
    assert [item.name for item in tmp_path.iterdir()] == ["identity.json"]


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o644, 0o660, 0o666, 0o601])
def test_open_files_are_refused(tmp_path: Path, mode: int) -> None:
    path = cella.Identity.generate().save(tmp_path / "identity.json")
    path.chmod(mode)
    with pytest.raises(cella.PermissionDenied, match="chmod 600"):
        cella.Identity.load(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="NOT ROOT: a file of another user can not be made")
def test_other_users_files_are_accepted_only_for_root_and_self(tmp_path: Path) -> None:
    path = cella.Identity.generate().save(tmp_path / "identity.json")
    os.chown(path, 12345, 12345)
    with pytest.raises(cella.PermissionDenied):
        cella.Identity.load(path)


def test_damaged_files(tmp_path: Path) -> None:
    path = cella.Identity.generate().save(tmp_path / "identity.json")
    good = json.loads(path.read_text())
    other = json.loads(cella.Identity.generate().save(tmp_path / "other.json").read_text())
    bad: list[bytes] = [b"", b"{", b"[]", b"null", b'{"kind":"cella identity","kind":"cella identity"}']
    bad += [
        json.dumps(good | change).encode()
        for change in (
            {"kind": "cella data key"},
            {"version": 2},
            {"sign": other["sign"]},
            {"party": other["party"]},
            {"sign": "AAAA"},
            {"sign": good["sign"] + "="},
            {"seal": 5},
        )
    ]
    for content in bad:
        path.write_bytes(content)
        with pytest.raises(cella.FormatError):
            cella.Identity.load(path)
    with pytest.raises(cella.NotFound, match="cella keygen"):
        cella.Identity.load(tmp_path / "absent")
    with pytest.raises((cella.FormatError, OSError)):
        cella.Identity.load(tmp_path)


def test_default_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert default_path() == Path(os.environ["HOME"]) / ".config/cella/identity.json"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert default_path() == tmp_path / "cella/identity.json"
    monkeypatch.setenv("CELLA_IDENTITY", str(tmp_path / "mine"))
    assert default_path() == tmp_path / "mine"
    first, created = cella.Identity.load_or_create()
    assert created and (tmp_path / "mine").exists()
    second, created = cella.Identity.load_or_create()
    assert not created and first.party == second.party


def test_opens_only_what_was_meant() -> None:
    identity = cella.Identity.generate()
    sealed = _native.hpke_seal(identity.seal_public, secret_info("result", b"task-1"), b"{}")
    assert identity.open("result", b"task-1", sealed).export() == b"{}"
    for purpose, context in (("messages", b"task-1"), ("result", b"task-2"), ("resul", b"ttask-1")):
        with pytest.raises(cella.IntegrityError):
            identity.open(purpose, context, sealed)
    with pytest.raises(cella.IntegrityError):
        cella.Identity.generate().open("result", b"task-1", sealed)


def test_no_party_looks_like_an_option() -> None:
    """Of base64url's characters one in 64 is a dash."""
    assert not any(cella.Identity.generate().party.startswith("-") for _ in range(1000))
