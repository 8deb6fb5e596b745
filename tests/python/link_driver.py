# SPDX-License-Identifier: Apache-2.0
"""The link of docs/protocol.md section 9 in Python: plays the host's or an enclave program's side in tests.

Written from the specification, not from the C code, so that the two check each other.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass, field
from waiting import ready

HELLO, NOTE, OPEN, DATA, CREDIT, END, RESET = range(1, 8)
CONNECTION, PUT, GET, DELETE, COLLATERAL = range(1, 6)
NOTE_LOG, NOTE_READY, NOTE_DRAIN, NOTE_DIED = range(1, 5)
WINDOW = 512 * 1024
FRAME_MAX = 65536


def frame(stream: int, kind: int, payload: bytes = b"") -> bytes:
    """One frame, well formed or not: nothing is checked."""
    return struct.pack(">IBBI", stream, kind, 0, len(payload)) + payload


def hello(role: str, version: int = 1) -> bytes:
    return frame(0, HELLO, b"cella link" + struct.pack(">HB", version, ord(role)))


def field_of(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


@dataclass
class Stream:
    """What is known of one stream. `received` grows; `take` empties it and gives credit back."""

    link: "Link"
    id: int
    kind: int
    arguments: bytes = b""
    send_credit: int = WINDOW
    receive_credit: int = WINDOW
    received: bytearray = field(default_factory=bytearray)
    unsent: bytearray = field(default_factory=bytearray)
    end_wanted: bool = False
    ended_here: bool = False
    ended_there: bool = False
    reset: int | None = None

    def send(self, data: bytes) -> None:
        self.unsent += data
        self.link._push(self)

    def end(self) -> None:
        self.end_wanted = True
        self.link._push(self)

    def cancel(self, status: int = 601) -> None:
        self.link.write(frame(self.id, RESET, struct.pack(">I", status)))
        self.reset = status
        self.link.streams.pop(self.id, None)

    def take(self, size: int | None = None) -> bytes:
        size = len(self.received) if size is None else min(size, len(self.received))
        data = bytes(self.received[:size])
        del self.received[:size]
        if data and not self.ended_there:
            self.receive_credit += size
            self.link.write(frame(self.id, CREDIT, struct.pack(">I", size)))
        return data

    @property
    def over(self) -> bool:
        return self.reset is not None or (self.ended_here and self.ended_there)


class Link:
    """One end of a link over a blocking socket. Call `step` to read what is there."""

    def __init__(self, sock: socket.socket, side: str, role: str = "M") -> None:
        self.sock = sock
        self.side = side
        self.next_id = 1 if side == "enclave" else 2
        self.streams: dict[int, Stream] = {}
        self.opened: list[Stream] = []
        self.notes: list[tuple[int, bytes]] = []
        self.role: str | None = None
        self.closed = False
        self._in = bytearray()
        self._out = bytearray()
        sock.setblocking(False)
        if side == "enclave":
            self.write(hello(role))

    def fileno(self) -> int:
        return self.sock.fileno()

    def write(self, data: bytes) -> None:
        self._out += data
        self._flush()

    def _flush(self) -> None:
        try:
            while self._out:
                count = self.sock.send(self._out[:262144])
                del self._out[:count]
        except BlockingIOError:
            pass
        except (BrokenPipeError, ConnectionResetError):
            self.closed = True
            self._out.clear()

    def open(self, kind: int, arguments: bytes = b"") -> Stream:
        stream = Stream(self, self.next_id, kind, arguments)
        self.next_id += 2
        self.streams[stream.id] = stream
        self.write(frame(stream.id, OPEN, bytes([kind]) + arguments))
        return stream

    def note(self, kind: int, payload: bytes = b"") -> None:
        self.write(frame(0, NOTE, bytes([kind]) + payload))

    def _push(self, stream: Stream) -> None:
        while stream.unsent and stream.send_credit and stream.reset is None:
            size = min(len(stream.unsent), stream.send_credit, FRAME_MAX)
            self.write(frame(stream.id, DATA, bytes(stream.unsent[:size])))
            del stream.unsent[:size]
            stream.send_credit -= size
        if stream.end_wanted and not stream.unsent and not stream.ended_here:
            stream.ended_here = True
            self.write(frame(stream.id, END))

    def step(self, timeout: float = 0.0) -> bool:
        """Read and handle what arrives within timeout. False when nothing did."""
        if self.closed:
            return False
        readable, writable = ready([self.sock], [self.sock] if self._out else [], timeout)
        if writable:
            self._flush()
        if not readable:
            return bool(writable)
        try:
            data = self.sock.recv(262144)
        except BlockingIOError:
            return False
        except ConnectionResetError:
            data = b""
        if not data:
            self.closed = True
            return False
        self._in += data
        while len(self._in) >= 10:
            stream, kind, zero, size = struct.unpack_from(">IBBI", self._in)
            assert zero == 0 and size <= FRAME_MAX, "malformed frame"
            if len(self._in) < 10 + size:
                break
            payload = bytes(self._in[10 : 10 + size])
            del self._in[: 10 + size]
            self._handle(stream, kind, payload)
        return True

    def _handle(self, id: int, kind: int, payload: bytes) -> None:
        if kind == HELLO:
            assert self.side == "host" and id == 0 and payload[:10] == b"cella link"
            self.role = chr(payload[12])
            return
        if kind == NOTE:
            self.notes.append((payload[0], payload[1:]))
            return
        if kind == OPEN:
            stream = Stream(self, id, payload[0], payload[1:])
            self.streams[id] = stream
            self.opened.append(stream)
            return
        stream = self.streams.get(id)
        if stream is None:
            return
        if kind == DATA:
            assert payload and not stream.ended_there, "empty data, or data after end"
            stream.receive_credit -= len(payload)
            assert stream.receive_credit >= 0, "peer sent beyond its credit"
            stream.received += payload
        elif kind == CREDIT:
            stream.send_credit += struct.unpack(">I", payload)[0]
            assert stream.send_credit <= WINDOW, "credit beyond the window"
            self._push(stream)
        elif kind == END:
            stream.ended_there = True
        elif kind == RESET:
            stream.reset = struct.unpack(">I", payload)[0]
        else:
            raise AssertionError(f"frame of type {kind}")
        if stream.over:
            self.streams.pop(id, None)

    def run_until(self, condition, timeout: float = 10.0) -> None:
        """Step until condition() holds; AssertionError after timeout seconds."""
        import time

        end = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < end, "timed out"
            if self.closed:
                assert condition(), "link closed"
                return
            self.step(0.05)
