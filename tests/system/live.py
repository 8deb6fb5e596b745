# SPDX-License-Identifier: Apache-2.0
"""What the system tests stand on: a running executor, raw connections to it, and requests signed by hand."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import select
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cella
import pytest
from cella import _native
from cella.encoding import to_base64url, write_json

REPOSITORY = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("CELLA_BUILD") or REPOSITORY / "build" / "release")
PROGRAMS = BUILD / "bin"
LONG = os.environ.get("CELLA_TEST_LONG") == "1"
START_S = 90.0
"""Seconds for an executor to start, on a machine that does much else."""

long_only = pytest.mark.skipif(not LONG, reason="takes long; ./run test --long runs it")


# ---- processes ----


@dataclass(frozen=True)
class Process:
    """A process as it was seen: the start time tells it from a later one with the same number."""

    pid: int
    parent: int
    started: int
    name: str
    state: str

    @property
    def alive(self) -> bool:
        """Whether it still runs; one that is only waited for does not."""
        now = process_of(self.pid)
        return now is not None and now.started == self.started and now.state not in "ZX"

    @property
    def high_water_kib(self) -> int:
        """Most memory that it has had resident, in KiB."""
        return int(self._status("VmHWM").split()[0])

    def _status(self, name: str) -> str:
        text = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(rf"^{name}:\s*(.*)$", text, re.MULTILINE)
        assert found is not None, f"{name} of {self}"
        return found.group(1)

    def file(self, name: str) -> bytes:
        """A file of its folder in /proc."""
        return Path(f"/proc/{self.pid}/{name}").read_bytes()

    def kill(self) -> None:
        """SIGKILL."""
        os.kill(self.pid, signal.SIGKILL)


def process_of(pid: int) -> Process | None:
    """A process, or None when there is none of this number."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    name, _, rest = text.partition("(")[2].rpartition(")")
    words = rest.split()
    return Process(pid, int(words[1]), int(words[19]), name, words[0])


def descendants(pid: int) -> list[Process]:
    """All processes below one, parents before their children."""
    every = [process_of(int(entry)) for entry in os.listdir("/proc") if entry.isdigit()]
    children: dict[int, list[Process]] = {}
    for process in every:
        if process is not None:
            children.setdefault(process.parent, []).append(process)
    found: list[Process] = []
    pending = [pid]
    while pending:
        below = children.get(pending.pop(0), [])
        found += below
        pending += [process.pid for process in below]
    return found


def wait_until(condition: Callable[[], Any], seconds: float, what: str) -> Any:
    """Wait for a condition; what it gives. Fails the test after seconds."""
    until = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > until:
            pytest.fail(f"not within {seconds:g} s: {what}")
        time.sleep(0.02)


# ---- the executor ----


