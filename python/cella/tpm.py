# SPDX-License-Identifier: Apache-2.0
"""Enrolling a machine's TPM: is its attestation key in the TPM that its maker vouches for?

The machine's operator says which keys it has (``cella-monitor --tpm-identify``), you make a challenge that only this TPM can
answer, the operator has it answered (``cella-monitor --tpm-activate``), and you check the answer. Then the name of the
attestation key belongs into a trust file, as ``attestation_keys`` of ``[tpm]``.
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Union

from . import _native
from .encoding import from_base64url, parse_object, to_base64url, write_json
from .verification import seconds_of

FILE_MAX = 1 << 18
"""Bytes of what a machine says of its TPM."""


@dataclass(frozen=True)
class Challenge:
    """A question to a TPM.

    Attributes:
        question: for the machine's operator. JSON.
        pending: for you, until the answer is there. JSON; nobody can make an answer of it.
        name: of the attestation key, as trust files have it; not proven before the answer was accepted.
        vouched: who vouches for the endorsement key.
    """

    question: bytes
    pending: bytes
    name: str
    vouched: str


def _refuse(problem: str, field: str | None = None) -> _native.CellaError:
    return _native.error("BAD_FORMAT", problem, field)


def _read(data: bytes, what: str, members: dict[str, type]) -> dict[str, Any]:
    """A strict object of version 1 with exactly these members."""
    if len(data) > FILE_MAX:
        raise _native.error("TOO_LARGE", f"{what} has at most {FILE_MAX} bytes")
    found = parse_object(data, what)
    if found.get("version") != 1 or type(found["version"]) is not int:
        raise _refuse(f"{what} is of a version that is not known", "version")
    for name in sorted(found.keys() ^ members.keys() ^ {"version"}):
        raise _refuse(f"{what}: {name} is {'unknown' if name in found else 'missing'}", name)
    for name, kind in members.items():
        if type(found[name]) is not kind:
            raise _refuse(f"{what}: {name} has the wrong type", name)
    return found


Endorsement = tuple[str, bytes, Union[bytes, None]]
"""Kind, key, certificate."""


def _endorsements(machine: dict[str, Any]) -> list[Endorsement]:
    found: list[Endorsement] = []
    for entry in machine["endorsements"]:
        if not isinstance(entry, dict) or not {"kind", "key"} <= entry.keys() <= {"kind", "key", "certificate"}:
            raise _refuse("what the machine says: endorsements have a kind, a key, and a certificate or none", "endorsements")
        certificate = entry.get("certificate")
        found.append((str(entry["kind"]), from_base64url(entry["key"], "endorsements"),
                      None if certificate is None else from_base64url(certificate, "endorsements")))
    return found


def _by_makers(endorsements: list[Endorsement], issuers: Sequence[bytes], makers: Sequence[bytes],
               now_unix_s: int) -> tuple[str, bytes, str]:
    """The first endorsement key that a maker vouches for."""
    problem = _native.error("ENDORSEMENT", "the TPM has no certificate of its maker: take its endorsement key by its digest, "
                            "if you know it from elsewhere")
    for kind, _, certificate in endorsements:
        if certificate is not None:
            try:
                return (kind, *_native.tpm_endorsement_key([certificate, *issuers], makers, now_unix_s))
            except _native.AttestationError as refused:
                problem = refused
    raise problem


def _by_digest(endorsements: list[Endorsement], digest: bytes) -> tuple[str, bytes, str]:
    for kind, key, _ in endorsements:
        if hashlib.sha256(key).digest() == digest:
            return kind, key, "you vouch for this TPM's endorsement key"
    raise _native.error("ENDORSEMENT", "the machine has no endorsement key of this digest")


def challenge(machine: bytes, makers: Iterable[bytes] = (), *, certificates: Iterable[bytes] = (),
              endorsement_key: bytes | None = None,
              at: int | datetime.datetime | None = None) -> Challenge:
    """Make a challenge that only this TPM can answer.

    Args:
        machine: what the machine says of its TPM. Not trusted.
        makers: root certificates that you trust to vouch for TPMs, PEM or DER.
        certificates: issuers between the TPM's certificate and those roots, where the TPM does not have them itself.
        endorsement_key: instead of makers, SHA-256 of the key (SubjectPublicKeyInfo, DER) that you know from elsewhere.
        at: time that counts, Unix seconds or a datetime with time zone; default now.

    Returns:
        Question for the machine, and what checks the answer.

    Raises:
        AttestationError: ROOT, EXPIRED, ENDORSEMENT, no maker vouches for this TPM.
        IntegrityError: BAD_KEY, the attestation key would sign anything, or the endorsement key is of a kind that is not known.
        FormatError: it says nothing of a TPM.
        RequestError: BAD_FIELD, at is no time.
        ArgumentError: BAD_ARGUMENT, neither makers nor endorsement_key, or both.
    """
    roots = list(makers)
    if bool(roots) == (endorsement_key is not None):
        raise _native.error("BAD_ARGUMENT", "say who vouches for the TPM: its makers' roots, or the digest of its key")
    found = _read(machine, "what the machine says", {"attestation_key": str, "endorsements": list, "certificates": list})
    endorsements = _endorsements(found)
    issuers = [*certificates, *(from_base64url(one, "certificates") for one in found["certificates"])]
    kind, key, vouched = (
        _by_makers(endorsements, issuers, roots, seconds_of(at))
        if endorsement_key is None else _by_digest(endorsements, endorsement_key)
    )
    name, credential, secret = _native.tpm_credential(key, from_base64url(found["attestation_key"], "attestation_key"))
    return Challenge(
        write_json({"version": 1, "endorsement": kind, "credential": to_base64url(credential)}) + b"\n",
        write_json({"version": 1, "name": name.hex(), "answer_sha256": hashlib.sha256(secret).hexdigest()}) + b"\n",
        name.hex(),
        vouched,
    )


def accept(pending: bytes, answer: bytes) -> str:
    """Check the answer to a challenge.

    Args:
        pending: of the challenge.
        answer: the machine's. Not trusted.

    Returns:
        Name of the attestation key, proven to be in that TPM: for ``attestation_keys`` in a trust file.

    Raises:
        IntegrityError: BAD_TAG, it is the answer to another challenge.
        FormatError: it is no answer, or not what challenge gave.
    """
    asked = _read(pending, "what checks the answer", {"name": str, "answer_sha256": str})
    secret = from_base64url(_read(answer, "the answer", {"secret": str})["secret"], "secret")
    if not hmac.compare_digest(hashlib.sha256(secret).hexdigest(), asked["answer_sha256"]):
        raise _native.error("BAD_TAG", "this is not the answer to this challenge: the attestation key is not proven")
    name: str = asked["name"]
    return name
