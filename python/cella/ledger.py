# SPDX-License-Identifier: Apache-2.0
"""Where an executor's ledger stands: signed heads, kept from one connection to the next, so that a ledger which was put
back, or copied and continued twice, is noticed."""

from __future__ import annotations

import contextlib
import json
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import _native, atomic
from .encoding import from_base64url, to_base64url

SIZE_MAX = 1 << 53
PATH_MAX = 64
FILE_MAX = 4096


@dataclass(frozen=True)
class Head:
    """A signed statement of an executor about its ledger.

    Attributes:
        executor: who signed it.
        epoch: starts of the executor on this ledger.
        size: number of records.
        root: of the Merkle tree over them, 32 bytes.
        chain: hash of the last one, 32 bytes.
        signature: over all of this.
    """

    executor: str
    epoch: int
    size: int
    root: bytes
    chain: bytes
    signature: bytes

    def message(self) -> bytes:
        """The bytes that are signed."""
        return (
            _field(b"cella head v1")
            + _field(self.executor.encode("ascii"))
            + struct.pack(">QQ", self.epoch, self.size)
            + _field(self.root)
            + _field(self.chain)
        )

    def json(self) -> dict[str, Any]:
        """As the executor sends it."""
        return {
            "epoch": self.epoch,
            "size": self.size,
            "root": to_base64url(self.root),
            "chain": to_base64url(self.chain),
            "signature": to_base64url(self.signature),
        }


def _field(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def _rollback(detail: str) -> _native.CellaError:
    return _native.error("ROLLBACK", f"the executor's ledger is not the one that this client has seen: {detail}")


def read_head(value: Any, sign_public: bytes) -> Head:
    """A head from its JSON form, with its signature verified.

    Args:
        value: untrusted.
        sign_public: the executor's Ed25519 key, 32 bytes.

    Raises:
        FormatError: it is not a head.
        IntegrityError: BAD_SIGNATURE.
    """
    if not isinstance(value, dict) or set(value) != {"epoch", "size", "root", "chain", "signature"}:
        raise _native.error("BAD_FORMAT", "the head of the ledger has missing or unknown members")
    numbers = [value[name] for name in ("epoch", "size")]
    if not all(type(number) is int and 0 <= number < SIZE_MAX for number in numbers):
        raise _native.error("BAD_FORMAT", "the head of the ledger has a number out of range")
    root, chain, signature = (from_base64url(value[name], name) for name in ("root", "chain", "signature"))
    if (len(root), len(chain), len(signature)) != (32, 32, 64):
        raise _native.error("BAD_FORMAT", "the head of the ledger has a hash of another size")
    head = Head(_native.thumbprint(sign_public), numbers[0], numbers[1], root, chain, signature)
    _native.ed25519_verify(sign_public, head.message(), signature)
    return head


def is_consistent(old_size: int, old_root: bytes, size: int, root: bytes, path: Sequence[bytes]) -> bool:
    """Whether the tree of size and root begins with the tree of old_size and old_root (RFC 9162 section 2.1.4.2).

    >>> import hashlib
    >>> a, b = b"a" * 32, b"b" * 32
    >>> both = hashlib.sha256(b"\\x01" + a + b).digest()
    >>> is_consistent(1, a, 2, both, [b]), is_consistent(1, b, 2, both, [b])
    (True, False)
    """
    if len(path) > PATH_MAX or any(len(node) != len(root) for node in path):
        return False
    return _native.merkle_is_consistent(old_size, old_root, size, root, b"".join(path))


def check_order(known: Head, head: Head) -> None:
    """Refuse a head that can not be of the same ledger as one that is known, as far as the two alone show it.

    Raises:
        AttestationError: ROLLBACK.
    """
    if head.size < known.size or head.epoch < known.epoch:
        raise _rollback(
            f"it has {head.size} records and {head.epoch} starts now, and had {known.size} and {known.epoch}; "
            "an old copy was put back"
        )
    if head.size == known.size and (head.root, head.chain) != (known.root, known.chain):
        raise _rollback(f"its {head.size} records are other ones")


def check_proof(known: Head, answer: dict[str, Any], sign_public: bytes) -> Head:
    """The newer head out of an answer to ledger.consistency, proved to continue the known one.

    Raises:
        AttestationError: ROLLBACK.
        FormatError, IntegrityError: the answer is malformed or not signed.
    """
    head = read_head(answer.get("head"), sign_public)
    check_order(known, head)
    nodes = answer.get("path")
    if not isinstance(nodes, list) or len(nodes) > PATH_MAX:
        raise _native.error("BAD_FORMAT", "the proof of consistency is malformed")
    if not is_consistent(known.size, known.root, head.size, head.root, [from_base64url(node, "path") for node in nodes]):
        raise _rollback(f"its {head.size} records do not continue the {known.size} that were seen before; it was forked")
    return head


# ---- what is kept ----


def folder() -> Path:
    """Where heads are kept: $XDG_STATE_HOME/cella/heads, else ~/.local/state/cella/heads."""
    base = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    return Path(base) / "cella" / "heads"


def _path(executor: str, party: str) -> Path:
    return folder() / f"{executor}.{party}.json"


def load(executor: str, party: str, sign_public: bytes) -> Head | None:
    """The newest head that this party has seen of an executor; None when it has seen none.

    Raises:
        FormatError, IntegrityError: the file was changed. Nothing is accepted then; remove it to begin anew.
    """
    try:
        with open(_path(executor, party), "rb") as file:
            text = file.read(FILE_MAX)
    except FileNotFoundError:
        return None
    try:
        return read_head(json.loads(text), sign_public)
    except (ValueError, _native.CellaError) as problem:
        raise _native.error(
            "BAD_FORMAT", f"{_path(executor, party)} is not a head of this executor ({problem}); remove it to begin anew"
        ) from None


def save(party: str, head: Head) -> None:
    """Keep a head. A folder that can not be written costs the protection, not the work."""
    path = _path(head.executor, party)
    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with atomic.replace(path, 0o600) as file:
            file.write(json.dumps(head.json()).encode())
