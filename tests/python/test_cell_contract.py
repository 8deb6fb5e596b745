# SPDX-License-Identifier: Apache-2.0
"""The script contract: what a function gets, what it may return, how outputs count."""

import io
import json

import pytest
from zygote_driver import Limits, ZygoteDriver


@pytest.fixture(scope="module", params=["python", "numpy"])
def zygote(request):
    with ZygoteDriver(request.param) as driver:
        yield driver


def test_inputs_outputs_arguments_come_by_name(zygote):
    report = zygote.run("""
def main(table, report, factor, offset=10, note=None):
    rows = table.csv()
    total = sum(int(row["n"]) for row in rows) * factor + offset
    report.csv([{"total": total}])
    return {"total": total, "note": note, "size": table.size, "name": table.name}
""", arguments={"factor": 2}, inputs={"table": b"n,m\n1,2\n3,4\n"}, outputs=["report"])
    assert report.status == "DONE"
    assert report.result == {"total": 18, "note": None, "size": 12, "name": "table"}
    assert report.outputs == {"report": b"total\r\n18\r\n"}


def test_a_script_may_use_the_clients_decorator(zygote):
    for decorator in ("@cella.function", "@cella.function(inputs=['table'], profile='numpy', limits={'wall_s': 5})"):
        report = zygote.run(f"import cella\nfrom cella import function\n{decorator}\ndef main(table):\n"
                            "    return [len(table.read()), main.__module__]", inputs={"table": b"abc"})
        assert (report.status, report.result) == ("DONE", [3, "script"])


def test_an_unassigned_optional_input_is_none(zygote):
    report = zygote.run("def main(a, b):\n    return [a is None, b.read().decode()]", inputs={"a": None, "b": b"x"})
    assert report.result == [True, "x"]


def test_an_empty_input(zygote):
    report = zygote.run("def main(a):\n    return [a.size, a.text(), len(a.buffer())]", inputs={"a": b""})
    assert report.result == [0, "", 0]


def test_the_file_protocol_of_an_input(zygote):
    report = zygote.run("""
import io
def main(data):
    first = data.readline()
    rest = [line.decode() for line in data]
    data.seek(-2, 2)
    end = data.read()
    data.seek(0)
    block = bytearray(3)
    data.readinto(block)
    with io.TextIOWrapper(data) as text:
        wrapped = text.read()
    return [first.decode(), rest, end.decode(), block.decode(), wrapped, data.closed]
""", inputs={"data": b"one\ntwo\nthree"})
    assert report.result == ["one\n", ["two\n", "three"], "ee", "one", "\ntwo\nthree", True]


def test_an_input_of_many_megabytes_is_not_copied(zygote):
    content = bytes(1 << 20) * 64
    report = zygote.run("def main(data):\n    view = data.buffer()\n    return [len(view), view.readonly, sum(view[:9])]",
                        inputs={"data": content}, limits=Limits(memory_bytes=16 << 20))
    assert report.result == [64 << 20, True, 0]


def test_json_in_and_out(zygote):
    report = zygote.run("def main(a, b):\n    b.json({'x': a.json()['x'] + ['ä']})", inputs={"a": b'{"x": [1]}'},
                        outputs=["b"])
    assert report.status == "DONE" and report.result is None
    assert json.loads(report.outputs["b"]) == {"x": [1, "ä"]}


def test_a_bad_json_input_names_it(zygote):
    report = zygote.run("def main(a):\n    a.json()", inputs={"a": b"{"})
    assert (report.status, report.line) == ("SCRIPT_FAILED", 2)
    assert "input 'a' is not JSON" in report.message


@pytest.mark.parametrize("value", ["1", "'ä'", "None", "True", "[]", "{}", "{'a': [1, 2.5, None, {'b': 'c'}]}", "(1,)"])
def test_results_are_json(zygote, value):
    report = zygote.run(f"def main():\n    return {value}")
    assert report.status == "DONE"
    assert report.result == json.loads(json.dumps(eval(value)))


def test_a_result_of_several_packets(zygote):
    report = zygote.run("def main():\n    return ['x' * 1000] * 200", limits=Limits(result_bytes=1 << 20))
    assert report.result == ["x" * 1000] * 200


