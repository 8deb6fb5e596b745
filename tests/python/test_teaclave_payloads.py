# SPDX-License-Identifier: Apache-2.0
"""Payloads written as for Teaclave's Python executor run as they are: in a cell of each profile, and locally.

All but the two of logistic regression were compared with CPython 2.7 when they were written: same results, same outputs.
"""

from __future__ import annotations

import ast
import dataclasses
import math
import random
import struct
from pathlib import Path

import pytest
from zygote_driver import ZygoteDriver

import cella
from cella.local import run_local

FOLDER = Path(__file__).resolve().parent / "teaclave_payloads"


@dataclasses.dataclass
class Case:
    """A run of a payload, and what must come of it."""

    payload: str
    result: str
    arguments: dict = dataclasses.field(default_factory=dict)
    inputs: dict = dataclasses.field(default_factory=dict)
    outputs: dict = dataclasses.field(default_factory=dict)


RECORDS = struct.pack("<4sHd", b"ab", 7, 0.5) + struct.pack("<4sHd", b"\xc3\xa4cd", 65535, -1e300)
CASES = [
    Case("echo", "grüße 1 € 中", {"message": "grüße 1 € 中"}),
    Case("echo", "[1,null,{\"a\":true}]", {"message": [1, None, {"a": True}]}),
    Case("concatenate", "2304", {"order": "b,a", "binary": True}, {"a": bytes(range(256)) * 9, "b": b""},
         {"joined": b"\x00\xff" + bytes(range(256)) * 9 + b"\x00\xff"}),
    Case("concatenate", "5", {"order": "b,a", "binary": False}, {"a": b"x\ny", "b": "ä".encode()},
         {"joined": "ä\nx\ny\n".encode()}),
    Case("private_average", "hr: 5.25 +- 2.25\nit: 385.08 +- 435.20", {"least": 2},
         {"bank": b"it,100\nhr,7.5\nit,55.25\n", "hospital": b"hr,3\nit,1e3\nward,7\n"}),
    Case("word_count", "naïve", {}, {"text": "die naïve Katze die Maus\n die\t ä".encode()},
         {"counts": "die\t3\nKatze\t1\nMaus\t1\nnaïve\t1\nä\t1\n".encode()}),
    Case("word_count", "6 words", {}, {"text": "voilà à\n\x85 \x1cb\x1c Š".encode()},
         {"counts": "\x1cb\x1c\t1\nvoilà\t1\n\x85\t1\nà\t1\nŠ\t1\n".encode()}),
    Case("optional_input", "required=rä|extra: fileio_init: teaclave_ffi_error|integer modulo by zero|key|"
         "'list' object has no attribute 'nothing'|own: no|Teaclave Not Supported|ValueError|fine",
         {}, {"required": "rä".encode()}),
    Case("optional_input", "required=|extra=x|integer modulo by zero|key|"
         "'list' object has no attribute 'nothing'|own: no|Teaclave Not Supported|ValueError|fine",
         {}, {"required": b"", "extra": b"x"}),
    Case("records", "ab=7/0.5;äcd=65535/-1e+300;|00000000000000c0000000000000d03f|74383cb295e089bbced059a97436caba|"
         "cdd90766448f6f025c0a236dcab88c8f9d0415f5|Jürgen €|-4|907060870", {"fields": {"name": "Jürgen €"}},
         {"records": RECORDS}, {"packed": struct.pack("<ddd", 1.5, -2.0, 0.25) + b"\x00\xff"}),
]


def source(payload: str) -> str:
    return (FOLDER / f"{payload}.py").read_text(encoding="utf-8")


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.py"))


@pytest.fixture(scope="module", params=["python", "numpy"])
def zygote(request):
    with ZygoteDriver(request.param) as driver:
        yield driver


def run_here(case: Case) -> tuple[str, dict]:
    script = cella.Script.parse(source(case.payload), f"{case.payload}.py")
    run = run_local(script, case.inputs, list(case.outputs), case.arguments)
    return run.result(), {name: output.bytes() for name, output in run.outputs.items()}


def run_in_cell(zygote: ZygoteDriver, case: Case) -> tuple[str, dict]:
    inputs = dict(case.inputs)
    if case.payload == "optional_input":
        inputs.setdefault("extra", None)  # declared, and not assigned
    report = zygote.run(source(case.payload), "entrypoint", case.arguments, inputs, list(case.outputs))
    assert report.status == "DONE", report
    return report.result, report.outputs


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.payload)
def test_locally(case: Case) -> None:
    assert run_here(case) == (case.result, case.outputs)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.payload)
def test_in_a_cell(zygote: ZygoteDriver, case: Case) -> None:
    assert run_in_cell(zygote, case) == (case.result, case.outputs)


def test_every_payload_is_run() -> None:
    assert set(names()) == {case.payload for case in CASES} | {"logistic_train", "logistic_predict"}
    assert len(names()) >= 8


