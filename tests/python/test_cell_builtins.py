# SPDX-License-Identifier: Apache-2.0
"""Builtin functions as tasks and from scripts: the dispatcher and what cella.builtins makes of a table."""

import pytest
from zygote_driver import BUILTIN, Limits, Streamed, ZygoteDriver


@pytest.fixture(scope="module")
def zygote():
    with ZygoteDriver("python") as driver:
        yield driver


@pytest.mark.parametrize("name", ["echo", "builtin-echo"])
def test_echo_as_a_task(zygote, name):
    report = zygote.run("", entry=name, kind=BUILTIN, arguments={"message": "hä\n\"x\""})
    assert (report.status, report.result) == ("DONE", "hä\n\"x\"")


@pytest.mark.parametrize("name", ["ordered_set_intersect", "builtin-ordered-set-intersect"])
@pytest.mark.parametrize("order, one, two, result", [
    ("ascending", b"01\n03\n05\n", b"03\n04\n05\n06\n", (b"011", b"1010", "2 common items")),
    ("desending", b"05\n03\n01", b"06\n05\n04\n03", (b"110", b"0101", "2 common items")),
    ("descending", b"", b"0a\n", (b"", b"0", "0 common items")),
])
def test_intersect_as_a_task(zygote, name, order, one, two, result):
    report = zygote.run("", entry=name, kind=BUILTIN, arguments={"order": order},
                        inputs={"input_data1": one, "input_data2": two}, outputs=["output_result1", "output_result2"])
    assert report.status == "DONE", report
    assert (report.outputs["output_result1"], report.outputs["output_result2"], report.result) == result


@pytest.mark.parametrize("arguments, name", [
    ({}, "'message' is missing"), ({"message": 1}, "'message' must be a text"), ({"message": None}, "'message'"),
    ({"message": "x", "more": 1}, "'more' is not a parameter"), ({"message": "x" * 65537}, "65537 is not between 0 and 65536"),
])
def test_arguments_are_checked(zygote, arguments, name):
    report = zygote.run("", entry="echo", kind=BUILTIN, arguments=arguments)
    assert report.status == "BAD_ARGUMENT" and name in report.message


@pytest.mark.parametrize("size, status", [(65534, "DONE"), (65535, "LIMIT_RESULT")])
def test_the_result_has_a_limit(zygote, size, status):
    """With the quotes of its JSON."""
    report = zygote.run("", entry="echo", kind=BUILTIN, arguments={"message": "x" * size}, limits=Limits(result_bytes=65536))
    assert report.status == status, report


def test_missing_input_surplus_input_and_output(zygote):
    report = zygote.run("", entry="echo", kind=BUILTIN, arguments={"message": "x"}, inputs={"data": b""})
    assert report.status == "BAD_ARGUMENT" and "'data'" in report.message
    report = zygote.run("", entry="ordered_set_intersect", kind=BUILTIN, arguments={"order": "ascending"},
                        inputs={"input_data1": b"", "input_data2": None}, outputs=["output_result1", "output_result2"])
    assert report.status == "BAD_ARGUMENT" and "'input_data2' is missing" in report.message


def test_unknown_builtin(zygote):
    report = zygote.run("", entry="nothing", kind=BUILTIN)
    assert report.status == "BAD_ARGUMENT" and "'nothing'" in report.message


def test_refused_input_names_the_line(zygote):
    report = zygote.run("", entry="ordered_set_intersect", kind=BUILTIN, arguments={"order": "ascending"},
                        inputs={"input_data1": b"01\n00\n", "input_data2": b""},
                        outputs=["output_result1", "output_result2"])
    assert report.status == "BUILTIN_FAILED"
    assert report.message == "input_data1, line 2: is not in ascending order"


def test_output_limit(zygote):
    report = zygote.run("", entry="ordered_set_intersect", kind=BUILTIN, arguments={"order": "ascending"},
                        inputs={"input_data1": b"01\n" * 100000, "input_data2": b""},
                        outputs=["output_result1", "output_result2"], limits=Limits(output_bytes=10000))
    assert report.status == "LIMIT_OUTPUT" and "10000" in report.message


