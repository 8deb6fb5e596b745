# SPDX-License-Identifier: Apache-2.0
"""onnx_predict and classify_images: models that are written here, against numpy, scikit-learn and Pillow."""

import io
import pathlib
import random
import re
import signal
import tarfile
import time

import builtin_models
import numpy
import onnx_writer
import pytest
from waiting import ready
from zygote_driver import BUILTIN, Limits, ZygoteDriver

ROOMY = Limits(memory_bytes=1 << 30, output_bytes=64 << 20, cpu_s=60, wall_s=120)


@pytest.fixture(scope="module")
def zygote():
    with ZygoteDriver("native") as driver:
        yield driver


def npy(array) -> bytes:
    out = io.BytesIO()
    numpy.save(out, array)
    return out.getvalue()


def predict(zygote, model, data, limits=ROOMY, **arguments):
    return zygote.run("", entry="onnx_predict", kind=BUILTIN, arguments=arguments, inputs={"model": model, "data": data},
                      outputs=["predictions"], limits=limits)


def classify(zygote, model, images, labels=None, **arguments):
    inputs = {"model": model, "images": images} | ({"labels": labels} if labels is not None else {})
    return zygote.run("", entry="classify_images", kind=BUILTIN, arguments=arguments, inputs=inputs, outputs=["classes"],
                      limits=ROOMY)


def table(report):
    assert report.status == "DONE", report
    lines = report.outputs["predictions"].decode().splitlines()
    return lines[0].split(","), numpy.array([[float(x) for x in line.split(",")] for line in lines[1:]])


def mlp(rng, sizes, dims=None):
    """A network of Gemm and Relu and what it computes."""
    graph = onnx_writer.Graph()
    x = graph.input("x", dims or [None, sizes[0]])
    layers = [(rng.normal(0, inputs ** -0.5, (inputs, outputs)).astype("float32"), rng.normal(0, 1, outputs).astype("float32"))
              for inputs, outputs in zip(sizes, sizes[1:])]
    for i, (weights, bias) in enumerate(layers):
        x = graph.node("Gemm", x, graph.constant(weights), graph.constant(bias))
        x = graph.node("Relu", x) if i + 1 < len(layers) else x
    graph.output(x, [None, sizes[-1]])

    def compute(data):
        for i, (weights, bias) in enumerate(layers):
            data = data @ weights.astype(float) + bias
            data = numpy.maximum(data, 0) if i + 1 < len(layers) else data
        return data
    return graph.model(), compute


def test_network_from_csv_and_npy(zygote):
    rng = numpy.random.default_rng(1)
    model, compute = mlp(rng, [5, 33, 3])
    data = rng.normal(0, 1, (1000, 5)).astype("float32")
    csv = "a,b,c,d,e\n" + "".join(",".join(map(repr, map(float, row))) + "\n" for row in data)
    report = predict(zygote, model, csv.encode())
    names, got = table(report)
    assert len(names) == 3 and numpy.allclose(got, compute(data), rtol=1e-5, atol=1e-5)
    assert report.result == {"rows": 1000, "inputs": [{"name": "x", "type": "float", "shape": [None, 5]}],
                             "outputs": [{"name": names[0][:-2], "type": "float", "shape": [None, 3]}]}
    for batch in (1, 7, 65536):
        report = predict(zygote, model, npy(data.astype("f8")), form="npy", batch=batch)
        assert report.status == "DONE", report
        array = numpy.load(io.BytesIO(report.outputs["predictions"]))
        assert array.dtype == numpy.float32 and numpy.allclose(array, got, rtol=1e-5, atol=1e-6)


def test_fixed_batch_and_one_row(zygote):
    rng = numpy.random.default_rng(2)
    model, compute = mlp(rng, [4, 2], dims=[8, 4])
    for rows in (1, 8, 21):
        data = rng.normal(0, 1, (rows, 4))
        _, got = table(predict(zygote, model, npy(data)))
        assert got.shape == (rows, 2) and numpy.allclose(got, compute(data), rtol=1e-5, atol=1e-5)


def test_digits(zygote):
    """A network trained by scikit-learn: the same classes, the same probabilities to 5 digits."""
    sklearn = pytest.importorskip("sklearn.neural_network", reason="NOT INSTALLED: scikit-learn")
    from sklearn.datasets import load_digits
    digits = load_digits()
    train, test = digits.data[:1200] / 16, digits.data[1200:] / 16
    classifier = sklearn.MLPClassifier((40,), max_iter=60, random_state=1).fit(train, digits.target[:1200])
    graph = onnx_writer.Graph()
    x = graph.input("x", [None, 64])
    for i, (weights, bias) in enumerate(zip(classifier.coefs_, classifier.intercepts_)):
        x = graph.node("Add", graph.node("MatMul", x, graph.constant(weights.astype("f4"))),
                       graph.constant(bias.astype("f4")))
        x = graph.node("Relu", x) if i == 0 else x
    x = graph.node("Softmax", x, outputs=["probability"], axis=1)
    graph.output(x, [None, 10])
    graph.output(graph.node("ArgMax", x, outputs=["label"], axis=1, keepdims=0), [None], "int64")
    names, got = table(predict(zygote, graph.model(), npy(test)))
    assert names == [f"probability_{i}" for i in range(10)] + ["label"]
    assert (got[:, 10] == classifier.predict(test)).all() and (got[:, 10] == digits.target[1200:]).mean() > 0.9
    assert numpy.allclose(got[:, :10], classifier.predict_proba(test), atol=1e-5)
    only, labels = table(predict(zygote, graph.model(), npy(test), tensor="label"))
    assert only == ["label"] and (labels[:, 0] == got[:, 10]).all()


def below(threshold):
    """The largest float32 that is not above: x <= threshold means the same for float32 x."""
    rounded = numpy.float32(threshold)
    return float(numpy.nextafter(rounded, numpy.float32(-numpy.inf)) if rounded > threshold else rounded)