@pytest.mark.parametrize("payload", names())
def test_payloads_are_what_the_client_takes(payload: str) -> None:
    script = cella.Script.parse(source(payload), f"{payload}.py")
    assert script.teaclave and script.entry == "entrypoint"
    assert all("divide" in sentence or "numpy" in sentence for sentence in script.warnings("numpy"))


def test_what_is_printed_is_text_again(zygote: ZygoteDriver) -> None:
    report = zygote.run(source("echo") + "\nprint('gr\\xc3\\xbc\\xdfe')\nprint('grüße')", "entrypoint", {"message": "ü"})
    assert report.log == "gr\xc3\xbc\xdfe\ngrüße\nmessage of 2 bytes\n"


class TestLogisticRegression:
    """Train in one task, predict in another; beside it the same by hand, with Python's floats."""

    @pytest.fixture(scope="class")
    def rows(self) -> list[list[float]]:
        dice = random.Random(5)
        rows = [[dice.uniform(-3, 5), dice.uniform(0, 100), dice.uniform(-1, 1)] for _ in range(60)]
        return [[*row, float(row[0] + row[1] / 20 + dice.uniform(-0.5, 0.5) > 3.5)] for row in rows]

    @staticmethod
    def by_hand(rows: list[list[float]], rate: float, rounds: int) -> list[float]:
        columns = list(zip(*rows))[:-1]
        low, high = [min(column) for column in columns], [max(column) for column in columns]
        data = [[(x - a) / (b - a) for x, a, b in zip(row, low, high)] for row in rows]
        weights, bias = [0.0] * len(columns), 0.0

        def chance(row: list[float]) -> float:
            return 1 / (1 + math.exp(-(sum(x * w for x, w in zip(row, weights)) + bias)))

        for _ in range(rounds):
            errors = [chance(row) - full[-1] for row, full in zip(data, rows)]
            weights = [w - sum(row[i] * e for row, e in zip(data, errors)) * rate / len(rows)
                       for i, w in enumerate(weights)]
            bias -= rate * sum(errors) / len(rows)
        return [chance(row) for row in data]

    @staticmethod
    def csv(rows: list[list[float]]) -> bytes:
        return "".join(",".join(map(repr, row)) + "\n" for row in rows).encode()

    def check(self, rows: list[list[float]], run) -> bytes:
        result, outputs = run(Case("logistic_train", "", {"rate": 2.0, "rounds": 300},
                                   {"training_data": self.csv(rows)}, {"model": b""}))
        assert result == "trained 60 lines"
        model = outputs["model"]
        result, outputs = run(Case("logistic_predict", "", {},
                                   {"model": model, "data": self.csv([row[:-1] for row in rows])}, {"result": b""}))
        assert result == "predicted 60 lines"
        lines = [line.split() for line in outputs["result"].decode().splitlines()]
        expected = self.by_hand(rows, 2.0, 300)
        assert [float(chance) for _, chance in lines] == pytest.approx(expected, abs=2e-6)
        assert sum(int(label) == row[-1] for (label, _), row in zip(lines, rows)) >= 50
        return model

    def test_in_a_cell_and_locally(self, rows) -> None:
        here = self.check(rows, run_here)
        with ZygoteDriver("numpy") as zygote:
            there = [self.check(rows, lambda case: run_in_cell(zygote, case)) for _ in range(2)]
        assert there == [here, here]  # the same bits, each time

    def test_without_numpy_the_profile_is_named(self) -> None:
        with ZygoteDriver("python") as zygote:
            report = zygote.run(source("logistic_train"), "entrypoint", {"rate": 1, "rounds": 1},
                                {"training_data": b""}, ["model"])
        assert (report.status, report.exception) == ("SCRIPT_FAILED", "RuntimeError")
        assert report.message == "Teaclave Not Supported: _numpypy needs numpy; use profile 'numpy'"
        assert report.line == 4

    def test_the_client_names_the_profile_too(self) -> None:
        script = cella.Script.parse(source("logistic_train"), "logistic_train.py")
        assert "line 4 imports _numpypy, which profile 'python' does not have; use profile 'numpy'" in (
            script.warnings("python"))
        assert not any("_numpypy" in sentence for sentence in script.warnings("numpy"))


@pytest.mark.parametrize("payload", names())
def test_payloads_are_of_both_languages(payload: str) -> None:
    """They use nothing that Python 2.7 did not have: no annotations, f-strings, keyword-only parameters, nonlocal."""
    new = (ast.AnnAssign, ast.JoinedStr, ast.Nonlocal, ast.AsyncFunctionDef, ast.NamedExpr, ast.YieldFrom, ast.Match)
    tree = ast.parse(source(payload))
    assert not [node for node in ast.walk(tree) if isinstance(node, new)]
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.arguments) and node.kwonlyargs]
    text = source(payload)
    assert text.isascii() or "coding: utf-8" in text.splitlines()[1]
