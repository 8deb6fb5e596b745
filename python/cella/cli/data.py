# SPDX-License-Identifier: Apache-2.0
"""cella data: add, register, list, show, policy, update, derive, rotate, delete."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ..encoding import visible
from . import show
from .options import budget_of, foreign_key_options, key_of, release_of, release_option, unix_time, with_executor

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
        "used": item.used,
        "deleted": item.deleted,
        "format": item.format,
        **({} if item.policy is None else {"policy": dict(item.policy)}),
        **({"bound_by": list(item.bound_by)} if item.bound_by else {}),
        **({"url": item.url} if item.url else {}),
        **({} if item.spent is None else {"spent": dict(item.spent)}),
        **({} if item.left is None else {"left": dict(item.left)}),
    }


def policy_options(command: Any) -> Any:
    """Add the options that make a policy."""
    for option in (
        release_option("The function must declare this rule, N at least."),
        click.option("--budget", metavar="epsilon=N[,delta=N]", help="Differential privacy that all runs together may spend."),
        click.option("--until", metavar="TIME", help="Not after this time, for example 2026-12-31T12:00."),
        click.option("--uses", type=click.IntRange(min=0), help="Runs of all tasks together."),
        click.option("--threshold", type=click.IntRange(min=1), help="How many of the auditors. Default: all of them."),
        click.option("--auditor", "auditors", multiple=True, metavar="PARTY", help="Functions that they have signed for."),
        click.option("--function", "functions", multiple=True, metavar="SHA256", help="Functions, by their hash."),
    ):
        command = option(command)
    return command


def policy_of(
    functions: tuple[str, ...],
    auditors: tuple[str, ...],
    threshold: int | None,
    uses: int | None,
    until: str | None,
    budget: str | None,
    release: tuple[str, ...],
) -> dict[str, Any] | None:
    """A policy from options; None where none was given."""
    policy: dict[str, Any] = {}
    if functions:
        policy["functions"] = list(functions)
    if auditors:
        policy["auditors"] = {"parties": list(auditors), "threshold": threshold or len(auditors)}
    if uses is not None:
        policy["uses"] = uses
    if until is not None:
        policy["until"] = unix_time(until, "--until")
    if budget is not None:
        policy["budget"] = budget_of(budget)
    if release:
        policy["release"] = release_of(release)
    return policy or None


@data.command()
@click.argument("path", metavar="FILE", type=click.Path(exists=True, dir_okay=False))
@click.option("--name", help="Name, for yourself. Default: the file's.")
@click.option("--sealed", is_flag=True, help="FILE is sealed already (cella encrypt); needs --key.")
@click.option("--key", "key_path", type=click.Path(dir_okay=False), help="Key file of a FILE that is encrypted already.")
@foreign_key_options
@policy_options
@with_executor
def add(
    executor: Executor,
    path: str,
    name: str | None,
    sealed: bool,
    key_path: str | None,
    file_format: str | None,
    iv: str | None,
    as_json: bool,
    **terms: Any,
) -> None:
    """Encrypt FILE on this machine, register and upload it. Prints the data's id.

    With --sealed or --format FILE is encrypted already, and is uploaded as it is.
    """
    if (sealed or file_format is not None) != (key_path is not None) or (sealed and file_format is not None):
        raise click.UsageError("--key and one of --sealed and --format belong together")
    with show.reporter(as_json) as report:
        if key_path is not None:
            key = key_of(key_path, file_format, iv)
            added = executor.data.add_sealed(path, key, name, progress=report, policy=policy_of(**terms))
        else:
            added = executor.data.add(path, name, progress=report, policy=policy_of(**terms))
    if as_json:
        show.event("data", **(_facts(added) | {"stored": True}))
    else:
        show.note(f"SHA-256 of the encrypted file {added.sha256}")
        print(added.id)


@data.command()
@click.argument("path", metavar="[FILE]", type=click.Path(exists=True, dir_okay=False), required=False)
@click.option("--url", required=True, help="Where FILE, encrypted as it is, can be fetched from.")
@click.option("--key", "key_path", type=click.Path(dir_okay=False), required=True, help="Its key file.")
@click.option("--sha256", default="", metavar="HASH", help="Of the encrypted file, instead of FILE.")
@click.option("--size", type=click.IntRange(min=1), metavar="BYTES", help="Of the encrypted file, instead of FILE.")
@click.option("--name", help="Name, for yourself. Default: the last part of the URL.")
@foreign_key_options
@policy_options
@with_executor
def register(
    executor: Executor,
    path: str | None,
    url: str,
    key_path: str,
    sha256: str,
    size: int | None,
    name: str | None,
    file_format: str | None,
    iv: str | None,
    as_json: bool,
    **terms: Any,
) -> None:
    """Register data that stay where they are. Prints the data's id.

    FILE is encrypted already (cella encrypt), and lies at the URL as well: the executor's host fetches it for each run. It is read here for
    its digest and size only.
    """
    if (path is None) != bool(sha256 and size):
        raise click.UsageError("give either FILE, or --sha256 and --size")
    key = key_of(key_path, file_format, iv)
    made = executor.data.add_url(
        url, key, name, path=path, sha256=sha256.lower(), size=size or 0, policy=policy_of(**terms)
    )
    if as_json:
        show.event("data", **_facts(made))
    else:
        show.note(f"SHA-256 of the encrypted file {made.sha256}")
        print(made.id)


@data.command()
@click.argument("data_id", metavar="DATA")
@click.option("--url", help="Fetched there from the next run on.")
@click.option("--stored", is_flag=True, help="In the executor's store, where they were uploaded.")
@with_executor
def update(executor: Executor, data_id: str, url: str | None, stored: bool, as_json: bool) -> None:
    """Change where DATA lie. They stay the same, by their digest, and so do contracts and approvals."""
    if stored == (url is not None):
        raise click.UsageError("give either --url or --stored")
    facts = _facts(executor.data.update(data_id, url))
    if as_json:
        show.event("data", **facts)
    else:
        show.value(facts)


@data.command("list")
@with_executor
def list_data(executor: Executor, as_json: bool) -> None:
    """Your data."""
    for item in executor.data.list():
        if as_json:
            show.event("data", **_facts(item))
        else:
            state = "at URL " if item.url else "stored " if item.stored else "missing"
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


@data.command()
@click.argument("data_id", metavar="DATA")
@click.option("--none", is_flag=True, help="No policy: whatever you approve.")
@policy_options
@with_executor
def policy(executor: Executor, data_id: str, none: bool, as_json: bool, **terms: Any) -> None:
    """Set what may be done with DATA from now on. What has not started is judged by it."""
    made = policy_of(**terms)
    if none == (made is not None):
        raise click.UsageError("give the whole policy, or --none")
    facts = _facts(executor.data.change(data_id, made))
    if as_json:
        show.event("data", **facts)
    else:
        show.value(facts)


@data.command()
@click.argument("task_id", metavar="TASK")
@click.argument("output")
@with_executor
def derive(executor: Executor, task_id: str, output: str, as_json: bool) -> None:
    """Make OUTPUT of TASK an input of the next task, without leaving the executor. Prints the data's id."""
    derived = executor.data.derive(task_id, output)
    if as_json:
        show.event("data", **_facts(derived))
    else:
        print(derived.id)


