# SPDX-License-Identifier: Apache-2.0
"""Answers of an executor's journal, proved against its ledger: online as they come, and offline for whoever has the file
(docs/protocol.md section 15)."""

from __future__ import annotations

import datetime
import hashlib
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import _native, atomic
from .encoding import from_base64url, parse_object, to_base64url, write_json
from .ledger import Head, is_consistent, read_head
from .receipts import ReceiptReport
from .trust import Check, Trust, report_of
from .verification import seconds_of

if TYPE_CHECKING:
    from .executor import Executor

FILE_MAX = 256 << 20
"""Bytes of an exported audit."""
PAGES_MAX = 100000
KIND = "cella audit"
_STATED = {"task.finished": "execution", "data.deleted": "deletion"}
_REPLY = {"entries", "more", "next", "head", "proofs", "signature"}
_EVIDENCE = ("type", "evidence", "endorsements", "evidence_nonce", "keys", "charter")


@dataclass(frozen=True)
class Page:
    """A question as it was signed, and the executor's answer."""

    request: str
    answer: dict[str, Any]


@dataclass(frozen=True)
class Checked:
    """What a page proves.

    Attributes:
        party: who asked, by the executor's word.
        question: the arguments of the question.
        head: of the ledger that has the entries.
        proved: how many of them are proved to stand in it; of the others, the executor's signature is all there is.
    """

    party: str
    question: dict[str, Any]
    head: Head
    proved: int


@dataclass(frozen=True)
class Audit:
    """An answer in pages, with what proves it.

    Attributes:
        entries: {number, time, event, by?, subject?, other?, code?} each, the oldest first.
        pages: as they came; empty where the executor keeps no ledger.
        evidence: members of the session's answer that say who the executor is.
    """

    entries: tuple[dict[str, Any], ...]
    pages: tuple[Page, ...] = ()
    evidence: Mapping[str, str] = field(default_factory=dict)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write it with its proofs, for ``cella verify`` and :func:`verify_audit`.

        Raises:
            StateError: EXISTS, there is such a file; BAD_STATE, there are no proofs: the executor keeps no ledger.
        """
        if not self.pages:
            raise _native.error("BAD_STATE", "this executor keeps no ledger, so that nothing proves what it answers")
        target = Path(path)
        pages = [{"request": page.request, "answer": page.answer} for page in self.pages]
        try:
            atomic.create(target, write_json({"version": 1, "kind": KIND, "evidence": dict(self.evidence), "pages": pages}), 0o644)
        except FileExistsError:
            raise _native.error("EXISTS", f"{target} exists already and is never overwritten") from None
        return target


@dataclass(frozen=True)
class AuditReport(ReceiptReport):
    """What of an exported audit was proved. As a ReceiptReport, and:

    Attributes:
        entries: what the executor told; empty unless it is accepted.
        party: who asked.
        question: what: the filters.
    """

    entries: tuple[dict[str, Any], ...] = ()
    party: str = ""
    question: Mapping[str, Any] = field(default_factory=dict)


def _field(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def _bad(sentence: str, code: str = "BAD_FORMAT") -> _native.CellaError:
    return _native.error(code, sentence)


def _read_request(text: str, executor: str) -> tuple[str, dict[str, Any]]:
    """Who asked, and the arguments. Its signature is the executor's business, which signs for it."""
    parts = text.split(".")
    if len(parts) != 3 or not text.isascii():
        raise _bad("a question is no signed request")
    header, payload = (parse_object(from_base64url(part, "request"), "request") for part in parts[:2])
    if payload.get("op") != "audit.list" or payload.get("aud") != executor or not isinstance(payload.get("args"), dict):
        raise _bad("a question is not one to the journal of this executor", "BAD_RECEIPT")
    return str(header.get("kid")), payload["args"]


def _leaf(entry: dict[str, Any], line: bytes, proof: dict[str, Any], executor: str) -> bytes:
    """The leaf that an entry's record has in the tree."""
    if "rest" in proof:
        rest = from_base64url(proof["rest"], "rest")
        commitment = b"cella record commitment v2" + hashlib.sha256(line).digest() + rest
        if len(rest) != 32:
            raise _bad("what is left of a record has 32 bytes")
        return hashlib.sha256(b"\0" + hashlib.sha256(commitment).digest()).digest()
    said = _native.receipt_show(from_base64url(proof.get("statement"), "statement"))
    if (said["kind"], said["subject"], to_base64url(said["executor"])) != (
            _STATED.get(entry["event"]), entry.get("subject"), executor):
        raise _bad(f"entry {entry['number']} is not what the statement in its place is about", "BAD_PROOF")
    return bytes(said["leaf"])


