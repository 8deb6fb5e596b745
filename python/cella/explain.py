# SPDX-License-Identifier: Apache-2.0
"""A trust file in sentences: what it accepts, and what it leaves open."""

from __future__ import annotations

import base64
import datetime
import hashlib
from collections.abc import Iterator
from typing import Any

from .endorsements import pem_blocks
from .terms import Term, kind_of

LEVELS = {
    0: "none: evidence that is refused has no level",
    1: "unprotected: withstands nothing",
    2: "soft: withstands an honest host's mistakes; for development and tests",
    3: "measured boot: withstands a host whose software was tampered with, if its TPM is trusted",
    4: "protected VM: withstands most software attacks by the provider",
    5: "hardware TEE: withstands everybody on the path, the provider included",
}
AMD_FAMILIES = {"milan": "amd-milan", "genoa": "amd-genoa", "siena": "amd-genoa", "turin": "amd-turin"}
"""Whose root signs for a product, as executor/trust/evidence_snp.c has it."""
FAMILIES = {"tdx": "intel", "sgx": "intel", "nitro": "aws-nitro", "tpm": "tpm"}
"""Families of roots by kind; those of snp are by product."""
PINNED = {"amd-milan": "ARK-Milan", "amd-genoa": "ARK-Genoa", "amd-turin": "ARK-Turin", "intel": "Intel SGX Root CA",
          "aws-nitro": "aws.nitro-enclaves"}
"""Roots that are pinned in the library, as executor/trust/anchor_data.c has them."""
LIST_MAX = 8
"""Values of one term that are written out; the rest is counted."""


def _shorten(value: Any) -> str:
    text = str(value)
    if len(text) >= 32 and set(text.removeprefix("sha256:").removeprefix("sha384:")) <= {"0"}:
        return "all zeros"
    return text


def _one_of(values: list[Any], word: str = "or") -> str:
    """A list for people: "a, b or c"."""
    shown = [_shorten(value) for value in values[:LIST_MAX]]
    if len(values) > LIST_MAX:
        shown.append(f"{len(values) - LIST_MAX} more")
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} {word} {shown[-1]}"


def _floors(value: dict[str, dict[str, int]]) -> str:
    parts = []
    for selector, floors in sorted(value.items()):
        least = ", ".join(f"{name} {number}" for name, number in sorted(floors.items()))
        parts.append(f"{selector} ({least})")
    return "at least " + "; ".join(parts) + "; anything else is refused"


def wanted(term: Term, value: Any) -> str:
    """What a term's value demands, to be read behind its name.

    >>> from cella.terms import kind_of
    >>> debug = next(term for term in kind_of("snp").terms if term.name == "debug")
    >>> wanted(debug, False)
    'must be off'
    """
    if value == "any":
        return "is not looked at"
    if term.kind == "flag":
        return "must be on" if value else "must be off"
    if term.kind == "floors":
        return _floors(value)
    if term.kind == "minimum":
        return f"must be at least {value}"
    if term.kind == "within":
        return f"must be within {value}"
    if term.kind == "selection":
        return "must be exactly " + _one_of(value, "and")
    if term.kind == "layers":
        return "must include " + _one_of(value, "and") if value else "may be missing, all of them"
    if term.kind == "choice":
        return f"is {value}"
    if term.kind == "events":
        return "must include " + _one_of([f"{event['digest']} in {event['register']}" for event in value], "and")
    if term.kind == "excluded":
        return "must not be " + _one_of(value) if value else "excludes nobody"
    if term.kind == "every":
        return "may only be " + _one_of(value) if value else "must be empty"
    return "must be " + _one_of(value)


def _section(type: str, terms: dict[str, Any]) -> Iterator[str]:
    kind = kind_of(type)
    section = terms.get(type, {})
    open_terms = []
    for term in kind.terms:
        value = section.get(term.name)
        if value is None or value == "any":
            open_terms.append(term.name)
        else:
            yield f"    {term.name} {wanted(term, value)}: {term.meaning}."
    if open_terms:
        yield f"    Not looked at: {', '.join(open_terms)}."


def _products(terms: dict[str, Any]) -> dict[str, list[str]]:
    """Products of AMD that can be accepted, by the family of roots that signs for them."""
    section = terms.get("snp", {})
    floors = section.get("tcb")
    found: dict[str, list[str]] = {}
    for product, family in AMD_FAMILIES.items():
        if product in section.get("products", AMD_FAMILIES) and (not isinstance(floors, dict) or product in floors):
            found.setdefault(family, []).append(product)
    return found


