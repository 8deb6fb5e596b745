# SPDX-License-Identifier: Apache-2.0
"""ordered_set_join: as Teaclave on sorted inputs, the same records on others."""

import csv
import io
import random

import pytest
from set_calls import call, cancel, csv_text as text
from zygote_driver import Limits, Streamed, ZygoteDriver

OUTPUT = ["output_result"]


@pytest.fixture(scope="module")
def zygote():
    with ZygoteDriver("python") as driver:
        yield driver


def join(zygote, left, right, limits=None, name="ordered_set_join", **arguments):
    arguments = {"left_column": 0, "right_column": 0, "ascending": True, "drop": False} | arguments
    arguments = {key: value for key, value in arguments.items() if value is not None}
    return call(zygote, name, {"input_data1": left, "input_data2": right}, OUTPUT, limits, **arguments)


def teaclave(left, right, left_column, right_column, ascending, drop):
    """What Teaclave's loop makes of sorted records."""
    out, i, j = [], 0, 0
    while i < len(left) and j < len(right):
        one, two = left[i][left_column].encode(), right[j][right_column].encode()
        if one == two:
            row = [field for place, field in enumerate(left[i]) if not (drop and place == left_column)]
            out.append(row + [field for place, field in enumerate(right[j]) if place != right_column])
            i, j = i + 1, j + 1
        elif (one < two) == ascending:
            i += 1
        else:
            j += 1
    return out


@pytest.mark.parametrize("name", ["ordered_set_join", "builtin-ordered-set-join"])
def test_both_names(zygote, name):
    report = join(zygote, b"1,a\n2,b\n", b"2,c\n", name=name)
    assert (report.status, report.result, report.outputs["output_result"]) == ("DONE", "1 records", b"2,b,c\n")


@pytest.mark.parametrize("ascending", [True, False])
@pytest.mark.parametrize("drop", [True, False])
@pytest.mark.parametrize("columns", [(0, 0), (2, 1)])
def test_as_teaclave(zygote, ascending, drop, columns):
    """Duplicates pair one to one; the sorted way, from streams too, and the other one give the same bytes."""
    chance = random.Random(7)
    values = [f"{number:x}" for number in range(200)] + ["", "a,b", 'q"', "é", "two\nlines"]
    sides = []
    for column in columns:
        rows = [[chance.choice(values) for _ in range(3)] for _ in range(250)]
        sides.append(sorted(rows, key=lambda row: row[column].encode(), reverse=not ascending))
    wanted = teaclave(*sides, *columns, ascending, drop)
    assert len(wanted) > 50
    left, right = map(text, sides)
    arguments = {"left_column": columns[0], "right_column": columns[1], "ascending": ascending, "drop": drop}
    for one, two, sorted_ in ((left, right, False), (left, right, True), (Streamed(left, block=7), Streamed(right, block=50), True),
                              (Streamed(left, block=50), Streamed(right, block=7), False)):
        report = join(zygote, one, two, sorted=sorted_, **arguments)
        assert report.status == "DONE", report
        assert report.result == f"{len(wanted)} records"
        assert list(csv.reader(io.StringIO(report.outputs["output_result"].decode(), newline=""))) == wanted


def test_unsorted(zygote):
    chance = random.Random(8)
    left = [[f"k{number}", f"l{number}"] for number in range(500)]
    right = [[f"k{number}", f"r{number}"] for number in range(250, 750)]
    chance.shuffle(left)
    chance.shuffle(right)
    found = dict(right)
    report = join(zygote, text(left), text(right))
    assert report.outputs["output_result"] == text([[*row, found[row[0]]] for row in left if row[0] in found])
    report = join(zygote, text(left), text(right), sorted=True)
    assert report.status == "BUILTIN_FAILED" and "is not in ascending order" in report.message


@pytest.mark.parametrize("one, two, message", [
    (b"2\n1\n", b"3\n", "input_data1, row 2"), (b"1\n", b"2\n1\n", "input_data2, row 2"), (b"1\n", b"3\n4\n2\n", "input_data2, row 3")])
def test_order_is_checked_to_the_end(zygote, one, two, message):
    report = join(zygote, one, two, sorted=True)
    assert report.status == "BUILTIN_FAILED" and message in report.message and "ascending" in report.message


@pytest.mark.parametrize("one, two, text", [
    (b"", b"1\n", "input_data1: is empty"), (b"1\n", b"", "input_data2: is empty"), (b"1,2\n3\n", b"1\n", "input_data1, row 2"),
    (b'"1\n', b"1\n", "input_data1"), (b"1\n", b"\xff\n", "input_data2"),
])
@pytest.mark.parametrize("sorted_", [True, False])
def test_bad_csv(zygote, one, two, text, sorted_):
    report = join(zygote, one, two, sorted=sorted_)
    assert report.status == "BUILTIN_FAILED" and text in report.message, report


@pytest.mark.parametrize("arguments, text", [
    ({"left_column": 2}, "'left_column' is 2, but input_data1 has 2 columns"), ({"right_column": 9}, "'right_column' is 9"),
    ({"left_column": -1}, "'left_column'"), ({"left_column": 0.5}, "'left_column'"), ({"left_column": None}, "'left_column' is missing"),
    ({"drop": None}, "'drop' is missing"), ({"drop": 1}, "'drop'"), ({"more": 1}, "'more'"),
])
def test_bad_arguments(zygote, arguments, text):
    report = join(zygote, b"1,2\n", b"1,2\n", **arguments)
    assert report.status == "BAD_ARGUMENT" and text in report.message, report


def test_nothing_would_be_left(zygote):
    report = join(zygote, b"1\n", b"1\n", drop=True)
    assert report.status == "BAD_ARGUMENT" and "'drop' leaves nothing" in report.message
    assert join(zygote, b"1\n", b"1,2\n", drop=True).outputs["output_result"] == b"2\n"
    assert join(zygote, b"1,2\n", b"1\n", drop=True).outputs["output_result"] == b"2\n"
    assert join(zygote, b"1\n", b"1\n").outputs["output_result"] == b"1\n"


@pytest.mark.parametrize("sorted_", [True, False])
def test_cancel(zygote, sorted_):
    same = b"1,x\n" * 5_000_000
    report = cancel(zygote, "ordered_set_join", {"input_data1": same, "input_data2": same}, OUTPUT, left_column=0,
                    right_column=0, ascending=True, drop=False, sorted=sorted_)
    assert report.status == "CANCELLED" and report.seconds < 5


def test_limits(zygote):
    rows = b"".join(b"%07d,x\n" % number for number in range(1_000_000))
    report = join(zygote, rows, rows, Limits(memory_bytes=64 << 20, cpu_s=20))
    assert report.status == "LIMIT_MEMORY", report
    report = join(zygote, Streamed(rows), Streamed(rows), Limits(memory_bytes=64 << 20, cpu_s=20, output_bytes=32 << 20),
                  sorted=True)
    assert (report.status, report.result) == ("DONE", "1000000 records")
    assert join(zygote, rows, rows, Limits(output_bytes=1000), sorted=True).status == "LIMIT_OUTPUT"
