# SPDX-License-Identifier: Apache-2.0
"""Event logs of firmware, and register values computed before a machine ever booted.

A log says which digests went into which register, in order; a register's value is nothing else than that. So a log of one
boot, or a list of the files that will be measured, gives the values that a trust file pins.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from . import _native

LOG_MAX = 1 << 20
"""Bytes of a log, as the verifier takes it."""
BANKS = ("sha256", "sha384")
REGISTERS = 24
_EVENT = re.compile(rf"([0-9]{{1,2}}) ({'|'.join(BANKS)}):([0-9a-f]+)")

TYPES = {
    0x0: "PREBOOT_CERT", 0x1: "POST_CODE", 0x3: "NO_ACTION", 0x4: "SEPARATOR", 0x5: "ACTION", 0x6: "EVENT_TAG",
    0x7: "S_CRTM_CONTENTS", 0x8: "S_CRTM_VERSION", 0x9: "CPU_MICROCODE", 0xA: "PLATFORM_CONFIG_FLAGS",
    0xB: "TABLE_OF_DEVICES", 0xC: "COMPACT_HASH", 0xD: "IPL", 0xE: "IPL_PARTITION_DATA", 0xF: "NONHOST_CODE",
    0x10: "NONHOST_CONFIG", 0x11: "NONHOST_INFO", 0x12: "OMIT_BOOT_DEVICE_EVENTS",
    0x80000001: "EFI_VARIABLE_DRIVER_CONFIG", 0x80000002: "EFI_VARIABLE_BOOT",
    0x80000003: "EFI_BOOT_SERVICES_APPLICATION", 0x80000004: "EFI_BOOT_SERVICES_DRIVER",
    0x80000005: "EFI_RUNTIME_SERVICES_DRIVER", 0x80000006: "EFI_GPT_EVENT", 0x80000007: "EFI_ACTION",
    0x80000008: "EFI_PLATFORM_FIRMWARE_BLOB", 0x80000009: "EFI_HANDOFF_TABLES", 0x8000000A: "EFI_PLATFORM_FIRMWARE_BLOB2",
    0x8000000B: "EFI_HANDOFF_TABLES2", 0x8000000C: "EFI_VARIABLE_BOOT2", 0x8000000D: "EFI_GPT_EVENT2",
    0x80000010: "EFI_HCRTM_EVENT", 0x800000E0: "EFI_VARIABLE_AUTHORITY", 0x800000E1: "EFI_SPDM_FIRMWARE_BLOB",
    0x800000E2: "EFI_SPDM_FIRMWARE_CONFIG",
}
"""Names of event types, TCG PC Client Platform Firmware Profile."""


@dataclass(frozen=True)
class LoggedEvent:
    """One event of a log.

    Attributes:
        register: number of the PCR, or 1 to 4 for RTMR 0 to 3 in the log of a TD.
        type: name of its type, or its number in hexadecimal.
        extends: False for a note that went into no register.
        digests: by bank, what was extended.
        data: what the log says it was. Anybody's text, unless ``proven``.
        proven: data is what was measured: its hash is the digest.
    """

    register: int
    type: str
    extends: bool
    digests: dict[str, bytes]
    data: bytes
    proven: bool


@dataclass(frozen=True)
class Replay:
    """What a log leads to.

    Attributes:
        registers: by bank, values of the registers that have an event, by number.
        events: in order.
    """

    registers: dict[str, dict[int, bytes]]
    events: tuple[LoggedEvent, ...]


def _is_proven(digests: dict[str, bytes], data: bytes) -> bool:
    return any(bank in digests and hashlib.new(bank, data).digest() == digests[bank] for bank in BANKS)


def replay(log: bytes) -> Replay:
    """Replay an event log: /sys/kernel/security/tpm0/binary_bios_measurements, or the CCEL of a TD.

    Args:
        log: its bytes, at most LOG_MAX; filling behind the last event is not looked at.

    Returns:
        Registers and events. They prove nothing before the registers were compared with a quote.

    Raises:
        FormatError: BAD_FORMAT, it is no crypto-agile log, or it is damaged.
        RequestError: TOO_LARGE, it is larger than the verifier takes.
    """
    if len(log) > LOG_MAX:
        raise _native.error("TOO_LARGE", f"an event log has at most {LOG_MAX} bytes")
    events, registers = _native.event_log(log)
    return Replay(
        registers,
        tuple(
            LoggedEvent(number, TYPES.get(type, f"{type:#x}"), bool(extends), digests, data, _is_proven(digests, data))
            for number, type, extends, digests, data in events
        ),
    )


def parse_events(text: str) -> tuple[str, list[tuple[int, bytes]]]:
    """Read the input of a prediction: a register's number and a digest in each line; what follows # is a comment.

    Args:
        text: of the file.

    Returns:
        The bank, and what predict takes.

    Raises:
        FormatError: BAD_FORMAT, a line is something else, of another bank than the first, or there is none.

    >>> bank, events = parse_events("4 sha256:" + "11" * 32 + "  # boot loader")
    >>> bank, [(register, digest.hex()[:4]) for register, digest in events]
    ('sha256', [(4, '1111')])
    """
    bank = ""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        match = _EVENT.fullmatch(" ".join(words))
        digest = bytes.fromhex(match[3]) if match and len(match[3]) % 2 == 0 else b""
        if match is None or int(match[1]) >= REGISTERS or len(digest) != hashlib.new(match[2]).digest_size:
            raise _native.error("BAD_FORMAT", f"line {number} is no register below {REGISTERS} with a digest, such as 4 sha256:..., "
                                f"of {' or '.join(BANKS)}")
        if match[2] != (bank or match[2]):
            raise _native.error("BAD_FORMAT", f"line {number} is of bank {match[2]}, those before of {bank}")
        bank = match[2]
        found.append((int(match[1]), digest))
    if not bank:
        raise _native.error("BAD_FORMAT", "there is no event: each line has a register and a digest, such as 4 sha256:...")
    return bank, found


def predict(events: Iterable[tuple[int, bytes]], bank: str = "sha256") -> dict[int, bytes]:
    """Values of registers after these events, before any machine has booted.

    Args:
        events: in order, register and digest; the digest of a file is ``hashlib.sha256(content).digest()``.
        bank: "sha256" or "sha384".

    Returns:
        Values by register, of those that have an event.

    Raises:
        ArgumentError: BAD_ARGUMENT, another bank, or a digest of another size.

    >>> import hashlib
    >>> predict([(11, hashlib.sha256(b"hello measured config").digest())])[11].hex()[:8]
    '394e5fb0'
    """
    if bank not in BANKS:
        raise _native.error("BAD_ARGUMENT", f"{bank} is no bank: {' or '.join(BANKS)}")
    values: dict[int, bytes] = {}
    size = hashlib.new(bank).digest_size
    for register, digest in events:
        if len(digest) != size:
            raise _native.error("BAD_ARGUMENT", f"a digest of {bank} has {size} bytes, this one has {len(digest)}")
        values[register] = hashlib.new(bank, values.get(register, bytes(size)) + digest).digest()
    return values
