# SPDX-License-Identifier: Apache-2.0
"""The ready-made functions over scikit-learn: each in a cell, against the same estimator outside and on bad input."""

import dataclasses
import io
import signal

import pytest
from zygote_driver import Limits, ZygoteDriver

import cella
from cella.ready_made import describe_example, example_scripts

numpy = pytest.importorskip("numpy")
pandas = pytest.importorskip("pandas")
pytest.importorskip("sklearn")

from sklearn import datasets, linear_model, metrics  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402

NAMES = [script.name for script in example_scripts()]
SUPERVISED = [script.name for script in example_scripts() if script.files("input") == ["training", "data"]]
LIMITS = Limits(output_bytes=1 << 20, memory_bytes=1 << 30, cpu_s=60)


@pytest.fixture(scope="module")
def zygote():
    with ZygoteDriver("science") as driver:
        yield driver


def run(zygote, name, arguments=None, limits=LIMITS, **inputs):
    (script,) = example_scripts([name])
    texts = {key: value if isinstance(value, bytes) else value.to_csv(index=False).encode() for key, value in inputs.items()}
    return zygote.run(script.source, entry=name, arguments=arguments or {}, inputs=texts,
                      outputs=script.files("output"), limits=limits)


def table_of(report, output):
    assert report.status == "DONE", report
    return pandas.read_csv(io.BytesIO(report.outputs[output]))


@pytest.fixture(scope="module")
def iris():
    bunch = datasets.load_iris()
    return pandas.DataFrame(bunch.data, columns=["a", "b", "c", "d"]), bunch.target


@pytest.fixture(scope="module")
def diabetes():
    bunch = datasets.load_diabetes()
    return pandas.DataFrame(bunch.data, columns=bunch.feature_names), bunch.target


def test_there_are_nine():
    assert NAMES == ["dbscan", "gaussian_mixture", "gaussian_process", "generalised_linear_model", "kmeans",
                     "linear_regression", "naive_bayes", "neural_network", "support_vector_machine"]
    with pytest.raises(cella.NotFound, match="did you mean kmeans"):
        example_scripts(["kmean"])


@pytest.mark.parametrize("script", example_scripts(), ids=NAMES)
def test_each_is_short_and_fits_its_profile(script):
    assert not list(script.warnings("science"))
    body = script.source.split("\ndef ", 1)[1].split('"""', 2)[2]
    assert len(body.strip().splitlines()) <= 20
    assert script.package(script.files("input"), script.files("output"), profile="science", public=True)


@pytest.mark.parametrize("script", example_scripts(), ids=NAMES)
def test_files_and_results_are_described(script):
    text, names = describe_example(script)
    assert "The result has" in text and {*script.files("input"), *script.files("output")} <= set(names)
    assert all(names.values())


def test_kmeans(zygote, iris):
    data, kinds = iris
    report = run(zygote, "kmeans", {"clusters": 3}, data=data)
    groups = table_of(report, "labels")["group"]
    assert metrics.adjusted_rand_score(kinds, groups) > 0.6
    assert sum(report.result["sizes"]) == 150 and len(report.result["centres"]) == 3
    centre = data[groups == 0].mean()
    assert report.result["centres"][0]["a"] == pytest.approx(centre["a"], rel=1e-6)


def test_dbscan(zygote, iris):
    report = run(zygote, "dbscan", {"radius": 0.6, "neighbours": 5}, data=iris[0])
    groups = table_of(report, "labels")["group"]
    assert report.result["noise"] == (groups == -1).sum()
    assert report.result["sizes"] == [(groups == number).sum() for number in range(groups.max() + 1)]
    assert metrics.adjusted_rand_score(iris[1] == 0, groups == groups[0]) > 0.8


def test_gaussian_mixture(zygote, iris):
    report = run(zygote, "gaussian_mixture", {"components": 3}, data=iris[0])
    odds = table_of(report, "probabilities")
    assert odds.values.sum(axis=1) == pytest.approx(1)
    assert metrics.adjusted_rand_score(iris[1], odds.values.argmax(axis=1)) > 0.85
    assert sum(report.result["weights"]) == pytest.approx(1)


def test_gaussian_process(zygote):
    known = pandas.DataFrame({"x": numpy.linspace(0, 6, 40)})
    known["target"] = numpy.sin(known["x"])
    asked = pandas.DataFrame({"x": [1.0, 2.5, 20.0]})
    report = run(zygote, "gaussian_process", training=known, data=asked)
    found = table_of(report, "predictions")
    assert found["mean"][:2].tolist() == pytest.approx(numpy.sin([1.0, 2.5]).tolist(), abs=0.01)
    assert found["deviation"][2] > 10 * found["deviation"][0]


def test_linear_regression(zygote, diabetes):
    data, target = diabetes
    report = run(zygote, "linear_regression", training=data.assign(target=target), data=data.head(10))
    own = linear_model.LinearRegression().fit(data.values, target)
    assert table_of(report, "predictions")["target"].tolist() == pytest.approx(own.predict(data.values[:10]).tolist())
    assert report.result["r2"] == pytest.approx(own.score(data.values, target))
    assert list(report.result["coefficients"].values()) == pytest.approx(own.coef_.tolist())


