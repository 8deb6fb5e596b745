# SPDX-License-Identifier: Apache-2.0
"""Starts what is measured: cella-host, and the servers that it is compared with."""

from __future__ import annotations

import contextlib
import dataclasses
import getpass
import os
import pathlib
import re
import select
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

import cella
from measure import Options, program

HERE = pathlib.Path(__file__).resolve().parent
PYTHON = "/usr/bin/python3"
PROFILES = ("python", "numpy", "science")
"""Those that Cella comes with; one whose packages are not installed does not start."""


def profile_file(options: Options, name: str) -> pathlib.Path:
    """A profile's file in the build.

    Raises:
        FileNotFoundError: there is none.
    """
    path = options.build / "bin" / "profiles" / f"{name}.json"
    if not path.exists():
        raise FileNotFoundError(f"the build has no {path.name}")
    return path


def first_line(reader: int, seconds: float) -> str:
    """What a program says on its pipe when it is ready; "" when it does not."""
    with open(reader, "rb") as ready:
        come, _, _ = select.select([ready], [], [], seconds)
        return ready.readline().decode().strip() if come else ""


class Host:
    """A development executor of its own, with its state in a folder of its own."""

    def __init__(self, options: Options) -> None:
        self.state = pathlib.Path(tempfile.mkdtemp(prefix="host-", dir=options.scratch))
        self.restart(options)

    def restart(self, options: Options) -> None:
        """Start it, again on the same state folder."""
        programs = options.build / "bin"
        reader, writer = os.pipe()
        self.log = open(self.state / "log", "wb")
        self.process = subprocess.Popen(
            [programs / "cella-host", "run", "--dev", self.state / "state", "--programs", programs,
             "--profiles", "python,numpy",
             "--ready-fd", str(writer)],
            pass_fds=(writer,),
            stderr=self.log,
        )
        os.close(writer)
        self.address = first_line(reader, 60)
        if not self.address:
            self.stop()
            raise RuntimeError(f"cella-host did not start; its log is {self.log.name}")

    def __enter__(self) -> Host:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()
        shutil.rmtree(self.state, ignore_errors=True)

    @property
    def trust(self) -> pathlib.Path:
        """The trust file that cella-host wrote."""
        return self.state / "state" / "trust.toml"

    def connect(self, identity: cella.Identity | None = None) -> cella.Executor:
        """A new attested connection."""
        return cella.connect(self.address, self.trust, identity or cella.Identity.generate())

    def stop(self) -> None:
        """SIGTERM; once more for "at once", as nobody waits for results any more."""
        for send, seconds in ((self.process.terminate, 1), (self.process.terminate, 10), (self.process.kill, None)):
            if self.process.poll() is None:
                send()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.process.wait(seconds)
        self.log.close()


# Processes


@dataclasses.dataclass(frozen=True)
class Process:
    """A process below cella-host.

    Attributes:
        pid: as seen from here.
        role: "host", "front", "monitor", "courier", "guard" (what a zygote's namespaces hang on), "zygote" or "cell".
    """

    pid: int
    role: str


def _parent_and_name(pid: int) -> tuple[int, str]:
    text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    name = text[text.index("(") + 1:text.rindex(")")]
    return int(text[text.rindex(")") + 2:].split()[1]), name


def _role(parent: str, name: str) -> str:
    """A zygote's first process only guards the second, whose children are the cells."""
    if name == "cella-zygote":
        return {"guard": "zygote", "zygote": "cell"}.get(parent, "guard")
    return name.removeprefix("cella-")


def processes(root: int, role: str = "host") -> list[Process]:
    """A host, or another program by its role, and everything below it."""
    parents: dict[int, tuple[int, str]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError, ValueError):
                parents[int(entry)] = _parent_and_name(int(entry))
    found = [Process(root, role)]
    for process in found:
        for pid, (parent, name) in parents.items():
            if parent == process.pid:
                found.append(Process(pid, _role(process.role, name)))
    return found


def memory(pid: int) -> dict[str, int]:
    """KiB of a process: "rss" and "peak" always; "pss" and "own" (what no other process shares) where they may be read;
    {} when it is gone."""
    found: dict[str, int] = {}
    with contextlib.suppress(OSError):
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        for name, field in (("rss", "VmRSS"), ("peak", "VmHWM")):
            match = re.search(rf"^{field}:\s+(\d+) kB$", status, re.MULTILINE)
            if match:
                found[name] = int(match[1])
    with contextlib.suppress(OSError):
        rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
        fields = {name: int(size) for name, size in re.findall(r"^(\w+):\s+(\d+) kB$", rollup, re.MULTILINE)}
        if fields:
            found["pss"] = fields["Pss"]
            found["own"] = sum(fields.get(f"Private_{kind}", 0) for kind in ("Clean", "Dirty", "Hugetlb"))
    return found


# Peers


