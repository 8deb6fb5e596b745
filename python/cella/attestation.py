# SPDX-License-Identifier: Apache-2.0
"""The attested connection (docs/protocol.md section 2): who is at the other end, judged by the trust file."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass, field, replace
from typing import Any

from . import _native
from .connection import Connection
from .encoding import from_base64url, parse_object
from .ledger import Head, read_head
from .trust import Check, Report, Trust, report_of

OPTIONAL = {"head"}
MEMBERS = {"version", "type", "evidence", "endorsements", "evidence_nonce", "keys", "charter", "signature"}


@dataclass(frozen=True)
class Session:
    """What is known about an attested executor.

    Attributes:
        executor: its id, 43 characters.
        sign_public: its Ed25519 key, 32 bytes.
        seal_public: its X25519 key, 32 bytes: secrets for the executor are sealed to it.
        charter: the exact bytes of its charter.
        report: how all of this was verified.
        head: where its ledger stands, signed by it; None for an executor without one.
        evidence: what it showed, as it came: type, and base64url of evidence, endorsements, evidence_nonce, keys, charter.
    """

    executor: str
    sign_public: bytes
    seal_public: bytes
    charter: bytes
    report: Report
    head: Head | None = None
    evidence: dict[str, str] = field(default_factory=dict)

    @property
    def rules(self) -> dict[str, Any]:
        """The charter's members, for reading; {} when it is not a JSON object."""
        try:
            return parse_object(self.charter, "charter")
        except _native.FormatError:
            return {}


def _refuse(code: str, message: str | None = None, report: Report | None = None) -> _native.CellaError:
    error = _native.error(code, message)
    error.report = report
    return error


def _member(answer: dict[str, Any], name: str) -> bytes:
    try:
        return from_base64url(answer.get(name), name)
    except _native.FormatError:
        raise _refuse("BAD_EVIDENCE", f"the answer's {name} is not base64url; is this an executor?") from None


def _with_connection(report: Report, code: str) -> Report:
    """The report with the last check: the signature that binds this connection."""
    if code == "OK":
        check = Check("connection", "passed", "OK", "signed by the attested key: nobody sits in between")
    elif code == "":
        check = Check("connection", "not done", "OK", "")
    else:
        check = Check("connection", "failed", code, "not signed by the attested key: someone may sit in between")
    return replace(report, accepted=code == "OK", checks=(*report.checks, check))


def _ask(connection: Connection, nonce: bytes, fresh: bool) -> dict[str, Any]:
    status, body = connection.post("/v1/session/fresh" if fresh else "/v1/session", nonce)
    try:
        answer = parse_object(body, "answer")
    except _native.FormatError:
        raise _refuse("BAD_EVIDENCE", f"HTTP {status} without evidence; is this an executor?") from None
    if "error" in answer:
        error = answer["error"] if isinstance(answer["error"], dict) else {}
        raise _native.error(error.get("number"), f"the executor does not attest: {error.get('message')}")
    if answer.get("version") != 1 or answer["version"] is True:
        raise _native.error(
            "BAD_VERSION",
            f"the executor speaks version {json.dumps(answer.get('version'))} of the session, "
            "this client version 1; update the older side",
        )
    if set(answer) - OPTIONAL != MEMBERS or not isinstance(answer["type"], str):
        raise _refuse("BAD_EVIDENCE", "the session answer has missing or unknown members")
    return answer


def _evidence_nonce(answer: dict[str, Any], nonce: bytes, fresh: bool) -> bytes:
    """The nonce that the evidence must be bound to: only ever empty or our own."""
    claimed = _member(answer, "evidence_nonce")
    if claimed == nonce or (not fresh and not claimed):
        return claimed
    raise _refuse("BINDING", "the evidence was made for another nonce: it may be old")


def attest(connection: Connection, trust: Trust, *, fresh: bool = False) -> Session:
    """Verify who is at the other end of a connection. Nothing else is sent before.

    Args:
        connection: just opened.
        trust: what is accepted.
        fresh: demand evidence that was made after our nonce.

    Returns:
        The session; its report has every check passed.

    Raises:
        AttestationError: a check failed; the error has the report as far as it got.
        TransportError: the connection broke.
    """
    nonce = os.urandom(32)
    answer = _ask(connection, nonce, fresh)
    keys = _member(answer, "keys")
    charter = _member(answer, "charter")
    signature = _member(answer, "signature")
    evidence = _member(answer, "evidence")
    endorsements = _member(answer, "endorsements")
    if len(keys) != 64:
        raise _refuse("BAD_EVIDENCE", "the key set does not have 64 bytes")
    bound_nonce = _evidence_nonce(answer, nonce, fresh)
    found = _native.appraise(
        evidence,
        answer["type"],
        trust.json,
        int(time.time()),
        endorsements=endorsements,
        keys=keys,
        charter=charter,
        nonce=bound_nonce,
    )
    report = report_of(found)
    if not report.accepted:
        report = _with_connection(report, "")
        failed = next((check for check in report.checks if check.outcome == "failed"), None)
        sentence = None if failed is None else f"{_sentence(found['status'])} ({failed.detail})"
        raise _refuse(found["status"], sentence, report)
    message = _native.session_message(connection.tls.exporter(), connection.tls.spki_sha256(), nonce)
    try:
        _native.ed25519_verify(keys[:32], message, signature)
    except _native.IntegrityError:
        raise _refuse("BINDING", None, _with_connection(report, "BINDING")) from None
    connection.tls.set_deadline(None)
    return Session(
        executor=_native.thumbprint(keys[:32]),
        sign_public=keys[:32],
        seal_public=keys[32:],
        charter=charter,
        report=_with_connection(report, "OK"),
        head=read_head(answer["head"], keys[:32]) if "head" in answer else None,
        evidence={name: answer[name] for name in sorted(MEMBERS - {"version", "signature"})},
    )


def _sentence(code: str) -> str:
    return next((row[4] for row in _native.status_table() if row[0] == code), "evidence does not verify")
