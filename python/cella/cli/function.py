# SPDX-License-Identifier: Apache-2.0
"""cella function: register, list, show, change, disable, enable, delete, usage, share, source, sign."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

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
    privacy_of,
    release_of,
    release_option,
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
@click.option("--builtin", metavar="NAME", help="Register this builtin instead of a script; see cella builtins list.")
@click.option("--members", type=click.IntRange(1, 64), help="How many inputs and outputs a builtin's groups have.")
@click.option("--name", help="Name. Default: the file's.")
@click.option("--allow", multiple=True, metavar="WHO", help="Who may use it: party:ID, organisation:ID. Default: anybody.")
@click.option("--quota", type=click.IntRange(min=0), help="Runs of all tasks together. Default: no end.")
@click.option("--quota-of", type=click.Choice(["runs", "successes"]), help="What counts. Default: runs.")
@click.option("--description", default="", metavar="TEXT", help="What it does, for whoever sees what it declares.")
@click.option(
    "--describe", "descriptions", multiple=True, metavar="NAME=TEXT", help="What an input, output or argument is."
)
@click.option("--public", is_flag=True, help="Everybody may read the source, and use it without your approval.")
@profile_option
@entry_option
@limit_option
@isolation_option
@release_option("A rule that it keeps about what it releases, with N as the least: what owners of data ask for.")
@click.option(
    "--privacy",
    metavar="epsilon=ARGUMENT[,delta=ARGUMENT][,input=NAME]...",
    help="Arguments that say what a run spends of its inputs' privacy: what budgets of data are charged with. Of a builtin its table says it.",
)
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
    members: int | None,
    name: str | None,
    allow: tuple[str, ...],
    quota: int | None,
    quota_of: str | None,
    description: str,
    descriptions: tuple[str, ...],
    public: bool,
    profile: str | None,
    entry: str | None,
    limits: tuple[str, ...],
    isolation: tuple[str, ...],
    release: tuple[str, ...],
    privacy: str | None,
    streams: tuple[str, ...],
    as_json: bool,
) -> None:
    """Register SCRIPT, or a builtin. Parameters that are neither input nor output are arguments.

    Without --input and --output, parameters that the script annotates as cella.Input and cella.Output are these.

    A private function travels sealed, and you take part in every task that uses it.
    """
    from ..builtin import Builtin
    from ..script import Script

    if (script is None) == (builtin is None):
        raise click.UsageError("give either SCRIPT or --builtin")
    if builtin is not None and privacy is not None:
        raise click.UsageError("--privacy is for scripts: a builtin's table says what it spends")
    parsed = None if script is None else Script.read(script, entry)
    if parsed is not None:
        inputs, outputs = inputs or tuple(parsed.files("input")), outputs or tuple(parsed.files("output"))
    names = [item.removesuffix("?") for item in (*inputs, *outputs)]
    optional = [item[:-1] for item in (*inputs, *outputs) if item.endswith("?")]
    if builtin is not None:
        native = Builtin.find(builtin)
        package = native.package(
            names[: len(inputs)] or None,
            names[len(inputs) :] or None,
            arguments or None,
            members=members,
            profile=profile or native.profile_of(executor),
            streams=streams,
            title=name,
            limits=pairs(limits, "--limit"),
            public=public,
            optional=optional,
            locked=json_values(locked, builtin=native),
            isolation=isolation_of(isolation),
            release=release_of(release),
            description=description,
            descriptions=pairs(descriptions, "--describe"),
        )
    elif parsed is not None:
        for sentence in parsed.warnings(profile or "python"):
            show.note(f"warning: {sentence}")
        package = parsed.package(
            names[: len(inputs)],
            names[len(inputs) :],
            arguments,
            profile=profile or "python",
            limits=pairs(limits, "--limit"),
            public=public,
            name=name,
            optional=optional,
            locked=json_values(locked, parsed),
            streams=streams,
            isolation=isolation_of(isolation),
            release=release_of(release),
            privacy=privacy_of(privacy),
            description=description,
            descriptions=pairs(descriptions, "--describe"),
        )
    made = executor.functions.register(package, allow=list(allow) or None, quota=quota, quota_of=quota_of)
    if as_json:
        show.event("function", function=made.id, sha256=made.sha256, version=made.version)
    else:
        show.note(f"{visible(made.name)}@{made.version}, SHA-256 {made.sha256}")
        print(made.id)


@function.command("add-examples")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--private", is_flag=True, help="Only you may use them. Default: everybody may, and read them.")
@with_executor
def add_examples(executor: Executor, names: tuple[str, ...], private: bool, as_json: bool) -> None:
    """Register the ready-made functions over scikit-learn, or those that are named; prints name and id of each.

    One that you registered before, and that has not changed since, is left as it is.
    """
    from ..ready_made import describe_example, example_scripts

    mine = {item.name: item for item in executor.functions.list(owner=executor.identity.party)}
    for script in example_scripts(names):
        description, descriptions = describe_example(script)
        package = script.package(
            script.files("input"),
            script.files("output"),
            profile="science",
            public=not private,
            description=description,
            descriptions=descriptions,
        )
        made = mine.get(script.name)
        if made is None or made.disabled or made.sha256 != hashlib.sha256(package).hexdigest():
            made = executor.functions.register(package)
        if as_json:
            show.event("function", name=script.name, function=made.id, sha256=made.sha256, version=made.version)
        else:
            print(f"{script.name:<26}  {made.id}")


@function.command("list")
@click.option("--name", default="", help="Exactly this name.")
@click.option("--owner", default="", metavar="PARTY", help="Of this owner.")
@click.option("--search", default="", metavar="TEXT", help="In name or description.")
@with_executor
def list_functions(executor: Executor, name: str, owner: str, search: str, as_json: bool) -> None:
    """Your functions, all public ones that you may use, and private ones whose list names you."""
    for item in executor.functions.list(name=name, owner=owner, search=search):
        if as_json:
            show.event(
                "function",
                function=item.id,
                name=item.name,
                version=item.version,
                disabled=item.disabled,
                public=item.public,
                owner=item.owner,
                sha256=item.sha256,
            )
        else:
            kind = "public " if item.public else "private"
            state = "  disabled" if item.disabled else ""
            print(f"{item.id}  {kind}  {visible(item.name)}@{item.version}{state}")


@function.command("show")
@click.argument("function_id", metavar="FUNCTION")
@click.option("--source", is_flag=True, help="Print the source text instead.")
@with_executor
def show_function(executor: Executor, function_id: str, source: bool, as_json: bool) -> None:
    """What FUNCTION declares, its hash, and who has signed for it. FUNCTION is an id, or NAME@VERSION."""
    found = executor.functions.get(function_id)
    if source:
        if found.source is None:
            raise click.UsageError("its source is private")
        print(found.source, end="")
        return
    facts: dict[str, Any] = {"version": found.version, "disabled": found.disabled, "audits": list(found.audits)}
    facts |= {"function": found.id, "owner": found.owner, "sha256": found.sha256, "public": found.public}
    facts["spec"] = dict(found.spec)
    if as_json:
        show.event("function", **facts)
    else:
        show.value(facts)


function_argument = click.argument("function_id", metavar="FUNCTION")


def _tell(facts: dict[str, Any], as_json: bool) -> None:
    if as_json:
        show.event("function", **facts)
    else:
        show.value(facts)


@function.command()
@function_argument
@click.option("--allow", multiple=True, metavar="WHO", help="The whole list: party:ID, organisation:ID; or anybody.")
@click.option("--quota", type=click.IntRange(min=-1), help="Runs of all tasks together; -1: no end.")
@click.option("--quota-of", type=click.Choice(["runs", "successes"]), help="What counts.")
@with_executor
def change(
    executor: Executor,
    function_id: str,
    allow: tuple[str, ...],
    quota: int | None,
    quota_of: str | None,
    as_json: bool,
) -> None:
    """Change the terms of your FUNCTION; what is not given stays."""
    function_id = executor.functions.id_of(function_id)
    if not allow and quota is None and quota_of is None:
        raise click.UsageError("give --allow, --quota or --quota-of")
    executor.functions.change(function_id, allow=list(allow) or None, quota=quota, quota_of=quota_of)
    _tell(executor.functions.usage(function_id), as_json)


@function.command()
@function_argument
@with_executor
def disable(executor: Executor, function_id: str, as_json: bool) -> None:
    """Let nothing new run with FUNCTION: yours, or any as an administrator."""
    function_id = executor.functions.id_of(function_id)
    executor.functions.disable(function_id)
    _tell({"function": function_id, "disabled": True}, as_json)


@function.command()
@function_argument
@with_executor
def enable(executor: Executor, function_id: str, as_json: bool) -> None:
    """Undo disable. What an administrator has disabled only an administrator enables."""
    function_id = executor.functions.id_of(function_id)
    executor.functions.enable(function_id)
    _tell({"function": function_id, "disabled": False}, as_json)


@function.command()
@function_argument
@with_executor
def delete(executor: Executor, function_id: str, as_json: bool) -> None:
    """Make the executor forget the source of your FUNCTION, for good."""
    function_id = executor.functions.id_of(function_id)
    executor.functions.delete(function_id)
    _tell({"function": function_id, "deleted": True}, as_json)


@function.command()
@function_argument
@with_executor
def usage(executor: Executor, function_id: str, as_json: bool) -> None:
    """Quota of FUNCTION, and how its tasks have ended."""
    function_id = executor.functions.id_of(function_id)
    _tell(executor.functions.usage(function_id), as_json)


@function.command()
@function_argument
@click.argument("auditor", metavar="PARTY")
@with_executor
def share(executor: Executor, function_id: str, auditor: str, as_json: bool) -> None:
    """Let PARTY, an auditor, read the source of your FUNCTION, sealed to its keys."""
    function_id = executor.functions.id_of(function_id)
    executor.functions.show(function_id, auditor)
    _tell({"function": function_id, "auditor": auditor}, as_json)


@function.command()
@function_argument
@click.option("--package", is_flag=True, help="The whole package, whose hash is the function's, not the source alone.")
@with_executor
def source(executor: Executor, function_id: str, package: bool, as_json: bool) -> None:
    """Print the source of a FUNCTION that is yours, or that its owner has shared with you."""
    function_id = executor.functions.id_of(function_id)
    import hashlib

    from ..encoding import parse_object

    content = executor.functions.package(function_id)
    sha256 = hashlib.sha256(content).hexdigest()
    text = content.decode("utf-8") if package else str(parse_object(content, "package").get("source", ""))
    if as_json:
        show.event("source", function=function_id, sha256=sha256, text=text)
    else:
        print(text, end="")
        show.note(f"SHA-256 of the package {sha256}: sign for it with cella function sign {function_id} --sha256 {sha256}")


@function.command()
@function_argument
@click.option("--sha256", required=True, metavar="HASH", help="Of the package that you have read.")
@click.option("--refuse", is_flag=True, help="Sign against it; this withdraws an earlier signature.")
@click.option("--note", default="", help="For everybody to read.")
@with_executor
def sign(executor: Executor, function_id: str, sha256: str, refuse: bool, note: str, as_json: bool) -> None:
    """Sign for FUNCTION as an auditor. Prints the statement, which verifies without the executor."""
    function_id = executor.functions.id_of(function_id)
    statement = executor.functions.audit(function_id, sha256.lower(), accepted=not refuse, note=note)
    if as_json:
        show.event("audit", function=function_id, accepted=not refuse, statement=statement)
    else:
        print(statement)
