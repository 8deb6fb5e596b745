# SPDX-License-Identifier: Apache-2.0
"""cella function: register, list, show."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ..encoding import visible
from . import show
from .options import (
    entry_option,
    isolation_of,
    isolation_option,
    json_values,
    limit_option,
    pairs,
    profile_option,
    stream_option,
    with_executor,
)

if TYPE_CHECKING:
    from ..executor import Executor


@click.group()
def function() -> None:
    """Register and look at functions: scripts and builtins with declared inputs, outputs and arguments."""


@function.command()
@click.argument("script", type=click.Path(dir_okay=False), required=False)
@click.option(
    "--input", "inputs", multiple=True, metavar="NAME", help="A declared input; NAME? for an optional one."
)
@click.option(
    "--output", "outputs", multiple=True, metavar="NAME", help="A declared output; NAME? for an optional one."
)
@click.option("--lock", "locked", multiple=True, metavar="NAME=VALUE", help="An argument that nobody can change.")
@click.option("--argument", "arguments", multiple=True, metavar="NAME", help="An argument's name, for builtins.")
@click.option("--builtin", help="Register this builtin of the executor instead of a script.")
@click.option("--name", help="Name. Default: the file's.")
@click.option("--public", is_flag=True, help="Everybody may read the source, and use it without your approval.")
@profile_option
@entry_option
@limit_option
@isolation_option
@stream_option
@with_executor
def register(
    executor: Executor,
    script: str | None,
    inputs: tuple[str, ...],
    outputs: tuple[str, ...],
    locked: tuple[str, ...],
    arguments: tuple[str, ...],
    builtin: str | None,
    name: str | None,
    public: bool,
    profile: str | None,
    entry: str | None,
    limits: tuple[str, ...],
    isolation: tuple[str, ...],
    streams: tuple[str, ...],
    as_json: bool,
) -> None:
    """Register SCRIPT, or a builtin. Parameters that are neither input nor output are arguments.

    A private function travels sealed, and you take part in every task that uses it.
    """
    from ..functions import builtin_package
    from ..script import Script

    if (script is None) == (builtin is None):
        raise click.UsageError("give either SCRIPT or --builtin")
    if builtin is not None:
        if streams:
            raise click.UsageError("a builtin takes its inputs from memory: --stream is for scripts")
        package = builtin_package(
            builtin,
            inputs,
            outputs,
            arguments,
            limits=pairs(limits, "--limit"),
            public=public,
            isolation=isolation_of(isolation),
        )
    else:
        parsed = Script.read(str(script), entry)
        for sentence in parsed.warnings(profile or "python"):
            show.note(f"warning: {sentence}")
        optional = [item[:-1] for item in (*inputs, *outputs) if item.endswith("?")]
        package = parsed.package(
            [item.removesuffix("?") for item in inputs],
            [item.removesuffix("?") for item in outputs],
            arguments,
            profile=profile or "python",
            limits=pairs(limits, "--limit"),
            public=public,
            name=name,
            optional=optional,
            locked=json_values(locked, parsed),
            streams=streams,
            isolation=isolation_of(isolation),
        )
    made = executor.functions.register(package)
    if as_json:
        show.event("function", function=made.id, sha256=made.sha256)
    else:
        show.note(f"SHA-256 {made.sha256}")
        print(made.id)


@function.command("list")
@with_executor
def list_functions(executor: Executor, as_json: bool) -> None:
    """Your functions and all public ones."""
    for item in executor.functions.list():
        if as_json:
            show.event(
                "function",
                function=item.id,
                name=item.name,
                public=item.public,
                owner=item.owner,
                sha256=item.sha256,
            )
        else:
            kind = "public " if item.public else "private"
            print(f"{item.id}  {kind}  {visible(item.name)}")


@function.command("show")
@click.argument("function_id", metavar="FUNCTION")
@click.option("--source", is_flag=True, help="Print the source text instead.")
@with_executor
def show_function(executor: Executor, function_id: str, source: bool, as_json: bool) -> None:
    """What FUNCTION declares, and its hash."""
    found = executor.functions.get(function_id)
    if source:
        if found.source is None:
            raise click.UsageError("its source is private")
        print(found.source, end="")
        return
    facts = {"function": found.id, "owner": found.owner, "sha256": found.sha256, "public": found.public}
    facts["spec"] = dict(found.spec)
    if as_json:
        show.event("function", **facts)
    else:
        show.value(facts)
