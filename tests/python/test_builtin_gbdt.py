# SPDX-License-Identifier: Apache-2.0
"""gbdt_train and gbdt_predict beside xgboost's Python package, Teaclave's data, and a walk through the trees in Python."""

from __future__ import annotations

import json
import math
import random

import numpy as np
import pytest
from builtin_models import LIMITS, call, cancel, csv, flip_every_byte, long_only, npy, numbers, teaclave
from zygote_driver import Limits, ZygoteDriver

try:
    import xgboost
except ImportError:
    xgboost = None

needs_xgboost = pytest.mark.skipif(xgboost is None, reason="NOT INSTALLED: python3-xgboost, so nothing was compared with it")


@pytest.fixture(scope="module")
def zygote():
    with ZygoteDriver("native") as driver:
        yield driver


def train(zygote, data, limits=LIMITS, **arguments):
    return call(zygote, "gbdt_train", {"training_data": data}, ["trained_model"], limits=limits, **arguments)


def predict(zygote, model, data):
    model = json.dumps(model).encode() if isinstance(model, dict) else model
    return call(zygote, "gbdt_predict", {"model_file": model, "data_file": data}, ["result_file"])


def predicted(zygote, model, data):
    report = predict(zygote, model, data)
    assert report.status == "DONE", report
    return report.outputs["result_file"]


def table(rows=3000, columns=6, seed=1, missing=0.1):
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(rows, columns)).astype("f4").astype("f8")
    y = x[:, 0] * x[:, 1] + np.sin(3 * x[:, 2]) + 0.1 * generator.normal(size=rows)
    x[generator.random(x.shape) < missing] = np.nan
    return x, y


# Teaclave


def test_teaclaves_model_gives_teaclaves_answers(zygote):
    report = call(zygote, "builtin-gbdt-predict", {"model_file": teaclave("gbdt_model.json.gz"),
                                                   "data_file": teaclave("gbdt_data.csv")}, ["result_file"])
    assert (report.status, report.result) == ("DONE", "Predict result has 30 lines of data.")
    assert report.outputs["result_file"] == teaclave("gbdt_result.txt")


def test_teaclaves_arguments(zygote):
    """Its own test's call. A tie between two splits falls otherwise than in gbdt-rs: one flower of 30 differs."""
    report = call(zygote, "builtin-gbdt-train", {"training_data": teaclave("gbdt_train.csv")}, ["trained_model"],
                  feature_size=4, max_depth=4, iterations=100, shrinkage=0.1, feature_sample_ratio=1.0,
                  data_sample_ratio=1.0, min_leaf_size=1, loss="LAD", training_optimization_level=2)
    assert (report.status, report.result) == ("DONE", "Trained 120 lines of data.")
    mine = numbers(predicted(zygote, report.outputs["trained_model"], teaclave("gbdt_data.csv")))
    different = np.abs(mine - numbers(teaclave("gbdt_result.txt"))) > 2e-6
    assert different.sum() <= 1


def follow(tree, row):
    """gbdt-rs's prediction of one tree."""
    node = tree[0]
    while not node["value"]["is_leaf"]:
        value = row[node["value"]["feature_index"]]
        if math.isnan(value):
            if node["value"]["missing"] == 0:
                break
            node = tree[node["left" if node["value"]["missing"] < 0 else "right"]]
        else:
            node = tree[node["left" if value < np.float32(node["value"]["feature_value"]) else "right"]]
    return np.float32(node["value"]["pred"])


def some_tree(generator, depth, features=3):
    nodes = []

    def grow(level):
        index = len(nodes)
        value = {"feature_index": generator.randrange(features), "feature_value": float(np.float32(generator.gauss(0, 1))),
                 "pred": float(np.float32(generator.gauss(0, 1))), "missing": generator.choice((-1, 0, 1)),
                 "is_leaf": level == 0 or generator.random() < 0.2}
        nodes.append({"value": value, "index": index, "left": 0, "right": 0})
        if not value["is_leaf"]:
            nodes[index]["left"] = grow(level - 1)
            nodes[index]["right"] = grow(level - 1)
        return index

    grow(depth)
    return {"tree": {"tree": nodes}, "feature_size": features, "max_depth": depth, "min_leaf_size": 1, "loss": "LAD",
            "feature_sample_ratio": 1.0}