def test_print_log_and_progress(zygote):
    report = zygote.run("""
import cella
def main():
    print("one", 2)
    print("no newline", end="")
    cella.progress(0.25, "a quarter")
    cella.log("three", 4)
    cella.progress(1.0)
""")
    assert report.status == "DONE"
    assert sorted(report.log.split("\n")) == ["", "no newline", "one 2", "three 4"] or "no newline" in report.log
    assert report.progress == [(2500, "a quarter"), (10000, "")]


def test_the_log_is_cut_at_its_limit(zygote):
    report = zygote.run("def main():\n    for i in range(100000): print('x' * 100)", limits=Limits(log_bytes=1000))
    assert report.status == "DONE"
    assert len(report.log) < 1100 and "limit is reached" in report.log


def test_the_script_is_a_module_of_its_own(zygote):
    report = zygote.run("""
import dataclasses, pickle
@dataclasses.dataclass
class Point:
    x: int
if __name__ == "__main__":
    raise RuntimeError("not a program here")
def main():
    return [__name__, pickle.loads(pickle.dumps(Point(3))).x]
""")
    assert report.result == ["script", 3]


def test_keyword_collection_takes_everything(zygote):
    report = zygote.run("def main(**given):\n    given['o'].write(b'1')\n    return sorted(given)", arguments={"a": 1},
                        inputs={"i": b""}, outputs=["o"])
    assert report.result == ["a", "i", "o"]


@pytest.mark.parametrize("source, status, text", [
    ("def main(a, missing): pass", "BAD_ARGUMENT", "parameter 'missing' of main()"),
    ("def main(): pass", "BAD_ARGUMENT", "main() has no parameter 'a'"),
    ("def main(a, /): pass", "BAD_SCRIPT", "positional-only"),
])
def test_parameters_that_do_not_fit(zygote, source, status, text):
    report = zygote.run(source, arguments={"a": 1})
    assert report.status == status and text in report.message


@pytest.mark.parametrize("text", ["[1]", "{", '{"a":1,"a":2}', '{"a":NaN}', "1", '"x"'])
def test_arguments_that_are_no_json_object(zygote, text):
    report = zygote.run("def main(a): pass", arguments=text)
    assert report.status == "BAD_ARGUMENT"


def test_one_name_for_input_and_argument(zygote):
    report = zygote.run("def main(a): pass", arguments={"a": 1}, inputs={"a": b""})
    assert report.status == "BAD_ARGUMENT" and "'a'" in report.message


class TestOutputs:
    def test_never_written(self, zygote):
        report = zygote.run("def main(a, b):\n    a.write(b'1')", outputs=["a", "b"])
        assert report.status == "OUTPUT_MISSING" and "'b'" in report.message

    @pytest.mark.parametrize("body", ["a.write(b'')", "a.text('')", "a.csv([])", "\n    with a: pass", "a.restart()"])
    def test_written_with_no_bytes_counts(self, zygote, body):
        report = zygote.run(f"def main(a):\n    {body}", outputs=["a"])
        assert report.status == "DONE" and report.outputs == {"a": b""}

    def test_text_is_refused_with_advice(self, zygote):
        report = zygote.run("def main(a):\n    a.write('text')", outputs=["a"])
        assert report.exception == "TypeError" and "a.text(" in report.message

    def test_beyond_the_limit(self, zygote):
        report = zygote.run("def main(big):\n    while True: big.write(b'x' * 65536)", outputs=["big"],
                            limits=Limits(output_bytes=1 << 20))
        assert report.status == "LIMIT_OUTPUT"
        assert "'big'" in report.message and str(1 << 20) in report.message
        assert len(report.outputs["big"]) <= 1 << 20

    def test_beyond_the_limit_behind_the_runtimes_back(self, zygote):
        report = zygote.run("import os\ndef main(big):\n    big.write(b'1')\n    os.write(3, b'x' * 4000000)",
                            outputs=["big"], limits=Limits(output_bytes=1 << 20))
        assert len(report.outputs["big"]) <= 1 << 20

    def test_holes_are_refused(self, zygote):
        report = zygote.run("import os\ndef main(a):\n    os.ftruncate(3, 1 << 19)", outputs=["a"])
        assert report.status == "SCRIPT_FAILED" and report.exception == "PermissionError"

    def test_started_anew(self, zygote):
        report = zygote.run("def main(a):\n    a.write(b'long text')\n    a.restart()\n    a.write(b'x')", outputs=["a"])
        assert report.outputs == {"a": b"x"}

    def test_standard_writers(self, zygote):
        report = zygote.run("""
import io, zipfile
def main(z, t):
    with zipfile.ZipFile(z, "w") as archive:
        archive.writestr("a.txt", "hello")
    with io.TextIOWrapper(t, encoding="utf-8") as text:
        text.write("tä")
""", outputs=["z", "t"])
        assert report.status == "DONE", report
        assert report.outputs["t"] == "tä".encode() and report.outputs["z"].startswith(b"PK")


