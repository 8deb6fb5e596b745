# SPDX-License-Identifier: Apache-2.0
"""How a failure is told: status, line of the script, class, message, and a traceback of the script's own frames."""

from __future__ import annotations

import traceback
from typing import NamedTuple

SCRIPT = "script.py"
"""File name under which a script is compiled."""

_MESSAGE_MAX = 4000


class Outcome(NamedTuple):
    """How a task ended. ``status`` is a name of the status table, ``"OK"`` when there is a result."""

    status: str
    result: str = ""
    line: int = 0
    exception: str = ""
    message: str = ""
    traceback: str = ""


class Refused(Exception):
    """A task ends with a status of its own, and the fault is not at a line of the script."""

    def __init__(self, status: str, message: str) -> None:
        super().__init__(message)
        self.status = status


def class_name(error: BaseException) -> str:
    """Return the exception's class, with its module unless that says nothing."""
    kind = type(error)
    try:
        module, name = str(type.__getattribute__(kind, "__module__")), str(type.__getattribute__(kind, "__qualname__"))
    except BaseException:  # a script's own metaclass may do anything
        return "Exception"
    return name if module in ("builtins", "script", "__main__") else f"{module}.{name}"


def text_of(error: BaseException) -> str:
    """Return the exception's text; a text that can not be made is said to be so."""
    try:
        return str(error)[:_MESSAGE_MAX]
    except BaseException:  # a script's own __str__ may do anything
        return "<the exception's text could not be made>"


def line_of(error: BaseException) -> int:
    """Return the line of the script's deepest frame, or 0."""
    line = 0
    frame = error.__traceback__
    while frame is not None:
        if frame.tb_frame.f_code.co_filename == SCRIPT:
            line = frame.tb_lineno
        frame = frame.tb_next
    return line


def _keep_script(report: traceback.TracebackException, depth: int = 0) -> None:
    report.stack[:] = [frame for frame in report.stack if frame.filename == SCRIPT]
    for inner in (report.__cause__, report.__context__):
        if inner is not None and depth < 8:
            _keep_script(inner, depth + 1)


def trace_of(error: BaseException) -> str:
    """Return the traceback, without frames that are not the script's."""
    try:
        report = traceback.TracebackException(type(error), error, error.__traceback__, compact=True)
        _keep_script(report)
        return "".join(report.format())
    except BaseException:
        return ""


def script_failed(error: BaseException, status: str = "SCRIPT_FAILED", message: str | None = None) -> Outcome:
    """Return the outcome of an exception that the script did not catch."""
    return Outcome(status, "", line_of(error), class_name(error), text_of(error) if message is None else message,
                   trace_of(error))


def bad_script(error: BaseException) -> Outcome:
    """Return the outcome of a script that does not compile."""
    line = getattr(error, "lineno", None) or 0
    message = getattr(error, "msg", None) or text_of(error)
    return Outcome("BAD_SCRIPT", "", line, class_name(error), message, trace_of(error))
