# SPDX-License-Identifier: Apache-2.0
"""The bench's own arithmetic, and its text: wrong figures would look like right ones."""

from __future__ import annotations

import itertools
import math
import pathlib
import random
import statistics
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "bench"))

import bench  # noqa: E402
import speed  # noqa: E402
from measure import STEADY, Options, Row, Sample, gather, interleave  # noqa: E402


def sample(*values: float) -> Sample:
    return Sample.of(values)


# Samples


def test_percentiles_are_nearest_ranks():
    found = Sample.of([float(value) for value in range(200, 0, -1)])
    assert (found.least, found.p50, found.p99, found.count) == (1, 100, 198, 200)


def test_p99_of_few_values_is_the_largest():
    assert Sample.of([3.0, 1.0, 2.0]).p99 == 3.0


def test_one_value_is_everything():
    found = sample(4.0)
    assert (found.least, found.p50, found.p99, found.low, found.high) == (4, 4, 4, 4, 4)
    assert found.steady


def test_no_values_are_an_error_and_not_a_sample():
    with pytest.raises(ValueError, match="no values"):
        Sample.of([])


def test_few_values_are_known_from_smallest_to_largest_only():
    found = sample(5.0, 1.0, 3.0)
    assert (found.low, found.high) == (1.0, 5.0)
    assert not found.steady


@pytest.mark.parametrize("count", [10, 51, 300])
def test_interval_holds_the_true_median_nineteen_times_in_twenty(count):
    generator = random.Random(count)
    hits = 0
    for _ in range(1000):
        found = Sample.of([generator.expovariate(1.0) for _ in range(count)])
        hits += found.low <= math.log(2) <= found.high
    assert 0.94 <= hits / 1000 <= 0.995


def test_interval_narrows_with_more_values():
    generator = random.Random(1)
    values = [generator.gauss(10, 1) for _ in range(5000)]
    assert Sample.of(values).spread < Sample.of(values[:50]).spread / 5


def test_outliers_move_p99_and_not_whether_the_median_is_steady():
    found = Sample.of([10.0 + value / 1000 for value in range(95)] + [5000.0] * 5)
    assert found.p99 == 5000.0
    assert found.steady


def test_two_modes_are_not_steady():
    assert not Sample.of([1.0, 2.0] * 15).steady


# Rows


def test_less_time_is_better():
    assert Row("s", "w", "ms", sample(2.0), "p", sample(10.0)).ratio == 5.0


def test_a_higher_rate_is_better():
    assert Row("s", "w", "tasks/s", sample(50.0), "p", sample(10.0)).ratio == 5.0


@pytest.mark.parametrize("unit", ["ms", "tasks/s"])
def test_bounds_of_a_ratio_are_around_it(unit):
    row = Row("s", "w", unit, sample(9.0, 10.0, 12.0), "p", sample(90.0, 100.0, 120.0))
    assert row.ratio_low < row.ratio < row.ratio_high


def test_bounds_of_a_ratio_take_the_bad_ends_of_both():
    row = Row("s", "w", "ms", sample(9.0, 10.0, 12.5), "p", sample(90.0, 100.0, 120.0))
    assert row.ratio_low == pytest.approx(90 / 12.5)
    assert row.ratio_high == pytest.approx(120 / 9)


@pytest.mark.parametrize("other, met, sure", [
    ((200.0,), True, True), ((50.0,), False, True), ((80.0, 110.0, 120.0), True, False), ((80.0, 90.0, 110.0), False, False)])
def test_a_goal_is_judged_from_medians_and_is_sure_from_bounds(other, met, sure):
    row = Row("s", "w", "ms", sample(10.0), "p", sample(*other), goal=10)
    assert (row.met, row.sure) == (met, sure)


@pytest.mark.parametrize("unit, values, met, sure", [
    ("ms", (0.5,), True, True), ("ms", (1.5,), False, True), ("ms", (0.8, 0.9, 1.1), True, False),
    ("tasks/s", (0.5,), False, True), ("tasks/s", (1.5,), True, True), ("tasks/s", (0.8, 1.1, 1.2), True, False)])
def test_a_limit_is_for_cellas_own_median(unit, values, met, sure):
    row = Row("s", "w", unit, sample(*values), limit=1.0)
    assert (row.met, row.sure) == (met, sure)


def test_what_was_not_measured_is_neither_met_nor_missed():
    for row in (Row("s", "w", "ms", None, "p", sample(1.0), goal=2), Row("s", "w", "ms", sample(1.0), "p", None, goal=2),
                Row("s", "w", "ms", None, limit=2)):
        assert (row.met, row.ratio) == (None, None)
        assert bench.verdict_text(row) == "not measured"


def test_a_row_has_one_goal():
    with pytest.raises(ValueError, match="a goal and a limit"):
        Row("s", "w", "ms", None, goal=1, limit=1)


def test_a_peer_that_took_no_time_gives_no_ratio():
    assert Row("s", "w", "tasks/s", sample(1.0), "p", sample(0.0), goal=1).met is None


