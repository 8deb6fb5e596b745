# SPDX-License-Identifier: Apache-2.0
"""Bad input for every builtin, in one table: what each kind of it comes to. The functions' own tests have what is special to one."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import signal
import tarfile
from typing import Any

import builtin_models
import numpy
import onnx_writer
import pytest
from builtin_models import long_only, npy, teaclave
from test_builtin_gbdt import xgboost_model
from waiting import ready
from zygote_driver import BUILTIN, Limits, Streamed, ZygoteDriver

from cella import Builtin

NAMES = [item.name for item in Builtin.all()]
ROOMY = Limits(cpu_s=60, wall_s=60, memory_bytes=1 << 30, output_bytes=1 << 26)


@pytest.fixture(scope="module")
def zygote():
    with ZygoteDriver("native") as driver:
        yield driver


def relu() -> bytes:
    """An ONNX model of two columns."""
    graph = onnx_writer.Graph()
    graph.output(graph.node("Relu", graph.input("x", [None, 2]), outputs=["y"]), [None, 2])
    return graph.model()


def means(size: int = 8) -> bytes:
    """An ONNX model of images: the mean of each colour."""
    graph = onnx_writer.Graph()
    x = graph.input("x", ["n", 3, size, size])
    graph.output(graph.node("Flatten", graph.node("GlobalAveragePool", x)), ["n", 3])
    return graph.model()


PNG = bytes.fromhex("89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c4944415478"
                    "9c63f8efa0000003a101602ff480640000000049454e44ae426082")
TREES = json.dumps(xgboost_model()).encode()
LOGISTIC = b'{"parameters": [0, 1, 1]}'


@dataclasses.dataclass(frozen=True)
class Call:
    """A call that works; tests change one thing of it."""

    inputs: dict[str, bytes]
    outputs: tuple[str, ...]
    arguments: dict[str, Any] = dataclasses.field(default_factory=dict)

    def run(self, zygote, name, limits=ROOMY, inputs=None, arguments=None):
        return zygote.run("", entry=name, kind=BUILTIN, arguments=self.arguments if arguments is None else arguments,
                          inputs={**self.inputs, **(inputs or {})}, outputs=list(self.outputs), limits=limits,
                          timeout=limits.wall_s)


CALLS = {
    "aggregate": Call({"data": b"k,v\na,1\n"}, ("result",), {"aggregates": "count,sum:v", "group_by": "k", "minimum_group": 1}),
    "csv_profile": Call({"data": b"k,v\na,1\n"}, ("profile",), {"minimum_group": 1}),
    "echo": Call({}, (), {"message": "x"}),
    "gbdt_predict": Call({"model_file": TREES, "data_file": b"0,1\n"}, ("result_file",)),
    "join": Call({"input0": b"k,v\na,1\n", "input1": b"k,w\na,2\n"}, ("output0",), {"on": "k"}),
    "logistic_regression_predict": Call({"model_file": LOGISTIC, "data_file": b"0,1\n"}, ("result_file",)),
    "logistic_regression_train": Call({"training_data": b"1,0\n2,1\n"}, ("model_file",)),
    "ordered_set_intersect": Call({"input_data1": b"01\n", "input_data2": b"01\n"}, ("output_result1", "output_result2"),
                                  {"order": "ascending"}),
    "ordered_set_join": Call({"input_data1": b"a,1\n", "input_data2": b"a,2\n"}, ("output_result",),
                             {"left_column": 0, "right_column": 0, "ascending": True, "drop": False, "sorted": True}),
    "password_check": Call({"password": b"a", "exposed_passwords": b"a\n"}, ()),
    "private_join_and_compute": Call({"input_data0": b"a:1\n", "input_data1": b"a:2\n"}, ("output_data0", "output_data1"),
                                     {"num_user": 2}),
    "psi": Call({"input0": b"k,v\na,1\n", "input1": b"k\na\n"}, ("output0",), {"form": "csv"}),
    "classify_images": Call({"model": means(), "images": PNG}, ("classes",)),
    "gbdt_train": Call({"training_data": b"1,0\n2,1\n"}, ("trained_model",), {"iterations": 1}),
    "online_decrypt": Call({}, (), {"key": "A" * 22 + "==", "nonce": "A" * 16,
                                    "encrypted_data": "A4jazmC2o5LzKMK5cbL+eKtuR9Qs7BO99TpnshJXvd8="}),
    "onnx_predict": Call({"model": relu(), "data": b"1,2\n"}, ("predictions",)),
    "principal_components_analysis": Call({"input_data": b"1,2\n2,3\n"}, ("output_data",), {"n": 1}),
    "rsa_sign": Call({"rsa_key": teaclave("rsa_key.der")}, (), {"data": "x"}),
}


def test_the_table_is_complete():
    assert sorted(CALLS) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_the_calls_work(zygote, name):
    report = CALLS[name].run(zygote, name)
    assert report.status == "DONE" and report.result != "", report


# Data. For each input: what it holds, and either words of the refusal or the answer: the first output, or the result if there is none.

EMPTY, HEADER, ONE, MISSING, TEXT, INFINITE, TWICE, UNSORTED, SHORT, LONG = (
    "empty", "header only", "one row", "missing", "text", "not finite", "twice", "unsorted", "too few columns", "too many columns")


class Refused(str):
    """Words that the message has; the input's name is looked for anyway."""


