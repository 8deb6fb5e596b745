# SPDX-License-Identifier: Apache-2.0
"""Teaclave's script contract: ``entrypoint(argv)``, ``teaclave_open``, byte strings as text of Latin-1 characters."""

from __future__ import annotations

import builtins
import json
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ._failure import Refused
from .files import Input, Output


def flatten(arguments: Mapping[str, Any]) -> list[str]:
    """Return key, value, key, value ... in ascending byte order of the keys.

    Texts stay as they are, other values become compact JSON text; all as Latin-1 characters of their UTF-8 bytes.

    Raises:
        Refused: BAD_ARGUMENT, a value has a NUL byte.

    Example:
        >>> flatten({"b": 0.5, "a": "x", "c": [1, None]})
        ['a', 'x', 'b', '0.5', 'c', '[1,null]']
    """
    flat = []
    for key in sorted(arguments, key=lambda name: name.encode("utf-8")):
        value = arguments[key]
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        if "\0" in text or "\0" in key:
            raise Refused("BAD_ARGUMENT", f"argument {key!r} has a NUL byte")
        flat += [key.encode("utf-8").decode("latin-1"), text.encode("utf-8").decode("latin-1")]
    return flat


class File:
    """What ``teaclave_open`` returns: text of characters 0 to 255, one for each byte."""

    def __init__(self, source: Input | None, target: Output | None) -> None:
        self._source = source
        self._target = target
        self._open = True
        if source is not None:
            source.seek(0)
        if target is not None:
            target.restart()

    def read(self, size: int = -1) -> str:
        """Return the next ``size`` characters, or all that are left."""
        return self._readable().read(size).decode("latin-1")

    def readline(self) -> str:
        """Return the next line with its line feed."""
        return self._readable().readline().decode("latin-1")

    def readlines(self) -> list[str]:
        """Return all lines that are left."""
        return list(self)

    def write(self, text: str) -> None:
        """Append characters 0 to 255."""
        if not self._open or self._target is None:
            raise RuntimeError("fileio_write: teaclave_ffi_error")
        try:
            data = text.encode("latin-1")
        except (UnicodeEncodeError, AttributeError):
            raise RuntimeError("fileio_write: teaclave_ffi_error") from None
        self._target.write(data)

    def close(self) -> None:
        """End; what was written stays."""
        self._open = False

    def __enter__(self) -> File:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[str]:
        while line := self.readline():
            yield line

    def _readable(self) -> Input:
        if not self._open or self._source is None:
            raise RuntimeError("fileio_read: teaclave_ffi_error")
        return self._source


class Files:
    """``teaclave_open`` over the task's inputs and outputs."""

    def __init__(self, inputs: Mapping[str, Input | None], outputs: Mapping[str, Output]) -> None:
        self._inputs = inputs
        self._outputs = outputs

    def open(self, name: str, mode: str = "r") -> File:
        """Open a declared input with ``"rb"`` or output with ``"wb"``.

        Raises:
            RuntimeError: unknown name, wrong direction, or a text mode.
            ValueError: any other mode.
        """
        if mode in ("r", "w"):
            raise RuntimeError("Teaclave Not Supported")
        if mode not in ("rb", "wb"):
            raise ValueError(f"invalid mode: {mode!r}")
        source = self._inputs.get(name) if mode == "rb" else None
        target = self._outputs.get(name) if mode == "wb" else None
        if source is None and target is None:
            raise RuntimeError("fileio_init: teaclave_ffi_error")
        return File(source, target)

    def install(self, module: types.ModuleType) -> None:
        """Give a script ``teaclave_open`` and the modules that payloads import."""
        builtins.teaclave_open = self.open  # type: ignore[attr-defined]
        module.__dict__["teaclave_open"] = self.open
        modules: dict[str, dict[str, Any]] = {"teaclave": {"open": self.open}, "ffi": {"ffi": types.SimpleNamespace()}}
        for name, contents in modules.items():
            compatible = types.ModuleType(name)
            compatible.__dict__.update(contents)
            sys.modules[name] = compatible
        native = sys.modules.get("_cell")
        if native is not None:
            native.add_message(_first_argument)


def _first_argument(error: BaseException) -> str:
    """Return what Python 2 had as an exception's ``message``."""
    return str(error.args[0]) if error.args else ""


def call(function: Callable[[list[str]], Any], arguments: Mapping[str, Any], files: Files) -> str:
    """Call ``entrypoint`` and return its result as text.

    Raises:
        Refused: BAD_RESULT, it returned neither a text of UTF-8 bytes nor None.
    """
    value = function(flatten(arguments))
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Refused("BAD_RESULT", f"entrypoint returned a {type(value).__name__}; Teaclave's form returns a text")
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        raise Refused("BAD_RESULT", "entrypoint returned bytes that are not UTF-8") from None
    except UnicodeEncodeError:
        return value