class TlsEcho:
    """A bare TLS 1.3 echo server: Python's asyncio over OpenSSL, in a process of its own."""

    name = "bare TLS 1.3 echo (Python asyncio and ssl)"

    def __init__(self, options: Options) -> None:
        folder = pathlib.Path(tempfile.mkdtemp(prefix="tls-", dir=options.scratch))
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-subj", "/CN=localhost", "-days", "2",
             "-keyout", folder / "key", "-out", folder / "certificate"],
            check=True, capture_output=True,
        )
        reader, writer = os.pipe()
        self.process = subprocess.Popen(
            [PYTHON, HERE / "tls_echo.py", folder / "certificate", folder / "key", str(writer)], pass_fds=(writer,)
        )
        os.close(writer)
        self.port = int(first_line(reader, 20))
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.minimum_version = ssl.TLSVersion.TLSv1_3
        self._context.check_hostname = False
        self._context.verify_mode = ssl.CERT_REQUIRED
        self._context.load_verify_locations(folder / "certificate")

    def __enter__(self) -> TlsEcho:
        return self

    def __exit__(self, *exception: object) -> None:
        self.process.terminate()
        self.process.wait(10)

    def connect(self) -> ssl.SSLSocket:
        """A new connection after its handshake."""
        plain = socket.create_connection(("127.0.0.1", self.port))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._context.wrap_socket(plain)


def tls_exchange(connection: ssl.SSLSocket, message: bytes) -> None:
    """Send a message and read it back."""
    connection.sendall(message)
    left = len(message)
    while left > 0:
        data = connection.recv(left)
        if not data:
            raise RuntimeError("the echo server closed")
        left -= len(data)


class Ssh:
    """An sshd of our own on a free loopback port, with keys that last as long as it.

    Attributes:
        missing: why there is none; "" when it answers.
    """

    def __init__(self, options: Options) -> None:
        self.missing = ""
        self.process: subprocess.Popen[bytes] | None = None
        self._folder = pathlib.Path(tempfile.mkdtemp(prefix="ssh-"))  # a socket's path has to be short
        self._master = False
        sshd = program("sshd")
        if sshd is None or program("ssh") is None:
            self.missing = "ssh: openssh-server or openssh-client is not installed"
            return
        try:
            self._start(sshd)
            self.run("pass", shared=False)
            self._open_master()
        except (OSError, RuntimeError, subprocess.SubprocessError) as problem:
            self.missing = f"ssh: could not be set up ({problem})"

    def __enter__(self) -> Ssh:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._master:
            subprocess.run([*self._client(), "-O", "exit", "127.0.0.1"], capture_output=True)
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _start(self, sshd: str) -> None:
        for name in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self._folder / name],
                           check=True, capture_output=True)
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self._port = probe.getsockname()[1]
        if os.geteuid() == 0:
            os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
        settings = {
            "Port": self._port, "ListenAddress": "127.0.0.1", "HostKey": self._folder / "host", "PidFile": "none",
            "AuthorizedKeysFile": self._folder / "user.pub", "StrictModes": "no", "UsePAM": "no",
            "PasswordAuthentication": "no", "PermitRootLogin": "prohibit-password", "MaxStartups": "200",
            "MaxSessions": "200",
        }
        (self._folder / "config").write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
        self.process = subprocess.Popen([sshd, "-D", "-f", self._folder / "config", "-E", self._folder / "log"],
                                        stdin=subprocess.DEVNULL)
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port), 1):
                return
            time.sleep(0.05)
        raise RuntimeError("sshd does not answer")

    def _client(self) -> list[str]:
        return [
            "ssh", "-F", "none", "-T", "-p", str(self._port), "-i", str(self._folder / "user"), "-l", getpass.getuser(),
            "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "IdentitiesOnly=yes", "-o", "LogLevel=ERROR",
            "-o", f"UserKnownHostsFile={self._folder / 'known'}", "-o", f"ControlPath={self._folder / 'm'}",
        ]

    def _open_master(self) -> None:
        subprocess.run([*self._client(), "-o", "ControlMaster=yes", "-o", "ControlPersist=600", "-N", "-f", "127.0.0.1"],
                       check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._master = True

    def run(self, code: str, shared: bool) -> bytes:
        """Python code at the other end; its output. shared: through the connection that is open."""
        how = ["-o", "ControlMaster=no"] if shared else ["-o", "ControlPath=none"]
        client = self._client()
        done = subprocess.run([client[0], *how, *client[1:], "127.0.0.1", f"{PYTHON} -c '{code}'"],
                              stdin=subprocess.DEVNULL, capture_output=True)
        if done.returncode != 0:
            raise RuntimeError(done.stderr.decode(errors="replace").strip() or f"ssh left with {done.returncode}")
        return done.stdout


@contextlib.contextmanager
def folder_in(parent: pathlib.Path | None, name: str) -> Iterator[pathlib.Path | None]:
    """A folder that is gone afterwards."""
    if parent is None:
        yield None
        return
    path = pathlib.Path(tempfile.mkdtemp(prefix=f"{name}-", dir=parent))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def client_command(*arguments: str | os.PathLike[str]) -> list[str]:
    """The command line client as a program of its own."""
    return [sys.executable, "-m", "cella", *map(str, arguments)]
