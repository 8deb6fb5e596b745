# SPDX-License-Identifier: Apache-2.0
"""The command line as a process: exit codes, pipes and terminals, interrupts, how fast it starts."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from fake_executor import FakeExecutor, Refused

import cella

PACKAGE = str(Path(cella.__file__).resolve().parents[1])


class Process:
    def __init__(self, fake: FakeExecutor, folder: Path) -> None:
        self.folder = folder
        fake.trust_file(folder / "trust.toml")
        self.environment = os.environ | {"PYTHONPATH": PACKAGE, "CELLA_AT": fake.address, "TERM": "xterm"}
        self.environment["HOME"] = str(folder)

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "cella", *arguments]

    def __call__(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            timeout=60,
            **options,
        )


@pytest.fixture
def process(fake: FakeExecutor, tmp_path: Path) -> Process:
    (tmp_path / "in.txt").write_bytes(b"hello\n" * 1000)
    (tmp_path / "copy.py").write_text("def main(a, b):\n    b.write(a.read())\n    return 'done'\n")
    (tmp_path / "bad.py").write_text("def main():\n    raise KeyError('k')\n")
    return Process(fake, tmp_path)


def test_run_out_of_a_checkout_takes_paths_as_the_caller_means_them(tmp_path: Path) -> None:
    """`run` works in the checkout's folder; relative paths of `cella` and `host` are those of whoever called it."""
    run = Path(__file__).resolve().parents[2] / "run"
    (tmp_path / "in.txt").write_bytes(b"hello")
    (tmp_path / "host.json").write_text('{"state":"/s","stat":1}')

    def called(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([run, *command], cwd=tmp_path, capture_output=True, text=True, timeout=60)

    done = called("cella", "encrypt", "in.txt")
    assert done.returncode == 0 and (tmp_path / "in.txt.sealed").exists(), done.stderr
    done = called("host", "run", "--config", "host.json")
    assert done.returncode == 2 and "host.json: stat: " in done.stderr
    done = called("host", "backup", "--dev", "mistyped", "--to", "copy")
    assert done.returncode == 1 and "there is no ledger in mistyped" in done.stderr
    assert not (tmp_path / "mistyped").exists()
    assert "a command is missing" in called("host").stderr


RUN = ("run", "copy.py", "--input", "a=in.txt", "--output", "b=out.txt")


def test_pipe(process: Process) -> None:
    done = process(*RUN)
    assert done.returncode == 0 and json.loads(done.stdout) == "done"
    assert b"\x1b" not in done.stderr and b"\r" not in done.stderr
    assert [line for line in done.stderr.splitlines() if line.startswith(b"upload a: ")]
    assert (process.folder / "out.txt").read_bytes() == (process.folder / "in.txt").read_bytes()


def on_a_terminal(process: Process) -> tuple[int, bytes, bytes]:
    """Exit code, standard output, and what was on the terminal."""
    master, slave = pty.openpty()
    child = subprocess.Popen(
        process.command(*RUN), cwd=process.folder, env=process.environment, stdout=subprocess.PIPE, stderr=slave
    )
    os.close(slave)
    seen = b""
    while select.select([master], [], [], 20)[0]:
        try:
            seen += os.read(master, 65536)
        except OSError:
            break
    out, _ = child.communicate(timeout=20)
    os.close(master)
    return child.returncode, out, seen


def test_terminal(process: Process) -> None:
    code, out, seen = on_a_terminal(process)
    assert code == 0 and json.loads(out) == "done", seen
    assert b"\x1b[" in seen and b"finished" in seen


def report_progress(fake: FakeExecutor) -> None:
    """Tasks report some steps, slowly, before they run."""
    run = type(fake)._run.__get__(fake)

    def stepwise(task: dict[str, Any]) -> None:
        for fraction, text in ((0, ""), (0.25, "read\x1b[5m"), (0.75, "counted\nfinished")):
            with fake.changed:
                fake._set(task, state="running", progress={"fraction": fraction, "text": text})
            time.sleep(0.4)
        with fake.changed:
            fake._set(task, state="queued")
        run(task)

    fake._run = stepwise  # type: ignore[method-assign]


def test_progress_is_a_bar_on_a_terminal(process: Process, fake: FakeExecutor) -> None:
    report_progress(fake)
    code, _, seen = on_a_terminal(process)
    assert code == 0, seen
    for words in (b"running: read\\x1b[5m", b"25 %", b"running: counted finished", b"75 %", "━".encode()):
        assert words in seen, seen
    assert b"\x1b[5m" not in seen


def test_progress_is_lines_elsewhere(process: Process, fake: FakeExecutor) -> None:
    report_progress(fake)
    done = process(*RUN)
    lines = done.stderr.decode().splitlines()
    assert done.returncode == 0 and "\x1b" not in done.stderr.decode() and lines.count("finished") == 1
    events = [json.loads(line) for line in process(*RUN, "--json").stdout.splitlines()]
    steps = [(event["done"], event["text"]) for event in events if event.get("stage") == "run"]
    assert [step for step in steps if step[1] != "half"] == [(0, ""), (250, "read\x1b[5m"), (750, "counted\nfinished")]


def test_exit_codes(process: Process) -> None:
    assert process(*RUN).returncode == 0
    assert process("nonsense").returncode == 2
    assert process("run", "bad.py").returncode == 4
    assert process("attest", "127.0.0.1:1").returncode == 5
    assert process("task", "show", "task-" + "0" * 32).returncode == 6
    (process.folder / "trust.toml").write_text(
        (process.folder / "trust.toml").read_text().replace("min_level = 2", "min_level = 5")
    )
    refused = process(*RUN)
    assert refused.returncode == 3 and b"LEVEL" in refused.stderr and b"Traceback" not in refused.stderr


def test_debug_shows_the_traceback(process: Process) -> None:
    assert b"Traceback" in process("--debug", "attest", "127.0.0.1:1").stderr


def test_json_lines_are_json(process: Process) -> None:
    done = process(*RUN, "--json")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert events[-1]["event"] == "result" and events[-1]["result"] == "done"


def test_pipes_of_files(process: Process) -> None:
    plain = os.urandom(3_000_000)
    sealed = process("encrypt", "-", "-o", "-", "--key", "k", input=plain)
    assert sealed.returncode == 0 and len(sealed.stdout) == cella._native.sealed_size(len(plain))
    opened = process("decrypt", "-", "-o", "-", "--key", "k", input=sealed.stdout)
    assert opened.returncode == 0 and opened.stdout == plain
    cut = process("decrypt", "-", "-o", "-", "--key", "k", input=sealed.stdout[:-1])
    assert cut.returncode == 3 and plain.startswith(cut.stdout) and cut.stdout != plain
    assert process("encrypt", "-").returncode == 2


def test_full_disk(process: Process) -> None:
    command = process.command("encrypt", "in.txt", "-o", "-")
    with open("/dev/full", "wb") as full:
        failed = subprocess.run(
            command, cwd=process.folder, env=process.environment, stdout=full, stderr=subprocess.PIPE, timeout=60
        )
    assert failed.returncode == 1 and b"No space left" in failed.stderr


def waiting(process: Process, fake: FakeExecutor, *arguments: str) -> subprocess.Popen[bytes]:
    """A command that waits for a task which does not end by itself."""
    fake._run = lambda task: None  # type: ignore[method-assign]
    child = subprocess.Popen(
        process.command(*RUN, *arguments),
        cwd=process.folder,
        env=process.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    until_asked(fake, "task.watch")
    return child


def until_asked(fake: FakeExecutor, wanted: str) -> None:
    until = time.monotonic() + 20
    while not any(op == wanted for op, _ in fake.requests) and time.monotonic() < until:
        time.sleep(0.05)
    assert any(op == wanted for op, _ in fake.requests)


@pytest.mark.parametrize("arguments", [(), ("--json",)])
def test_an_interrupt_cancels(process: Process, fake: FakeExecutor, arguments: tuple[str, ...]) -> None:
    child = waiting(process, fake, *arguments)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=20)
    assert child.returncode == 130 and b"Traceback" not in err and not (process.folder / "out.txt").exists()
    assert b"cancelling task-" in err and b"nothing of it was released" in err and b"goes on" not in err
    assert [task["state"] for task in fake.tasks.values()] == ["cancelled"]
    assert b"result" not in out and all(json.loads(line) for line in out.splitlines())


def test_a_second_interrupt_leaves(process: Process, fake: FakeExecutor) -> None:
    fake.op_task_cancel = lambda party, args: fake._brief(fake._task(party, args))  # type: ignore[method-assign]
    child = waiting(process, fake)
    child.send_signal(signal.SIGINT)
    until_asked(fake, "task.cancel")
    time.sleep(0.3)  # it waits for the end now
    assert child.poll() is None
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=20)
    assert child.returncode == 130 and b"goes on" in err and b"Traceback" not in err and out == b""
    assert b"released" not in err


