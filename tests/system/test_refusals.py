# SPDX-License-Identifier: Apache-2.0
"""Refusals that executors sign: told with the error, judged elsewhere with nothing but the package and a trust file."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from pathlib import Path

import cella
import pytest
from cella.encoding import from_base64url, to_base64url
from cella.receipts import Parts, Receipt
from checkpoint_reader import Refused
from cose_reader import opened
from live import CommandLine, LiveExecutor, files, package_of, refused, script_task

READER = "def main(x):\n    return len(x.read())\n"


def used_up(live: LiveExecutor) -> tuple[cella.Executor, cella.Data, cella.CellaError]:
    """A request that the policy of data refuses: its creator, the data, and the error."""
    me = live.client()
    data = me.data.add(b"once", policy={"uses": 1})
    function = me.functions.register(package_of(READER, inputs=files("x")))
    me.tasks.create(function, inputs={"x": data}, invoke=True).wait()
    with refused("USES_USED_UP") as caught:
        me.tasks.create(function, inputs={"x": data}, invoke=True)
    return me, data, caught.value


def test_as_others_read_it(live: LiveExecutor) -> None:
    """By a reader that was written out of the RFCs, without any of Cella's code."""
    before = int(time.time())
    me, data, error = used_up(live)
    refusal = error.refusal
    header, said = opened(refusal.parts.receipt, me.session.sign_public)
    (key, request), = refusal.parts.approvals
    payload = json.loads(from_base64url(request.split(".")[1], "payload"))
    kid = from_base64url(me.id, "id")
    assert header == {1: -8, 3: "application/vnd.cella.refusal+cbor", 4: kid,
                      15: {1: f"urn:cella:executor:{me.id}", 2: header[15][2], 6: header[15][6]}}
    assert set(said) == {1, 2, 3, 4, 5, 6}
    assert said[1] == payload["op"] and said[2] == [505, "USES_USED_UP"] and said[6] == error.detail != ""
    assert data.id in said[6]
    assert to_base64url(said[3]) == me.party and said[4] == hashlib.sha256(request.encode()).digest()
    assert before <= said[5][0] <= time.time() + 1 and said[5] == [header[15][6], 0]
    assert key == me.identity.sign_public
    with pytest.raises(Refused):
        opened(refusal.parts.receipt, live.client().identity.sign_public)


def test_judged_offline(live: LiveExecutor, tmp_path: Path) -> None:
    me, _, error = used_up(live)
    path = error.refusal.save(tmp_path / "refusal.cbor")
    report = cella.verify_receipt(path, live.trust)
    assert report.accepted, str(report)
    assert {check.name: check.outcome for check in report.checks} == dict.fromkeys(
        ("format", "evidence", "executor", "signature", "payload", "request"), "passed")
    assert any("stand in no log" in sentence for sentence in report.not_checked)
    assert any("clock of the host" in sentence for sentence in report.not_checked)
    cli = CommandLine(tmp_path, {"CELLA_TRUST": str(live.trust)})
    said = cli("verify", path)
    for text in ("Refused ", "USES_USED_UP (505)", f"To {me.party}", f"Executor {me.id}", "At 20", "NOT CHECKED"):
        assert text in said.out, said
    assert "USES_USED_UP (505)" in cli("receipt", "show", path).out


def test_what_was_changed_is_refused(live: LiveExecutor, other_executor_parts: Parts) -> None:
    """Each byte flipped, another executor's evidence, another request, another party's."""
    _, _, error = used_up(live)
    _, _, second = used_up(live)
    parts = error.refusal.parts
    for place in range(len(parts.receipt)):
        changed = bytearray(parts.receipt)
        changed[place] ^= 1
        report = cella.verify_receipt(dataclasses.replace(parts, receipt=bytes(changed)), live.trust)
        assert not report.accepted, place
    for change, codes in (
        ({"approvals": second.refusal.parts.approvals}, {"BAD_DIGEST"}),
        ({"approvals": ((bytes(32), parts.approvals[0][1]),)}, {"BAD_SIGNATURE", "BAD_KEY"}),
        ({"receipt": second.refusal.parts.receipt}, {"BAD_DIGEST"}),
        ({"receipt": other_executor_parts.receipt}, {"BAD_KEY"}),
        ({"evidence_file": other_executor_parts.evidence_file}, {"BAD_KEY", "MEASUREMENT", "ROOT", "CHARTER", "BAD_EVIDENCE"}),
        ({"evidence_file": b""}, {"BAD_KEY"}),
    ):
        report = cella.verify_receipt(dataclasses.replace(parts, **change), live.trust)  # type: ignore[arg-type]
        assert not report.accepted and report.code in codes, (change, str(report))
    assert cella.verify_receipt(dataclasses.replace(parts, approvals=()), live.trust).accepted


