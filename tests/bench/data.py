# SPDX-License-Identifier: Apache-2.0
"""Much data: up, through a task that copies it, and down, beside age for the same bytes."""

from __future__ import annotations

import json
import os
import pathlib
import resource
import subprocess
import time
from collections.abc import Callable

import cella
from cella.encoding import write_json
from measure import Options, Row, Sample, interleave, program, timed
from programs import PYTHON, Host, folder_in, memory, processes

COPIER = "def main(data, copy):\n    while block := data.read(1 << 20):\n        copy.write(block)\n    return len(data)\n"
FIRST = "import time\n\ndef main(data):\n    data.read(1)\n    return time.time()\n"
COPY = "import sys\nwhile block := sys.stdin.buffer.read(1 << 20): sys.stdout.buffer.write(block)\n"
FIRST_HERE = "import sys, time\nsys.stdin.buffer.read(1)\nprint(time.time())\n"


class Age:
    """age with a key of its own: what one would pipe data through otherwise."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.there = program("age") is not None and program("age-keygen") is not None
        if self.there:
            (folder / "copy.py").write_text(COPY)
            (folder / "first.py").write_text(FIRST_HERE)
            subprocess.run(["age-keygen", "-o", folder / "key"], check=True, capture_output=True)
            self.recipient = subprocess.check_output(["age-keygen", "-y", folder / "key"], text=True).strip()

    def encrypt(self, plain: pathlib.Path) -> None:
        """A file into another, as an upload stores it."""
        subprocess.run(["age", "-r", self.recipient, "-o", self.folder / "in.age", plain], check=True)
        _sync(self.folder / "in.age")

    def decrypt(self) -> None:
        """The copy into a file, as a download saves it."""
        subprocess.run(["age", "-d", "-i", self.folder / "key", "-o", self.folder / "back", self.folder / "out.age"], check=True)
        _sync(self.folder / "back")

    def copy(self) -> None:
        """The pipe: decrypt, copy, encrypt, each a process."""
        self._pipe("copy.py", ["age", "-r", self.recipient, "-o", self.folder / "out.age"])
        _sync(self.folder / "out.age")

    def first_byte(self) -> float:
        """Milliseconds from the start of the pipe to its first byte in Python."""
        begun = time.time()
        return (float(self._pipe("first.py", None)) - begun) * 1000

    def _pipe(self, script: str, end: list[str | os.PathLike[str]] | None) -> bytes:
        decrypt = subprocess.Popen(["age", "-d", "-i", self.folder / "key", self.folder / "in.age"], stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL)
        work = subprocess.Popen([PYTHON, self.folder / script], stdin=decrypt.stdout, stdout=subprocess.PIPE)
        assert decrypt.stdout is not None and work.stdout is not None
        decrypt.stdout.close()
        if end is None:
            said = work.communicate()[0]
        else:
            last = subprocess.Popen(end, stdin=work.stdout)
            work.stdout.close()
            said = b""
            if last.wait() != 0:
                raise RuntimeError("age failed")
        work.wait()
        decrypt.wait()
        return said


def _sync(path: pathlib.Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


class Work:
    """What is measured of Cella: one executor, one client, one file."""

    def __init__(self, host: Host, size: int) -> None:
        self.host = host
        self.executor = host.connect()
        self.plain = host.state / "plain"
        block = os.urandom(1 << 20)
        with open(self.plain, "wb") as file:
            for number in range(size >> 20):
                file.write(number.to_bytes(8, "big") + block[8:])
        self.data = self.executor.data.add(self.plain)
        self.task: cella.Task | None = None
        self._functions = {}
        for stream in (False, True):
            for name, source in (("copy", COPIER), ("first", FIRST)):
                self._functions[name, stream] = self._register(name, source, stream)

    def _register(self, name: str, source: str, stream: bool) -> str:
        declared = {"name": "data", **({"stream": True} if stream else {})}
        package = {"version": 1, "name": name, "executor": "python", "public": False, "profile": "python", "entry": "main",
                   "source": source, "inputs": [declared], "outputs": [{"name": "copy"}] if name == "copy" else []}
        return self.executor.functions.register(write_json(package))

    def upload(self) -> None:
        """Encrypt, register, send; the host has it on its disk."""
        self.executor.data.add(self.plain)

    def copy(self, stream: bool) -> None:
        """A task from its creation to its end."""
        self.task = self.executor.tasks.create(self._functions["copy", stream], inputs={"data": self.data},
                                               outputs={"copy": None}, invoke=True).wait(timeout=600)

    def first_byte(self, stream: bool) -> float:
        """Milliseconds from the creation of a task to the script's first byte."""
        begun = time.time()
        task = self.executor.tasks.create(self._functions["first", stream], inputs={"data": self.data}, invoke=True)
        return (float(task.wait(timeout=600).result()) - begun) * 1000

    def download(self) -> None:
        """Fetch, decrypt and save what the copy made."""
        assert self.task is not None
        self.task.outputs["copy"].save(self.host.state / "saved")

    def same(self) -> bool:
        """Whether what was saved is what was sent."""
        return subprocess.run(["cmp", "-s", self.plain, self.host.state / "saved"]).returncode == 0