def test_an_interrupt_that_comes_too_late(process: Process, fake: FakeExecutor) -> None:
    """The task finishes before it can be cancelled: then its results are fetched as always."""
    run = type(fake)._run.__get__(fake)

    def too_late(party: str, args: dict[str, Any]) -> Any:
        task = fake._task(party, args)
        fake.lock.release()
        try:
            run(task)
        finally:
            fake.lock.acquire()
        raise Refused("BAD_STATE")

    fake.op_task_cancel = too_late  # type: ignore[method-assign]
    child = waiting(process, fake)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=20)
    assert child.returncode == 0 and json.loads(out) == "done", err
    assert (process.folder / "out.txt").read_bytes() == (process.folder / "in.txt").read_bytes()


def test_no_secret_in_arguments_or_files(process: Process) -> None:
    process(*RUN)
    left = {str(path.relative_to(process.folder)) for path in process.folder.rglob("*") if path.is_file()}
    assert left == {"in.txt", "copy.py", "bad.py", "trust.toml", "out.txt", ".config/cella/identity.json"}


def test_starts_fast(process: Process) -> None:
    best = 9.0
    for _ in range(5):
        begin = time.monotonic()
        assert process("--help").returncode == 0
        best = min(best, time.monotonic() - begin)
    assert best < 0.25, best


def test_help_loads_little(process: Process) -> None:
    program = "import sys; from cella.cli.main import run\n" "run(['--help']); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", program], env=process.environment, capture_output=True, check=True)
    loaded = set(done.stderr.decode().split())
    assert not loaded & {"rich", "http.client", "numpy", "tomllib", "cella.executor", "ssl"}


def test_completion(process: Process) -> None:
    environment = process.environment | {"_CELLA_COMPLETE": "bash_source"}
    done = subprocess.run(process.command(), env=environment, capture_output=True, timeout=20)
    assert b"complete" in done.stdout, done.stderr
