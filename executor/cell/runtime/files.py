# SPDX-License-Identifier: Apache-2.0
"""Inputs and outputs of a function: binary files over memory, with readers and writers for common formats."""

from __future__ import annotations

import csv as _csv
import io
import json as _json
import math
from _thread import allocate_lock
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

_NPY = b"\x93NUMPY"
_ZIP = b"PK\x03\x04"
_LINE_BLOCK = 8192


class Sink(Protocol):
    """Where an output's bytes go."""

    def write(self, data: Any) -> int:
        """Append all of ``data``."""

    def restart(self) -> None:
        """Forget what was written."""


class Input(io.BufferedIOBase):
    """One declared input: an ordinary binary file that can not be written.

    Args:
        name: the declared name.
        content: all bytes; not copied.

    Example:
        >>> table = Input("table", b"a,b\\n1,2\\n")
        >>> table.csv()
        [{'a': '1', 'b': '2'}]
        >>> table.read(3), table.tell()
        (b'a,b', 3)
    """

    def __init__(self, name: str, content: Any) -> None:
        super().__init__()
        self.name = name
        self._view = memoryview(content).toreadonly().cast("B")
        self._position = 0

    def __repr__(self) -> str:
        return f"<input {self.name!r}, {self.size} bytes>"

    def __len__(self) -> int:
        return self.size

    @property
    def size(self) -> int:
        """Size in bytes."""
        return len(self._view)

    def readable(self) -> bool:
        """Always true while open."""
        return True

    def seekable(self) -> bool:
        """Always true while open."""
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        """Return the next ``size`` bytes, or all that are left; fewer at the end."""
        self._check_open()
        rest = self.size - self._position
        count = rest if size is None or size < 0 else min(size, rest)
        start = self._position
        self._position += max(count, 0)
        return bytes(self._view[start:self._position])

    read1 = read

    def readinto(self, buffer: Any, /) -> int:
        """Fill ``buffer`` with the next bytes; return how many there were."""
        self._check_open()
        target = memoryview(buffer).cast("B")
        count = max(0, min(len(target), self.size - self._position))
        target[:count] = self._view[self._position:self._position + count]
        self._position += count
        return count

    readinto1 = readinto

    def readline(self, size: int | None = -1, /) -> bytes:
        """Return bytes up to and including the next line feed, at most ``size``."""
        self._check_open()
        limit = self.size if size is None or size < 0 else min(self.size, self._position + size)
        start = end = self._position
        while end < limit:
            block = bytes(self._view[end:min(end + _LINE_BLOCK, limit)])
            found = block.find(b"\n")
            if found >= 0:
                end += found + 1
                break
            end += len(block)
        self._position = max(end, start)
        return bytes(self._view[start:end])

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move to ``offset`` bytes from the start (0), the present position (1) or the end (2)."""
        self._check_open()
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}.get(whence)
        if base is None:
            raise ValueError(f"whence must be 0, 1 or 2, not {whence!r}")
        if base + offset < 0:
            raise ValueError("the position would be before the start")
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        """Return the present position in bytes."""
        self._check_open()
        return self._position

    def buffer(self) -> memoryview:
        """Return all bytes as a read-only view, without a copy."""
        return self._view

    def text(self, encoding: str = "utf-8") -> str:
        """Return all of the input as text.

        Raises:
            UnicodeDecodeError: it is not text in this encoding.
        """
        return str(self._content(), encoding)

    def csv(self, **options: Any) -> list[dict[str, str]]:
        """Return the rows below the header line, each as a dict of text.

        Args:
            options: of ``csv.DictReader``, for example ``delimiter=";"``.
        """
        return list(_csv.DictReader(io.StringIO(self.text("utf-8-sig"), newline=""), **options))

    def json(self) -> Any:
        """Return the JSON value that the input is.

        Raises:
            ValueError: it is not JSON.
        """
        try:
            return _json.loads(self.text("utf-8-sig"))
        except io.UnsupportedOperation:
            raise
        except ValueError as error:
            raise ValueError(f"input {self.name!r} is not JSON: {error}") from None

    def numpy(self) -> Any:
        """Return the array of a .npy file, or a dict of the arrays of a .npz file. Needs numpy.

        A .npy array is read-only and shares the input's memory. Arrays of Python objects are refused, because reading
        them would run code of whoever wrote the file.

        Raises:
            ValueError: it is neither, or damaged, or holds Python objects.
        """
        import numpy

        view = memoryview(self._content())
        head = bytes(view[:len(_NPY)])
        try:
            if head == _NPY:
                return self._read_npy(numpy, view)
            if head.startswith(_ZIP):
                with numpy.load(io.BytesIO(view), allow_pickle=False) as arrays:
                    return {name: arrays[name] for name in arrays.files}
        except MemoryError:
            raise
        except Exception as error:  # a damaged archive fails in many ways
            raise ValueError(f"input {self.name!r} is not a usable numpy file: {error}") from None
        raise ValueError(f"input {self.name!r} is not a numpy file (.npy or .npz)")

    def _content(self) -> Any:
        """All bytes, wherever the position is."""
        return self._view

    def _read_npy(self, numpy: Any, view: memoryview) -> Any:
        file = io.BytesIO(view[:65536 + 12])
        version = numpy.lib.format.read_magic(file)
        reader = {(1, 0): numpy.lib.format.read_array_header_1_0}.get(version, numpy.lib.format.read_array_header_2_0)
        shape, fortran, dtype = reader(file)
        if dtype.hasobject:
            raise ValueError("it holds Python objects")
        if any(length < 0 for length in shape):
            raise ValueError("its shape has a negative length")
        count = math.prod(shape)
        if len(view) - file.tell() < count * dtype.itemsize:
            raise ValueError("it ends too early")
        if count == 0:
            return numpy.empty(shape, dtype)
        flat = numpy.frombuffer(view, dtype, count, file.tell())
        return flat.reshape(shape[::-1]).T if fortran else flat.reshape(shape)

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError(f"input {self.name!r} is closed")


class OutputLimitError(OSError):
    """An output would grow beyond its limit. The bytes written before are kept."""


class Output(io.BufferedIOBase):
    """One declared output: an ordinary binary file that can only be written, from its beginning to its end.

    It has one writer at a time: opening it with ``with`` while it is open that way is refused. Writes of several
    threads do not mix, and come in the order in which they are made.

    Args:
        name: the declared name.
        limit: most bytes it may have.
        sink: where the bytes go; ``None`` keeps them in memory, for ``getvalue``.

    Example:
        >>> report = Output("report", 1000)
        >>> report.csv([{"a": 1, "b": 2}])
        >>> report.getvalue()
        b'a,b\\r\\n1,2\\r\\n'
    """

    def __init__(self, name: str, limit: int, sink: Sink | None = None) -> None:
        super().__init__()
        self.name = name
        self.limit = limit
        self._sink = sink
        self._memory = bytearray()
        self._size = 0
        self._used = False
        self._entered = False
        self._lock = allocate_lock()

    def __repr__(self) -> str:
        return f"<output {self.name!r}, {self._size} bytes so far>"

    def __enter__(self) -> Output:
        if self._entered and not self.closed:
            raise ValueError(f"output {self.name!r} is open in a with statement already; it has one writer at a time")
        super().__enter__()
        self._used = True
        self._entered = True
        return self

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return self._size

    @property
    def used(self) -> bool:
        """Whether it was written or opened with ``with``; an output with no bytes is an output all the same."""
        return self._used

    def writable(self) -> bool:
        """Always true while open."""
        return True

    def tell(self) -> int:
        """Return the number of bytes written."""
        return self._size

    def write(self, data: Any, /) -> int:
        """Append bytes.

        Args:
            data: bytes, bytearray, memoryview or array; for text use ``text``.

        Raises:
            OutputLimitError: the output would be larger than its limit.
            TypeError: data is text or has no bytes.
        """
        if self.closed:
            raise ValueError(f"output {self.name!r} is closed")
        if isinstance(data, str):
            raise TypeError(f"output {self.name!r} takes bytes; for text use {self.name}.text(...)")
        view = memoryview(data)
        view = view.cast("B") if view.contiguous and view.nbytes else memoryview(view.tobytes())
        with self._lock:
            self._used = True
            if self._size + len(view) > self.limit:
                raise OutputLimitError(
                    f"output {self.name!r} would have {self._size + len(view)} bytes; its limit is {self.limit}")
            if self._sink is None:
                self._memory += view
            else:
                self._sink.write(view)
            self._size += len(view)
        return len(view)

    def restart(self) -> None:
        """Forget what was written, and begin anew."""
        with self._lock:
            if self._sink is not None:
                self._sink.restart()
            self._memory.clear()
            self._size = 0
            self._used = True

    def getvalue(self) -> bytes:
        """Return what was written, where the output is kept in memory."""
        return bytes(self._memory)

    def text(self, text: str, encoding: str = "utf-8") -> None:
        """Append text."""
        self.write(text.encode(encoding))

    def csv(self, rows: Iterable[Mapping[str, Any] | Sequence[Any]], header: Sequence[str] | None = None) -> None:
        """Append rows as CSV with a header line where there are names.

        Args:
            rows: dicts, or sequences of values.
            header: column names; by default those of the first dict.
        """
        text = _Text(self)
        writer = _csv.writer(text)
        names = list(header) if header is not None else None
        if names is not None:
            writer.writerow(names)
        for row in rows:
            if isinstance(row, Mapping):
                if names is None:
                    names = list(row)
                    writer.writerow(names)
                row = [row.get(name, "") for name in names]
            writer.writerow(row)
        self._used = True
        text.flush()

    def json(self, value: Any, **options: Any) -> None:
        """Append a JSON value. NaN and Infinity are refused, because they are not JSON."""
        settings: dict[str, Any] = {"allow_nan": False, "ensure_ascii": False, **options}
        self.text(_json.dumps(value, **settings))

    def numpy(self, array: Any) -> None:
        """Append an array as a .npy file. Needs numpy; arrays of Python objects are refused."""
        import numpy

        numpy.save(self, array, allow_pickle=False)


class _Text:
    """Collects text and writes it in blocks."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._parts: list[str] = []
        self._count = 0

    def write(self, text: str) -> int:
        self._parts.append(text)
        self._count += len(text)
        if self._count > 65536:
            self.flush()
        return len(text)

    def flush(self) -> None:
        self._output.text("".join(self._parts))
        self._parts.clear()
        self._count = 0