def gbdt_rs(trees, **changes):
    conf = {"feature_size": 3, "max_depth": 4, "iterations": len(trees), "shrinkage": 0.1, "feature_sample_ratio": 1.0,
            "data_sample_ratio": 1.0, "min_leaf_size": 1, "loss": "SquaredError", "debug": False,
            "initial_guess_enabled": False, "training_optimization_level": 2} | changes
    return {"conf": conf, "trees": trees, "bias": 0.25}


@pytest.mark.parametrize("loss, link", [
    ("SquaredError", lambda x: x), ("LogLikelyhood", lambda x: 1 / (1 + np.exp(np.float32(-2) * x))),
    ("BinaryLogistic", lambda x: 1 / (1 + np.exp(-x))), ("BinaryLogitraw", lambda x: x),
])
def test_made_up_models_of_teaclave(zygote, loss, link):
    generator = random.Random(loss)
    trees = [some_tree(generator, 5) for _ in range(20)]
    rows = np.random.default_rng(5).normal(size=(200, 3)).astype("f4")
    rows[np.random.default_rng(6).random(rows.shape) < 0.2] = np.nan
    text = csv(rows).replace(b"nan", b"")
    got = numbers(predicted(zygote, gbdt_rs(trees, loss=loss), text))[:, 0]
    for row, mine in zip(rows, got):
        total = np.float32(0.25)
        for tree in trees:
            total = np.float32(total + np.float32(0.1) * follow(tree["tree"]["tree"], row))
        assert abs(link(total) - mine) < 2e-7


# xgboost


@needs_xgboost
@pytest.mark.parametrize("objective", [
    "reg:squarederror", "reg:absoluteerror", "reg:pseudohubererror", "reg:logistic", "binary:logistic", "binary:logitraw",
    "binary:hinge", "count:poisson", "reg:gamma", "reg:tweedie", "rank:pairwise", "multi:softmax", "multi:softprob"])
def test_xgboosts_models_to_the_last_bit(zygote, objective):
    x, y = table()
    if objective.startswith(("count", "reg:gamma", "reg:tweedie")):
        y = np.exp(y / 2)
    if objective.startswith("binary"):
        y = y > 0
    parameters = {"objective": objective, "max_depth": 6, "tree_method": "hist", "nthread": 1, "base_score": 0.4}
    if objective == "reg:logistic":
        y = 1 / (1 + np.exp(-y))
    if objective.startswith("multi"):
        y, parameters["num_class"] = np.digitize(y, [-1, 0, 1]), 4
    booster = xgboost.train(parameters, xgboost.DMatrix(x, y), 30)
    wanted = booster.predict(xgboost.DMatrix(x)).reshape(len(x), -1).astype("f8")
    expected = "".join(",".join(f"{value:.10f}" for value in row) + "\n" for row in wanted).encode()
    assert predicted(zygote, bytes(booster.save_raw("json")), npy(x)) == expected


@needs_xgboost
def test_lossguide_and_parallel_trees(zygote):
    x, y = table()
    booster = xgboost.train({"grow_policy": "lossguide", "max_depth": 0, "max_leaves": 90, "num_parallel_tree": 3,
                             "tree_method": "hist", "subsample": 0.7, "nthread": 1}, xgboost.DMatrix(x, y), 5)
    expected = "".join(f"{value:.10f}\n" for value in booster.predict(xgboost.DMatrix(x)).astype("f8")).encode()
    assert predicted(zygote, bytes(booster.save_raw("json")), npy(x)) == expected


@needs_xgboost
@pytest.mark.parametrize("loss, objective, labels", [
    ("SquaredError", "reg:squarederror", lambda y: y), ("RegLinear", "reg:squarederror", lambda y: y),
    ("LogLikelyhood", "binary:logistic", lambda y: np.where(y > 0, 1.0, -1.0)),
    ("BinaryLogistic", "binary:logistic", lambda y: (y > 0) * 1.0),
    ("BinaryLogitraw", "binary:logitraw", lambda y: (y > 0) * 1.0),
    ("RegLogistic", "reg:logistic", lambda y: 1 / (1 + np.exp(-y))),
    ("MultiSoftprob", "multi:softprob", lambda y: np.digitize(y, [-1, 0, 1]) * 1.0),
    ("MultiSoftmax", "multi:softmax", lambda y: np.digitize(y, [-1, 0, 1]) * 1.0)])
