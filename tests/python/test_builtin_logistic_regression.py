# SPDX-License-Identifier: Apache-2.0
"""logistic_regression_train and _predict beside scikit-learn's objective, scipy's minimiser and Teaclave's data."""

from __future__ import annotations

import json

import numpy as np
import pytest
from builtin_models import LIMITS, call, cancel, csv, flip_every_byte, long_only, npy, numbers, teaclave
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression
from zygote_driver import Limits, ZygoteDriver


@pytest.fixture(scope="module")
def zygote():
    with ZygoteDriver("python") as driver:
        yield driver


def train(zygote, data, limits=LIMITS, **arguments):
    return call(zygote, "logistic_regression_train", {"training_data": data}, ["model_file"], limits=limits, **arguments)


def trained(zygote, data, **arguments):
    report = train(zygote, data, **arguments)
    assert report.status == "DONE", report
    return json.loads(report.outputs["model_file"])


def predict(zygote, model, data):
    return call(zygote, "logistic_regression_predict", {"model_file": model, "data_file": data}, ["result_file"])


def table(rows=2000, columns=5, seed=1):
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(rows, columns)) @ generator.normal(size=(columns, columns))
    weights = generator.normal(size=columns) / columns
    y = generator.random(rows) < 1 / (1 + np.exp(0.5 - x @ weights))
    return np.c_[x, y]


def objective(parameters, data, c):
    """What scikit-learn minimises, and its gradient."""
    x, y = np.c_[np.ones(len(data)), data[:, :-1]], data[:, -1]
    total = x @ parameters
    penalty = np.r_[0, parameters[1:]] if c > 0 else 0 * parameters
    weight = c if c > 0 else 1
    loss = weight * np.sum(np.logaddexp(0, total) - y * total) + penalty @ penalty / 2
    return loss, weight * x.T @ (1 / (1 + np.exp(-total)) - y) + penalty


def test_teaclaves_gradient_descent(zygote):
    """Its own data and arguments: the parameters that it found, but for the last bit."""
    wanted = json.loads(teaclave("logistic_model.json"))
    report = call(zygote, "builtin-logistic-regression-train", {"training_data": teaclave("logistic_train.csv")},
                  ["model_file"], solver="gd", alg_alpha=0.3, alg_iters=100, feature_size=30)
    assert (report.status, report.result) == ("DONE", "Trained 100 lines of data.")
    model = json.loads(report.outputs["model_file"])
    assert (model["alpha"], model["iters"]) == (wanted["alpha"], wanted["iters"])
    assert model["parameters"] == pytest.approx(wanted["parameters"], abs=1e-14)


def test_teaclaves_prediction(zygote):
    report = call(zygote, "builtin-logistic-regression-predict", {
        "model_file": teaclave("logistic_model.json"), "data_file": teaclave("logistic_data.csv")}, ["result_file"])
    assert (report.status, report.result) == ("DONE", "Predicted 5 lines of data.")
    assert report.outputs["result_file"] == teaclave("logistic_result.txt")


@pytest.mark.parametrize("rows, columns", [(40, 1), (500, 5), (3000, 7), (9000, 8), (1500, 40)])
@pytest.mark.parametrize("c", [0, 0.01, 1, 100])
def test_newton_finds_the_minimum(zygote, rows, columns, c):
    """The gradient of scikit-learn's objective is nothing there, and scipy does not find anything lower."""
    data = table(rows, columns)
    parameters = np.array(trained(zygote, npy(data), c=c)["parameters"])
    loss, gradient = objective(parameters, data, c)
    assert np.abs(gradient).max() < 1e-7 * max(1, c) * rows
    other = minimize(objective, np.zeros(columns + 1), (data, c), jac=True, method="L-BFGS-B",
                     options={"maxiter": 5000, "ftol": 1e-14, "gtol": 1e-9})
    assert loss <= other.fun * (1 + 1e-12)
    assert parameters == pytest.approx(other.x, abs=1e-3)


def test_as_scikit_learn_says(zygote):
    data = table(3000, 6)
    mine = trained(zygote, csv(data), c=0.5)["parameters"]
    other = LogisticRegression(C=0.5, tol=1e-10, max_iter=10000).fit(data[:, :-1], data[:, -1])
    assert mine == pytest.approx([*other.intercept_, *other.coef_[0]], abs=2e-3)
    again = csv(data[:, :-1])
    probabilities = numbers(predict(zygote, json.dumps({"parameters": mine}).encode(), again).outputs["result_file"])[:, 0]
    assert probabilities == pytest.approx(other.predict_proba(data[:, :-1])[:, 1], abs=2e-3)


def test_threads_do_not_change_a_bit(zygote):
    data = npy(table(50000, 20))
    models = {train(zygote, data, limits=Limits(60, 60, 1 << 30, 1 << 26, threads=n)).outputs["model_file"]
              for n in (1, 2, 3)}
    assert len(models) == 1 and b"parameters" in models.pop()


def test_half_steps_where_a_whole_one_is_too_long(zygote):
    """Far out points, from which Newton's first steps lead away."""
    data = np.array([[-1, 0], [1000, 1], [2, 0], [3, 1], [-2000, 0], [1, 1], [4, 0]], float)
    loss, gradient = objective(np.array(trained(zygote, npy(data), c=1000)["parameters"]), data, 1000)
    assert np.abs(gradient).max() < 1e-3


