# SPDX-License-Identifier: Apache-2.0
"""The command line in this process, against a fake executor: what it prints where, and with which exit code."""

from __future__ import annotations

import hashlib
import json
import stat
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from fake_executor import FakeExecutor

import cella
from cella.cli import show
from cella.cli.main import COMMANDS, run


class Result(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


class Shell:
    """Runs commands with an executor, a trust file and an identity of their own."""

    def __init__(
        self, fake: FakeExecutor, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
    ) -> None:
        self.fake = fake
        self.folder = folder
        self.capsys = capsys
        monkeypatch.chdir(folder)
        monkeypatch.setenv("CELLA_AT", fake.address)
        fake.trust_file(folder / "trust.toml")

    def __call__(self, *arguments: object, code: int = 0) -> Result:
        self.capsys.readouterr()
        found = run([str(argument) for argument in arguments])
        out, err = self.capsys.readouterr()
        assert found == code, (out, err)
        assert "Traceback (most recent call last)" not in err or "script.py" in err
        return Result(found, out, err)


@pytest.fixture
def shell(
    fake: FakeExecutor, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Shell:
    (tmp_path / "in.txt").write_bytes(b"hello\n")
    (tmp_path / "copy.py").write_text(
        "def main(a, b, n: float = 2, who: str = 'x'):\n"
        "    b.write(a.read() * int(n))\n    return {'n': n, 'who': who}\n"
    )
    (tmp_path / "bad.py").write_text("def main():\n    raise KeyError('k')\n")
    return Shell(fake, tmp_path, capsys, monkeypatch)


def test_help_lists_everything(shell: Shell) -> None:
    out = shell("--help").out
    for name in COMMANDS:
        assert f"  {name} " in out
    for code, text in show.EXIT_CODES.items():
        assert f"  {code} " in out and text.split(":")[0] in out
    for name in COMMANDS:
        assert shell(name, "--help").out
    assert "0.1.0" in shell("--version").out


def test_run(shell: Shell) -> None:
    done = shell(
        "run", "copy.py", "--input", "a=in.txt", "--output", "b=out.txt", "--arg", "n=3", "--arg", "who=12"
    )
    assert json.loads(done.out) == {"n": 3, "who": "12"}
    assert (shell.folder / "out.txt").read_bytes() == b"hello\n" * 3
    assert "made a new identity" in done.err and "attested: level 2" in done.err and "b -> out.txt" in done.err
    again = shell("run", "copy.py", "--input", "a=in.txt", "--output", "b=out.txt")
    assert "made a new identity" not in again.err


def test_run_for_machines(shell: Shell) -> None:
    events = shell("run", "copy.py", "--input", "a=in.txt", "--output", "b=out.txt", "--json").events
    kinds = [event["event"] for event in events]
    assert kinds[0] == "identity" and kinds[1] == "attested" and kinds[-1] == "result"
    assert events[-1]["result"] == {"n": 2, "who": "x"}
    assert events[-1]["outputs"] == {"b": {"path": "out.txt", "size": 12}}
    assert {event["stage"] for event in events if event["event"] == "progress"} >= {"encrypt", "upload", "state"}
    failed = shell("run", "bad.py", "--json", code=4).events[-1]
    assert failed["event"] == "error" and failed["code"] == "SCRIPT_FAILED" and failed["number"] == 701


def test_run_fails_as_its_script_does(shell: Shell) -> None:
    failed = shell("run", "bad.py", code=4)
    assert failed.out == "" and "SCRIPT_FAILED (701)" in failed.err and "KeyError in line 2" in failed.err
    assert "raise KeyError('k')" in failed.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["absent.py"], "no script absent.py"),
        (["copy.py"], "main() needs a, b"),
        (["copy.py", "--input", "a=absent", "--output", "b=o"], "no file absent"),
        (["copy.py", "--input", "a=.", "--output", "b=o"], "is a folder"),
        (["copy.py", "--input", "a=in.txt", "--output", "b=no/where/o"], "no writable folder"),
        (["copy.py", "--input", "a", "--output", "b=o"], "not NAME=VALUE"),
        (["copy.py", "--input", "a=in.txt", "--input", "a=in.txt"], "given twice"),
        (["copy.py", "--input", "image=in.txt"], "no such parameter; it has a, b, n, who"),
        (["copy.py", "--input", "a=in.txt", "--output", "b=o", "--limit", "memory=5"], "memory_bytes"),
        (["copy.py", "--entry", "other"], "no top-level function other"),
        (["in.txt"], "no top-level function"),
        ([], "give either SCRIPT or --builtin"),
        (["--builtin", "echo", "--arg", "massage=3"], "did you mean message"),
        (["--builtin", "echo"], "needs argument 'message'"),
        (["copy.py", "--builtin", "echo"], "give either SCRIPT or --builtin"),
        (["copy.py", "--nonsense"], "No such option"),
    ],
)
def test_run_refuses_before_sending(shell: Shell, arguments: list[str], says: str) -> None:
    failed = shell("run", *arguments, code=2)
    assert says in failed.err and failed.out == ""
    assert shell.fake.connections == 0


