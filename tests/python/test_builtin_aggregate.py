# SPDX-License-Identifier: Apache-2.0
"""The builtin aggregate: exact figures against pandas, what is withheld, bounded contributions, and the noise's distribution."""

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
from scipy import stats
from zygote_driver import BUILTIN, Limits, Streamed, ZygoteDriver

LIMITS = Limits(cpu_s=60, wall_s=120, memory_bytes=1 << 30, output_bytes=256 << 20)
# A test of a distribution fails on right code with a chance below this.
CHANCE = 1e-9


@pytest.fixture(scope="module")
def zygote():
    with ZygoteDriver("python") as driver:
        yield driver


def run(zygote, data, arguments, groups=None, limits=LIMITS):
    inputs = {"data": data if isinstance(data, Streamed) else data.encode() if isinstance(data, str) else data}
    if groups is not None:
        inputs["groups"] = groups.encode()
    return zygote.run("", entry="aggregate", kind=BUILTIN, arguments=arguments, inputs=inputs, outputs=["result"],
                      limits=limits)


def table_of(report):
    assert report.status == "DONE", report
    return list(csv.reader(io.StringIO(report.outputs["result"].decode())))


def refused(zygote, data, arguments, status, text, groups=None):
    report = run(zygote, data, arguments, groups)
    assert (report.status, text in report.message) == (status, True), report


# Exact figures.


def made(rows, seed=1):
    generator = numpy.random.default_rng(seed)
    frame = pandas.DataFrame({
        "city": generator.choice(["Bern", "Chur", 'a "b", c', "", "Zürich"], rows),
        "year": generator.integers(2000, 2010, rows),
        "income": generator.lognormal(10, 1, rows),
        "age": generator.integers(0, 100, rows).astype(float),
    })
    frame.loc[generator.random(rows) < 0.1, "age"] = numpy.nan
    return frame


def test_against_pandas(zygote):
    """Counts, extremes: equal. Sums, means, spreads: to 12 digits."""
    frame = made(20000)
    wanted = "count,count:age,sum:income,mean:income,var:income,std:age,min:age,max:age,mean:age"
    report = run(zygote, frame.to_csv(index=False), {"group_by": "city,year", "aggregates": wanted, "minimum_group": 1})
    head, *rows = table_of(report)
    assert head == ["city", "year", *wanted.split(",")]
    frame["city"] = frame["city"].astype(str)
    groups = frame.groupby(["city", "year"])
    assert [tuple(row[:2]) for row in rows] == sorted((city, str(year)) for city, year in groups.groups)
    for row in rows:
        group = groups.get_group((row[0], int(row[1])))
        assert (int(row[2]), int(row[3])) == (len(group), group["age"].count())
        found = list(map(float, row[4:]))
        expected = [group["income"].sum(), group["income"].mean(), group["income"].var(), group["age"].std(),
                    group["age"].min(), group["age"].max(), group["age"].mean()]
        assert found == pytest.approx(expected, rel=1e-12)
        assert found[4:6] == expected[4:6]
    assert report.result["groups"] == len(rows) and report.result["withheld"] is False


def test_sums_lose_nothing(zygote):
    """What a plain sum rounds away is there: 1e16 + 1 + ... - 1e16; and a variance far from zero."""
    data = "x\n1e16\n" + "1\n" * 1000 + "-1e16\n"
    assert table_of(run(zygote, data, {"aggregates": "sum:x"}))[1] == ["1000.0"]
    data = "x\n" + "".join(f"{10 ** 9 + i % 2}\n" for i in range(1000))
    assert float(table_of(run(zygote, data, {"aggregates": "var:x"}))[1][0]) == pytest.approx(
        numpy.var([i % 2 for i in range(1000)], ddof=1), rel=1e-9)


def test_stream_and_memory_are_the_same(zygote):
    text = made(30000).to_csv(index=False).encode()
    arguments = {"group_by": "city", "aggregates": "count,mean:income"}
    assert run(zygote, text, arguments).outputs == run(zygote, Streamed(text, block=1000), arguments).outputs


