# SPDX-License-Identifier: Apache-2.0
"""Signed notes, checkpoints and cosignatures, read and written out of their specifications alone (C2SP signed-note,
tlog-checkpoint, tlog-cosignature, tlog-proof), without any of Cella's code: a second opinion. For the tests of this folder."""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

LOG, WITNESS = 1, 4
PUBLIC, PRIVATE = bytes.fromhex("302a300506032b6570032100"), bytes.fromhex("302e020100300506032b657004220420")
"""DER before the 32 bytes of an Ed25519 key (RFC 8410)."""


class Refused(Exception):
    """What a client of these formats must not accept."""


def openssl(command: str, **files: bytes) -> subprocess.CompletedProcess[bytes]:
    """Run openssl where these files are."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            Path(folder, name).write_bytes(content)
        return subprocess.run(["openssl", *command.split()], cwd=folder, capture_output=True)


def verified(public: bytes, message: bytes, signature: bytes) -> bool:
    done = openssl("pkeyutl -verify -pubin -inkey key -keyform DER -rawin -in message -sigfile signature",
                   key=PUBLIC + public, message=message, signature=signature)
    return done.returncode == 0 and b"Success" in done.stdout


def signature_of(seed: bytes, message: bytes) -> bytes:
    done = openssl("pkeyutl -sign -inkey key -keyform DER -rawin -in message", key=PRIVATE + seed, message=message)
    assert done.returncode == 0 and len(done.stdout) == 64, done.stderr
    return done.stdout


def public_of(seed: bytes) -> bytes:
    done = openssl("pkey -in key -inform DER -pubout -outform DER", key=PRIVATE + seed)
    assert done.returncode == 0 and done.stdout.startswith(PUBLIC), done.stderr
    return done.stdout[-32:]


def key_id(name: str, kind: int, public: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + public).digest()[:4]


def vkey(name: str, kind: int, public: bytes) -> str:
    return f"{name}+{key_id(name, kind, public).hex()}+{base64.b64encode(bytes([kind]) + public).decode()}"


def read_vkey(text: str) -> tuple[str, int, bytes]:
    """Name, kind and public key of a verifier key, whose id must be theirs."""
    name, digits, encoded = text.split("+", 2)
    content = base64.b64decode(encoded, validate=True)
    if key_id(name, content[0], content[1:]).hex() != digits or len(content) != 33:
        raise Refused("the id is not the key's")
    return name, content[0], content[1:]


@dataclass(frozen=True)
class Note:
    """text: what is signed. signatures: (name, what stands in the line) each."""

    text: str
    signatures: tuple[tuple[str, bytes], ...]

    @classmethod
    def read(cls, content: bytes) -> Note:
        whole = content.decode()  # UnicodeDecodeError is a ValueError
        if any(ord(character) < 0x20 and character != "\n" for character in whole):
            raise Refused("control character")
        text, empty, rest = whole.rpartition("\n\n")
        if not empty or not rest.endswith("\n"):
            raise Refused("no signatures")
        found = []
        for line in rest[:-1].split("\n"):
            match = re.fullmatch("\u2014 ([^\\s+]+) (\\S+)", line)
            if match is None:
                raise Refused("a signature line")
            blob = base64.b64decode(match[2], validate=True)
            if len(blob) < 5:
                raise Refused("a short signature")
            found.append((match[1], blob))
        return cls(text + "\n", tuple(found))

    def verify(self, key: str) -> int:
        """The signature under a verifier key. When: Unix seconds of a cosignature, else 0."""
        name, kind, public = read_vkey(key)
        lines = [blob for by, blob in self.signatures if by == name and blob[:4] == key_id(name, kind, public)]
        if not lines:
            raise Refused("not signed by this key")
        time = 0
        for blob in lines:
            message, signature = self.text.encode(), blob[4:]
            if kind == WITNESS:
                time, signature = int.from_bytes(blob[4:12], "big"), blob[12:]
                if time >= 1 << 63:
                    raise Refused("a time beyond all")
                message = f"cosignature/v1\ntime {time}\n".encode() + message
            if not verified(public, message, signature):
                raise Refused("the signature is wrong")
        return time


@dataclass(frozen=True)
class Checkpoint:
    """Origin, size and root of a log."""

    origin: str
    size: int
    root: bytes

    @classmethod
    def read(cls, text: str) -> Checkpoint:
        origin, size, root, *extensions = text[:-1].split("\n")
        if not origin or "" in extensions or not re.fullmatch("0|[1-9][0-9]*", size):
            raise Refused("not a checkpoint")
        return cls(origin, int(size), base64.b64decode(root, validate=True))

    def text(self) -> str:
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def sign(text: str, name: str, seed: bytes) -> str:
    """A signature line by a log's key."""
    blob = key_id(name, LOG, public_of(seed)) + signature_of(seed, text.encode())
    return f"\u2014 {name} {base64.b64encode(blob).decode()}\n"


def cosign(text: str, name: str, seed: bytes, time: int) -> str:
    """A witness's line."""
    signature = signature_of(seed, f"cosignature/v1\ntime {time}\n{text}".encode())
    blob = key_id(name, WITNESS, public_of(seed)) + time.to_bytes(8, "big") + signature
    return f"\u2014 {name} {base64.b64encode(blob).decode()}\n"


def root_of(index: int, size: int, leaf: bytes, path: list[bytes]) -> bytes:
    """Where a path leads, by the recursion of RFC 9162 section 2.1.3.1 read backwards."""
    if size == 1:
        if path:
            raise Refused("the path is too long")
        return leaf
    half = 1 << (size - 1).bit_length() - 1
    if not path:
        raise Refused("the path is too short")
    *below, sibling = path
    if index < half:
        return hashlib.sha256(b"\1" + root_of(index, half, leaf, below) + sibling).digest()
    return hashlib.sha256(b"\1" + sibling + root_of(index - half, size - half, leaf, below)).digest()


def verify_tlog_proof(content: bytes, entry: bytes, key: str) -> Checkpoint:
    """A tlog-proof@v1: is the entry in the log of this key?"""
    head, note = content.decode().split("\n\n", 1)
    lines = head.split("\n")
    if lines[0] != "c2sp.org/tlog-proof@v1" or not re.fullmatch("index (0|[1-9][0-9]*)", lines[1]):
        raise Refused("not a proof")
    signed = Note.read(note.encode())
    signed.verify(key)
    found = Checkpoint.read(signed.text)
    path = [base64.b64decode(line, validate=True) for line in lines[2:]]
    if root_of(int(lines[1][6:]), found.size, hashlib.sha256(b"\0" + entry).digest(), path) != found.root:
        raise Refused("the path leads elsewhere")
    return found