class Has(bytes):
    """What is somewhere in the answer."""


def numeric(**special: Any) -> dict[str, tuple[bytes, Any]]:
    """What all functions on numbers refuse alike; the rest, and what differs, is given."""
    known = {
        EMPTY: (b"", Refused("is empty")), TEXT: (b"1,0\n2,x\n", Refused("row 2, column 2: 'x' is not a number")),
        MISSING: (b"1,0\n,1\n", Refused("row 2, column 1: is missing")),
        INFINITE: (b"1,0\ninf,1\n", Refused("row 2, column 1: 'inf' is not a finite number")),
        SHORT: (b"1,0\n2\n", Refused("row 2 (line 2): has 1 fields")), LONG: (b"1,0\n2,1,3\n", Refused("row 2 (line 2): has 3 fields")),
    }
    return {**known, **{name.replace("_", " "): value for name, value in special.items()}}


PROFILE = b"column,type,missing,categories,distinct,low,q25,median,q75,high,length\n"

DATA: dict[tuple[str, str], dict[str, tuple[bytes, Any]]] = {
    ("aggregate", "data"): {
        EMPTY: (b"", Refused("is empty")), HEADER: (b"k,v\n", b"k,count,sum:v\n"), ONE: (b"k,v\na,1\n", b"k,count,sum:v\na,1,1.0\n"),
        MISSING: (b"k,v\na,\na,1\n", b"k,count,sum:v\na,2,1.0\n"), TEXT: (b"k,v\na,x\n", Refused("row 1, column 2 (v): is not a number")),
        INFINITE: (b"k,v\na,-inf\n", Refused("row 1, column 2 (v): is infinite")),
        TWICE: (b"k,v\na,1\na,1\n", b"k,count,sum:v\na,2,2.0\n"),
        UNSORTED: (b"k,v\nb,1\na,2\nb,3\n", b"k,count,sum:v\na,1,2.0\nb,2,4.0\n"),
        SHORT: (b"k,v\na\n", Refused("row 1 (line 2): has 1 fields")), LONG: (b"k,v\na,1,2\n", Refused("row 1 (line 2): has 3 fields"))},
    ("csv_profile", "data"): {
        EMPTY: (b"", PROFILE), HEADER: (b"k,v\n", Has(b"k,unknown,0,0,0,,,,,,\nv,unknown,0,0,0,,,,,,\n")),
        ONE: (b"k\n1\n", Has(b"k,integer,0,1,1,1.0,")), MISSING: (b"k,v\n,1\n", Has(b"k,unknown,1,0,0,")),
        TEXT: (b"k\n1\nx\n", Has(b"k,text,0,2,2,,,,,,1\n")), INFINITE: (b"k\ninf\n", Has(b"k,number,0,1,1,,,,,,3\n")),
        TWICE: (b"k\na\na\n", Has(b"k,text,0,1,1,,,,,,1\n")), UNSORTED: (b"k\n2\n1\n", Has(b"k,integer,0,2,2,1.0,")),
        SHORT: (b"k,v\na\n", Refused("row 1 (line 2): has 1 fields")), LONG: (b"k,v\na,1,2\n", Refused("row 1 (line 2): has 3 fields"))},
    ("gbdt_predict", "data_file"): numeric(
        header_only=(b"a,b\n", b""), one_row=(b"0,1\n", b"11.5000000000\n"), missing=(b",7\n0,nan\n", b"12.5000000000\n12.5000000000\n"),
        twice=(b"1,0\n1,0\n", b"13.5000000000\n" * 2), unsorted=(b"1,0\n0,1\n", b"13.5000000000\n11.5000000000\n")),
    ("logistic_regression_predict", "data_file"): numeric(
        header_only=(b"a,b\n", b""), one_row=(b"0,0\n", b"0.5000\n"), twice=(b"0,0\n0,0\n", b"0.5000\n" * 2),
        unsorted=(b"9,9\n0,0\n", b"1.0000\n0.5000\n")),
    ("onnx_predict", "data"): numeric(
        header_only=(b"a,b\n", Refused("no rows")), one_row=(b"1,-2\n", b"y_0,y_1\n1.0,0.0\n"),
        twice=(b"1,2\n1,2\n", b"y_0,y_1\n1.0,2.0\n1.0,2.0\n"), unsorted=(b"3,4\n1,2\n", b"y_0,y_1\n3.0,4.0\n1.0,2.0\n")),
    ("logistic_regression_train", "training_data"): numeric(
        header_only=(b"a,b\n", Refused("0 rows")), one_row=(b"1,0\n", Refused("all labels are 0")),
        twice=(b"1,0\n1,0\n2,1\n2,1\n", Has(b'"iters":')), unsorted=(b"2,1\n1,0\n", Has(b'"iters":'))),
    ("gbdt_train", "training_data"): numeric(
        header_only=(b"a,b\n", Refused("0 rows")), one_row=(b"1,0\n", Has(b'"num_feature":"1"')), missing=(b"1,0\n,1\n", Has(b'"num_feature":"1"')),
        twice=(b"1,0\n1,0\n", Has(b'"num_feature":"1"')), unsorted=(b"2,1\n1,0\n", Has(b'"num_feature":"1"'))),
    ("principal_components_analysis", "input_data"): numeric(
        header_only=(b"a,b\n", Refused("0 rows")), one_row=(b"1,2\n", Refused("2 rows are the least")),
        twice=(b"1,2\n1,2\n", b"0.0\n0.0\n"), unsorted=(b"2,0\n1,0\n", b"0.5\n-0.5\n")),
    ("join", "input0"): {
        EMPTY: (b"", Refused("is empty")), HEADER: (b"k,v\n", b"k,v,w\n"), ONE: (b"k,v\na,1\n", b"k,v,w\na,1,2\n"),
        MISSING: (b"k,v\n,1\na,\n", b"k,v,w\na,,2\n"), TEXT: (b"k,v\na,x\n", b"k,v,w\na,x,2\n"),
        INFINITE: (b"k,v\na,inf\nnan,1\n", b"k,v,w\na,inf,2\n"), TWICE: (b"k,v\na,1\na,1\n", b"k,v,w\na,1,2\na,1,2\n"),
        UNSORTED: (b"k,v\nb,1\na,2\n", b"k,v,w\na,2,2\n"),
        SHORT: (b"k,v\na\n", Refused("row 1 (line 2): has 1 fields")), LONG: (b"k,v\na,1,2\n", Refused("row 1 (line 2): has 3 fields"))},
    ("join", "input1"): {
        EMPTY: (b"", Refused("is empty")), HEADER: (b"k,w\n", b"k,v,w\n"), TWICE: (b"k,w\na,2\na,2\n", b"k,v,w\na,1,2\na,1,2\n"),
        MISSING: (b"k,w\n,1\na,\n", b"k,v,w\na,1,\n"),
        SHORT: (b"k,w\na\n", Refused("row 1 (line 2): has 1 fields")), LONG: (b"k,w\na,1,2\n", Refused("row 1 (line 2): has 3 fields"))},
    ("ordered_set_join", "input_data1"): {
        EMPTY: (b"", Refused("is empty")), HEADER: (b"k,v\n", b""), ONE: (b"a,1\n", b"a,1,2\n"), MISSING: (b",1\na,\n", b"a,,2\n"),
        TEXT: (b"a,x\n", b"a,x,2\n"), INFINITE: (b"a,nan\ninf,1\n", b"a,nan,2\n"), TWICE: (b"a,1\na,1\n", b"a,1,2\n"),
        UNSORTED: (b"b,1\na,1\n", Refused("row 2, column 1: is not in ascending order")),
        SHORT: (b"a,1\nb\n", Refused("row 2 (line 2): has 1 fields")), LONG: (b"a,1\nb,1,2\n", Refused("row 2 (line 2): has 3 fields"))},
    ("ordered_set_join", "input_data2"): {
        EMPTY: (b"", Refused("is empty")), UNSORTED: (b"b,1\na,1\n", Refused("row 2, column 1: is not in ascending order")),
        SHORT: (b"a,1\nb\n", Refused("row 2 (line 2): has 1 fields"))},
    ("psi", "input0"): {
        EMPTY: (b"", b""), HEADER: (b"k,v\n", b""), ONE: (b"k,v\na,1\n", b"1"), MISSING: (b"k,v\n,1\na,\n", b"01"), TEXT: (b"k,v\na,x\n", b"1"),
        INFINITE: (b"k,v\ninf,1\na,nan\n", b"01"), TWICE: (b"k,v\na,1\na,1\n", b"11"), UNSORTED: (b"k,v\nb,1\na,1\n", b"01"),
        SHORT: (b"k,v\na\n", Refused("row 1 (line 2): has 1 fields")), LONG: (b"k,v\na,1,2\n", Refused("row 1 (line 2): has 3 fields"))},
    ("ordered_set_intersect", "input_data1"): {
        EMPTY: (b"", b""), HEADER: (b"id\n", Refused("line 1: character 1 is not a hexadecimal digit")), ONE: (b"01\n", b"1"),
        MISSING: (b"01\n\n02\n", Refused("line 2: is empty")), TEXT: (b"01\nxy\n", Refused("line 2: character 1 is not a hexadecimal digit")),
        INFINITE: (b"inf\n", Refused("line 1: character 1")), TWICE: (b"01\n01\n", b"11"),
        UNSORTED: (b"02\n01\n", Refused("line 2: is not in ascending order")), LONG: (b"01,02\n", Refused("line 1: character 3"))},
    ("password_check", "password"): {
        EMPTY: (b"", Refused("line 1: is empty")), ONE: (b"a\n", "true"), MISSING: (b"\na\n", Refused("line 1: is empty")),
        TWICE: (b"a\na\n", "true"), UNSORTED: (b"b\na\n", "false"), INFINITE: (b"nan\n", "false"), LONG: (b"a,a\n", "false")},
    ("password_check", "exposed_passwords"): {
        EMPTY: (b"", "false"), ONE: (b"a\n", "true"), MISSING: (b"\n\na\n", "true"), TWICE: (b"a\na\n", "true"),
        UNSORTED: (b"z\na\nb\n", "true"), INFINITE: (b"nan\n", "false"), LONG: (b"a,a\n", "false")},
    ("private_join_and_compute", "input_data0"): {
        EMPTY: (b"", b""), HEADER: (b"id:amount\n", b""), ONE: (b"a:5\n", b"a, 7\n"), MISSING: (b"a:\n:1\na\n", b""), TEXT: (b"a:x\n", b""),
        INFINITE: (b"a:inf\na:nan\n", b""), TWICE: (b"a:1\na:4\n", b"a, 6\n"), UNSORTED: (b"b:1\na:1\n", b"a, 3\n"), LONG: (b"a:1:2\n", b"")},
    ("rsa_sign", "rsa_key"): {
        EMPTY: (b"", Refused("no RSA private key")), TEXT: (b"-----BEGIN RSA PRIVATE KEY-----\n", Refused("no RSA private key"))},
    ("classify_images", "images"): {
        EMPTY: (b"", Refused("is empty")), TEXT: (b"a,b\n1,2\n", Refused("neither PNG, JPEG nor")),
        ONE: (PNG, Has(b"images,1,")), MISSING: (bytes(10240), Refused("no image")), SHORT: (PNG[:-20], Refused("PNG"))},
    ("classify_images", "labels"): {
        EMPTY: (b"", Refused("0 lines")), SHORT: (b"a\nb\n", Refused("2 lines")), LONG: (b"a\nb\nc\nd\n", Refused("4 lines")),
        TWICE: (b"a\na\na\n", Has(b"images,1,a,"))},
    ("classify_images", "model"): {EMPTY: (b"", Refused("is not an ONNX file")), TEXT: (b"a,b\n", Refused("is not an ONNX file"))},
    ("onnx_predict", "model"): {EMPTY: (b"", Refused("is not an ONNX file")), TEXT: (b"a,b\n", Refused("is not an ONNX file"))},
    ("gbdt_predict", "model_file"): {EMPTY: (b"", Refused("ends")), TEXT: (b"a,b\n", Refused("byte "))},
    ("logistic_regression_predict", "model_file"): {EMPTY: (b"", Refused("ends")), TEXT: (b"a,b\n", Refused("byte "))},
}


