# SPDX-License-Identifier: Apache-2.0
"""``teaclave_open`` over a task's inputs and outputs: files whose bytes are texts of the characters 0 to 255."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import Any

from .files import Input, Output

OPEN_MAX = 1023
"""Most files that are open at the same time."""


def _failed(what: str) -> RuntimeError:
    return RuntimeError(f"fileio_{what}: teaclave_ffi_error")


class File:
    """What ``teaclave_open`` returns: it reads an input, or writes an output."""

    def __init__(self, name: str, mode: str, source: Any = None, target: Output | None = None) -> None:
        self.name = name
        self.mode = mode
        self.closed = False
        self._source = source
        self._target = target

    def read(self, size: int = -1) -> str:
        """Return the next ``size`` characters, or all that are left."""
        return self._readable().read(size).decode("latin-1")

    def readline(self, size: int = -1) -> str:
        """Return the next line with its line feed; nothing at the end."""
        return self._readable().readline(size).decode("latin-1")

    def readlines(self) -> list[str]:
        """Return all lines that are left."""
        return list(self)

    def write(self, text: str) -> None:
        """Append characters 0 to 255.

        Raises:
            RuntimeError: something else, or this file is an input, or closed.
            OutputLimitError: the output would grow beyond its limit.
        """
        if self.closed or self._target is None:
            raise _failed("write")
        try:
            data = text.encode("latin-1")
        except (UnicodeEncodeError, AttributeError):
            raise _failed("write") from None
        self._target.write(data)

    def close(self) -> None:
        """End; what was written stays."""
        self.closed = True

    def __enter__(self) -> File:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __iter__(self) -> File:
        return self

    def __next__(self) -> str:
        line = self.readline()
        if not line:
            raise StopIteration
        return line

    next = __next__

    def _readable(self) -> Any:
        if self.closed or self._source is None:
            raise _failed("read")
        return self._source


class Files:
    """The inputs and outputs of one task, by name.

    Args:
        inputs: by name; ``None`` for an optional one that was not assigned, which is like an unknown name.
        outputs: by name.
    """

    def __init__(self, inputs: Mapping[str, Input | None], outputs: Mapping[str, Output]) -> None:
        self._inputs = inputs
        self._outputs = outputs
        self._files: weakref.WeakSet[File] = weakref.WeakSet()
        self._writers: dict[str, File] = {}
        self._streamed: set[str] = set()

    def open(self, name: str, mode: str = "r") -> File:
        """Open an input with ``"rb"``, from its start, or an output with ``"wb"``, anew.

        Raises:
            RuntimeError: unknown name, wrong direction, too many open files, a stream for the second time, or a text mode.
            ValueError: any other mode.
        """
        if mode in ("r", "w"):
            raise RuntimeError("Teaclave Not Supported")
        if mode not in ("rb", "wb"):
            raise ValueError(f"invalid mode: {mode!r}")
        if sum(not file.closed for file in self._files) >= OPEN_MAX:
            raise _failed("init")
        file = self._reader(name) if mode == "rb" else self._writer(name)
        self._files.add(file)
        return file

    def _reader(self, name: str) -> File:
        source = self._inputs.get(name)
        if source is None:
            raise _failed("init")
        if source.seekable():
            return File(name, "rb", source=Input(name, source.buffer()))  # with a position of its own
        if name in self._streamed:
            raise _failed("init")
        self._streamed.add(name)
        return File(name, "rb", source=source)

    def _writer(self, name: str) -> File:
        target = self._outputs.get(name)
        if target is None:
            raise _failed("init")
        before = self._writers.get(name)
        if before is not None:
            before.close()  # it would write into the middle of the new content
        target.restart()
        self._writers[name] = file = File(name, "wb", target=target)
        return file
