# SPDX-License-Identifier: Apache-2.0
"""Other boxes and other starts of Python: how each runs an empty program, and whether it can here."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import select
import signal
import statistics
import subprocess
from collections.abc import Callable

from measure import program, start

HERE = pathlib.Path(__file__).resolve().parent
BUILD = HERE.parents[1] / "build"
PYTHON = "/usr/bin/python3"
PYODIDE = "314.0.7"
"""Version that is installed from npm into the build folder."""
PROOF = 7
"""Status with which a peer has to leave when its Python is asked to: so that a peer that fails early is not a fast one."""
PROOF_S = 90.0

Command = Callable[[int], list[str]]
"""The command whose Python leaves with a status."""


@dataclasses.dataclass
class Peer:
    """One of them.

    Attributes:
        name: the command as one would type it.
        command: None when it is missing.
        missing: why; "" when it is there.
        slow: more than a tenth of a second.
        boxed: it leaves the work to processes that it does not wait for, so its processor time says nothing.
        used_ms: processor time of each run so far.
    """

    name: str
    command: Command | None = None
    missing: str = ""
    slow: bool = False
    boxed: bool = False
    used_ms: list[float] = dataclasses.field(default_factory=list)

    @property
    def cost(self) -> str:
        """Its processor time, for the table."""
        if self.boxed or not self.used_ms:
            return ""
        return f"the peer's processor time {statistics.median(self.used_ms):.1f} ms"

    @property
    def label(self) -> str:
        """For the table."""
        return f"{self.name}: missing: {self.missing}" if self.missing else self.name

    def run(self, status: int = 0, seconds: float = PROOF_S) -> None:
        """Run it to its end.

        Raises:
            RuntimeError: it left with another status, or did not end in time; it has been killed then.
        """
        assert self.command is not None
        found, used_s = run_within(self.command(status), seconds)
        self.used_ms.append(used_s * 1000)
        if found is None:
            raise RuntimeError(f"did not end within {seconds:g} s")
        if found != status:
            raise RuntimeError(f"left with status {found} instead of {status}")

    def prove(self) -> Peer:
        """Itself; missing when it can not run here."""
        if self.command is not None:
            try:
                self.run(PROOF)
            except (OSError, RuntimeError) as problem:
                self.fail(str(problem))
        return self

    def fail(self, reason: str) -> None:
        """It can not run here after all."""
        self.command, self.missing = None, reason


def run_within(command: list[str], seconds: float) -> tuple[int | None, float]:
    """Run a program.

    Returns:
        Its status (a signal's is negative), None when it had to be killed, with its process group; the seconds of processor
        time that it took.
    """
    process = start(command, group=True)
    handle = os.pidfd_open(process)
    try:
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        ended = bool(poll.poll(seconds * 1000))
        if not ended:
            os.killpg(process, signal.SIGKILL)
        _, status, used = os.wait4(process, 0)
    finally:
        os.close(handle)
    return os.waitstatus_to_exitcode(status) if ended else None, used.ru_utime + used.ru_stime


def _code(status: int, before: str = "") -> str:
    return "; ".join(text for text in (before, f"raise SystemExit({status})" if status else "" if before else "pass") if text)


def bare(modules: str = "") -> Peer:
    """Python without any box."""
    if not modules:
        return Peer("python3 -I -S -c pass", lambda status: [PYTHON, "-I", "-S", "-c", _code(status)])
    what = f"import {modules}"
    return Peer(f"python3 -I -c '{what}'", lambda status: [PYTHON, "-I", "-c", _code(status, what)], slow="," in modules)


def box(name: str, package: str, words: list[str], slow: bool = False) -> Peer:
    """A program that runs a command in a box of its own."""
    peer = Peer(f"{name} python3 -I -S -c pass", slow=slow, boxed=True)
    if program(words[0]) is None:
        peer.missing = f"not installed ({package})"
    else:
        peer.command = lambda status: [*words, PYTHON, "-I", "-S", "-c", _code(status)]
    return peer


BWRAP = ["bwrap", "--unshare-all", "--ro-bind", "/usr", "/usr", "--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64",
         "/lib64", "--proc", "/proc", "--dev", "/dev"]
FIREJAIL = ["firejail", "--quiet", "--noprofile", "--net=none", "--private", "--caps.drop=all", "--nonewprivs", "--seccomp"]
NSJAIL = ["nsjail", "-Mo", "-Q", "-R", "/usr", "-s", "usr/lib:/lib", "-s", "usr/lib64:/lib64", "--"]


def gvisor() -> Peer:
    """The newest platform of gVisor's that works; not kvm, which hangs where there is only a part of it."""
    peer = Peer("")
    for platform in ("systrap", "ptrace"):
        words = ["runsc", f"--platform={platform}", "--network=none", "--ignore-cgroups", "do"]
        peer = box(f"runsc --platform={platform} do", "Debian package runsc", words, slow=True).prove()
        if not peer.missing:
            break
    return peer


def install_pyodide(folder: pathlib.Path) -> pathlib.Path:
    """Pyodide's module in a folder; with npm's registry when it is not there yet.

    Raises:
        RuntimeError: it could not be installed.
    """
    package = folder / "node_modules" / "pyodide"
    try:
        installed = json.loads((package / "package.json").read_text())["version"]
    except (OSError, ValueError, KeyError):
        installed = ""
    if installed != PYODIDE:
        npm = program("npm")
        if npm is None:
            raise RuntimeError(f"npm is not installed, and Pyodide {PYODIDE} is not in {folder}")
        done = subprocess.run([npm, "install", "--prefix", folder, "--ignore-scripts", "--no-audit", "--no-fund",
                               "--loglevel=error", f"pyodide@{PYODIDE}"], capture_output=True, text=True, timeout=300)
        if done.returncode != 0:
            lines = done.stderr.strip().splitlines() or ["no message"]
            raise RuntimeError(f"npm could not install pyodide@{PYODIDE}: {lines[0]}")
    return package / "pyodide.mjs"


def pyodide(folder: pathlib.Path) -> list[Peer]:
    """Pyodide under node, as it comes, and from a snapshot of its memory.

    Args:
        folder: where Pyodide is, or comes to; it is kept.
    """
    fresh = Peer("node, Pyodide, empty function", slow=True)
    restored = Peer("node, Pyodide from a memory snapshot, empty function", slow=True)
    node = program("node")
    try:
        if node is None:
            raise RuntimeError("node is not installed")
        module, snapshot, script = install_pyodide(folder), folder / f"snapshot-{PYODIDE}", HERE / "pyodide_empty.mjs"
        fresh.command = lambda status: [node, str(script), str(module), "fresh", str(status)]
        if fresh.prove().missing:
            raise RuntimeError(fresh.missing)
        if not snapshot.exists() and run_within([node, str(script), str(module), "make", str(snapshot)], PROOF_S)[0] != 0:
            raise RuntimeError("no snapshot could be made")
        restored.command = lambda status: [node, str(script), str(module), str(snapshot), str(status)]
        restored.prove()
    except (OSError, RuntimeError, subprocess.SubprocessError) as problem:
        for peer in (fresh, restored):
            if peer.command is None and not peer.missing:
                peer.fail(str(problem))
    return [fresh, restored]


def everything(build: pathlib.Path = BUILD) -> list[Peer]:
    """All peers, those that are missing too. The first call may take half a minute."""
    return [
        bare().prove(),
        box("bwrap --unshare-all", "Debian package bubblewrap", BWRAP).prove(),
        box("nsjail -Mo", "build it from source", NSJAIL).prove(),
        box("firejail --net=none --private --seccomp", "Debian package firejail", FIREJAIL).prove(),
        bare("numpy").prove(),
        gvisor(),
        bare("numpy, pandas, sklearn").prove(),
        *pyodide(build / "pyodide"),
    ]