@pytest.mark.parametrize("name, target", [pytest.param(*key, id="-".join(key)) for key in DATA])
def test_data(zygote, name, target):
    call = CALLS[name]
    for kind, (content, expected) in DATA[name, target].items():
        report = call.run(zygote, name, inputs={target: content})
        if isinstance(expected, Refused):
            assert report.status in ("BUILTIN_FAILED", "BAD_ARGUMENT") and target in report.message and expected in report.message, (kind, report)
            assert not any(report.outputs.values()), (kind, report)
        else:
            assert report.status == "DONE", (kind, report)
            got = report.outputs[call.outputs[0]] if call.outputs else report.result
            assert expected in got if isinstance(expected, Has) else got == expected, (kind, report)


# Arguments, from the table.


def wrong_values(parameter):
    """Values of another type, and beyond the range, as a task's JSON can have them."""
    wrong = {"text": [1, 1.5, True, None, ["x"], {}], "choice": [1, True, None, [], "", "no such", "|".join(parameter.choices or ()) + "|"],
             "integer": ["1", 1.5, 1.0, True, None, [1], 10**30, 2**63, -(2**63)], "real": ["1", True, None, [1.0], 10**400, -1e308],
             "flag": ["true", 1, 0, None, []]}[parameter.kind]
    if parameter.kind in ("integer", "real"):
        wrong += [parameter.maximum * 2 + 1, *([parameter.minimum - 1] if parameter.kind == "real" else
                                                [int(parameter.minimum) - 1, int(parameter.maximum) + 1])]
    if parameter.kind == "text":
        wrong += ["\ud800", *(["x" * (int(parameter.maximum) + 1)] if parameter.maximum < 100000 else []), *([""] if parameter.minimum > 0 else [])]
    return wrong


