# SPDX-License-Identifier: Apache-2.0
"""The journal, proved against the ledger: what comes is verified, what was changed is refused, and a file says the same
years later."""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cella
import pytest
from cella.audit import Audit, Page, check_page, fetch, verify_audit
from cella.encoding import from_base64url, to_base64url, write_json
from live import CommandLine, LiveExecutor, package_of, refused, script_task

Start = Callable[..., LiveExecutor]


@pytest.fixture(scope="module")
def told(live: LiveExecutor) -> tuple[cella.Executor, Audit]:
    """Somebody who ran something and deleted something, and what he is told."""
    me = live.client()
    script_task(me, "def main(x): return len(x.read())", inputs={"x": b"data"}).wait(timeout=30)
    script_task(me, "def main():\n    raise ValueError").wait(check=False)
    me.data.delete(me.data.add(b"gone"))
    return me, fetch(me, {})


def changed(audit: Audit, change: Callable[[dict[str, Any]], None]) -> Page:
    """The first page, with its answer changed."""
    answer = copy.deepcopy(audit.pages[0].answer)
    change(answer)
    return Page(audit.pages[0].request, answer)


def other(text: str) -> str:
    """Base64url of bytes of which the first is another."""
    content = from_base64url(text, "text")
    return to_base64url(bytes([content[0] ^ 1]) + content[1:])


def test_every_entry_is_proved(told: tuple[cella.Executor, Audit]) -> None:
    me, audit = told
    events = [entry["event"] for entry in audit.entries]
    assert {"party.enrolled", "task.finished", "task.failed", "data.deleted"} <= set(events)
    assert list(audit.entries) == me.audit()[: len(audit.entries)]
    proofs = audit.pages[0].answer["proofs"]
    kinds = {entry["event"]: set(proof) - {"leaf", "path"} for entry, proof in zip(audit.entries, proofs)}
    assert kinds["task.finished"] == kinds["data.deleted"] == {"statement"} and kinds["task.failed"] == {"rest"}
    checked = check_page(audit.pages[0], me.session.sign_public, None)
    assert (checked.party, checked.proved) == (me.party, len(audit.entries))


def test_what_was_changed_is_refused(told: tuple[cella.Executor, Audit]) -> None:
    me, audit = told
    key = me.session.sign_public
    finished = next(at for at, entry in enumerate(audit.entries) if entry["event"] == "task.finished")
    started = next(at for at, entry in enumerate(audit.entries) if entry["event"] == "task.started")

    def proof(answer: dict[str, Any], at: int, **members: Any) -> None:
        answer["proofs"][at].update(members)

    cases: list[tuple[Callable[[dict[str, Any]], Any], set[str]]] = [
        (lambda answer: answer["entries"][started].update(time=answer["entries"][started]["time"] + 1), {"BAD_SIGNATURE"}),
        (lambda answer: answer["entries"][started].update(subject="task-" + "0" * 32), {"BAD_SIGNATURE"}),
        (lambda answer: (answer["entries"].pop(), answer["proofs"].pop()), {"BAD_SIGNATURE"}),
        (lambda answer: answer["entries"].reverse(), {"BAD_FORMAT"}),
        (lambda answer: answer["proofs"].pop(), {"BAD_FORMAT"}),
        (lambda answer: answer.update(next=answer["next"] + 1), {"BAD_SIGNATURE"}),
        (lambda answer: answer.update(more=not answer["more"]), {"BAD_SIGNATURE"}),
        (lambda answer: answer.update(signature=other(answer["signature"])), {"BAD_SIGNATURE"}),
        (lambda answer: answer["head"].update(size=answer["head"]["size"] + 1), {"BAD_SIGNATURE"}),
        (lambda answer: proof(answer, started, rest=other(answer["proofs"][started]["rest"])), {"BAD_PROOF"}),
        (lambda answer: proof(answer, started, leaf=answer["proofs"][started]["leaf"] + 1), {"BAD_PROOF"}),
        (lambda answer: proof(answer, started, path=other(answer["proofs"][started]["path"])), {"BAD_PROOF"}),
        (lambda answer: proof(answer, started, path=""), {"BAD_PROOF"}),
        (lambda answer: proof(answer, started, rest=answer["proofs"][started - 1]["rest"]), {"BAD_PROOF"}),
        (lambda answer: answer["proofs"].__setitem__(started, answer["proofs"][finished]), {"BAD_PROOF"}),
        (lambda answer: answer["proofs"].__setitem__(finished, answer["proofs"][started]), {"BAD_PROOF"}),
        (lambda answer: proof(answer, finished, more=1), {"BAD_FORMAT"}),
    ]
    for number, (change, codes) in enumerate(cases):
        with pytest.raises(cella.CellaError) as caught:
            check_page(changed(audit, change), key, None)
        assert caught.value.code in codes, (number, str(caught.value))
    elsewhere = fetch(me, {"party": me.party}).pages[0]
    with pytest.raises(cella.IntegrityError):
        check_page(Page(elsewhere.request, audit.pages[0].answer), key, None)