def test_without_header_and_without_groups(zygote):
    assert table_of(run(zygote, "a,1\nb,2\na,6\n", {"group_by": "0", "aggregates": "sum:1", "header": False,
                                                    "minimum_group": 1})) == [["0", "sum:1"], ["a", "7.0"], ["b", "2.0"]]
    assert table_of(run(zygote, "x\n1\n2\n", {"aggregates": "sum:x", "minimum_group": 2})) == [["sum:x"], ["3.0"]]


def test_columns_with_commas_and_colons(zygote):
    data = '"a,b",c:d\n' + "k,1\n" * 10
    assert table_of(run(zygote, data, {"group_by": '"a,b"', "aggregates": '"mean:c:d",count', "bounds": "c:d:0:5"}))[1] == [
        "k", "1.0", "10"]


def test_values_are_clamped(zygote):
    assert table_of(run(zygote, "x\n-50\n1\n700\n", {"aggregates": "sum:x", "bounds": "x:0:10", "minimum_group": 1}))[1] == [
        "11.0"]


# What is withheld.


def test_small_groups_and_their_rest(zygote):
    data = "k,v\n" + "a,1\n" * 30 + "b,2\n" * 12 + "c,3\n" * 9 + "d,4\n" * 8
    report = run(zygote, data, {"group_by": "k", "aggregates": "count,sum:v"})
    assert table_of(report)[1:] == [["a", "30", "30.0"], ["b", "12", "24.0"]]
    assert report.result["rest"] == {"count": 17, "sum:v": 59.0}


def test_a_rest_that_is_too_small_takes_the_smallest_group_with_it(zygote):
    data = "k,v\n" + "a,1\n" * 30 + "b,2\n" * 12 + "c,3\n" * 9
    report = run(zygote, data, {"group_by": "k", "aggregates": "count,sum:v"})
    assert table_of(report)[1:] == [["a", "30", "30.0"]]
    assert report.result["rest"] == {"count": 21, "sum:v": 51.0} and report.result["withheld"]


def test_a_rest_of_too_few_is_not_told(zygote):
    report = run(zygote, "k,v\n" + "c,3\n" * 9, {"group_by": "k", "aggregates": "count,sum:v"})
    assert table_of(report) == [["k", "count", "sum:v"]]
    assert (report.result["withheld"], report.result["rest"]) == (True, None)
    assert "9" not in str(report.result) and "27" not in str(report.result)


@pytest.mark.parametrize("seed", range(5))
def test_the_difference_to_a_known_total_is_of_enough_persons(zygote, seed):
    """Persons in several groups: what is not released is of at least minimum_group different persons, or of nobody."""
    choose = random.Random(seed)
    rows = [(f"g{min(choose.randrange(12), choose.randrange(12))}", f"p{choose.randrange(60)}", 1) for _ in range(200)]
    report = run(zygote, "k,p,v\n" + "".join(f"{k},{p},{v}\n" for k, p, v in rows),
                 {"group_by": "k", "aggregates": "persons,count,sum:v", "person": "p", "minimum_group": 15})
    shown = {row[0]: list(map(float, row[1:])) for row in table_of(report)[1:]}
    for key, figures in shown.items():
        mine = [row for row in rows if row[0] == key]
        assert figures == [len({p for _, p, _ in mine}), len(mine), len(mine)] and figures[0] >= 15
    hidden = [row for row in rows if row[0] not in shown]
    persons = len({p for _, p, _ in hidden})
    assert persons == 0 or persons >= 15
    if persons:
        assert report.result["rest"] == {"persons": persons, "count": len(hidden), "sum:v": float(len(hidden))}


def test_one_person_with_many_rows_is_no_group(zygote):
    data = "k,p\n" + "a,x\n" * 50 + "".join(f"b,{i}\n" for i in range(10))
    report = run(zygote, data, {"group_by": "k", "aggregates": "count", "person": "p"})
    assert table_of(report)[1:] == [] and report.result["rest"] == {"count": 60}


