# SPDX-License-Identifier: Apache-2.0
"""Run a task in a cell: what C hands in becomes inputs, outputs and arguments; what comes out goes back as bytes."""

from __future__ import annotations

import json
import sys
from typing import Any

import _cell

from . import _runner, builtins
from ._cancel import Cancelled
from ._failure import Outcome, Refused
from .files import Input, Output
from .streams import StreamInput

_PYTHON = 1
_NUMBERS = {
    "OK": 0, "BAD_ARGUMENT": 211, "BAD_SCRIPT": 212, "LIMIT_MEMORY": 512, "LIMIT_OUTPUT": 513, "LIMIT_RESULT": 514,
    "SCRIPT_FAILED": 701, "BAD_RESULT": 702, "OUTPUT_MISSING": 703, "CANCELLED": 706, "BUILTIN_FAILED": 707,
    "NO_MEMORY": 102, "INTERNAL": 101,
}
_NAMES = {number: name for name, number in _NUMBERS.items()}
_FIRST_OUTPUT = 3  # CELLA_CELL_OUTPUT_FD


class _Sink:
    """Writes an output's bytes to the memory file behind it."""

    def __init__(self, index: int) -> None:
        self._index = index

    def write(self, data: Any) -> int:
        return _cell.write(self._index, data)

    def restart(self) -> None:
        _cell.restart(self._index)


class _Pipe:
    """Reads a stream's bytes from the pipe behind it."""

    def __init__(self, index: int) -> None:
        self._index = index

    def readinto(self, buffer: Any) -> int:
        return _cell.receive_into(self._index, buffer)

    def read(self, size: int) -> bytes:
        return _cell.receive(self._index, size)


def _input_of(name: str, content: memoryview | tuple[int, int] | None) -> Input | None:
    """An input from what C hands in: its bytes, or a stream's number and size."""
    if isinstance(content, tuple):
        return StreamInput(name, content[1], _Pipe(content[0]))
    return None if content is None else Input(name, content)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a name is given twice")
    return result


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is not JSON")


# Made once, in the zygote: a cell that makes one itself touches dozens of pages that it would have to itself.
_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)


def _parse(text: bytes) -> dict[str, Any]:
    if text == b"{}":
        return {}
    try:
        value = _DECODER.decode(text.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise Refused("BAD_ARGUMENT", f"the arguments are not JSON: {error}") from None
    if not isinstance(value, dict):
        raise Refused("BAD_ARGUMENT", "the arguments are not a JSON object")
    return value


def _run_builtin(entry: str, arguments: dict[str, Any], inputs: dict[str, Any], outputs: list[str],
                 output_bytes: int, result_bytes: int) -> Outcome:
    targets = {output: _FIRST_OUTPUT + index for index, output in enumerate(outputs)}
    sources = {name: _input_of(name, content) if isinstance(content, tuple) else content
               for name, content in inputs.items()}
    try:
        status, is_json, text, _ = _cell.call(entry, arguments, sources, targets, True)
    except LookupError:
        return Outcome("BAD_ARGUMENT", message=builtins.missing(entry))
    except UnicodeEncodeError:
        return Outcome("BAD_ARGUMENT", message="the name or text of an argument has half a surrogate pair, which is not UTF-8")
    except Cancelled:
        return Outcome("CANCELLED", message="the task was cancelled")
    except OSError as error:  # a stream that was not delivered completely
        return Outcome("BUILTIN_FAILED", message=str(error))
    message = text.decode("utf-8", "replace")
    if status == 0:
        result = message if is_json else json.dumps(message, ensure_ascii=False)
        if len(result.encode()) > result_bytes:
            return Outcome("LIMIT_RESULT", message=f"the result is larger than its limit of {result_bytes} bytes")
        return Outcome("OK", result)
    name = _NAMES.get(status, "INTERNAL")
    if name == "NO_MEMORY":
        raise MemoryError
    if name == "LIMIT_OUTPUT" and not message:
        message = f"an output would grow beyond its limit of {output_bytes} bytes"
    return Outcome(name, message=message)


def run(kind: int, entry: str, source: bytes, arguments: bytes, inputs: dict[str, memoryview | tuple[int, int] | None],
        outputs: list[str], memory_bytes: int, output_bytes: int, result_bytes: int) -> tuple:
    """Run a task; return (status number, line, result, exception, message, traceback), the texts as UTF-8."""
    def memory_error() -> str:
        return (f"the function needed more memory than its limit of {memory_bytes} bytes; its process had used "
                f"{_cell.peak_bytes()} bytes, the interpreter included")

    try:
        values = _parse(arguments)
        if kind == _PYTHON:
            files = {name: _input_of(name, content) for name, content in inputs.items()}
            targets = {name: Output(name, output_bytes, _Sink(index)) for index, name in enumerate(outputs)}
            outcome = _runner.run(source, entry, values, files, targets, result_bytes, memory_error)
        else:
            outcome = _run_builtin(entry, values, inputs, outputs, output_bytes, result_bytes)
    except Refused as error:
        outcome = Outcome(error.status, message=str(error))
    except MemoryError:
        outcome = Outcome("LIMIT_MEMORY", message=memory_error())
    try:
        sys.stdout.flush()
    except BaseException:  # the script may have put anything there
        pass
    return (_NUMBERS[outcome.status], outcome.line,
            *(text.encode("utf-8", "backslashreplace")
              for text in (outcome.result, outcome.exception, outcome.message, outcome.traceback)))
