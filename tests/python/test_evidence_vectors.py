# SPDX-License-Identifier: Apache-2.0
"""Every shared vector gets its verdict, and is refused by the check that is meant to refuse it.

Verdict and reason come from the shared index; which check of the report must fail stands in
tests/vectors/evidence_checks.tsv, so that a refusal for a wrong reason is noticed.
"""

from __future__ import annotations

import csv
import json
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import evidence_vectors as vectors
import pytest

CASES = vectors.cases(*vectors.FAMILIES)
CHECKS = Path(__file__).resolve().parents[1] / "vectors" / "evidence_checks.tsv"


def expected_checks() -> dict[tuple[str, ...], str]:
    """(evidence, companions, anchor, time, policy) -> the check that must fail first; "" where none may."""
    with open(CHECKS, newline="", encoding="utf-8") as file:
        rows = csv.reader((line for line in file if not line.startswith("#")), delimiter="\t")
        return {tuple(row[:-1]): row[-1] for row in rows}


def key(case: vectors.Case) -> tuple[str, ...]:
    return (case.evidence, case.companions, case.anchor, case.at, case.policy)


@pytest.mark.skipif(not CASES, reason="the shared vectors are not beside this repository")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_verdict(case: vectors.Case) -> None:
    report = vectors.judge(case)
    failed = [check[0] for check in report["checks"] if check[1] == "failed"]
    assert ("ACCEPT" if report["status"] == "OK" else "REJECT") == case.expect, (case.reason, failed)
    assert (failed[0] if failed else "") == expected_checks()[key(case)], (case.reason, report["checks"])


@pytest.mark.skipif(not CASES, reason="the shared vectors are not beside this repository")
def test_table_of_verdicts(record_property: Callable[[str, object], None]) -> None:
    """The table that an auditor reads: the test run prints it, and evidence-verdicts.tsv of the build has every row."""
    families: dict[str, Counter[str]] = {}
    rows = ["evidence\tat\tpolicy\texpected\tverdict\tlevel\trefused by\treason"]
    for case in CASES:
        report = vectors.judge(case)
        verdict = "ACCEPT" if report["status"] == "OK" else "REJECT"
        refused_by = next((check[0] for check in report["checks"] if check[1] == "failed"), "")
        families.setdefault(case.family, Counter())[refused_by or "accepted"] += 1
        rows.append("\t".join((case.evidence, case.at, case.policy, case.expect, verdict, str(report.get("level", "")),
                               refused_by, case.reason)))
        assert verdict == case.expect
    (Path(os.environ["CELLA_BUILD"]) / "evidence-verdicts.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    table = [f"{'evidence':10} {'accepted':>8} {'refused':>8}  refused by"]
    for family, counts in families.items():
        accepted = counts.pop("accepted", 0)
        checks = ", ".join(f"{name} {count}" for name, count in counts.most_common())
        table.append(f"{family:10} {accepted:8} {counts.total():8}  {checks}")
        assert accepted > 0 and counts.total() > 0
    record_property("table", "\n".join(table))


# ---- Azure: hardware evidence that names a virtual TPM's key ----

AZURE = {
    "az-snp": ("snp/az-snp-vtpm/evidence-v2.json", "2026-09-15T00:00:00Z"),
    "az-tdx": ("tdx/az-tdx-vtpm/evidence-v1.json", "2025-07-15T00:00:00Z"),
}


def azure(kind: str) -> tuple[dict[str, bytes], vectors.Endorsements, dict, int]:
    """Parts of the evidence, what comes with it, a policy that accepts it, and the time."""
    name, at = AZURE[kind]
    content = json.loads(vectors.data(name))
    quote = content["tpm_quote"]
    parts = {
        "attest": bytes.fromhex(quote["message"]),
        "signature": bytes.fromhex(quote["signature"]),
        "values": b"".join(map(bytes.fromhex, quote["pcrs"])),
        "key": b"",
        "hcl": vectors.base64url(content["hcl_report"]),
    }
    registers = {"pcr0": quote["pcrs"][0], "pcr11": quote["pcrs"][11]}
    if kind == "az-snp":
        endorsements = [(vectors.CERTIFICATES, vectors.base64url(content["vcek"])),
                        (vectors.CRL, vectors.data("snp/crl/milan_vcek_crl.der"))]
        value, section = parts["hcl"][0x20 + 0x90:0x20 + 0xC0], {"snp": {"products": ["milan"]}}
    else:
        parts["quote"] = vectors.base64url(content["td_quote"])
        endorsements = vectors._set("B")
        value = parts["quote"][184:232]
        section = {"tdx": {"tcb_status": ["OutOfDate"], "advisories": "any", "sept_ve_disable": False}}
    policy = {
        "version": 1,
        "accept": [kind],
        "measurement": [{"name": "vector", "type": kind, "value": "sha384:" + value.hex(), "registers": registers}],
        kind: {"pcrs": list(range(24))},
        **section,
    }
    return parts, endorsements, policy, vectors.seconds(at)


def judge_azure(kind: str, parts: dict[str, bytes], endorsements: vectors.Endorsements, policy: dict, at: int,
                nonce: bytes) -> tuple[str, list[str]]:
    report = vectors.appraise(kind, b"\1" + vectors.fields(*parts.values()), endorsements, policy, at, nonce)
    return report["status"], [check[0] for check in report["checks"] if check[1] == "failed"]


def nonce_of(attest: bytes) -> bytes:
    start = 8 + int.from_bytes(attest[6:8], "big")
    return attest[start + 2:start + 2 + int.from_bytes(attest[start:start + 2], "big")]


@pytest.mark.skipif(not CASES, reason="the shared vectors are not beside this repository")
@pytest.mark.parametrize("kind", AZURE)
def test_azure(kind: str) -> None:
    parts, endorsements, policy, at = azure(kind)
    nonce = nonce_of(parts["attest"])
    assert judge_azure(kind, parts, endorsements, policy, at, nonce) == ("OK", [])
    assert judge_azure(kind, parts, endorsements, policy, at, nonce + b"x") == ("BINDING", ["binding"])
    in_claims = 0x4D4 + 100
    for part, place in (("attest", 50), ("attest", -1), ("signature", 9), ("values", 0), ("values", -1), ("hcl", in_claims)):
        changed = bytearray(parts[part])
        changed[place] ^= 1
        status, failed = judge_azure(kind, parts | {part: bytes(changed)}, endorsements, policy, at, nonce)
        assert status != "OK" and failed, (part, place)


@pytest.mark.skipif(not CASES, reason="the shared vectors are not beside this repository")
def test_azure_quote_of_another_machine() -> None:
    """A quote and an HCL report, each genuine, of two machines."""
    parts, endorsements, policy, at = azure("az-snp")
    other = vectors.base64url(json.loads(vectors.data("snp/az-snp-vtpm/evidence-v1.json"))["hcl_report"])
    status, failed = judge_azure("az-snp", parts | {"hcl": other}, endorsements, policy, at, nonce_of(parts["attest"]))
    assert status != "OK" and failed
