# SPDX-License-Identifier: Apache-2.0
"""cella trust replay, predict, tpm-challenge, tpm-accept: what registers will be, and the enrolment of a TPM."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from .. import _native
from ..encoding import visible
from ..reading import read_bounded
from . import show
from .options import json_option

if TYPE_CHECKING:
    from ..event_log import LoggedEvent, Replay

DATA_SHOWN = 48
"""Characters of an event's data for people."""


def _text(event: LoggedEvent) -> str:
    """What is readable of an event's data; Windows' and UEFI's texts have two bytes per character."""
    characters = event.data.replace(b"\0", b"")
    shown = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in characters[:DATA_SHOWN])
    return shown if event.proven else f"({shown})" if shown else ""


def _lines(found: Replay, bank: str) -> Iterator[str]:
    for event in found.events:
        digest = event.digests[bank].hex() if event.extends and bank in event.digests else "-"
        yield f"{event.register if event.extends else '-':>3} {event.type:<30} {digest} {_text(event)}".rstrip()
    for name, registers in found.registers.items():
        yield from (f"{name} register {number}: {value.hex()}" for number, value in sorted(registers.items()))


@click.command()
@click.argument("log", type=click.Path(dir_okay=False, exists=True))
@json_option
def replay(log: str, as_json: bool) -> None:
    """Replay a firmware's event log: its events, and the register values that it leads to.

    LOG is /sys/kernel/security/tpm0/binary_bios_measurements of a machine, or the CCEL of a TD (registers 1 to 4 are
    RTMR 0 to 3). Data in parentheses is not proven by its digest.
    """
    from ..event_log import LOG_MAX, replay as replay_log

    found = replay_log(read_bounded(log, LOG_MAX))
    if as_json:
        for event in found.events:
            show.event("logged", register=event.register, type=event.type, extends=event.extends, proven=event.proven,
                       digests={bank: digest.hex() for bank, digest in event.digests.items()}, data=event.data.hex())
        show.event("registers", **{bank: {str(number): value.hex() for number, value in sorted(registers.items())}
                                   for bank, registers in found.registers.items()})
        return
    for line in _lines(found, "sha256" if "sha256" in found.registers else "sha384"):
        print(line)


@click.command()
@click.argument("events", type=click.Path(dir_okay=False, exists=True))
@json_option
def predict(events: str, as_json: bool) -> None:
    """Compute the register values that measurements lead to, before any machine has booted.

    EVENTS is a text file. Each line has the number of a register and a digest, in the order in which they will be extended:
    4 sha256:9f86d081... All are of one bank, sha256 or sha384. What follows # is a comment.
    """
    from ..event_log import LOG_MAX, parse_events, predict as predict_values

    bank, found = parse_events(read_bounded(events, LOG_MAX).decode("utf-8", "replace"))
    values = predict_values(found, bank)
    if as_json:
        show.event("registers", **{bank: {str(number): value.hex() for number, value in sorted(values.items())}})
        return
    for number, value in sorted(values.items()):
        print(f"{bank} register {number}: {value.hex()}")


def _contents(paths: tuple[str, ...]) -> list[bytes]:
    from ..tpm import FILE_MAX

    return [read_bounded(path, FILE_MAX) for path in paths]


@click.command("tpm-challenge")
@click.argument("machine", type=click.Path(dir_okay=False, exists=True))
@click.option("--maker", "makers", multiple=True, type=click.Path(dir_okay=False, exists=True),
              help="Root certificate of a maker of TPMs that you trust, PEM or DER.")
@click.option("--certificate", "certificates", multiple=True, type=click.Path(dir_okay=False, exists=True),
              help="Certificate between the TPM's and that root, where the TPM does not have it.")
@click.option("--endorsement-key", metavar="sha256:DIGITS",
              help="Instead of a maker: digest of the TPM's endorsement key (SubjectPublicKeyInfo), known from elsewhere.")
@click.option("--at", help="Time that counts for certificates. Default: now.")
@click.option("-o", "--output", required=True, type=click.Path(dir_okay=False), help="The question, for the machine.")
@click.option("--pending", required=True, type=click.Path(dir_okay=False), help="What checks the answer, for you.")
@json_option
def tpm_challenge(machine: str, makers: tuple[str, ...], certificates: tuple[str, ...], endorsement_key: str | None,
                  at: str | None, output: str, pending: str, as_json: bool) -> None:
    """Ask a machine's TPM to prove that its attestation key is its own.

    MACHINE is what `cella-monitor --tpm-identify` printed there. Give the question to its operator, who answers it with
    `cella-monitor --tpm-activate < QUESTION`; then: cella trust tpm-accept.
    """
    from .. import atomic
    from ..tpm import challenge
    from .attest import time_of

    if bool(makers) == (endorsement_key is not None):
        raise click.UsageError("say who vouches for the TPM: --maker, or --endorsement-key")
    asked = challenge(_contents((machine,))[0], _contents(makers), certificates=_contents(certificates),
                      endorsement_key=None if endorsement_key is None else _digest(endorsement_key),
                      at=None if at is None else time_of(at))
    for path, content in ((output, asked.question), (pending, asked.pending)):
        with atomic.replace(path) as file:
            file.write(content)
    if as_json:
        show.event("challenge", name=asked.name, vouched=asked.vouched, question=output, pending=pending)
        return
    show.note(f"{visible(asked.vouched)}; not proven yet: {asked.name}")


def _digest(text: str) -> bytes:
    from ..encoding import digest_of

    try:
        return digest_of(text.removeprefix("sha256:"))
    except _native.FormatError:
        raise click.BadParameter("a digest is sha256: and 64 lower-case hexadecimal digits",
                                 param_hint="--endorsement-key") from None


@click.command("tpm-accept")
@click.argument("pending", type=click.Path(dir_okay=False, exists=True))
@click.argument("answer", type=click.Path(dir_okay=False, exists=True))
@json_option
def tpm_accept(pending: str, answer: str, as_json: bool) -> None:
    """Check a TPM's answer, and print the line for the trust file.

    PENDING is what tpm-challenge left for you, ANSWER what the machine printed.
    """
    from ..tpm import accept

    asked, answered = _contents((pending, answer))
    name = accept(asked, answered)
    if as_json:
        show.event("enrolled", name=name)
        return
    show.note("proven: the attestation key is in that TPM. For [tpm] of your trust file:")
    print(f'attestation_keys = ["{name}"]')
