# SPDX-License-Identifier: Apache-2.0
"""What scripts give to builtin functions: streams that lie, and forms that could be taken for something else."""

import pytest
from zygote_driver import Limits, ZygoteDriver

STREAM = """
import cella
class Stream:
    def __init__(self, answer):
        self.readinto = answer
"""


@pytest.fixture(scope="module")
def zygote():
    with ZygoteDriver("python") as driver:
        yield driver


@pytest.fixture(scope="module")
def science():
    with ZygoteDriver("science") as driver:
        yield driver


def run(driver, call, before=""):
    return driver.run(f"import cella\n{before}\ndef main():\n    return {call}", limits=Limits(memory_bytes=1 << 30))


@pytest.mark.parametrize("answer", ["-1", "-5", "len(block) + 1", "1 << 62"])
@pytest.mark.parametrize("call", ["psi({}, b'a')", "csv_profile({})", "logistic_regression_train({})",
                                  "ordered_set_intersect({}, b'', order='ascending')", "password_check({}, b'x')"])
def test_a_stream_that_answers_nonsense(zygote, call, answer):
    """It was taken for a size: a crash, an endless loop, or a wrong answer."""
    report = run(zygote, "cella.builtins." + call.format(f"Stream(lambda block: {answer})"), STREAM)
    assert report.status == "SCRIPT_FAILED" and report.exception == "OSError", report
    assert "readinto answered" in report.message


def test_a_stream_that_keeps_the_memory(zygote):
    """What readinto was given may be kept and written to: it is nobody else's memory."""
    report = zygote.run(STREAM + """
def main():
    kept = []
    def answer(block):
        kept.append(block[:])
        block[:4] = b"a\\nb\\n"
        return 4 if len(kept) == 1 else 0
    found = cella.builtins.psi(Stream(answer), b"a\\n").returned["common"]
    for block in kept:
        block[:] = b"x" * len(block)
    return [found, len(kept)]
""")
    assert report.status == "DONE", report
    assert report.result == [1, 2]


def test_a_stream_that_calls_a_builtin_and_one_that_fails(zygote):
    report = zygote.run(STREAM + """
def main():
    def answer(block):
        if cella.builtins.psi(["a"], ["a"]).returned["common"] != 1 or answer.done:
            return 0
        answer.done = True
        block[:2] = b"a\\n"
        return 2
    answer.done = False
    return cella.builtins.psi(Stream(answer), b"a\\n").returned["common"]
""")
    assert report.result == 1
    report = run(zygote, "cella.builtins.psi(Stream(lambda block: 1 / 0), b'a')", STREAM)
    assert report.exception == "ZeroDivisionError"


@pytest.mark.parametrize("mine, common", [
    ("[b'a', b'b']", 2), ("[None, 'a', float('nan')]", 1), ("[['a'], ['b']]", 2), ("[1, 2]", 0), ("[]", 0),
    ("{'a', 'b'}", 2), ("['a ', '']", 1),
])
def test_lists_become_lines(zygote, mine, common):
    report = run(zygote, f"cella.builtins.psi({mine}, 'a\\nb\\nNone\\nnan').returned['common']")
    assert (report.status, report.result) == ("DONE", common), report


@pytest.mark.parametrize("call, text", [
    ("psi(['c', 'a\\nb'], ['a'])", "psi: input 'input0' has a line break in element 2"),
    ("psi([{1: 2}], ['a'])", "psi: input 'input0' has an element that is no text or number but dict"),
    ("psi(['a'], [['a', 'b']])", "psi: input 'input1' has several columns, but the function reads lines"),
    ("psi('\\ud800', ['a'])", "psi: input 'input0' has a text that is not UTF-8"),
    ("echo(message='\\ud800')", "echo: argument 'message' is a text that is not UTF-8"),
    ("psi(*[['a']] * 65)", "psi: there must be 2 to 64 inputs 'input', not 65"),
    ("psi(*[['a']] * 500)", "psi: there must be 2 to 64 inputs 'input', not 500"),
    ("psi(array.array('d', [1, 2]), ['a'])", "psi: input 'input0' is a buffer of numbers of type 'd', not of bytes"),
])
def test_what_could_be_taken_for_something_else_is_refused(zygote, call, text):
    report = run(zygote, f"cella.builtins.{call}", "import array")
    assert report.exception == "cella.builtins.BuiltinError", report
    assert text in report.message


def test_lists_of_lists_are_records(zygote):
    report = run(zygote, "cella.builtins.join([['k', 'v'], ['1', 'a,\"b\"\\nc']], [['k', 'w'], [1, None]], on='k')"
                         ".output[0].decode()")
    assert report.result == 'k,v,w\n1,"a,""b""\nc",\n', report


