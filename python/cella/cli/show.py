# SPDX-License-Identifier: Apache-2.0
"""How the command line tells things: data on stdout, everything else on stderr, or JSON lines on stdout.

Progress is a bar on a terminal, lines in a pipe, events for machines.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .. import _native
from ..encoding import one_line, visible
from ..events import Event, Reporter, describe_usage, lines

if TYPE_CHECKING:
    from rich.progress import TaskID

EXIT_CODES = {
    0: "success",
    1: "internal or other error",
    2: "usage or bad input: the command, a file, a script or an argument",
    3: "trust refused: the executor, or data that were changed",
    4: "the task failed: its script raised, or it was cancelled",
    5: "connection or storage failed; trying again may help",
    6: "denied, or not possible in the present state",
    7: "a limit was reached",
    130: "interrupted",
}
_BY_CATEGORY = {"INPUT": 2, "TRUST": 3, "TASK": 4, "IO": 5, "STATE": 6, "LIMIT": 7}
HINTS = {
    "UNKNOWN_PARTY": "enrol this identity: cella party enrol --at HOST:PORT",
    "ENROL_CLOSED": "ask an administrator of the executor to enrol this party: cella id",
    "MEASUREMENT": "see what runs there: cella attest HOST:PORT; accept it in the trust file only if you know it",
    "LAYERS": "ask the operator which sandbox layers the machine lacks, or name fewer in the trust file",
    "BINDING": "do not send anything; try from another network, and tell the operator",
    "NOT_APPROVED": "see who is missing: cella task show TASK",
    "NOT_ASSIGNED": "see which inputs are missing: cella task show TASK",
    "WRONG_CONTRACT": "read it again: cella task contract TASK",
    "BAD_POLICY": "a file to start from, with every term and a sentence for each: cella trust init --for KIND",
    "TIMEOUT": "see how it goes: cella task watch TASK",
    "limits": "limits can only be lowered; see the executor's: cella info",
    "declared": "see what the function declares: cella function show FUNCTION",
    **dict.fromkeys(
        ("LIMIT_WALL", "LIMIT_CPU", "LIMIT_MEMORY", "LIMIT_OUTPUT", "LIMIT_RESULT"),
        "function or task may have lowered this limit (--limit); the most that the executor gives: cella info",
    ),
}
"""What to do, by code; "limits" is for a request that asks for too much, "declared" for one that does not fit its function."""


def _hint_about(field: str, code: str) -> str:
    if field.startswith("limits."):
        return "limits"
    if code in ("BAD_ARGUMENT", "BAD_FIELD", "MISSING_FIELD", "UNKNOWN_FIELD"):
        return "declared" if field.startswith(("arguments.", "args.inputs.", "args.outputs.")) else code
    return code


def exit_code_of(error: BaseException) -> int:
    """The exit code for an exception.

    >>> exit_code_of(_native.error("BAD_TAG")), exit_code_of(_native.error("SCRIPT_FAILED"))
    (3, 4)
    """
    if isinstance(error, _native.CellaError):
        return _BY_CATEGORY.get(error.category, 1)
    if isinstance(error, KeyboardInterrupt):
        return 130
    if isinstance(
        error, (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError, FileExistsError)
    ):
        return 2
    return 1


def note(text: str) -> None:
    """A line for people."""
    print(text, file=sys.stderr, flush=True)


def event(kind: str, /, **members: Any) -> None:
    """A line for machines."""
    print(json.dumps({"event": kind, **members}), flush=True)


def value(content: Any) -> None:
    """A JSON value as data."""
    print(json.dumps(content, indent=2, ensure_ascii=False), flush=True)


def error(problem: BaseException, as_json: bool) -> None:
    """What went wrong and what to do, on stderr; for machines on stdout as well."""
    if isinstance(problem, _native.CellaError):
        code, number, field = problem.code, problem.number, problem.field
        message = str(problem).removeprefix(f"{code}: ")
    else:
        code, number, field = "OTHER", 0, None
        message = _local(problem)
    if as_json:
        members = {"code": code, "number": number, "message": message}
        event("error", **members, **({"field": field} if field else {}))
    head = f"cella: {code} ({number}): " if number else "cella: "
    note(visible(head + message))
    if isinstance(problem, _native.CellaError):
        if problem.traceback_text:
            note(visible(problem.traceback_text.rstrip()))
        script_log(problem.log)
        hint = HINTS.get(_hint_about(field or "", code))
        if hint is not None:
            note(f"  {hint}")


def usage(figures: Mapping[str, int], as_json: bool) -> None:
    """What a task used, once it is over."""
    if as_json:
        event("usage", **figures)
    elif figures:
        note("usage: " + describe_usage(figures))


def script_log(text: str | None) -> None:
    """What a script printed, if it is for the caller and there is any."""
    if text:
        note("log of the script:\n" + visible(text.rstrip()))


def _local(problem: BaseException) -> str:
    if isinstance(problem, OSError) and problem.strerror:
        return f"{problem.filename}: {problem.strerror}" if problem.filename else problem.strerror
    return f"{type(problem).__name__}: {problem} (run again with --debug before the command for the traceback)"


class _Bar:
    """A bar for each stage that has an amount, on stderr."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self.console = Console(stderr=True)
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            redirect_stdout=False,
        )
        self._bars: dict[tuple[str, str], TaskID] = {}

    def __call__(self, step: Event) -> None:
        from rich.markup import escape

        from ..events import describe

        if step.stage == "run":
            name = ("run", "")
            description = "running" + (f": {step.text}" if step.text else "")
        else:
            name = (step.stage, step.name)
            description = f"{step.stage} {step.name}"
        description = escape(one_line(description))
        if step.total:
            total = step.total if step.done else None  # a script that has said nothing yet gets a bar that moves
            if name not in self._bars:
                self._bars[name] = self.progress.add_task(description, total=total)
            self.progress.update(self._bars[name], completed=step.done, total=total, description=description)
        if step.stage != "run" and (not step.total or step.done >= step.total):
            over = ("run", "") if step.stage == "state" else name
            if over in self._bars:
                self.progress.remove_task(self._bars.pop(over))
            self.console.print(visible(describe(step)), markup=False, highlight=False)


@contextmanager
def reporter(as_json: bool) -> Iterator[Reporter]:
    """The right way to show progress here and now."""
    if as_json:
        yield lambda step: event(
            "progress", stage=step.stage, name=step.name, done=step.done, total=step.total, text=step.text
        )
    elif sys.stderr.isatty():
        bar = _Bar()
        with bar.progress:
            yield bar
    else:
        show = lines(sys.stderr)
        yield lambda step: show(Event(step.stage, visible(step.name), step.done, step.total, step.text))