def test_progress_is_told_by_whole_percents(zygote):
    """Not for each of a hundred thousand steps, each of which asks whether it shall end."""
    report = zygote.run("", entry="logistic_regression_train", kind=BUILTIN, inputs={"training_data": b"1,0\n2,1\n"}, outputs=["model_file"],
                        arguments={"solver": "gd", "alg_alpha": 1e-9, "alg_iters": 100_000})
    assert report.status == "DONE" and [fraction // 100 for fraction, _ in report.progress] == list(range(100))


def test_a_stream_as_input(zygote):
    """A builtin that wants all of a stream gets it."""
    report = zygote.run("", entry="ordered_set_intersect", kind=BUILTIN, arguments={"order": "ascending"},
                        inputs={"input_data1": Streamed(b"01\n02\n" + b"03\n" * 300000), "input_data2": b"02\n"},
                        outputs=["output_result1", "output_result2"], limits=Limits(output_bytes=1 << 20))
    assert (report.status, report.outputs["output_result1"][:3], report.result) == ("DONE", b"010", "1 common items")


@pytest.mark.parametrize("mine", ["'01\\n03\\n'", "['01', '03']", "bytearray(b'01\\n03')", "memoryview(b'01\\n03')",
                                  "('01', '03')"])
def test_forms_of_inputs_in_a_script(zygote, mine):
    report = zygote.run(f"""
import cella
def main():
    common = cella.builtins.ordered_set_intersect({mine}, "03", order="ascending")
    return common.output_result1.decode()
""")
    assert report.result == "01"


def test_an_input_of_no_use(zygote):
    report = zygote.run("import cella\ndef main():\n    cella.builtins.ordered_set_intersect(3, '', order='ascending')")
    assert report.exception == "cella.builtins.BuiltinError"
    assert "input 'input_data1' must be bytes, text, a file, an array or a table, not int" in report.message


def test_from_a_script(zygote):
    report = zygote.run("""
import cella
def main(mine):
    common = cella.builtins.ordered_set_intersect(order="ascending", input_data1=mine, input_data2=b"03\\n04\\n")
    return [cella.builtins.echo(message="x"), common.returned, common.output_result1.decode(),
            common.output_result2.decode()]
""", inputs={"mine": b"01\n03\n"})
    assert report.result == ["x", "1 common items", "01", "10"]


@pytest.mark.parametrize("call, text", [
    ("echo()", "message"), ("echo(message=3)", "must be a text"), ("echo(message='x', y=1)", "y"),
    ("ordered_set_intersect(order='up', input_data1=b'', input_data2=b'')", "order"),
    ("ordered_set_intersect(order='ascending', input_data1=b'zz', input_data2=b'')", "input_data1, line 1"),
])
def test_errors_in_a_script(zygote, call, text):
    report = zygote.run(f"import cella\ndef main():\n    cella.builtins.{call}")
    assert report.status == "SCRIPT_FAILED" and report.line == 3
    assert report.exception == "cella.builtins.BuiltinError" and text in report.message


def test_they_are_documented(zygote):
    report = zygote.run("import cella, inspect\ndef main():\n    f = cella.builtins.ordered_set_intersect\n"
                        "    return [f.__doc__, str(inspect.signature(f)), cella.builtins.__all__]")
    text, signature, names = report.result
    assert "input_data1 (lines): hexadecimal strings" in text and "output_result2" in text
    assert "One of ascending, descending, desending." in text and "Example:\n    >>> " in text
    assert signature == "(input_data1: bytes, input_data2: bytes, *, order: str)"
    assert {"echo", "ordered_set_intersect"} <= set(names)


def test_an_unknown_one_lists_what_there_is(zygote):
    report = zygote.run("import cella\ndef main():\n    cella.builtins.nothing()")
    assert report.exception == "AttributeError" and "echo" in report.message