def test_training_is_xgboosts(zygote, loss, objective, labels):
    """The same model as xgboost's own package makes from the same parameters: the same predictions, bit by bit."""
    x, y = table()
    y = labels(y).astype("f4")
    report = train(zygote, npy(np.c_[x, y]), loss=loss, iterations=20, max_depth=5, shrinkage=0.2, seed=3,
                   data_sample_ratio=0.8, feature_sample_ratio=0.7, min_leaf_size=2)
    assert report.status == "DONE", report
    parameters = {"objective": objective, "max_depth": 5, "eta": 0.2, "subsample": 0.8, "colsample_bynode": 0.7, "seed": 3,
                  "min_child_weight": 2, "tree_method": "hist", "nthread": 1,
                  "base_score": float(np.mean(y, dtype="f8")) if objective == "reg:squarederror" else 0.5}
    target = np.maximum(y, 0) if loss == "LogLikelyhood" else y
    if loss.startswith("Multi"):
        parameters["num_class"] = 4
    booster = xgboost.train(parameters, xgboost.DMatrix(x, target), 20)
    wanted = booster.predict(xgboost.DMatrix(x))
    mine = xgboost.Booster(model_file=bytearray(report.outputs["trained_model"]))
    assert np.array_equal(mine.predict(xgboost.DMatrix(x)), wanted)


def test_lad_honours_shrinkage(zygote):
    """Small steps towards the labels' median in each leaf: after k rounds 0.9 ** k of the way is left."""
    x = np.repeat([0.0, 1.0], 50)
    y = np.where(x > 0, 110.0, 10.0)
    y[:2] = 1000.0  # outliers, which a median does not see
    for rounds in (1, 5, 40):
        model = train(zygote, npy(np.c_[x, y]), loss="LAD", iterations=rounds, shrinkage=0.1, max_depth=1).outputs
        low, high = numbers(predicted(zygote, model["trained_model"], b"0\n1\n"))[:, 0]
        start = float(np.median(y))
        assert low == pytest.approx(10 + (start - 10) * 0.9**rounds, abs=1e-3)
        assert high == pytest.approx(110 + (start - 110) * 0.9**rounds, abs=1e-3)


def test_better_than_nothing_on_data_not_seen(zygote):
    """Accuracy like scikit-learn's on the same split, within two percent."""
    from sklearn.datasets import load_breast_cancer
    from sklearn.ensemble import GradientBoostingClassifier

    data = load_breast_cancer()
    rows = np.random.default_rng(0).permutation(len(data.target))
    learn, judge = rows[:400], rows[400:]
    model = train(zygote, csv(np.c_[data.data, data.target][learn]), loss="BinaryLogistic", iterations=100, max_depth=4,
                  shrinkage=0.1).outputs["trained_model"]
    mine = numbers(predicted(zygote, model, csv(data.data[judge])))[:, 0] > 0.5
    other = GradientBoostingClassifier(max_depth=4, random_state=0).fit(data.data[learn], data.target[learn])
    other = other.predict(data.data[judge])
    assert np.mean(mine == data.target[judge]) >= np.mean(other == data.target[judge]) - 0.02


def test_threads_give_a_model_as_good(zygote):
    x, y = table(40000, 12)
    one, two = (numbers(predicted(zygote, train(zygote, npy(np.c_[x, y]), limits=Limits(60, 60, 1 << 30, 1 << 26, threads=n),
                                                iterations=20).outputs["trained_model"], npy(x)))[:, 0] for n in (1, 2))
    assert np.mean((one - y) ** 2) == pytest.approx(np.mean((two - y) ** 2), rel=0.01)


# What is refused


@pytest.mark.parametrize("data, arguments, text", [
    (b"", {}, "training_data"), (b"a,b\n", {}, "training_data: 0 rows and 2 columns"), (b"1\n2\n", {}, "1 columns"),
    (b"1,2\n3\n", {}, "row 2"), (b"1,2\nx,3\n", {}, "row 2"), (b"1,2\n3,\n", {}, "training_data, row 2, column 2: the label is missing"),
    (b"1,inf\n", {}, "row 1"), (b"1e39,2\n", {}, "row 1, column 1: beyond"), (b"1,2\n", {"feature_size": 3}, "column"),
    (b"1,2\n", {"loss": "BinaryLogistic"}, "row 1, label 2"), (b"1,0.5\n", {"loss": "MultiSoftmax"}, "no whole number"),
    (b"1,-1\n1,0\n", {"loss": "LogLikelyhood"}, "not all three"), (b"1,1001\n", {"loss": "MultiSoftprob"}, "label 1001"),
])
def test_data_that_is_refused(zygote, data, arguments, text):
    report = train(zygote, data, **arguments)
    assert report.status == "BUILTIN_FAILED" and text in report.message, report


