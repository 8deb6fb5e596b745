# SPDX-License-Identifier: Apache-2.0
"""Receipts: what a proof of a run says, and whether it holds. Offline, without any executor (docs/receipts.md)."""

from __future__ import annotations

import base64
import datetime
import hashlib
import os
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Union

from . import _native, endorsements as endorsing
from .encoding import parse_object, to_base64url
from .trust import SCREEN, Check, Report, Trust, report_of
from .verification import seconds_of

BUNDLE_MAX = 16777216
"""Bytes of a receipt or proof bundle (executor/trust/receipt_bundle.h)."""
SALT_SIZE = 32
PARENTS_MAX = 256
"""Receipts of earlier runs beside one (executor/trust/receipt_report.h)."""
_MARKS = {"passed": "✓", "failed": "✗", "not done": "·"}
_WORDS = {"passed": "proved", "failed": "REFUSED", "not done": "not checked"}
_KINDS = ("sealed file", "salted", "plain")
_SOURCES = ("host clock: not evidence", "TEE clock", "witnessed")

Content = Union[bytes, str, "os.PathLike[str]"]
Opened = Union[Content, tuple[bytes, Content]]


def _read(content: Content, limit: int = BUNDLE_MAX) -> bytes:
    """Bytes, or those of a file; one more than allowed is read, so that the verifier refuses it."""
    if isinstance(content, bytes):
        return content
    with open(content, "rb") as file:
        return file.read(limit + 1)