@pytest.mark.parametrize("name", NAMES)
def test_arguments(zygote, name):
    call, item = CALLS[name], Builtin.find(name)
    required = {}
    for parameter in item.parameters:
        if parameter.is_file:
            continue
        for value in wrong_values(parameter):
            report = call.run(zygote, name, arguments={**call.arguments, parameter.name: value})
            assert report.status == "BAD_ARGUMENT", (parameter.name, value, report)
            assert f"'{parameter.name}'" in report.message or value == "\ud800", (parameter.name, value, report)
        if parameter.default is None:
            required[parameter.name] = {key: value for key, value in call.arguments.items() if key != parameter.name}
    for missing, rest in required.items():
        report = call.run(zygote, name, arguments=rest)
        assert (report.status, report.message) == ("BAD_ARGUMENT", f"argument '{missing}' is missing")
    for unknown in ("no_such", "", "header " if "header" in required else "Message"):
        report = call.run(zygote, name, arguments={**call.arguments, unknown: 1})
        assert report.status == "BAD_ARGUMENT" and f"'{unknown}' is not a parameter" in report.message


@pytest.mark.parametrize("name", NAMES)
def test_files_that_are_missing_or_too_many(zygote, name):
    call = CALLS[name]
    for target in call.inputs:
        report = call.run(zygote, name, inputs={target: None})
        group = target.rstrip("0123456789")
        assert report.status == "BAD_ARGUMENT" and f"'{target}'" in report.message or f"'{group}' needs" in report.message, report
    report = call.run(zygote, name, inputs={"no_such": b""})
    assert (report.status, report.message) == ("BAD_ARGUMENT", "'no_such' is not a parameter of this function")
    report = dataclasses.replace(call, outputs=(*call.outputs, "no_such")).run(zygote, name)
    assert (report.status, report.message) == ("BAD_ARGUMENT", "'no_such' is not a parameter of this function")
    if call.outputs:
        report = dataclasses.replace(call, outputs=call.outputs[:-1]).run(zygote, name)
        assert report.status == "BAD_ARGUMENT" and "output" in report.message, report


