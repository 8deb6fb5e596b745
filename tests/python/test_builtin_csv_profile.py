# SPDX-License-Identifier: Apache-2.0
"""The builtin csv_profile: types, missing fields and ranges against pandas, and that no row shows."""

from __future__ import annotations

import csv
import io
import math
import os
import random
import signal
import time

import numpy
import pandas
import pytest
from zygote_driver import BUILTIN, Limits, Streamed, ZygoteDriver

LIMITS = Limits(cpu_s=60, wall_s=120, memory_bytes=512 << 20)
FIGURES = ("low", "q25", "median", "q75", "high")


@pytest.fixture(scope="module")
def zygote():
    with ZygoteDriver("python") as driver:
        yield driver


def run(zygote, data, limits=LIMITS, **arguments):
    data = data.encode() if isinstance(data, str) else data
    return zygote.run("", entry="csv_profile", kind=BUILTIN, arguments=arguments, inputs={"data": data}, outputs=["profile"],
                      limits=limits)


def profile(zygote, data, **arguments):
    report = run(zygote, data, **arguments)
    assert report.status == "DONE", report
    return {row["column"]: row for row in csv.DictReader(io.StringIO(report.outputs["profile"].decode()))}, report.result


def made(rows, seed=4):
    generator = numpy.random.default_rng(seed)
    frame = pandas.DataFrame({
        "whole": generator.integers(-500, 1000, rows), "real": generator.normal(0, 1e-3, rows),
        "wide": generator.lognormal(0, 20, rows), "yes": generator.choice(["true", "False"], rows),
        "day": pandas.to_datetime(generator.integers(0, 2 * 10 ** 9, rows), unit="s").astype(str),
        "name": generator.choice(["Bern", "Zürich", 'a "b", c'], rows), "id": [f"id{i}" for i in range(rows)],
        "part": numpy.where(generator.random(rows) < 0.25, numpy.nan, generator.integers(0, 9, rows)),
    })
    return frame


@pytest.mark.parametrize("least", [1, 10, 37])
def test_against_pandas(zygote, least):
    frame = made(5000)
    columns, summary = profile(zygote, frame.to_csv(index=False), minimum_group=least)
    assert list(columns) == list(frame.columns)
    assert {name: row["type"] for name, row in columns.items()} == {
        "whole": "integer", "real": "number", "wide": "number", "yes": "boolean", "day": "date", "name": "text", "id": "text",
        "part": "number"}  # pandas writes 3.0
    assert summary["rows"] == round(5000 / least) * least and summary["minimum_group"] == least and summary["columns"] == 8
    assert summary["types"] == {"integer": 1, "number": 3, "boolean": 1, "date": 1, "text": 2, "unknown": 0}
    for name, row in columns.items():
        missing = frame[name].isna().sum()
        assert abs(int(row["missing"]) - missing) <= least / 2 and int(row["missing"]) % least == 0
        distinct = frame[name].nunique()
        # An estimate with a standard error of 3.3 %, two digits, and a multiple of least.
        assert int(row["distinct"]) == pytest.approx(distinct, rel=0.2, abs=least / 2) and int(row["distinct"]) % least == 0
        common = (frame[name].value_counts() >= least).sum()
        assert row["categories"] == (str(common) if distinct <= 256 else "")


@pytest.mark.parametrize("least", [1, 25])
def test_ranges(zygote, least):
    """Edges of buckets around what pandas finds: never further away than one bucket, 1/32."""
    frame = made(5000)
    columns, _ = profile(zygote, frame.to_csv(index=False), minimum_group=least)
    for name in ("whole", "real", "wide", "part"):
        values = numpy.sort(frame[name].dropna())
        found = {key: float(columns[name][key]) for key in FIGURES}
        width = lambda value: abs(value) / 31  # noqa: E731
        low, high = values[least - 1], values[-least]
        assert low - width(low) <= found["low"] <= low and high <= found["high"] <= high + width(high)
        for key, place in (("q25", 0.25), ("median", 0.5), ("q75", 0.75)):
            value = values[int(len(values) * place)]
            assert abs(found[key] - value) <= width(value)


def test_what_ranges_show(zygote):
    data = "x\n" + "".join(f"{i}\n" for i in range(100))
    row = profile(zygote, data, ranges="limits")[0]["x"]
    assert (row["low"], row["high"], row["q25"], row["median"]) == ("9.0", "92.0", "", "")
    row = profile(zygote, data, ranges="none")[0]["x"]
    assert [row[key] for key in FIGURES] == [""] * 5
    row = profile(zygote, "x\n" + "".join(f"{i}\n" for i in range(39)))[0]["x"]  # a quarter of them are not 10
    assert row["low"] != "" and row["median"] == ""


def test_one_row_does_not_show(zygote):
    """The largest, the smallest, the longest, the only text, the only missing one: the profile is as without them."""
    rows = [str(20 + i % 60) for i in range(1210)]
    plain = profile(zygote, "x\n" + "".join(f"{row}\n" for row in rows))
    for odd in ("1e9", "-7", "secret" * 50, '""', "2026-01-01", "12345678901234567890123456789"):
        changed = [*rows[:-1], odd]
        row, summary = profile(zygote, "x\n" + "".join(f"{row}\n" for row in changed))
        assert {key: value for key, value in row["x"].items() if key != "distinct"} == {
            key: value for key, value in plain[0]["x"].items() if key != "distinct"}
        assert summary == plain[1]


