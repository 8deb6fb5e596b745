# SPDX-License-Identifier: Apache-2.0
"""cella attest, cella explain-trust, cella info."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import click

from .. import _native
from ..encoding import visible
from . import show
from .options import json_option, timeout_option, trust_option, with_executor

if TYPE_CHECKING:
    from ..executor import Executor


@click.command()
@click.argument("address", metavar="HOST:PORT")
@trust_option
@timeout_option
@click.option("--fresh/--no-fresh", default=True, help="Demand evidence made now, for our nonce. Default: yes.")
@json_option
def attest(address: str, trust: str | None, timeout: float, fresh: bool, as_json: bool) -> int:
    """Verify an executor and say what was and was not checked.

    Exit code 0 only if every check of the trust file passed; 3 if the executor is refused.
    """
    from ..executor import Executor

    try:
        with Executor(address, trust, timeout=timeout, fresh=fresh) as executor:
            session, report = executor.session, executor.report
    except _native.AttestationError as refusal:
        if as_json:
            found = refusal.report.as_dict() if refusal.report is not None else {}
            print_json({"accepted": False, "code": refusal.code, **found})
        elif refusal.report is not None:
            print(visible("\n".join(refusal.report.lines())))
        show.error(refusal, False)
        show.note("REFUSED: nothing was sent to this executor")
        return 3
    charter = hashlib.sha256(session.charter).hexdigest()
    if as_json:
        print_json({**report.as_dict(), "executor": session.executor, "charter_sha256": charter})
        return 0
    print(visible("\n".join(report.lines())))
    print(f"Executor {session.executor}")
    print(f"Charter {charter}")
    print(f"ACCEPTED by {trust or 'the trust file'}")
    return 0


def print_json(content: dict[str, Any]) -> None:
    """One object, for machines."""
    show.event("report", **content)


@click.command("explain-trust")
@click.argument("path", type=click.Path(dir_okay=False), required=False)
@json_option
def explain_trust(path: str | None, as_json: bool) -> None:
    """Say in sentences what a trust file accepts. Exit code 2 if it is not acceptable itself."""
    from ..trust import Trust

    trust = Trust.load(path)
    if as_json:
        show.event("trust", **trust.terms)
    else:
        print(visible(trust.explain()))


@click.command()
@with_executor
def info(executor: Executor, as_json: bool) -> None:
    """Show what an executor offers: profiles, builtins, default limits, sandbox layers."""
    found = executor.information()
    if as_json:
        show.event("info", **found)
    else:
        show.value(found)
