# SPDX-License-Identifier: Apache-2.0
"""cella receipt, cella verify."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..encoding import visible
from . import show
from .attest import hexadecimal, print_json, print_verdict, time_of
from .options import json_option, trust_option, with_executor

if TYPE_CHECKING:
    from ..executor import Executor
    from ..lineage import Provenance

Command = TypeVar("Command", bound=Callable[..., Any])


@click.group()
def receipt() -> None:
    """Fetch proofs of what ran; look at them, and judge them, offline."""


@receipt.command("show")
@click.argument("path", metavar="FILE", type=click.Path(dir_okay=False))
@json_option
def show_receipt(path: str, as_json: bool) -> None:
    """Print what a receipt or proof bundle says. Nothing of it is verified."""
    from ..receipts import Receipt

    found = Receipt(path)
    if as_json:
        print_json(found.as_dict())
        return
    print(visible("\n".join(found.lines())))
    show.note("nothing of this is verified: cella receipt verify does that")


def _files(given: tuple[str, ...], option: str) -> dict[str, str]:
    """NAME=FILE."""
    found = {}
    for text in given:
        name, sign, path = text.partition("=")
        if not sign or not name or not path or name in found:
            raise click.BadParameter(f"{text!r} is not NAME=FILE, or names it twice", param_hint=option)
        found[name] = path
    return found


def _salted(files: dict[str, str], salts: tuple[str, ...]) -> dict[str, Any]:
    """Files with the salts that were given for them."""
    found: dict[str, Any] = dict(files)
    for name, digits in _files(salts, "--salt").items():
        if name in files:
            found[name] = (hexadecimal(digits, "--salt"), files[name])
    return found


def _parts(path: str, evidence: str | None, contract: str | None, function: str | None, payload: str | None) -> Any:
    """The receipt with what was given beside it in place of what it brought."""
    import dataclasses

    from ..receipts import BUNDLE_MAX, Parts

    given = {"evidence_file": evidence, "contract": contract, "function": function, "payload": payload}
    contents = {}
    for name, source in given.items():
        if source is not None:
            with open(source, "rb") as file:
                contents[name] = file.read(BUNDLE_MAX + 1)
    return dataclasses.replace(Parts.read(path), **contents)


def _options(command: Command) -> Command:
    """What `cella verify` and `cella receipt verify` have in common: everything."""
    for option in reversed((
        click.argument("path", metavar="FILE", type=click.Path(dir_okay=False)),
        trust_option,
        click.option("--at", metavar="TIME", help="The time at which evidence is judged: 2026-11-01T00:00:00Z or Unix seconds. "
                     "Default: now."),
        click.option("--nonce", metavar="HEX", help="The nonce that you gave to the task."),
        click.option("--input", "inputs", multiple=True, metavar="NAME=FILE",
                     help="A sealed input that you have (or a public one). Repeatable."),
        click.option("--output", "outputs", multiple=True, metavar="NAME=FILE", help="A sealed output. Repeatable."),
        click.option("--salt", "salts", multiple=True, metavar="NAME=HEX", help="Salt of a file whose digest is salted."),
        click.option("--evidence", type=click.Path(dir_okay=False), help="Evidence file, where the bundle has none."),
        click.option("--contract", type=click.Path(dir_okay=False), help="Contract, where the bundle has none."),
        click.option("--function", type=click.Path(dir_okay=False), help="Function package, where the bundle has none."),
        click.option("--payload", type=click.Path(dir_okay=False), help="Content of a statement that holds only its hash."),
        click.option("--parent", "parents", multiple=True, metavar="FILE", type=click.Path(dir_okay=False),
                     help="The receipt of a run whose output was an input here, or of one before it. Repeatable."),
        click.option("--endorsement", "endorsements", multiple=True, metavar="FILE", type=click.Path(dir_okay=False),
                     help="Certificates, revocation lists, Intel's collateral, statements. Repeatable."),
        json_option,
    )):
        command = option(command)
    return command


def _verify(path: str, trust: str | None, at: str | None, nonce: str | None, inputs: tuple[str, ...],
            outputs: tuple[str, ...], salts: tuple[str, ...], evidence: str | None, contract: str | None,
            function: str | None, payload: str | None, parents: tuple[str, ...], endorsements: tuple[str, ...],
            as_json: bool) -> int:
    """Judge a receipt, signed refusal, proof bundle or exported audit in a FILE by a trust file, without any executor or network.

    Exit code 0 only if the trust file is met; 3 if the receipt is refused, or something that the trust file requires was
    not supplied; 2 if a file or the command is wrong.
    """
    from ..receipts import verify_receipt
    from ..trust import Trust

    policy = Trust.load(trust)
    if _is_audit(path):
        if any((nonce, inputs, outputs, salts, evidence, contract, function, payload, parents, endorsements)):
            raise click.UsageError(f"{path} is an audit: but for --trust, --at and --json these options are about receipts")
        return _verify_audit(path, policy, at, as_json)
    report = verify_receipt(
        _parts(path, evidence, contract, function, payload), policy, at=None if at is None else time_of(at),
        nonce=hexadecimal(nonce, "--nonce"), inputs=_salted(_files(inputs, "--input"), salts),
        outputs=_salted(_files(outputs, "--output"), salts), endorsements=endorsements, parents=parents,
    )
    verdict = print_verdict(report, policy, as_json)
    if verdict == 0 and not as_json:
        _show_refusal(path)
    elif not as_json:
        show.note(visible(f"{'NOT PROVED' if report.code == 'NOT_PROVED' else 'REFUSED'} by {policy.path}: {report.detail}"))
    return verdict


def _show_refusal(path: str) -> None:
    """Who refused what, when, and to whom, in full: a report's line has no room for it."""
    from ..receipts import Receipt

    found = Receipt(path)
    if found.kind == "refusal" and "code" in found.content:
        print(visible("\n".join(found.lines())))


