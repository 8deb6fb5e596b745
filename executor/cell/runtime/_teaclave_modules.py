# SPDX-License-Identifier: Apache-2.0
"""The modules that Teaclave's interpreter had built in, for scripts of Teaclave's form.

They are thin: Python's own modules, with texts of the characters 0 to 255 where Python 2 had byte strings, and the few
names that only Python 2 had. They are made when a script imports them and are never put into ``sys.modules``: the
standard library, which the same process uses, must keep finding its own.
"""

from __future__ import annotations

import array as _array
import binascii as _binascii
import builtins as _builtins
import functools
import hashlib
import importlib
import io
import itertools as _itertools
import json
import math as _math
import struct as _struct
import sys as _sys
import types
from collections.abc import Callable
from typing import Any

from . import _teaclave_marshal

_PLAIN = ("cmath", "_collections", "errno", "_random", "_sre", "_weakref", "gc")
"""Used as they are."""
_OF_THE_MODULE = frozenset(vars(types.ModuleType("any"))) | {"__file__", "__cached__", "__builtins__", "__path__"}
"""Names that tell of a module itself."""


def octets(value: Any) -> Any:
    """Return the bytes that a text of characters 0 to 255 stands for; other values as they are."""
    return value.encode("latin-1") if isinstance(value, str) else value


def text(value: Any) -> Any:
    """Return bytes as the text that stands for them; other values as they are."""
    return value.decode("latin-1") if isinstance(value, (bytes, bytearray)) else value


