# SPDX-License-Identifier: Apache-2.0
"""cella organisation: create, list, show, add, remove, delete."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ..encoding import visible
from . import show
from .options import with_executor

if TYPE_CHECKING:
    from ..executor import Executor

organisation_argument = click.argument("organisation_id", metavar="ORGANISATION")
party_argument = click.argument("party_id", metavar="PARTY")


@click.group()
def organisation() -> None:
    """Organisations, their members and managers. Who manages one may invite into it and remove its members."""


def _tell(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        show.event("organisation", **found)
    else:
        show.value(found)


@organisation.command()
@click.argument("name")
@with_executor
def create(executor: Executor, name: str, as_json: bool) -> None:
    """Make an organisation, as an administrator. Prints its id."""
    made = executor.organisations.create(name)
    if as_json:
        show.event("organisation", organisation=made, name=name)
    else:
        print(made)


@organisation.command("list")
@with_executor
def list_organisations(executor: Executor, as_json: bool) -> None:
    """All organisations."""
    for item in executor.organisations.list():
        if as_json:
            show.event("organisation", **item)
        else:
            print(f"{item['organisation']}  {item['members']:>5}  {visible(item['name'])}")


@organisation.command("show")
@organisation_argument
@with_executor
def show_organisation(executor: Executor, organisation_id: str, as_json: bool) -> None:
    """Name and size of ORGANISATION; its managers, if you are in it."""
    _tell(executor.organisations.get(organisation_id), as_json)


@organisation.command()
@organisation_argument
@party_argument
@click.option("--manager", is_flag=True, help="As a manager.")
@with_executor
def add(executor: Executor, organisation_id: str, party_id: str, manager: bool, as_json: bool) -> None:
    """Put PARTY into ORGANISATION, as an administrator. Without --manager it is an ordinary member."""
    _tell(executor.organisations.add(organisation_id, party_id, manages=manager), as_json)


@organisation.command()
@organisation_argument
@party_argument
@with_executor
def remove(executor: Executor, organisation_id: str, party_id: str, as_json: bool) -> None:
    """Take PARTY out of ORGANISATION: yourself, or as its manager or an administrator."""
    _tell(executor.organisations.remove(organisation_id, party_id), as_json)


@organisation.command()
@organisation_argument
@with_executor
def delete(executor: Executor, organisation_id: str, as_json: bool) -> None:
    """End ORGANISATION, as an administrator. Its members stay parties."""
    executor.organisations.delete(organisation_id)
    if as_json:
        show.event("organisation", organisation=organisation_id, deleted=True)
