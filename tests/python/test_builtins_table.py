# SPDX-License-Identifier: Apache-2.0
"""The builtins' table: what is made from it is up to date, complete, and its examples are true."""

import doctest
import importlib.util
import inspect
import json
import os
from pathlib import Path

import pytest
from onnx_writer import Graph
from zygote_driver import BUILTIN, Limits, ZygoteDriver

import cella
from cella import Builtin

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("CELLA_BUILD", ROOT / "build/release"))

_spec = importlib.util.spec_from_file_location("publish", ROOT / "builtins/publish.py")
publish = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(publish)


HEADERS = """
import cella
def main(file):
    model = file.read()
    b = cella.builtins
    rows = "".join(f"{n % 5},{n % 3},{int(n % 5 > 2)}\\n" for n in range(40))
    features = "".join(row.rpartition(",")[0] + "\\n" for row in rows.splitlines())
    trees = b.gbdt_train(rows, iterations=2).trained_model
    line = b.logistic_regression_train(rows).model_file
    functions = {
        "gbdt_train": (lambda data: b.gbdt_train(data, iterations=2), rows),
        "logistic_regression_train": (b.logistic_regression_train, rows),
        "gbdt_predict": (lambda data: b.gbdt_predict(trees, data), features),
        "logistic_regression_predict": (lambda data: b.logistic_regression_predict(line, data), features),
        "principal_components_analysis": (lambda data: b.principal_components_analysis(data, n=1), features),
        "onnx_predict": (lambda data: b.onnx_predict(model, data), features),
    }
    said = {}
    for name, (function, data) in functions.items():
        names = ["x", "y", "label"][:data.partition("\\n")[0].count(",") + 1]
        plain = function(data)
        said[name] = [function(",".join(names) + "\\n" + data) == plain]
        for other in ("2019", "", "nan"):
            try:
                function(",".join([*names[:-1], other]) + "\\n" + data)
                said[name].append("taken")
            except b.BuiltinError as error:
                said[name].append("row 1, column 1" in str(error))
    return said
"""


@pytest.fixture(scope="module")
def rows():
    return publish.read_table(BUILD / "bin", BUILD / "tools/cella-builtin-table")


@pytest.fixture(scope="module")
def zygotes():
    """One zygote per profile, started when it is asked for."""
    started = {}

    def zygote_of(profile):
        if profile not in started:
            started[profile] = ZygoteDriver(profile).__enter__()
        return started[profile]

    yield zygote_of
    for driver in started.values():
        driver.__exit__(None, None, None)


def test_the_clients_table_is_this_builds(rows):
    assert publish.CLIENT_TABLE.read_text("utf-8") == publish.table_text(rows), "run ./run builtins"


def test_the_page_is_this_builds(rows):
    present = publish.PAGE.read_text("utf-8")
    assert present == publish.page(rows, present), "run ./run builtins"


def test_the_runtimes_profiles_are_this_builds(rows):
    assert publish.RUNTIME_PROFILES.read_text("utf-8") == publish.profiles_text(rows), "run ./run builtins"


@pytest.mark.parametrize("name", ["onnx_predict", "builtin-rsa-sign", "builtin_rsa_sign"])
def test_a_task_whose_profile_lacks_it_says_who_has_it(zygotes, name):
    report = zygotes("python").run("", entry=name, kind=BUILTIN)
    assert (report.status, report.message) == (
        "BAD_ARGUMENT", f"this profile has no builtin function '{name}'; profiles native and science have it: ask for it with "
                        "profile='native' (--profile)")


def test_a_script_whose_profile_lacks_it_says_who_has_it(zygotes):
    report = zygotes("python").run("import cella\ndef main():\n    cella.builtins.gbdt_train(b'')")
    assert (report.exception, report.line) == ("AttributeError", 3)
    assert "'gbdt_train'; profiles native and science have it" in report.message


