# SPDX-License-Identifier: Apache-2.0
"""Who a party is: one key to sign with, one to receive secrets, kept in one file that only its owner reads."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import _native, atomic
from .encoding import from_base64url, parse_object, secret_info, to_base64url, write_json

KIND = "cella identity"
FILE_MAX = 65536
"""Bytes of an identity or key file; more is refused before it is read."""


def default_path() -> Path:
    """Where the identity is without being told: $CELLA_IDENTITY, else ~/.config/cella/identity.json."""
    chosen = os.environ.get("CELLA_IDENTITY")
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_CONFIG_HOME") or os.path.join(os.path.expanduser("~"), ".config")
    return Path(base) / "cella" / "identity.json"


def read_private_bytes(path: str | os.PathLike[str]) -> bytes:
    """Read a file that holds a secret.

    Args:
        path: the file; it must belong to the caller (or root) and be closed to group and others.

    Raises:
        PermissionDenied: DENIED, others may read the file.
        FormatError: it is not a regular file.
        OSError: it can not be read.
    """
    with open(path, "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise _native.error("BAD_FORMAT", f"{path} is not a regular file")
        if status.st_mode & 0o077:
            raise _native.error(
                "DENIED", f"{path} holds a private key but others may read it; run: chmod 600 {path}"
            )
        if status.st_uid not in (os.geteuid(), 0):
            raise _native.error("DENIED", f"{path} holds a private key but belongs to another user")
        return file.read(FILE_MAX)


def read_private_file(path: str | os.PathLike[str], kind: str) -> dict[str, Any]:
    """Read a JSON file that holds a secret.

    Args:
        path: as read_private_bytes.
        kind: its member "kind" must say so.

    Raises:
        PermissionDenied: DENIED, others may read the file.
        FormatError: it is not such a file.
        OSError: it can not be read.
    """
    content = parse_object(read_private_bytes(path), str(path))
    if content.get("kind") != kind:
        raise _native.error("BAD_FORMAT", f"{path} is not a {kind} file")
    if content.get("version") != 1:
        raise _native.error("BAD_VERSION", f"{path} was written by a newer version; update cella")
    return content


def _secret(content: dict[str, Any], name: str) -> _native.Secret:
    key = from_base64url(content.get(name), name)
    if len(key) != 32:
        raise _native.error("BAD_SIZE", "a private key has 32 bytes", name)
    return _native.Secret.from_bytes(key)


class Identity:
    """A party's private keys, and what is done with them. The keys themselves never come out.

    Attributes:
        party: the party's id, 43 characters: what others put into owners and receivers. It is the thumbprint of the
            first key and stays when the keys are replaced.
        sign_public: Ed25519 public key, 32 bytes.
        seal_public: X25519 public key, 32 bytes.

    >>> identity = Identity.generate()
    >>> len(identity.party)
    43
    """

    def __init__(
        self,
        sign: _native.Secret,
        seal: _native.Secret,
        party: str | None = None,
        former_seals: Sequence[_native.Secret] = (),
    ) -> None:
        self._sign = sign
        self._seal = seal
        self._former_seals = tuple(former_seals)
        self.sign_public = _native.ed25519_public(sign)
        self.seal_public = _native.x25519_public(seal)
        self.party = party or _native.thumbprint(self.sign_public)

    def __repr__(self) -> str:
        return f"<Identity {self.party}>"

    @classmethod
    def generate(cls) -> Identity:
        """Make new keys. They exist in memory only until they are saved."""
        while True:
            identity = cls(_native.Secret.generate(), _native.Secret.generate())
            if not identity.party.startswith("-"):  # on a command line it would be taken for an option
                return identity

    @classmethod
    def load(cls, path: str | os.PathLike[str] | None = None) -> Identity:
        """Read an identity file.

        Args:
            path: the file; None for the default path.

        Raises:
            PermissionDenied: the file may be read by others.
            FormatError: it is not an identity file, or its keys do not belong to its party.
            NotFound: there is no such file.
        """
        path = default_path() if path is None else Path(path)
        try:
            content = read_private_file(path, KIND)
        except FileNotFoundError:
            raise _native.error("NOT_FOUND", f"there is no identity at {path}; make one: cella keygen") from None
        former = content.get("former_seals", [])
        if not isinstance(former, list):
            raise _native.error("BAD_FORMAT", f"{path}: former_seals is not a list", "former_seals")
        seals = [_secret({"former_seals": item}, "former_seals") for item in former]
        identity = cls(_secret(content, "sign"), _secret(content, "seal"), None, seals)
        party = content.get("party")
        if not isinstance(party, str) or (party != identity.party and not seals):
            raise _native.error("BAD_FORMAT", f"{path}: its keys do not belong to its party", "party")
        identity.party = party
        return identity

    def save(self, path: str | os.PathLike[str] | None = None) -> Path:
        """Write the identity to a new file with permissions 0600.

        Args:
            path: the file; None for the default path. Its folder is made where it is missing (0700).

        Returns:
            The path.

        Raises:
            StateError: EXISTS; an existing file is never overwritten.
        """
        path = default_path() if path is None else Path(path)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            atomic.create(path, self._text())
        except FileExistsError:
            raise _native.error("EXISTS", f"{path} exists already and is never overwritten") from None
        return path

    def _text(self) -> bytes:
        content: dict[str, Any] = {
            "version": 1,
            "kind": KIND,
            "party": self.party,
            "sign": to_base64url(self._sign.export()),
            "seal": to_base64url(self._seal.export()),
        }
        if self._former_seals:
            content["former_seals"] = [to_base64url(secret.export()) for secret in self._former_seals]
        return write_json(content) + b"\n"

    def replace(self, path: str | os.PathLike[str] | None = None) -> Path:
        """Write the identity over the file of the same party, complete or not at all (0600).

        Raises:
            StateError: EXISTS; the file belongs to another party.
        """
        path = default_path() if path is None else Path(path)
        if Identity.load(path).party != self.party:
            raise _native.error("EXISTS", f"{path} belongs to another party and is not overwritten")
        with atomic.replace(path, 0o600) as file:
            file.write(self._text())
        return path

    def successor(self) -> Identity:
        """The same party with new keys. What was sealed to the former ones can still be opened."""
        return Identity(
            _native.Secret.generate(), _native.Secret.generate(), self.party, (*self._former_seals, self._seal)
        )

    @classmethod
    def load_or_create(cls, path: str | os.PathLike[str] | None = None) -> tuple[Identity, bool]:
        """Load the identity, or make and save one. The second value says whether it is new."""
        try:
            return cls.load(path), False
        except _native.NotFound:
            identity = cls.generate()
            try:
                identity.save(path)
            except _native.StateError:  # another process was faster
                return cls.load(path), False
            return identity, True

    def sign_request(self, payload: bytes, *, enrol: bool = False) -> str:
        """Compact JWS over payload; with enrol the header carries the public key itself."""
        if enrol:
            return _native.jws_sign(self._sign, payload, "jwk")
        header = b'{"alg":"EdDSA","kid":"%s"}' % self.party.encode("ascii")
        text = f"{to_base64url(header)}.{to_base64url(payload)}"
        return f"{text}.{to_base64url(_native.ed25519_sign(self._sign, text.encode('ascii')))}"

    def sign_statement(self, payload: bytes) -> str:
        """Compact JWS over a statement. It names no key: readers try those that they believe."""
        return _native.jws_sign(self._sign, payload, "plain")

    def sign_invitation(self, payload: bytes) -> str:
        """Compact JWS over an invitation; its header carries the public key, so that anybody can verify it."""
        return _native.jws_sign(self._sign, payload, "jwk")

    def open(self, purpose: str, context: bytes, sealed: bytes) -> _native.Secret:
        """Open a secret that was sealed to this party (docs/protocol.md section 7).

        Raises:
            IntegrityError: BAD_TAG, it was sealed to another party, for another purpose, or changed.
        """
        info = secret_info(purpose, context)
        *newer, oldest = (self._seal, *reversed(self._former_seals))
        for key in newer:
            with contextlib.suppress(_native.IntegrityError):
                return _native.hpke_open(key, info, sealed)
        return _native.hpke_open(oldest, info, sealed)
