# SPDX-License-Identifier: Apache-2.0
"""A trust file in sentences: what it accepts, and what it leaves open."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

LEVELS = {
    0: "nothing was verified",
    1: "unprotected: withstands nothing",
    2: "soft: withstands an honest host's mistakes; for development and tests",
    3: "measured boot: withstands a host whose software was tampered with, if its TPM is trusted",
    4: "protected VM: withstands most software attacks by the provider",
    5: "hardware TEE: withstands everybody on the path, the provider included",
}


def _soft(section: dict[str, Any]) -> Iterator[str]:
    yield "Accepts evidence of the soft platform: a key on the same machine vouches for the files."
    yield "  It must be signed by one of these software roots:"
    yield from (f"    {root}" for root in section["roots"])
    layers = ", ".join(section["layers"]) or "none"
    yield f"  These sandbox layers must be in force: {layers}."


_SECTIONS = {"soft": _soft}


def _measurement(entry: dict[str, Any]) -> str:
    registers = "".join(f", {name} {value}" for name, value in sorted(entry.get("registers", {}).items()))
    return f"    {entry['name']}: {entry['type']} {entry.get('value', '')}{registers}"


def explain(terms: dict[str, Any]) -> Iterator[str]:
    """Lines of text that say what a trust file accepts.

    Args:
        terms: the file with every default filled in (``Trust.terms``).
    """
    level = terms.get("min_level", 2)
    yield f"Accepts an executor at assurance level {level} or higher."
    yield f"  Level {level} is {LEVELS[level]}."
    for kind in terms["accept"]:
        yield from _SECTIONS[kind](terms[kind])
    yield "The executor must be exactly one of these:"
    yield from (_measurement(entry) for entry in terms.get("measurement", []))
    if "auditors" in terms:
        auditors = terms["auditors"]
        yield f"Or one that at least {auditors['threshold']} of these auditors have signed for:"
        yield from (f"    {key}" for key in auditors["keys"])
    if "charter" not in terms:
        yield "Any charter (the executor's house rules) is accepted: it is not pinned."
    else:
        yield f"Its charter (the house rules) must have SHA-256 {terms['charter']['sha256']}."