def _check_entry(entry: dict[str, Any], line: bytes, proof: Any, head: Head) -> bool:
    """Whether it is proved; raises where a proof is wrong."""
    if proof is None:
        return False
    if not isinstance(proof, dict) or set(proof) not in ({"leaf", "rest", "path"}, {"leaf", "statement", "path"}):
        raise _bad(f"the proof of entry {entry['number']} has missing or unknown members")
    leaf, path = _leaf(entry, line, proof, head.executor), from_base64url(proof["path"], "path")
    index = proof["leaf"]
    if type(index) is not int or not 0 <= index < head.size or not _native.merkle_is_included(index, head.size, leaf, path, head.root):
        raise _bad(f"entry {entry['number']} does not stand in the ledger", "BAD_PROOF")
    return True


def _check_entries(entries: Any, after: int, until: int) -> bytes:
    """Their lines. Numbers rise, within what the answer is about."""
    lines, last = b"", after
    for entry in entries if isinstance(entries, list) else [None]:
        number = entry.get("number") if isinstance(entry, dict) else None
        if type(number) is not int or not last < number <= until or not isinstance(entry.get("event"), str):
            raise _bad("an entry is malformed or out of its order")
        last, lines = number, lines + write_json(entry) + b"\n"
    return lines


def check_page(page: Page, sign_public: bytes, known: Head | None) -> Checked:
    """Verify an answer.

    Args:
        page: untrusted.
        sign_public: the executor's key, 32 bytes.
        known: a head that the answer's ledger has to continue, as its question asked; None for none.

    Raises:
        FormatError, IntegrityError, AttestationError (ROLLBACK): it does not hold.
    """
    answer = page.answer
    if not isinstance(answer, dict) or set(answer) - {"consistency"} != _REPLY or type(answer["more"]) is not bool:
        raise _bad("the answer has missing or unknown members")
    head = read_head(answer["head"], sign_public)
    party, question = _read_request(page.request, head.executor)
    after, until = question.get("after", 0), answer["next"]
    if not all(type(number) is int and 0 <= number < 1 << 53 for number in (after, until)):
        raise _bad("the answer does not say how far it goes")
    lines = _check_entries(answer["entries"], after, until)
    message = b"".join((
        _field(b"cella audit v1"), _field(head.executor.encode()), _field(party.encode()),
        _field(hashlib.sha256(page.request.encode()).digest()), struct.pack(">Q", head.size), _field(head.root),
        struct.pack(">QB", until, answer["more"]), _field(hashlib.sha256(lines).digest())))
    _native.ed25519_verify(sign_public, message, from_base64url(answer["signature"], "signature"))
    proofs = answer["proofs"]
    if not isinstance(proofs, list) or len(proofs) != len(answer["entries"]):
        raise _bad("there is not one proof for each entry")
    proved = sum(_check_entry(entry, write_json(entry), proof, head) for entry, proof in zip(answer["entries"], proofs))
    if known is not None:
        nodes = answer.get("consistency")
        path = [from_base64url(node, "consistency") for node in (nodes if isinstance(nodes, list) else ())]
        if question.get("size") != known.size or not is_consistent(known.size, known.root, head.size, head.root, path):
            raise _bad("the ledger does not continue the one that was seen before: put back, or forked", "ROLLBACK")
    return Checked(party, question, head, proved)


def fetch(executor: Executor, filters: Mapping[str, Any]) -> Audit:
    """Ask an executor's journal, and verify each answer. Executor.audit is this without the proofs.

    Args:
        executor: attested.
        filters: since and until (Unix seconds), party, function, data, task (ids).
    """
    session = executor.session
    filters = {name: value for name, value in filters.items() if value is not None}
    known, after = executor.head, 0
    entries: list[dict[str, Any]] = []
    pages: list[Page] = []
    while True:
        size = {} if known is None else {"size": known.size}
        signed, answer = executor.ask("audit.list", {**filters, **size, "after": after})
        entries += answer["entries"]
        if session.head is not None:
            page = Page(signed, answer)
            known = check_page(page, session.sign_public, known).head
            pages.append(page)
        if not answer["more"] or answer["next"] <= after:
            return Audit(tuple(entries), tuple(pages), session.evidence)
        after = answer["next"]


def _read(content: bytes | str | os.PathLike[str]) -> dict[str, Any]:
    if not isinstance(content, bytes):
        with open(content, "rb") as file:
            content = file.read(FILE_MAX + 1)
    if len(content) > FILE_MAX:
        raise _native.error("TOO_LARGE", f"an audit has at most {FILE_MAX} bytes")
    found = parse_object(content, "audit")
    pages, evidence = found.get("pages"), found.get("evidence")
    if found.get("kind") != KIND or found.get("version") != 1:
        raise _bad("it is no exported audit of this version")
    if not isinstance(pages, list) or not 0 < len(pages) <= PAGES_MAX or not isinstance(evidence, dict):
        raise _bad("it has no pages or no evidence")
    return found


