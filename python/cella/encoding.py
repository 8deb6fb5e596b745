# SPDX-License-Identifier: Apache-2.0
"""The few encodings of the protocol: base64url, strict JSON, sizes with units, lengths before fields."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

from . import _native

_BASE64URL = re.compile(r"[A-Za-z0-9_-]*\Z")
_DIGEST = re.compile(r"[0-9a-f]{64}\Z")
_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)\s*([kKmMgGtT]?)(?:i?[bB])?\Z")
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


def to_base64url(data: bytes) -> str:
    """Base64url without padding.

    >>> to_base64url(b"cella")
    'Y2VsbGE'
    """
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def from_base64url(text: Any, field: str | None = None) -> bytes:
    """Decode canonical base64url: no padding, no blanks, unused bits zero.

    Args:
        text: what arrived; anything that is not canonical text is refused.
        field: name for the error.

    Raises:
        FormatError: BAD_FORMAT.

    >>> from_base64url("Y2VsbGE")
    b'cella'
    """
    if isinstance(text, str) and _BASE64URL.match(text) and len(text) % 4 != 1:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        if to_base64url(data) == text:
            return data
    raise _native.error("BAD_FORMAT", "text is not canonical base64url", field)


def digest_of(text: Any, field: str | None = None) -> bytes:
    """The 32 bytes of a SHA-256 digest in lower-case hexadecimal; anything else is FormatError BAD_FORMAT."""
    if isinstance(text, str) and _DIGEST.match(text):
        return bytes.fromhex(text)
    raise _native.error("BAD_FORMAT", "a SHA-256 digest is 64 lower-case hexadecimal digits", field)


def field(data: bytes) -> bytes:
    """The protocol's field(x): size of x as 32 bits, big-endian, then x.

    >>> field(b"ab").hex()
    '000000026162'
    """
    return len(data).to_bytes(4, "big") + data


def secret_info(purpose: str, context: bytes) -> bytes:
    """HPKE info of a sealed secret (docs/protocol.md section 7)."""
    return field(b"cella secret v1") + field(purpose.encode("ascii")) + field(context)


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("duplicate member")
    return members


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is not JSON")


def parse_json(data: bytes, what: str) -> Any:
    """Parse strict JSON: UTF-8, no duplicate members, no NaN.

    Args:
        data: what arrived.
        what: what it is, for the error.

    Raises:
        FormatError: BAD_JSON.

    >>> parse_json(b'{"a": 1}', "example")
    {'a': 1}
    >>> parse_json(b'{"a": 1, "a": 2}', "example")
    Traceback (most recent call last):
    ...
    cella.FormatError: BAD_JSON: example is not strict JSON: duplicate member
    """
    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
    except (ValueError, RecursionError) as problem:
        raise _native.error("BAD_JSON", f"{what} is not strict JSON: {problem}") from None


def parse_object(data: bytes, what: str) -> dict[str, Any]:
    """Like parse_json, for a text that must be an object."""
    value = parse_json(data, what)
    if not isinstance(value, dict):
        raise _native.error("BAD_JSON", f"{what} is not a JSON object")
    return value


def write_json(value: Any, what: str = "value") -> bytes:
    """Compact JSON with sorted members, UTF-8.

    Raises:
        RequestError: BAD_FIELD for a value that is not JSON.

    >>> write_json({"b": [1, 2], "a": None})
    b'{"a":null,"b":[1,2]}'
    """
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
        return text.encode("utf-8")
    except (TypeError, ValueError, RecursionError) as problem:
        raise _native.error("BAD_FIELD", f"{what} is not JSON: {problem}") from None


def quantity(value: int | str, field_name: str | None = None) -> int:
    """A number of bytes or seconds, as an integer or as text with a binary unit.

    >>> quantity("64M"), quantity(10), quantity("1.5 KiB")
    (67108864, 10, 1536)
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    match = _QUANTITY.match(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise _native.error("BAD_FIELD", f"{value!r} is not a quantity such as 10, 64M or 2G", field_name)
    return int(float(match[1]) * _UNITS[match[2].lower()])


def human_size(size: float) -> str:
    """Bytes for people.

    >>> human_size(0), human_size(1536), human_size(5 << 30)
    ('0 B', '1.5 KiB', '5.0 GiB')
    """
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def one_line(text: str) -> str:
    """Text from others in one line, without control characters: it can not pass for lines of this program.

    >>> one_line("half\\nfinished\\x1b[2K")
    'half finished\\\\x1b[2K'
    """
    return visible(" ".join(text.split()))


def visible(text: str) -> str:
    """Text from others without control characters, which could fool a terminal.

    >>> visible("a\\x1b[31mb\\nc")
    'a\\\\x1b[31mb\\nc'
    """
    return "".join(
        character if character.isprintable() or character in "\n\t" else character.encode("unicode_escape").decode()
        for character in text
    )
