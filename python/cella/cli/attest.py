# SPDX-License-Identifier: Apache-2.0
"""cella attest, cella verify-evidence, cella explain-trust, cella info."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import click

from .. import _native
from ..encoding import from_base64url, visible
from ..reading import read_bounded
from ..terms import TYPES
from . import show
from .options import json_option, timeout_option, trust_option, with_executor

if TYPE_CHECKING:
    from ..executor import Executor
    from ..receipts import ReceiptReport
    from ..trust import Report, Trust

FILE_MAX = 65536
"""Bytes of evidence of any kind (executor/trust/evidence.h), and of a certificate with evidence."""
KEYS_SIZE = 64
KEYS_FILE_MAX = 256
TIME_DIGITS = 12
"""Digits of Unix seconds in the year 9999."""


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


def print_verdict(report: Report | ReceiptReport, policy: Trust, as_json: bool) -> int:
    """Show a report about a file, and that it was accepted; what follows a refusal is the caller's. The exit code."""
    if as_json:
        print_json(report.as_dict())
    else:
        print(visible("\n".join(report.lines())))
        if report.accepted:
            print(f"ACCEPTED by {policy.path}")
    return 0 if report.accepted else 3


def time_of(text: str) -> int:
    """A time from the command line as Unix seconds: Unix seconds, or ISO 8601 with time zone."""
    import datetime

    from ..verification import seconds_of

    try:
        digits = text.isascii() and text.isdigit() and len(text) <= TIME_DIGITS
        return seconds_of(int(text) if digits else datetime.datetime.fromisoformat(text))
    except (ValueError, OverflowError, _native.CellaError):
        raise click.BadParameter(f"{text[:40]!r} is neither Unix seconds up to the year 9999 nor a time such as "
                                 "2026-11-01T00:00:00Z") from None


def hexadecimal(text: str | None, option: str) -> bytes | None:
    """Bytes from the command line."""
    if text is None:
        return None
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is not hexadecimal", param_hint=option) from None


def _key_set(path: str | None) -> bytes | None:
    """An executor's public keys: 64 bytes as they are, or as the session's answer has them."""
    if path is None:
        return None
    data = read_bounded(path, KEYS_FILE_MAX)
    try:
        keys = data if len(data) == KEYS_SIZE else from_base64url(data.decode("ascii").strip())
    except (UnicodeDecodeError, _native.FormatError):
        keys = b""
    if len(keys) != KEYS_SIZE:
        raise click.BadParameter(f"{path} is no key set: {KEYS_SIZE} bytes, or those in base64url", param_hint="--keys")
    return keys


@click.command("verify-evidence")
@click.argument("path", metavar="FILE", type=click.Path(dir_okay=False))
@trust_option
@click.option("--at", metavar="TIME", help="The time that counts: 2026-11-01T00:00:00Z or Unix seconds. Default: now.")
@click.option("--type", "kind", type=click.Choice(("auto", *TYPES)), default="auto", show_default=True,
              help="Kind of evidence; auto goes by the first bytes, among those that the trust file accepts.")
@click.option("--endorsement", "endorsements", multiple=True, metavar="FILE", type=click.Path(dir_okay=False),
              help="Certificates, revocation lists, Intel's collateral, statements; recognised by content. Repeatable.")
@click.option("--report-data", metavar="HEX", help="What the evidence must be bound to: all of the bytes.")
@click.option("--nonce", metavar="HEX", help="Your nonce, in formats that have a field for it (Nitro).")
@click.option("--keys", "keys_path", metavar="FILE", type=click.Path(dir_okay=False),
              help="Of an executor, with its own evidence: its key set, 64 bytes or base64url, instead of --report-data.")
@click.option("--charter", "charter_path", metavar="FILE", type=click.Path(dir_okay=False), help="With --keys: its charter, byte for byte.")
@click.option("--unbound", is_flag=True, help="Leave binding out: for files of others. The report says so.")
@json_option
def verify_evidence(path: str, trust: str | None, at: str | None, kind: str, endorsements: tuple[str, ...],
                    report_data: str | None, nonce: str | None, keys_path: str | None, charter_path: str | None,
                    unbound: bool, as_json: bool) -> int:
    """Judge evidence in a FILE by a trust file, without any executor or network.

    FILE may be a TLS certificate that carries evidence (RA-TLS); what it must be bound to is then the certificate's key, so
    that the trust file must not pin a charter.

    Exit code 0 only if the trust file is met; 3 if the evidence is refused; 2 if a file or the command is wrong.
    """
    from ..advice import advice
    from ..trust import Trust
    from ..verification import is_certificate, verify, verify_certificate

    policy = Trust.load(trust)
    evidence = read_bounded(path, FILE_MAX)
    if not evidence:
        raise _native.error("BAD_FORMAT", f"{path} is empty: there is no evidence in it")
    when = None if at is None else time_of(at)
    own_nonce, expected = hexadecimal(nonce, "--nonce"), hexadecimal(report_data, "--report-data")
    keys, charter = _key_set(keys_path), None if charter_path is None else read_bounded(charter_path, FILE_MAX)
    named = [given is not None for given in (expected, own_nonce, keys, charter)]
    certificate = is_certificate(evidence)
    if certificate:
        if (expected, keys, charter) != (None, None, None) or unbound or kind != "auto":
            raise click.UsageError("a certificate says itself of what kind its evidence is and what it is bound to: its key; "
                                   "leave --type, --report-data, --keys, --charter and --unbound out")
        report = verify_certificate(evidence, policy, at=when, endorsements=endorsements, nonce=own_nonce,
                                    allow_legacy=True)
    elif any(named) == unbound or (keys is None) != (charter is None):
        raise click.UsageError("say what the evidence is bound to: --report-data, --nonce, or --keys and --charter of an executor; "
                               "or --unbound, alone")
    else:
        report = verify(evidence, policy, at=when, type=kind, endorsements=endorsements, nonce=own_nonce, report_data=expected,
                        keys=keys, charter=charter, unbound=unbound)
    verdict = print_verdict(report, policy, as_json)
    if verdict != 0 and not as_json:
        for sentence in advice(report, evidence, expected, certificate=certificate, charter=charter is not None):
            show.note(visible(sentence))
        show.note(f"REFUSED by {policy.path}")
    return verdict


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
