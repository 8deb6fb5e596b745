# SPDX-License-Identifier: Apache-2.0
"""Module ``marshal`` of Teaclave's form: version 2 of Python 2's format, with a reader that can be fed anything.

Kinds: None, bool, int, float, str, tuple, list, dict. A text of characters 0 to 255 is a byte string. What offers a
buffer (arrays, numpy's scalars) is written as the string of its raw bytes. Code objects are refused, both ways.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

version = 2
_DEPTH_MAX = 200
_SINGLE = {"N": None, "T": True, "F": False}
_LONG_BITS = 15


def dumps(value: Any, version: int = version) -> str:
    """Return ``value`` as a text of characters 0 to 255.

    Raises:
        ValueError: of a kind that is not written, or nested deeper than 200.

    Example:
        >>> dumps([1, "a", None])
        '[\\x03\\x00\\x00\\x00i\\x01\\x00\\x00\\x00s\\x01\\x00\\x00\\x00aN'
    """
    parts: list[bytes] = []
    _write(value, parts.append, 0)
    return b"".join(parts).decode("latin-1")


def dump(value: Any, file: Any, version: int = version) -> None:
    """Write ``value`` to an open file."""
    file.write(dumps(value))


def loads(text: str) -> Any:
    """Return the value that ``text`` begins with.

    Raises:
        EOFError: it ends too early.
        ValueError: it is not in the format, or of a kind that is not read, or nested deeper than 200.
        TypeError: not a text.

    Example:
        >>> loads(dumps({"a": (1.5, True)}))
        {'a': (1.5, True)}
    """
    if not isinstance(text, str):
        raise TypeError(f"marshal.loads takes a byte string, not {type(text).__name__}")
    try:
        data = text.encode("latin-1")
    except UnicodeEncodeError:
        raise ValueError("bad marshal data (a character above 255)") from None
    position = 0

    def take(count: int) -> bytes:
        nonlocal position
        position += count
        return data[position - count:position]

    return _Reader(take).value(0)


def load(file: Any) -> Any:
    """Return the next value of an open file. See loads."""
    return _Reader(lambda count: file.read(count).encode("latin-1")).value(0)


def _write(value: Any, put: Callable[[bytes], Any], depth: int) -> None:
    if depth > _DEPTH_MAX:
        raise ValueError(f"unmarshallable object: nested deeper than {_DEPTH_MAX}, or contains itself")
    kind = type(value)
    if value is None or kind is bool:
        put({None: b"N", True: b"T", False: b"F"}[value])
    elif kind is int:
        put(_integer(value))
    elif kind is float:
        put(struct.pack("<cd", b"g", value))
    elif kind is str:
        put(_text(value))
    elif kind is tuple or kind is list:
        put(struct.pack("<ci", b"(" if kind is tuple else b"[", len(value)))
        for item in value:
            _write(item, put, depth + 1)
    elif kind is dict:
        put(b"{")
        for key, item in value.items():
            _write(key, put, depth + 1)
            _write(item, put, depth + 1)
        put(b"0")
    else:
        put(_string(b"s", _raw(value)))


def _raw(value: Any) -> bytes:
    """Return the bytes of an object's buffer, rows first."""
    try:
        view = memoryview(value)
    except TypeError:
        raise ValueError(f"unmarshallable object: a {type(value).__name__}") from None
    if "O" in view.format:
        raise ValueError("unmarshallable object: an array of Python objects")
    return view.tobytes()


def _string(code: bytes, data: bytes) -> bytes:
    if len(data) > 0x7FFFFFFF:
        raise ValueError("unmarshallable object: a string of more than 2 GiB")
    return struct.pack("<ci", code, len(data)) + data


def _text(value: str) -> bytes:
    try:
        return _string(b"s", value.encode("latin-1"))
    except UnicodeEncodeError:
        return _string(b"u", value.encode("utf-8", "surrogatepass"))


