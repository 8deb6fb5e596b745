# SPDX-License-Identifier: Apache-2.0
"""Run a function on this machine with the module that scripts see in a cell: for trying out, with no protection."""

from __future__ import annotations

import builtins
import contextlib
import io
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import _native
from .data import Source, open_source
from .script import Script

LOCAL_OUTPUT_BYTES = 1 << 31
LOCAL_RESULT_BYTES = 1 << 20


class LocalOutput:
    """An output of a local run, with the same verbs as one of a task."""

    def __init__(self, name: str, content: builtins.bytes) -> None:
        self.name = name
        self._content = content

    def bytes(self) -> builtins.bytes:
        """The whole content."""
        return self._content

    def text(self) -> str:
        """As UTF-8 text."""
        return str(self._content, "utf-8")

    def json(self) -> Any:
        """As JSON."""
        return json.loads(self._content)

    def numpy(self) -> Any:
        """A .npy file as an array."""
        import numpy

        return numpy.load(io.BytesIO(self._content), allow_pickle=False)

    def save(self, path: Any) -> int:
        """Into a file; returns its bytes."""
        from . import atomic

        with atomic.replace(path, 0o600) as file:
            return file.write(self._content)


@dataclass(frozen=True)
class LocalRun:
    """What a local run left behind; result and outputs like those of a task."""

    value: Any
    outputs: Mapping[str, LocalOutput]

    def result(self) -> Any:
        """What the function returned."""
        return self.value


def run_local(
    script: Script,
    inputs: Mapping[str, Source],
    outputs: Sequence[str],
    arguments: Mapping[str, Any],
    streams: Collection[str] = (),
) -> LocalRun:
    """Run a script in this process.

    Values pass through JSON as they would on their way to a cell, and errors have the same classes; but nothing is
    isolated: the script can do what this process can.

    Args:
        script: parsed.
        inputs: name -> path, bytes or array.
        outputs: names.
        arguments: name -> JSON value.
        streams: those of the inputs that can be read once and forward only, as in a cell.

    Raises:
        ScriptError, ArgumentError, LimitError: as a task would.

    >>> source = "def main(text, copy, times=2):\\n    copy.write(text.read() * times)\\n    return times"
    >>> script = Script.parse(source, "x.py")
    >>> run = run_local(script, {"text": b"ab"}, ["copy"], {})
    >>> run.result(), run.outputs["copy"].bytes()
    (2, b'abab')
    """
    from .encoding import write_json
    from .runtime import _runner, files

    given = json.loads(write_json(dict(arguments), "arguments"))
    targets = {name: files.Output(name, LOCAL_OUTPUT_BYTES) for name in outputs}
    with contextlib.ExitStack() as opened:
        sources = {}
        for name, source in inputs.items():
            sources[name] = _input_of(name, opened.enter_context(open_source(source, name)), name in streams)
        outcome = _runner.run(script.source.encode("utf-8"), script.entry, given, sources, targets, LOCAL_RESULT_BYTES)
    if outcome.status != "OK":
        raise _failure(script, outcome)
    made = {name: LocalOutput(name, target.getvalue()) for name, target in targets.items()}
    return LocalRun(json.loads(outcome.result) if outcome.result else "", made)


def _input_of(name: str, file: Any, stream: bool) -> Any:
    from .runtime import files, streams

    if not stream:
        return files.Input(name, file.read())
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    return streams.StreamInput(name, size, file)


def _failure(script: Script, outcome: Any) -> _native.CellaError:
    sentence = outcome.message
    if outcome.exception:
        at = f" in line {outcome.line}" if outcome.line else ""
        sentence = f"{script.name}: {outcome.exception}{at}: {outcome.message}"
    error = _native.error(outcome.status, sentence)
    error.script_class = outcome.exception or None
    error.line = outcome.line or None
    error.script_message = outcome.message or None
    error.traceback_text = outcome.traceback or None
    return error
