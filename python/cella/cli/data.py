# SPDX-License-Identifier: Apache-2.0
"""cella data: add, list, show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ..encoding import visible
from . import show
from .options import with_executor

if TYPE_CHECKING:
    from ..data import Data
    from ..executor import Executor


@click.group()
def data() -> None:
    """Register, upload and look at data. What leaves this machine is sealed."""


def _facts(item: Data) -> dict[str, Any]:
    return {
        "data": item.id,
        "name": item.name,
        "owners": list(item.owners),
        "sha256": item.sha256,
        "size": item.size,
        "stored": item.stored,
    }


@data.command()
@click.argument("path", metavar="FILE", type=click.Path(exists=True, dir_okay=False))
@click.option("--name", help="Name, for yourself. Default: the file's.")
@click.option("--sealed", is_flag=True, help="FILE is sealed already (cella encrypt); needs --key.")
@click.option("--key", "key_path", type=click.Path(dir_okay=False), help="Key file of a sealed FILE.")
@with_executor
def add(executor: Executor, path: str, name: str | None, sealed: bool, key_path: str | None, as_json: bool) -> None:
    """Encrypt FILE on this machine, register and upload it. Prints the data's id."""
    from ..sealing import DataKey

    if sealed != (key_path is not None):
        raise click.UsageError("--sealed and --key belong together")
    with show.reporter(as_json) as report:
        if key_path is not None:
            added = executor.data.add_sealed(path, DataKey.load(key_path), name, progress=report)
        else:
            added = executor.data.add(path, name, progress=report)
    if as_json:
        show.event("data", **(_facts(added) | {"stored": True}))
    else:
        show.note(f"SHA-256 of the sealed file {added.sha256}")
        print(added.id)


@data.command("list")
@with_executor
def list_data(executor: Executor, as_json: bool) -> None:
    """Your data."""
    for item in executor.data.list():
        if as_json:
            show.event("data", **_facts(item))
        else:
            state = "stored " if item.stored else "missing"
            print(f"{item.id}  {state}  {item.size:>12}  {visible(item.name)}")


@data.command("show")
@click.argument("data_id", metavar="DATA")
@with_executor
def show_data(executor: Executor, data_id: str, as_json: bool) -> None:
    """Facts about DATA."""
    facts = _facts(executor.data.get(data_id))
    if as_json:
        show.event("data", **facts)
    else:
        show.value(facts)