def test_what_no_profile_has(zygotes):
    report = zygotes("python").run("", entry="nothing", kind=BUILTIN)
    assert report.status == "BAD_ARGUMENT"
    assert report.message.startswith("there is no builtin function 'nothing'; there are aggregate, ")


@pytest.mark.parametrize("name", [item.alias for item in Builtin.all() if item.alias])
def test_teaclaves_names_with_either_mark(zygotes, name):
    """The client and the cell find the same function, however its name is written."""
    item = Builtin.find(name)
    for spelling in (name.replace("-", "_"), name.replace("_", "-"), name.replace("_", "-").replace("-", "_", 1)):
        assert Builtin.find(spelling) is item
        report = zygotes("native").run("", entry=spelling, kind=BUILTIN, arguments={"no such argument": 1})
        assert report.status == "BAD_ARGUMENT" and "builtin function" not in report.message
    for wrong in (name + "-", name.replace("builtin", "Builtin"), item.name.replace("_", "-") if "_" in item.name else "ech-o"):
        with pytest.raises(cella.NotFound):
            Builtin.find(wrong)
        assert "no builtin function" in zygotes("native").run("", entry=wrong, kind=BUILTIN).message


def test_tables_are_complete(rows):
    """Texts end as sentences or do not, an example is there, and optional things come last among their kind."""
    for row in rows:
        assert row["documentation"].endswith(".") and not row["returns"].endswith("."), row["name"]
        assert row["example"] and ">>> " in row["example"] and row["profiles"], row["name"]
        names = [parameter["name"] for parameter in row["parameters"]]
        assert len(set(names)) == len(names)
        if "privacy" in row:
            kinds = {parameter["name"]: parameter["kind"] for parameter in row["parameters"]}
            assert {kinds[name] for name in row["privacy"]["inputs"]} <= {"input", "inputs"}
            assert kinds[row["privacy"]["epsilon"]] == kinds[row["privacy"]["delta"]] == "real"
        for parameter in row["parameters"]:
            assert not parameter["documentation"].endswith("."), (row["name"], parameter["name"])
            assert parameter["minimum"] <= parameter["maximum"]
            if parameter["kind"] == "choice" and parameter["default"] is not None:
                assert parameter["default"] in parameter["choices"]


@pytest.mark.parametrize("name", [item.name for item in Builtin.all()])
def test_examples_are_true(zygotes, name):
    """Each example, as a script in the smallest profile that has the function."""
    item = Builtin.find(name)
    examples = doctest.DocTestParser().get_examples(item.example)
    zygote = zygotes(item.profiles[0])
    lines = ["import cella, json", "def main():", "    said = []"]
    for example in examples:
        is_expression = True
        try:
            compile(example.source, name, "eval")
        except SyntaxError:
            is_expression = False
        source = example.source.rstrip("\n").replace("\n", "\n    ")
        lines.append(f"    said.append(repr(({source})))" if is_expression else f"    {source}")
        if not is_expression:
            assert not example.want
            lines.append("    said.append(None)")
    report = zygote.run("\n".join([*lines, "    return said"]))
    assert report.status == "DONE", report
    for example, said in zip(examples, report.result, strict=True):
        if example.want:
            assert said == example.want.rstrip("\n"), example.source


def test_docstrings_in_a_cell(zygotes):
    """Signature, docstring and completion of every function."""
    report = zygotes("python").run(
        "import cella, inspect\ndef main():\n    b = cella.builtins\n"
        "    return {n: [n in dir(b), str(inspect.signature(getattr(b, n))), getattr(b, n).__doc__] for n in b.__all__}")
    for name, (listed, signature, text) in report.result.items():
        assert listed and "Returns:" in text
        for parameter in Builtin.find(name).parameters:
            assert parameter.name in text
            if parameter.kind not in ("output", "outputs"):
                assert parameter.name in signature