class LiveExecutor:
    """A cella-host with everything below it.

    Args:
        folder: where state folder and log are made.
        config: members of a configuration file, which gives soft evidence unless it says otherwise; None for a
            development executor.
        programs: folder of the executor's programs.
        name: of the state folder.
        profiles: that it offers, unless config says which: science takes long to load.
        ready: wait until clients can connect.
        user: number of the user, and of its group, that the host runs as; None for the caller's.
        before: a program that executes the host, with its arguments.
        host_program: another cella-host than the built one.

    Attributes:
        state: the state folder.
        address: HOST:PORT, once it is ready.
    """

    def __init__(
        self,
        folder: Path,
        config: Mapping[str, Any] | None = None,
        *,
        programs: Path = PROGRAMS,
        name: str = "state",
        profiles: str = "python,numpy",
        ready: bool = True,
        user: int | None = None,
        before: Sequence[str] = (),
        host_program: Path = PROGRAMS / "cella-host",
    ) -> None:
        self.state = folder / name
        self.log_path = folder / f"{name}.log"
        self.address = ""
        self._open: list[cella.Executor] = []
        words: list[str | Path] = [*before, host_program, "run"]
        if config is None:
            words += ["--dev", self.state]
        else:
            file = folder / f"{name}.json"
            file.write_text(json.dumps({"state": str(self.state), "platform": "soft", **config}))
            words += ["--config", file]
        if "profiles" not in (config or {}):
            words += ["--profiles", profiles]
        reader, writer = os.pipe()
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [*words, "--programs", programs, "--ready-fd", str(writer)],
                pass_fds=(writer,), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                user=user, group=user, extra_groups=None if user is None else [],
            )
        os.close(writer)
        with open(reader, "rb") as pipe:
            if ready:
                come, _, _ = select.select([pipe], [], [], START_S)
                self.address = pipe.readline().decode().strip() if come else ""
        if ready and not self.address:
            self.close()
            pytest.fail(f"cella-host did not start:\n{self.log()}")

    # Its clients

    @property
    def trust(self) -> Path:
        """The trust file that the host wrote."""
        return self.state / "trust.toml"

    @property
    def endpoint(self) -> tuple[str, int]:
        """Host and port."""
        host, _, port = self.address.rpartition(":")
        return host, int(port)

    def client(
        self, identity: cella.Identity | None = None, *, enrol: bool = True, **options: Any
    ) -> cella.Executor:
        """A new party, enrolled; or another client of a known one."""
        made = cella.connect(self.address, self.trust, identity or cella.Identity.generate(), **options)
        self._open.append(made)
        if enrol:
            made.enrol()
        return made

    def raw(self, **options: Any) -> RawConnection:
        """A TLS connection that does what the test says."""
        return RawConnection(self.endpoint, **options)

    # What it is made of

    def below(self) -> list[Process]:
        """Every process of the executor. The host's own one for the ledger is none of it: role("ledger")."""
        return [process for process in descendants(self.process.pid) if process.name != "cella-ledger"]

    def role(self, name: str) -> list[Process]:
        """Its programs of one kind: host, ledger (the host's), monitor, front, courier, zygote (not the cells below one)."""
        if name == "host":
            host = process_of(self.process.pid)
            return [] if host is None else [host]
        if name == "ledger":
            return [process for process in descendants(self.process.pid) if process.name == "cella-ledger"]
        below = self.below()
        monitors = [process for process in below if process.parent == self.process.pid]
        if name == "monitor":
            return monitors
        parents = {process.pid for process in monitors}
        return [process for process in below if process.parent in parents and process.name == f"cella-{name}"]

    def one(self, name: str) -> Process:
        """The program of a kind of which there is one."""
        return wait_until(lambda: self.role(name), 20, f"a cella-{name} runs")[0]  # type: ignore[no-any-return]

    def zygote(self, profile: str) -> Process:
        """The zygote of a profile."""
        found = [one for one in self.role("zygote") if f"/{profile}.json".encode() in one.file("cmdline")]
        assert len(found) == 1, f"zygotes of {profile}: {found}"
        return found[0]

    def objects(self) -> list[Path]:
        """Files in the store, complete ones and others."""
        return [path for path in (self.state / "store").rglob("*") if path.is_file()]

    def stored(self, size: int, known: Iterable[Path] = ()) -> Path:
        """The one object of a size that is not known already."""
        found = [path for path in self.objects() if path.stat().st_size == size and path not in set(known)]
        assert len(found) == 1, f"{len(found)} objects of {size} bytes"
        return found[0]

    def log(self) -> str:
        """What the host has said so far."""
        return self.log_path.read_text(errors="replace")

    def wait_for_log(self, pattern: str, seconds: float = 20, after: int = 0) -> str:
        """Wait for a line that matches; the line. after: characters of the log that do not count."""

        def line() -> str:
            found = re.search(pattern, self.log()[after:])
            return found.group(0) if found else ""

        return str(wait_until(line, seconds, f"the log says {pattern!r}; it says\n{self.log()[after:]}"))

    def serves(self) -> None:
        """A new party gets a task done."""
        assert echo(self.client(), "still here") == "still here"

    # Its end

    def terminate(self) -> None:
        """SIGTERM."""
        self.process.send_signal(signal.SIGTERM)

    def wait(self, seconds: float = 30) -> int:
        """Its exit status."""
        return self.process.wait(seconds)

    def kill(self) -> None:
        """SIGKILL the host alone."""
        self.process.kill()
        self.process.wait(10)

    def close(self) -> int:
        """End it: SIGTERM, a second one when tasks keep it, SIGKILL when nothing helps. The exit status."""
        self.tidy()
        for patience in (3, 20):
            if self.process.poll() is None:
                self.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    return self.wait(patience)
        if self.process.poll() is None:
            self.kill()
        self._remove_groups()
        return self.process.returncode

    def _remove_groups(self) -> None:
        """What a host that was killed has left, and the next one on its state folder would remove."""
        record = self.state / "groups"
        for group in map(Path, record.read_text().split()) if record.exists() else ():
            for below in [*group.glob("*/"), group]:
                with contextlib.suppress(OSError):
                    below.rmdir()

    def tidy(self) -> None:
        """Close the connections of its clients; they connect again when they are used."""
        for one in self._open:
            one.close()
        self._open.clear()


