# SPDX-License-Identifier: Apache-2.0
"""cella builtins: what native functions there are. Nothing here asks an executor."""

from __future__ import annotations

import dataclasses

import click

from ..builtin import Builtin, Parameter
from . import show
from .options import json_option


@click.group()
def builtins() -> None:
    """The native functions that executors of this version have: run them with cella run --builtin NAME."""


@builtins.command("list")
@json_option
def list_builtins(as_json: bool) -> None:
    """Names and what each is for."""
    width = max(len(item.name) for item in Builtin.all())
    for item in Builtin.all():
        if as_json:
            show.event("builtin", **dataclasses.asdict(item))
            continue
        print(f"{item.name:<{width}}  {item.documentation.partition('. ')[0].rstrip('.')}")


@builtins.command("show")
@click.argument("name")
@json_option
def show_builtin(name: str, as_json: bool) -> None:
    """What NAME takes, gives and promises. Teaclave's spelling of a name is fine."""
    item = Builtin.find(name)
    if as_json:
        show.event("builtin", **dataclasses.asdict(item))
        return
    print(f"{item.name}, version {item.version}; profiles {', '.join(item.profiles)}"
          + (f"; in Teaclave {item.alias}" if item.alias else ""))
    print(f"\n{item.documentation}\n")
    for title, kinds in (("Arguments", ("text", "choice", "integer", "real", "flag")), ("Inputs", ("input", "inputs")),
                         ("Outputs", ("output", "outputs"))):
        rows = [row for row in item.parameters if row.kind in kinds]
        if rows:
            print(f"{title}:")
            for row in rows:
                print(f"  {row.name}  ({_facts(row)})\n      {row.documentation}")
    print(f"Returns:\n  {item.returns}" + (", as JSON" if item.result == "json" else ""))
    print(f"Determinism:\n  {item.determinism or 'the same inputs and arguments give the same bytes everywhere'}")
    if item.limits:
        print(f"Limits:\n  {item.limits}")
    if item.example:
        print("Example, in a script:")
        print("\n".join(f"  {line}" for line in item.example.rstrip("\n").split("\n")))


def _facts(row: Parameter) -> str:
    """Kind, range and default of a parameter."""
    facts = [row.format or row.kind]
    if row.choices:
        facts = ["one of " + ", ".join(row.choices)]
    elif row.kind in ("integer", "real"):
        facts.append(f"{row.minimum:.15g} to {row.maximum:.15g}")
    elif row.kind == "text":
        facts.append(f"at most {row.maximum:.0f} bytes")
    elif row.kind in ("inputs", "outputs"):
        facts.append(f"{row.minimum:.0f} to {row.maximum:.0f} of them: {row.name}0, {row.name}1, ...")
    if row.is_file:
        return ", ".join(facts + (["optional"] if row.optional else []))
    return ", ".join([*facts, "required" if row.default is None else f"default {row.default or 'empty'}"])