@pytest.mark.parametrize("arguments", [
    {"loss": "lad"}, {"max_depth": 0}, {"max_depth": 25}, {"iterations": 0}, {"shrinkage": 0}, {"shrinkage": 2},
    {"data_sample_ratio": 0}, {"feature_sample_ratio": 1.1}, {"min_leaf_size": -1}, {"iterations": 1.5}, {"depth": 3},
    {"shrinkage": "0.1"}])
def test_arguments_that_are_refused(zygote, arguments):
    report = train(zygote, b"1,2\n3,4\n", **arguments)
    assert report.status == "BAD_ARGUMENT" and next(iter(arguments)) in report.message


def test_one_row_and_missing_features(zygote):
    assert train(zygote, b"1,2\n").status == "DONE"
    model = train(zygote, b",1\n2,\n".replace(b"2,\n", b"2,3\n") * 20, iterations=50).outputs["trained_model"]
    assert numbers(predicted(zygote, model, b"x\n2\n"))[0, 0] == pytest.approx(3, abs=1e-3)
    assert numbers(predicted(zygote, model, npy(np.array([[np.nan]]))))[0, 0] == pytest.approx(1, abs=1e-3)


def test_cancelled_between_rounds(zygote):
    x, y = table(20000, 20)
    report = cancel(zygote, "gbdt_train", {"training_data": npy(np.c_[x, y])}, ["trained_model"], iterations=100000)
    assert report.status == "CANCELLED", report


def test_too_little_memory(zygote):
    """For the data, for the stacks of threads (where OpenMP would end the process), and for xgboost."""
    x, y = table(200000, 20)
    data = npy(np.c_[x, y])
    for mebibytes in (8, 20, 30, 45, 60):
        report = train(zygote, data, limits=Limits(60, 60, mebibytes << 20, 1 << 26))
        assert report.status == "LIMIT_MEMORY", report


# Hostile models


def xgboost_model():
    """A small one, written by hand: x0 < 0.5 ? (x1 < 2 ? 1 : 2) : 3, and a second tree that is a leaf."""
    def tree(left, right, index, condition, default):
        return {"left_children": left, "right_children": right, "split_indices": index, "split_conditions": condition,
                "default_left": default, "split_type": [0] * len(left), "parents": [2147483647] * len(left), "id": 0,
                "categories": [], "tree_param": {"num_nodes": str(len(left))}}
    trees = [tree([1, 3, -1, -1, -1], [2, 4, -1, -1, -1], [0, 1, 0, 0, 0], [0.5, 2.0, 3.0, 1.0, 2.0], [1, 0, 0, 0, 0]),
             tree([-1], [-1], [0], [10.0], [0])]
    return {"learner": {"gradient_booster": {"model": {"gbtree_model_param": {"num_trees": "2", "size_leaf_vector": "0"},
                                                       "tree_info": [0, 0], "trees": trees}, "name": "gbtree"},
                        "learner_model_param": {"base_score": "5E-1", "num_class": "0", "num_feature": "2"},
                        "objective": {"name": "reg:squarederror"}}, "version": [1, 7, 4]}


def test_the_model_written_by_hand(zygote):
    assert numbers(predicted(zygote, xgboost_model(), b"0,1\n0,2\n1,0\n,7\n0,\n"))[:, 0].tolist() == [
        11.5, 12.5, 13.5, 12.5, 12.5]


def changed(path, value):
    model = xgboost_model()
    at = model["learner"]
    for step in path[:-1]:
        at = at[step]
    if value is None:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return model


TREE = ("gradient_booster", "model", "trees", 0)


@pytest.mark.parametrize("path, value, text", [
    ((*TREE, "left_children", 0), 0, "child"), ((*TREE, "left_children", 0), 5, "child"),
    ((*TREE, "right_children", 0), 1, "child"), ((*TREE, "left_children", 1), 0, "child"),
    ((*TREE, "left_children", 0), 2**31, "whole number"), ((*TREE, "left_children", 0), -2, "whole number"),
    ((*TREE, "right_children", 1), -1, "child"), ((*TREE, "split_indices", 0), 2, "2 features"),
    ((*TREE, "split_indices", 0), -1, "whole number"), ((*TREE, "split_conditions", 0), 1e39, "32 bits"),
    ((*TREE, "split_conditions", 0), "x", "a number"), ((*TREE, "default_left"), [1], "length"),
    ((*TREE, "left_children"), [], "length"), ((*TREE, "split_type", 0), 1, "categories"), ((*TREE, "left_children"), None, "left_children"),
    (("gradient_booster", "name"), "dart", "gbtree"), (("gradient_booster", "model", "tree_info"), [0], "tree_info"),
    (("gradient_booster", "model", "tree_info", 1), 1, "class 1"), (("gradient_booster", "model", "trees"), {}, "array"),
    (("learner_model_param", "num_feature"), "0", "num_feature"), (("learner_model_param", "num_feature"), "x", "quotes"),
    (("learner_model_param", "base_score"), "nan", "quotes"), (("learner_model_param", "num_class"), "3", "num_class"),
    (("objective", "name"), "survival:aft", "survival:aft"), (("objective",), None, "objective"),
])
def test_models_that_are_refused(zygote, path, value, text):
    report = predict(zygote, changed(path, value), b"0,1\n")
    assert report.status == "BUILTIN_FAILED" and text in report.message, report
    assert report.message.startswith("model_file, byte ")


