# SPDX-License-Identifier: Apache-2.0
"""Python in a cell against /usr/bin/python3: the same small programs, one run here, one there, in turn."""

from __future__ import annotations

import math
import os
import pathlib
import subprocess
import sys

import speed_set
from cell import PYTHON
from measure import Options, Row, Sample, interleave

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = (HERE / "speed_set.py").read_text()
GOAL = 0.98
REPEATED = 5
"""How often a program repeats its work: some 10 ms."""
sys.path.insert(0, str(HERE.parent / "python"))


def outside(name: str) -> float:
    """Milliseconds that a program takes in Debian's interpreter, with one thread for numpy as in a cell."""
    text = f"{SOURCE}\nprint(main({name!r}, {REPEATED}))"
    environment = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    return float(subprocess.check_output([PYTHON, "-I", "-c", text], text=True, env=environment)) * 1e3


def of_profile(options: Options, profile: str, programs: tuple) -> list[Row]:
    """A row for each program."""
    os.environ["CELLA_BUILD"] = str(options.build)
    import zygote_driver

    rows = []
    with zygote_driver.ZygoteDriver(profile) as zygote:
        for function in programs:
            name = function.__name__

            def inside(name: str = name) -> float:
                report = zygote.run(SOURCE, arguments={"name": name, "count": REPEATED})
                if report.status != "DONE":
                    raise RuntimeError(f"{name} failed in a cell: {report}")
                return report.result * 1e3

            ours, theirs = interleave(options.count(25), inside, lambda name=name: outside(name))
            rows.append(Row("speed", name.replace("_", " "), "ms", Sample.of(ours), PYTHON, Sample.of(theirs)))
    return rows


def measure(options: Options) -> list[Row]:
    """All rows of this subject; the last one is the geometric mean of the ratios, against the goal."""
    rows = of_profile(options, "python", speed_set.PYTHON) + of_profile(options, "numpy", speed_set.NUMPY)
    return [*rows, Row("speed", "geometric mean of the ratios", "", mean_ratio(rows), PYTHON, Sample.of([1.0]), GOAL)]


def mean_ratio(rows: list[Row]) -> Sample:
    """The geometric mean of the rows' ratios, with its confidence: their errors are independent of one another."""
    known = [row for row in rows if row.ratio and row.ratio_low and row.ratio_high]
    middle = sum(math.log(row.ratio) for row in known) / len(known)
    error = math.hypot(*(math.log(row.ratio_high / row.ratio_low) / 2 for row in known)) / len(known)
    mean, low, high = (math.exp(middle + part * error) for part in (0, -1, 1))
    return Sample(mean, mean, len(known), mean, low, high)