def _cpu_s(host: Host) -> float:
    """Processor time of the host's programs, of those that have ended too, and of this process."""
    ticks = 0
    for process in processes(host.process.pid):
        try:
            fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        ticks += sum(int(field) for field in fields[11:15])
    own = resource.getrusage(resource.RUSAGE_SELF)
    return ticks / os.sysconf("SC_CLK_TCK") + own.ru_utime + own.ru_stime


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _cpu_note(work: Work, action: Callable[[], object], other: Callable[[], object] | None) -> str:
    """Processor time of both sides, once: what other load on the machine does not change."""
    before = _cpu_s(work.host)
    action()
    note = f"processor time {_cpu_s(work.host) - before:.1f} s"
    if other is not None:
        before = _children_s()
        other()
        note += f", age's {_children_s() - before:.1f} s"
    return note


def rows_of(options: Options, work: Work, age: Age, size: int) -> list[Row]:
    """Everything, Cella and age by turns."""
    mebibytes = size >> 20
    peer = age.there
    nothing = lambda: 0.0  # noqa: E731
    count = 2 if options.quick else 3
    pairs: list[tuple[str, Callable[[], object], str, Callable[[], object]]] = [
        ("up, encryption included", work.upload, "age -r to a file", lambda: age.encrypt(work.plain)),
        ("copy task, input in memory", lambda: work.copy(False), "age -d | python3 | age -r", age.copy),
        ("copy task, input as a stream", lambda: work.copy(True), "age -d | python3 | age -r", age.copy),
        ("down, decryption included", work.download, "age -d to a file", age.decrypt),
    ]
    rows = []
    for what, action, name, other in pairs:
        mine, theirs = interleave(count, lambda a=action: timed(a), (lambda o=other: timed(o)) if peer else nothing)
        note = f"{mebibytes / (Sample.of(mine).p50 / 1000):.0f} MiB/s; {_cpu_note(work, action, other if peer else None)}"
        rows.append(Row("data", f"{mebibytes} MiB {what}", "ms", Sample.of(mine), name if peer else "age: not installed",
                        Sample.of(theirs) if peer else None, note=note))
    if not work.same():
        raise RuntimeError("what came back is not what was sent")
    for what, stream in (("in memory", False), ("as a stream", True)):
        mine, theirs = interleave(2 * count, lambda s=stream: work.first_byte(s), age.first_byte if peer else nothing)
        rows.append(Row("data", f"{mebibytes} MiB {what}, from the task's creation to the script's first byte", "ms", Sample.of(mine),
                        "age -d | python3" if peer else "age: not installed", Sample.of(theirs) if peer else None))
    return rows


def measure(options: Options) -> list[Row]:
    """All rows of this subject."""
    size = (64 if options.quick else 1024) << 20
    with Host(options) as host, folder_in(host.state, "age") as folder:
        assert folder is not None
        rows = rows_of(options, Work(host, size), Age(folder), size)
        rows.append(Row("data", "host, peak RSS meanwhile", "MiB", Sample.of([memory(host.process.pid)["peak"] / 1024]),
                        note=json.dumps({one.role: round(memory(one.pid).get("peak", 0) / 1024, 1)
                                         for one in processes(host.process.pid) if one.role in ("front", "monitor")})))
    return rows