def test_generalised_linear_model(zygote, diabetes):
    data, target = diabetes
    report = run(zygote, "generalised_linear_model", {"family": "poisson"}, training=data.assign(target=target),
                 data=data.head(10))
    scaled = StandardScaler().fit_transform(data.values)
    own = linear_model.PoissonRegressor(alpha=0, max_iter=1000, tol=1e-6).fit(scaled, target)
    assert table_of(report, "predictions")["target"].tolist() == pytest.approx(own.predict(scaled[:10]).tolist(), rel=1e-4)
    assert report.result["d2"] == pytest.approx(own.score(scaled, target), abs=1e-6)


@pytest.mark.parametrize("name, least", [("naive_bayes", 0.93), ("support_vector_machine", 0.94), ("neural_network", 0.9)])
def test_classifiers(zygote, iris, name, least):
    data, kinds = iris
    words = pandas.Series(kinds).map({0: "setosa", 1: "versicolor", 2: "virginica"})
    report = run(zygote, name, training=data.assign(target=words), data=data)
    found = table_of(report, "predictions")
    assert (found["target"] == words).mean() > least
    assert report.result["accuracy"] > least
    if "probability" in found:
        assert found["probability"].between(1 / 3, 1).all()


GOOD = "a,b,target\n" + "".join(f"{row % 7},{row * row % 11},{row % 2}\n" for row in range(40))
ONE_VALUE = "a,b,target\n" + "".join(f"{row},{row % 3},1\n" for row in range(30))
WITH_ONE_ROW = {"dbscan", "gaussian_process"}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("text", ["", "a,b,target\n", "a,b,target\nx,y,z\n1,,3\n", GOOD + "1,,1\n", GOOD + "inf,2,1\n", GOOD + "1,2\n",
                                  GOOD + "1,2,3,4\n", "a,b,target\n1,2,0\n"],
                         ids=["empty", "header", "text", "missing", "infinite", "short", "long", "row"])
def test_bad_data_are_an_honest_error(zygote, name, text):
    (script,) = example_scripts([name])
    report = run(zygote, name, **dict.fromkeys(script.files("input"), text.encode()))
    if name in WITH_ONE_ROW and text.endswith("1,2,0\n"):
        assert report.status == "DONE", report
    else:
        assert report.status == "SCRIPT_FAILED" and report.message and report.line, report


@pytest.mark.parametrize("name, arguments, text, words", [
    ("kmeans", {"clusters": 0}, GOOD, "n_clusters"), ("kmeans", {"clusters": "3"}, GOOD, "n_clusters"),
    ("kmeans", {"clusters": 41}, GOOD, "n_samples=40 should be >= n_clusters=41"), ("dbscan", {"radius": 0}, GOOD, "eps"),
    ("gaussian_mixture", {"components": 100}, GOOD, "n_components = 100"), ("linear_regression", {}, "a,target\n1,2\n", "two rows"),
    ("generalised_linear_model", {"family": "x"}, GOOD, "family is one of normal, poisson, gamma, not 'x'"),
    ("generalised_linear_model", {}, ONE_VALUE, "column 'target' has fewer than two values"),
    ("support_vector_machine", {}, ONE_VALUE, "number of classes has to be greater than one"),
    ("support_vector_machine", {"kernel": "x"}, GOOD, "The 'kernel' parameter of SVC"),
    ("neural_network", {"layers": "x"}, GOOD, "'x'"),
])
def test_what_is_wrong_is_named(zygote, name, arguments, text, words):
    (script,) = example_scripts([name])
    report = run(zygote, name, arguments, **dict.fromkeys(script.files("input"), text.encode()))
    assert report.status == "SCRIPT_FAILED" and words in report.message, report


@pytest.mark.parametrize("name", NAMES)
def test_other_arguments_and_little_memory(zygote, name):
    (script,) = example_scripts([name])
    inputs = dict.fromkeys(script.files("input"), GOOD.encode())
    report = run(zygote, name, {"unknown": 1}, **inputs)
    assert (report.status, report.message) == ("BAD_ARGUMENT", f"{name}() has no parameter 'unknown'")
    rows = "a,b,target\n" + "1,2,3\n" * 400_000
    report = run(zygote, name, limits=dataclasses.replace(LIMITS, memory_bytes=8 << 20), **dict.fromkeys(inputs, rows.encode()))
    assert report.status == "LIMIT_MEMORY" or "out of memory" in report.message, report  # pandas' reader has an error of its own


@pytest.mark.parametrize("name", NAMES)
def test_cancelled(zygote, name):
    (script,) = example_scripts([name])
    rows = "a,b,target\n" + "".join(f"{row % 97},{row * row % 101},{row % 89}\n" for row in range(60_000))
    cell, targets = zygote.start("import cella\ncella.progress(0.1)\n" + script.source, entry=name, limits=LIMITS,
                                 inputs=dict.fromkeys(script.files("input"), rows.encode()), outputs=script.files("output"))
    assert cell.link.recv(65536)
    signal.pidfd_send_signal(cell.handle, signal.SIGTERM)
    assert zygote.collect(cell, targets, timeout=20).status == "CANCELLED"


@pytest.mark.parametrize("name", SUPERVISED)
def test_a_target_that_is_not_there_is_named(zygote, name, iris):
    report = run(zygote, name, {"target": "nowhere"}, training=iris[0], data=iris[0])
    assert report.status == "SCRIPT_FAILED" and "nowhere" in report.message