def test_a_column_that_few_have_is_left_empty(zygote):
    data = "k,p,v\n" + "".join(f"a,{i},\n" for i in range(20)) + "".join(f"a,{i % 9},{i}\n" for i in range(40))
    assert table_of(run(zygote, data, {"group_by": "k", "person": "p", "aggregates": "persons,sum:v,count:v,mean:v"}))[1] == [
        "a", "20", "", "", ""]


def test_extremes_that_few_have_are_left_empty(zygote):
    rows = [(i % 12, 5) for i in range(24)] + [(i, 1) for i in range(9)] + [(0, 1)] * 20 + [(i, 9) for i in range(10)]
    random.Random(3).shuffle(rows)
    data = "p,v\n" + "".join(f"{p},{v}\n" for p, v in rows)
    assert table_of(run(zygote, data, {"person": "p", "aggregates": "min:v,max:v"}))[1] == ["", "9.0"]
    assert table_of(run(zygote, data, {"person": "p", "aggregates": "min:v,max:v", "minimum_group": 9}))[1] == ["1.0", "9.0"]


def test_only_listed_groups(zygote):
    data = "k,v\n" + "a,1\n" * 30 + "b,2\n" * 12
    assert table_of(run(zygote, data, {"group_by": "k", "aggregates": "count"}, groups="k\nc\nb\n"))[1:] == [["b", "12"]]


# Noise.

NOISE = [{"mechanism": "laplace"}, {"mechanism": "gaussian", "delta": 1e-6}]


def test_contributions_are_bounded_by_each_persons_own_rows(zygote):
    """Without one person, all others' contributions are the same: exact figures change by the limits at most."""
    choose = random.Random(11)
    rows = [(f"g{choose.randrange(6)}", f"p{choose.randrange(8)}") for _ in range(400)]
    arguments = {"group_by": "k", "aggregates": "count,persons", "person": "p", "groups_per_person": 3,
                 "rows_per_person": 4, "minimum_group": 1}

    def counts(left_out):
        text = "k,p\n" + "".join(f"{k},{p}\n" for k, p in rows if p != left_out)
        return {row[0]: (int(row[1]), int(row[2])) for row in table_of(run(zygote, text, arguments))[1:]}

    everybody = counts("")
    assert sum(count for count, _ in everybody.values()) == 8 * 3 * 4
    for person in (f"p{i}" for i in range(8)):
        without = counts(person)
        changes = [(count - without.get(key, (0, 0))[0], persons - without.get(key, (0, 0))[1])
                   for key, (count, persons) in everybody.items()]
        assert sorted(changes, reverse=True) == [(4, 1)] * 3 + [(0, 0)] * (len(changes) - 3)


def noise_of(zygote, arguments, groups=100000, column=1, data="k,v,p\n"):
    """The noise itself: figures of listed groups without rows."""
    report = run(zygote, data, {"group_by": "k", **arguments}, groups="k\n" + "".join(f"{i}\n" for i in range(groups)))
    return numpy.array([float(row[column]) for row in table_of(report)[1:]]), report.result


def fits(drawn, probability):
    """The smaller chance of two tests of whole numbers against a probability mass function: chi-square of about 60 cells, which
    sees a wrong shape, and the mean size, which sees a wrong scale."""
    size, reach = len(drawn), int(max(abs(drawn))) + 2000
    values = numpy.arange(-reach, reach + 1)
    expected = probability(values)
    observed = numpy.bincount((drawn + reach).astype(int), minlength=len(values))
    cells, some, seen = [], 0.0, 0
    for expectation, count in zip(expected * size, observed):
        some, seen = some + expectation, seen + count
        if some >= max(20, size / 60):
            cells.append((seen, some))
            some, seen = 0.0, 0
    cells[-1] = (cells[-1][0] + seen, cells[-1][1] + size - sum(one for _, one in cells))
    statistic = sum((seen - some) ** 2 / some for seen, some in cells)
    mean = (expected * abs(values)).sum()
    deviation = math.sqrt((expected * (abs(values) - mean) ** 2).sum() / size)
    return min(stats.chi2.sf(statistic, len(cells) - 1), 2 * stats.norm.sf(abs(abs(drawn).mean() - mean) / deviation))


