# SPDX-License-Identifier: Apache-2.0
"""Event logs made by hand, for tests: what firmware would have written."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable

ALGORITHMS = {"sha1": 4, "sha256": 11, "sha384": 12}
SEPARATOR, NO_ACTION = 4, 3


def header(banks: tuple[str, ...] = ("sha256", "sha384")) -> bytes:
    """The first event, which names the banks."""
    spec = b"Spec ID Event03\0" + struct.pack("<IBBBB", 0, 0, 2, 0, 2) + struct.pack("<I", len(banks))
    spec += b"".join(struct.pack("<HH", ALGORITHMS[bank], hashlib.new(bank).digest_size) for bank in banks) + b"\0"
    return struct.pack("<II", 0, NO_ACTION) + bytes(20) + struct.pack("<I", len(spec)) + spec


def event(register: int, data: bytes, type: int = SEPARATOR, banks: tuple[str, ...] = ("sha256", "sha384")) -> bytes:
    """One event, whose digests are hashes of its data."""
    digests = b"".join(struct.pack("<H", ALGORITHMS[bank]) + hashlib.new(bank, data).digest() for bank in banks)
    return struct.pack("<III", register, type, len(banks)) + digests + struct.pack("<I", len(data)) + data


def log(events: Iterable[tuple[int, bytes]], banks: tuple[str, ...] = ("sha256", "sha384")) -> bytes:
    """A log of these events, register and data."""
    return header(banks) + b"".join(event(register, data, banks=banks) for register, data in events)