@data.command()
@click.argument("data_id", metavar="DATA")
@click.option("--key", "key_path", type=click.Path(dir_okay=False), required=True, help="Present key file.")
@click.option("--new-key", "new_key_path", type=click.Path(dir_okay=False), required=True, help="Key file to be made.")
@foreign_key_options
@with_executor
def rotate(
    executor: Executor,
    data_id: str,
    key_path: str,
    new_key_path: str,
    file_format: str | None,
    iv: str | None,
    as_json: bool,
) -> None:
    """Replace DATA by the same under a new key, and delete the old. Prints the new data's id.

    They are fetched, opened, sealed anew and uploaded on this machine. Data in one of Teaclave's formats become a sealed file.
    """
    from ..sealing import DataKey

    key = key_of(key_path, file_format, iv)
    new_key = DataKey.generate() if key.format != "sealed-file" else DataKey.generate(key.segment, key.associated_data)
    new_key.save(new_key_path)
    show.note(f"key written to {new_key_path}")
    with show.reporter(as_json) as report:
        rotated = executor.data.rotate(data_id, key, new_key, progress=report)
    if as_json:
        show.event("data", **(_facts(rotated) | {"stored": True}))
    else:
        print(rotated.id)


@data.command()
@click.argument("data_id", metavar="DATA")
@with_executor
def delete(executor: Executor, data_id: str, as_json: bool) -> None:
    """Delete DATA: the executor forgets their key, and tells the host to delete them when no task reads them any more."""
    facts = _facts(executor.data.delete(data_id))
    if as_json:
        show.event("data", **facts)
    else:
        print(data_id)