def laplace(scale):
    decay = math.exp(-1 / scale)
    return lambda values: (1 - decay) / (1 + decay) * decay ** numpy.abs(values)


def gaussian(variance):
    reach = numpy.arange(-int(40 * math.sqrt(variance)) - 40, int(40 * math.sqrt(variance)) + 41)
    total = numpy.exp(-(reach.astype(float) ** 2) / (2 * variance)).sum()
    return lambda values: numpy.exp(-(values.astype(float) ** 2) / (2 * variance)) / total


@pytest.mark.parametrize("epsilon", [3.0, 1.0, 0.1])
def test_laplace_noise(zygote, epsilon):
    drawn, _ = noise_of(zygote, {"aggregates": "count", "mechanism": "laplace", "epsilon": epsilon})
    assert fits(drawn, laplace(1 / epsilon)) > CHANCE
    # The test finds a scale that is 5 % off, and as the next test shows a continuous draw that is rounded, a zero that comes twice.
    assert fits(drawn, laplace(1.05 / epsilon)) < CHANCE


def test_the_test_finds_wrong_samplers():
    generator = numpy.random.default_rng(5)
    assert fits(numpy.rint(generator.laplace(0, 1, 100000)), laplace(1)) < CHANCE
    assert fits(numpy.trunc(generator.laplace(0, 5, 100000)), laplace(5)) < CHANCE
    assert fits(numpy.rint(generator.normal(0, 0.5, 100000)), gaussian(0.25)) < CHANCE
    right = generator.geometric(1 - math.exp(-0.2), 100000) - generator.geometric(1 - math.exp(-0.2), 100000)
    assert fits(right, laplace(5)) > CHANCE


def rho_of(epsilon, delta):
    return (math.sqrt(math.log(1 / delta) + epsilon) - math.sqrt(math.log(1 / delta))) ** 2


@pytest.mark.parametrize("epsilon, delta", [(8.0, 0.01), (3.0, 1e-3), (1.0, 1e-6)])
def test_gaussian_noise(zygote, epsilon, delta):
    drawn, result = noise_of(zygote, {"aggregates": "count", "mechanism": "gaussian", "epsilon": epsilon, "delta": delta})
    variance = 1 / (2 * rho_of(epsilon, delta))
    assert result["queries"][0]["standard_deviation"] == pytest.approx(math.sqrt(variance), rel=1e-6)
    assert fits(drawn, gaussian(variance)) > CHANCE
    assert fits(drawn, gaussian(variance * 1.1)) < CHANCE


@pytest.mark.parametrize("mechanism", NOISE)
def test_noise_of_all_queries(zygote, mechanism):
    """Epsilon is split over the queries and widened by what one person may do; compared by its deviation, to 5 %."""
    arguments = {"aggregates": "count,persons,mean:v,var:v", "bounds": "v:-2:6", "epsilon": 2.0, "person": "p",
                 "groups_per_person": 3, "rows_per_person": 5, **mechanism}
    _, result = noise_of(zygote, arguments, groups=1)
    names = [(query["sum"], query["of"]) for query in result["queries"]]
    assert names == [("persons", ""), ("rows", ""), ("count", "v"), ("centred sum", "v"), ("centred squares", "v")]
    for query, one in zip(result["queries"], [1, 1, 1, 4, 8]):
        assert query["one_row"] == one
        each = one * (1 if query["sum"] == "persons" else 5)
        if mechanism["mechanism"] == "laplace":
            assert query["epsilon"] == pytest.approx(2 / 5)
            expected = math.sqrt(2) * 3 * each / (2 / 5)
        else:
            assert query["share"] == pytest.approx(1 / 5)
            expected = each * math.sqrt(3 * 5 / (2 * rho_of(2.0, 1e-6)))
        assert query["standard_deviation"] == pytest.approx(expected, rel=1e-5)
    for name, place, column in (("count", 1, 1), ("persons", 0, 2)):
        drawn, _ = noise_of(zygote, arguments, groups=40000, column=column)
        assert drawn.std() == pytest.approx(result["queries"][place]["standard_deviation"], rel=0.05), name
        assert abs(drawn.mean()) < 7 * drawn.std() / math.sqrt(len(drawn))


