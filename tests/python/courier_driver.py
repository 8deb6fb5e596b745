# SPDX-License-Identifier: Apache-2.0
"""Plays the monitor and the host for a real cella-courier: executor/courier/message.h and docs/protocol.md section 9."""

from __future__ import annotations

import array
import dataclasses
import fcntl
import hashlib
import os
import pathlib
import socket
import struct
import subprocess
import time
from collections.abc import Callable

import link_driver as ld
import teaclave_files
from cella import _native
from front_driver import programs
from waiting import ready

COURIER = pathlib.Path(programs()) / "cella-courier"
FETCH, FETCHED, STORE, STORED, STREAMED, DELETE = 1, 2, 3, 4, 5, 6
MEMORY, STREAM = 1, 2
FORMATS = {"sealed-file": 0, "aes-gcm-128": 1, "aes-gcm-256": 2, "teaclave-file-128": 3}
SEGMENTS = {"4KB": 4096, "1MB": 1 << 20}


def sealed_of(key: bytes, plain: bytes, segment: str = "1MB", label: bytes = b"label") -> bytes:
    """Content as a sealed file."""
    sealer = _native.Sealer(_native.Secret.from_bytes(key), label, segment)
    return sealer.update(plain) + sealer.finish()


def opened_of(key: bytes, sealed: bytes, label: bytes) -> bytes:
    """A sealed file's content."""
    opener = _native.Opener(_native.Secret.from_bytes(key), label, "1MB")
    plain = opener.update(sealed)
    return plain + opener.finish()


@dataclasses.dataclass
class Object:
    """An input: what is registered, and what the host has."""

    plain: bytes
    form: int = MEMORY
    segment: str = "1MB"
    key: bytes = b"k" * 32
    format: str = "sealed-file"

    def __post_init__(self) -> None:
        if self.format == "sealed-file":
            self.registered = sealed_of(self.key, self.plain, self.segment)
        else:
            self.registered = teaclave_files.file_of(self.format, self.key, self.plain)
        self.there = self.registered
        self.id = os.urandom(16).hex()

    @property
    def entry(self) -> bytes:
        """Its part of FETCH."""
        return (b"\x01" + ld.field_of(self.id.encode()) + struct.pack(">QBI", len(self.registered), FORMATS[self.format], SEGMENTS[self.segment])
                + hashlib.sha256(self.registered).digest() + ld.field_of(self.key) + ld.field_of(b"label")
                + bytes([self.form]))


class Courier:
    """A running courier. `step` lets the host answer; `obey` says how it answers a new stream."""

    def __init__(self) -> None:
        self.monitor, monitor = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        host, link = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        numbers = [fcntl.fcntl(end.fileno(), fcntl.F_DUPFD, 200) for end in (monitor, link)]
        self.process = subprocess.Popen(
            ["/bin/bash", "-c", f'exec "$0" 3<&{numbers[0]} 4<&{numbers[1]} {numbers[0]}<&- {numbers[1]}<&-', COURIER],
            pass_fds=numbers, env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})  # its box is too tight for that
        for number in numbers:
            os.close(number)
        monitor.close()
        link.close()
        self.link = ld.Link(host, "host")
        self.objects: dict[str, bytes] = {}
        self.deleted: list[str] = []
        self.put: dict[str, bytearray] = {}
        self.obey: Callable[[Courier, ld.Stream], None] = Courier.serve
        self._receiving: dict[int, str] = {}

    def __enter__(self) -> Courier:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """As a monitor and a host that die."""
        self.monitor.close()
        self.link.sock.close()
        try:
            self.process.wait(20)
        finally:
            self.process.kill()

    # the host

    @staticmethod
    def name_of(stream: ld.Stream) -> str:
        """The object that a stream is about."""
        return stream.arguments[4:36].decode()

    def serve(self, stream: ld.Stream) -> None:
        """As an honest host: GET, PUT and DELETE over `objects`."""
        name = self.name_of(stream)
        if stream.kind == ld.GET:
            content = self.objects.get(name)
            if content is None:
                stream.send(struct.pack(">I", 604))
            else:
                stream.send(struct.pack(">IQ", 0, len(content)) + content)
            stream.end()
        elif stream.kind == ld.PUT:
            self._receiving[stream.id] = name
            self.put[name] = bytearray()
        else:
            self.deleted.append(name)
            self.objects.pop(name, None)
            stream.send(struct.pack(">I", 0))
            stream.end()

    def _receive(self) -> None:
        for number, name in list(self._receiving.items()):
            stream = self.link.streams.get(number)
            if stream is None:
                del self._receiving[number]
                continue
            self.put[name] += stream.take()
            if stream.ended_there:
                self.objects[name] = bytes(self.put.pop(name))
                del self._receiving[number]
                stream.send(struct.pack(">I", 0))
                stream.end()

    def step(self, timeout: float = 0.02) -> None:
        """Let the host do what it can."""
        self.link.step(timeout)
        while self.link.opened:
            self.obey(self, self.link.opened.pop(0))
        self._receive()

    # the monitor

    def fetch(self, *objects: Object) -> None:
        """Send FETCH; the host has the objects."""
        for one in objects:
            self.objects[one.id] = one.there
        self.monitor.send(struct.pack(">BH", FETCH, len(objects)) + b"".join(one.entry for one in objects))

    def store(self, *outputs: tuple[str, int, int, bool], key: bytes = b"o" * 32) -> None:
        """Send STORE: each output a name, a memory file, the most bytes, and whether it is padded."""
        message = struct.pack(">BH", STORE, len(outputs))
        for name, _, most, padded in outputs:
            message += ld.field_of(name.encode()) + ld.field_of(key) + ld.field_of(b"output") + struct.pack(">QB", most, padded)
        files = array.array("i", [file for _, file, _, _ in outputs])
        self.monitor.sendmsg([message], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, files)] if files else [])

    def wait(self, kind: int, timeout: float = 20) -> tuple[int, int, bytes, list[int]]:
        """The next message, which is of this kind: status, index, the rest and descriptors."""
        end = time.monotonic() + timeout
        while not ready([self.monitor], [], 0)[0]:
            assert time.monotonic() < end, "the courier is silent"
            self.step()
        packet, ancillary, _, _ = self.monitor.recvmsg(65536, 4096)
        assert packet, "the courier has left"
        assert packet[0] == kind, f"message {packet[0]} instead of {kind}"
        status, index = struct.unpack_from(">IH", packet, 1)
        descriptors = array.array("i")
        for _, _, data in ancillary:
            descriptors.frombytes(data)
        return status, index, packet[7:], list(descriptors)

    def silent(self, seconds: float = 0.2) -> bool:
        """Whether it says nothing for a while, though the host serves."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.step()
            if ready([self.monitor], [], 0)[0]:
                return False
        return True

    def read(self, pipe: int, size: int = 1 << 30, timeout: float = 20) -> bytes:
        """Read up to size bytes of a stream, or to its end, while the host serves."""
        os.set_blocking(pipe, False)
        content = bytearray()
        end = time.monotonic() + timeout
        while len(content) < size:
            try:
                block = os.read(pipe, min(1 << 20, size - len(content)))
            except BlockingIOError:
                assert time.monotonic() < end, f"the stream stalls after {len(content)} bytes"
                self.step(0.001)
                continue
            if not block:
                break
            content += block
        return bytes(content)

    def peak_kib(self) -> int:
        """Most memory it has had."""
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(text.split("VmHWM:")[1].split()[0])
