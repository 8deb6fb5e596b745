# SPDX-License-Identifier: Apache-2.0
"""Plays the monitor for a real cella-zygote, over the socket of executor/cell/message.h."""

from __future__ import annotations

import array
import dataclasses
import fcntl
import json
import os
import pathlib
import signal
import socket
import struct
import subprocess
import threading
import time
from waiting import ready

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("CELLA_BUILD", ROOT / "build" / "release"))
ZYGOTE = BUILD / "bin" / "cella-zygote"
PROFILES = BUILD / "bin" / "profiles"

SPAWN, READY, CELL, EXIT = 1, 2, 3, 4
TASK, LOG, PROGRESS, RESULT, ERROR, DONE, HERE = 1, 2, 3, 4, 5, 6, 7
PYTHON, BUILTIN = 1, 2
LAYERS = ("namespaces", "landlock", "seccomp", "capabilities", "rlimits", "undumpable", "cgroup")
STATUS = {
    101: "INTERNAL", 102: "NO_MEMORY", 106: "SYSTEM_FAILED", 201: "BAD_FORMAT", 209: "TOO_LARGE", 211: "BAD_ARGUMENT",
    212: "BAD_SCRIPT", 512: "LIMIT_MEMORY", 513: "LIMIT_OUTPUT", 514: "LIMIT_RESULT", 701: "SCRIPT_FAILED",
    702: "BAD_RESULT", 703: "OUTPUT_MISSING", 707: "BUILTIN_FAILED", 706: "CANCELLED",
}
_SEALS = 0x1 | 0x2 | 0x4 | 0x8  # SEAL, SHRINK, GROW, WRITE


@dataclasses.dataclass
class Limits:
    """Limits of a task, small enough for tests."""

    cpu_s: int = 5
    wall_s: int = 20
    memory_bytes: int = 256 << 20
    output_bytes: int = 16 << 20
    result_bytes: int = 65536
    log_bytes: int = 65536
    threads: int = 4


@dataclasses.dataclass
class Report:
    """What a task came to. ``status`` is DONE, a status name, or DIED with the wait status in ``exit``."""

    status: str = "DIED"
    result: object = None
    log: str = ""
    progress: list = dataclasses.field(default_factory=list)
    line: int = 0
    exception: str = ""
    message: str = ""
    traceback: str = ""
    outputs: dict = dataclasses.field(default_factory=dict)
    exit: dict | None = None
    timed_out: bool = False

    @property
    def signal(self) -> int:
        """Signal that ended the cell, or 0."""
        return os.WTERMSIG(self.exit["status"]) if os.WIFSIGNALED(self.exit["status"]) else 0


