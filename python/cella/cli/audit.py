# SPDX-License-Identifier: Apache-2.0
"""cella audit: what happened at the executor."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import click

from . import show
from .options import unix_time, with_executor

if TYPE_CHECKING:
    from ..executor import Executor


@click.command()
@click.option("--since", metavar="TIME", help="From this time on, for example 2026-01-31 or 2026-01-31T12:00.")
@click.option("--until", metavar="TIME", help="Before this time.")
@click.option("--party", metavar="PARTY", help="What this party did, or what was done to it.")
@click.option("--function", metavar="FUNCTION", help="About this function and its tasks.")
@click.option("--data", metavar="DATA", help="About these data.")
@click.option("--task", metavar="TASK", help="About this task.")
@click.option("-o", "--output", metavar="FILE", type=click.Path(dir_okay=False),
              help="Keep it there with its proofs, for cella verify; the file must not exist.")
@with_executor
def audit(
    executor: Executor,
    since: str | None,
    until: str | None,
    party: str | None,
    function: str | None,
    data: str | None,
    task: str | None,
    output: str | None,
    as_json: bool,
) -> None:
    """Who did what to what, and when, as far as it concerns you.

    Administrators see what concerns the service, auditors what the charter grants, everybody what he takes part in. Each entry
    is proved against the executor's ledger before it is shown.
    """
    from ..audit import fetch

    filters = {
        "since": None if since is None else unix_time(since, "--since"),
        "until": None if until is None else unix_time(until, "--until"),
        "party": party, "function": function, "data": data, "task": task,
    }
    found = fetch(executor, filters)
    if output is not None:
        show.note(f"kept {found.save(output)}")
    show_entries(found.entries, as_json)
    if not found.pages:
        show.note("this executor keeps no ledger: nothing proves these entries")


def show_entries(entries: Iterable[Mapping[str, Any]], as_json: bool) -> None:
    """Print entries of a journal, one per line."""
    for entry in entries:
        if as_json:
            show.event("entry", **{"what" if name == "event" else name: value for name, value in entry.items()})
            continue
        moment = datetime.datetime.fromtimestamp(entry["time"], datetime.timezone.utc).strftime("%Y-%m-%d %H:%M:%SZ")
        who = entry.get("by", "the executor")
        about = " ".join(entry[name] for name in ("subject", "other", "code") if name in entry)
        print(f"{entry['number']:>6}  {moment}  {entry['event']:<22}  {who}  {about}")
