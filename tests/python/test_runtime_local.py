# SPDX-License-Identifier: Apache-2.0
"""The runtime package without a cell: what a local run on a client's machine uses."""

import doctest
import importlib
import importlib.util
import io
import pathlib
import sys

import pytest

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "executor" / "cell" / "runtime"


@pytest.fixture(scope="module")
def runtime():
    spec = importlib.util.spec_from_file_location("cella_runtime", FOLDER / "__init__.py",
                                                  submodule_search_locations=[str(FOLDER)])
    module = importlib.util.module_from_spec(spec)
    sys.modules["cella_runtime"] = module
    spec.loader.exec_module(module)
    yield module
    for name in [name for name in sys.modules if name.partition(".")[0] == "cella_runtime"]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def runner(runtime):
    return importlib.import_module("cella_runtime._runner")


def test_it_needs_nothing_native(runtime):
    assert "_cell" not in sys.modules
    assert set(runtime.__all__) == {"Cancelled", "Input", "Output", "OutputLimitError", "builtins", "function", "log",
                                    "progress"}


@pytest.mark.parametrize("name", ["files", "reporting", "builtins", "_result", "_failure", "_runner", "_teaclave", "streams"])
def test_examples(runtime, name):
    results = doctest.testmod(importlib.import_module(f"cella_runtime.{name}"))
    assert results.failed == 0


def test_a_function_runs_as_in_a_cell(runtime, runner):
    source = b"def main(a, b, n):\n    b.csv(a.csv())\n    return {'n': n, 'size': b.size}"
    output = runtime.Output("b", 1000)
    outcome = runner.run(source, "main", {"n": 3}, {"a": runtime.Input("a", b"x\n1\n")}, {"b": output}, 1000)
    assert (outcome.status, outcome.result) == ("OK", '{"n":3,"size":6}')
    assert output.getvalue() == b"x\r\n1\r\n"
    sys.modules.pop("script", None)


def test_failures_are_outcomes(runtime, runner):
    for source, status, line in ((b"def main(:", "BAD_SCRIPT", 1), (b"x", "SCRIPT_FAILED", 1), (b"", "BAD_SCRIPT", 0),
                                 (b"def main():\n raise SystemExit", "SCRIPT_FAILED", 2)):
        outcome = runner.run(source, "main", {}, {}, {}, 100)
        assert (outcome.status, outcome.line) == (status, line)
    sys.modules.pop("script", None)


def test_builtins_say_that_they_are_not_here(runtime):
    with pytest.raises(AttributeError, match="no builtin function 'echo' here"):
        runtime.builtins.echo(message="x")


class TestInput:
    def test_protocol(self, runtime):
        data = runtime.Input("data", bytearray(b"ab\ncd"))
        assert (data.readable(), data.writable(), data.seekable(), data.size, data.name) == (True, False, True, 5, "data")
        assert data.readline() == b"ab\n" and data.readline(1) == b"c" and data.read() == b"d" and data.read() == b""
        assert data.readline() == b"" and data.seek(10) == 10 and data.read(3) == b"" and data.readline() == b""
        assert data.seek(-1, io.SEEK_END) == 4 and data.seek(-1, io.SEEK_CUR) == 3
        with pytest.raises(ValueError, match="before the start"):
            data.seek(-1)
        with pytest.raises(ValueError, match="whence"):
            data.seek(0, 9)
        block = bytearray(5)
        assert data.readinto(block) == 2 and block[:2] == b"cd"
        data.seek(0)
        assert list(data) == [b"ab\n", b"cd"]
        data.close()
        with pytest.raises(ValueError, match="closed"):
            data.read()

    def test_long_lines(self, runtime):
        line = b"x" * 20000 + b"\n"
        data = runtime.Input("data", line * 2 + b"end")
        assert [len(part) for part in data] == [20001, 20001, 3]

    def test_the_buffer_is_shared_and_read_only(self, runtime):
        content = bytearray(b"abc")
        view = runtime.Input("data", content).buffer()
        content[0] = 120
        assert bytes(view) == b"xbc" and view.readonly

    def test_formats(self, runtime):
        assert runtime.Input("t", "\ufeffa;b\n1;2\n".encode()).csv(delimiter=";") == [{"a": "1", "b": "2"}]
        assert runtime.Input("t", b"[1]").json() == [1]
        with pytest.raises(UnicodeDecodeError):
            runtime.Input("t", b"\xff").text()
        with pytest.raises(ValueError, match="input 't' is not JSON"):
            runtime.Input("t", b"nope").json()

    def test_other_libraries_can_wrap_it(self, runtime):
        data = runtime.Input("data", "ä\n".encode())
        assert io.TextIOWrapper(io.BufferedReader(data), encoding="utf-8").read() == "ä\n"


class TestOutput:
    def test_limit(self, runtime):
        output = runtime.Output("o", 4)
        output.write(b"abcd")
        with pytest.raises(runtime.OutputLimitError, match="'o' would have 5 bytes; its limit is 4"):
            output.write(b"e")
        assert output.getvalue() == b"abcd"

    def test_what_can_be_written(self, runtime):
        output = runtime.Output("o", 100)
        assert output.write(memoryview(b"abcd")[::2]) == 2
        assert output.write(bytearray(b"x")) == 1 and output.write(b"") == 0
        assert output.getvalue() == b"acx" and output.tell() == output.size == 3
        with pytest.raises(TypeError, match="o.text"):
            output.write("text")
        with pytest.raises(TypeError):
            output.write(3)
        output.close()
        with pytest.raises(ValueError, match="closed"):
            output.write(b"x")

    def test_used(self, runtime):
        assert not runtime.Output("o", 1).used
        output = runtime.Output("o", 1)
        with output:
            pass
        assert output.used

    def test_csv(self, runtime):
        output = runtime.Output("o", 1000)
        output.csv([[1, "x,y"], (2, None)], header=["a", "b"])
        assert output.getvalue() == b'a,b\r\n1,"x,y"\r\n2,\r\n'
        output.restart()
        output.csv([{"a": 1, "b": 2}, {"b": 3, "c": 4}])
        assert output.getvalue() == b"a,b\r\n1,2\r\n,3\r\n"

    def test_json_refuses_nan(self, runtime):
        with pytest.raises(ValueError):
            runtime.Output("o", 100).json(float("nan"))


def test_progress_checks_its_fraction(runtime, capsys):
    runtime.progress(0.5, "half")
    for fraction in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="between 0 and 1"):
            runtime.progress(fraction)


def test_the_clients_decorator_leaves_functions_as_they_are(runtime):
    def plain():
        return 1

    assert runtime.function(plain) is plain and runtime.function()(plain) is plain
    assert runtime.function(inputs=["a"], whatever={})(plain) is plain
    assert doctest.testmod(importlib.import_module("cella_runtime._declaring")).failed == 0