def test_a_ledger_that_was_seen_before_has_to_go_on(told: tuple[cella.Executor, Audit]) -> None:
    me, _ = told
    audit = fetch(me, {})
    assert me.head is not None
    check_page(audit.pages[0], me.session.sign_public, me.head)
    forked = dataclasses.replace(me.head, root=bytes(32))
    with refused("ROLLBACK"):
        check_page(audit.pages[0], me.session.sign_public, forked)
    with refused("ROLLBACK"):
        me.request("audit.list", {"size": 1 << 40})


def test_who_sees_less_is_told_less(live: LiveExecutor) -> None:
    a, b = live.client(), live.client()
    function = a.functions.register(package_of("def main(): return 1", public=True))
    task = a.tasks.create(function, result=[a.party, b.party])
    contract = task.contract()
    for one in (a, b):
        cella.Task(one, task.id).approve(contract)
    task.invoke().wait(timeout=30)
    mine, theirs = fetch(a, {"task": task.id}), fetch(b, {"task": task.id})
    assert mine.entries == theirs.entries and len(mine.entries) == 8
    assert a.party not in {entry["subject"] for entry in fetch(b, {}).entries}
    whole = json.dumps([page.answer for page in fetch(b, {}).pages])
    assert function.id not in whole.replace(f'"other": "{function.id}"', ""), "only as what the task is of"