@pytest.mark.parametrize("name", NAMES)
def test_numbers_of_python_that_json_does_not_have(zygote, name):
    """In a script arguments can be NaN, infinite, bytes or objects."""
    call = CALLS[name]
    numbers = [each.name for each in Builtin.find(name).parameters if not each.is_file]
    report = zygote.run(f"""
import cella
def main(names, given, **files):
    said, inputs = [], [file.read() for file in files.values()]
    for name in names:
        for value in (float("nan"), float("inf"), -float("inf"), b"x", object(), 1j, 10**400, -10**400):
            try:
                cella.builtins.{name}(*inputs, **{{**given, name: value}})
                said.append([name, repr(value)[:9], "accepted"])
            except cella.builtins.BuiltinError as error:
                if f"'{{name}}'" not in str(error):
                    said.append([name, repr(value)[:9], str(error)])
    return said
""", arguments={"names": numbers, "given": call.arguments}, inputs=call.inputs)
    assert (report.status, report.result) == ("DONE", []), report


# Cancelling, memory, rows. Those of the other functions are in their own tests.


@pytest.mark.parametrize("name", NAMES)
def test_a_loop_of_calls_is_cancelled(zygote, name):
    """Also of functions that are too short to be asked in the middle."""
    call = CALLS[name]
    cell, targets = zygote.start(f"""
import cella
def main(given, **files):
    inputs = [file.read() for file in files.values()]
    for number in range(10**9):
        cella.builtins.{name}(*inputs, **given)
        if number == 2:
            cella.progress(0.5)
""", arguments={"given": call.arguments}, inputs=call.inputs, limits=ROOMY)
    assert ready([cell.link], [], 20)[0] and cell.link.recv(65536)
    signal.pidfd_send_signal(cell.handle, signal.SIGTERM)
    assert zygote.collect(cell, targets, timeout=20).status == "CANCELLED"