def forest_model(forest, regression, features):
    """A scikit-learn forest as a TreeEnsemble."""
    lists = {key: [] for key in ("nodes_treeids", "nodes_nodeids", "nodes_featureids", "nodes_values", "nodes_modes",
                                 "nodes_truenodeids", "nodes_falsenodeids")}
    ids, nodes, trees, weights = [], [], [], []
    for t, estimator in enumerate(forest.estimators_):
        tree = estimator.tree_
        for n in range(tree.node_count):
            leaf = tree.children_left[n] < 0
            values = (t, n, max(tree.feature[n], 0), below(tree.threshold[n]) if not leaf else 0.0,
                      "LEAF" if leaf else "BRANCH_LEQ", max(tree.children_left[n], 0), max(tree.children_right[n], 0))
            for key, value in zip(lists, values):
                lists[key].append(value)
            if leaf:
                row = tree.value[n][0]
                for c, weight in enumerate(row if regression else row / row.sum()):
                    ids.append(c)
                    nodes.append(n)
                    trees.append(t)
                    weights.append(float(weight) / len(forest.estimators_))
    graph = onnx_writer.Graph()
    x = graph.input("x", [None, features])
    if regression:
        graph.output(graph.node("TreeEnsembleRegressor", x, outputs=["y"], domain="ai.onnx.ml", n_targets=1, target_ids=ids,
                                target_nodeids=nodes, target_treeids=trees, target_weights=weights, **lists), [None, 1])
    else:
        label, probability = graph.node(
            "TreeEnsembleClassifier", x, outputs=["label", "p"], domain="ai.onnx.ml", class_ids=ids, class_nodeids=nodes,
            class_treeids=trees, class_weights=weights, classlabels_strings=["setosa", "versi\"color", "virginica"], **lists)
        graph.output(label, [None], "int64")
        graph.output(graph.node("ZipMap", probability, outputs=["map"], domain="ai.onnx.ml",
                                classlabels_strings=["setosa", "versi\"color", "virginica"]), [None, 3])
    return graph.model()


def test_trees(zygote):
    ensemble = pytest.importorskip("sklearn.ensemble", reason="NOT INSTALLED: scikit-learn")
    from sklearn.datasets import load_diabetes, load_iris
    iris = load_iris()
    data = iris.data.astype("f4")
    forest = ensemble.RandomForestClassifier(20, random_state=1).fit(data, iris.target)
    model = forest_model(forest, False, 4)
    report = predict(zygote, model, npy(data))
    lines = report.outputs["predictions"].decode().splitlines()
    assert lines[0] == "label,map_0,map_1,map_2"
    names = ["setosa", '"versi""color"', "virginica"]
    for line, label, probabilities in zip(lines[1:], forest.predict(data), forest.predict_proba(data), strict=True):
        fields = line.rsplit(",", 3)
        assert fields[0] == names[label] and numpy.allclose([float(x) for x in fields[1:]], probabilities, atol=1e-5)
    diabetes = load_diabetes()
    data = diabetes.data.astype("f4")
    forest = ensemble.RandomForestRegressor(10, random_state=1).fit(data, diabetes.target)
    _, got = table(predict(zygote, forest_model(forest, True, 10), npy(data)))
    assert numpy.allclose(got[:, 0], forest.predict(data), rtol=1e-5)


@pytest.mark.parametrize("weights, transform, wanted", [
    ([0.2, 0.8], "NONE", [[7, 0.8, 0.2], [8, 0.2, 0.8]]), ([-0.7, 0.4], "NONE", [[7, 0.7, -0.7], [8, -0.4, 0.4]]),
    ([-0.7, 0.4], "LOGISTIC", [[7, 0.668187737, 0.331812263], [8, 0.401312351, 0.598687649]]),  # ONNX Runtime's answers
    ([0.2, 0.8], "LOGISTIC", None), ([0.2, 0.8], "SOFTMAX", None),
])
def test_trees_with_weights_of_one_class(zygote, weights, transform, wanted):
    graph = onnx_writer.Graph()
    label, p = graph.node(
        "TreeEnsembleClassifier", graph.input("x", [None, 1]), outputs=["l", "p"], domain="ai.onnx.ml",
        nodes_treeids=[0] * 3, nodes_nodeids=[0, 1, 2], nodes_featureids=[0] * 3, nodes_values=[0.5, 0.0, 0.0],
        nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF"], nodes_truenodeids=[1, 0, 0], nodes_falsenodeids=[2, 0, 0],
        class_ids=[0, 0], class_nodeids=[1, 2], class_treeids=[0, 0], class_weights=weights, classlabels_int64s=[7, 8],
        post_transform=transform)
    graph.output(label, [None], "int64")
    graph.output(p, [None, 2])
    report = predict(zygote, graph.model(), b"0\n1\n")
    if wanted is None:
        assert report.status == "BUILTIN_FAILED" and "does not say what they mean" in report.message
    else:
        assert numpy.allclose(table(report)[1], wanted, atol=1e-6)


@pytest.mark.parametrize("yes, no, text", [
    ([1, 1, 0], [2, 2, 0], "has two parents"), ([0, 0, 0], [2, 0, 0], "have a loop"), ([1, 0, 0], [0, 0, 0], "have a loop"), ([1, 0, 0], [9, 0, 0], "is not there"),
    ([1, 0, 0], [1, 0, 0], "has two parents"),
])
def test_trees_that_are_none(zygote, yes, no, text):
    graph = onnx_writer.Graph()
    modes = ["BRANCH_LEQ", "BRANCH_LEQ" if no[1] else "LEAF", "LEAF"]
    graph.output(graph.node(
        "TreeEnsembleRegressor", graph.input("x", [None, 1]), domain="ai.onnx.ml", nodes_treeids=[0] * 3,
        nodes_nodeids=[0, 1, 2], nodes_featureids=[0] * 3, nodes_values=[0.0] * 3, nodes_modes=modes, nodes_truenodeids=yes,
        nodes_falsenodeids=no, target_ids=[0], target_nodeids=[2], target_treeids=[0], target_weights=[1.0], n_targets=1),
        [None, 1])
    report = predict(zygote, graph.model(), b"0\n1\n")
    assert report.status == "BUILTIN_FAILED" and (text in report.message or "two roots" in report.message), report


def test_cancelled_between_batches(zygote):
    model, _ = mlp(numpy.random.default_rng(7), [64, 512, 512, 512, 3])
    data = npy(numpy.ones((20000, 64), "f4"))
    report = builtin_models.cancel(zygote, "onnx_predict", {"model": model, "data": data}, ["predictions"], batch=1)
    assert report.status == "CANCELLED", report


def test_linear_models(zygote):
    rng = numpy.random.default_rng(3)
    data = rng.normal(0, 1, (50, 3)).astype("f4")
    weights, bias = rng.normal(0, 1, (4, 3)).astype("f4"), rng.normal(0, 1, 4).astype("f4")
    offset, scale = [1.0, 2.0, -1.0], [0.5, 0.25, 3.0]
    graph = onnx_writer.Graph()
    x = graph.node("Scaler", graph.input("x", [None, 3]), domain="ai.onnx.ml", offset=offset, scale=scale)
    label, scores = graph.node("LinearClassifier", x, outputs=["label", "scores"], domain="ai.onnx.ml",
                               coefficients=weights.ravel().tolist(), intercepts=bias.tolist(),
                               classlabels_ints=[10, 20, 30, 40], post_transform="SOFTMAX", multi_class=1)
    graph.output(label, [None], "int64")
    graph.output(graph.node("Normalizer", scores, outputs=["p"], domain="ai.onnx.ml", norm="L1"), [None, 4])
    graph.output(graph.node("LinearRegressor", x, outputs=["r"], domain="ai.onnx.ml", targets=4,
                            coefficients=weights.ravel().tolist(), intercepts=bias.tolist()), [None, 4])
    _, got = table(predict(zygote, graph.model(), npy(data)))
    linear = ((data - offset) * scale) @ weights.T.astype(float) + bias
    power = numpy.exp(linear - linear.max(1, keepdims=True))
    assert (got[:, 0] == 10 + 10 * linear.argmax(1)).all()
    assert numpy.allclose(got[:, 1:5], power / power.sum(1, keepdims=True), atol=1e-5)
    assert numpy.allclose(got[:, 5:], linear, rtol=1e-4, atol=1e-4)