@pytest.fixture
def other_executor_parts(own: LiveExecutor) -> Parts:
    return used_up(own)[2].refusal.parts


def test_rights_states_and_questions(live: LiveExecutor) -> None:
    """What is signed: decisions about requests of parties. What is not: mistakes, and what is not known to be a party's."""
    me, other = live.client(), live.client()
    task = script_task(me, "def main(): return 1").wait()
    with refused("NOT_FOUND") as caught:
        other.request("task.cancel", {"task": task.id})
    found = caught.value.refusal
    assert (found.kind, found.subject, found.content["operation"]) == ("refusal", task.id, "task.cancel")
    with refused("NOT_FOUND") as caught:
        other.download({"task": task.id, "output": "o"}, lambda data: None)
    assert caught.value.refusal.content["operation"] == "object.download"
    with refused("ROLE_MISSING", "DENIED") as caught:
        other.request("organisation.create", {"name": "n"})
    assert caught.value.refusal.subject == other.party
    for args, code in (({"task": 5}, "BAD_FIELD"), ({"task": task.id, "x": 1}, "UNKNOWN_FIELD")):
        with refused(code) as caught:
            me.request("task.cancel", args)
        assert caught.value.refusal is None


def test_refusals_are_not_logged(own: LiveExecutor) -> None:
    """However many are asked for, the ledger does not grow."""
    me, _, _ = used_up(own)
    size = own.client().session.head.size  # type: ignore[union-attr]
    for _ in range(20):
        with refused("NOT_FOUND") as caught:
            me.request("task.cancel", {"task": "task-" + "0" * 32})
        assert caught.value.refusal is not None
    with cella.connect(own.address, own.trust, me.identity) as again:
        assert again.session.head is not None and again.session.head.size <= size + 1  # own.client() may have enrolled


def test_a_party_with_new_keys(live: LiveExecutor) -> None:
    """Its id is not of the key that signs: the request verifies, and whose key it was is the executor's word."""
    me = live.client()
    me.parties.rotate(me.identity.successor())
    with refused("NOT_FOUND") as caught:
        me.request("task.cancel", {"task": "task-" + "0" * 32})
    report = caught.value.refusal.verify(live.trust)
    assert report.accepted and report.check("request").outcome == "not done"
    assert "executor's word" in report.check("request").detail


def test_command_line(live: LiveExecutor, tmp_path: Path) -> None:
    me = live.client()
    me.data.list()
    me.identity.save(tmp_path / "me.json")
    cli = CommandLine(tmp_path, {"CELLA_AT": live.address, "CELLA_TRUST": str(live.trust), "CELLA_IDENTITY": "me.json"})
    task = "task-" + "0" * 32
    said = cli("task", "cancel", task, "--save-refusal", tmp_path / "refusal.proof", code=None)
    assert said.code != 0 and "NOT_FOUND" in said.err and "kept the executor's signed refusal" in said.err
    assert Receipt(tmp_path / "refusal.proof").subject == task
    assert "Refused " in cli("verify", tmp_path / "refusal.proof").out
    again = cli("task", "cancel", task, "--save-refusal", tmp_path / "refusal.proof", code=None)
    assert again.code == 2 and "never overwritten" in again.err
    none = cli("task", "cancel", "x" * 100, "--save-refusal", tmp_path / "none.proof", code=None)
    assert "no signed refusal came" in none.err and not (tmp_path / "none.proof").exists()