def test_no_text_of_a_row_comes_out(zygote):
    choose = random.Random(8)
    names = [f"{choose.getrandbits(64):x}" for _ in range(400)]
    report = run(zygote, "name,n\n" + "".join(f"{name},{choose.random() * 1e6}\n" for name in names))
    text = report.outputs["profile"].decode() + str(report.result)
    assert not any(name in text for name in names)


@pytest.mark.parametrize("fields, expected", [
    (["1", "-2", " +3 ", "007"], "integer"), (["1", "2.5"], "number"), (["1", "1e5", "inf", "nan"], "number"),
    (["true", "FALSE", "True"], "boolean"), (["2026-11-21", "1999-01-01T12:30", "1999-01-01 12:30:59.5+01:00"], "date"),
    (["2026-13-01"], "text"), (["2026-11-21x"], "text"), (["1999-01-01T9"], "text"), (["1", "a"], "text"), (['""'], "text"),
    (["99999999999999999999"], "number"), (["tru"], "text"), (["1,5"], "text"), (["", "nan"], "unknown"),
])
def test_types(zygote, fields, expected):
    data = "x,y\n" + "".join(f'"{field}",\n' if "," in field else f"{field},\n" for field in fields)
    assert profile(zygote, data, minimum_group=1)[0]["x"]["type"] == expected


def test_few_rows_tell_little(zygote):
    row, summary = profile(zygote, "x,y\n" + "1,a\n" * 4)
    assert summary["rows"] == 0
    assert list(row["x"].values()) == ["x", "unknown", "0", "0", "0", "", "", "", "", "", ""]


@pytest.mark.parametrize("data", ["", "x,y\n"])
def test_no_rows(zygote, data):
    columns, summary = profile(zygote, data)
    assert summary["rows"] == 0 and summary["columns"] == (2 if data else 0)
    assert all(row["type"] == "unknown" and row["missing"] == "0" for row in columns.values())


def test_without_header_and_as_a_stream(zygote):
    data = "".join(f"{i},x{i % 3}\n" for i in range(300)).encode()
    assert profile(zygote, data, header=False) == profile(zygote, Streamed(data, block=77), header=False)
    assert list(profile(zygote, data, header=False)[0]) == ["0", "1"]


def test_extreme_numbers(zygote):
    values = ["1.7976931348623157e308"] * 20 + ["-1.7976931348623157e308"] * 20 + ["5e-324"] * 20 + ["0"] * 20 + ["-0"] * 20
    row = profile(zygote, "x\n" + "".join(f"{value}\n" for value in values))[0]["x"]
    assert float(row["high"]) == -float(row["low"]) == 1.7976931348623157e308 and abs(float(row["median"])) < 1e-300


def test_names_are_quoted(zygote):
    assert list(profile(zygote, '"a,b","c ""d"""\n1,2\n')[0]) == ["a,b", 'c "d"']


@pytest.mark.parametrize("data, text", [
    ("a,b\n1\n", "data, row 1 (line 2): has 1 fields"), ("a,a\n", "two columns are named 'a'"), ('a\n"x\n', "never closed"),
    ("a,\n", "has no name"), (b"a\n\xfe\n", "row 1 (line 2), column 1: is not UTF-8"),
])
def test_bad_input(zygote, data, text):
    report = run(zygote, data)
    assert report.status == "BUILTIN_FAILED" and text in report.message


@pytest.mark.parametrize("arguments", [{"minimum_group": 0}, {"minimum_group": 1.5}, {"ranges": "all"}, {"header": 1},
                                       {"more": 1}])
def test_bad_arguments(zygote, arguments):
    report = run(zygote, "a\n1\n", **arguments)
    assert report.status == "BAD_ARGUMENT" and next(iter(arguments)) in report.message


def test_memory_does_not_grow_with_rows(zygote):
    """20 MB through 24 MB of address space, most of it the columns'."""
    data = Streamed(b"a,b\n" + b"".join(b"%d,text %d\n" % (i, i * 7919) for i in range(1000000)))
    assert run(zygote, data, Limits(cpu_s=30, memory_bytes=24 << 20)).result["rows"] == 1000000


def test_memory_limit(zygote):
    report = run(zygote, ",".join(f"c{i}" for i in range(16000)) + "\n" + "1," * 15999 + "1\n", Limits(memory_bytes=32 << 20))
    assert report.status == "LIMIT_MEMORY", report


def test_cancel(zygote):
    cell, targets = zygote.start("", entry="csv_profile", kind=BUILTIN, inputs={"data": b"x,y\n" + b"1.25,ab\n" * 8_000_000},
                                 outputs=["profile"], limits=LIMITS)
    time.sleep(0.3)
    signal.pidfd_send_signal(cell.handle, signal.SIGTERM)
    assert zygote.collect(cell, targets, timeout=10).status == "CANCELLED"


@pytest.mark.skipif(os.environ.get("CELLA_TEST_LONG") != "1", reason="takes long; ./run test --long runs it")
def test_ten_million_rows(zygote):
    data = Streamed(b"k,v\n" + b"".join(b"%d,%d.5\n" % (i % 100, i) for i in range(10_000_000)))
    columns, summary = profile(zygote, data)
    assert summary["rows"] == 10_000_000 and columns["k"]["categories"] == "100"
    assert math.isclose(float(columns["v"]["median"]), 5e6, rel_tol=1 / 31)
