# SPDX-License-Identifier: Apache-2.0
"""Receipts that executors give: fetched from one, judged elsewhere with nothing but the package and a trust file."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import cella
import pytest
from cella import _native
from cella.encoding import from_base64url, to_base64url
from cella.receipts import Parts, Receipt, TreeHead, tlog_proof
from checkpoint_reader import LOG, Checkpoint, Note, Refused, cosign, public_of, verify_tlog_proof, vkey
from live import CommandLine, LiveExecutor, files, package_of, refused, script_task, until_running, wait_until

Start = Callable[..., LiveExecutor]
JOIN = "def main(left, right, out):\n    out.write(left.read() + right.read())\n    return 'joined'"
NONCE = b"asked by me"


def stored_by(live: LiveExecutor) -> dict[str, bytes]:
    """The sealed objects in the host's store, by their SHA-256: what owners and receivers have as files."""
    return {hashlib.sha256(one.read_bytes()).hexdigest(): one.read_bytes()
            for one in (live.state / "store").rglob("*") if one.is_file()}


class Joined:
    """A task of two parties that has finished."""

    def __init__(self, live: LiveExecutor) -> None:
        self.live = live
        self.a, self.b = live.client(), live.client()
        self.package = package_of(JOIN, public=True, inputs=files("left", "right"), outputs=files("out"))
        function = self.a.functions.register(self.package)
        self.task = self.a.tasks.create(
            function, inputs={"left": self.a.data.add(b"from a ", "left"), "right": self.b.party},
            outputs={"out": [self.a.party, self.b.party]},
        )
        at_b = cella.Task(self.b, self.task.id)
        at_b.assign({"right": self.b.data.add(b"and b", "right")})
        contract = self.task.contract()
        for one in (self.task, at_b):
            one.approve(contract)
        self.task.invoke(nonce=NONCE)
        assert self.task.result() == "joined"
        self.at_b = at_b


@pytest.fixture(scope="module")
def joined(live: LiveExecutor) -> Joined:
    """One for the tests that only look."""
    return Joined(live)


def strict(live: LiveExecutor, folder: Path) -> Path:
    """The executor's trust file, which now demands that everything is proved."""
    path = folder / "strict.toml"
    path.write_text(live.trust.read_text() + '\n[receipt]\nlogs = 1\nrequire = ["evidence", "function", "contract", '
                    '"approvals", "inputs", "outputs", "nonce"]\n')
    return path