@pytest.mark.parametrize("data, arguments, text", [
    (b"", {}, "training_data"), (b"a,b\n", {}, "0 rows"), (b"1\n0\n", {}, "1 columns"), (b"1,0\n2\n", {}, "row 2"),
    (b"1,0\n,1\n", {}, "row 2"), (b"1,0\nx,1\n", {}, "row 2"), (b"1,0\nnan,1\n", {}, "row 2"), (b"inf,0\n", {}, "row 1"),
    (b"1,0\n2,2\n", {}, "row 2, column 2: label 2.0 is not 0 or 1"), (b"1,0\n2,0\n", {}, "all labels are 0"),
    (b"1,1\n", {}, "all labels are 1"), (b"1,0\n2,1\n", {"c": 0}, "c > 0"), (b"1,0\n1,1\n2,1\n2,0\n", {"c": 0, "alg_iters": 1, "feature_size": 2}, "column"),
    (b"1,1,0\n2,2,1\n3,3,0\n4,4,1\n1,1,1\n", {"c": 0}, "depend on each other"), (b"1,1.5\n", {"solver": "gd"}, "from 0 to 1"),
    (b"1e300,0\n-1e300,1\n", {}, "scale the columns"),
])
def test_data_that_is_refused(zygote, data, arguments, text):
    report = train(zygote, data, **arguments)
    assert report.status == "BUILTIN_FAILED" and text in report.message, report


@pytest.mark.parametrize("arguments", [{"solver": "sgd"}, {"c": -1}, {"alg_alpha": 0}, {"alg_iters": 0}, {"C": 1}, {"c": "1"}])
def test_arguments_that_are_refused(zygote, arguments):
    report = train(zygote, b"1,0\n2,1\n", **arguments)
    assert report.status == "BAD_ARGUMENT" and next(iter(arguments)) in report.message


def test_a_header_and_one_row(zygote):
    data = table(50, 2)
    assert trained(zygote, b"a,b,label\n" + csv(data))["parameters"] == trained(zygote, csv(data))["parameters"]
    assert trained(zygote, b"1,0.25\n", solver="gd")["parameters"][0] != 0.5


def test_cancelled(zygote):
    report = cancel(zygote, "logistic_regression_train", {"training_data": npy(table(20000, 20))}, ["model_file"],
                    solver="gd", alg_iters=1000000)
    assert report.status == "CANCELLED"


def test_too_little_memory(zygote):
    report = train(zygote, npy(table(200000, 30).astype(">f8")), limits=Limits(60, 60, 32 << 20, 1 << 26))
    assert report.status == "LIMIT_MEMORY", report


@pytest.mark.parametrize("model, text", [
    (b"", "ends"), (b"[]", "object"), (b"{}", "there is no"), (b'{"parameters": []}', "least"), (b'{"parameters": [1]}', "least"),
    (b'{"parameters": [1, 2], "parameters": [1, 2]}', "twice"), (b'{"parameters": [1, 1e999]}', "range"),
    (b'{"parameters": [1, "2"]}', "a number"), (b'{"parameters": [1, 2] ', "ends"), (b'{"parameters": [1, 2]}}', "follows"),
    (b'{"parameters": [1, nan]}', "a number"), (b'{"parameters": null}', "array"),
    (b'{"parameters": [' + b"0," * 20000 + b"0]}", "more than"),
])
def test_models_that_are_refused(zygote, model, text):
    report = predict(zygote, model, b"1\n")
    assert report.status == "BUILTIN_FAILED" and text in report.message and report.message.startswith("model_file, byte")


@pytest.mark.parametrize("data, text", [(b"1,2\n", "column"), (b"x\n1\nx\n", "row 2"), (b"a,b\n", "column"), (b"nan\n", "row 1")])
def test_data_for_prediction_that_is_refused(zygote, data, text):
    report = predict(zygote, b'{"parameters": [1, 2]}', data)
    assert report.status == "BUILTIN_FAILED" and text in report.message and report.message.startswith("data_file"), report


def test_prediction_at_the_ends(zygote):
    report = predict(zygote, b'{"parameters": [0, 1]}', b"1000\n-1000\n0\n1e308\n-1e308\n")
    assert report.outputs["result_file"] == b"1.0000\n0.0000\n0.5000\n1.0000\n0.0000\n"
    report = predict(zygote, b'{"parameters": [0, 1e308, 1e308]}', b"10,-10\n")
    assert report.status == "BUILTIN_FAILED" and "row 1" in report.message


def test_every_byte_flipped(zygote):
    model = json.dumps({"alpha": 0.3, "iters": 100, "parameters": [0.5, -1.25e-3, 7], "c": [{"x": "\\u00e9"}, True]}).encode()
    answers, refusals = flip_every_byte(zygote, "logistic_regression_predict", model, b"1,2\n")
    assert answers > 0 and refusals > 0


@long_only
def test_ten_million_rows(zygote):
    x = np.random.default_rng(0).normal(size=(10_000_000, 5))
    data = npy(np.c_[x, x[:, 0] + np.random.default_rng(1).normal(size=len(x)) > 0])
    report = train(zygote, data, limits=Limits(600, 600, 4 << 30, 1 << 26))
    assert report.result == "Trained 10000000 lines of data."
