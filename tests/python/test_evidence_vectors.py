# SPDX-License-Identifier: Apache-2.0
"""Every shared vector gets its verdict, and is refused by the check that is meant to refuse it.

Verdict and reason come from the shared index; which check of the report must fail stands in
tests/vectors/evidence_checks.tsv, so that a refusal for a wrong reason is noticed.
"""

from __future__ import annotations

import csv
from pathlib import Path

import evidence_vectors as vectors
import pytest

CASES = vectors.cases(*vectors.APPRAISE)
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
    report = vectors.APPRAISE[case.family](case)
    failed = [check[0] for check in report["checks"] if check[1] == "failed"]
    assert ("ACCEPT" if report["status"] == "OK" else "REJECT") == case.expect, (case.reason, failed)
    assert (failed[0] if failed else "") == expected_checks()[key(case)], (case.reason, report["checks"])


@pytest.mark.skipif(not CASES, reason="the shared vectors are not beside this repository")
def test_table_of_verdicts(capsys: pytest.CaptureFixture[str]) -> None:
    """The table that an auditor reads in the test's output."""
    rows: dict[str, list[int]] = {}
    for case in CASES:
        accepted, refused = rows.setdefault(case.family, [0, 0])
        rows[case.family] = [accepted + (case.expect == "ACCEPT"), refused + (case.expect == "REJECT")]
    with capsys.disabled():
        print("\nevidence vectors: " + "; ".join(f"{name} {a} accepted, {r} refused" for name, (a, r) in rows.items()))
    assert all(accepted > 0 and refused > 0 for accepted, refused in rows.values())