def test_detach_and_fetch(shell: Shell) -> None:
    task = shell("run", "copy.py", "--input", "a=in.txt", "--output", "b=ignored", "--detach").out.strip()
    assert task.startswith("task-")
    done = shell("task", "fetch", task, "--output", "b=out.txt")
    assert json.loads(done.out)["n"] == 2 and (shell.folder / "out.txt").read_bytes() == b"hello\n" * 2
    assert "no output c; it has b" in shell("task", "fetch", task, "--output", "c=x", code=6).err
    assert "finished" in shell("task", "watch", task).out
    assert json.loads(shell("task", "show", task).out)["state"] == "finished"
    assert "finished" in shell("task", "list").out
    assert shell("task", "cancel", task, code=6).err


def test_attest(shell: Shell) -> None:
    accepted = shell("attest", shell.fake.address)
    assert "✓ measurement" in accepted.out and "ACCEPTED" in accepted.out and shell.fake.id in accepted.out
    assert "Not checked:" in accepted.out and "Why not higher" in accepted.out and "Anchor:" in accepted.out
    assert len(accepted.out.splitlines()) <= 24
    report = shell("attest", shell.fake.address, "--json").events[0]
    assert report["accepted"] is True and report["level"] == 2 and report["executor"] == shell.fake.id
    shell.fake.trust_file(shell.folder / "strict.toml", min_level=3)
    refused = shell("attest", shell.fake.address, "--trust", "strict.toml", code=3)
    assert "Refused by: level. Verified besides: type, format, chain, signature, binding, layers, measurement, charter." in " ".join(refused.out.split())
    assert "✗ level" in refused.out and "LEVEL (314)" in refused.err and "REFUSED" in refused.err
    assert (
        shell("attest", shell.fake.address, "--trust", "strict.toml", "--json", code=3).events[0]["accepted"]
        is False
    )


def test_refused_executor_gets_nothing(shell: Shell) -> None:
    shell.fake.measurement = bytes(32)
    failed = shell("run", "copy.py", "--input", "a=in.txt", "--output", "b=o", code=3)
    assert "MEASUREMENT (312)" in failed.err and "cella attest" in failed.err and shell.fake.requests == []
    assert not (shell.folder / "o").exists()