@pytest.mark.parametrize("model, text", [
    (b"", "ends"), (b"{", "ends"), (b"[]", "object"), (b"{}", "conf"), (b"nonsense", "object"), (b"[" * 100000, "object"),
    (b'{"learner": ' + b'{"x": [' * 100000, "deep"), (b'{"a": 1, "conf": {}, "conf": {}}', "feature_size"),
    (b'{"learner": {}} x', "gradient_booster"), (b'{"a": 01}', "number"), (b'{"a": nan}', "value"), (b'{"a": "\x00"}', "character"),
    (json.dumps(gbdt_rs([], feature_size=0)).encode(), "whole number"),
    (json.dumps(gbdt_rs([], iterations=3)).encode(), "3 iterations"),
    (json.dumps(gbdt_rs([], loss="MultiSoftmax")).encode(), "MultiSoftmax"),
])
def test_other_models_that_are_refused(zygote, model, text):
    report = predict(zygote, model, b"0,1\n")
    assert report.status == "BUILTIN_FAILED" and text in report.message, report


def test_a_deep_tree(zygote):
    """512 levels are read; more are refused, and nothing recurses."""
    def chain(levels):
        model = xgboost_model()
        nodes = 2 * levels + 1
        left = [i + 1 if i % 2 == 0 and i < nodes - 1 else -1 for i in range(nodes)]
        right = [i + 2 if i % 2 == 0 and i < nodes - 1 else -1 for i in range(nodes)]
        model["learner"]["gradient_booster"]["model"]["trees"][0] |= {
            "left_children": left, "right_children": right, "split_indices": [0] * nodes, "split_type": [0] * nodes,
            "split_conditions": [float(i) for i in range(nodes)], "default_left": [0] * nodes}
        return model
    assert numbers(predicted(zygote, chain(512), b"4,0\n2000,0\n"))[:, 0].tolist() == [17.5, 1034.5]
    report = predict(zygote, chain(513), b"4,0\n")
    assert report.status == "BUILTIN_FAILED" and "levels deep" in report.message


@pytest.mark.parametrize("model", [
    json.dumps(xgboost_model()).encode(),
    json.dumps(gbdt_rs([some_tree(random.Random(1), 3), some_tree(random.Random(2), 2)])).encode()],
                         ids=["xgboost", "teaclave"])
def test_every_byte_flipped(zygote, model):
    """Each change is refused or gives an answer; the cell is there at the end."""
    columns = 2 if b"learner" in model else 3
    data = b",".join([b"0.3"] * columns) + b"\n"
    answers, refusals = flip_every_byte(zygote, "gbdt_predict", model, data)
    assert answers > 0 and refusals > len(model)


@pytest.mark.parametrize("data, text", [
    (b"1\n", "column"), (b"1,2,3\n", "column"), (b"1,x\n", "row 1"), (b"1e39,1\n", "beyond"), (b"inf,1\n", "row 1"),
])
def test_data_for_prediction_that_is_refused(zygote, data, text):
    report = predict(zygote, xgboost_model(), data)
    assert report.status == "BUILTIN_FAILED" and text in report.message and report.message.startswith("data_file")


def test_no_rows(zygote):
    assert predicted(zygote, xgboost_model(), b"a,b\n") == b""


@long_only
def test_ten_million_rows(zygote):
    x = np.random.default_rng(0).normal(size=(10_000_000, 4)).astype("f4")
    limits = Limits(600, 600, 6 << 30, 1 << 30)
    report = train(zygote, npy(np.c_[x, x[:, 0] > 0]), limits=limits, loss="BinaryLogistic", iterations=3)
    assert report.result == "Trained 10000000 lines of data."
