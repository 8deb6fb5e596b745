# SPDX-License-Identifier: Apache-2.0
"""The command line against a real executor: one-liner, exit codes, three parties, files of one's own."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cella
import numpy
import pytest
from live import REPOSITORY, CommandLine, LiveExecutor, wait_until

sys.path.insert(0, str(REPOSITORY / "tests" / "python"))

import teaclave_files

People = Callable[[str], CommandLine]
CLASSIFIER = REPOSITORY / "examples" / "classifier"
JOIN = "def main(left, right, out):\n    out.write(left.read() + right.read())\n    return {'size': len(left) + len(right)}\n"


@pytest.fixture
def alice(person: People) -> CommandLine:
    """Somebody with an identity already, so that no command makes one."""
    made = person("alice")
    made("keygen")
    return made


def write(person: CommandLine, name: str, content: str | bytes) -> Path:
    path = person.home / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


# ---- the one-liner ----


def classify(alice: CommandLine) -> list[str]:
    """The command that the README begins with."""
    with gzip.open(CLASSIFIER / "data" / "optdigits.csv.gz") as file:
        numpy.save(alice.home / "digits.npy", numpy.loadtxt(file, delimiter=",", dtype="uint8")[1200:, :64])
    weights = CLASSIFIER / "data" / "weights.npz"
    return ["run", str(CLASSIFIER / "classify.py"), "--input", "images=digits.npy", "--input", f"weights={weights}",
            "--output", "labels=labels.csv", "--arg", "threshold=0.5", "--profile", "numpy"]


def test_the_one_liner(alice: CommandLine) -> None:
    ran = alice(*classify(alice))
    assert json.loads(ran.out)["images"] == 597
    labels = alice.home / "labels.csv"
    assert labels.read_text().startswith("image,digit,confidence") and labels.stat().st_mode & 0o077 == 0
    for words in ("attested: level 2", "upload images", "finished", "labels -> labels.csv"):
        assert words in ran.err, ran.err
    assert "\x1b" not in ran.err and "\r" not in ran.err.replace("\r\n", "\n")  # plain lines in a pipe


def test_the_one_liner_for_machines(alice: CommandLine) -> None:
    ran = alice(*classify(alice), "--json")
    events = ran.events()
    assert events[0]["event"] == "attested" and events[0]["level"] == 2
    result = events[-1]
    assert result["event"] == "result" and result["result"]["images"] == 597
    assert result["outputs"]["labels"]["size"] == (alice.home / "labels.csv").stat().st_size
    assert set(result["usage"]) == {"cpu_us", "wall_us", "peak_kib", "bytes_in", "bytes_out"}
    states = [event["name"] for event in events if event["event"] == "progress" and event["stage"] == "state"]
    assert states[-1] == "finished"


def test_what_a_script_says_is_shown(alice: CommandLine) -> None:
    write(alice, "says.py", "import cella\ndef main():\n    print('printed')\n    cella.log('logged', 3)\n    return 1\n")
    ran = alice("run", "says.py")
    assert ran.out.strip() == "1" and "log of the script:\nprinted\nlogged 3" in ran.err
    last = json.loads(alice("run", "says.py", "--json").out.splitlines()[-1])
    assert last["log"] == "printed\nlogged 3\n"
    id = alice("run", "says.py", "--detach").out.split()[0]
    assert "printed\nlogged 3" in alice("task", "fetch", id).err


def test_the_first_use_makes_an_identity(person: People) -> None:
    bob = person("bob")
    write(bob, "one.py", "def main(): return 1")
    ran = bob("run", "one.py")
    assert ran.out == "1\n" and "made a new identity" in ran.err
    path = bob.home / ".config" / "cella" / "identity.json"
    assert path.stat().st_mode & 0o777 == 0o600 and path.parent.stat().st_mode & 0o777 == 0o700
    party = bob("id").out.strip()
    assert party == cella.Identity.load(path).party and party in ran.err
    assert "made" not in bob("run", "one.py").err
    assert bob("keygen", code=6).err.count("EXISTS") == 1
    path.chmod(0o644)
    assert "chmod 600" in bob("run", "one.py", code=6).err


# ---- exit codes ----


@pytest.mark.parametrize("source, words, code, said", [
    ("def main(): return 1", ["--arg", "nonsense"], 2, "NAME=VALUE"), ("def main(): return 1", ["--colour"], 2, "--colour"),
    ("def main(): return 1", ["--input", "x=missing"], 2, "no file missing"), ("def main(:", [], 2, "line 1"),
    ("def other(): return 1\ndef more(): pass", [], 2, "--entry"), ("def main(x): return 1", [], 2, "main() needs x"),
    ("def main(): return 1", ["--limit", "speed=1"], 2, "speed"), ("def main(): return 1", ["--limit", "wall_s=100000"], 2, "wall_s"),
    ("def main(): return 1 / 0", [], 4, "ZeroDivisionError in line 1"), ("import os\ndef main(): os._exit(0)", [], 4, "CELL_DIED"),
    ("def main(): return {1}", [], 4, "BAD_RESULT"), ("def main():\n  while True: pass", ["--limit", "wall_s=1"], 7, "LIMIT_WALL"),
    ("def main(): return 'x' * 100", ["--limit", "result_bytes=10"], 7, "LIMIT_RESULT"),
    ("def main(): return 1", ["--at", "127.0.0.1:1"], 5, "nothing listens"), ("def main(): return 1", ["--at", "localhost:99999"], 2, "HOST:PORT"),
    ("def main(): return 1", ["--trust", "missing.toml"], 2, "missing.toml"), ("def main(): return 1", ["--profile", "science"], 6, "python, numpy"),
    ("def main(): return 1", ["--trust", "strict.toml"], 3, "LEVEL"), ("def main(): return 1", ["--trust", "other.toml"], 3, "MEASUREMENT"),
    ("def main(): return 1", ["--trust", "wrong.toml"], 2, "BAD_POLICY"),
])
def test_exit_codes(alice: CommandLine, live: LiveExecutor, source: str, words: list[str], code: int, said: str) -> None:
    write(alice, "main.py", source)
    trust = live.trust.read_text()
    write(alice, "strict.toml", trust.replace("min_level = 2", "min_level = 5"))
    start = trust.index("sha256:") + 7
    write(alice, "other.toml", trust[:start] + "0" * 64 + trust[start + 64 :])
    write(alice, "wrong.toml", trust + "colour = 1\n")
    ran = alice("run", "main.py", *words, code=code)
    assert said in ran.err, ran.err
    assert ran.out == "" and "Traceback (most recent call last):\n  File \"/" not in ran.err
    if code > 2:
        ran = alice("run", "main.py", *words, "--json", code=code)
        assert ran.events("error")[0]["number"] > 0


def test_a_script_that_is_not_there(alice: CommandLine) -> None:
    assert "nothing.py" in alice("run", "nothing.py", code=2).err


def test_an_interruption(alice: CommandLine) -> None:
    write(alice, "sleep.py", "import time\ndef main(): time.sleep(30)")
    process = subprocess.Popen([sys.executable, "-m", "cella", "run", "sleep.py", "--limit", "wall_s=20"], cwd=alice.home,
                               env=alice.variables(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if "running" in line:
            break
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 130 and "nothing of it was released" in said and "goes on" not in said
    task = said[said.index("task-") :][:37]
    assert json.loads(alice("task", "show", task).out)["state"] == "cancelled"
    assert "CANCELLED" in alice("task", "watch", task, code=4).err
    assert "BAD_STATE" in alice("task", "cancel", task, code=6).err


def test_detached(alice: CommandLine) -> None:
    write(alice, "main.py", "def main(out):\n    out.write(b'later')\n    return 2")
    task = alice("run", "main.py", "--output", "out=ignored", "--detach").out.strip()
    assert alice("task", "fetch", task, "--output", "out=fetched").out == "2\n"
    assert (alice.home / "fetched").read_bytes() == b"later" and not (alice.home / "ignored").exists()
    assert "no output more" in alice("task", "fetch", task, "--output", "more=x", code=6).err


# ---- three parties ----


def test_three_parties(person: People) -> None:
    a, b, c = (person(name) for name in ("owner-a", "owner-b", "coder"))
    ids = {}
    for one in (a, b, c):
        one("keygen")
        ids[one.home.name] = one("party", "enrol", "--name", one.home.name).out.strip()
    write(c, "join.py", JOIN)
    function = c("function", "register", "join.py", "--input", "left", "--input", "right", "--output", "out").out.strip()
    left = a("data", "add", write(a, "left.txt", b"from a, ")).out.strip()
    right = b("data", "add", write(b, "right.txt", b"from b")).out.strip()
    task = a("task", "create", function, "--input", f"left={left}", "--input", f"right={ids['owner-b']}",
             "--output", "out=me").out.split()[0]
    assert "NOT_ASSIGNED" in a("task", "contract", task, code=6).err
    assert "NOT_ASSIGNED" in a("task", "invoke", task, code=6).err
    assert b("task", "assign", task, f"right={right}").out.split() == [task, "assigned"]
    contract = b("task", "contract", task).out
    for words in (ids["owner-a"], ids["coder"], "from you", "private", "to nobody"):
        assert words in contract
    raw = b("task", "contract", task, "--raw").out
    sha256 = hashlib.sha256(raw.encode()).hexdigest()
    assert sha256 in contract
    assert "NOT_APPROVED" in a("task", "invoke", task, code=6).err
    assert "WRONG_CONTRACT" in b("task", "approve", task, "--sha256", "00" * 32, code=6).err
    assert "nobody to ask" in b("task", "approve", task, code=2).err
    b("task", "approve", task, "--sha256", sha256)
    a("task", "approve", task, "--yes")
    assert ids["coder"] in a("task", "show", task).err
    assert c("task", "approve", task, "--sha256", sha256).out.split() == [task, "approved"]
    assert "DENIED" in c("task", "invoke", task, code=6).err
    a("task", "invoke", task)
    assert json.loads(a("task", "fetch", task, "--output", "out=joined").out) == {"size": 14}
    assert (a.home / "joined").read_bytes() == b"from a, from b"
    assert b("task", "watch", task).out.split() == [task, "finished"]
    assert "DENIED" in c("task", "fetch", task, "--output", "out=stolen", code=6).err
    assert not (c.home / "stolen").exists()
    assert "NOT_FOUND" in person("stranger")("task", "show", task, code=6).err
    assert task in a("task", "list").out and function in c("function", "list").out and function not in a("function", "list").out
    assert a("data", "list").out.split()[0] == left and right not in a("data", "list").out
    assert b("party", "show", ids["coder"]).out.count("coder") >= 1


# ---- looking ----


def test_attest(alice: CommandLine, live: LiveExecutor) -> None:
    ran = alice("attest", live.address)
    for words in ("level 2", "ACCEPTED", "Executor ", "Charter "):
        assert words in ran.out, ran.out
    assert "not checked" in ran.out.lower()
    report = alice("attest", live.address, "--json").events("report")[0]
    assert report["accepted"] is True and report["level"] == 2 and report["not_checked"]
    assert dict(report["claims"])["measurement"] in live.trust.read_text()


def test_attest_refuses(alice: CommandLine, live: LiveExecutor) -> None:
    strict = write(alice, "strict.toml", live.trust.read_text().replace("min_level = 2", "min_level = 5"))
    ran = alice("attest", live.address, "--trust", strict, code=3)
    assert "REFUSED" in ran.err and "ACCEPTED" not in ran.out
    assert alice("attest", live.address, "--trust", strict, "--json", code=3).events("report")[0]["accepted"] is False


def test_explain_trust_and_info(alice: CommandLine, live: LiveExecutor) -> None:
    assert "soft" in alice("explain-trust", live.trust).out
    info = json.loads(alice("info").out)
    assert info["executor"] == live.client().id and "numpy" in {profile["name"] for profile in info["profiles"]}


def test_help_names_the_exit_codes(alice: CommandLine) -> None:
    text = alice("--help").out
    assert "Exit codes" in text and "trust refused" in text
    assert alice("--version").out.startswith("cella")
    for words in (["run"], ["task"], ["task", "approve"], ["data", "add"], ["encrypt"]):
        assert "Usage" in alice(*words, "--help").out
    assert alice("nonsense", code=2).err


# ---- files of one's own ----


def test_encrypt_and_decrypt(alice: CommandLine) -> None:
    content = os.urandom(3_000_000)
    path = write(alice, "plain", content)
    ran = alice("encrypt", "plain", "--digest")
    sealed, key = alice.home / "plain.sealed", alice.home / "plain.key"
    assert ran.out.split() == [hashlib.sha256(sealed.read_bytes()).hexdigest(), "plain.sealed"]
    assert key.stat().st_mode & 0o777 == 0o600 and content[:100] not in sealed.read_bytes()
    assert "exists" in alice("decrypt", "plain.sealed", "--key", "plain.key", code=2).err
    path.unlink()
    alice("decrypt", "plain.sealed", "--key", "plain.key")
    assert path.read_bytes() == content and path.stat().st_mode & 0o777 == 0o600
    alice("encrypt", "plain", "--key", "small.key", "--segment", "4KB", "-o", "small.sealed")
    assert alice("decrypt", "small.sealed", "--key", "plain.key", "-o", "wrong", code=3).err.count("BAD_TAG") == 1
    changed = bytearray(sealed.read_bytes())
    changed[-1] ^= 1
    sealed.write_bytes(changed)
    assert "BAD_TAG" in alice("decrypt", "plain.sealed", "--key", "plain.key", "-o", "wrong", code=3).err
    assert not (alice.home / "wrong").exists()


def test_encrypt_through_pipes(alice: CommandLine) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cella", "encrypt", "-", "-o", "-", "--key", "pipe.key"], input=b"through a pipe" * 100_000,
        cwd=alice.home, env=alice.variables(), capture_output=True, timeout=60, check=True)
    back = subprocess.run(
        [sys.executable, "-m", "cella", "decrypt", "-", "-o", "-", "--key", "pipe.key"], input=done.stdout,
        cwd=alice.home, env=alice.variables(), capture_output=True, timeout=60, check=True)
    assert back.stdout == b"through a pipe" * 100_000


def test_sealed_here_and_used_there(alice: CommandLine) -> None:
    write(alice, "table.csv", "a,b\n1,2\n3,4\n")
    alice("encrypt", "table.csv")
    data = alice("data", "add", "table.csv.sealed", "--sealed", "--key", "table.csv.key").out.strip()
    write(alice, "rows.py", "def main(table): return len(table.csv())")
    function = alice("function", "register", "rows.py", "--input", "table").out.strip()
    task = alice("task", "create", function, "--input", f"table={data}", "--invoke").out.split()[0]
    assert alice("task", "fetch", task).out == "2\n"
    shown = json.loads(alice("data", "show", data).out)
    assert shown["stored"] is True and shown["name"] == "table.csv.sealed"


def test_release_rules_of_functions_and_data(alice: CommandLine) -> None:
    write(alice, "table.csv", "a,b\n1,2\n3,4\n")
    write(alice, "rows.py", "def main(table): return len(table.csv())")
    words = ("function", "register", "rows.py", "--input", "table")
    silent = alice(*words).out.strip()
    declares = alice(*words, "--release", "minimum_group=10", "--release", "decimals=2").out.strip()
    assert json.loads(alice("function", "show", declares).out)["spec"]["release"] == {"minimum_group": 10, "decimals": 2}
    data = alice("data", "add", "table.csv", "--release", "minimum_group=10").out.strip()
    refused = alice("task", "create", silent, "--input", f"table={data}", code=6).err
    assert "DATA_POLICY" in refused and "minimum_group 10; the function declares 0" in refused
    task = alice("task", "create", declares, "--input", f"table={data}").out.split()[0]
    prose = alice("task", "contract", task).out
    assert "keeps to: decimals at least 2, minimum_group at least 10" in prose
    assert "asks that the function declares: minimum_group at least 10" in prose
    alice("data", "policy", data, "--release", "minimum_group=11")
    assert "DATA_POLICY" in alice("task", "invoke", task, code=6).err
    echo = alice("function", "register", "--builtin", "echo", "--argument", "message", "--release", "k=1").out.strip()
    assert json.loads(alice("function", "show", echo).out)["spec"]["release"] == {"k": 1}
    for bad in ("k=0", "k=1.5", "k=ten", "k=-1", "k=" + "9" * 19, "k"):
        assert "--release" in alice(*words, "--release", bad, code=2).err
        assert "--release" in alice("data", "policy", data, "--release", bad, code=2).err


def test_descriptions_and_what_builtins_declare(alice: CommandLine) -> None:
    write(alice, "rows.py", "def main(table, n=1): return n * len(table.csv())")
    function = alice("function", "register", "rows.py", "--input", "table", "--public", "--name", "row-counter",
                     "--description", "Counts the rows of a table, unforgettably", "--describe", "table=CSV with a head",
                     "--describe", "n=times").out.strip()
    spec = json.loads(alice("function", "show", function).out)["spec"]
    assert spec["description"].startswith("Counts") and spec["inputs"][0]["description"] == "CSV with a head"
    assert function in alice("function", "list", "--search", "UNFORGETTABLY").out
    assert "neither input" in alice("function", "register", "rows.py", "--describe", "x=y", code=None).err
    echo = alice("function", "register", "--builtin", "echo", "--name", "parrot", "--lock", "message=always").out.strip()
    shown = json.loads(alice("function", "show", echo).out)["spec"]
    assert (shown["name"], shown["entry"]) == ("parrot", "echo") and shown["arguments"][0]["locked"] is True
    task = alice("task", "create", echo, "--invoke").out.split()[0]
    assert alice("task", "fetch", task).out == '"always"\n'


# ---- new keys for data, and formats that exist already ----

DIGEST = "import hashlib\ndef main(a): return hashlib.sha256(a.read()).hexdigest()\n"


def digest_of(person: CommandLine, data: str) -> str:
    write(person, "digest.py", DIGEST)
    function = person("function", "register", "digest.py", "--input", "a").out.strip()
    task = person("task", "create", function, "--input", f"a={data}", "--invoke").out.split()[0]
    return str(json.loads(person("task", "fetch", task).out))


def test_data_get_a_new_key(alice: CommandLine) -> None:
    content = os.urandom(1_500_000)
    write(alice, "plain", content)
    alice("encrypt", "plain", "--segment", "4KB")
    old = alice("data", "add", "plain.sealed", "--sealed", "--key", "plain.key", "--name", "visits", "--uses", "3").out.strip()
    assert "missing.key" in alice("data", "rotate", old, "--key", "missing.key", "--new-key", "x.key", code=None).err
    assert not (alice.home / "x.key").exists() and json.loads(alice("data", "show", old).out)["stored"] is True
    new = alice("data", "rotate", old, "--key", "plain.key", "--new-key", "next.key").out.strip()
    assert new != old and (alice.home / "next.key").stat().st_mode & 0o777 == 0o600
    shown = json.loads(alice("data", "show", new).out)
    assert shown["name"] == "visits" and shown["policy"] == {"uses": 3} and shown["stored"] is True
    assert json.loads(alice("data", "show", old).out)["deleted"] is True
    assert digest_of(alice, new) == hashlib.sha256(content).hexdigest()
    # The old key is not the new file's; nothing is lost by trying, and no second key file is overwritten.
    assert "BAD_TAG" in alice("data", "rotate", new, "--key", "plain.key", "--new-key", "third.key", code=3).err
    assert json.loads(alice("data", "show", new).out)["stored"] is True
    kept = (alice.home / "next.key").read_bytes()
    assert "next.key" in alice("data", "rotate", new, "--key", "next.key", "--new-key", "next.key", code=6).err
    assert (alice.home / "next.key").read_bytes() == kept
    told = alice("data", "rotate", new, "--key", "next.key", "--new-key", "fourth.key", "--json").events()[-1]
    assert told["event"] == "data" and told["stored"] is True and told["data"] != new


def test_a_privacy_budget(alice: CommandLine) -> None:
    write(alice, "visits", b"1 2 3")
    write(alice, "count.py", b"def main(visits, epsilon, delta=0):\n    return len(visits.text().split())\n")
    function = alice("function", "register", "count.py", "--input", "visits", "--privacy",
                     "epsilon=epsilon,delta=delta,input=visits").out.strip()
    data = alice("data", "add", "visits", "--budget", "epsilon=0.3,delta=1e-6").out.strip()
    run = ("task", "create", function, "--input", f"visits={data}", "--arg", "epsilon=0.2", "--arg", "delta=1e-7", "--invoke")
    task = alice(*run).out.split()[0]
    assert json.loads(alice("task", "fetch", task).out) == 3
    shown = json.loads(alice("data", "show", data).out)
    assert shown["policy"] == {"budget": {"epsilon": 0.3, "delta": 1e-6}}
    assert shown["spent"] == {"epsilon": 0.2, "delta": 1e-7} and shown["left"] == {"epsilon": 0.1, "delta": 9e-7}
    alice("receipt", "get", task, "-o", "a.proof")
    assert "Privacy of visits: epsilon 0.2, delta 1e-07 spent, by the contract" in alice("receipt", "show", "a.proof").out
    assert "BUDGET_SPENT" in alice(*run, code=None).err
    assert json.loads(alice("data", "policy", data, "--budget", "epsilon=0.5").out)["left"] == {"epsilon": 0.3, "delta": 0.0}
    for wrong in ("epsilon", "epsilon=x", "epsilon=-1", "epsilon=inf", "delta=1", "rho=1", "epsilon=1,epsilon=2"):
        assert "--budget" in alice("data", "policy", data, "--budget", wrong, code=2).err
    for wrong in ("epsilon", "delta=delta", "rho=epsilon,epsilon=epsilon"):
        assert alice("function", "register", "count.py", "--input", "visits", "--privacy", wrong, code=2).err
    assert "table" in alice("function", "register", "--builtin", "echo", "--privacy", "epsilon=message", code=2).err


@pytest.mark.parametrize("format", sorted(teaclave_files.KEYS))
def test_data_in_a_format_of_teaclave(alice: CommandLine, format: str) -> None:
    content = os.urandom(100_000)
    key_size, iv_size = teaclave_files.KEYS[format]
    key, iv = os.urandom(key_size), os.urandom(iv_size)
    path = write(alice, "visits.enc", teaclave_files.file_of(format, key + iv, content))
    write(alice, "visits.hex", key.hex() + "\n")
    write(alice, "wrong.hex", os.urandom(key_size).hex())
    for name in ("visits.hex", "wrong.hex"):
        (alice.home / name).chmod(0o600)
    opens = ["--format", format, *(["--iv", iv.hex()] if iv else [])]
    data = alice("data", "add", "visits.enc", "--key", "visits.hex", *opens).out.strip()
    shown = json.loads(alice("data", "show", data).out)
    assert shown["format"] == format and shown["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert digest_of(alice, data) == hashlib.sha256(content).hexdigest()
    before = len(alice("data", "list").out.splitlines())
    assert alice("data", "add", "visits.enc", "--key", "wrong.hex", *opens, code=3).err
    assert "belong together" in alice("data", "add", "visits.enc", "--format", format, code=2).err
    assert "belong together" in alice("data", "add", "visits.enc", "--sealed", "--key", "visits.hex", *opens, code=2).err
    if iv:
        assert "hexadecimal" in alice(
            "data", "add", "visits.enc", "--key", "visits.hex", "--format", format, "--iv", "zz", code=2).err
    assert len(alice("data", "list").out.splitlines()) == before
    new = alice("data", "rotate", data, "--key", "visits.hex", "--new-key", "sealed.key", *opens).out.strip()
    assert json.loads(alice("data", "show", new).out)["format"] == "sealed-file"
    assert digest_of(alice, new) == hashlib.sha256(content).hexdigest()


def test_builtins_and_public_functions(alice: CommandLine, person: People) -> None:
    function = alice("function", "register", "--builtin", "echo", "--argument", "message", "--public").out.strip()
    bob = person("bob")
    bob("keygen")
    task = bob("task", "create", function, "--arg", "message=hello", "--invoke").out.split()[0]
    assert bob("task", "fetch", task).out == '"hello"\n'
    write(alice, "public.py", "def main(): return 'anybody'")
    public = alice("function", "register", "public.py", "--public").out.strip()
    assert "anybody" in bob("function", "show", public, "--source").out
    private = alice("function", "register", "public.py").out.strip()
    assert "private" in bob("function", "show", private, "--source", code=2).err


def test_the_executor_goes_away(own: LiveExecutor, tmp_path: Path) -> None:
    home = tmp_path / "carol"
    home.mkdir()
    carol = CommandLine(home, {"CELLA_AT": own.address, "CELLA_TRUST": str(own.trust)})
    carol("keygen")
    write(carol, "sleep.py", "import time\ndef main(): time.sleep(2)\n")
    assert carol("run", "sleep.py").out == "null\n"
    own.kill()
    begun = time.monotonic()
    assert carol("run", "sleep.py", code=5).err
    assert time.monotonic() - begun < 20
    wait_until(lambda: not own.below(), 10, "nothing is left")
