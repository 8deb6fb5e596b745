# SPDX-License-Identifier: Apache-2.0
"""Put the tables of three hospitals into one, without who the patients are: the institute's first function.

The pooled table is a fusion output: it belongs to the three hospitals together and nobody can open it.
"""

COLUMNS = ["band", "treated", "months", "died"]
BAND_YEARS = 10
SMALLEST_GROUP = 10
"""Declared as release rule minimum_group; the auditors have looked that it is kept."""


def pool(north, east, south, pooled):
    """Ages become bands of ten years, numbers of patients are dropped, and so are groups that are too small."""
    rows = []
    for hospital in (north, east, south):
        for row in hospital.csv():
            band = int(row["age"]) // BAND_YEARS * BAND_YEARS
            rows.append((band, int(row["treated"]), int(row["months"]), int(row["died"])))
    groups = {}
    for row in rows:
        groups.setdefault(row[:2], []).append(row)
    kept = sorted(row for group in groups.values() if len(group) >= SMALLEST_GROUP for row in group)
    pooled.csv(kept, header=COLUMNS)
    return {"rows": len(kept), "left_out": len(rows) - len(kept)}
