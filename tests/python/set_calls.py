# SPDX-License-Identifier: Apache-2.0
"""Calls of the functions on sets and joins in real cells, for their tests."""

from __future__ import annotations

import csv
import io
import os
import signal
import time
from collections.abc import Iterable
from typing import Any

import pytest
from waiting import ready
from zygote_driver import BUILTIN, Limits, Report, ZygoteDriver

LARGE = Limits(cpu_s=120, wall_s=120, memory_bytes=3 << 30, output_bytes=1 << 30)
long_only = pytest.mark.skipif(os.environ.get("CELLA_TEST_LONG") != "1", reason="takes long; ./run test --long runs it")


def csv_text(rows: Iterable[Iterable[Any]]) -> bytes:
    """Rows as Python's csv writes them."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue().encode()


def call(zygote: ZygoteDriver, name: str, inputs: dict[str, Any], outputs: list[str], limits: Limits | None = None,
         timeout: float = 60, **arguments: Any) -> Report:
    """Run a builtin as a task."""
    return zygote.run("", entry=name, kind=BUILTIN, arguments=arguments, inputs=inputs, outputs=outputs, limits=limits,
                      timeout=timeout)


def call_group(zygote: ZygoteDriver, name: str, inputs: list[Any], outputs: int, limits: Limits | None = None,
               timeout: float = 60, **arguments: Any) -> Report:
    """The same for inputs input0, input1, ... and outputs output0, ...; ``outputs`` becomes a list."""
    report = call(zygote, name, {f"input{place}": content for place, content in enumerate(inputs)},
                  [f"output{place}" for place in range(outputs)], limits, timeout, **arguments)
    report.outputs = [report.outputs[f"output{place}"] for place in range(outputs)]
    return report


def cancel(zygote: ZygoteDriver, name: str, inputs: dict[str, Any], outputs: list[str], **arguments: Any) -> Report:
    """Ask a call to end when it has said for the first time how far it is."""
    cell, targets = zygote.start("", entry=name, kind=BUILTIN, arguments=arguments, inputs=inputs, outputs=outputs,
                                 limits=LARGE)
    assert ready([cell.link], [], 20)[0] and cell.link.recv(65536)
    signal.pidfd_send_signal(cell.handle, signal.SIGTERM)
    begun = time.monotonic()
    report = zygote.collect(cell, targets, timeout=60)
    report.seconds = time.monotonic() - begun  # type: ignore[attr-defined]
    return report