def _digest(prefix: bytes, content: Content) -> tuple[bytes, int]:
    """SHA-256 of prefix and content, and the content's size; files are never in memory as a whole."""
    digest, size = hashlib.sha256(prefix), 0
    if isinstance(content, bytes):
        digest.update(content)
        return digest.digest(), len(content)
    with open(content, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
            size += len(block)
    return digest.digest(), size


@dataclass(frozen=True)
class Item:
    """An input, output or private argument of a run, by digest.

    Attributes:
        name: as the function declares it.
        kind: 0, SHA-256 of the sealed file; 1, of salt and data; 2, of public data.
        digest: 32 bytes.
        size: of the sealed file (kind 0) or the data.
    """

    name: str
    kind: int
    digest: bytes
    size: int

    def line(self) -> str:
        """For people."""
        return f"{self.name}: {self.digest.hex()} ({_KINDS[self.kind]}, {self.size} bytes)"


@dataclass(frozen=True)
class Parts:
    """A receipt and what came with it. Nothing is trusted for being here.

    Attributes:
        receipt: the transparent statement.
        evidence_file: what the statement's evidence digest is of; empty when absent, as the others.
        endorsements: wire form of what the evidence needs besides.
        contract: the bytes that the participants approved.
        approvals: (public key, signed request) of each approver.
        function: the package.
        payload: of a statement that holds a hash only.
        tree_head: the log's signed head, as text.
        histories: of approvers who had replaced their keys: (first public key, the statements with which they did).
    """

    receipt: bytes
    evidence_file: bytes = b""
    endorsements: bytes = b""
    contract: bytes = b""
    approvals: tuple[tuple[bytes, str], ...] = ()
    function: bytes = b""
    payload: bytes = b""
    tree_head: str = ""
    histories: tuple[tuple[bytes, tuple[str, ...]], ...] = ()

    @classmethod
    def read(cls, content: Content) -> Parts:
        """From a receipt or a proof bundle: bytes or path.

        Raises:
            FormatError: BAD_FORMAT, it is neither.
        """
        data = _read(content)
        if data[:1] and data[0] >> 5 == 6:
            return cls(data)
        found = _native.bundle_read(data)
        histories = tuple((key, tuple(statements)) for key, statements in found["histories"])
        return cls(**{**found, "approvals": tuple(found["approvals"]), "histories": histories})

    def write(self) -> bytes:
        """As a proof bundle.

        Raises:
            RequestError: BAD_FIELD, a part is malformed.
        """
        return _native.bundle_write(
            self.receipt,
            evidence_file=self.evidence_file,
            endorsements=self.endorsements,
            contract=self.contract,
            approvals=tuple((key, request.encode()) for key, request in self.approvals),
            function=self.function,
            payload=self.payload,
            tree_head=self.tree_head.encode(),
            histories=tuple((key, tuple(one.encode() for one in statements)) for key, statements in self.histories),
        )


class Receipt:
    """What a receipt says. Nothing of it is verified: that is :func:`verify_receipt`.

    Attributes:
        parts: the receipt and what came with it.
        kind: "execution", "deletion" or "refusal".
        subject: id of the task, of the data that were deleted, or of what a request that was refused was about.
        executor: id of the executor's key, 43 characters.
        leaf: the hash under which logs have it.
        content: every member by name; without those of the payload when only its hash is known.

    Raises:
        FormatError: BAD_FORMAT, it is no receipt.
    """

    def __init__(self, content: Content | Parts) -> None:
        self.parts = content if isinstance(content, Parts) else Parts.read(content)
        self.content: dict[str, Any] = _native.receipt_show(self.parts.receipt, payload=self.parts.payload)
        self.kind: str = self.content["kind"]
        self.subject: str = self.content["subject"]
        self.executor: str = to_base64url(self.content["executor"])
        self.leaf: bytes = self.content["leaf"]

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write it with everything that came with it: a proof bundle, for `cella verify` and :func:`verify_receipt`.

        Raises:
            StateError: EXISTS, there is such a file; it is never overwritten.
        """
        from . import atomic

        target = Path(path)
        if target.exists():
            raise _native.error("EXISTS", f"{target} exists already and is never overwritten")
        atomic.create(target, self.parts.write(), 0o644)
        return target

    def verify(self, policy: Trust | dict[str, Any] | str | os.PathLike[str], **beside: Any) -> ReceiptReport:
        """Judge it, as :func:`verify_receipt` with the same arguments does."""
        return verify_receipt(self.parts, policy, **beside)

    def _items(self, name: str) -> tuple[Item, ...]:
        return tuple(Item(*item) for item in self.content.get(name, ()))

    @property
    def inputs(self) -> tuple[Item, ...]:
        """What the run read; of a deletion, what was deleted."""
        return (Item(*self.content["data"]),) if "data" in self.content else self._items("inputs")

    @property
    def outputs(self) -> tuple[Item, ...]:
        """What it wrote."""
        return self._items("outputs")

    def _privacy_lines(self) -> Iterator[str]:
        """What the contract says that the run spent, if the contract is at hand."""
        if hashlib.sha256(self.parts.contract).digest() != self.content["contract"]:
            return
        try:
            inputs = parse_object(self.parts.contract, "contract")["inputs"]
            spent = sorted((name, item["privacy"]) for name, item in inputs.items() if "privacy" in item)
            yield from [
                f"Privacy of {name}: epsilon {cost['epsilon']:.13g}, delta {cost['delta']:.13g} spent, by the contract"
                for name, cost in spent
            ]
        except (KeyError, TypeError, AttributeError, ValueError):
            yield "Privacy: the contract can not be read"

    def _run_lines(self) -> Iterator[str]:
        said = self.content
        yield f"Function {said['function'].hex()}"
        yield f"Contract {said['contract'].hex()}"
        yield from self._privacy_lines()
        for title, items in (("Input", self.inputs), ("Output", self.outputs), ("Argument", self._items("arguments"))):
            yield from (f"{title} {item.line()}" for item in items)
        yield from (f"Participant {to_base64url(party)}" for party in said["participants"])
        yield from (f"Runtime {name} {measurement.hex()}" for name, measurement in said["runtime"])
        yield f"From {_time(said['started'])} to {_time(said['ended'])} ({_SOURCES[said['time_source']]})"
        yield "Usage " + ", ".join(f"{name} {value}" for name, value in said["usage"].items())
        yield f"Nonce {said['nonce'].hex()}"
        yield f"Evidence {said['evidence'].hex()}"
        if said["previous"] is not None:
            yield f"Previous statement {said['previous'].hex()}"
        yield from (f"Parent {leaf.hex()}" for leaf in said["parents"])

    def _deletion_lines(self) -> Iterator[str]:
        said = self.content
        yield f"Deleted {self.inputs[0].line()}"
        yield from (f"Owner {to_base64url(party)}" for party in said["owners"])
        yield f"At {_time(said['time'])} ({_SOURCES[said['time_source']]})"
        yield f"Reason {said['reason'] or '-'}"
        yield f"Request {said['request'].hex() if said['request'] is not None else 'nobody: the executor by itself'}"

    def _refusal_lines(self) -> Iterator[str]:
        said = self.content
        yield f"Refused {said['operation']}: {said['code']} ({said['number']})" + (f", {said['detail']}" if said["detail"] else "")
        yield f"To {to_base64url(said['party'])}"
        yield f"At {_time(said['time'])} ({_SOURCES[said['time_source']]})"
        yield f"Request {said['request'].hex()}"

    def lines(self) -> list[str]:
        """What it says, for people."""
        what = "run" if self.kind == "execution" else self.kind
        lines = [f"Receipt of a {what}: {self.subject}", f"Executor {self.executor}, signed at {_time(self.content['issued'])}"]
        if "nonce" in self.content:
            lines += self._run_lines()
        elif "data" in self.content:
            lines += self._deletion_lines()
        elif "code" in self.content:
            lines += self._refusal_lines()
        else:
            lines.append("Its content is known by hash only, and was not supplied")
        for entry in self.content["receipts"]:
            signed = "" if entry["position_signed"] else ", not signed"
            lines.append(f"Log {to_base64url(entry['log'])} ({entry['issuer'] or 'no name'}): entry {entry['index']} of "
                         f"{entry['size']}{signed}")
        return lines

    def as_dict(self) -> dict[str, Any]:
        """What it says as JSON-able values: bytes in hexadecimal."""
        found: dict[str, Any] = _plain(self.content)
        return found


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def _time(seconds: int) -> str:
    """Seconds as ISO 8601; as a number where they are no time."""
    try:
        return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, OSError, ValueError):
        return str(seconds)


@dataclass(frozen=True)
class ReceiptReport:
    """What of a receipt was proved, what not, and on whose word.

    Attributes:
        accepted: True only when nothing failed and everything that the trust file requires was proved.
        code: "OK"; "NOT_PROVED" where something required was not supplied; else why it is refused.
        anchor: the trust anchor that the executor's key rests on.
        detail: what decided, when it is not accepted.
        checks: every claim with its outcome. "not done" without an earlier failure: what it needs was not supplied.
        evidence: the report about the evidence, or None when there was none.
        not_checked: what nobody looked at; read it.
    """

    accepted: bool
    code: str
    anchor: str
    detail: str
    checks: tuple[Check, ...]
    evidence: Report | None
    not_checked: tuple[str, ...]

    def check(self, name: str) -> Check:
        """The check of that name. KeyError when there is none."""
        return {check.name: check for check in self.checks}[name]

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON-able values."""
        import dataclasses

        return dataclasses.asdict(self)

    def lines(self) -> list[str]:
        """The report for people: one line per claim."""
        width = max((len(check.name) for check in self.checks), default=0)
        lines = [
            f"{_MARKS[check.outcome]} {check.name:<{width}}  {_WORDS[check.outcome]:<11}  {check.detail}".rstrip()
            for check in self.checks
        ]
        if self.evidence is not None and not self.evidence.accepted:
            lines += ["Evidence:", *(f"  {line}" for line in self.evidence.lines())]
        lines.append(f"Anchor: {self.anchor or 'none'}")
        unchecked = self.not_checked + (self.evidence.not_checked if self.evidence is not None else ())
        if unchecked:
            lines += textwrap.wrap(f"NOT CHECKED: {'; '.join(dict.fromkeys(unchecked))}.", SCREEN, subsequent_indent="  ")
        return lines

    def __str__(self) -> str:
        return "\n".join(self.lines())


def _openings(receipt: Receipt, inputs: Mapping[str, Opened], outputs: Mapping[str, Opened]) -> Iterator[tuple[Any, ...]]:
    for is_output, given, items in ((False, inputs, receipt.inputs), (True, outputs, receipt.outputs)):
        known = {item.name: item for item in items}
        for name, value in given.items():
            if name not in known:
                kind = "output" if is_output else "input"
                raise _native.error("BAD_FIELD", f"the receipt has no {kind} {name}; it has {', '.join(known) or 'none'}", name)
            salt, content = value if isinstance(value, tuple) else (b"", value)
            item = known[name]
            if len(salt) != (SALT_SIZE if item.kind == 1 else 0):
                raise _native.error(
                    "BAD_FIELD", f"{name} is a salted digest: it takes its salt of 32 bytes" if item.kind == 1
                    else f"{name} is a digest without salt", name)
            digest, size = _digest(salt, content)
            yield is_output, name, item.kind, digest, size


def _with_endorsements(given: Content | Parts | Receipt, endorsements: bytes) -> Parts:
    parts = given.parts if isinstance(given, Receipt) else given if isinstance(given, Parts) else Parts.read(given)
    return replace(parts, endorsements=parts.endorsements + endorsements) if endorsements else parts


def verify_receipt(
    receipt: Content | Parts,
    policy: Trust | dict[str, Any] | str | os.PathLike[str],
    *,
    at: int | datetime.datetime | None = None,
    nonce: bytes | None = None,
    inputs: Mapping[str, Opened] | None = None,
    outputs: Mapping[str, Opened] | None = None,
    endorsements: Iterable[bytes | str | os.PathLike[str] | tuple[int, bytes]] = (),
    parents: Iterable[Content | Parts | Receipt] = (),
) -> ReceiptReport:
    """Judge a receipt.

    Args:
        receipt: a receipt or proof bundle, bytes or path; or its parts, with others put beside.
        policy: a trust file: loaded, its path, or a dict of its shape. Its section ``receipt`` says what counts.
        at: the time at which evidence is judged, Unix seconds or a datetime with time zone; None is now. Certificates of
            old evidence may have ended since: then name the time of the run, if you have reason to believe it.
        nonce: the one that you gave to the task.
        inputs: files that you have, by name: contents or paths of the *sealed* files (or of public data); a pair of salt
            and data for a salted digest. Of a deletion: the file under the name of the data.
        outputs: likewise.
        endorsements: what the evidence needs besides what the bundles have, as for :func:`cella.verify`.
        parents: receipts of the runs whose outputs were inputs here, and of those before them, in any order, at most
            PARENTS_MAX. Each is judged by the same policy, and must have made an input of the run that names it.

    Returns:
        A report; ``accepted`` says whether the trust file is met. A bad receipt is a report, never an exception.

    Raises:
        PolicyError: BAD_POLICY, the trust file is not acceptable.
        FormatError: BAD_FORMAT, it is neither a receipt nor a proof bundle, or a parent is none.
        RequestError: BAD_FIELD, a file was named that the receipt does not have.
        LimitError: TOO_MANY parents.

    >>> verify_receipt(b"?", {"version": 1})
    Traceback (most recent call last):
    ...
    cella.FormatError: BAD_FORMAT: input is not well formed: it is no proof bundle
    """
    collected = endorsing.collect(endorsements)
    parts, *earlier = [_with_endorsements(one, collected) for one in (receipt, *parents)]
    trust = Trust.load(policy)
    openings = tuple(_openings(Receipt(parts), inputs or {}, outputs or {})) if inputs or outputs else ()
    found = _native.receipt_appraise(parts.write(), trust.json, seconds_of(at), nonce=nonce or b"", openings=openings,
                                     parents=tuple(one.write() for one in earlier))
    return ReceiptReport(
        accepted=found["status"] == "OK",
        code=found["status"],
        anchor=found["anchor"],
        detail=found["detail"],
        checks=tuple(Check(*check) for check in found["checks"]),
        evidence=None if found["evidence"] is None else report_of(found["evidence"]),
        not_checked=tuple(found["not_checked"]),
    )


@dataclass(frozen=True)
class TreeHead:
    """A log's signed head, in the text form of C2SP (tlog-checkpoint).

    Attributes:
        origin: the log's name.
        size: entries.
        root: 32 bytes.
        text: all of it, with signatures.
    """

    origin: str
    size: int
    root: bytes
    text: str

    @classmethod
    def read(cls, text: str) -> TreeHead:
        """Take one apart; no signature is looked at.

        Raises:
            FormatError: BAD_FORMAT.
        """
        return cls(*_native.tree_head_read(text.encode()), text)

    def verify(self, key: bytes, name: str | None = None) -> None:
        """The log's own signature under its Ed25519 key.

        Args:
            key: 32 bytes.
            name: of the key; None is the origin, as it is for most logs.

        Raises:
            NotFound: this key has not signed.
            IntegrityError: BAD_SIGNATURE.
        """
        _native.tree_head_verify(self.text.encode(), self.origin if name is None else name, key, False)

    def witnessed(self, name: str, key: bytes) -> int:
        """When a witness saw this head, by its cosignature: Unix seconds. Raises as verify does."""
        return _native.tree_head_verify(self.text.encode(), name, key, True)


def tlog_proof(receipt: Receipt) -> str | None:
    """The inclusion proof in the text form of C2SP (tlog-proof@v1), for other tools.

    Returns:
        None when the parts have no tree head of the size that one of the receipt's proofs is about.
    """
    if not receipt.parts.tree_head:
        return None
    head = TreeHead.read(receipt.parts.tree_head)
    for entry in receipt.content["receipts"]:
        if entry["size"] == head.size:
            nodes = "\n".join(base64.b64encode(node).decode() for node in entry["path"])
            return f"c2sp.org/tlog-proof@v1\nindex {entry['index']}\n{nodes}\n\n{head.text}"
    return None


def export(receipt: Receipt, folder: str | os.PathLike[str]) -> list[Path]:
    """Write the parts of a proof as files that other tools read. Nothing is overwritten.

    Args:
        receipt: with its parts.
        folder: made if it is not there.

    Returns:
        What was written: receipt.cbor, and as far as there are any: evidence.cbor, endorsements.bin, contract.json,
        approval-N.jws with approval-N.key, history-N.key with history-N-M.jws, function.json, payload.cbor, tree-head.txt, receipt.tlog-proof.

    Raises:
        StateError: EXISTS, a file is there already; nothing was written then.
    """
    from . import atomic

    parts, target = receipt.parts, Path(folder)
    proof = tlog_proof(receipt)
    files = {
        "receipt.cbor": parts.receipt,
        "evidence.cbor": parts.evidence_file,
        "endorsements.bin": parts.endorsements,
        "contract.json": parts.contract,
        "function.json": parts.function,
        "payload.cbor": parts.payload,
        "tree-head.txt": parts.tree_head.encode(),
        "receipt.tlog-proof": proof.encode() if proof is not None else b"",
    }
    for number, (key, request) in enumerate(parts.approvals, 1):
        files[f"approval-{number}.jws"] = request.encode()
        files[f"approval-{number}.key"] = f"ed25519:{to_base64url(key)}\n".encode()
    for number, (key, statements) in enumerate(parts.histories, 1):
        files[f"history-{number}.key"] = f"ed25519:{to_base64url(key)}\n".encode()
        files.update({f"history-{number}-{step}.jws": text.encode() for step, text in enumerate(statements, 1)})
    written = [(target / name, content) for name, content in files.items() if content]
    for path, _ in written:
        if path.exists():
            raise _native.error("EXISTS", f"{path} exists already and is never overwritten")
    target.mkdir(parents=True, exist_ok=True)
    for path, content in written:
        atomic.create(path, content, 0o644)
    return [path for path, _ in written]