class TestNumpy:
    @pytest.fixture(scope="class")
    def numpy_zygote(self):
        with ZygoteDriver("numpy") as driver:
            yield driver

    def test_in_and_out(self, numpy_zygote):
        numpy = pytest.importorskip("numpy")
        array = numpy.arange(12, dtype="f4").reshape(3, 4)
        file = io.BytesIO()
        numpy.save(file, array)
        report = numpy_zygote.run("""
import numpy as np
def main(a, b):
    array = a.numpy()
    b.numpy(array.T @ array)
    return [list(array.shape), array.flags.writeable, float(array.sum()), str(array.dtype)]
""", inputs={"a": file.getvalue()}, outputs=["b"])
        assert report.result == [[3, 4], False, 66.0, "float32"]
        assert numpy.array_equal(numpy.load(io.BytesIO(report.outputs["b"])), array.T @ array)

    def test_archives_and_fortran_order(self, numpy_zygote):
        numpy = pytest.importorskip("numpy")
        archive, plain = io.BytesIO(), io.BytesIO()
        numpy.savez_compressed(archive, x=numpy.eye(2), y=numpy.array([1, 2]))
        numpy.save(plain, numpy.asfortranarray(numpy.arange(6).reshape(2, 3)))
        report = numpy_zygote.run("def main(a, f):\n    d = a.numpy()\n    return [sorted(d), d['y'].tolist(), "
                                  "f.numpy().tolist()]", inputs={"a": archive.getvalue(), "f": plain.getvalue()})
        assert report.result == [["x", "y"], [1, 2], [[0, 1, 2], [3, 4, 5]]]

    @pytest.mark.parametrize("content", [b"", b"text", b"\x93NUMPY", b"\x93NUMPY\x01\x00\x10\x00garbage garbage!",
                                         b"PK\x03\x04 not a zip"])
    def test_damaged_files(self, numpy_zygote, content):
        report = numpy_zygote.run("def main(a):\n    a.numpy()", inputs={"a": content})
        assert (report.status, report.exception) == ("SCRIPT_FAILED", "ValueError")
        assert "input 'a'" in report.message

    @pytest.mark.parametrize("shape", ["(-1,)", "(99999999999, 99999999999)", "(4,)"])
    def test_headers_that_lie(self, numpy_zygote, shape):
        header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
        content = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + b"12345678"
        report = numpy_zygote.run("def main(a):\n    a.numpy()", inputs={"a": content})
        assert (report.status, report.exception) == ("SCRIPT_FAILED", "ValueError"), report

    def test_objects_are_refused(self, numpy_zygote):
        numpy = pytest.importorskip("numpy")
        file = io.BytesIO()
        numpy.save(file, numpy.array([{}], dtype=object), allow_pickle=True)
        report = numpy_zygote.run("def main(a):\n    a.numpy()", inputs={"a": file.getvalue()})
        assert report.exception == "ValueError" and "objects" in report.message

    def test_numpy_values_are_no_json_but_say_how(self, numpy_zygote):
        report = numpy_zygote.run("import numpy\ndef main():\n    return {'n': numpy.int64(3)}")
        assert report.status == "BAD_RESULT" and "result['n']" in report.message and ".item()" in report.message
        report = numpy_zygote.run("import numpy\ndef main():\n    return numpy.zeros(3)")
        assert ".tolist()" in report.message

    def test_generators_differ_between_cells(self, numpy_zygote):
        source = "import numpy, random\ndef main():\n    return [numpy.random.rand(), random.random()]"
        first, second = numpy_zygote.run(source).result, numpy_zygote.run(source).result
        assert first[0] != second[0] and first[1] != second[1]


