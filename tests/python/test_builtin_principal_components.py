# SPDX-License-Identifier: Apache-2.0
"""principal_components_analysis beside scikit-learn, numpy's singular values and Teaclave's data."""

from __future__ import annotations

import json

import numpy as np
import pytest
from builtin_models import LIMITS, call, cancel, csv, long_only, npy, numbers, teaclave
from sklearn.decomposition import PCA
from zygote_driver import Limits, ZygoteDriver


@pytest.fixture(scope="module")
def zygote():
    with ZygoteDriver("native") as driver:
        yield driver


def analyse(zygote, data, limits=LIMITS, outputs=("output_data", "components"), **arguments):
    return call(zygote, "principal_components_analysis", {"input_data": data}, list(outputs), limits=limits, **arguments)


def analysed(zygote, data, **arguments):
    report = analyse(zygote, data, **arguments)
    assert report.status == "DONE", report
    return numbers(report.outputs["output_data"]), {
        name: np.array(value) for name, value in json.loads(report.outputs["components"]).items()}


def table(rows=300, columns=6, seed=1):
    generator = np.random.default_rng(seed)
    return generator.normal(size=(rows, columns)) @ generator.normal(size=(columns, columns)) + generator.normal(size=columns)


def test_teaclaves_data(zygote):
    """The same coordinates; the second component looks the other way, since Teaclave has no rule for that."""
    report = call(zygote, "builtin_principal_components_analysis", {"input_data": teaclave("components_data.csv")},
                  ["output_data"], n=2, center=True, feature_size=4)
    assert (report.status, report.result) == ("DONE", "transform 90 rows * 2 cols lines of data.")
    mine, wanted = numbers(report.outputs["output_data"]), numbers(teaclave("components_result.csv"))
    assert np.abs(mine * [1, -1] - wanted).max() < 1e-13


@pytest.mark.parametrize("rows, columns, n", [(5, 1, 1), (8, 3, 3), (300, 6, 2), (5000, 17, 17), (40, 60, 9), (3000, 130, 4)])
def test_as_scikit_learn_says(zygote, rows, columns, n):
    data = table(rows, columns)
    scores, model = analysed(zygote, npy(data), n=n)
    other = PCA(n, svd_solver="full").fit(data)
    assert model["mean"] == pytest.approx(other.mean_, rel=1e-12, abs=1e-12)
    assert model["explained_variance"] == pytest.approx(other.explained_variance_, rel=1e-9)
    assert model["explained_variance_ratio"] == pytest.approx(other.explained_variance_ratio_, rel=1e-9)
    signs = np.sign(np.sum(model["components"] * other.components_, axis=1))
    assert np.abs(model["components"] - signs[:, None] * other.components_).max() < 1e-8
    assert np.abs(scores - signs * other.transform(data)).max() < 1e-7 * np.abs(data).max()


def test_the_rule_for_signs(zygote):
    _, model = analysed(zygote, npy(table(200, 9)), n=9)
    for component in model["components"]:
        assert component[np.abs(component).argmax()] > 0


def test_without_centering(zygote):
    data = table()
    scores, model = analysed(zygote, npy(data), n=3, center=False)
    _, sizes, directions = np.linalg.svd(data, full_matrices=False)
    assert model["explained_variance"] == pytest.approx(sizes[:3] ** 2 / (len(data) - 1), rel=1e-10)
    assert np.abs(np.abs(scores) - np.abs(data @ directions[:3].T)).max() < 1e-9
    assert not model["mean"].any()


def test_a_large_mean_does_not_hide_small_differences(zygote):
    data = table() + 1e7
    _, model = analysed(zygote, npy(data), n=6)
    assert model["explained_variance"] == pytest.approx(PCA(6).fit(data).explained_variance_, rel=1e-6)


def test_forms_of_input(zygote):
    data = table(50, 4)
    wanted = analyse(zygote, npy(data), n=2).outputs
    assert analyse(zygote, csv(data), n=2).outputs == wanted
    assert analyse(zygote, b"a,b,c,d\n" + csv(data), n=2, feature_size=4).outputs == wanted
    assert analyse(zygote, csv(np.c_[data, np.arange(50)]), n=2, feature_size=4).outputs == wanted
    assert analyse(zygote, npy(np.asfortranarray(data)), n=2).outputs == wanted


def test_threads_do_not_change_a_bit(zygote):
    data = npy(table(30000, 12))
    outputs = [analyse(zygote, data, n=3, limits=Limits(60, 60, 1 << 30, 1 << 26, threads=n)).outputs for n in (1, 2, 4)]
    assert outputs[0] == outputs[1] == outputs[2] and outputs[0]["output_data"]


def test_constant_columns(zygote):
    scores, model = analysed(zygote, b"1,2\n1,2\n1,2\n", n=2)
    assert not scores.any() and not model["explained_variance"].any() and not model["explained_variance_ratio"].any()


@pytest.mark.parametrize("data, arguments, text", [
    (b"", {}, "input_data"), (b"a,b\n", {}, "0 rows"), (b"1,2\n", {}, "1 rows"), (b"1,2\n3\n", {}, "row 2"),
    (b"1,2\n3,x\n", {}, "row 2"), (b"1,2\n3,\n", {}, "row 2"), (b"1,2\n3,nan\n", {}, "row 2"), (b"inf,2\n3,4\n", {}, "row 1"),
    (b"1,2\n3,4\n", {"feature_size": 3}, "2 columns"), (b"1,2,3,4\n1,2,3,5\n", {"feature_size": 2}, "4 columns"),
    (b"1e300,2\n-1e300,4\n", {}, "scale the columns"),
])
def test_data_that_is_refused(zygote, data, arguments, text):
    report = analyse(zygote, data, **({"n": 1} | arguments))
    assert report.status == "BUILTIN_FAILED" and text in report.message, report


@pytest.mark.parametrize("arguments, text", [
    ({}, "'n' is missing"), ({"n": 0}, "n"), ({"n": 3}, "do not have as many"), ({"n": 1.5}, "n"), ({"n": 1, "center": 1}, "center"),
    ({"n": 1, "whiten": True}, "whiten"),
])
def test_arguments_that_are_refused(zygote, arguments, text):
    report = analyse(zygote, b"1,2\n3,4\n5,5\n", **arguments)
    assert report.status == "BAD_ARGUMENT" and text in report.message, report


def test_cancelled(zygote):
    report = cancel(zygote, "principal_components_analysis", {"input_data": npy(table(200000, 30))}, ["output_data"], n=20)
    assert report.status == "CANCELLED"


def test_too_little_memory(zygote):
    report = analyse(zygote, npy(table(200000, 30).astype(">f8")), n=2, limits=Limits(60, 60, 32 << 20, 1 << 26))
    assert report.status == "LIMIT_MEMORY", report


@long_only
def test_ten_million_rows(zygote):
    data = npy(np.random.default_rng(0).normal(size=(10_000_000, 5)))
    report = analyse(zygote, data, n=1, limits=Limits(600, 600, 4 << 30, 1 << 30), outputs=["output_data"])
    assert report.result == "transform 10000000 rows * 1 cols lines of data."
