# SPDX-License-Identifier: Apache-2.0
"""Auditors: a measurement that somebody signs for, and trust files that name whom to believe."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from . import _native, atomic
from .encoding import from_base64url, parse_object, to_base64url, write_json
from .identity import Identity
from .trust import FILE_MAX, Trust

KIND = "cella measurement v1"
PLAIN_HEADER = b'{"alg":"EdDSA"}'
"""Of a statement: it names no key (executor/trust/jws.c)."""
STATEMENT_MAX = 16384
"""Characters of one (executor/trust/measurement.c)."""


def auditor_of(identity: Identity) -> str:
    """An identity as a trust file names it in auditors.keys."""
    return "ed25519:" + to_base64url(identity.sign_public)


def sign_measurement(identity: Identity, entry: dict[str, Any]) -> str:
    """Sign for a measurement.

    Args:
        identity: the auditor's.
        entry: as in a trust file: name, type, value, registers?, not_before?, not_after? (Unix seconds). Signers whose
            statements shall count together sign exactly the same entry.

    Returns:
        Compact JWS.

    Raises:
        PolicyError: BAD_POLICY, no trust file could list such a measurement.

    >>> auditor = Identity.generate()
    >>> entry = {"name": "release 1", "type": "snp", "value": "sha384:" + "00" * 48}
    >>> sign_measurement(auditor, entry).count(".")
    2
    """
    _check(entry)
    return identity.sign_statement(write_json({"statement": KIND, **entry}, "statement"))


def _check(entry: dict[str, Any]) -> None:
    """The verifier reads the entry of a trust file as it would read the statement; sections do not matter here."""
    kind = entry.get("type")
    sections: dict[str, Any] = {"soft": {"soft": {"roots": ["ed25519:" + "A" * 43]}}}
    pcrs = {name: {name: {"pcrs": [0]}} for name in ("tpm", "az-snp", "az-tdx")}
    section = {**sections, **pcrs}.get(str(kind), {})
    try:
        Trust({"version": 1, "accept": [kind], "measurement": [entry], **section})
    except _native.PolicyError as problem:
        sentence = str(problem).partition(": the trust file: ")[2].removesuffix(f" (field {problem.field})")
        sentence = sentence.replace("measurement[0].", "")
        where = (problem.field or "").removeprefix("measurement[0].")
        raise _native.error("BAD_POLICY", f"no trust file could list this measurement: {sentence}", where) from None


def add_statement(path: str | os.PathLike[str], statement: str) -> None:
    """Add an auditor's statement to a trust file, which must have [auditors]. Comments and order stay.

    Raises:
        PolicyError: BAD_POLICY, the file has no auditors, has the statement already, or is not acceptable; the statement is none,
            or none of the file's auditors has signed it.
    """
    target = Path(path)
    trust = Trust.load(target)
    if "auditors" in trust.terms:
        _judge(statement, trust.terms["auditors"]["keys"], target)
    if statement in trust.terms.get("auditors", {}).get("statements", []):
        raise _native.error("BAD_POLICY", f"{target} has this statement already", "auditors.statements")
    text = target.read_text(encoding="utf-8")
    header = re.search(r"^\[auditors\][^\n]*\n", text, re.MULTILINE)
    if header is None:
        raise _native.error("BAD_POLICY", f"{target} has no [auditors]: it believes nobody's statements", "auditors")
    end = re.compile(r"^\[", re.MULTILINE).search(text, header.end())
    section = text[header.end() : end.start() if end else len(text)]
    listed = re.search(r"^statements\s*=\s*\[", section, re.MULTILINE)
    quoted = json.dumps(statement)
    if listed is not None:
        place, more = header.end() + listed.end(), f"\n    {quoted},"
    else:
        place, more = header.end(), f"statements = [\n    {quoted},\n]\n"
    changed = text[:place] + more + text[place:]
    _reload(changed, target)
    with atomic.replace(target) as file:
        file.write(changed.encode())


def _judge(statement: str, auditors: list[str], target: Path) -> None:
    """Refuse what could never count: no statement, or none that one of these auditors has signed."""
    head, _, signature = statement.rpartition(".")
    header, _, payload = head.partition(".")
    try:
        if len(statement) > STATEMENT_MAX or from_base64url(header) != PLAIN_HEADER:
            raise _native.error("BAD_FORMAT", "it is no compact JWS with EdDSA")
        signed, entry = from_base64url(signature), parse_object(from_base64url(payload), "what was signed")
        if entry.pop("statement", None) != KIND:
            raise _native.error("BAD_FORMAT", f"it is not about a measurement: it has no \"statement\": \"{KIND}\"")
        _check(entry)
    except _native.CellaError as problem:
        raise _native.error("BAD_POLICY", f"this is no auditor's statement: {str(problem).partition(': ')[2]}") from None
    for auditor in auditors:
        try:
            _native.ed25519_verify(from_base64url(auditor.removeprefix("ed25519:")), head.encode("ascii"), signed)
            return
        except _native.CellaError:
            continue
    raise _native.error("BAD_POLICY", f"none of the auditors in {target} has signed this statement, so that it would never count; "
                        "its signer's key belongs into auditors.keys first, if you trust it", "auditors.keys")


def _reload(text: str, target: Path) -> None:
    """Never leave a file behind that does not load."""
    import tomllib

    try:
        if len(text) > FILE_MAX:
            raise ValueError("too large")
        Trust(tomllib.loads(text), target)
    except (ValueError, _native.PolicyError) as problem:
        raise _native.error("BAD_POLICY", f"{target} was left as it is; with the statement it would not load: {problem}",
                            "auditors.statements") from None
