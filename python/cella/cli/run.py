# SPDX-License-Identifier: Apache-2.0
"""cella run: the whole way as one command."""

from __future__ import annotations

import contextlib
import os
import warnings
from typing import TYPE_CHECKING, Any

import click

from .. import _native
from . import show
from .options import (
    argument_option,
    attested,
    entry_option,
    executor_options,
    isolation_of,
    isolation_option,
    json_values,
    limit_option,
    load_identity,
    pairs,
    profile_option,
    stream_option,
    usage_option,
)
from .task import save, tell_saved

if TYPE_CHECKING:
    from ..events import Reporter
    from ..executor import Executor
    from ..script import Script
    from ..task import Task


def _check_files(inputs: dict[str, str], outputs: dict[str, str]) -> None:
    """Refuse what can not work before anything is sent."""
    for name, path in inputs.items():
        if not os.path.exists(path):
            raise click.BadParameter(f"{name}: there is no file {path}", param_hint="--input")
        if os.path.isdir(path):
            raise click.BadParameter(f"{name}: {path} is a folder", param_hint="--input")
    for name, path in outputs.items():
        folder = os.path.dirname(path) or "."
        if not os.path.isdir(folder) or not os.access(folder, os.W_OK):
            raise click.BadParameter(f"{name}: there is no writable folder {folder}", param_hint="--output")
        if os.path.isdir(path):
            raise click.BadParameter(f"{name}: {path} is a folder", param_hint="--output")


def _check_script(
    script: Script,
    inputs: dict[str, str],
    outputs: dict[str, str],
    arguments: dict[str, Any],
    terms: dict[str, Any],
) -> None:
    script.package(list(inputs), list(outputs), arguments, **terms)
    missing = script.missing({*inputs, *outputs, *arguments})
    if missing:
        raise _native.error(
            "BAD_ARGUMENT",
            f"{script.entry}() needs {', '.join(missing)}: give each with --input, --output or --arg",
            missing[0],
        )


@click.command()
@click.argument("path", metavar="[SCRIPT]", required=False)
@click.option("--builtin", metavar="NAME", help="Run this builtin instead of a script; see cella builtins list.")
@click.option("--input", "inputs", multiple=True, metavar="NAME=PATH", help="A file for the parameter NAME.")
@click.option("--output", "outputs", multiple=True, metavar="NAME=PATH", help="Where to save what NAME was given.")
@argument_option
@profile_option
@entry_option
@limit_option
@isolation_option
@stream_option
@usage_option
@click.option("--detach", is_flag=True, help="Do not wait; print the task's id. Later: cella task fetch.")
@executor_options
def run(
    path: str | None,
    builtin: str | None,
    inputs: tuple[str, ...],
    outputs: tuple[str, ...],
    arguments: tuple[str, ...],
    profile: str | None,
    entry: str | None,
    limits: tuple[str, ...],
    isolation: tuple[str, ...],
    streams: tuple[str, ...],
    with_usage: bool,
    detach: bool,
    at: str,
    trust: str | None,
    identity: str | None,
    timeout: float,
    as_json: bool,
) -> None:
    """Run SCRIPT, or a builtin, on your data, where nobody else sees script, data or results.

    The function's parameters are what you give: --input and --output by name, --arg for the rest.

        cella run classify.py --at exec.example:7443 --input images=digits.npy
            --output labels=labels.csv --arg threshold=0.5 --profile numpy

    The result, a JSON value, goes to stdout, everything else to stderr. Ctrl-C cancels the task and waits for its end;
    a second one leaves it to itself.
    """
    from ..builtin import Builtin
    from ..executor import Executor
    from ..script import Script

    if (path is None) == (builtin is None):
        raise click.UsageError("give either SCRIPT or --builtin")
    script = Script.read(path, entry) if path is not None else None
    native = Builtin.find(builtin) if builtin is not None else None
    sources, targets = pairs(inputs, "--input"), pairs(outputs, "--output")
    given = json_values(arguments, script, native)
    _check_files(sources, targets)
    terms: dict[str, Any] = {"limits": pairs(limits, "--limit"), "isolation": isolation_of(isolation), "streams": streams}
    if native is not None:
        native.check(given)
        native.package(sources, targets, given, profile=profile, **terms)
    if script is not None:
        _check_script(script, sources, targets, given, terms)
        for sentence in script.warnings(profile or "python"):
            show.note(f"warning: {sentence}")
    who = load_identity(identity, as_json)
    with Executor(at, trust, who, timeout=timeout) as executor:
        attested(executor, as_json)
        saved = {}
        with show.reporter(as_json) as report, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # said above
            task = executor.run(
                script or native,
                inputs=sources,
                outputs=list(targets),
                arguments=given,
                profile=profile,
                progress=report,
                **terms,
            )
            if not detach:
                _wait(executor, task, report)
                if with_usage:
                    show.usage(task.usage, as_json)
                task.raise_for_error()
                saved = save(task, targets, report)
        if detach:
            _detached(task, as_json)
        else:
            tell_saved(saved, as_json)
            _tell(task, saved, as_json)
            if not as_json and executor.session.head is not None:  # without a ledger there is none
                show.note(f"its proof: cella receipt get {task.id} --at {executor.address} -o FILE")


def _detached(task: Task, as_json: bool) -> None:
    if as_json:
        show.event("task", task=task.id, state=task.state)
    else:
        print(task.id)


def _wait(executor: Executor, task: Task, report: Reporter) -> None:
    """Wait for the end, whatever it is."""
    try:
        try:
            task.wait(report, check=False)
        except KeyboardInterrupt:
            _cancel(task, report)
    except (KeyboardInterrupt, _native.TransportError):
        if not task.done:
            show.note(
                f"{task.id} goes on; cella task fetch {task.id} --at {executor.address}, or cella task cancel"
            )
        raise


def _cancel(task: Task, report: Reporter) -> None:
    """The first Ctrl-C: cancel, and wait until it is. What ended in time is like any other end."""
    show.note(f"cancelling {task.id}; Ctrl-C again leaves it as it is")
    with contextlib.suppress(_native.StateError):  # it is over
        task.cancel()
    task.wait(report, check=False)
    if task.state == "cancelled":
        show.script_log(task.log)
        show.note("nothing of it was released")
        raise KeyboardInterrupt


def _tell(task: Task, saved: dict[str, Any], as_json: bool) -> None:
    if as_json:
        show.event("result", task=task.id, result=task.result(), outputs=saved, usage=task.usage, log=task.log)
    else:
        show.script_log(task.log)
        show.value(task.result())