def _over_text(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function over bytes one over texts. Only its first argument is data."""

    def call(data: Any, *rest: Any) -> Any:
        return text(function(octets(data), *rest))

    return call


def _public(module: types.ModuleType) -> dict[str, Any]:
    return {name: value for name, value in vars(module).items() if name not in _OF_THE_MODULE}


def _math_names() -> dict[str, Any]:
    return _public(_math) | {"floor": lambda x: float(_math.floor(x)) if _math.isfinite(x) else float(x),
                             "ceil": lambda x: float(_math.ceil(x)) if _math.isfinite(x) else float(x)}


def _binascii_names() -> dict[str, Any]:
    names = _public(_binascii)
    for name, value in names.items():
        if callable(value) and not isinstance(value, type):
            names[name] = _over_text(value)

    def crc32(data: str, start: int = 0) -> int:
        return (_binascii.crc32(octets(data), start & 0xFFFFFFFF) ^ 1 << 31) - (1 << 31)  # signed in Python 2

    return names | {"crc32": crc32}


def _itertools_names() -> dict[str, Any]:
    return _public(_itertools) | {"imap": map, "ifilter": filter, "izip": zip,
                                  "ifilterfalse": _itertools.filterfalse, "izip_longest": _itertools.zip_longest}


def _operator_names() -> dict[str, Any]:
    def div(a: Any, b: Any) -> Any:
        return a // b if isinstance(a, int) and isinstance(b, int) else a / b

    return _plain_names("operator") | {"div": div}


def _struct_names() -> dict[str, Any]:
    def pack(layout: str, *values: Any) -> str:
        return text(_struct.pack(layout, *map(octets, values)))

    def unpack(layout: str, data: Any) -> tuple[Any, ...]:
        return tuple(map(text, _struct.unpack(layout, octets(data))))

    def unpack_from(layout: str, data: Any, offset: int = 0) -> tuple[Any, ...]:
        return tuple(map(text, _struct.unpack_from(layout, octets(data), offset)))

    return {"pack": pack, "unpack": unpack, "unpack_from": unpack_from, "calcsize": _struct.calcsize,
            "error": _struct.error}


class array(_array.array):  # noqa: N801 - the name that payloads use
    """``array.array`` with Python 2's ``tostring`` and ``fromstring``."""

    def __new__(cls, typecode: str, initial: Any = ()) -> array:
        """Make an array from numbers, or from a byte string."""
        return super().__new__(cls, typecode, octets(initial))  # type: ignore[call-arg]

    def tostring(self) -> str:
        """Return the raw bytes."""
        return text(self.tobytes())

    def fromstring(self, data: str) -> None:
        """Append raw bytes."""
        self.frombytes(octets(data))

    def __getitem__(self, place: Any) -> Any:
        found = super().__getitem__(place)
        return array(self.typecode, found) if isinstance(place, slice) else found

    def __add__(self, other: Any) -> array:
        return array(self.typecode, super().__add__(other))


class _Hash:
    """A hash over byte strings as ``_md5`` and ``_sha`` gave it."""

    def __init__(self, state: Any, data: str = "") -> None:
        self._state = state
        self.digest_size = state.digest_size
        self.block_size = state.block_size
        self.update(data)

    def update(self, data: str) -> None:
        self._state.update(octets(data))

    def digest(self) -> str:
        return text(self._state.digest())

    def hexdigest(self) -> str:
        return self._state.hexdigest()

    def copy(self) -> _Hash:
        return _Hash(self._state.copy())


def _hash_names(name: str, short: str) -> dict[str, Any]:
    def new(data: str = "") -> _Hash:
        return _Hash(hashlib.new(name, usedforsecurity=False), data)

    return {"new": new, short: new, "digest_size": new().digest_size, "blocksize": new().block_size}


def _codecs_names() -> dict[str, Any]:
    def encoder(function: Callable[..., Any]) -> Callable[..., Any]:
        def encode(*arguments: Any) -> tuple[str, int]:
            data, count = function(*arguments)
            return text(data), count

        return encode

    names = _plain_names("_codecs")
    for name, value in names.items():
        if name.endswith("_encode"):
            names[name] = encoder(value)
        elif name.endswith("_decode"):
            names[name] = _over_text(value)
    return names


def _as_bytes(value: Any) -> Any:
    """Return a JSON value with each text as its UTF-8 bytes, held in characters 0 to 255."""
    if isinstance(value, str):
        return text(value.encode("utf-8", "surrogatepass"))
    if isinstance(value, list):
        return [_as_bytes(item) for item in value]
    if isinstance(value, dict):
        return {_as_bytes(key): _as_bytes(item) for key, item in value.items()}
    return value


def _json_names() -> dict[str, Any]:
    def loads(data: str) -> Any:
        return _as_bytes(json.loads(octets(data).decode("utf-8")))

    def quote(data: str) -> str:
        return json.dumps(octets(data).decode("utf-8"))[1:-1]

    return {"loads": loads, "raw_encode_basestring_ascii": quote}


def _exceptions_names() -> dict[str, Any]:
    return {name: value for name, value in vars(_builtins).items()
            if isinstance(value, type) and issubclass(value, BaseException)} | {"StandardError": Exception}


def _plain_names(name: str) -> dict[str, Any]:
    return _public(importlib.import_module(name))


NAMES: dict[str, Callable[[], dict[str, Any]]] = {
    "marshal": lambda: _public(_teaclave_marshal),
    "math": _math_names,
    "binascii": _binascii_names,
    "itertools": _itertools_names,
    "operator": _operator_names,
    "struct": _struct_names,
    "array": lambda: {"array": array, "ArrayType": array},
    "cStringIO": lambda: {"StringIO": io.StringIO},
    "exceptions": _exceptions_names,
    "_md5": lambda: _hash_names("md5", "md5"),
    "_sha": lambda: _hash_names("sha1", "sha"),
    "_codecs": _codecs_names,
    "_pypyjson": _json_names,
    "sys": lambda: _public(_sys) | {"maxint": _sys.maxsize},
    "ffi": lambda: {"ffi": types.SimpleNamespace()},
    **{name: functools.partial(_plain_names, name) for name in _PLAIN},
}
"""Name -> maker of its contents; ``_numpypy`` and ``teaclave`` are made elsewhere."""


def make(name: str) -> types.ModuleType | None:
    """Return a new module, or None when it is none of these.

    Raises:
        RuntimeError: ``_numpypy`` in a profile without numpy.

    Example:
        >>> make("binascii").hexlify("\\xff0")
        'ff30'
    """
    if name == "_numpypy":
        return _numpypy()
    if name not in NAMES:
        return None
    module = types.ModuleType(name)
    module.__dict__.update(NAMES[name]())
    return module


def _numpypy() -> types.ModuleType:
    try:
        from . import _teaclave_numpypy
    except ModuleNotFoundError as error:
        if error.name != "numpy":
            raise
        raise RuntimeError("Teaclave Not Supported: _numpypy needs numpy; use profile 'numpy'") from None
    package = types.ModuleType("_numpypy")
    package.__path__ = []  # type: ignore[attr-defined]
    for name, contents in (("multiarray", _teaclave_numpypy.MULTIARRAY), ("umath", _teaclave_numpypy.UMATH)):
        module = types.ModuleType(f"_numpypy.{name}")
        module.__dict__.update(contents)
        setattr(package, name, module)
    return package
