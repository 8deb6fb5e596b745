# SPDX-License-Identifier: Apache-2.0
"""Evidence as a library: judge what a TEE says, without any executor, network or clock of its own."""

from __future__ import annotations

import datetime
import os
import re
import time
from collections.abc import Iterable
from typing import Any

from . import _native, endorsements as endorsing
from .faults import TIME_MAX
from .trust import Report, Trust, report_of

_INTEL_VENDOR = bytes.fromhex("939a7233f79c4ca9940a0db3957f0607")
_COSE_ES384 = bytes.fromhex("8444a1013822")
_CERTIFICATE = re.compile(rb"\x30(?:[\x00-\x7f]|\x81.|\x82..|\x83...)\x30(?:[\x00-\x7f]|\x81.|\x82..|\x83...)\xa0", re.DOTALL)
_TPM_MAGIC = bytes.fromhex("ff544347")


def _fields(data: bytes) -> int:
    """How many fields (length, content) fill the data exactly; -1 when they do not."""
    count, place = 0, 0
    while place < len(data):
        place += 4 + int.from_bytes(data[place:place + 4], "big")
        count += 1
    return count if place == len(data) else -1


def guess_type(evidence: bytes) -> str:
    """Which format the first bytes are of; "none" when it is none that is known.

    It decides nothing: the trust file says which types are accepted, and the verifier reads the bytes as that type only.

    >>> guess_type(b"CELLASW1" + bytes(206)), guess_type(b"?")
    ('soft', 'none')
    """
    if evidence[:8] == b"CELLASW1":
        return "soft"
    if evidence[12:28] == _INTEL_VENDOR:
        if int.from_bytes(evidence[:2], "little") == 3:
            return "sgx"
        return "tdx" if evidence[4:8] == b"\x81\0\0\0" else "none"
    if evidence[:6] == _COSE_ES384 or evidence[1:7] == _COSE_ES384:
        return "nitro"
    if evidence[:1] == b"\1" and evidence[5:9] == _TPM_MAGIC:
        return {4: "tpm", 5: "az-snp", 6: "az-tdx"}.get(_fields(evidence[1:]), "none")
    if len(evidence) == 1184 and 2 <= int.from_bytes(evidence[:4], "little") <= 5:
        return "snp"
    return "none"


def seconds_of(at: int | datetime.datetime | None) -> int:
    """A time as Unix seconds; None is now.

    Raises:
        RequestError: BAD_FIELD, a datetime without time zone, or a time before 1970 or after the year 9999.

    >>> seconds_of(datetime.datetime(2026, 11, 1, tzinfo=datetime.timezone.utc))
    1793491200
    """
    if at is None:
        return int(time.time())
    if isinstance(at, datetime.datetime):
        if at.tzinfo is None:
            raise _native.error("BAD_FIELD", "a time needs its time zone, for example 2026-11-01T00:00:00Z", "at")
        at = int(at.timestamp())
    if isinstance(at, bool) or not isinstance(at, int):
        raise _native.error("BAD_FIELD", "a time is Unix seconds or a datetime with time zone", "at")
    if not 0 <= at <= TIME_MAX:
        raise _native.error("BAD_FIELD", f"a time in Unix seconds is between 0 and {TIME_MAX}, the end of the year 9999", "at")
    return at


def _binding(
    report_data: bytes | None, nonce: bytes | None, keys: bytes | None, charter: bytes | None, unbound: bool
) -> dict[str, Any]:
    named = [name for name, given in (("keys", keys), ("report_data", report_data), ("nonce", nonce)) if given is not None]
    empty = next((name for name in named if not {"keys": keys, "report_data": report_data, "nonce": nonce}[name]), None)
    if empty is not None:
        raise _native.error("BAD_FIELD", f"{empty} is empty: leave it out, or say what the evidence must be bound to", empty)
    if not named and not unbound:
        raise _native.error(
            "BAD_FIELD",
            "say what the evidence must be bound to: report_data, nonce, or keys (and charter) of an executor; "
            "unbound=True leaves that check out, and the report says so",
            "report_data",
        )
    if unbound and named:
        raise _native.error("BAD_FIELD", f"unbound and {named[0]} exclude each other", "unbound")
    if keys and report_data:
        raise _native.error("BAD_FIELD", "keys and report_data exclude each other: keys give report data", "keys")
    return {
        "report_data": report_data or b"",
        "nonce": nonce or b"",
        "keys": keys or b"",
        "charter": charter or b"",
        "unbound": unbound,
    }


