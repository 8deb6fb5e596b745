# SPDX-License-Identifier: Apache-2.0
"""Aggregates and profiles: builtins in a cell beside pandas, CPU time from the bytes of the file to the result's bytes."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Callable

from cell import PYTHON
from measure import Options, Row, Sample, interleave

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "python"))
SUBJECT = "builtin_forms"
ROWS = 1_000_000

INSIDE = """
import cella, time
def main(call, arguments, data):
    data = data if isinstance(data, bytes) else data.read()
    function = getattr(cella.builtins, call)
    begun = time.process_time_ns()
    function(data, **arguments)
    return (time.process_time_ns() - begun) / 1e6
"""

# One thread each: pandas has no threads here, numpy's are for linear algebra.
OUTSIDE = """
import io, sys, time
import numpy, pandas
content = open(sys.argv[2], "rb").read()

def read(columns):
    return pandas.read_csv(io.BytesIO(content), usecols=columns)

def grouped():
    table = read(["city", "year", "income"]).groupby(["city", "year"])["income"].agg(["size", "sum", "mean", "var"])
    return table[table["size"] >= 10].to_csv().encode()

def persons():
    table = read(["person", "city", "income"])
    groups = table.groupby("city")
    result = groups["income"].agg(["size", "sum"])
    result["persons"] = groups["person"].nunique()
    return result[result["persons"] >= 10].to_csv().encode()

def bounded():
    table = read(["person", "city", "income"])
    table = table[table.groupby(["person", "city"]).cumcount() < 5]
    firsts = table[["person", "city"]].drop_duplicates()
    firsts = firsts[firsts.groupby("person").cumcount() < 3]
    table = table.merge(firsts, on=["person", "city"])
    table["income"] = table["income"].clip(0, 100000)
    result = table.groupby("city")["income"].agg(["size", "sum"])
    result += numpy.random.default_rng().laplace(0, 30, result.shape)
    return result.to_csv().encode()

def profiled():
    table = pandas.read_csv(io.BytesIO(content))
    description = table.describe(include="all")
    description.loc["missing"] = table.isna().sum()
    description.loc["distinct"] = table.nunique()
    return description.to_csv().encode()

function = globals()[sys.argv[1]]
begun = time.process_time_ns()
function()
print((time.process_time_ns() - begun) / 1e6)
"""


def make_file(folder: pathlib.Path) -> pathlib.Path:
    """Incomes of persons in cities and years."""
    import numpy
    import pandas

    generator = numpy.random.default_rng(2)
    table = pandas.DataFrame({
        "person": generator.integers(0, ROWS // 5, ROWS), "city": generator.choice([f"city {i}" for i in range(500)], ROWS),
        "year": generator.integers(2000, 2020, ROWS), "income": generator.lognormal(10, 1, ROWS).round(2),
        "age": generator.integers(18, 99, ROWS), "note": generator.choice(["", "moved", "left, and came back"], ROWS),
    })
    path = folder / "incomes.csv"
    table.to_csv(path, index=False)
    return path


def outside(name: str, file: pathlib.Path) -> Callable[[], float]:
    """Milliseconds of CPU time of one of OUTSIDE's functions."""
    def run() -> float:
        environment = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
        return float(subprocess.check_output([PYTHON, "-I", "-c", OUTSIDE, name, str(file)], text=True, env=environment))
    return run


PERSONS = {"group_by": "city", "person": "person"}
CASES: list[tuple[str, str, dict[str, object], str, str]] = [
    ("aggregate 1M rows, 10,000 groups: count, sum, mean, var", "aggregate",
     {"group_by": "city,year", "aggregates": "count,sum:income,mean:income,var:income"}, "pandas groupby", "grouped"),
    ("aggregate 1M rows of 200,000 persons: persons, count, sum", "aggregate",
     {**PERSONS, "aggregates": "persons,count,sum:income"}, "pandas groupby, nunique", "persons"),
    ("aggregate, Laplace, 5 rows in 3 groups each: count, sum", "aggregate",
     {**PERSONS, "aggregates": "count,sum:income", "mechanism": "laplace", "epsilon": 1.0, "delta": 1e-9, "groups_per_person": 3,
      "rows_per_person": 5, "bounds": "income:0:100000"}, "pandas groupby, cumcount, numpy's Laplace (not safe)", "bounded"),
    ("csv_profile of 1M rows, 6 columns", "csv_profile", {}, "pandas describe, isna, nunique", "profiled"),
]


def measure(options: Options) -> list[Row]:
    """A row for each case."""
    os.environ["CELLA_BUILD"] = str(options.build)
    import zygote_driver

    file = make_file(options.scratch)
    limits = zygote_driver.Limits(cpu_s=120, wall_s=120, memory_bytes=4 << 30, threads=0)
    rows: list[Row] = []
    with zygote_driver.ZygoteDriver("python") as zygote:
        for what, call, arguments, peer, function in CASES:
            text = json.dumps({"call": call, "arguments": arguments})

            def inside(text: str = text, what: str = what) -> float:
                report = zygote.run(INSIDE, arguments=text, inputs={"data": file.read_bytes()}, limits=limits, timeout=120)
                if report.status != "DONE":
                    raise RuntimeError(f"{what} failed in a cell: {report}")
                return report.result

            ours, theirs = interleave(options.count(10), inside, outside(function, file), budget_s=options.budget_s / 3)
            rows.append(Row(SUBJECT, what, "ms", Sample.of(ours), peer, Sample.of(theirs), note="CPU time, one thread"))
    return rows