ROWS = b"0.5,1\n" * 3_000_000


@pytest.mark.parametrize("name, inputs", [
    ("gbdt_predict", {"data_file": ROWS}), ("logistic_regression_predict", {"data_file": ROWS}), ("onnx_predict", {"data": ROWS}),
    ("gbdt_predict", {"data_file": npy(numpy.zeros((3_000_000, 2)))}),
    ("logistic_regression_predict", {"data_file": npy(numpy.zeros((3_000_000, 2)))}),
])
def test_cancel(zygote, name, inputs):
    call = CALLS[name]
    report = builtin_models.cancel(zygote, name, {**call.inputs, **inputs}, list(call.outputs))
    assert report.status == "CANCELLED", report


def archive(image: bytes, count: int) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as file:
        for number in range(count):
            info = tarfile.TarInfo(f"{number}.png")
            info.size = len(image)
            file.addfile(info, io.BytesIO(image))
    return out.getvalue()


def test_cancel_between_images(zygote):
    report = builtin_models.cancel(zygote, "classify_images", {"model": means(), "images": archive(PNG, 20000)}, ["classes"])
    assert report.status == "CANCELLED", report


@pytest.mark.parametrize("name, inputs", [
    ("gbdt_predict", {"data_file": ROWS}), ("logistic_regression_predict", {"data_file": ROWS}), ("onnx_predict", {"data": ROWS}),
    ("gbdt_train", {"training_data": ROWS}), ("logistic_regression_train", {"training_data": ROWS}),
    ("principal_components_analysis", {"input_data": ROWS}), ("classify_images", {"model": means(4000)}),
    ("password_check", {"password": b"x" * (40 << 20), "exposed_passwords": Streamed(b"y" * (40 << 20))}),
    ("ordered_set_intersect", {"input_data1": Streamed(b"1" * (40 << 20))}),
    ("csv_profile", {"data": b",".join(b"c%d" % place for place in range(16000)) + b"\n"}),
    ("join", {"input1": b"k,w\n" + b"a,1\n" * 3_000_000}), ("psi", {"input0": b"k,v\n" + b"a,1\n" * 3_000_000}),
    ("private_join_and_compute", {"input_data0": b"".join(b"%d:1\n" % number for number in range(300_000))}),
    ("aggregate", {"data": b"k,v\n" + b"".join(b"%d,1\n" % number for number in range(300_000))}),
    ("rsa_sign", {"rsa_key": Streamed(b"0" * (40 << 20))}),
])
def test_memory_limit(zygote, name, inputs):
    report = CALLS[name].run(zygote, name, dataclasses.replace(ROOMY, memory_bytes=16 << 20), inputs)
    assert report.status == "LIMIT_MEMORY" and str(16 << 20) in report.message, report