def _check_pages(pages: list[Any], sign_public: bytes) -> tuple[list[Checked], str]:
    """Each page, and what all of them together say about completeness."""
    checked: list[Checked] = []
    after, known = 0, None
    for item in pages:
        if not isinstance(item, dict) or set(item) != {"request", "answer"} or not isinstance(item["request"], str):
            raise _bad("a page is no question with its answer")
        page = Page(item["request"], item["answer"])
        one = check_page(page, sign_public, known)
        if one.question.get("after", 0) != after or (checked and _filters(one) != _filters(checked[0])) or (
                checked and one.party != checked[0].party):
            raise _bad("a page is missing, or of another question", "BAD_RECEIPT")
        after, known = page.answer["next"], one.head
        checked.append(one)
    whole = not pages[-1]["answer"]["more"]
    return checked, (f"all that party {checked[0].party} may see of entries 1 to {after}, by the executor's signature"
                     if whole else "")


def _filters(page: Checked) -> dict[str, Any]:
    return {name: value for name, value in page.question.items() if name not in ("after", "size")}


def verify_audit(
    content: bytes | str | os.PathLike[str],
    policy: Trust | dict[str, Any] | str | os.PathLike[str],
    *,
    at: int | datetime.datetime | None = None,
) -> AuditReport:
    """Judge an exported audit, without any executor.

    Args:
        content: what :meth:`Audit.save` wrote: bytes or path.
        policy: a trust file: which executors may have answered.
        at: the time at which evidence is judged, as for :func:`cella.verify_receipt`.

    Returns:
        A report; ``accepted`` says whether everything holds. An audit that does not is a report, never an exception.

    Raises:
        PolicyError: BAD_POLICY.
        FormatError: it is no exported audit.

    >>> verify_audit(b"{}", {"version": 1})
    Traceback (most recent call last):
    ...
    cella.FormatError: BAD_FORMAT: it is no exported audit of this version
    """
    found = _read(content)
    trust = Trust.load(policy)
    names = ("evidence", "executor", "answers", "entries", "complete")
    details: dict[str, str] = {}
    failed, report, checked = "", None, []
    try:
        given = {name: found["evidence"].get(name) for name in _EVIDENCE}
        parts = {name: from_base64url(given[name], name) for name in _EVIDENCE[1:]}
        report = report_of(_native.appraise(
            parts["evidence"], str(given["type"]), trust.json, seconds_of(at), endorsements=parts["endorsements"],
            keys=parts["keys"], charter=parts["charter"], nonce=parts["evidence_nonce"]))
        if not report.accepted:
            raise _bad("the evidence is refused: see its own report", report.failed[0].code if report.failed else "BAD_EVIDENCE")
        details["evidence"] = report.measurement_name
        executor = _native.thumbprint(parts["keys"][:32])
        details["executor"] = f"{executor}, which this evidence binds"
        checked, complete = _check_pages(found["pages"], parts["keys"][:32])
        count, proved = sum(len(page["answer"]["entries"]) for page in found["pages"]), sum(one.proved for one in checked)
        details["answers"] = f"{len(checked)} signed by it, about a ledger of {checked[-1].head.size} records"
        details["entries"] = f"{proved} of {count} stand in that ledger"
        details["complete"] = complete
    except _native.CellaError as problem:
        failed, sentence = problem.code, str(problem)
    checks, stopped = [], False
    for name in names:
        if name in details and details[name]:
            checks.append(Check(name, "passed", "OK", details[name]))
        elif failed and not stopped:
            stopped = True
            checks.append(Check(name, "failed", failed, sentence))
        else:
            checks.append(Check(name, "not done", "OK", "" if failed else "it ends before the journal did"))
    entries = tuple(entry for page in found["pages"] for entry in page["answer"]["entries"]) if not failed else ()
    return AuditReport(
        accepted=not failed, code=failed or "OK", anchor=report.anchor if report is not None else "",
        detail=sentence if failed else "", checks=tuple(checks), evidence=report,
        not_checked=(
            "that nothing is left out, beyond the executor's signature: only who may see every entry finds a gap in the numbers",
            "that the ledger shows everybody the same: compare heads", "the times: they are the clock of the host",
            "attacks by whoever can open the machine"),
        entries=entries, party=checked[0].party if checked and not failed else "",
        question=_filters(checked[0]) if checked and not failed else {},
    )