class TestTeaclave:
    def test_an_unmodified_payload(self, zygote):
        report = zygote.run("""
from teaclave import open

def entrypoint(argv):
    arguments = dict(zip(argv[::2], argv[1::2]))
    with open("data", "rb") as source, teaclave_open("copy", "wb") as target:
        for line in source.readlines():
            target.write(line.replace('o', 'O'))
    return "%s:%s" % (arguments["name"], argv)
""", entry="entrypoint", arguments={"name": "x", "a": [1, None], "z": 0.5}, inputs={"data": b"one\ntwo\xff"},
                            outputs=["copy"])
        assert report.status == "DONE", report
        assert report.result == "x:['a', '[1,null]', 'name', 'x', 'z', '0.5']"
        assert report.outputs["copy"] == b"One\ntwO\xff"

    @pytest.mark.parametrize("call, exception, text", [
        ("teaclave_open('no', 'rb')", "RuntimeError", "fileio_init: teaclave_ffi_error"),
        ("teaclave_open('o', 'rb')", "RuntimeError", "fileio_init: teaclave_ffi_error"),
        ("teaclave_open('i', 'wb')", "RuntimeError", "fileio_init: teaclave_ffi_error"),
        ("teaclave_open('none', 'rb')", "RuntimeError", "fileio_init: teaclave_ffi_error"),
        ("teaclave_open('i', 'r')", "RuntimeError", "Teaclave Not Supported"),
        ("teaclave_open('o', 'w')", "RuntimeError", "Teaclave Not Supported"),
        ("teaclave_open('i', 'a')", "ValueError", "invalid mode: 'a'"),
        ("teaclave_open('o', 'wb').read()", "RuntimeError", "fileio_read: teaclave_ffi_error"),
        ("teaclave_open('i', 'rb').write('x')", "RuntimeError", "fileio_write: teaclave_ffi_error"),
        ("teaclave_open('o', 'wb').write(chr(256))", "RuntimeError", "fileio_write: teaclave_ffi_error"),
    ])
    def test_errors_are_teaclaves(self, zygote, call, exception, text):
        source = f"def entrypoint(argv):\n    try:\n        {call}\n    except Exception as e:\n" \
                 "        with teaclave_open('o', 'wb') as f: pass\n        return type(e).__name__ + '|' + e.message"
        report = zygote.run(source, entry="entrypoint", inputs={"i": b"1", "none": None}, outputs=["o"])
        assert report.status == "DONE", report
        assert report.result == f"{exception}|{text}"

    def test_a_refused_mode_leaves_the_output(self, zygote):
        report = zygote.run("""
def entrypoint(argv):
    with teaclave_open("o", "wb") as f:
        f.write("kept")
    try:
        teaclave_open("o", "w")
    except RuntimeError:
        pass
""", entry="entrypoint", outputs=["o"])
        assert report.result == "" and report.outputs["o"] == b"kept"

    def test_opening_again_starts_anew(self, zygote):
        report = zygote.run("def entrypoint(argv):\n    for t in ('long', 'x'):\n        f = teaclave_open('o', 'wb')\n"
                            "        f.write(t)\n        f.close()", entry="entrypoint", outputs=["o"])
        assert report.outputs["o"] == b"x"

    @pytest.mark.parametrize("value, status, result", [
        ("'\\xc3\\xa4'", "DONE", "ä"), ("None", "DONE", ""), ("1", "BAD_RESULT", None), ("'\\xff'", "BAD_RESULT", None)])
    def test_results(self, zygote, value, status, result):
        report = zygote.run(f"def entrypoint(argv):\n    return {value}", entry="entrypoint")
        assert (report.status, report.result) == (status, result)

    def test_an_entry_point_with_other_parameters_is_natural(self, zygote):
        report = zygote.run("def entrypoint(a, b):\n    return a + b", entry="entrypoint", arguments={"a": 1, "b": 2})
        assert report.result == 3

    def test_a_nul_byte_is_refused(self, zygote):
        report = zygote.run("def entrypoint(argv): pass", entry="entrypoint", arguments={"a": "x\0y"})
        assert report.status == "BAD_ARGUMENT" and "'a'" in report.message
