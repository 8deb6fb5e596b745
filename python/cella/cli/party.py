# SPDX-License-Identifier: Apache-2.0
"""cella party: enrol, show, list, change, remove, invite, join, revoke, add, rotate."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .. import _native
from ..encoding import from_base64url, visible
from . import show
from .options import with_executor

if TYPE_CHECKING:
    from ..executor import Executor

role_option = click.option(
    "--role", "roles", multiple=True, metavar="ROLE", help="administrator, function_owner, data_owner, auditor."
)
party_argument = click.argument("party_id", metavar="PARTY")


@click.group()
def party() -> None:
    """Enrol, invite, look at parties, and govern them."""


def _tell(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        show.event("party", **found)
    else:
        show.value(found)


def _token(text: str) -> str:
    """A token from a file, "-" for standard input: it never stands on a command line, where others could read it."""
    return (sys.stdin.read() if text == "-" else Path(text).read_text("utf-8")).strip()


@party.command()
@click.option("--name", default="", help="For people, at most 64 characters; other parties see it.")
@click.option("--invitation", metavar="FILE", help="File with an invitation, or - for standard input.")
@with_executor
def enrol(executor: Executor, name: str, invitation: str | None, as_json: bool) -> None:
    """Make this party known to the executor. Commands do that by themselves where the charter is open."""
    made = executor.enrol(name, None if invitation is None else _token(invitation))
    if as_json:
        show.event("party", party=made)
    else:
        print(made)


@party.command("show")
@click.argument("party_id", metavar="PARTY", required=False)
@with_executor
def show_party(executor: Executor, party_id: str | None, as_json: bool) -> None:
    """Keys, name, roles and organisation of PARTY; without it, your own."""
    _tell(executor.party_of(party_id), as_json)


@party.command("list")
@with_executor
def list_parties(executor: Executor, as_json: bool) -> None:
    """All parties, for an administrator; otherwise those of your organisation."""
    for item in executor.parties.list():
        if as_json:
            show.event("party", **item)
        else:
            roles = ",".join(item["roles"]) or ("removed" if item["removed"] else "-")
            print(f"{item['party']}  {roles:<26}  {item.get('organisation', '-')}  {visible(item['name'])}")


@party.command()
@party_argument
@role_option
@with_executor
def change(executor: Executor, party_id: str, roles: tuple[str, ...], as_json: bool) -> None:
    """Set all the roles of PARTY; without --role it has none."""
    _tell(executor.parties.change(party_id, roles), as_json)


@party.command()
@party_argument
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_executor
def remove(executor: Executor, party_id: str, yes: bool, as_json: bool) -> None:
    """Remove PARTY for good: its next request is refused, and tasks that it takes part in end."""
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("nobody to ask here: give --yes")
        click.confirm(f"Remove {party_id} for good?", abort=True, err=True)
    executor.parties.remove(party_id)
    if as_json:
        show.event("party", party=party_id, removed=True)
    else:
        print(party_id)


@party.command()
@role_option
@click.option("--organisation", metavar="ORGANISATION", help="It becomes a member of this one.")
@click.option("--manager", is_flag=True, help="It becomes a manager of the organisation.")
@click.option("--party", "party_id", metavar="PARTY", help="Only this party may use it.")
@click.option("--days", type=click.FloatRange(min=0.001), default=7.0, show_default=True, help="How long it counts.")
@with_executor
def invite(
    executor: Executor,
    roles: tuple[str, ...],
    organisation: str | None,
    manager: bool,
    party_id: str | None,
    days: float,
    as_json: bool,
) -> None:
    """Sign an invitation, as an administrator or the manager of an organisation. It counts once.

    Without --role it is for a data_owner.
    """
    made = executor.parties.invite(
        roles or ("data_owner",),
        organisation=organisation,
        manages=manager,
        party=party_id,
        valid_s=int(days * 86400),
    )
    if as_json:
        show.event("invitation", token=made)
    else:
        print(made)


@party.command()
@click.argument("invitation", metavar="FILE")
@with_executor
def join(executor: Executor, invitation: str, as_json: bool) -> None:
    """Take what the invitation in FILE offers (- for standard input), as a party that is known already."""
    _tell(executor.parties.join(_token(invitation)), as_json)


@party.command()
@click.argument("invitation", metavar="FILE|ID")
@with_executor
def revoke(executor: Executor, invitation: str, as_json: bool) -> None:
    """Make an invitation count no more: by the FILE that it is in, - for standard input, or its id."""
    named = invitation if len(invitation) == 32 and not Path(invitation).exists() else _token(invitation)
    executor.parties.revoke(named)
    if as_json:
        show.event("invitation", revoked=True)


@party.command()
@click.argument("keys", metavar="SIGN SEAL", nargs=2)
@click.option("--name", default="", help="For people.")
@role_option
@click.option("--organisation", metavar="ORGANISATION", help="It becomes a member of this one.")
@click.option("--manager", is_flag=True, help="It becomes a manager of the organisation.")
@with_executor
def add(
    executor: Executor,
    keys: tuple[str, str],
    name: str,
    roles: tuple[str, ...],
    organisation: str | None,
    manager: bool,
    as_json: bool,
) -> None:
    """Enrol somebody by the public keys that "cella id --json" prints, as an administrator."""
    sign, seal = (from_base64url(key, "key") for key in keys)
    added = executor.parties.add(sign, seal, roles, name=name, organisation=organisation, manages=manager)
    _tell(added, as_json)


@party.command()
@with_executor
def rotate(executor: Executor, as_json: bool) -> None:
    """Replace your keys; you stay the same party. The former identity file is kept beside the new one, as .former."""
    import shutil

    from ..identity import default_path

    context = click.get_current_context()
    path = Path(context.params.get("identity") or default_path())
    successor = executor.identity.successor()
    former = path.with_name(path.name + ".former")
    shutil.copy2(path, former)
    successor.replace(path)
    try:
        answer = executor.parties.rotate(successor)
    except _native.TransportError:
        show.note(f"the executor did not confirm; try both identities: {path} (new) and {former} (former)")
        raise
    except _native.CellaError:
        former.replace(path)  # it was refused: the keys are what they were
        raise
    _tell(answer, as_json)