def test_columns_by_name(zygote):
    graph = onnx_writer.Graph()
    a, b = graph.input("a", [None, 1]), graph.input("b", [None, 1], "int64")
    graph.output(graph.node("Sub", a, graph.node("Cast", b, to=1), outputs=["d"]), [None, 1])
    assert table(predict(zygote, graph.model(), b"b,c,a\n1,0,5\n2,0,9\n"))[1].tolist() == [[4], [7]]
    assert table(predict(zygote, graph.model(), b"5,1\n9,2\n"))[1].tolist() == [[4], [7]]
    report = predict(zygote, graph.model(), b"5,1.5\n")
    assert report.status == "BUILTIN_FAILED" and "1.5 is not a number of the model's type int64" in report.message


def test_image_networks_against_a_plain_convolution(zygote):
    """Convolutions of every sort, each computed by numpy in double precision."""
    rng = numpy.random.default_rng(4)
    for channels, outputs, kernel, stride, pad, dilation, group, size in (
            (3, 8, 3, 1, 1, 1, 1, 17), (4, 12, 3, 2, 1, 1, 2, 20), (8, 8, 3, 1, 1, 1, 8, 33), (8, 16, 5, 2, 2, 1, 8, 19),
            (5, 7, 1, 1, 0, 1, 1, 9), (6, 7, 1, 2, 0, 1, 1, 11), (2, 30, 3, 1, 2, 2, 1, 12), (3, 5, 7, 3, 3, 1, 1, 40)):
        weights = rng.normal(0, 1, (outputs, channels // group, kernel, kernel)).astype("f4")
        bias = rng.normal(0, 1, outputs).astype("f4")
        data = rng.normal(0, 1, (3, channels, size, size)).astype("f4")
        graph = onnx_writer.Graph()
        x = graph.node("Conv", graph.input("x", ["n", channels, size, size]), graph.constant(weights), graph.constant(bias),
                       kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[pad] * 4, dilations=[dilation] * 2, group=group)
        out = (size + 2 * pad - dilation * (kernel - 1) - 1) // stride + 1
        graph.output(x, ["n", outputs, out, out])
        report = predict(zygote, graph.model(), npy(data), form="npy", batch=2)
        assert report.status == "DONE", report
        padded = numpy.pad(data.astype(float), ((0, 0), (0, 0), (pad, pad), (pad, pad)))
        wanted = numpy.zeros((3, outputs, out, out)) + bias[:, None, None]
        each = outputs // group
        for o in range(outputs):
            for c in range(channels // group):
                for y in range(kernel):
                    for x in range(kernel):
                        top, left = y * dilation, x * dilation
                        wanted[:, o] += weights[o, c, y, x] * padded[:, o // each * (channels // group) + c,
                                                                     top:top + stride * out:stride,
                                                                     left:left + stride * out:stride][:, :out, :out]
        got = numpy.load(io.BytesIO(report.outputs["predictions"]))
        assert numpy.allclose(got, wanted, rtol=1e-4, atol=1e-4)


def small_graph(operation="Relu", shape=(None, 2), inputs=(), domain="", opset=13, **attributes):
    graph = onnx_writer.Graph()
    x = graph.input("x", list(shape))
    graph.output(graph.node(operation, x, *[graph.constant(numpy.array(i)) for i in inputs], domain=domain, **attributes),
                 list(shape))
    return graph.model(opset)


@pytest.mark.parametrize("model, text", [
    (b"", "is not an ONNX file"), (b"\x00", "is not an ONNX file"), (b"hello", "is not an ONNX file"),
    (small_graph("NonMaxSuppression"), "node 0 'node1' (NonMaxSuppression): this operator is not supported"),
    (small_graph("Relu", domain="com.example"), "its domain is com.example"),
    (small_graph("Relu", alpha=1.0), "attribute 'alpha' is not supported"),
    (small_graph("LeakyRelu", alpha=1), "attribute 'alpha' has another type"),
    (small_graph(opset=99), "operator set 99 is not supported"),
    (small_graph("Concat", axis=7), "axis 7 is outside"),
    (small_graph("Reshape", inputs=[[3, -1]]), "do not fit into rows of 3"),
    (small_graph("Reshape", inputs=[[1 << 40, 1 << 40]]), "multiply to more"),
    (small_graph("Expand", inputs=[[1 << 30, 1 << 20, 2]]), "would need more than"),
    (small_graph("Gather", inputs=[[5]], axis=1), "index 5 is outside of 2"),
    (small_graph("Div", inputs=[numpy.array([0.0])]), "types float and double"),
    (small_graph("Conv", inputs=[numpy.zeros((1, 1, 1, 1), "f4")]), "4 and 4, or 3 and 3"),
])
def test_models_that_are_refused(zygote, model, text):
    report = predict(zygote, model, b"1,2\n")
    assert report.status == "BUILTIN_FAILED" and text in report.message and len(report.message) < 256, report


def test_graphs_that_are_refused(zygote):
    graph = onnx_writer.Graph()
    x = graph.input("x", [None, 2])
    graph.node("Add", x, "later", outputs=["y"])
    graph.node("Relu", "y", outputs=["later"])
    graph.output("later", [None, 2])
    assert "'later' is not made before it is used" in predict(zygote, graph.model(), b"1,2\n").message
    graph = onnx_writer.Graph()
    graph.node("Relu", graph.input("x", [None, 2]), outputs=["x"])
    graph.output("x", [None, 2])
    assert "value 'x' is made twice" in predict(zygote, graph.model(), b"1,2\n").message
    graph = onnx_writer.Graph()
    external = (onnx_writer.field(1, 2) + onnx_writer.field(2, 1) + onnx_writer.field(8, "w")
                + onnx_writer.field(13, b"") + onnx_writer.field(14, 1))
    graph.parts[5].append(external)
    graph.output(graph.node("Add", graph.input("x", [None, 2]), "w"), [None, 2])
    assert "in another file, which is refused" in predict(zygote, graph.model(), b"1,2\n").message


@pytest.mark.parametrize("data, text", [
    (b"", "data"), (b"a,b\n", "data"), (b"1\n", "takes 2 numbers for each row, the data have 1"), (b"1,2\n3\n", "row 2"),
    (b"1,x\n", "row 1"), (b"1,\n", "row 1"), (b"1,inf\n", "row 1"), (npy(numpy.zeros((0, 2))), "is empty"),
    (npy(numpy.zeros((2, 2)))[:-1], "31 bytes are there"), (npy(numpy.asfortranarray(numpy.zeros((3, 2)))), "Fortran"),
    (npy(numpy.zeros((2, 3))), "takes 2 numbers"), (npy(numpy.zeros(())), "single number"),
])
def test_data_that_are_refused(zygote, data, text):
    report = predict(zygote, small_graph(), data)
    assert report.status == "BUILTIN_FAILED" and text in report.message, report


def test_missing_fields_and_arguments(zygote):
    report = predict(zygote, small_graph("Relu"), b"1,\n", missing=True)
    assert report.outputs["predictions"].decode().splitlines()[1] == "1.0,"
    assert predict(zygote, small_graph(), b"1,2\n", tensor="z").status == "BAD_ARGUMENT"
    assert predict(zygote, small_graph(), b"1,2\n", batch=0).status == "BAD_ARGUMENT"
    assert predict(zygote, small_graph(), b"1,2\n", form="xml").status == "BAD_ARGUMENT"
    assert predict(zygote, small_graph(), b"1,2\n", more=1).status == "BAD_ARGUMENT"


def test_every_byte_flipped(zygote):
    """Of a model with trees, a table and a list: an answer or a message, always."""
    sklearn = pytest.importorskip("sklearn.ensemble", reason="NOT INSTALLED: scikit-learn")
    data = numpy.random.default_rng(5).normal(0, 1, (40, 3)).astype("f4")
    model = forest_model(sklearn.RandomForestRegressor(2, max_depth=2, random_state=1).fit(data, data[:, 0]), True, 3)
    report = zygote.run("""
import cella
def main(model, data):
    counts = {}
    model, data = model.read(), data.read()
    for i in range(len(model)):
        for mask in (1, 128):
            changed = bytearray(model)
            changed[i] ^= mask
            try:
                cella.builtins.onnx_predict(bytes(changed), data)
                word = "done"
            except Exception as error:
                word = type(error).__name__
                assert str(error)
            counts[word] = counts.get(word, 0) + 1
    return counts
""", inputs={"model": model, "data": npy(data)}, limits=ROOMY)
    assert report.status == "DONE", report
    assert report.result["done"] > 100 and sum(report.result.values()) == 2 * len(model)


def test_memory_limit(zygote):
    model = small_graph("Expand", inputs=[[1 << 13, 1 << 14, 2]])
    report = predict(zygote, model, b"1,2\n", limits=Limits(memory_bytes=256 << 20))
    assert report.status == "LIMIT_MEMORY", report


def test_the_page_lists_the_operators():
    """docs/onnx.md has the engine's table of operators."""
    root = pathlib.Path(__file__).resolve().parents[2]
    table_text = (root / "builtins/native/onnx_operators.c").read_text()
    page = (root / "docs/onnx.md").read_text().split("## 2. Operators")[1].split("## 3.")[0]
    core, ml = (set(re.findall(r"`([A-Z]\w+)`", part)) for part in page.split("`ai.onnx.ml`:"))
    assert core == set(re.findall(r'(?:\{ "", |UNARY\()"(\w+)"', table_text))
    assert ml == set(re.findall(r'\{ ML, "(\w+)"', table_text))


def grown(graph, *shape):
    """A value of this shape that depends on the input, which is two numbers."""
    x = graph.node("ReduceSum", graph.input("x", [1, 2]), graph.constant(numpy.array([0, 1])), keepdims=0)
    return graph.node("Expand", x, graph.constant(numpy.array(shape)))


def finished(graph, value):
    graph.output(value, [None, None])
    return graph.model()


def wide_pool(graph):
    x = graph.input("x", [1, 1, 1, 2])
    return graph.node("AveragePool", x, kernel_shape=[4096, 4096], pads=[4095] * 4, count_include_pad=1)


def square(graph, operation, size=10100, **attributes):
    x = grown(graph, size, size)
    return graph.node(operation, x, x, **attributes)


YEARS = {
    "MatMul": lambda graph: square(graph, "MatMul"),
    "Gemm": lambda graph: square(graph, "Gemm", transB=1, alpha=1.0),
    "Conv": lambda graph: graph.node("Conv", grown(graph, 1, 1, 2000, 2000), grown_kernel(graph, 4, 1, 1000, 1000)),
    "MatMul of many": lambda graph: graph.node("MatMul", grown(graph, 1000, 1, 100, 1000), grown_kernel(graph, 1, 1000, 1000, 1)),
    "depthwise Conv": lambda graph: graph.node("Conv", grown(graph, 1, 2, 3000, 3000), grown_kernel(graph, 2, 1, 1500, 1500),
                                               group=2),
    "AveragePool": wide_pool,
    "MaxPool": lambda graph: graph.node("MaxPool", grown(graph, 1, 1, 5000, 5000), kernel_shape=[2000, 2000]),
    "LRN": lambda graph: graph.node("LRN", grown(graph, 1, 40000, 1500), size=1 << 20),
    "fmod": lambda graph: graph.node("Mod", grown(graph, 8000, 8000), graph.constant(numpy.array([3], "f4")), fmod=1),
}


def grown_kernel(graph, *shape):
    return graph.node("ConstantOfShape", graph.constant(numpy.array(shape)))


@pytest.mark.parametrize("name", YEARS)
def test_a_small_model_that_would_compute_for_years(zygote, name):
    """A few hundred bytes: refused before the node begins, by its name, with how much it asked for."""
    graph = onnx_writer.Graph()
    model = finished(graph, YEARS[name](graph))
    report = predict(zygote, model, npy(numpy.ones((1, 1, 1, 2) if name == "AveragePool" else (1, 2), "f4")))
    assert len(model) < 500 and report.status == "BUILTIN_FAILED", report
    found = re.search(r"model: node \d+ '(\w+)' \((\w+)\): it would take (\S+) steps, (\S+) with what comes before it; "
                      r"at most 1e\+12 for 1 example$", report.message)
    assert found and found[2] in (name, "Mod", *name.split()) and 1e12 < float(found[4]) < 1e16, report
    assert report.exit["user_us"] + report.exit["system_us"] < 2_000_000, report.exit


def sums_of_windows(data, height, width):
    """Of each place of an image, in double precision."""
    total = numpy.pad(data.astype(float), ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    return total[height:, width:] - total[:-height, width:] - total[height:, :-width] + total[:-height, :-width]


@pytest.mark.parametrize("threads", [0, 2])
def test_work_that_is_done_in_parts(zygote, threads):
    """Products and windows so large that they are divided: by rows, inside of a row, with and without other threads."""
    rng = numpy.random.default_rng(12)
    limits = Limits(memory_bytes=1 << 30, output_bytes=64 << 20, cpu_s=60, wall_s=120, threads=threads)

    for shape, kernel in (((300, 320), (100, 110)), ((1, 30000), (1, 14000))):
        data = rng.random((2, *shape)).astype("f4")
        wanted = numpy.stack([sums_of_windows(channel, *kernel) for channel in data])
        graph = onnx_writer.Graph()
        x = graph.input("x", [1, 2, *shape])
        weights = graph.constant(numpy.array([numpy.full((1, *kernel), factor) for factor in (0.5, -2)], "f4"))
        y = graph.node("Conv", x, weights, group=2)
        z = graph.node("AveragePool", x, kernel_shape=list(kernel))
        graph.output(graph.node("Concat", y, z, axis=1), [1, 4, None, None])
        got = predicted_at_once(zygote, graph, data[None], limits)[0]
        assert numpy.allclose(got[2:] * numpy.prod(kernel), wanted, rtol=1e-3)
        assert numpy.allclose(got[:2], wanted * [[[0.5]], [[-2]]], rtol=1e-3)
    a, b = rng.random((1100, 700)).astype("f4"), rng.random((700, 900)).astype("f4")
    graph = onnx_writer.Graph()
    graph.output(graph.node("MatMul", graph.input("x", [None, 700]), graph.constant(b)), [None, 900])
    assert numpy.allclose(predicted_at_once(zygote, graph, a, limits), a.astype(float) @ b, rtol=1e-4)


def predicted_at_once(zygote, graph, data, limits):
    report = predict(zygote, graph.model(), npy(data), form="npy", limits=limits, batch=len(data))
    assert report.status == "DONE", report
    return numpy.load(io.BytesIO(report.outputs["predictions"]))


@pytest.mark.parametrize("channels, outputs, size, kernel, stride", [(128, 128, 14, 3, 1), (160, 320, 7, 1, 1), (96, 96, 21, 5, 2)])
def test_threads_do_not_change_a_bit(zygote, channels, outputs, size, kernel, stride):
    """Few pixels and many channels: two threads need the same columns."""
    rng = numpy.random.default_rng(channels)
    graph = onnx_writer.Graph()
    x = graph.input("x", [None, channels, size, size])
    weights = graph.constant(rng.normal(size=(outputs, channels, kernel, kernel)).astype("f4"))
    graph.output(graph.node("Conv", x, weights, pads=[kernel // 2] * 4, strides=[stride] * 2), [None, outputs, None, None])
    data = rng.normal(size=(1, channels, size, size)).astype("f4")
    one, two = (predicted_at_once(zygote, graph, data, Limits(memory_bytes=1 << 30, output_bytes=64 << 20, threads=threads))
                for threads in (0, 1))
    assert numpy.array_equal(one, two)


LARGE = {
    "Expand": lambda graph: grown(graph, 1 << 13, 1 << 14),
    "Tile": lambda graph: graph.node("Tile", graph.input("x", [1, 2]), graph.constant(numpy.array([1 << 13, 1 << 13]))),
    "Pad": lambda graph: graph.node("Pad", graph.input("x", [1, 2]), graph.constant(numpy.array([0, 0, 0, 1 << 28]))),
    "ConstantOfShape": lambda graph: graph.node("Add", graph.input("x", [1, 2]), grown_kernel(graph, 1 << 27, 2)),
    "Range": lambda graph: graph.node("Add", graph.input("x", [1, 2]), graph.node(
        "Cast", graph.node("Range", *[graph.constant(numpy.array(n)) for n in (0, 300_000_000, 1)]), to=1)),
    "Gather": lambda graph: graph.node("Gather", grown(graph, 2, 1 << 20), grown_places(graph, 1000)),
    "Concat": lambda graph: doubled(graph),
    "ReduceMax": lambda graph: graph.node("ReduceMax", grown(graph, 5000, 8000), axes=[0]),
    "TopK": lambda graph: graph.node("TopK", grown(graph, 1, 30_000_000), graph.constant(numpy.array([30_000_000])), outputs=2)[0],
    "MatMul": lambda graph: graph.node("MatMul", grown(graph, 20000, 1), grown_kernel(graph, 1, 20000)),
    "Where": lambda graph: graph.node("Where", graph.constant(numpy.array([True])), grown(graph, 7000, 7000),
                                      graph.constant(numpy.array([1], "f4"))),
}


def grown_places(graph, count):
    return graph.node("Cast", grown_kernel(graph, count), to=7)


def doubled(graph):
    x = graph.input("x", [1, 2])
    for _ in range(40):
        x = graph.node("Concat", x, x, axis=1)
    return x


@pytest.mark.parametrize("name", LARGE)
def test_values_that_do_not_fit(zygote, name):
    """The task's memory bounds what a model makes: a message that names the node, never a crash; the same in a script."""
    graph = onnx_writer.Graph()
    model = finished(graph, LARGE[name](graph))
    limits = Limits(memory_bytes=256 << 20, cpu_s=20, wall_s=60)
    report = predict(zygote, model, b"1,2\n", limits=limits)
    assert report.status == "LIMIT_MEMORY" and len(model) < 6000, report
    assert re.search(rf"\({name}\): (float|double|int64) of \d+( x \d+)* does not fit into the task's memory beside \d+ bytes",
                     report.message), report


def test_values_that_do_not_fit_in_a_script(zygote):
    model = small_graph("Expand", inputs=[[1 << 13, 1 << 14, 1]])
    script = "import cella\ndef main(model):\n    {}cella.builtins.onnx_predict(model.read(), b'1,2\\n'){}\n"
    limits = Limits(memory_bytes=256 << 20)
    report = zygote.run(script.format("", ""), inputs={"model": model}, limits=limits)
    assert report.status == "LIMIT_MEMORY", report
    caught = script.format("try: ", "\n    except MemoryError as error: return str(error)")
    report = zygote.run(caught, inputs={"model": model}, limits=limits)
    assert report.status == "DONE" and "(Expand): float of 8192 x 16384 x 2 does not fit" in report.result, report


LONG = {
    "MatMul": lambda graph: graph.node("MatMul", grown(graph, 8192, 4096), grown_kernel(graph, 4096, 8192)),
    "Conv": lambda graph: graph.node("Conv", grown(graph, 1, 1, 2048, 2048), grown_kernel(graph, 1, 1, 200, 200)),
    "depthwise Conv": lambda graph: graph.node("Conv", grown(graph, 1, 2, 1500, 1500), grown_kernel(graph, 2, 1, 500, 500), group=2),
    "MaxPool": lambda graph: graph.node("MaxPool", grown(graph, 1, 1, 3000, 3000), kernel_shape=[250, 250]),
    "TopK": lambda graph: graph.node("TopK", graph.node("Softplus", grown(graph, 1, 16_000_000)),
                                     graph.constant(numpy.array([16_000_000])), outputs=2)[0],
    "LRN": lambda graph: graph.node("LRN", grown(graph, 1, 8000, 3000), size=1 << 13),
}


@pytest.mark.parametrize("threads", [0, 1])
@pytest.mark.parametrize("name", ["MatMul", "Conv"])
def test_cancelled_inside_one_node(zygote, name, threads):
    cancel_inside(zygote, name, threads)


@pytest.mark.parametrize("name", ["depthwise Conv", "MaxPool", "TopK", "LRN"])
def test_cancelled_inside_one_node_of_another_sort(zygote, name):
    cancel_inside(zygote, name, 0)


def cancel_inside(zygote, name, threads):
    """The call says that it goes on while one node computes for long, and ends soon after it was asked to."""
    graph = onnx_writer.Graph()
    model = finished(graph, LONG[name](graph))
    cell, targets = zygote.start("", entry="onnx_predict", kind=BUILTIN, arguments={}, inputs={"model": model, "data": b"1,2\n"},
                                 outputs=["predictions"],
                                 limits=Limits(memory_bytes=2 << 30, output_bytes=64 << 20, cpu_s=300, wall_s=300, threads=threads))
    assert ready([cell.link], [], 20)[0] and cell.link.recv(65536)  # the first word comes before the model is run
    assert not ready([cell.link], [], 0.8)[0]  # longer than the other nodes take
    begun = time.monotonic()
    signal.pidfd_send_signal(cell.handle, signal.SIGTERM)
    report = zygote.collect(cell, targets, timeout=60)
    assert report.status == "CANCELLED" and time.monotonic() - begun < 3, (report, time.monotonic() - begun)


# Operators of which ONNX has no conformance tests that this engine takes.

ML = {"domain": "ai.onnx.ml"}


def one_node(operation, *, columns=3, constants=(), dtype="float32", opset=13, **attributes):
    graph = onnx_writer.Graph()
    x = graph.input("x", [None, columns], dtype)
    graph.output(graph.node(operation, x, *[graph.constant(constant) for constant in constants], outputs=["y"], **attributes), [None, None])
    return graph.model(opset)


def computed(zygote, model, data, **arguments):
    report = predict(zygote, model, npy(data), form="npy", **arguments)
    assert report.status == "DONE", report
    return numpy.load(io.BytesIO(report.outputs["predictions"]))


def test_imputer_and_binarizer_as_scikit_learn(zygote):
    impute = pytest.importorskip("sklearn.impute", reason="NOT INSTALLED: scikit-learn")
    from sklearn.preprocessing import Binarizer
    rng = numpy.random.default_rng(8)
    whole = rng.integers(-2, 4, (50, 3)).astype("f4")
    for missing in (numpy.nan, -1.0):
        data = numpy.where(whole == -1, numpy.float32(missing), whole)
        imputer = impute.SimpleImputer(missing_values=missing, strategy="mean").fit(data)
        model = one_node("Imputer", imputed_value_floats=imputer.statistics_.tolist(), replaced_value_float=float(missing), **ML)
        if missing == -1.0:
            assert numpy.allclose(computed(zygote, model, data), imputer.transform(data), rtol=1e-6)
        else:  # arrays have no NaN for the engine, tables have missing fields
            csv = "".join(",".join("" if v != v else repr(float(v)) for v in row) + "\n" for row in data)
            _, got = table(predict(zygote, model, ("a,b,c\n" + csv).encode(), missing=True))
            assert numpy.allclose(got, imputer.transform(data), rtol=1e-6)
    one = one_node("Imputer", imputed_value_floats=[9.5], replaced_value_float=2.0, **ML)
    assert (computed(zygote, one, whole) == numpy.where(whole == 2, 9.5, whole)).all()
    numbers = one_node("Imputer", dtype="int64", imputed_value_floats=[1.0, 2.0, 3.0], **ML)  # 0 is replaced if nothing is said
    assert (computed(zygote, numbers, whole) == numpy.where(whole == 0, [1, 2, 3], whole)).all()
    data = numpy.concatenate([rng.normal(0, 1, (40, 3)), [[0.5, numpy.nextafter(numpy.float32(0.5), 1), -0.5]]]).astype("f4")
    for threshold in (0.5, 0.0, -3.0):
        got = computed(zygote, one_node("Binarizer", threshold=threshold, **ML), data)
        assert (got == Binarizer(threshold=threshold).transform(data)).all() and got.dtype == numpy.float32
    assert (computed(zygote, one_node("Binarizer", **ML), data) == (data > 0)).all()


def test_feature_vectorizer_and_extractor_as_numpy(zygote):
    rng = numpy.random.default_rng(9)
    data = rng.integers(-50, 50, (20, 6)).astype("f4")
    for dimensions in ({}, {"inputdimensions": [1, 3, 2]}):
        graph = onnx_writer.Graph()
        parts = [graph.input("a", [None, 1]), graph.input("b", [None, 3], "int64"), graph.input("c", [None, 2], "float64")]
        graph.output(graph.node("FeatureVectorizer", parts[0], parts[1], parts[2], outputs=["y"], **dimensions, **ML), [None, 6])
        got = computed(zygote, graph.model(), data)
        assert (got == data).all() and got.dtype == numpy.float32
    graph = onnx_writer.Graph()
    a, b = graph.input("a", [None, 4]), graph.input("b", [None, 2])
    graph.output(graph.node("FeatureVectorizer", b, a, b, outputs=["y"], **ML), [None, 8])
    assert (computed(zygote, graph.model(), data) == numpy.hstack([data[:, 4:], data[:, :4], data[:, 4:]])).all()
    for places in ([0], [5, 0, 5, 2], [1, 2, 3]):
        for dtype in ("float32", "int64", "float64", "int32"):
            model = one_node("ArrayFeatureExtractor", columns=6, constants=[numpy.array(places)], dtype=dtype, **ML)
            got = computed(zygote, model, data)
            assert (got == data[:, places]).all() and got.dtype == dtype
    labels = onnx_writer.Graph()  # the label of the most probable class, as converters write it
    x = labels.input("x", [None, 6])
    best = labels.node("ArgMax", x, axis=1, keepdims=0)
    y = labels.node("ArrayFeatureExtractor", labels.constant(numpy.array([10, 11, 12, 13, 14, 15])), best, **ML)
    labels.output(labels.node("Reshape", y, labels.constant(numpy.array([-1]))), [None], "int64")
    assert (computed(zygote, labels.model(), data) == 10 + data.argmax(1)).all()


def test_norms_and_sums_of_powers_as_scipy(zygote):
    special = pytest.importorskip("scipy.special", reason="NOT INSTALLED: scipy")
    data = numpy.random.default_rng(10).normal(0, 30, (30, 4)).astype("f4")
    for p in (1, 2):
        got = computed(zygote, one_node("LpNormalization", columns=4, axis=-1, p=p), data)
        assert numpy.allclose(got, data / numpy.linalg.norm(data.astype(float), p, axis=1, keepdims=True), rtol=1e-6)
    down = computed(zygote, one_node("LpNormalization", columns=4, axis=0), data, batch=30)
    assert numpy.allclose(down, data / numpy.linalg.norm(data.astype(float), axis=0), rtol=1e-6)
    for keep in (0, 1):
        got = computed(zygote, one_node("ReduceLogSumExp", columns=4, axes=[1], keepdims=keep), data)
        assert numpy.allclose(got, special.logsumexp(data.astype(float), axis=1, keepdims=bool(keep)), rtol=1e-6)


def test_the_first_of_many_as_numpy(zygote):
    """TopK with every k, numbers that are equal, and NaN, which come last."""
    data = numpy.random.default_rng(11).integers(0, 9, (40, 23)).astype("f4")
    for k in (0, 1, 2, 7, 22, 23):
        for largest in (0, 1):
            graph = onnx_writer.Graph()
            top = graph.node("TopK", graph.input("x", [None, 23]), graph.constant(numpy.array([k])), outputs=2, largest=largest)
            graph.output(top[0], [None, k])
            graph.output(top[1], [None, k], "int64")
            order = numpy.argsort(-data if largest else data, axis=1, kind="stable")[:, :k]
            for name, wanted in zip(top, (numpy.take_along_axis(data, order, 1), order)):
                assert (computed(zygote, graph.model(), data, tensor=name) == wanted).all()
    graph = onnx_writer.Graph()
    x = graph.node("Log", graph.input("x", [None, 4]))
    graph.output(graph.node("TopK", x, graph.constant(numpy.array([4])), outputs=["values", "places"])[1], [None, 4], "int64")
    assert computed(zygote, graph.model(), numpy.array([[1, -1, 5, -2], [-1, 1, 1, 2]], "f4")).tolist() == [[2, 0, 1, 3], [3, 1, 2, 0]]


def two_rows(constant):
    graph = onnx_writer.Graph()
    graph.output(graph.node("FeatureVectorizer", graph.input("x", [None, 3]), graph.constant(constant), outputs=["y"], **ML), [None, None])
    return graph.model()


@pytest.mark.parametrize("model, text", [
    (one_node("Imputer", imputed_value_floats=[1.0, 2.0], **ML), "imputed_value_floats has 2 numbers for 3 columns"),
    (one_node("Imputer", replaced_value_float=1.0, **ML), "imputed_value_floats has 0 numbers for 3 columns"),
    (one_node("Imputer", imputed_value_floats=[1, 2, 3], **ML), "attribute 'imputed_value_floats' has another type"),
    (one_node("Imputer", imputed_value_int64s=[1, 2, 3], **ML), "attribute 'imputed_value_int64s' is not supported"),
    (one_node("Binarizer", threshold=1, **ML), "attribute 'threshold' has another type"),
    (one_node("Binarizer", dtype="int64", **ML), "input 0 has type int64 where only float is supported"),
    (one_node("FeatureVectorizer", inputdimensions=[3, 3], **ML), "inputdimensions has 2 numbers for 1 inputs"),
    (one_node("FeatureVectorizer", inputdimensions=[2], **ML), "input 0 has 3 columns, inputdimensions says 2"),
    (one_node("FeatureVectorizer", inputdimensions=[-3], **ML), "input 0 has 3 columns, inputdimensions says -3"),
    (two_rows(numpy.zeros((2, 1), "f4")), "input 1 has 2 rows, input 0 has 1"),
    (two_rows(numpy.zeros((1, 1, 1), "f4")), "input 1 is not a matrix"),
    (one_node("ArrayFeatureExtractor", constants=[numpy.array([0, 3])], **ML), "there is no column 3"),
    (one_node("ArrayFeatureExtractor", constants=[numpy.array([-1])], **ML), "there is no column -1"),
    (one_node("ArrayFeatureExtractor", constants=[numpy.array([1 << 62])], **ML), "there is no column 4611686018427387904"),
    (one_node("ArrayFeatureExtractor", constants=[numpy.array([0], "i4")], **ML), "a matrix and a list of int64"),
    (one_node("ArrayFeatureExtractor", **ML), "has 1 inputs"),
    (one_node("LpNormalization", p=3), "p is 3"), (one_node("LpNormalization", axis=2), "axis 2 is outside"),
    (one_node("ReduceLogSumExp", axes=[2]), "axis 2 is outside"),
    (one_node("TopK", constants=[numpy.array([4])]), "the first 4 of 3"),
])
def test_operators_with_bad_input(zygote, model, text):
    report = predict(zygote, model, npy(numpy.ones((1, 3))))
    assert report.status == "BUILTIN_FAILED" and text in report.message, report


# Images.

def picture_model(size=8, channels=3, last=False):
    """Scores that are the image's mean in each channel: red, green, blue."""
    graph = onnx_writer.Graph()
    x = graph.input("x", ["n", size, size, channels] if last else ["n", channels, size, size])
    x = graph.node("Transpose", x, perm=[0, 3, 1, 2]) if last else x
    graph.output(graph.node("Flatten", graph.node("GlobalAveragePool", x)), ["n", channels])
    return graph.model()


def rows(report):
    assert report.status == "DONE", report
    lines = report.outputs["classes"].decode().splitlines()
    assert lines[0] == "name,rank,label,probability"
    return [line.split(",") for line in lines[1:]]


PLAIN = {"mean": "0", "deviation": "1", "scores": "as_is", "top": 3, "fit": "stretch"}


@pytest.fixture(scope="module")
def pillow():
    return pytest.importorskip("PIL.Image", reason="NOT INSTALLED: python3-pil")


def encoded(image, form, **options):
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def photo(pillow, mode="RGB", size=(61, 47)):
    x, y = numpy.meshgrid(numpy.linspace(0, 1, size[0]), numpy.linspace(0, 1, size[1]))
    pixels = numpy.stack([200 * x + 20, 255 * y * x, 180 * (1 - y)], -1)
    return pillow.fromarray(pixels.astype("uint8")).convert(mode)


@pytest.mark.parametrize("form, mode, options", [
    ("PNG", "RGB", {}), ("PNG", "L", {}), ("PNG", "P", {}), ("PNG", "RGBA", {}), ("PNG", "LA", {}), ("PNG", "1", {}),
    ("JPEG", "RGB", {"quality": 90}), ("JPEG", "L", {}), ("JPEG", "RGB", {"progressive": True}),
    ("JPEG", "RGB", {"subsampling": 0}), ("JPEG", "CMYK", {}),
])
def test_decoding_and_scaling_as_pillow_does(zygote, pillow, form, mode, options):
    content = encoded(photo(pillow, mode), form, **options)
    decoded = pillow.open(io.BytesIO(content)).convert("RGB")
    wanted = numpy.asarray(decoded.resize((8, 8), pillow.BILINEAR), float).mean((0, 1)) / 255
    got = {label: float(p) for _, _, label, p in rows(classify(zygote, picture_model(), content, **PLAIN))}
    assert all(abs(got[str(i)] - wanted[i]) < 0.012 for i in range(3)), (got, wanted)


def test_sixteen_bits(zygote, pillow):
    image = pillow.fromarray((numpy.arange(40 * 40).reshape(40, 40) * 40).astype("uint16"))
    got = rows(classify(zygote, picture_model(), encoded(image, "PNG"), **PLAIN))
    assert abs(float(got[0][3]) - (numpy.arange(1600) * 40).mean() / 65535) < 0.01


def test_archive_labels_and_layouts(zygote, pillow):
    names = ["a.png", "folder/" + "long" * 40 + ".jpg", "c,d.png"]
    colours = [(250, 10, 20), (10, 240, 30), (20, 30, 250)]
    for tar_format in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tar_format) as archive:
            folder = tarfile.TarInfo("folder")
            folder.type = tarfile.DIRTYPE
            archive.addfile(folder)
            for name, colour in zip([*names, ".hidden"], [*colours, (0, 0, 0)]):
                content = encoded(pillow.new("RGB", (20, 10), colour), "JPEG" if name.endswith("jpg") else "PNG")
                info = tarfile.TarInfo(name)
                info.size = len(content)
                if tar_format != tarfile.USTAR_FORMAT or len(name) < 100:
                    archive.addfile(info, io.BytesIO(content if name != ".hidden" else b"x" * len(content)))
        for last in (False, True):
            report = classify(zygote, picture_model(last=last), out.getvalue(), b"red\ngreen\n\"blue\"\n", batch=2,
                              mean="0", deviation="1", order="rgb")
            lines = rows(report)
            labels = [line[-2] for line in lines]
            assert lines[0][0] == "a.png" and labels[0] == "red" and labels[-1] == '"""blue"""'
            if tar_format != tarfile.USTAR_FORMAT:
                assert labels[1] == "green" and lines[1][0] == names[1] and report.result["images"] == 3
        turned = rows(classify(zygote, picture_model(), out.getvalue(), order="bgr", mean="0", deviation="1"))
        assert turned[0][2] == "2"


def test_probabilities_and_grey(zygote, pillow):
    image = encoded(pillow.new("RGB", (30, 30), (200, 100, 0)), "PNG")
    got = [float(row[3]) for row in rows(classify(zygote, picture_model(), image, top=3, mean="0", deviation="1", scale=0.01))]
    wanted = numpy.exp([2, 1, 0]) / numpy.exp([2, 1, 0]).sum()
    assert numpy.allclose(got, wanted, atol=1e-5)
    grey = rows(classify(zygote, picture_model(channels=1), image, **PLAIN))
    assert abs(float(grey[0][3]) - (200 * 0.299 + 100 * 0.587) / 255) < 1e-3


def test_images_that_are_refused(zygote, pillow):
    model = picture_model()
    png, jpeg = encoded(photo(pillow), "PNG"), encoded(photo(pillow), "JPEG")
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in (("good.png", png), ("bad.jpg", jpeg[:-100])):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    huge = bytearray(png)
    huge[16:20] = (100000).to_bytes(4, "big")
    for images, text in ((b"", "images: is empty"), (b"hello" * 300, "neither PNG, JPEG nor"), (png[:200], "images: PNG"),
                         (jpeg[:300], "images: JPEG"), (out.getvalue(), "bad.jpg: JPEG that is damaged or cut short"),
                         (out.getvalue()[:1500], "is cut short"), (bytes(huge), "images: "), (bytes(10240), "no image")):
        report = classify(zygote, model, images)
        assert report.status == "BUILTIN_FAILED" and text in report.message, (text, report)
    for arguments in ({"mean": "x"}, {"mean": "1,2"}, {"mean": "1,2,3,4"}, {"deviation": "0"}, {"size": 9}, {"top": 0}):
        assert classify(zygote, model, png, **arguments).status == "BAD_ARGUMENT", arguments
    assert "labels: 2 lines" in classify(zygote, model, png, b"a\nb\n").message


def test_images_that_do_not_fit(zygote, pillow):
    """However many and large a model wants them: a message, not a crash."""
    image = encoded(photo(pillow), "PNG")
    for images, size, text in ((256, 4096, "256 images of 4096 x 4096 pixels"), (6, 4096, "6 images of 4096 x 4096 pixels")):
        graph = onnx_writer.Graph()
        x = graph.input("x", [images, 3, size, size])
        graph.output(graph.node("Flatten", graph.node("GlobalAveragePool", x)), [images, 3])
        report = classify(zygote, graph.model(), image)
        assert report.status == "LIMIT_MEMORY" and f"{text} at a time do not fit" in report.message, report
    report = classify(zygote, picture_model(size="s"), image, size=4096, batch=100)
    assert report.status == "LIMIT_MEMORY" and report.message.endswith("argument 'batch' can be less"), report


def test_damaged_images(zygote, pillow):
    """Random bytes of images changed: a message that names the image, or an answer."""
    generator = random.Random(1)
    for form in ("PNG", "JPEG"):
        content = encoded(photo(pillow, size=(24, 24)), form)
        for _ in range(60):
            changed = bytearray(content)
            for _ in range(generator.randint(1, 4)):
                changed[generator.randrange(8, len(changed))] = generator.randrange(256)
            report = classify(zygote, picture_model(), bytes(changed))
            assert report.status == "DONE" or (report.status == "BUILTIN_FAILED" and "images: " in report.message), report


def test_whole_networks_agree_with_each_other_in_any_batch(zygote):
    """MobileNet and ResNet at once and one by one; tests/bench/builtin_onnx.py holds them against ONNX Runtime."""
    rng = numpy.random.default_rng(6)
    data = rng.normal(0, 1, (2, 3, 224, 224)).astype("f4")
    for model in (onnx_writer.mobilenet_v2(rng),):
        got = [numpy.load(io.BytesIO(predict(zygote, model, npy(data), form="npy", batch=batch).outputs["predictions"]))
               for batch in (1, 2)]
        assert got[0].shape == (2, 1000) and numpy.allclose(*got, rtol=1e-4, atol=1e-4) and numpy.isfinite(got[0]).all()
