# SPDX-License-Identifier: Apache-2.0
"""What the tests of builtins for models share: calling them as tasks, and data."""

from __future__ import annotations

import gzip
import io
import os
import signal
from pathlib import Path

import numpy as np
import pytest
from waiting import ready
from zygote_driver import BUILTIN, Limits, Report, ZygoteDriver

TEACLAVE = Path(__file__).resolve().parent / "teaclave_functions"
long_only = pytest.mark.skipif(os.environ.get("CELLA_TEST_LONG") != "1", reason="takes long; ./run test --long runs it")
LIMITS = Limits(cpu_s=60, wall_s=60, memory_bytes=1 << 30, output_bytes=1 << 26)


def teaclave(name: str) -> bytes:
    """A file of Teaclave's own tests."""
    path = TEACLAVE / name
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def call(zygote: ZygoteDriver, name: str, inputs: dict[str, bytes], outputs: list[str], limits: Limits = LIMITS,
         **arguments: object) -> Report:
    """A builtin as a task."""
    return zygote.run("", entry=name, kind=BUILTIN, arguments=arguments, inputs=inputs, outputs=outputs, limits=limits,
                      timeout=limits.wall_s)


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def csv(rows: np.ndarray) -> bytes:
    return "".join(",".join("" if value != value else repr(float(value)) for value in row) + "\n" for row in rows).encode()


def numbers(text: bytes) -> np.ndarray:
    """Lines of numbers as a matrix."""
    return np.array([line.split(b",") for line in text.split()], float)


def cancel(zygote: ZygoteDriver, name: str, inputs: dict[str, bytes], outputs: list[str], **arguments: object) -> Report:
    """Ask a call to end when it has said for the first time how far it is."""
    cell, targets = zygote.start("", entry=name, kind=BUILTIN, arguments=arguments, inputs=inputs, outputs=outputs,
                                 limits=LIMITS)
    assert ready([cell.link], [], 20)[0] and cell.link.recv(65536)
    signal.pidfd_send_signal(cell.handle, signal.SIGTERM)
    return zygote.collect(cell, targets, timeout=30)


FLIPPING = """
import cella
def main(model, data, step):
    model, data = bytearray(model.read()), data.read()
    answers, refusals = 0, 0
    for place in range(0, len(model), step):
        for change in (1, 0x80, 0x1f):
            model[place] ^= change
            try:
                cella.builtins.%s(bytes(model), data)
                answers += 1
            except cella.builtins.BuiltinError:
                refusals += 1
            model[place] ^= change
    return answers, refusals
"""


def flip_every_byte(zygote: ZygoteDriver, name: str, model: bytes, data: bytes) -> tuple[int, int]:
    """How many of a model's changed forms give an answer, and how many are refused; a crash fails."""
    report = zygote.run(FLIPPING % name, inputs={"model": model, "data": data}, arguments={"step": 1}, limits=LIMITS,
                        timeout=60)
    assert report.status == "DONE", report
    answers, refusals = report.result
    assert answers + refusals == 3 * len(model)
    return answers, refusals