def test_json_names_everything_a_table_shows():
    content = Row("s", "w", "ms", sample(1.0, 2.0, 3.0), "p", sample(20.0), goal=5, note="n").as_json()
    assert content["cella"] == {"p50": 2.0, "p99": 3.0, "count": 3, "least": 1.0, "low": 1.0, "high": 3.0}
    assert (content["met"], content["sure"], content["steady"], content["note"]) == (True, True, False, "n")


def test_mean_of_ratios_is_geometric_and_surer_than_each():
    rows = [Row("s", "w", "ms", sample(9.0, 10.0, 11.0), "p", sample(*values)) for values in [(19.0, 20.0, 21.0), (4.5, 5.0, 5.5)]]
    mean = speed.mean_ratio(rows * 8)
    assert mean.p50 == pytest.approx(1.0)
    assert mean.low * mean.high == pytest.approx(1.0)
    assert 1.0 < mean.high < (rows[0].ratio_high / rows[0].ratio_low) ** 0.25


# Rounds


def test_measures_take_turns_and_the_first_round_does_not_count():
    order: list[str] = []
    values = itertools.count()

    def measure(name: str) -> float:
        order.append(name)
        return float(next(values))

    found = interleave(2, lambda: measure("a"), lambda: measure("b"))
    assert order == ["a", "b"] * 3
    assert found == [[2.0, 4.0], [3.0, 5.0]]


def test_rounds_are_repeated_until_medians_are_steady():
    values = itertools.chain([0.0, 1.0, 9.0, 5.0, 5.0, 20.0], itertools.repeat(10.0))
    found = interleave(5, lambda: next(values), patience=10)[0]
    assert 5 < len(found) < 50
    assert len(found) % 5 == 0
    assert Sample.of(found).spread <= STEADY


def test_patience_ends():
    values = itertools.cycle([1.0, 2.0])
    assert len(interleave(10, lambda: next(values), patience=3)[0]) == 30


def test_steady_values_need_no_patience():
    assert len(interleave(10, lambda: 1.0, patience=3)[0]) == 10


def test_a_budget_leaves_three_rounds():
    values = itertools.cycle([1.0, 2.0])
    assert len(interleave(10, lambda: next(values), patience=3, budget_s=0)[0]) == 3


def test_gather_takes_several_values_at_a_time():
    assert gather(2, [lambda: [1.0, 1.0], lambda: [2.0]], first_counts=True) == [[1.0] * 4, [2.0, 2.0]]


def test_quick_is_fewer(tmp_path):
    quick, full = (Options(tmp_path, quick, tmp_path, None) for quick in (True, False))
    assert quick.count(300) < full.count(300)
    assert quick.count(4) == 3
    assert quick.patience < full.patience and quick.budget_s < full.budget_s


# Text


@pytest.mark.parametrize("value, text", [(0, "0.00"), (0.0024, "0.0024"), (0.456, "0.46"), (4.56, "4.56"), (45.6, "45.6"),
                                         (456.7, "457")])
def test_figures_have_the_digits_that_say_something(value, text):
    assert bench.figure(value) == text


def test_a_table_line_shows_goal_verdict_and_doubt():
    row = Row("s", "what", "ms", sample(9.0, 10.0, 12.0), "peer", sample(90.0, 110.0, 120.0), goal=10, note="n")
    assert bench.cells_of(row) == ["what", "ms", "9.00 / 10.0 / 12.0", "peer", "90.0 / 110 / 120", "11.0 (7.50 to 13.3)",
                                   ">= 10 x", "met, not sure", "n; not steady"]


def test_sizes_of_different_processes_are_not_called_unsteady():
    assert bench.cells_of(Row("s", "w", "MiB", sample(20.0, 40.0)))[-1] == ""
    assert bench.cells_of(Row("s", "w", "ms", sample(20.0, 40.0)))[-1] == "not steady"


def test_a_missing_peer_is_named():
    row = Row("s", "what", "ms", sample(1.0), "nsjail: missing: not installed", None)
    assert bench.cells_of(row)[3:6] == ["nsjail: missing: not installed", "-", ""]


def test_limits_name_their_unit():
    assert bench.goal_text(Row("s", "w", "ms", sample(1.0), limit=0.6)) == "<= 0.6 ms"
    assert bench.goal_text(Row("s", "w", "tasks/s", sample(1.0), limit=2000)) == ">= 2000 tasks/s"


def test_markdown_has_one_table_for_each_subject(capsys):
    rows = [Row("one", "a|b", "ms", sample(1.0)), Row("two", "c", "ms", sample(1.0)), Row("one", "d", "ms", sample(1.0))]
    bench.print_markdown(rows)
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("###")] == ["### one", "### two"]
    assert "| a\\|b | ms | 1.00 |" in lines
    assert len({line.count("|") - line.count("\\|") for line in lines[2:6]}) == 1


def test_median_of_the_statistics_module_agrees():
    values = [float(value * value % 37) for value in range(1, 52)]
    assert Sample.of(values).p50 == statistics.median(values)