@contextlib.contextmanager
def running(folder: Path, config: Mapping[str, Any] | None = None, **options: Any) -> Iterator[LiveExecutor]:
    """An executor for a block."""
    live = LiveExecutor(folder, config, **options)
    try:
        yield live
    finally:
        live.close()


def host(*words: str | Path, seconds: float = 30) -> subprocess.CompletedProcess[str]:
    """Run cella-host to its end."""
    return subprocess.run(
        [PROGRAMS / "cella-host", *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds
    )


# ---- sealed files ----


def sealed_bytes(key: cella.DataKey, content: bytes) -> bytes:
    """Content as a sealed file."""
    sealer = _native.Sealer(key.key, key.associated_data, key.segment)
    return sealer.update(content) + sealer.finish()


def throw_away(data: bytes) -> None:
    """Where a download goes that is to be refused."""


# ---- small tasks ----


def parse(source: str) -> cella.Script:
    """A script from its text."""
    return cella.Script.parse(source, "main.py")


def package_of(text: str, **declared: Any) -> bytes:
    """A package of a script that nobody looked at before: what Script refuses can be in it.

    Args:
        text: of the script.
        declared: members of the package that differ from the default.
    """
    content = {
        "version": 1, "name": "main", "executor": "python", "public": False, "profile": "python", "entry": "main",
        "source": text, "inputs": [], "outputs": [], "arguments": [],
    }
    return write_json({**content, **declared})


def files(*names: str) -> list[dict[str, Any]]:
    """Declarations of inputs or outputs; a name that ends in ? is optional."""
    return [{"name": name.rstrip("?"), "optional": name.endswith("?")} for name in names]


def script_task(
    executor: cella.Executor,
    source: str,
    *,
    inputs: Mapping[str, bytes] | None = None,
    outputs: Sequence[str] = (),
    arguments: Mapping[str, Any] | None = None,
    limits: Mapping[str, int] | None = None,
    invoke: bool = True,
    messages: Sequence[str] | None = None,
    isolation: Mapping[str, str] | None = None,
    **declared: Any,
) -> cella.Task:
    """A task of the caller alone, sent as it is, without the checks that the client makes before it sends."""
    inputs, arguments = dict(inputs or {}), dict(arguments or {})
    package = package_of(
        source, inputs=files(*inputs), outputs=files(*outputs), arguments=[{"name": name} for name in arguments], **declared
    )
    return executor.tasks.create(
        executor.functions.register(package),
        arguments=arguments,
        inputs={name: executor.data.add(content, name) for name, content in inputs.items()},
        outputs={name: None for name in outputs},
        limits=limits,
        messages=messages,
        invoke=invoke,
        isolation=isolation,
    )


def echo(executor: cella.Executor, message: str) -> Any:
    """The shortest whole way of a task: the builtin echo."""
    from cella.functions import builtin_package

    function = executor.functions.register(builtin_package("echo", arguments=["message"]))
    return executor.tasks.create(function, arguments={"message": message}, invoke=True).wait(timeout=60).result()


SLEEP = "import cella, time\ndef main(seconds=600.0):\n    cella.progress(0.5)\n    time.sleep(seconds)\n    return 'slept'\n"


def sleeper(executor: cella.Executor, seconds: float = 600.0) -> cella.Task:
    """A task that is running now and sleeps."""
    task = script_task(executor, SLEEP, arguments={"seconds": seconds})
    return until_running(task)


def until_running(task: cella.Task) -> cella.Task:
    """Wait until a task runs: it may still be waiting for its inputs or a cell."""
    wait_until(lambda: task.refresh().state == "running", 30, f"{task.id} runs")
    return task


def until_in_cell(task: cella.Task) -> cella.Task:
    """Wait until a script that reports progress has done so: now it is in a cell."""
    wait_until(lambda: task.refresh().facts.get("progress", {}).get("fraction", 0) > 0, 30, f"{task.id} is in a cell")
    return task


@contextlib.contextmanager
def refused(*codes: str, line: int | None = None, text: str = "") -> Iterator[pytest.ExceptionInfo[cella.CellaError]]:
    """A block that must end in an error of Cella.

    Args:
        codes: one of these.
        line: that the error names.
        text: that is in its message.
    """
    with pytest.raises(cella.CellaError) as caught:
        yield caught
    error = caught.value
    assert error.code in codes, f"{error.code} instead of {' or '.join(codes)}: {error}"
    if line is not None:
        assert error.line == line, f"line {error.line} instead of {line}: {error}"
    assert text in str(error), f"{text!r} is not in: {error}"


# ---- requests by hand ----

_sequence = itertools.count(time.time_ns() // 1000)


def payload_of(executor: str, op: Any, args: Any, **members: Any) -> bytes:
    """A request's payload as text; members replace, a member that is None is left out."""
    content = {"op": op, "aud": executor, "seq": next(_sequence), "time": int(time.time()), "args": args}
    content.update(members)
    return json.dumps({name: value for name, value in content.items() if value is not None}).encode()


def compact(header: bytes, payload: bytes, signature: bytes) -> str:
    """A compact JWS from its parts, right or wrong."""
    return ".".join(to_base64url(part) for part in (header, payload, signature))


@dataclass
class Answer:
    """An HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes = b""

    @property
    def json(self) -> dict[str, Any]:
        """The body as JSON."""
        content = json.loads(self.body)
        assert isinstance(content, dict)
        return content

    @property
    def code(self) -> str:
        """The error's code; "OK" where there is none."""
        if self.status == 200:
            assert set(self.json) != {"error"}
            return "OK"
        error = self.json["error"]
        assert {"code", "number", "category", "message"} <= set(error), error
        return str(error["code"])

    @property
    def field(self) -> str:
        """What the error blames."""
        return str(self.json["error"].get("field", ""))


class RawConnection:
    """TLS without attestation, and HTTP as the test writes it.

    Args:
        endpoint: host and port.
        tls: False for the bare TCP connection.
        newest: the newest version of TLS that is offered.
        seconds: for each step.
    """

    def __init__(
        self,
        endpoint: tuple[str, int],
        *,
        tls: bool = True,
        newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
        seconds: float = 30.0,
    ) -> None:
        self.socket: socket.socket = socket.create_connection(endpoint, seconds)
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            context.maximum_version = newest
            context.set_alpn_protocols(["http/1.1"])
            try:
                self.socket = context.wrap_socket(self.socket)
            except BaseException:
                self.socket.close()
                raise
        self._file = self.socket.makefile("rb")

    def __enter__(self) -> RawConnection:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close without a word."""
        self._file.close()
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send exactly this."""
        self.socket.sendall(data)

    def answer(self) -> Answer:
        """Read one answer. ConnectionError: there is none."""
        line = self._file.readline()
        if not line:
            raise ConnectionResetError("the connection ended without an answer")
        version, status, _ = line.decode("ascii").split(" ", 2)
        assert version == "HTTP/1.1"
        headers: dict[str, str] = {}
        while (line := self._file.readline().strip()) != b"":
            name, _, value = line.decode("ascii").partition(":")
            headers[name.lower()] = value.strip()
        body = self._file.read(int(headers.get("content-length", "0")))
        return Answer(int(status), headers, body)

    def exchange(self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> Answer:
        """One request in the proper form, and its answer."""
        lines = [f"{method} {path} HTTP/1.1", "Host: cella"]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        self.send("\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b""))
        return self.answer()

    def request(self, signed: str | bytes) -> Answer:
        """One signed request."""
        return self.exchange("POST", "/v1/requests", signed.encode("ascii") if isinstance(signed, str) else signed)

    def ended(self) -> bool:
        """Whether the other side ends the connection, within the time of a step, and says nothing more."""
        try:
            return self._file.read(1) == b""
        except (ConnectionError, ssl.SSLError):
            return True


class Hand:
    """A party whose requests are made by hand.

    Attributes:
        identity: its keys.
        client: the same party as an ordinary client.
    """

    def __init__(self, live: LiveExecutor, client: cella.Executor) -> None:
        self.live = live
        self.client = client
        self.identity = client.identity
        self.executor = client.id
        self._connection: RawConnection | None = None

    def sign(self, op: str, args: Any, *, enrol: bool = False, **members: Any) -> str:
        """A signed request; members replace those of the payload."""
        return self.identity.sign_request(payload_of(self.executor, op, args, **members), enrol=enrol)

    def send(self, signed: str | bytes) -> Answer:
        """Send it over a kept connection."""
        for attempt in (1, 2):
            if self._connection is None:
                self._connection = self.live.raw()
            try:
                answer = self._connection.request(signed)
            except OSError:
                self.close()
                if attempt == 2:
                    raise
                continue
            if answer.headers.get("connection") == "close":
                self.close()
            return answer
        raise AssertionError("unreachable")

    def ask(self, op: str, args: Any, **options: Any) -> Answer:
        """Sign and send."""
        return self.send(self.sign(op, args, **options))

    def upload(self, data: str, content: bytes, *, size: int | None = None, **members: Any) -> Answer:
        """PUT an object on a connection of its own."""
        signed = self.sign("object.upload", {"data": data}, **members)
        with self.live.raw() as connection:
            head = f"PUT /v1/objects HTTP/1.1\r\nHost: cella\r\nContent-Length: {len(content) if size is None else size}\r\n"
            connection.send(head.encode() + f"Cella-Request: {signed}\r\n\r\n".encode())
            with contextlib.suppress(ConnectionError, BrokenPipeError, ssl.SSLError):
                connection.send(content)
            return connection.answer()

    def download(self, args: Mapping[str, str]) -> Answer:
        """GET an object on a connection of its own."""
        with self.live.raw() as connection:
            return connection.exchange("GET", "/v1/objects", None, {"Cella-Request": self.sign("object.download", dict(args))})

    def close(self) -> None:
        """Close the kept connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


# ---- the command line ----


@dataclass
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str

    def events(self, kind: str = "") -> list[dict[str, Any]]:
        """The JSON lines on its standard output, of one kind or of all."""
        found = [json.loads(line) for line in self.out.splitlines() if line]
        return [event for event in found if not kind or event["event"] == kind]


@dataclass
class CommandLine:
    """The command cella of one person, with a home folder of its own.

    Attributes:
        home: $HOME, and where it runs.
        environment: more variables.
    """

    home: Path
    environment: dict[str, str] = field(default_factory=dict)

    def __call__(self, *words: str | Path, code: int | None = 0, given: bytes | None = None, seconds: float = 90) -> Ran:
        """Run it. code: the exit code that it must have; None for any."""
        done = subprocess.run(
            [sys.executable, "-m", "cella", *words], cwd=self.home, env=self.variables(), timeout=seconds,
            input=given, stdin=subprocess.DEVNULL if given is None else None, capture_output=True,
        )
        ran = Ran(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))
        if code is not None:
            assert ran.code == code, f"exit code {ran.code} instead of {code}\n{ran.out}\n{ran.err}"
        return ran

    def variables(self) -> dict[str, str]:
        """Its environment."""
        kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "LANG", "TMPDIR") if name in os.environ}
        return {**kept, "HOME": str(self.home), **self.environment}


# ---- many at a time ----


def at_once(calls: Sequence[Callable[[], Any]], seconds: float = 120) -> list[Any]:
    """Make calls in a thread each; their results in order, exceptions in place of results."""
    results: list[Any] = [None] * len(calls)

    def call(index: int) -> None:
        try:
            results[index] = calls[index]()
        except BaseException as problem:
            results[index] = problem

    threads = [threading.Thread(target=call, args=(index,), daemon=True) for index in range(len(calls))]
    for thread in threads:
        thread.start()
    until = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    assert not any(thread.is_alive() for thread in threads), f"calls did not end within {seconds:g} s"
    return results