def test_headers_are_found_as_the_tables_say(zygotes, rows):
    """What is read as CSV or .npy: a header changes nothing; a line with a number or nothing in it is a row, and refused."""
    inputs = {row["name"]: parameter for row in rows for parameter in row["parameters"]
              if parameter["kind"] == "input" and parameter["format"] == "CSV or .npy"}
    assert all("a first record of CSV in which no field is a number or empty is a header" in item["documentation"]
               for item in inputs.values())
    graph = Graph()
    graph.output(graph.node("Relu", graph.input("table", [None, 2])), [None, 2])
    report = zygotes("native").run(HEADERS, inputs={"file": graph.model()}, limits=Limits(memory_bytes=1 << 30))
    assert report.status == "DONE", report
    assert report.result == dict.fromkeys(inputs, [True] * 4)


def test_outside_of_cells_there_are_signatures(zygotes):
    """For completion and help() while one writes a script: the same ones as in a cell; calls say where they run."""
    assert set(dir(cella.builtins)) == {item.name for item in Builtin.all()} | {"BuiltinError"}
    report = zygotes("native").run(
        "import cella, inspect\ndef main():\n    b = cella.builtins\n"
        "    return {n: [str(inspect.signature(getattr(b, n))), getattr(b, n).__doc__] for n in b.__all__}")
    for name, (signature, text) in report.result.items():
        function = getattr(cella.builtins, name)
        assert [str(inspect.signature(function)), function.__doc__] == [signature, text], name
    with pytest.raises(RuntimeError, match=r"in cells only.*Builtin.find\('psi'\)"):
        cella.builtins.psi(b"a", b"b")
    with pytest.raises(cella.builtins.BuiltinError, match="there must be 2 to 64 inputs"):
        cella.builtins.psi(b"a")
    with pytest.raises(AttributeError, match="there are aggregate, "):
        cella.builtins.nothing  # noqa: B018


def test_find_and_near_names():
    assert Builtin.find("builtin-echo") is Builtin.find("echo")
    with pytest.raises(cella.NotFound, match="did you mean echo"):
        Builtin.find("ecco")


def test_packages():
    package = json.loads(Builtin.find("ordered_set_intersect").package())
    assert [item["name"] for item in package["inputs"]] == ["input_data1", "input_data2"]
    assert [item["name"] for item in package["outputs"]] == ["output_result1", "output_result2"]
    assert (package["arguments"], package["profile"], package["executor"]) == ([{"name": "order"}], "python", "builtin")
    group = json.loads(Builtin.find("psi").package(members=3, locked={"mode": "oblivious"}))
    assert [item["name"] for item in group["inputs"]] == ["input0", "input1", "input2"]
    assert {"name": "header", "default": True} in group["arguments"]
    assert {"name": "mode", "default": "oblivious", "locked": True} in group["arguments"]
    streamed = json.loads(Builtin.find("ordered_set_intersect").package(streams=["input_data1"]))
    assert streamed["inputs"][0] == {"name": "input_data1", "stream": True}


@pytest.mark.parametrize("terms, text", [
    ({"inputs": ["input_data1"]}, "needs input 'input_data2'"), ({"inputs": ["input_data1", "x"]}, "no input 'x'"),
    ({"outputs": ["output_result"]}, "did you mean output_result"), ({"arguments": ["oder"]}, "did you mean order"),
    ({"profile": "nothing"}, "profile 'nothing' has no ordered_set_intersect"),
])
def test_packages_that_can_not_work(terms, text):
    with pytest.raises(cella.ArgumentError, match=text):
        Builtin.find("ordered_set_intersect").package(**terms)


@pytest.mark.parametrize("arguments, text", [
    ({}, "needs argument 'order'"), ({"order": 3}, "must be a text"), ({"order": "ascendin"}, "did you mean ascending"),
    ({"order": "ascending", "x": 1}, "no argument 'x'"),
])
def test_arguments_are_checked_before_anything_is_sent(arguments, text):
    with pytest.raises(cella.ArgumentError, match=text):
        Builtin.find("ordered_set_intersect").check(arguments)