def _field(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def task_text(kind: int, entry: str, source: bytes, arguments: bytes, limits: Limits, inputs: list[tuple[str, int, int]],
              outputs: list[str], clock: int = 0) -> bytes:
    """The content of a task's memory file."""
    parts = [struct.pack(">IB", 2, kind), _field(entry.encode()), _field(source), _field(arguments),
             struct.pack(">IIQQIII", limits.cpu_s, limits.wall_s, limits.memory_bytes, limits.output_bytes,
                         limits.result_bytes, limits.log_bytes, limits.threads),
             struct.pack(">BH", clock, len(inputs))]
    parts += [_field(name.encode()) + struct.pack(">BQ", form, size) for name, form, size in inputs]
    parts += [struct.pack(">H", len(outputs))] + [_field(name.encode()) for name in outputs]
    return b"".join(parts)


def memory_file(content: bytes, seal: bool = True) -> int:
    """A memory file with this content, sealed as the courier does."""
    file = os.memfd_create("test", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    view = memoryview(content)
    while view:
        view = view[os.write(file, view):]
    if seal:
        fcntl.fcntl(file, 1033, _SEALS)  # F_ADD_SEALS
    return file


@dataclasses.dataclass
class Streamed:
    """An input that is a stream.

    Attributes:
        content: what comes through the pipe.
        size: what is announced; None: what comes.
        pause: seconds between blocks.
        end: whether the pipe is closed at the end.
    """

    content: bytes
    size: int | None = None
    block: int = 65536
    pause: float = 0.0
    end: bool = True

    def open(self) -> int:
        """The read end of a pipe into which a thread writes."""
        reader, writer = os.pipe2(os.O_CLOEXEC)
        threading.Thread(target=self._write, args=(writer,), daemon=True).start()
        return reader

    def _write(self, writer: int) -> None:
        try:
            for at in range(0, len(self.content), self.block):
                view = memoryview(self.content)[at:at + self.block]
                while view:
                    view = view[os.write(writer, view):]
                time.sleep(self.pause)
        except BrokenPipeError:
            pass
        if self.end:
            os.close(writer)


def _described(name: str, content: bytes | Streamed | None) -> tuple[str, int, int]:
    if isinstance(content, Streamed):
        return name, 2, len(content.content) if content.size is None else content.size
    return name, int(content is not None), len(content or b"")


class Cell:
    """A cell; ``layers`` is set when it has said HERE."""

    def __init__(self, number: int, link: socket.socket, handle: int) -> None:
        self.number = number
        self.link = link
        self.handle = handle
        self.layers: set[str] | None = None
        self.pid = 0
        self.kib = 0

    def hear(self, timeout: float = 20) -> None:
        """Wait for HERE, and for the process id that the kernel vouches for."""
        if not ready([self.link], [], timeout)[0]:
            raise TimeoutError("the cell is silent")
        packet, ancillary, _, _ = self.link.recvmsg(100, 100)
        if not packet:
            raise EOFError("the cell died before it was there")
        if packet[0] != HERE or ancillary[0][1] != socket.SCM_CREDENTIALS:
            raise RuntimeError("the cell's first message is not HERE with credentials")
        bits, self.kib = struct.unpack(">II", packet[1:])
        self.layers = {name for bit, name in enumerate(LAYERS) if bits >> bit & 1}
        self.pid = struct.unpack("iII", ancillary[0][2])[0]

    def send(self, *descriptors: int) -> None:
        """Send TASK."""
        self.link.sendmsg([bytes([TASK])], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))])

    def kill(self) -> None:
        """End it as the monitor does."""
        try:
            signal.pidfd_send_signal(self.handle, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def close(self) -> None:
        """Close this side's descriptors."""
        self.link.close()
        if self.handle >= 0:
            os.close(self.handle)
            self.handle = -1


class ZygoteDriver:
    """A running zygote of one profile: one of this repository by name, or a file."""

    def __init__(self, profile: str | pathlib.Path = "python", stderr: int | None = None) -> None:
        self.link, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        number = far.fileno()
        file = profile if isinstance(profile, pathlib.Path) else PROFILES / f"{profile}.json"
        self.process = subprocess.Popen(
            ["/bin/bash", "-c", f'exec "$0" "$@" 3<&{number}', ZYGOTE, "--profile", file],
            pass_fds=(number,), stderr=stderr)
        far.close()
        self.exits: dict[int, dict] = {}
        self.cells: list[Cell] = []
        packet = self._receive(60)
        if packet[0] != READY:
            raise RuntimeError("the zygote said something else instead of READY")
        bits, size = struct.unpack_from(">II", packet, 1)
        self.layers = {name for bit, name in enumerate(LAYERS) if bits >> bit & 1}
        self.profile = packet[9:9 + size].decode()
        self.version = packet[13 + size:].decode()

    def __enter__(self) -> ZygoteDriver:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """End the zygote by closing its socket, as a dying monitor would."""
        for cell in self.cells:
            cell.close()
        self.link.close()
        self.process.wait(20)

    def _receive(self, timeout: float) -> bytes:
        if not ready([self.link], [], timeout)[0]:
            raise TimeoutError("the zygote is silent")
        packet, ancillary, _, _ = self.link.recvmsg(65536, 1024)
        if not packet:
            raise EOFError("the zygote is gone")
        if packet[0] == CELL:
            link, handle = struct.unpack("ii", ancillary[0][2][:8])
            self.cells.append(Cell(struct.unpack(">Q", packet[1:])[0],
                                   socket.socket(fileno=link), handle))
        elif packet[0] == EXIT:
            number, status, user, system, peak = struct.unpack(">QIQQQ", packet[1:])
            self.exits[number] = {"status": status, "user_us": user, "system_us": system, "peak_kib": peak}
        return packet

    def spawn(self, count: int = 1, timeout: float = 60, warm: bool = True) -> list[Cell]:
        """Ask for cells and wait until they are there."""
        have = len(self.cells)
        self.link.send(struct.pack(">BHB", SPAWN, count, warm))
        while len(self.cells) < have + count:
            self._receive(timeout)
        for cell in self.cells[have:]:
            cell.hear(timeout)
        return self.cells[have:]

    def take(self) -> Cell:
        """A warm cell."""
        if not self.cells:
            self.spawn()
        return self.cells.pop(0)

    def wait_exit(self, cell: Cell, timeout: float = 20) -> dict:
        """Wait for the zygote's EXIT of a cell."""
        while cell.number not in self.exits:
            self._receive(timeout)
        return self.exits.pop(cell.number)

    def start(self, source: str | bytes, entry: str = "main", arguments: dict | str | None = None,
              inputs: dict[str, bytes | Streamed | None] | None = None, outputs: list[str] | None = None,
              limits: Limits | None = None, kind: int = PYTHON, seal: bool = True, clock: int = 0) -> tuple[Cell, dict[str, int]]:
        """Send a task to a warm cell; return the cell and the outputs' memory files."""
        limits = limits or Limits()
        inputs = inputs or {}
        outputs = outputs or []
        text = arguments if isinstance(arguments, str) else json.dumps(arguments or {})
        source = source.encode() if isinstance(source, str) else source
        cell = self.take()
        described = [_described(name, content) for name, content in inputs.items()]
        files = [memory_file(task_text(kind, entry, source, text.encode(), limits, described, outputs, clock))]
        files += [content.open() if isinstance(content, Streamed) else memory_file(content, seal)
                  for content in inputs.values() if content is not None]
        targets = {name: memory_file(b"", seal=False) for name in outputs}
        cell.send(*files, *targets.values())
        for file in files:
            os.close(file)
        return cell, targets

    def collect(self, cell: Cell, targets: dict[str, int], timeout: float = 20) -> Report:
        """Read a task's messages to the end; kill the cell when it takes longer."""
        report = Report()
        result = log = b""
        deadline = time.monotonic() + timeout
        while True:
            left = deadline - time.monotonic()
            if not ready([cell.link], [], left)[0]:
                cell.kill()
                report.timed_out = True
                break
            try:
                packet = cell.link.recv(65536)
            except ConnectionResetError:
                packet = b""
            if not packet:
                break
            kind, body = packet[0], packet[1:]
            if kind in (ERROR, DONE):
                cell.kill()  # the last word: the cell waits for it
            if kind == LOG:
                log += body
            elif kind == PROGRESS:
                report.progress.append((struct.unpack(">H", body[:2])[0], body[2:].decode()))
            elif kind == RESULT:
                result += body
            elif kind == ERROR:
                status, report.line, size = struct.unpack_from(">III", body)
                report.status = STATUS.get(status, str(status))
                texts, position = [], 8
                for _ in range(3):
                    size = struct.unpack_from(">I", body, position)[0]
                    texts.append(body[position + 4:position + 4 + size].decode())
                    position += 4 + size
                report.exception, report.message, report.traceback = texts
            elif kind == DONE:
                report.status = "DONE"
                report.result = json.loads(result)
            else:
                raise RuntimeError(f"unknown message {kind}")
        report.log = log.decode("utf-8", "replace")
        for name, file in targets.items():
            size = os.fstat(file).st_size
            report.outputs[name] = os.pread(file, min(size, 1 << 26), 0)
            os.close(file)
        report.exit = self.wait_exit(cell)
        cell.close()
        return report

    def run(self, source: str | bytes, *arguments: object, timeout: float = 20, **options: object) -> Report:
        """Run one task in a fresh cell."""
        return self.collect(*self.start(source, *arguments, **options), timeout=timeout)
