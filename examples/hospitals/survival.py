# SPDX-License-Identifier: Apache-2.0
"""How many survive, treated and not: Kaplan-Meier's estimate over the pooled table. The institute's second function."""

YEAR_MONTHS = 12
SMALLEST_GROUP = 10
"""Declared as release rule minimum_group: there is no estimate from fewer patients than that."""


def estimate(patients):
    """A list of (month, at risk, surviving part) for each month in which somebody died."""
    surviving, curve = 1.0, []
    for month in sorted({months for months, died in patients if died}):
        at_risk = sum(months >= month for months, _ in patients)
        if at_risk < SMALLEST_GROUP:
            break
        deaths = sum(died for months, died in patients if months == month)
        surviving *= 1 - deaths / at_risk
        curve.append((month, at_risk, surviving))
    return curve


def survival(pooled, curves):
    """Write both curves; the result says how many survive each whole year."""
    arms = {"untreated": [], "treated": []}
    for row in pooled.csv():
        arms["treated" if row["treated"] == "1" else "untreated"].append((int(row["months"]), int(row["died"])))
    rows, result = [], {}
    for arm, patients in arms.items():
        curve = estimate(patients)
        rows += [[arm, month, at_risk, f"{surviving:.4f}"] for month, at_risk, surviving in curve]
        result[arm] = {"patients": len(patients)}
        for years in (1, 2, 3):
            part = [surviving for month, _, surviving in curve if month <= years * YEAR_MONTHS]
            result[arm][f"year_{years}"] = round(part[-1] if part else 1.0, 3)
    curves.csv(rows, header=["arm", "month", "at_risk", "surviving"])
    return result