def test_a_file_for_later(told: tuple[cella.Executor, Audit], live: LiveExecutor, tmp_path: Path) -> None:
    me, audit = told
    path = audit.save(tmp_path / "audit.json")
    with refused("EXISTS"):
        audit.save(path)
    report = verify_audit(path, live.trust)
    assert report.accepted and report.entries == audit.entries and report.party == me.party, str(report)
    assert "all that party" in report.check("complete").detail
    found = json.loads(path.read_bytes())

    def judged(change: Callable[[dict[str, Any]], Any]) -> str:
        again = copy.deepcopy(found)
        change(again)
        report = verify_audit(write_json(again), live.trust)
        assert not report.accepted and not report.entries and "failed" in {check.outcome for check in report.checks}
        return report.code

    assert judged(lambda file: file["pages"][0]["answer"]["entries"][0].update(time=1)) == "BAD_SIGNATURE"
    assert judged(lambda file: file["evidence"].update(keys=to_base64url(bytes(64)))) == "BINDING"
    assert judged(lambda file: file["evidence"].pop("charter")) in ("BAD_FORMAT", "BAD_BASE64URL", "MISSING_FIELD")
    assert judged(lambda file: file["pages"].append(file["pages"][0])) in ("BAD_RECEIPT", "ROLLBACK")
    stranger = live.client()
    foreign = fetch(stranger, {}).pages[0]
    assert judged(lambda file: file["pages"].append({"request": foreign.request, "answer": foreign.answer})) != "OK"
    hostile: list[Callable[[dict[str, Any]], Any]] = [
        lambda file: file["pages"][0].update(answer=[]), lambda file: file["pages"][0].update(request="\ud800.a.b"),
        lambda file: file["pages"][0]["answer"].update(entries=1), lambda file: file["pages"][0]["answer"].update(proofs={}),
        lambda file: file["pages"][0]["answer"].update(next="1"), lambda file: file["pages"][0]["answer"].update(head=None),
        lambda file: file["pages"][0]["answer"].update(entries=[[]]), lambda file: file["pages"].append(1),
        lambda file: file["pages"][0]["answer"]["entries"][0].update(number=True),
        lambda file: file["pages"][0]["answer"]["proofs"][0].update(leaf=1 << 70),
        lambda file: file["pages"][0]["answer"]["proofs"][0].update(rest=1),
        lambda file: file["pages"][0]["answer"]["proofs"][0].update(path="A" * 44),
        lambda file: file["evidence"].update(evidence=1), lambda file: file["evidence"].update(type=[]),
    ]
    for change in hostile:
        again = copy.deepcopy(found)
        change(again)
        text = json.dumps(again).encode()
        try:
            assert not verify_audit(text, live.trust).accepted
        except cella.FormatError:
            pass
    for bad in (b"[]", b"{}", b'{"kind":"cella audit","version":2}', b'{"kind":"cella audit","version":1,"pages":[],"evidence":{}}'):
        with pytest.raises(cella.FormatError):
            verify_audit(bad, live.trust)


def test_the_command(live: LiveExecutor, tmp_path: Path) -> None:
    shell = CommandLine(tmp_path, {"CELLA_AT": live.address, "CELLA_TRUST": str(live.trust)})
    (tmp_path / "one.py").write_text("def main(): return 1")
    shell("run", "one.py")
    said = shell("audit", "-o", "audit.json")
    assert "task.finished" in said.out and "kept audit.json" in said.err
    verified = shell("verify", "audit.json")
    assert "ACCEPTED by" in verified.out and said.out in verified.out
    assert json.loads(shell("verify", "audit.json", "--json").out)["accepted"] is True
    assert shell("verify", "audit.json", "--nonce", "00" * 8, code=None).code == 2
    content = (tmp_path / "audit.json").read_text()
    (tmp_path / "bad.json").write_text(content.replace("task.started", "task.stopped"))
    assert "REFUSED" in shell("verify", "bad.json", code=3).err


def test_many_pages_and_a_restart(start: Start, tmp_path: Path) -> None:
    """Proofs are the same after the ledger was read again; each page's ledger continues that of the page before."""
    first = start()
    me = first.client()
    for number in range(60):
        me.functions.disable(me.functions.register(package_of(f"def main(): return {number}")))
    before = fetch(me, {})
    assert len(before.pages) == 2 and len(before.entries) == 121
    first.kill()
    live = start()
    me = cella.connect(live.address, live.trust, me.identity)
    me.functions.register(package_of("def main(): return -1"))
    after = fetch(me, {})
    assert after.entries[:121] == before.entries and len(after.entries) == 122
    checked = check_page(after.pages[0], me.session.sign_public, None)
    assert checked.proved == 100
    report = verify_audit(after.save(tmp_path / "all.json"), live.trust)
    assert report.accepted and "122 of 122" in report.check("entries").detail, str(report)
    found = json.loads((tmp_path / "all.json").read_bytes())
    found["pages"].pop()
    report = verify_audit(write_json(found), live.trust)
    assert report.accepted and report.check("complete").outcome == "not done"
    found = json.loads((tmp_path / "all.json").read_bytes())
    found["pages"].pop(0)
    assert verify_audit(write_json(found), live.trust).code == "BAD_RECEIPT"