FRAME = "import numpy as np, pandas as pd"


@pytest.mark.parametrize("call, result", [
    # columns with numbers for names, which were read as a row
    ("gbdt_train(pd.DataFrame(np.arange(12.).reshape(4, 3))).returned", "Trained 4 lines of data."),
    ("gbdt_train(pd.DataFrame({'a': [1., 2.], '2020': [2., 3.]})).returned", "Trained 2 lines of data."),
    ("gbdt_train(pd.DataFrame({'a': [1., 2.], 'b': [2., 3.]})).returned", "Trained 2 lines of data."),
    ("gbdt_train(np.array([[1, 2], [3, 4]], dtype=object)).returned", "Trained 2 lines of data."),
    ("gbdt_train(np.eye(3, dtype='f2')).returned", "Trained 3 lines of data."),
    # texts that CSV would quote are the same ids as in a file of lines; what is missing is no id
    ("psi(pd.Series(['a,b', 'say \"x\"', None]), ['a,b', 'say \"x\"', '\"\"', 'nan']).output[0].decode()", "110"),
    ("psi(pd.Index(['a', 'b']), ['b']).output[0].decode()", "01"),
    ("psi(np.array([b'a', b'b']), ['b']).output[0].decode()", "01"),
    ("psi(pd.DataFrame({'id': ['a', 'b']}), [['id'], ['b']], form='csv').output[0].decode()", "01"),
    ("psi(pd.DataFrame({'id': ['a', 'b']}), [['b']], form='csv', header=False).output[0].decode()", "01"),
    ("csv_profile(pd.Series([1] * 20, name='n')).returned['rows']", 20),
    ("csv_profile(np.ones((20, 2)), header=False).returned['rows']", 20),
    ("principal_components_analysis(np.random.rand(9, 3), n=np.int64(1), center=np.bool_(True)).returned",
     "transform 9 rows * 1 cols lines of data."),
])
def test_arrays_and_tables(science, call, result):
    report = run(science, f"cella.builtins.{call}", FRAME)
    assert (report.status, report.result) == ("DONE", result), report


@pytest.mark.parametrize("call, text", [
    ("psi(pd.DataFrame({'id': ['a']}), ['a'])", "'input0' is a table, but the function reads lines: give one column"),
    ("csv_profile(np.ones((20, 2)))", "'data' is an array of numbers, which has no header: say header=False"),
    ("psi(np.zeros((2, 2, 2)), ['a'])", "'input0' is an array of 3 dimensions"),
    ("psi(np.array(3), ['a'])", "'input0' is an array of 0 dimensions"),
    ("gbdt_train(np.array([[1, 'x']], dtype=object))", "'training_data' is an array of objects that are not all numbers"),
    # the number behind a mask was taken for a value
    ("principal_components_analysis(np.ma.masked_array([[1., 2], [9, 9]], mask=[[0, 0], [0, 1]]), n=1)",
     "input_data, row 2, column 2: is missing"),
    ("gbdt_train(np.eye(3), max_depth=np.float64(2.5))", "argument 'max_depth' must be a whole number"),
])
def test_arrays_and_tables_that_are_refused(science, call, text):
    report = run(science, f"cella.builtins.{call}", FRAME)
    assert report.exception == "cella.builtins.BuiltinError", report
    assert text in report.message


@pytest.mark.parametrize("first", ["ann,34", "2026-11-21,b", "a,true", "nan,b"])
def test_a_profile_does_not_tell_the_first_row_as_names(zygote, first):
    report = run(zygote, f"cella.builtins.csv_profile({first + chr(10)!r} + 'bob,35\\n' * 20).returned")
    assert report.exception == "cella.builtins.BuiltinError", report
    assert "header, column" in report.message and "header=false" in report.message
    assert not any(field in report.message for field in ("ann", "34", "2026"))


@pytest.mark.parametrize("call", ["psi({}, b'a')", "psi(io.BytesIO({}), b'a')", "password_check(b'a', {})",
                                  "private_join_and_compute({}, b'a : 1', num_user=2)"])
@pytest.mark.parametrize("coding", ["utf-16-le", "utf-16-be"])
def test_lines_in_utf_16_are_refused(zygote, call, coding):
    """Nothing in them would ever be equal to anything."""
    data = repr("\ufeffa\n".encode(coding))
    report = run(zygote, f"cella.builtins.{call.format(data)}", "import io")
    assert report.exception == "cella.builtins.BuiltinError", report
    assert "is UTF-16, not UTF-8" in report.message