@pytest.mark.parametrize("mechanism", NOISE)
def test_noise_of_a_sum(zygote, mechanism):
    drawn, result = noise_of(zygote, {"aggregates": "sum:v", "bounds": "v:0:1000", "epsilon": 1.0, **mechanism}, 40000)
    assert len(result["queries"]) == 1 and result["queries"][0]["one_row"] == 1000
    assert drawn.std() == pytest.approx(result["queries"][0]["standard_deviation"], rel=0.04)
    step = 1000 / 2 ** 20
    assert numpy.abs(drawn / step - numpy.rint(drawn / step)).max() < 1e-6  # on the grid, so no bits tell what was added


@pytest.mark.parametrize("mechanism", NOISE)
def test_figures_are_near_the_truth(zygote, mechanism):
    frame = made(30000)
    report = run(zygote, frame.to_csv(index=False),
                 {"group_by": "year", "aggregates": "count,sum:age,mean:age,std:age", "bounds": "age:0:100", "epsilon": 50.0,
                  **mechanism}, groups="year\n" + "".join(f"{year}\n" for year in range(2000, 2011)))
    rows = {row[0]: list(map(float, row[1:])) for row in table_of(report)[1:] if row[0] != "2010"}
    for year, group in frame.groupby("year"):
        count, total, mean, deviation = rows[str(year)]
        assert count == pytest.approx(len(group), abs=20)
        assert (total, mean, deviation) == (pytest.approx(group["age"].sum(), rel=0.02),
                                            pytest.approx(group["age"].mean(), abs=0.5),
                                            pytest.approx(group["age"].std(), abs=0.5))


@pytest.mark.parametrize("mechanism", [{"mechanism": "laplace"}, {"mechanism": "gaussian"}])
def test_groups_that_are_not_listed_need_a_threshold(zygote, mechanism):
    data = "k\n" + "".join(f"single{i}\n" for i in range(500)) + "large\n" * 500
    report = run(zygote, data, {"group_by": "k", "aggregates": "persons", "epsilon": 1.0, "delta": 1e-12, **mechanism})
    assert [row[0] for row in table_of(report)[1:]] == ["large"]  # each single one: chance below 1e-12
    delta = 1e-12 if mechanism["mechanism"] == "laplace" else 5e-13
    reach = math.log(1 / delta) if mechanism["mechanism"] == "laplace" else math.sqrt(
        2 * math.log(1 / delta) / (2 * rho_of(1.0, delta)))
    assert report.result["threshold"] == 2 + math.ceil(reach)


def test_the_threshold_is_passed_as_often_as_it_says(zygote):
    """Groups of one person pass with a chance of at most delta, and not far below it."""
    data = "k\n" + "".join(f"{i}\n" for i in range(200000))
    report = run(zygote, data, {"group_by": "k", "aggregates": "count", "epsilon": 1.0, "delta": 0.01,
                                "mechanism": "laplace", "minimum_group": 1})
    reach = report.result["threshold"] - 1
    chance = math.exp(-reach) / (1 + math.exp(-1))
    assert chance <= 0.01
    low, high = stats.binom.ppf([CHANCE, 1 - CHANCE], 200000, chance)
    assert low <= report.result["groups"] <= high


def test_nothing_exact_is_told_with_noise(zygote):
    report = run(zygote, "k,v\n" + "a,1\n" * 7919 + "b,x\n,\n", {
        "group_by": "k", "aggregates": "count,mean:v", "bounds": "v:0:10", "mechanism": "laplace", "epsilon": 1e-3},
        groups="k\na\n")
    assert set(report.result) == {"groups", "mechanism", "unit", "minimum_group", "epsilon", "delta", "queries", "guarantee"}
    assert "for adding or removing one row; not for" in report.result["guarantee"]
    assert "7919" not in str(report.result)