MANY = 10_000_000
LINES = b"".join(b"%08x\n" % number for number in range(MANY)) if os.environ.get("CELLA_TEST_LONG") == "1" else b""


@long_only
@pytest.mark.parametrize("name, inputs, result", [
    ("gbdt_predict", {"data_file": lambda: b"1,0\n" * MANY}, "Predict result has 10000000 lines of data."),
    ("logistic_regression_predict", {"data_file": lambda: b"1,0\n" * MANY}, "Predicted 10000000 lines of data."),
    ("onnx_predict", {"data": lambda: b"1,0\n" * MANY}, None),
    ("ordered_set_intersect", {"input_data1": lambda: LINES, "input_data2": lambda: LINES}, "10000000 common items"),
    ("ordered_set_join", {"input_data1": lambda: LINES.replace(b"\n", b",1\n"), "input_data2": lambda: LINES.replace(b"\n", b",2\n")},
     "10000000 records"),
    ("password_check", {"password": lambda: b"%08x" % (MANY - 1), "exposed_passwords": lambda: LINES}, "true"),
])
def test_ten_million_rows(zygote, name, inputs, result):
    report = CALLS[name].run(zygote, name, Limits(cpu_s=300, wall_s=300, memory_bytes=1 << 30, output_bytes=1 << 30),
                             {key: make() for key, make in inputs.items()})
    assert report.status == "DONE" and (report.result == result if result else report.result["rows"] == MANY), report