def _is_audit(path: str) -> bool:
    """By its first byte: receipts and bundles are no JSON."""
    with open(path, "rb") as file:
        return file.read(1) == b"{"


def _verify_audit(path: str, policy: Any, at: str | None, as_json: bool) -> int:
    from ..audit import verify_audit
    from .audit import show_entries

    report = verify_audit(path, policy, at=None if at is None else time_of(at))
    verdict = print_verdict(report, policy, as_json)
    if not as_json and verdict == 0:
        show_entries(report.entries, False)
    elif not as_json:
        show.note(visible(f"REFUSED by {policy.path}: {report.detail}"))
    return verdict


verify = click.command("verify")(_options(_verify))
receipt.add_command(verify)


@receipt.command("get")
@click.argument("subject", metavar="TASK|DATA")
@click.option("-o", "--output", required=True, metavar="FILE", type=click.Path(dir_okay=False), help="Where to; it must not exist.")
@with_executor
def get_receipt(executor: Executor, subject: str, output: str, as_json: bool) -> None:
    """Fetch the proof of a run that finished, or of a deletion, with evidence, contract and approvals.

    Nothing of it is verified here: cella verify FILE does that, offline, for whoever has the file.
    """
    found = executor.receipt(subject)
    path = found.save(output)
    if as_json:
        show.event("receipt", subject=found.subject, path=str(path), leaf=found.leaf.hex())
    else:
        print(path)


@receipt.command("export")
@click.argument("path", metavar="FILE", type=click.Path(dir_okay=False))
@click.option("-o", "--output", required=True, metavar="FOLDER", type=click.Path(file_okay=False), help="Where to.")
@json_option
def export_receipt(path: str, output: str, as_json: bool) -> None:
    """Write the parts of a proof as files: evidence, contract, approvals, tree head, the proof as text for other tools."""
    from ..receipts import Receipt, export

    written = [str(path) for path in export(Receipt(path), output)]
    if as_json:
        print_json({"files": written})
    else:
        print("\n".join(written))


def _show_view(view: Provenance, svg: str | None, as_json: bool) -> None:
    """What led to an output, in the form that was asked for."""
    from .. import atomic

    if as_json:
        print_json(view.as_dict())
    elif svg is not None:
        atomic.create(svg, view.svg().encode(), 0o644)
        print(svg)
    else:
        print(visible("\n".join(view.lines())))


@receipt.command("trace")
@click.argument("subject", metavar="TASK")
@click.option("-o", "--output", metavar="FOLDER", type=click.Path(file_okay=False),
              help="Keep the receipts there, TASK.proof each. Nothing is overwritten.")
@click.option("--svg", metavar="FILE", type=click.Path(dir_okay=False), help="Write a picture; the file must not exist.")
@with_executor
def trace(executor: Executor, subject: str, output: str | None, svg: str | None, as_json: bool) -> int:
    """Fetch the receipt of a run and those of the runs before it, judge each by the trust file, and show what led to it.

    An executor gives receipts to those who took part: other runs are shown as not supplied. Exit code 3 if the trust file
    refuses one of those shown; else 0. The same offline, and with receipts of others: cella receipt provenance.
    """
    import os

    from ..lineage import fetch, provenance

    if as_json and svg is not None:
        raise click.UsageError("--json and --svg exclude each other")
    found = fetch(executor, subject)
    view = provenance(found, policy=executor.trust)
    if output is not None:
        os.makedirs(output, exist_ok=True)
        for one in found:
            path = one.save(os.path.join(output, f"{one.subject}.proof"))
            show.note(visible(f"kept {path}"))
    _show_view(view, svg, as_json)
    return 0 if view.accepted else 3


@receipt.command("provenance")
@click.argument("paths", metavar="FILE...", nargs=-1, required=True, type=click.Path(dir_okay=False))
@click.option("--output", metavar="FILE", type=click.Path(dir_okay=False),
              help="A sealed output: show what led to this one. Default: to the outputs of the first receipt.")
@click.option("--trust", metavar="FILE", type=click.Path(dir_okay=False), help="Judge each receipt. Default: nothing is judged.")
@click.option("--at", metavar="TIME", help="The time at which evidence is judged, as for cella receipt verify.")
@click.option("--svg", metavar="FILE", type=click.Path(dir_okay=False), help="Write a picture; the file must not exist.")
@json_option
def show_provenance(paths: tuple[str, ...], output: str | None, trust: str | None, at: str | None, svg: str | None,
                    as_json: bool) -> int:
    """Show the runs and inputs that led to an output, out of receipts and proof bundles, offline.

    What a receipt names and was not given is shown as not supplied. Exit code 3 if --trust is given and refuses any of those
    shown; else 0.
    """
    from ..lineage import provenance

    if as_json and svg is not None:
        raise click.UsageError("--json and --svg exclude each other")
    view = provenance(paths, output=output, policy=trust, at=None if at is None else time_of(at))
    _show_view(view, svg, as_json)
    if trust is None:
        show.note("nothing of this is verified: --trust FILE judges each receipt")
        return 0
    return 0 if view.accepted else 3