def _own(family: str, terms: dict[str, Any]) -> list[str]:
    """The file's own roots of a family, by the digest of their certificates."""
    own = []
    for anchor in terms.get("anchor", []):
        if anchor["family"] == family:
            _, body = next(pem_blocks(anchor["certificate"].encode()), (b"", b""))
            own.append(hashlib.sha256(base64.b64decode(b"".join(body.split()))).hexdigest())
    return own


def _roots(type: str, terms: dict[str, Any]) -> Iterator[str]:
    """Where the certificates of a kind must lead: own roots replace the library's family by family, not all of them."""
    reachable = _products(terms) if type == "snp" else {FAMILIES[type]: [""]} if type in FAMILIES else {}
    for family, products in reachable.items():
        what = _one_of(products, "and") if products != [""] else "It"
        own = _own(family, terms)
        if own:
            names = _one_of(own, "or")
            yield f"    {what} must lead to the root that this file names for {family} (certificate with SHA-256 {names}), not to another."
        elif family == "tpm":
            yield "    No maker's root is named: only the attestation keys above count."
        else:
            yield f"    {what} must lead to the vendor's root {PINNED[family]}, which is pinned in the library."
    if type == "snp" and not reachable:
        yield "    No product can pass: tcb names none of products."


def _kind(type: str, terms: dict[str, Any]) -> Iterator[str]:
    kind = kind_of(type)
    yield f"Accepts evidence of {kind.title} ({type}), if:"
    if kind.hardware is not None:
        yield f"  what the hardware says, by the section {kind.hardware}:"
        yield from _section(kind.hardware, terms)
        yield "  what the virtual TPM says:"
    yield from _section(type, terms)
    yield from _roots(kind.hardware or type, terms)


def _time(unix_s: int) -> str:
    return datetime.datetime.fromtimestamp(unix_s, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _measurement(entry: dict[str, Any]) -> str:
    value = f" {entry['value']}" if "value" in entry else ""
    registers = "".join(f", {name} {register}" for name, register in sorted(entry.get("registers", {}).items()))
    begin = f", from {_time(entry['not_before'])}" if "not_before" in entry else ""
    end = f", until {_time(entry['not_after'])}" if "not_after" in entry else ""
    return f"    {entry['name']}: {entry['type']}{value}{registers}{begin}{end}"


def _what_runs(terms: dict[str, Any]) -> Iterator[str]:
    listed = terms.get("measurement", [])
    if listed:
        yield "What runs must be exactly one of these:"
        yield from (_measurement(entry) for entry in listed)
    if "auditors" in terms:
        auditors = terms["auditors"]
        statements = len(auditors.get("statements", []))
        start = "Or" if listed else "What runs must be"
        yield f"{start} something that at least {auditors['threshold']} of these auditors have signed for:"
        yield from (f"    {key}" for key in auditors["keys"])
        yield f"    Statements in this file: {statements}; others may come with the evidence."


def _freshness(freshness: dict[str, Any]) -> Iterator[str]:
    if freshness.get("nonce"):
        yield "The evidence must have been made for your own nonce."
    if "max_age_s" in freshness:
        yield f"It must be at most {freshness['max_age_s']} seconds old, and say so."
    if not freshness:
        yield "Its age does not matter: the file has no freshness."


def _receipt(section: dict[str, Any]) -> Iterator[str]:
    """Only where the file has the section: what it says is for receipts, not for connections."""
    logs = section.get("logs", 1)
    yield f"Proofs of runs (receipts) must be in at least {logs} different log(s)." if logs else (
        "Proofs of runs (receipts) need not be in any log.")
    yield ("    The executor's own log counts." if section.get("own_log", True) else
           "    The executor's own log does not count.")
    yield from (f"    {log['name']}: {log['key']}" for log in section.get("log", []))
    if "executors" in section:
        yield f"    Signed by one of these keys they need no evidence: {_one_of(section['executors'])}."
    if "functions" in section:
        yield f"    The function must be {_one_of(section['functions'])}."
    if section.get("require"):
        yield f"    These claims must be proved: {_one_of(section['require'], 'and')}."


def explain(terms: dict[str, Any]) -> Iterator[str]:
    """Lines of text that say what a trust file accepts.

    Args:
        terms: the file with every default filled in (``Trust.terms``).
    """
    level = terms.get("min_level", 2)
    yield f"Accepts an executor at assurance level {level} or higher."
    yield f"  Level {level} is {LEVELS[level]}."
    for kind in terms["accept"]:
        yield from _kind(kind, terms)
    yield from _what_runs(terms)
    yield from _freshness(terms.get("freshness", {}))
    if "charter" not in terms:
        yield "Any charter (the executor's house rules) is accepted: it is not pinned."
    else:
        yield f"Its charter (the house rules) must have SHA-256 {terms['charter']['sha256']}."
    if "receipt" in terms:
        yield from _receipt(terms["receipt"])
