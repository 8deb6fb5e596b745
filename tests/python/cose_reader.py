# SPDX-License-Identifier: Apache-2.0
"""CBOR and COSE_Sign1 read out of RFC 8949 and RFC 9052 alone, without any of Cella's code; Ed25519 by openssl's command: a
second opinion. For the tests of these folders."""

from __future__ import annotations

from typing import Any

from checkpoint_reader import Refused, verified


def decoded(data: bytes) -> Any:
    """One item and nothing behind it; a tag as (tag, value)."""
    value, end = _item(data, 0)
    if end != len(data):
        raise Refused("bytes behind the item")
    return value


def _item(data: bytes, at: int) -> tuple[Any, int]:
    major, info = data[at] >> 5, data[at] & 31
    at += 1
    if info < 24:
        value = info
    elif info < 28:
        size = 1 << (info - 24)
        value, at = int.from_bytes(data[at : at + size], "big"), at + size
    else:
        raise Refused("indefinite or reserved")
    if major in (0, 1):
        return (value if major == 0 else -1 - value), at
    if major in (2, 3):
        content = data[at : at + value]
        if len(content) != value:
            raise Refused("cut")
        return (content if major == 2 else content.decode()), at + value
    if major == 4:
        items = []
        for _ in range(value):
            one, at = _item(data, at)
            items.append(one)
        return items, at
    if major == 5:
        pairs = {}
        for _ in range(value):
            key, at = _item(data, at)
            pairs[key], at = _item(data, at)
        return pairs, at
    if major == 6:
        inner, at = _item(data, at)
        return (value, inner), at
    return {20: False, 21: True, 22: None}[value], at


def _bytes_head(size: int) -> bytes:
    return bytes([0x40 | size]) if size < 24 else b"\x58" + bytes([size]) if size < 256 else b"\x59" + size.to_bytes(2, "big")


def opened(content: bytes, public: bytes) -> tuple[dict[Any, Any], Any]:
    """Protected header and payload of a COSE_Sign1 that this Ed25519 key signed."""
    tag, (protected, unprotected, payload, signature) = decoded(content)
    message = b"\x84\x6aSignature1" + _bytes_head(len(protected)) + protected + b"\x40" + _bytes_head(len(payload)) + payload
    if tag != 18 or unprotected != {} or not verified(public, message, signature):
        raise Refused("not signed by this key")
    return decoded(protected), decoded(payload)