def test_noise_is_new_every_time(zygote):
    arguments = {"aggregates": "sum:v", "bounds": "v:0:1", "mechanism": "laplace", "epsilon": 1e-4}
    found = {run(zygote, "v\n1\n", arguments).outputs["result"] for _ in range(4)}
    assert len(found) == 4


def test_rows_without_a_person_or_a_number_do_not_count(zygote):
    arguments = {"aggregates": "count,count:v", "bounds": "v:0:1", "mechanism": "laplace", "epsilon": 1000.0, "person": "p",
                 "groups_per_person": 1, "rows_per_person": 1}
    assert table_of(run(zygote, "p,v\na,1\n,1\nb,x\nc,inf\nd,\n", arguments))[1] == ["4", "1"]


# Bad input and arguments.


@pytest.mark.parametrize("data, text", [
    ("k,v\na,1\na\n", "data, row 2 (line 3): has 1 fields"), ("k,v\na,x\n", "data, row 1, column 2 (v): is not a number"),
    ("k,v\na,inf\n", "data, row 1, column 2 (v): is infinite"), ("k,v\na,\"\"\n", "row 1, column 2 (v): is not a number"),
    ("k,k\n", "two columns are named 'k'"), ("k,\n", "header, column 2: has no name"), ('k,v\n"a,1\n', "never closed"),
    (b"k,v\n\xff,1\n", "is not UTF-8"),
])
def test_bad_rows(zygote, data, text):
    refused(zygote, data, {"group_by": "k", "aggregates": "sum:v"}, "BUILTIN_FAILED", text)


def test_a_message_does_not_show_a_value(zygote):
    report = run(zygote, "k,v\na,secret\n", {"group_by": "k", "aggregates": "sum:v"})
    assert "secret" not in report.message


@pytest.mark.parametrize("data", ["k,v\n", "k,v\na,1\n", "k,v\na,\n"])
def test_little_data(zygote, data):
    report = run(zygote, data, {"group_by": "k", "aggregates": "count,sum:v,mean:v,var:v,min:v", "minimum_group": 1})
    assert table_of(report)[1:] == {"k,v\n": [], "k,v\na,1\n": [["a", "1", "1.0", "1.0", "", "1.0"]]}.get(
        data, [["a", "1", "", "", "", ""]])


def test_empty_input(zygote):
    refused(zygote, "", {"aggregates": "sum:v"}, "BAD_ARGUMENT", "argument 'aggregates': 'v' is no column of data")


@pytest.mark.parametrize("arguments, text", [
    ({"aggregates": "median:v"}, "'median:v' is not count"), ({"aggregates": "sum"}, "'sum' is not count"),
    ({"aggregates": "count,,count:v"}, "number 2 of the list is empty"), ({"aggregates": "count,count"}, "there twice"),
    ({"aggregates": "sum:w"}, "'w' is no column of data"), ({"aggregates": "count", "group_by": "z"}, "'z' is no column"),
    ({"aggregates": "count", "person": "z"}, "'z' is no column"), ({"aggregates": "a\nb"}, "more than one line"),
    ({"aggregates": 'count,"x'}, "never closed"), ({"aggregates": "sum:v", "bounds": "v:1"}, "COLUMN:LOWEST:HIGHEST"),
    ({"aggregates": "sum:v", "bounds": "v:2:1"}, "not a range"), ({"aggregates": "sum:v", "bounds": "v:nan:1"}, "not a range"),
    ({"aggregates": "sum:v", "bounds": "v:0:inf"}, "not a range"), ({"aggregates": "sum:v", "bounds": "w:0:1"}, "'w'"),
    ({"aggregates": "sum:v", "bounds": "v:0:1e-320"}, "not a range"),
    ({"aggregates": "sum:v", "bounds": f"v:{math.nextafter(1, 2)!r}:{1 + 2 ** -51!r}"}, "not a range"),  # no middle between
    ({"aggregates": "sum:v", "bounds": "v:0:1,v:0:2"}, "there twice"), ({"aggregates": "count", "epsilon": 1.0}, "mechanism"),
    ({"aggregates": "count", "groups_per_person": 1}, "need 'person'"), ({"aggregates": "count", "epsilon": -1.0}, "epsilon"),
    ({"aggregates": "count", "mechanism": "laplace"}, "'epsilon' must be above 0"),
    ({"aggregates": "count", "mechanism": "laplace", "epsilon": 1.0, "delta": 1e-6}, "'delta' must be 0"),
    ({"aggregates": "count", "mechanism": "laplace", "epsilon": 1.0, "group_by": "k"}, "'delta' must be above 0"),
    ({"aggregates": "count", "mechanism": "gaussian", "epsilon": 1.0}, "'delta' must be above 0"),
    ({"aggregates": "min:v", "mechanism": "laplace", "epsilon": 1.0, "bounds": "v:0:1"}, "one person's value"),
    ({"aggregates": "sum:v", "mechanism": "laplace", "epsilon": 1.0}, "'v' has none"),
    ({"aggregates": "count", "mechanism": "laplace", "epsilon": 1.0, "person": "k"}, "must be at least 1"),
    ({"aggregates": "count", "mechanism": "gaussian", "epsilon": 1e-9, "delta": 1e-9}, "drown"),
    ({"aggregates": "count", "mechanism": "normal"}, "mechanism"), ({"aggregates": "count", "more": 1}, "more"),
    ({"aggregates": 1}, "text"), ({}, "'aggregates' is missing"), ({"aggregates": "count", "minimum_group": 0}, "range"),
    ({"aggregates": "count", "delta": 0.5}, "range"), ({"aggregates": ",".join(f"sum:{i}" for i in range(40))}, "more than 32"),
])
def test_bad_arguments(zygote, arguments, text):
    refused(zygote, "k,v\na,1\n", arguments, "BAD_ARGUMENT", text)