def test_a_run_is_proved_to_somebody_who_was_not_there(joined: Joined, tmp_path: Path) -> None:
    """A fresh process with the package, the trust file and the files of the parties; no executor."""
    stored = stored_by(joined.live)
    said = joined.task.receipt()
    for name, item in [(item.name, item) for item in (*said.inputs, *said.outputs)]:
        (tmp_path / f"{name}.sealed").write_bytes(stored[item.digest.hex()])
    (tmp_path / "function.json").write_bytes(joined.package)
    said.save(tmp_path / "a.proof")
    with refused("EXISTS"):
        said.save(tmp_path / "a.proof")
    words: list[str | Path] = ["verify", "a.proof", "--trust", strict(joined.live, tmp_path), "--nonce", NONCE.hex(), "--function", "function.json",
             "--input", "left=left.sealed", "--input", "right=right.sealed", "--output", "out=out.sealed", "--json"]
    done = subprocess.run([sys.executable, "-m", "cella", *words], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert {check["name"]: check["outcome"] for check in report["checks"]} == dict.fromkeys(
        ["format", "evidence", "executor", "signature", "payload", "inclusion", "runtime", "function", "contract", "approvals",
         "inputs", "outputs", "nonce", "parents"], "passed")


def test_what_the_statement_says(joined: Joined) -> None:
    said = joined.at_b.receipt()
    task = joined.a.request("task.get", {"task": joined.task.id})
    assert said.kind == "execution" and said.subject == joined.task.id and said.executor == joined.a.id
    assert said.content["function"] == hashlib.sha256(joined.package).digest()
    assert said.content["contract"].hex() == joined.task.contract().sha256
    assert [(item.name, item.kind, item.digest.hex(), item.size) for item in said.inputs] == [
        (name, 0, task["inputs"][name]["sha256"], task["inputs"][name]["size"]) for name in ("left", "right")]
    out = task["outputs"]["out"]
    assert [(item.name, item.kind, item.digest.hex(), item.size) for item in said.outputs] == [
        ("out", 0, out["sha256"], out["size"])]
    assert said.content["participants"] == sorted(
        from_base64url(one, "id") for one in (joined.a.party, joined.b.party))
    assert said.content["nonce"] == NONCE and said.content["time_source"] == 0
    assert said.content["started"] <= said.content["ended"] == said.content["issued"] <= time.time()
    used = task["usage"]
    assert said.content["usage"] == {"cpu": used["cpu_us"], "peak_bytes": 1024 * used["peak_kib"],
                                     "bytes_in": used["bytes_in"], "bytes_out": used["bytes_out"]}
    assert said.content["evidence"] == hashlib.sha256(said.parts.evidence_file).digest()
    head = TreeHead.read(said.parts.tree_head)
    entry = said.content["receipts"][0]
    assert entry["position_signed"] and entry["size"] == head.size == entry["index"] + 1
    assert entry["issuer"] == head.origin == f"urn:cella:log:{joined.a.id}"
    assert (tlog_proof(said) or "").startswith(f"c2sp.org/tlog-proof@v1\nindex {entry['index']}\n")


def after(content: bytes, at: int) -> int:
    """Where the CBOR item that begins there ends."""
    major, value, at = content[at] >> 5, content[at] & 31, at + 1
    if value >= 24:
        size = 1 << value - 24
        value, at = int.from_bytes(content[at : at + size], "big"), at + size
    if major in (2, 3):
        return at + value
    for _ in range(value * {4: 1, 5: 2}.get(major, 0)):
        at = after(content, at)
    return at


def entry_of(receipt: bytes) -> bytes:
    """The statement as the log has it: without the receipts that are attached."""
    protected = after(receipt, 2)
    return receipt[:protected] + b"\xa0" + receipt[after(receipt, protected) :]


def flipped(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1:]


def test_tree_head_and_proof_as_others_read_them(joined: Joined) -> None:
    """By a reader that was written out of the specifications, without any of Cella's code."""
    said = joined.task.receipt()
    evidence = said.parts.evidence_file
    certificate = evidence.rindex(b"\x06\x82\x58\x20") + 4  # member 6: [log key, signature]
    log = evidence[certificate : certificate + 32]
    name = f"urn:cella:log:{joined.a.id}"
    note = Note.read(said.parts.tree_head.encode())
    assert note.verify(vkey(name, LOG, log)) == 0
    head = Checkpoint.read(note.text)
    assert (head.origin, head.size) == (name, said.content["receipts"][0]["size"])
    proof = tlog_proof(said)
    assert proof is not None
    entry = entry_of(said.parts.receipt)
    assert verify_tlog_proof(proof.encode(), entry, vkey(name, LOG, log)) == head
    with pytest.raises(Refused):
        verify_tlog_proof(proof.encode(), entry[:-1], vkey(name, LOG, log))
    seed = bytes(range(32))
    witnessed = said.parts.tree_head + cosign(note.text, "witness.example/w1", seed, 1790000000)
    assert TreeHead.read(witnessed).witnessed("witness.example/w1", public_of(seed)) == 1790000000


def test_what_led_to_an_output(live: LiveExecutor, tmp_path: Path) -> None:
    """From a run back through those before it, as far as each party may have their receipts."""
    me, other = live.client(), live.client()
    made = script_task(me, "def main(out):\n    out.write(b'made')", outputs=["out"]).wait()
    function = me.functions.register(package_of("def main(x, y):\n    y.write(x.read())", inputs=files("x"), outputs=files("y"), public=True))
    middle = me.tasks.create(function, inputs={"x": me.data.derive(made.id, "out")}, outputs={"y": None}, invoke=True).wait()
    last_function = me.functions.register(package_of("def main(x): return len(x.read())", inputs=files("x"), public=True))
    last = me.tasks.create(last_function, inputs={"x": me.data.derive(middle.id, "y")}, result=[me.party, other.party])
    contract = last.contract()
    for one in (me, other):
        cella.Task(one, last.id).approve(contract)
    last.invoke().wait()
    view = last.provenance(live.trust)
    assert [node.subject for node in view.nodes] == [last.id, middle.id, made.id] and view.complete and view.accepted
    theirs = cella.Task(other, last.id).provenance()
    assert [node.subject for node in theirs.nodes] == [last.id] and theirs.missing == (view.nodes[1].leaf,)
    found = me.receipt(last.id), me.receipt(middle.id), me.receipt(made.id)
    report = found[0].verify(live.trust, parents=found[1:])
    assert report.accepted and report.check("parents").outcome == "passed", str(report)
    with refused("NOT_FOUND"):
        other.request("receipt.find", {"leaf": to_base64url(view.nodes[1].leaf)})
    with refused("NOT_FOUND"):
        me.request("receipt.find", {"leaf": to_base64url(bytes(32))})
    data = me.data.add(b"gone")
    me.data.delete(data)
    gone = me.receipt(data.id)
    assert me.request("receipt.find", {"leaf": to_base64url(gone.leaf)}) == {"of": data.id}
    me.identity.save(tmp_path / "me.json")
    cli = CommandLine(tmp_path, {"CELLA_AT": live.address, "CELLA_TRUST": str(live.trust), "CELLA_IDENTITY": "me.json"})
    said = cli("receipt", "trace", last.id, "-o", tmp_path / "kept", "--json")
    assert json.loads(said.out)["complete"], said
    assert {path.name for path in (tmp_path / "kept").iterdir()} == {f"{one}.proof" for one in (last.id, middle.id, made.id)}
    again = cli("receipt", "trace", last.id, "-o", tmp_path / "kept", code=None)
    assert again.code != 0 and "never overwritten" in again.err
    assert "parent " in cli("receipt", "trace", last.id).out


def test_what_was_changed_is_refused(joined: Joined, tmp_path: Path) -> None:
    """Each part flipped, cut out, or replaced by that of another run."""
    trust = strict(joined.live, tmp_path)
    loose = tmp_path / "loose.toml"
    loose.write_text(joined.live.trust.read_text() + '\n[receipt]\nrequire = ["evidence", "contract", "approvals"]\n')
    parts, other = joined.task.receipt().parts, Joined(joined.live).task.receipt().parts
    assert cella.verify_receipt(parts, loose).accepted
    assert cella.verify_receipt(parts, trust).code == "NOT_PROVED"
    key, request = parts.approvals[0]
    statement_end = parts.receipt.index(b"\xa1\x19\x01\x8a")  # its unprotected header: {394: ...
    payload_at = len(parts.receipt) - 200
    cases: list[tuple[dict[str, object], set[str]]] = [
        ({"evidence_file": b""}, {"BAD_KEY"}),
        ({"evidence_file": flipped(parts.evidence_file, len(parts.evidence_file) // 2)},
         {"BAD_FORMAT", "BAD_EVIDENCE", "BAD_SIGNATURE", "BINDING", "BAD_KEY", "CHARTER", "BAD_DIGEST"}),
        ({"contract": flipped(parts.contract, 40)}, {"BAD_DIGEST"}),
        ({"contract": other.contract}, {"BAD_DIGEST"}),
        ({"contract": b""}, {"NOT_PROVED"}),
        ({"approvals": ()}, {"NOT_PROVED"}),
        ({"approvals": parts.approvals[:1]}, {"NOT_PROVED"}),
        ({"approvals": (*parts.approvals[:1], *other.approvals[:1])}, {"BAD_RECEIPT"}),
        ({"approvals": ((flipped(key, 3), request), parts.approvals[1])}, {"BAD_KEY", "BAD_SIGNATURE"}),
        ({"approvals": ((key, request[:-6] + ("A" if request[-6] != "A" else "B") + request[-5:]), parts.approvals[1])},
         {"BAD_SIGNATURE"}),
        ({"function": package_of("def main(): pass")}, {"BAD_DIGEST"}),
        ({"receipt": flipped(parts.receipt, 20)}, {"BAD_FORMAT", "BAD_SIGNATURE", "BAD_KEY"}),
        ({"receipt": flipped(parts.receipt, statement_end - 1)}, {"BAD_FORMAT", "BAD_SIGNATURE", "BAD_KEY"}),
        ({"receipt": flipped(parts.receipt, payload_at)}, {"BAD_FORMAT", "BAD_SIGNATURE"}),
        ({"receipt": other.receipt}, {"BAD_DIGEST"}),
    ]
    for change, codes in cases:
        report = cella.verify_receipt(dataclasses.replace(parts, **change), loose)  # type: ignore[arg-type]
        assert not report.accepted and report.code in codes, (list(change), report.code, str(report))
    named = Receipt(parts)
    assert named.verify(loose, nonce=b"somebody else's").code == "BAD_RECEIPT"
    assert named.verify(loose, inputs={"left": b"?"}).code == "BAD_DIGEST"


def test_approvals_are_the_parties_own_words(joined: Joined) -> None:
    """Their signatures verify under their keys, which the executor does not have."""
    parts = joined.task.receipt().parts
    keys = {one.identity.sign_public for one in (joined.a, joined.b)}
    assert {key for key, _ in parts.approvals} == keys
    for key, request in parts.approvals:
        message, _, signature = request.rpartition(".")
        _native.ed25519_verify(key, message.encode(), from_base64url(signature, "signature"))
        payload = json.loads(from_base64url(message.partition(".")[2], "payload"))
        assert payload["op"] == "task.approve" and payload["args"]["contract"] == joined.task.contract().sha256


def test_an_approver_with_new_keys(live: LiveExecutor, tmp_path: Path) -> None:
    """Each approves with another key than his id is of; then one replaces his again. His own statements show whose they are."""
    a, b = live.client(), live.client()
    first = b.identity.sign_public
    for one in (b, b, a):
        one.parties.rotate(one.identity.successor())
    function = a.functions.register(package_of("def main(): return 1", public=True))
    task = a.tasks.create(function, result=[a.party, b.party])
    contract = task.contract()
    for one in (a, b):
        cella.Task(one, task.id).approve(contract)
    signed_by = {one.identity.sign_public for one in (a, b)}
    b.parties.rotate(b.identity.successor())
    found = task.invoke().receipt()
    assert {key for key, _ in found.parts.approvals} == signed_by
    assert sorted(len(statements) for _, statements in found.parts.histories) == [1, 2]  # not the one that came after
    assert first in {key for key, _ in found.parts.histories}
    strict_file = tmp_path / "strict.toml"
    strict_file.write_text(live.trust.read_text() + '\n[receipt]\nrequire = ["approvals"]\n')
    report = found.verify(strict_file)
    assert report.accepted and report.check("approvals").outcome == "passed", str(report)
    for histories in ((), found.parts.histories[:1]):
        report = Receipt(dataclasses.replace(found.parts, histories=histories)).verify(strict_file)
        assert report.code == "BAD_KEY", str(report)


def test_a_deletion_by_an_owner_with_new_keys(live: LiveExecutor) -> None:
    me = live.client()
    data = me.data.add(b"gone")
    me.parties.rotate(me.identity.successor())
    me.data.delete(data)
    found = me.receipt(data.id)
    assert [len(statements) for _, statements in found.parts.histories] == [1]
    report = found.verify(live.trust)
    assert report.accepted and report.check("request").outcome == "passed", str(report)


def test_who_did_not_take_part_learns_nothing(joined: Joined) -> None:
    stranger = joined.live.client()
    with refused("NOT_FOUND"):
        stranger.receipt(joined.task.id)
    with refused("NOT_FOUND"):
        stranger.receipt("task-" + "0" * 32)


def test_only_what_finished_has_one(live: LiveExecutor) -> None:
    me = live.client()
    failed = script_task(me, "def main():\n    raise ValueError").wait(check=False)
    with refused("BAD_STATE", text="only tasks that did have a receipt"):
        me.receipt(failed.id)
    with refused("SCRIPT_FAILED"):
        failed.receipt()
    waiting = script_task(me, "def main(): return 1", invoke=False)
    with refused("BAD_STATE", text="has not finished"):
        me.receipt(waiting.id)
    assert [one["code"] for one in me.audit(task=failed.id) if one["event"] == "task.failed"] == ["SCRIPT_FAILED"]


def test_nonces(live: LiveExecutor) -> None:
    me = live.client()
    function = me.functions.register(package_of("def main(): return 1"))
    for bad in (b"", b"1234567", bytes(65)):
        with refused("BAD_FIELD", "TOO_LARGE", "BAD_SIZE"):
            me.tasks.create(function, invoke=True, nonce=bad)
    with refused("BAD_FIELD"):
        me.tasks.create(function, nonce=b"12345678")
    task = me.tasks.create(function, invoke=True, nonce=bytes(64)).wait()
    assert task.receipt().content["nonce"] == bytes(64)
    signed = me.sign("task.create", {"function": function.id, "invoke": True})
    task = cella.Task(me, me._send(signed, None)["task"]).wait()
    assert task.receipt().content["nonce"] == hashlib.sha256(signed.encode()).digest()


def test_statements_are_chained(start: Start) -> None:
    """Each names the one before, and the runs whose outputs were its inputs; restarts change none of that."""
    first = start()
    me = first.client()
    made = script_task(me, "def main(out):\n    out.write(b'made')", outputs=["out"]).wait()
    one = made.receipt()
    assert one.content["previous"] is None and one.content["parents"] == []
    derived = me.data.derive(made.id, "out")
    first.kill()
    live = start()
    me = cella.connect(live.address, live.trust, me.identity)
    function = me.functions.register(package_of("def main(x, y): return 2", inputs=files("x", "y")))
    used = me.tasks.create(function, inputs={"x": derived, "y": derived}, invoke=True).wait()
    two = used.receipt()
    assert two.content["parents"] == [one.leaf]
    bare = entry_of(one.parts.receipt)
    assert two.content["previous"] == hashlib.sha256(bare).digest()
    assert one.leaf == hashlib.sha256(b"\0" + bare).digest()
    assert cella.Task(me, made.id).refresh().receipt().parts == one.parts  # byte for byte, at the next executor
    assert one.content["evidence"] != two.content["evidence"]
    for found in (one, two):
        assert found.verify(live.trust).accepted, str(found.verify(live.trust))


def test_a_deletion(live: LiveExecutor, tmp_path: Path) -> None:
    me, stranger = live.client(), live.client()
    data = me.data.add(b"mine", "x")
    with refused("BAD_STATE", text="not deleted"):
        me.receipt(data.id)
    me.data.delete(data)
    found = me.receipt(data.id)
    assert found.kind == "deletion" and found.inputs[0].digest.hex() == data.sha256
    report = found.verify(live.trust)
    assert report.accepted and report.check("request").outcome == "passed", str(report)
    with refused("NOT_FOUND"):
        stranger.receipt(data.id)


def test_the_command(joined: Joined, tmp_path: Path) -> None:
    joined.a.identity.save(tmp_path / "a.identity")
    words: list[str | Path] = ["--at", joined.live.address, "--trust", joined.live.trust, "--identity", "a.identity"]
    command = CommandLine(tmp_path)
    assert command("receipt", "get", joined.task.id, *words, "-o", "b.proof").out.strip() == "b.proof"
    assert Parts.read(tmp_path / "b.proof") == joined.task.receipt().parts
    assert "exists already" in command("receipt", "get", joined.task.id, *words, "-o", "b.proof", code=None).err
    assert command("verify", "b.proof", "--trust", joined.live.trust).out.strip().endswith(f"ACCEPTED by {joined.live.trust}")
    (tmp_path / "one.py").write_text("def main(): return 1")
    said = command("run", "one.py", *words)
    found = re.search(r"its proof: cella (receipt get task-\w+)", said.err)
    assert found is not None and said.out.strip() == "1"
    command(*found.group(1).split(), *words, "-o", "c.proof")
    exported = {one.name for one in cella.receipts.export(Receipt(tmp_path / "b.proof"), tmp_path / "parts")}
    assert {"receipt.tlog-proof", "tree-head.txt", "approval-2.jws", "contract.json", "evidence.cbor"} <= exported


def test_no_result_without_its_receipt(start: Start) -> None:
    """The executor is killed after a task has ended and before that is durable: nobody has seen a result, and the next
    executor has neither result nor receipt, or both."""
    live = start({"profiles": ["python"], "pool": 1})
    me = live.client()
    task = until_running(script_task(me, "import time\ndef main():\n    time.sleep(1)\n    return 'x'"))
    seen: list[object] = []

    def look() -> None:
        try:
            seen.append(me.request("task.watch", {"task": task.id, "version": 0, "over": True}))
        except cella.CellaError as problem:
            seen.append(problem.code)

    watcher = threading.Thread(target=look)
    watcher.start()
    ledger = live.one("ledger")
    os.kill(ledger.pid, signal.SIGSTOP)  # it writes nothing more, and acknowledges nothing
    live.wait_for_log(f"task finished {task.id}")
    time.sleep(0.5)
    assert not seen
    live.kill()
    ledger.kill()
    watcher.join(30)
    assert seen in (["CLOSED"], ["TLS_FAILED"], ["SYSTEM_FAILED"])
    wait_until(lambda: not ledger.alive, 10, "the ledger's process has died")
    live = start({"profiles": ["python"], "pool": 1})
    me = cella.connect(live.address, live.trust, me.identity)
    with refused("EXECUTOR_DIED"):
        cella.Task(me, task.id).wait(timeout=30).result()
    with refused("BAD_STATE"):
        me.receipt(task.id)
    assert script_task(me, "def main(): return 'next'").wait().receipt().verify(live.trust).accepted
