# SPDX-License-Identifier: Apache-2.0
"""Commented trust files to start from: every term with its default and one sentence."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from typing import Any

from .explain import LEVELS
from .terms import Kind, Term, kind_of
from .trust import PLACEHOLDER

WIDTH = 110
LEVEL = {"soft": 2, "tpm": 3, "nitro": 4, "az-snp": 4, "az-tdx": 4}
"""The level that each kind reaches when everything is in order; 5 for those not named."""
_REQUIRED = {
    "roots": f'["{PLACEHOLDER}: ed25519:... as cella-host shows it"]',
    "pcrs": "[0, 2, 4, 7, 11]",
}
QUOTED = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 14]
"""Registers that an executor with a TPM quotes: CELLA_TPM_SELECTION in executor/platform/tpm_evidence.h."""
_REGISTERS = {
    "tdx": {
        "rtmr1": "SHA-384 register of kernel and boot loader",
        "rtmr2": "SHA-384 register of command line and initrd",
    },
    "nitro": {"pcr1": "from nitro-cli build-enclave", "pcr2": "from nitro-cli build-enclave"},
    "tpm": {name: f"{name} of the machine as it should be" for name in ("pcr0", "pcr2", "pcr4", "pcr7", "pcr9")},
    "az-snp": {"pcr11": "of the unified kernel image"},
    "az-tdx": {"pcr11": "of the unified kernel image"},
}
_SOURCE = {
    "soft": "cella-host measure",
    "snp": "computed from firmware, kernel, initrd and command line",
    "tdx": "computed from the firmware image",
    "sgx": "gramine-sgx-sigstruct-view",
    "nitro": "PCR0 from nitro-cli build-enclave",
    "az-snp": "the launch measurement of Azure's paravisor",
    "az-tdx": "the launch measurement of Azure's paravisor",
}


def _comment(text: str) -> Iterator[str]:
    yield from textwrap.wrap(text, WIDTH, initial_indent="# ", subsequent_indent="# ")


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {_toml(inner)}" for name, inner in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)


def _assigned(name: str, value: Any) -> Iterator[str]:
    """name = value as comment lines; floors get one line per product."""
    if isinstance(value, dict):
        yield from (f"# {name}.{selector} = {_toml(inner)}" for selector, inner in value.items())
    else:
        yield f"# {name} = {_toml(value)}"


def _example(term: Term) -> str:
    examples = {"flag": "true", "minimum": "1", "number": "[0]", "text": '["..."]', "excluded": '["<hexadecimal>"]',
                "events": '[{ register = "...", digest = "sha256:..." }]'}
    return examples.get(term.kind, '["<hexadecimal>"]')


def _term(term: Term, kind: str) -> Iterator[str]:
    if term.required:
        yield from _comment(f"{term.meaning[0].upper()}{term.meaning[1:]}. Must be stated.")
        yield f"{term.name} = {QUOTED if (kind, term.name) == ('tpm', 'pcrs') else _REQUIRED[term.name]}"
    elif term.name == "attestation_keys":
        yield from _comment(f"{term.meaning[0].upper()}{term.meaning[1:]}. Or name the maker's root: see anchor below.")
        yield f'{term.name} = ["{PLACEHOLDER}: 000b and 64 hexadecimal digits"]'
    elif term.default is None:
        yield from _comment(f"{term.meaning[0].upper()}{term.meaning[1:]}. Default: not looked at.")
        yield f"# {term.name} = {_example(term)}"
    else:
        yield from _comment(f"{term.meaning[0].upper()}{term.meaning[1:]}. Default:")
        yield from _assigned(term.name, term.default)
    yield ""


def _section(kind: Kind) -> Iterator[str]:
    yield from _comment(f"---- {kind.title} ----")
    yield f"[{kind.type}]"
    for term in kind.terms:
        yield from _term(term, kind.type)


_AZURE = {
    "az-snp": ("Azure runs this on Milan as well; whoever accepts that:", '# products = ["milan", "genoa"]'),
    "az-tdx": ("Azure's paravisor does not set it:", "sept_ve_disable = false"),
}


def _azure(kind: Kind) -> Iterator[str]:
    if kind.type in _AZURE:
        why, line = _AZURE[kind.type]
        yield from _comment(why)
        yield line
        yield ""


def _measurement(kind: Kind) -> Iterator[str]:
    yield from _comment("What may run. Any number of these; a name is for people. Take the values from somebody who built "
                        "or reviewed the software, not from the machine that shall be judged.")
    yield "[[measurement]]"
    yield f'name = "{PLACEHOLDER}: for example release 1"'
    yield f'type = "{kind.type}"'
    if kind.measurement is not None:
        size = kind.measurement_size
        yield f'value = "{PLACEHOLDER}: sha{size * 8}: and {size * 2} hexadecimal digits ({_SOURCE[kind.type]})"'
    registers = _REGISTERS.get(kind.type, {})
    if registers:
        yield "registers." + "\nregisters.".join(f'{name} = "{PLACEHOLDER}: {text}"' for name, text in registers.items())
    others = [name for name in kind.registers if name not in registers and name != kind.measurement]
    if others:
        yield from _comment(f"It may name these as well, as registers.NAME: {', '.join(others)}.")
    yield from _comment("Only during this time:")
    yield "# not_before = 2026-11-01T00:00:00Z"
    yield "# not_after = 2027-11-01T00:00:00Z"
    yield ""


def _general(kind: Kind) -> Iterator[str]:
    level = LEVEL.get(kind.type, 5)
    yield "version = 1"
    yield ""
    yield from _comment(f"Least assurance level, 1 to 5; the default is 2. {level} is {LEVELS[level]}.")
    yield f"min_level = {level}"
    yield ""
    yield from _comment("Kinds of evidence that you accept, and no other.")
    yield f'accept = ["{kind.type}"]'
    yield ""


def _optional(kind: Kind) -> Iterator[str]:
    yield from _comment("Auditors: what at least threshold of them have signed for need not be listed above.")
    yield "# [auditors]"
    yield "# threshold = 2"
    yield '# keys = ["ed25519:...", "ed25519:..."]'
    yield ""
    yield from _comment("The executor's house rules, as SHA-256 of its charter (cella attest shows it). Default: any.")
    yield "# [charter]"
    yield '# sha256 = "<64 hexadecimal digits>"'
    yield ""
    yield from _comment("Age of the evidence. Default: any, but replay of a session is refused in any case.")
    yield "# [freshness]"
    yield "# nonce = true"
    if kind.type in ("soft", "nitro"):
        yield "# max_age_s = 300"
    yield ""
    yield from _comment("Other roots than those pinned in the library: amd-milan, amd-genoa, amd-turin, intel, aws-nitro, "
                        "tpm (which has none of its own). They replace the library's of that family.")
    yield "# [[anchor]]"
    yield '# family = "tpm"'
    yield '# certificate = """-----BEGIN CERTIFICATE-----'
    yield "# ..."
    yield '# -----END CERTIFICATE-----"""'
    yield ""
    yield from _comment("Receipts: how many different logs must have signed, whether the executor's own counts, which claims must "
                        "be proved. docs/receipts.md has all terms.")
    yield "# [receipt]"
    yield "# logs = 1"
    yield "# own_log = true"
    yield '# require = ["contract", "approvals"]'
    yield "# [[receipt.log]]"
    yield '# name = "notary"'
    yield '# key = "ed25519:..."'


def template(type: str) -> str:
    """A trust file for one kind of evidence, with comments. It does not load before its user filled it in.

    Args:
        type: "snp", "tdx", "sgx", "tpm", "nitro", "az-snp", "az-tdx" or "soft".

    >>> "[snp]" in template("snp")
    True
    """
    kind = kind_of(type)
    lines = list(_comment(f"Trust file: which executors you accept. This one is for {kind.title}. Lines with a # before a "
                          "term show its default: change them only if you know why. docs/attestation.md explains all."))
    lines.append("")
    lines += _general(kind)
    lines += _measurement(kind)
    if kind.hardware is not None:
        lines += _section(kind_of(kind.hardware))
        lines += _azure(kind)
    lines += _section(kind)
    lines += _optional(kind)
    return "\n".join(lines) + "\n"
