# SPDX-License-Identifier: Apache-2.0
"""cella party: enrol, show."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from . import show
from .options import with_executor

if TYPE_CHECKING:
    from ..executor import Executor


@click.group()
def party() -> None:
    """Enrol, and look at parties."""


@party.command()
@click.option("--name", default="", help="For people, at most 64 characters; other parties see it.")
@with_executor
def enrol(executor: Executor, name: str, as_json: bool) -> None:
    """Make this party known to the executor. Commands do that by themselves where the charter is open."""
    made = executor.enrol(name)
    if as_json:
        show.event("party", party=made)
    else:
        print(made)


@party.command("show")
@click.argument("party_id", metavar="PARTY", required=False)
@with_executor
def show_party(executor: Executor, party_id: str | None, as_json: bool) -> None:
    """Keys and name of PARTY; without it, your own."""
    found = executor.party_of(party_id)
    if as_json:
        show.event("party", **found)
    else:
        show.value(found)
