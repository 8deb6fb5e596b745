# SPDX-License-Identifier: Apache-2.0
"""cella trust replay: what an event log leads to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

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
    from ..event_log import replay as replay_log

    found = replay_log(Path(log).read_bytes())
    if as_json:
        for event in found.events:
            show.event("logged", register=event.register, type=event.type, extends=event.extends, proven=event.proven,
                       digests={bank: digest.hex() for bank, digest in event.digests.items()}, data=event.data.hex())
        show.event("registers", **{bank: {str(number): value.hex() for number, value in sorted(registers.items())}
                                   for bank, registers in found.registers.items()})
        return
    for line in _lines(found, "sha256" if "sha256" in found.registers else "sha384"):
        print(line)