# Hostile files: every byte changed, in one cell that is there at the end. CHANGES are what is changed of models; of images, less.

CHANGES = [1, 0x80, 0x1F]


def tar() -> bytes:
    return archive(PNG, 1)


def jpeg() -> bytes:
    out = io.BytesIO()
    pytest.importorskip("PIL.Image", reason="NOT INSTALLED: python3-pil").new("RGB", (9, 9), (200, 100, 50)).save(out, "JPEG")
    return out.getvalue()


def convolution() -> bytes:
    """A network for images with what such networks have: weights, strides, pads, pooling, shapes."""
    rng = numpy.random.default_rng(3)
    graph = onnx_writer.Graph()
    x = graph.input("x", ["n", 3, 8, 8])
    x = graph.node("Conv", x, graph.constant(rng.normal(0, 1, (2, 3, 3, 3)).astype("f4")), graph.constant(numpy.zeros(2, "f4")),
                   kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    x = graph.node("MaxPool", graph.node("Relu", x), kernel_shape=[2, 2], strides=[2, 2])
    x = graph.node("Reshape", x, graph.constant(numpy.array([0, -1])))
    x = graph.node("Gemm", x, graph.constant(rng.normal(0, 1, (8, 3)).astype("f4")))
    graph.output(graph.node("Softmax", x, axis=1), ["n", 3])
    return graph.model()


def flipped(zygote, name, content, rest, place, size, changes):
    """How many changed forms of one input give an answer, and how many are refused."""
    report = zygote.run(f"""
import cella
def main(content, place, size, changes, given, **rest):
    content, answers, refusals = bytearray(content.read()), 0, 0
    inputs = [file.read() for file in rest.values()]
    inputs.insert(place, content)
    for at in range(size):
        for change in changes:
            content[at] ^= change
            try:
                cella.builtins.{name}(*inputs, **given)
                answers += 1
            except cella.builtins.BuiltinError as error:
                refusals += bool(str(error))
            content[at] ^= change
    return answers, refusals
""", arguments={"place": place, "given": CALLS[name].arguments, "size": size, "changes": changes},
                        inputs={"content": content, **rest}, limits=ROOMY, timeout=60)
    assert report.status == "DONE", report
    answers, refusals = report.result
    assert answers + refusals == size * len(changes)
    return answers, refusals


@pytest.mark.parametrize("name, target, make", [
    ("classify_images", "model", convolution), ("classify_images", "images", lambda: PNG), ("classify_images", "images", jpeg),
    ("classify_images", "images", tar),
    ("onnx_predict", "data", lambda: npy(numpy.ones((2, 2), "f4"))), ("gbdt_predict", "data_file", lambda: npy(numpy.ones((2, 2)))),
    ("logistic_regression_predict", "data_file", lambda: npy(numpy.ones((2, 2), ">i2"))),
    ("logistic_regression_train", "training_data", lambda: npy(numpy.array([[1, 0], [2, 1]], "f8", order="F"))),
    ("gbdt_train", "training_data", lambda: npy(numpy.ones((2, 2), "u1"))),
    ("principal_components_analysis", "input_data", lambda: npy(numpy.arange(4.0).reshape(2, 2))),
], ids=["onnx", "png", "jpeg", "tar", "npy-onnx", "npy-trees", "npy-predict", "npy-regression", "npy-gbdt", "npy-components"])
def test_every_byte_flipped(zygote, name, target, make):
    call, content = CALLS[name], make()
    place = list(call.inputs).index(target)
    rest = {key: value for key, value in call.inputs.items() if key != target}
    size = 512 if make is tar else len(content)  # its header; what it holds is the PNG of another test
    answers, refusals = flipped(zygote, name, content, rest, place, size, CHANGES if target != "images" else CHANGES[-1:])
    assert answers > 0 and refusals > size / 10