@pytest.mark.parametrize("groups, status, text", [
    ("k\na\na\n", "BUILTIN_FAILED", "groups, row 2: the group was listed before"),
    ("k,v\na,1\n", "BUILTIN_FAILED", "has 2 columns; group_by names 1"), ("", "BUILTIN_FAILED", "has 0 columns"),
    ("z\na\n", "BAD_ARGUMENT", "'k' is no column of groups"),
])
def test_bad_lists(zygote, groups, status, text):
    refused(zygote, "k,v\na,1\n", {"aggregates": "count", "group_by": "k"}, status, text, groups)


def test_keys_do_not_run_together(zygote):
    """("ab", "c") and ("a", "bc") are two groups."""
    data = "x,y\n" + "ab,c\n" * 10 + "a,bc\n" * 11
    assert table_of(run(zygote, data, {"group_by": "x,y", "aggregates": "count"}))[1:] == [["a", "bc", "11"],
                                                                                          ["ab", "c", "10"]]


def test_memory_limit(zygote):
    data = Streamed(b"k\n" + b"".join(b"%d\n" % i for i in range(1000000)))
    report = run(zygote, data, {"group_by": "k", "aggregates": "count"}, limits=Limits(memory_bytes=64 << 20, cpu_s=20))
    assert report.status == "LIMIT_MEMORY", report


def test_cancel(zygote):
    cell, targets = zygote.start("", entry="aggregate", kind=BUILTIN, arguments={"group_by": "k", "aggregates": "count,var:v"},
                                 inputs={"data": b"k,v\n" + b"a,1.25\n" * 20_000_000}, outputs=["result"], limits=LIMITS)
    time.sleep(0.3)
    signal.pidfd_send_signal(cell.handle, signal.SIGTERM)
    assert zygote.collect(cell, targets, timeout=10).status == "CANCELLED"


@pytest.mark.skipif(os.environ.get("CELLA_TEST_LONG") != "1", reason="takes long; ./run test --long runs it")
def test_ten_million_rows(zygote):
    rows = 10_000_000
    data = Streamed(b"k,v\n" + b"".join(b"k%d,1\n" % (number % 100) for number in range(rows)))
    report = run(zygote, data, {"group_by": "k", "aggregates": "count,sum:v"})
    assert [row[1:] for row in table_of(report)[1:]] == [[str(rows // 100), f"{rows // 100}.0"]] * 100
