# SPDX-License-Identifier: Apache-2.0
"""Inputs that are read once, forward, while they are being decrypted."""

from __future__ import annotations

import errno
import io
from _thread import allocate_lock
from typing import Any, NoReturn, Protocol

from .files import Input

_BLOCK = 1 << 18
"""Bytes that are read ahead for small reads and lines; larger reads go past the buffer."""


class Pipe(Protocol):
    """Where a stream's bytes come from."""

    def readinto(self, buffer: Any) -> int:
        """Wait for bytes and fill some of ``buffer``; return how many, 0 at the end."""

    def read(self, size: int) -> bytes:
        """Return ``size`` bytes, fewer only at the end."""


class StreamInput(Input):
    """One declared input that is a stream: the verbs of ``Input``, read once and forward.

    Nothing is kept of what was read, so the input may be larger than the task's memory. What needs all of it at once
    (``text``, ``csv``, ``json``, ``numpy``, ``read`` without a size) reads it into memory.

    Args:
        name: the declared name.
        size: bytes that it has.
        pipe: where they come from.

    Example:
        >>> table = StreamInput("table", 8, io.BytesIO(b"a,b\\n1,2\\n"))
        >>> table.readline(), table.tell()
        (b'a,b\\n', 4)
        >>> list(table)
        [b'1,2\\n']
    """

    def __init__(self, name: str, size: int, pipe: Pipe) -> None:
        super().__init__(name, b"")
        self._pipe = pipe
        self._total = size
        self._ahead = memoryview(b"")  # read, not given out yet
        self._lock = allocate_lock()

    def __repr__(self) -> str:
        return f"<input {self.name!r}, {self.size} bytes, a stream>"

    @property
    def size(self) -> int:
        """Size in bytes."""
        return self._total

    def seekable(self) -> bool:
        """Always false, though ``seek`` goes forward."""
        return False

    def read(self, size: int | None = -1, /) -> bytes:
        """Return the next ``size`` bytes, or all that are left; fewer at the end.

        Raises:
            MemoryError: they do not fit into the task's memory.
            OSError: the stream ended early; the task fails, and its error says why.
        """
        with self._lock:
            self._check_open()
            rest = self.size - self._position
            return self._take(rest if size is None or size < 0 else min(size, rest))

    def read1(self, size: int | None = -1, /) -> bytes:
        """Return some of the next bytes, at most ``size``: those that are there, or the first to come."""
        with self._lock:
            self._check_open()
            self._look_ahead()
            return self._give(len(self._ahead) if size is None or size < 0 else size)

    def readinto(self, buffer: Any, /) -> int:
        """Fill ``buffer`` with the next bytes; return how many there were."""
        with self._lock:
            self._check_open()
            target = memoryview(buffer).cast("B")
            count = min(len(target), len(self._ahead))
            target[:count] = self._give(count)
            wanted = min(len(target), count + self.size - self._position)
            while count < wanted:
                if wanted - count >= _BLOCK:
                    got = self._pipe.readinto(target[count:wanted])
                    self._arrived(got)
                    self._position += got
                else:
                    self._look_ahead()
                    got = min(wanted - count, len(self._ahead))
                    target[count:count + got] = self._give(got)
                count += got
            return count

    def readinto1(self, buffer: Any, /) -> int:
        """Fill ``buffer`` with some of the next bytes; return how many there were."""
        target = memoryview(buffer).cast("B")
        data = self.read1(len(target))
        target[:len(data)] = data
        return len(data)

    def readline(self, size: int | None = -1, /) -> bytes:
        """Return bytes up to and including the next line feed, at most ``size``."""
        with self._lock:
            self._check_open()
            limit = self.size if size is None or size < 0 else size
            parts: list[bytes] = []
            while limit > 0:
                self._look_ahead()
                block = self._ahead.obj
                start = len(block) - len(self._ahead)
                found = block.find(b"\n", start, start + limit)
                part = self._give(found + 1 - start if found >= 0 else min(limit, len(self._ahead)))
                parts.append(part)
                limit -= len(part)
                if found >= 0 or not part:
                    break
            return parts[0] if len(parts) == 1 else b"".join(parts)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move forward, by reading what lies between.

        Raises:
            io.UnsupportedOperation: the place is behind the present one.
        """
        with self._lock:
            self._check_open()
            base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}.get(whence)
            if base is None:
                raise ValueError(f"whence must be 0, 1 or 2, not {whence!r}")
            target = min(base + offset, self.size)
            if target < self._position:
                self._refuse(f"go back from byte {self._position} to byte {target}")
            while self._position < target:
                self._look_ahead()
                self._give(target - self._position)
            return self._position

    def buffer(self) -> memoryview:
        """Not for a stream: its bytes are never in memory all at once.

        Raises:
            io.UnsupportedOperation: always.
        """
        self._refuse("give all bytes as one buffer")

    def _content(self) -> bytes:
        if self._position > 0:
            self._refuse(f"give all of its content after {self._position} bytes of it were read")
        return self.read()

    def _refuse(self, what: str) -> NoReturn:
        raise io.UnsupportedOperation(
            f"input {self.name!r} can not {what}: it is declared as a stream, which is read once and forward; keep what "
            "was read, or declare the input without stream")

    def _arrived(self, count: int) -> None:
        if count == 0:
            raise OSError(errno.EIO, f"input {self.name!r} ended after {self._position + len(self._ahead)} of {self.size} "
                                     "bytes: it was not delivered completely")

    def _look_ahead(self) -> None:
        """Have at least a byte ahead, unless this is the end."""
        left = self.size - self._position
        if len(self._ahead) == 0 and left > 0:
            block = bytearray(min(_BLOCK, left))
            got = self._pipe.readinto(block)
            self._arrived(got)
            del block[got:]
            self._ahead = memoryview(block)

    def _give(self, size: int) -> bytes:
        """Return at most ``size`` of the bytes ahead."""
        data = bytes(self._ahead[:max(size, 0)])
        self._ahead = self._ahead[len(data):]
        self._position += len(data)
        return data

    def _take(self, size: int) -> bytes:
        if size <= len(self._ahead):
            return self._give(size)
        ahead = len(self._ahead)
        if ahead == 0 and size < _BLOCK // 2:
            self._look_ahead()
            if size <= len(self._ahead):
                return self._give(size)
            ahead = len(self._ahead)
        try:
            more = self._pipe.read(size - ahead)
        except MemoryError:
            raise MemoryError(f"{size} bytes of input {self.name!r} do not fit into the task's memory; it is a stream, so "
                              "read it in pieces, or raise limits.memory_bytes") from None
        if len(more) < size - ahead:
            self._arrived(0)
        head = self._give(ahead)
        self._position += len(more)
        return head + more if head else more