def test_trust_files(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    out = shell("explain-trust").out
    assert "level 2 or higher" in out and shell.fake.measurement.hex() in out and "ed25519:" in out
    assert shell("explain-trust", "trust.toml", "--json").events[0]["min_level"] == 2
    (shell.folder / "bad.toml").write_text("version = 1\nmin_level = 2\naccept = []\n")
    assert "BAD_POLICY" in shell("explain-trust", "bad.toml", code=2).err
    assert "BAD_POLICY" in shell("attest", shell.fake.address, "--trust", "bad.toml", code=2).err
    (shell.folder / "trust.toml").rename(shell.folder / "elsewhere.toml")
    assert "no trust file at trust.toml" in shell("info", code=2).err
    monkeypatch.setenv("CELLA_TRUST", "elsewhere.toml")
    assert shell("info").out


def test_connection_errors(shell: Shell) -> None:
    assert "nothing listens" in shell("attest", "127.0.0.1:1", code=5).err
    assert "not an address" in shell("attest", "127.0.0.1:x", code=2).err


def test_denied(shell: Shell) -> None:
    assert "NOT_FOUND" in shell("task", "show", "task-" + "0" * 32, code=6).err
    (shell.folder / "id.json").write_text("{}")
    (shell.folder / "id.json").chmod(0o644)
    assert "chmod 600" in shell("data", "list", "--identity", "id.json", code=6).err


def test_limits_have_their_own_code(shell: Shell) -> None:
    from fake_executor import Refused

    def busy(op: str, answer: dict[str, Any]) -> dict[str, Any]:
        if op == "task.create":
            raise Refused("BUSY")
        return answer

    shell.fake.on_answer = busy
    assert "BUSY (501)" in shell("run", "copy.py", "--input", "a=in.txt", "--output", "b=o", code=7).err


def test_keys(shell: Shell) -> None:
    made = shell("keygen", "-o", "me.json")
    party = made.out.strip()
    assert len(party) == 43 and stat.S_IMODE((shell.folder / "me.json").stat().st_mode) == 0o600
    assert shell("id", "--identity", "me.json").out.strip() == party
    assert shell("id", "--identity", "me.json", "--json").events[0]["party"] == party
    assert "EXISTS" in shell("keygen", "-o", "me.json", code=6).err
    assert "cella keygen" in shell("id", "--identity", "absent.json", code=6).err


def test_encrypt_and_decrypt(shell: Shell) -> None:
    done = shell("encrypt", "in.txt", "--digest")
    sealed = shell.folder / "in.txt.sealed"
    assert done.out.split() == [hashlib.sha256(sealed.read_bytes()).hexdigest(), "in.txt.sealed"]
    assert stat.S_IMODE((shell.folder / "in.txt.key").stat().st_mode) == 0o600
    assert "in.txt exists" in shell("decrypt", "in.txt.sealed", "--key", "in.txt.key", code=2).err
    shell("decrypt", "in.txt.sealed", "--key", "in.txt.key", "-o", "again")
    assert (shell.folder / "again").read_bytes() == b"hello\n"
    facts = shell("encrypt", "in.txt", "-o", "small", "--key", "small.key", "--segment", "4KB", "--json").events[-1]
    assert facts["plain_size"] == 6 and facts["sealed_size"] == 62
    assert "segments of 4KB" in shell("encrypt", "in.txt", "--key", "small.key", "--segment", "1MB", code=2).err
    shell("encrypt", "in.txt", "--key", "small.key", "-o", "second")
    assert (shell.folder / "second").read_bytes() != (shell.folder / "small").read_bytes()
    shell("keygen", "-o", "id.json")
    assert "not a cella data key" in shell("decrypt", "small", "--key", "id.json", "-o", "x", code=2).err
    changed = bytearray(sealed.read_bytes())
    changed[50] ^= 1
    sealed.write_bytes(changed)
    assert "BAD_TAG (301)" in shell("decrypt", "in.txt.sealed", "--key", "in.txt.key", "-o", "x", code=3).err
    sealed.write_bytes(b"")
    shell("decrypt", "in.txt.sealed", "--key", "in.txt.key", "-o", "x", code=3)
    assert not (shell.folder / "x").exists()
    assert "absent" in shell("encrypt", "absent", code=2).err
    assert not (shell.folder / "absent.key").exists()


def test_data(shell: Shell) -> None:
    name = shell("data", "add", "in.txt").out.strip()
    assert name in shell("data", "list").out
    assert json.loads(shell("data", "show", name).out)["stored"] is True
    shell("encrypt", "in.txt")
    sealed = shell("data", "add", "in.txt.sealed", "--sealed", "--key", "in.txt.key", "--name", "n").out.strip()
    assert shell.fake._plain(sealed) == b"hello\n"
    assert shell("data", "list", "--json").events[1]["name"] == "n"
    assert "belong together" in shell("data", "add", "in.txt", "--sealed", code=2).err


def test_ready_made_functions(shell: Shell) -> None:
    added = dict(line.split() for line in shell("function", "add-examples").out.splitlines())
    assert len(added) == 9 and "kmeans" in added
    shown = json.loads(shell("function", "show", added["kmeans"]).out)
    assert shown["spec"]["inputs"] == [{"name": "data", "description": "CSV with a header"}] and shown["spec"]["profile"] == "science" and shown["public"]
    assert {"name": "clusters", "type": "integer", "default": 8} in shown["spec"]["arguments"]
    again = dict(line.split() for line in shell("function", "add-examples", "kmeans", "dbscan").out.splitlines())
    assert again == {name: added[name] for name in ("kmeans", "dbscan")}
    assert "did you mean kmeans" in shell("function", "add-examples", "kmean", code=6).err


def test_annotated_files_need_no_options(shell: Shell) -> None:
    (shell.folder / "noted.py").write_text(
        "import cella\ndef main(a: cella.Input, b: cella.Output, c: cella.Input | None = None, n: int = 3):\n    pass\n")
    made = shell("function", "register", "noted.py").out.strip()
    spec = json.loads(shell("function", "show", made).out)["spec"]
    assert spec["inputs"] == [{"name": "a"}, {"name": "c", "optional": True}] and spec["outputs"] == [{"name": "b"}]
    assert spec["arguments"] == [{"name": "n", "type": "integer", "default": 3}]


def test_functions(shell: Shell) -> None:
    made = shell(
        "function", "register", "copy.py", "--input", "a", "--output", "b?", "--lock", "n=5", "--name", "copy2"
    )
    name = made.out.strip()
    shown = json.loads(shell("function", "show", name).out)
    assert shown["spec"]["outputs"] == [{"name": "b", "optional": True}] and shown["public"] is False
    assert {"name": "n", "type": "number", "default": 5, "locked": True} in shown["spec"]["arguments"]
    assert shown["sha256"] in made.err
    assert shell("function", "show", name, "--source").out == (shell.folder / "copy.py").read_text()
    shell("function", "register", "--builtin", "echo", "--argument", "message", "--public")
    out = shell("function", "list").out
    assert "copy2" in out and "echo" in out and "private" in out
    assert "either SCRIPT or --builtin" in shell("function", "register", code=2).err


def test_parties(shell: Shell) -> None:
    mine = shell("party", "enrol", "--name", "me").out.strip()
    assert json.loads(shell("party", "show").out)["name"] == "me"
    assert shell("party", "show", mine, "--json").events[0]["party"] == mine
    assert shell("party", "show", "A" * 43, code=6)


def test_several_parties(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    people = {}
    for name in ("owner", "author", "user"):
        people[name] = shell("keygen", "-o", f"{name}.json").out.strip()
        shell("party", "enrol", "--identity", f"{name}.json")

    def by(name: str, *arguments: object, code: int = 0) -> Result:
        return shell(*arguments, "--identity", f"{name}.json", code=code)

    (shell.folder / "f.py").write_text("def main(x, w, y, k=1):\n    y.write(x.read() + w.read())\n    return k\n")
    inputs = ["--input", "x", "--input", "w", "--output", "y"]
    function = by("author", "function", "register", "f.py", *inputs).out.strip()
    weights = by("owner", "data", "add", "in.txt").out.strip()
    mine = by("user", "data", "add", "in.txt").out.strip()
    created = by(
        "user",
        "task",
        "create",
        function,
        "--input",
        f"x={mine}",
        "--input",
        f"w={people['owner']}",
        "--output",
        "y=me",
        "--arg",
        "k=7",
        "--messages",
        f"me,{people['author']}",
    )
    task = created.out.split()[0]
    assert "NOT_ASSIGNED" in by("user", "task", "contract", task, code=6).err
    assert "assigned" in by("owner", "task", "assign", task, f"w={weights}").out
    missing = " and ".join("you" if party == people["user"] else party for party in sorted(people.values()))
    assert f"waits for the approval of {missing}\n" in by("user", "task", "show", task).err
    contract = by("owner", "task", "contract", task)
    assert "w: from you" in contract.out and "argument k = 7" in contract.out
    raw = by("owner", "task", "contract", task, "--raw").out.encode()
    sha256 = hashlib.sha256(raw).hexdigest()
    assert sha256 in contract.out
    assert "nobody to ask" in by("owner", "task", "approve", task, code=2).err
    assert "WRONG_CONTRACT" in by("owner", "task", "approve", task, "--sha256", "00" * 32, code=6).err
    by("owner", "task", "approve", task, "--sha256", sha256)
    assert people["owner"] not in by("user", "task", "show", task).err
    shown = by("author", "task", "approve", task, "--yes")
    assert "Who gives what" in shown.err and "approved" not in shown.out
    assert "NOT_APPROVED" in by("user", "task", "invoke", task, code=6).err
    by("user", "task", "approve", task, "--yes")
    by("user", "task", "invoke", task)
    done = by("user", "task", "fetch", task, "--output", "y=y.txt")
    assert done.out.strip() == "7" and (shell.folder / "y.txt").read_bytes() == b"hello\n" * 2
    nothing = by("owner", "task", "fetch", task, "--output", "y=z.txt", code=6)
    assert "not for you" in nothing.err and not (shell.folder / "z.txt").exists()
    assert by("author", "task", "fetch", task).out == ""


def test_tasks_name_functions_and_inputs(shell: Shell) -> None:
    """A function is an id or NAME@VERSION everywhere; a file's name is no input of a task, and the message says what is."""
    shell("function", "register", "copy.py", "--input", "a", "--output", "b", "--public")
    data = shell("data", "add", "in.txt").out.strip()
    create = ("task", "create", "copy@1", "--output", "b=me", "--input")
    task = shell(*create, f"a={data}").out.split()[0]
    assert shell("task", "contract", task).out
    refused = shell(*create, "a=in.txt", code=2)
    assert "'in.txt' is neither data" in refused.err and "cella data add FILE" in refused.err
    assert "neither data" in shell(*create, "a=,", code=2).err
    for command in ("usage", "disable", "delete"):
        assert "there is no function nobody@3" in shell("function", command, "nobody@3", code=6).err


def test_what_a_function_declares_is_named_where_a_request_does_not_fit(shell: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    for code, field, shown in (
        ("MISSING_FIELD", "args.inputs.data", True), ("BAD_ARGUMENT", "arguments.cluster", True),
        ("BAD_FIELD", "args.days", False), ("EXISTS", "args.inputs.data", False),
    ):
        show.error(cella._native.error(code, "no", field), as_json=False)
        assert ("cella function show FUNCTION" in capsys.readouterr().err) is shown


def test_approval_asks_on_a_terminal(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    task = shell("run", "copy.py", "--input", "a=in.txt", "--output", "b=o", "--detach").out.strip()
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda prompt: "n")
    assert shell("task", "approve", task, code=130)


def test_text_of_others_can_not_play_with_the_terminal(shell: Shell) -> None:
    (shell.folder / "evil.py").write_text("def main():\n    raise ValueError('\\x1b[2J\\x07')\n")
    err = shell("run", "evil.py", code=4).err
    assert "\x1b" not in err and "\x07" not in err and "\\x1b[2J" in err


def test_isolation_and_streams(shell: Shell) -> None:
    task = shell(
        "run", "copy.py", "--input", "a=in.txt", "--output", "b=out.txt", "--detach", "--stream", "a",
        "--isolation", "clock=coarse,zygote=owner", "--isolation", "sizes=padded", "--limit", "threads=0",
    ).out.strip()
    spec = next(iter(shell.fake.functions.values()))["spec"]
    assert spec["inputs"] == [{"name": "a", "stream": True}] and spec["limits"] == {"threads": 0}
    assert spec["isolation"] == {"clock": "coarse", "zygote": "owner", "sizes": "padded"}
    said = " ".join(shell("task", "contract", task).out.split())
    for words in ("no clock finer than the kernel's tick", "this function's owner only", "padded to classes", "a single thread"):
        assert words in said
    assert json.loads(shell("task", "show", task).out)["isolation"]["sizes"] == "padded"
    shell("task", "fetch", task, "--output", "b=out.txt")
    assert (shell.folder / "out.txt").read_bytes() == b"hello\n" * 2


def test_isolation_of_functions_and_tasks(shell: Shell) -> None:
    function = shell(
        "function", "register", "copy.py", "--input", "a", "--output", "b", "--stream", "a", "--isolation", "sizes=padded"
    ).out.strip()
    shown = json.loads(shell("function", "show", function).out)["spec"]
    assert shown["inputs"] == [{"name": "a", "stream": True}] and shown["isolation"] == {"sizes": "padded"}
    data = shell("data", "add", "in.txt").out.strip()
    create = ("task", "create", function, "--input", f"a={data}", "--output", "b=me")
    task = shell(*create, "--isolation", "sizes=exact,clock=coarse").out.split()[0]
    contract = shell("task", "contract", task, "--json").events[0]["contract"]
    assert contract["isolation"] == {"clock": "coarse", "zygote": "shared", "sizes": "padded"}
    assert contract["limits"]["threads"] == 0
    assert "no input" in shell("function", "register", "--builtin", "echo", "--stream", "a", code=2).err


@pytest.mark.parametrize(
    ("word", "says"),
    [("clock", "not NAME=VALUE"), ("clock=slow", "clock is fine or coarse"), ("cpu=own", "not one of clock, zygote, sizes"),
     ("clock=coarse,clock=fine", "given twice"), ("", "not NAME=VALUE"), ("clock=coarse,", "not NAME=VALUE")],
)
def test_isolation_that_is_refused_before_sending(shell: Shell, word: str, says: str) -> None:
    failed = shell("run", "copy.py", "--input", "a=in.txt", "--output", "b=o", "--isolation", word, code=2)
    assert says in failed.err and shell.fake.connections == 0
    assert "stream b is not an input" in shell(
        "run", "copy.py", "--input", "a=in.txt", "--output", "b=o", "--stream", "b", code=2
    ).err


def test_usage(shell: Shell) -> None:
    words = ("run", "copy.py", "--input", "a=in.txt", "--output", "b=o")
    assert "usage:" not in shell(*words).err
    done = shell(*words, "--usage")
    assert "usage: CPU 0.000 s, 0.000 s from start to end, peak memory 3.0 KiB, 4 B in, 5 B out (sealed)" in done.err
    events = shell(*words, "--usage", "--json").events
    figures = {"cpu_us": 1, "wall_us": 2, "peak_kib": 3, "bytes_in": 4, "bytes_out": 5}
    assert [event for event in events if event["event"] == "usage"] == [{"event": "usage", **figures}]
    task = next(iter(shell.fake.tasks))
    assert "usage: CPU" in shell("task", "show", task).err and "usage: CPU" in shell("task", "fetch", task, "--usage").err


def test_a_limit_that_was_reached(shell: Shell) -> None:
    def breach(op: str, answer: dict[str, Any]) -> dict[str, Any]:
        if op == "task.watch":
            detail = "limit memory_bytes 67108864; used 70000000"
            error = {"code": "LIMIT_MEMORY", "number": 512, "message": "task used more memory than its limit"}
            answer = answer | {"state": "failed", "error": error | {"detail": detail, "class": "MemoryError", "line": 2}}
            answer |= {"usage": {"cpu_us": 5, "wall_us": 6, "peak_kib": 7, "bytes_in": 8, "bytes_out": 0}}
        return answer

    shell.fake.on_answer = breach
    failed = shell("run", "copy.py", "--input", "a=in.txt", "--output", "b=o", "--usage", code=7)
    said = "LIMIT_MEMORY (512): task used more memory than its limit: limit memory_bytes 67108864; used 70000000: "
    assert said + "MemoryError in line 2" in failed.err and "usage: CPU" in failed.err and "cella info" in failed.err


def test_a_limit_that_is_too_high(shell: Shell) -> None:
    from fake_executor import Refused

    def refuse(op: str, answer: dict[str, Any]) -> dict[str, Any]:
        if op == "function.register":
            raise Refused("BAD_FIELD", "limits.cpu_s")
        return answer

    shell.fake.on_answer = refuse
    failed = shell("run", "copy.py", "--input", "a=in.txt", "--output", "b=o", "--limit", "cpu_s=9999", code=2)
    assert "limits.cpu_s" in failed.err and "limits can only be lowered; see the executor's: cella info" in failed.err


def test_a_script_can_not_play_the_command_line(shell: Shell) -> None:
    """Words of progress stay in one line: they can not pass for what this program says."""
    from cella.events import Event, describe

    line = describe(Event("run", "task", 500, 1000, "half\nfinished\r\x1b[2K"))
    assert line == "running: 50 %, half finished \\x1b[2K"


def test_errors_say_what_to_do() -> None:
    assert set(show.HINTS) - {"limits", "declared"} <= {row[0] for row in cella._native.status_table()}
    for row in cella._native.status_table()[1:]:
        assert show.exit_code_of(cella._native.error(row[0])) in show.EXIT_CODES
    assert show.exit_code_of(KeyboardInterrupt()) == 130 and show.exit_code_of(RuntimeError()) == 1
