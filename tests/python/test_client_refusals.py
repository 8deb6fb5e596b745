# SPDX-License-Identifier: Apache-2.0
"""What the client makes of refusals that come with errors; made by receipts_made.py, not by our C writer."""

from __future__ import annotations

import json
from typing import Any

import cella
import pytest
from cella import _native
from cella.answers import REQUEST_MAX, Asked, answer_of
from cella.attestation import Session
from cella.encoding import to_base64url
from cella.receipts import Receipt
from receipts_made import TIME, Made, Tag, cbor, kid_of, sha256, signed

CONTENT_TYPE = "application/vnd.cella.refusal+cbor"


@pytest.fixture
def made() -> Made:
    return Made()


@pytest.fixture
def me() -> cella.Identity:
    return cella.Identity.generate()


def asked_of(made: Made, me: cella.Identity, extra: int = 0) -> Asked:
    """A request to this executor, in a session in which it showed its evidence."""
    keys = _native.ed25519_public(made.executor) + bytes(32)
    evidence = _native.soft_evidence(made.root, 63, made.measurement, _native.report_data(keys, made.charter, b""), TIME)
    shown = {"evidence": evidence, "evidence_nonce": b"", "keys": keys, "charter": made.charter, "endorsements": b""}
    executor = _native.thumbprint(keys[:32])
    request = {"op": "task.invoke", "aud": executor, "seq": 1, "time": TIME, "args": {"task": made.task + "0" * extra}}
    session = Session(executor, keys[:32], keys[32:], made.charter, None,  # type: ignore[arg-type]
                      evidence={"type": "soft", **{name: to_base64url(content) for name, content in shown.items()}})
    return Asked(me.sign_request(json.dumps(request).encode()), me, session)


def refusal(made: Made, asked: Asked, changes: dict[int, Any] | None = None, by: Any = None, type_: str = CONTENT_TYPE) -> bytes:
    """The statement, as docs/receipts.md has it."""
    seed = made.executor if by is None else by
    kid = kid_of(seed)
    content = {1: "task.invoke", 2: [424, "DATA_POLICY"], 3: sha256_of_party(asked.identity), 4: sha256(asked.request.encode()),
               5: [TIME, 0], 6: "uses 5", **(changes or {})}
    payload = cbor(content)
    issuer = "urn:cella:executor:" + to_base64url(kid)
    protected, signature = signed(seed, {1: -8, 3: type_, 4: kid, 15: {1: issuer, 2: made.task, 6: TIME}}, payload)
    return cbor(Tag([protected, {}, payload, signature]))


def sha256_of_party(identity: cella.Identity) -> bytes:
    from cella.encoding import from_base64url

    return from_base64url(identity.party, "party")


def told(asked: Asked, statement: bytes | str | None, number: int = 424) -> cella.CellaError:
    """The error that the client raises for an answer with this refusal."""
    error: dict[str, Any] = {"code": "DATA_POLICY", "number": number, "category": "STATE", "message": "no"}
    if statement is not None:
        error["refusal"] = to_base64url(statement) if isinstance(statement, bytes) else statement
    with pytest.raises(cella.CellaError) as caught:
        answer_of(409, json.dumps({"error": error}).encode(), asked)
    return caught.value


def test_it_comes_with_the_error(made, me, tmp_path):
    asked = asked_of(made, me)
    error = told(asked, refusal(made, asked))
    assert isinstance(error, cella.PermissionDenied) and error.code == "DATA_POLICY"
    assert isinstance(error.refusal, Receipt) and error.refusal.subject == made.task
    path = error.refusal.save(tmp_path / "refusal.proof")
    report = cella.verify_receipt(path, made.trust(), at=TIME)
    assert report.accepted, str(report)
    assert report.check("request").outcome == "passed" and report.check("evidence").outcome == "passed"
    assert error.refusal.lines()[2:5] == ["Refused task.invoke: DATA_POLICY (424), uses 5", f"To {me.party}",
                                          "At 2026-09-21T14:14:02Z (host clock: not evidence)"]
    with pytest.raises(cella.StateError, match="EXISTS"):
        error.refusal.save(path)


def test_errors_without_one(made, me):
    asked = asked_of(made, me)
    assert told(asked, None).refusal is None
    assert _native.error("DENIED").refusal is None
    assert told(Asked(asked.request, me, None), refusal(made, asked)).refusal is None


@pytest.mark.parametrize("case", ["request", "code", "executor", "kind", "garbage", "text", "number"])
def test_what_is_about_something_else_is_not_taken(made, me, case):
    """A front may put anything there; the error stays what it is."""
    asked = asked_of(made, me)
    statement: bytes | str = {
        "request": refusal(made, asked, {4: bytes(32)}),
        "code": refusal(made, asked, {2: [402, "DENIED"]}),
        "executor": refusal(made, asked, by=_native.Secret.generate()),
        "kind": made.parts().receipt,
        "garbage": b"?",
        "text": "not base64url!",
        "number": refusal(made, asked, {2: [424, "DENIED"]}),
    }[case]
    error = told(asked, statement)
    assert error.code == "DATA_POLICY" and error.refusal is None


def test_a_signature_that_is_not_the_executors(made, me):
    """It is kept, since nothing is verified here; it convinces nobody."""
    asked = asked_of(made, me)
    statement = bytearray(refusal(made, asked))
    statement[-1] ^= 1
    report = told(asked, bytes(statement)).refusal.verify(made.trust(), at=TIME)
    assert (report.accepted, report.code) == (False, "BAD_SIGNATURE")


def test_a_request_that_is_too_long_to_keep(made, me):
    asked = asked_of(made, me, extra=REQUEST_MAX)
    found = told(asked, refusal(made, asked)).refusal
    assert found.parts.approvals == ()
    report = found.verify(made.trust(), at=TIME)
    assert report.accepted and report.check("request").outcome == "not done"


def test_receipts_of_runs_ask_for_other_things(made, me):
    """What a trust file demands of runs does not refuse a refusal."""
    asked = asked_of(made, me)
    report = told(asked, refusal(made, asked)).refusal.verify(made.trust(logs=1, require=["evidence", "contract", "nonce"]), at=TIME)
    assert report.accepted and "inclusion" not in {check.name for check in report.checks}