def verify(
    evidence: bytes,
    policy: Trust | dict[str, Any] | str | os.PathLike[str],
    *,
    at: int | datetime.datetime | None = None,
    type: str = "auto",
    endorsements: Iterable[bytes | str | os.PathLike[str] | tuple[int, bytes]] = (),
    report_data: bytes | None = None,
    nonce: bytes | None = None,
    keys: bytes | None = None,
    charter: bytes | None = None,
    unbound: bool = False,
) -> Report:
    """Judge evidence.

    Args:
        evidence: in the TEE's own format; docs/evidence.md says for each type which.
        policy: a trust file: loaded, its path, or a dict of its shape.
        at: the time that counts, Unix seconds or a datetime with time zone; None is now.
        type: "snp", "tdx", ...; "auto" goes by the first bytes. Either way the policy must accept that type.
        endorsements: what comes with it: contents or paths of certificates, revocation lists, Intel's collateral,
            statements; recognised by content. For evidence other than AMD's, the leaf certificate comes first.
        report_data: the bytes that the evidence must be bound to, all of them: 64 for SNP, TDX, SGX and soft; the
            qualifying data of a TPM; user_data of Nitro.
        nonce: your nonce: in Nitro's own field; or with keys, the 32 bytes that went into the report data.
        keys: 64 bytes, an executor's key set; charter: the exact bytes of its charter.
        unbound: leave binding out. The report lists it as not checked. Never do that for somebody you talk to.

    Returns:
        A report; ``accepted`` says whether every check passed. Bad evidence is a report, never an exception.

    Raises:
        PolicyError: BAD_POLICY, the trust file is not acceptable.
        TypeError: endorsements is one content or path, not a list of them, or has something else in it.
        RequestError: BAD_FIELD, nothing was named that the evidence is bound to.
        FormatError: something among the endorsements is nothing that is known.
        CellaError: TOO_MANY, TOO_LARGE; more than 24 endorsements, or one above 1 MiB.

    >>> from cella import _native
    >>> from cella.encoding import to_base64url
    >>> root, runs = _native.Secret.generate(), bytes(32)
    >>> evidence = _native.soft_evidence(root, 63, runs, b"r" * 64, 1793491200)
    >>> policy = {
    ...     "version": 1, "accept": ["soft"],
    ...     "measurement": [{"name": "release 1", "type": "soft", "value": "sha256:" + runs.hex()}],
    ...     "soft": {"roots": ["ed25519:" + to_base64url(_native.ed25519_public(root))]},
    ... }
    >>> report = verify(evidence, policy, at=1793491200, report_data=b"r" * 64)
    >>> report.accepted, report.level, report.measurement_name
    (True, 2, 'release 1')
    >>> verify(evidence, policy, at=1793491200, report_data=b"s" * 64).failed[0].name
    'binding'
    """
    trust = Trust.load(policy)
    binding = _binding(report_data, nonce, keys, charter, unbound)
    kind = guess_type(evidence) if type == "auto" else type
    return report_of(
        _native.appraise(evidence, kind, trust.json, seconds_of(at), endorsements=endorsing.collect(endorsements),
                         **binding)
    )


def is_certificate(data: bytes) -> bool:
    """Whether that looks like one X.509 certificate, PEM or DER. Evidence of no kind begins like that.

    >>> is_certificate(b"-----BEGIN CERTIFICATE-----"), is_certificate(b"CELLASW1")
    (True, False)
    """
    return data.lstrip().startswith(b"-----BEGIN CERTIFICATE-----") or bool(_CERTIFICATE.match(data))


def verify_certificate(
    certificate: bytes,
    policy: Trust | dict[str, Any] | str | os.PathLike[str],
    *,
    at: int | datetime.datetime | None = None,
    endorsements: Iterable[bytes | str | os.PathLike[str] | tuple[int, bytes]] = (),
    nonce: bytes | None = None,
    allow_legacy: bool = False,
) -> Report:
    """Judge the evidence inside of a TLS certificate (RA-TLS).

    It says that the certificate's key was once inside of what the report names. It says nothing about who is at the other
    end of a connection: to talk to an executor, use ``connect``, which binds the connection itself.

    Args:
        certificate: DER, or PEM of exactly one.
        policy, at, endorsements: as for ``verify``.
        nonce: what the certificate's claim "nonce" must be; without it the claim is not looked at.
        allow_legacy: take Gramine's older form, too.

    Returns:
        A report. Its check "binding" compares the evidence with the certificate's key.

    Raises:
        AttestationError: BAD_EVIDENCE, there is no evidence in it, it is malformed, names itself as its issuer without being
            signed by its own key, or is for another key or nonce; EXPIRED, it is not valid at this time.
        PolicyError, FormatError: as for ``verify``.
    """
    when = seconds_of(at)
    try:
        found = _native.appraise_certificate(certificate, Trust.load(policy).json, when, nonce=nonce or b"",
                                             endorsements=endorsing.collect(endorsements), allow_legacy=allow_legacy)
    except _native.CellaError as problem:
        if problem.code != "NOT_FOUND":
            raise
        raise _native.error("BAD_EVIDENCE", "there is no evidence in this certificate") from None
    return report_of(found)
