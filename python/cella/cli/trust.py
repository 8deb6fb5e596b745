# SPDX-License-Identifier: Apache-2.0
"""cella trust: templates, auditors' statements, what is found out about TPMs."""

from __future__ import annotations

from typing import Any

import click

from .. import _native
from ..encoding import visible
from ..reading import read_bounded
from ..terms import TYPES
from . import show, tpm
from .options import identity_option, json_option, pairs

NUMBER_DIGITS = 18
"""Digits of a number in a measurement: what every 64-bit integer of JSON can hold."""


@click.group()
def trust() -> None:
    """Write trust files, sign for measurements, enrol TPMs."""


trust.add_command(tpm.replay)
trust.add_command(tpm.predict)
trust.add_command(tpm.tpm_challenge)
trust.add_command(tpm.tpm_accept)


@trust.command()
@click.option("--for", "kind", type=click.Choice(TYPES), required=True, help="Kind of evidence.")
@click.option("-o", "--output", type=click.Path(dir_okay=False), help="File; never overwritten. Default: stdout.")
def init(kind: str, output: str | None) -> None:
    """Write a commented trust file to start from: every term, its default, one sentence.

    It does not load until you filled in what only you can know; the error names what is left.
    """
    from .. import atomic
    from ..templates import template

    text = template(kind)
    if output is None:
        print(text, end="")
        return
    try:
        atomic.create(output, text.encode(), 0o644)
    except FileExistsError:
        raise _native.error("EXISTS", f"{output} exists already and is never overwritten") from None
    show.note(f"trust file for {kind} written to {output}: search for FILL IN")


@trust.command("sign-measurement")
@identity_option
@click.option("--name", required=True, help="Name of what runs, for people.")
@click.option("--type", "kind", type=click.Choice(TYPES), required=True, help="Kind of evidence.")
@click.option("--value", help="The measurement: sha256:... or sha384:...")
@click.option("--register", "registers", multiple=True, metavar="NAME=VALUE",
              help="A further register that must hold: hexadecimal, or a number.")
@click.option("--not-before", metavar="TIME", help="Valid from: 2026-11-01T00:00:00Z.")
@click.option("--not-after", metavar="TIME", help="Valid until.")
@click.option("-o", "--output", type=click.Path(dir_okay=False), help="File. Default: stdout.")
@json_option
def sign_measurement(identity: str | None, name: str, kind: str, value: str | None, registers: tuple[str, ...],
                     not_before: str | None, not_after: str | None, output: str | None, as_json: bool) -> None:
    """Sign, as an auditor, that a measurement is good.

    Trust files that name your key among auditors.keys count it. Statements count together only if they say exactly the
    same: agree on name and validity.
    """
    from .. import atomic
    from ..identity import Identity
    from ..statements import auditor_of, sign_measurement as sign
    from .attest import time_of

    signer = Identity.load(identity)
    entry: dict[str, Any] = {"name": name, "type": kind}
    if value is not None:
        entry["value"] = value
    named = pairs(registers, "--register")
    if named:
        entry["registers"] = {key: _number(key, text) if _is_number(key) else text for key, text in named.items()}
    for key, text in (("not_before", not_before), ("not_after", not_after)):
        if text is not None:
            entry[key] = time_of(text)
    statement = sign(signer, entry)
    if output is not None:
        with atomic.replace(output) as file:
            file.write(statement.encode() + b"\n")
    if as_json:
        show.event("statement", auditor=auditor_of(signer), statement=statement, measurement=entry)
        return
    show.note(f"signed by {auditor_of(signer)}")
    if output is None:
        print(statement)


def _is_number(register: str) -> bool:
    """Registers that are numbers, not digests."""
    return register.startswith("min_") or register.endswith(("_svn", "_id")) and register != "config_id"


def _number(register: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= NUMBER_DIGITS):
        raise click.BadParameter(f"{register} is a number, not {visible(text[:40])!r}", param_hint="--register")
    return int(text)


@trust.command("add-statement")
@click.argument("path", type=click.Path(dir_okay=False))
@click.argument("statement", type=click.Path(dir_okay=False, exists=True))
def add_statement(path: str, statement: str) -> None:
    """Add the statement in a file to a trust file's [auditors]. Comments and order of the trust file stay."""
    from ..statements import STATEMENT_MAX, add_statement as add

    add(path, read_bounded(statement, STATEMENT_MAX).decode("ascii", "replace").strip())
    show.note(f"{path} has one more statement")
