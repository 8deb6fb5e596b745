# SPDX-License-Identifier: Apache-2.0
"""Every shared vector gets its verdict, and is refused by the check that is meant to refuse it.

Verdict and reason come from the shared index; which check of the report must fail stands in
tests/vectors/evidence_checks.tsv, so that a refusal for a wrong reason is noticed.
"""

from __future__ import annotations

import csv
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
