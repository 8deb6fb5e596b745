# SPDX-License-Identifier: Apache-2.0
"""What an executor answers: JSON, or an error, with the refusal that it signed (docs/receipts.md section 17)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import _native
from .encoding import from_base64url, parse_object

if TYPE_CHECKING:
    from .attestation import Session
    from .identity import Identity
    from .receipts import Receipt

REQUEST_MAX = 16384
"""Characters of a request that a proof bundle can hold (CELLA_APPROVAL_MAX of executor/trust/receipt_bundle.h)."""


@dataclass(frozen=True)
class Asked:
    """What an answer is to.

    Attributes:
        request: as it was signed.
        identity: who signed it.
        session: with whom; None before there is one.
    """

    request: str
    identity: Identity
    session: Session | None


def answer_of(status: int, body: bytes, asked: Asked) -> dict[str, Any]:
    """The members of an answer.

    Args:
        status: of HTTP.
        body: JSON.
        asked: what it answers.

    Raises:
        CellaError: the subclass that fits, when it is an error; with its refusal, if one came that is about this.
    """
    try:
        answer = parse_object(body, "answer")
    except _native.FormatError:
        raise _native.error("BAD_HTTP", f"the executor answered HTTP {status} without JSON") from None
    if status != 200 or set(answer) == {"error"}:  # a failed task has a member "error" too
        problem = error_of(answer.get("error"))
        problem.refusal = refusal_of(answer.get("error"), asked)
        raise problem
    return answer


def refusal_of(error: Any, asked: Asked) -> Receipt | None:
    """The signed refusal in an error, with what it takes to judge it: the evidence of this session, and the request.

    Returns:
        None when there is none, or what is there is no refusal of this request by this executor with this code: that
        would prove nothing to anybody. Its signature is not verified here.
    """
    from .receipts import Parts, Receipt

    if asked.session is None or not isinstance(error, dict) or "refusal" not in error:
        return None
    shown, request = asked.session.evidence, asked.request.encode("ascii")
    evidence, nonce, keys, charter, endorsements = (
        from_base64url(shown[name], name) for name in ("evidence", "evidence_nonce", "keys", "charter", "endorsements"))
    try:
        found = Receipt(Parts(
            from_base64url(error["refusal"], "refusal"),
            evidence_file=_native.evidence_file_write(shown["type"], evidence, nonce, keys, charter),
            endorsements=endorsements,
            approvals=((asked.identity.sign_public, asked.request),) if len(request) <= REQUEST_MAX else (),
        ))
    except _native.FormatError:
        return None
    said = found.content
    about = (found.kind, found.executor, said.get("number"), said.get("request"))
    expected = ("refusal", asked.session.executor, error.get("number"), hashlib.sha256(request).digest())
    return found if about == expected else None


def error_of(error: Any) -> _native.CellaError:
    """The exception for an error in an answer (docs/protocol.md section 8)."""
    if not isinstance(error, dict):
        return _native.error("BAD_HTTP", "the executor's error is not well formed")
    number = error.get("number")
    message = error.get("message")
    field = error.get("field")
    message = message if isinstance(message, str) else None
    detail = error.get("detail")
    if isinstance(detail, str) and message is not None:
        message = f"{message}: {detail}"
    made = _native.error(number, message, field if isinstance(field, str) else None)
    if isinstance(detail, str):
        made.detail = detail
    code = error.get("code")
    if made.number != number and isinstance(code, str):
        made = _native.error("INTERNAL", f"{code} ({number}), which this version of cella does not know: {message}")
    return made