def _integer(value: int) -> bytes:
    if -1 << 31 <= value < 1 << 31:
        return struct.pack("<ci", b"i", value)
    if -1 << 63 <= value < 1 << 63:
        return struct.pack("<cq", b"I", value)
    bits = f"{abs(value):b}"
    digits = [int(bits[max(0, end - _LONG_BITS):end], 2) for end in range(len(bits), 0, -_LONG_BITS)]
    count = len(digits) if value > 0 else -len(digits)
    return struct.pack(f"<ci{len(digits)}H", b"l", count, *digits)


class _Reader:
    """Reads values. Nothing is set aside for a length that is announced but not there."""

    def __init__(self, take: Callable[[int], bytes]) -> None:
        self._source = take
        self._interned: list[str] = []

    def value(self, depth: int, code: str = "") -> Any:
        """Read one value, whose type code may have been read already."""
        code = code or self._code()
        if code in _SINGLE:
            return _SINGLE[code]
        reader = _READERS.get(code)
        if reader is None:
            why = "code objects are refused" if code == "c" else f"unknown type code {code!r}"
            raise ValueError(f"bad marshal data ({why})")
        if depth > _DEPTH_MAX:
            raise ValueError(f"bad marshal data (nested deeper than {_DEPTH_MAX})")
        return reader(self, depth)

    def _code(self) -> str:
        return self._take(1).decode("latin-1")

    def _take(self, count: int) -> bytes:
        data = self._source(count)
        if len(data) != count:
            raise EOFError("EOF read where object expected")
        return data

    def _unpack(self, layout: str) -> Any:
        return struct.unpack(layout, self._take(struct.calcsize(layout)))[0]

    def _length(self) -> int:
        length = self._unpack("<i")
        if length < 0:
            raise ValueError("bad marshal data (a negative length)")
        return length

    def _integer(self, depth: int) -> int:
        return self._unpack("<i")

    def _integer64(self, depth: int) -> int:
        return self._unpack("<q")

    def _long(self, depth: int) -> int:
        count = self._unpack("<i")
        digits = struct.unpack(f"<{abs(count)}H", self._take(2 * abs(count)))
        if any(digit >> _LONG_BITS for digit in digits):
            raise ValueError("bad marshal data (digit out of range in long)")
        size = int("".join(f"{digit:015b}" for digit in reversed(digits)) or "0", 2)
        return -size if count < 0 else size

    def _float_text(self, depth: int) -> float:
        return float(self._take(self._take(1)[0]).decode("ascii"))

    def _float(self, depth: int) -> float:
        return self._unpack("<d")

    def _string(self, depth: int) -> str:
        return self._take(self._length()).decode("latin-1")

    def _intern(self, depth: int) -> str:
        self._interned.append(self._string(depth))
        return self._interned[-1]

    def _reference(self, depth: int) -> str:
        index = self._length()
        if index >= len(self._interned):
            raise ValueError("bad marshal data (string ref out of range)")
        return self._interned[index]

    def _unicode(self, depth: int) -> str:
        return self._take(self._length()).decode("utf-8", "surrogatepass")

    def _list(self, depth: int) -> list[Any]:
        found = []
        for _ in range(self._length()):
            found.append(self.value(depth + 1))
        return found

    def _tuple(self, depth: int) -> tuple[Any, ...]:
        return tuple(self._list(depth))

    def _dict(self, depth: int) -> dict[Any, Any]:
        found = {}
        while (code := self._code()) != "0":
            key = self.value(depth + 1, code)
            value = self.value(depth + 1)
            try:
                found[key] = value
            except TypeError:
                raise ValueError(f"bad marshal data (a {type(key).__name__} as a key)") from None
        return found


_READERS: dict[str, Callable[[_Reader, int], Any]] = {
    "i": _Reader._integer, "I": _Reader._integer64, "l": _Reader._long, "f": _Reader._float_text, "g": _Reader._float,
    "s": _Reader._string, "t": _Reader._intern, "R": _Reader._reference, "u": _Reader._unicode, "(": _Reader._tuple,
    "[": _Reader._list, "{": _Reader._dict,
}
