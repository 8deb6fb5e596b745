# SPDX-License-Identifier: Apache-2.0
"""Options that several commands have, and what they turn into."""

from __future__ import annotations

import contextlib
import functools
import json
import math
import os
import re
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import click

from .._native import CellaError
from ..encoding import visible
from . import show

if TYPE_CHECKING:
    from ..builtin import Builtin
    from ..executor import Executor
    from ..identity import Identity
    from ..sealing import DataKey
    from ..script import Script

Command = TypeVar("Command", bound=Callable[..., Any])
PARTY = re.compile("[A-Za-z0-9_-]{43}")
"""A party's id, in form."""

json_option = click.option("--json", "as_json", is_flag=True, help="JSON lines on stdout, for machines.")
identity_option = click.option(
    "--identity",
    type=click.Path(dir_okay=False),
    envvar="CELLA_IDENTITY",
    help="Identity file. Default: $CELLA_IDENTITY, else ~/.config/cella/identity.json.",
)
trust_option = click.option(
    "--trust",
    type=click.Path(dir_okay=False),
    envvar="CELLA_TRUST",
    help="Trust file: which executors you accept. Default: $CELLA_TRUST, else ./trust.toml.",
)
timeout_option = click.option(
    "--timeout",
    type=click.FloatRange(min=0.1),
    default=30.0,
    show_default=True,
    help="Seconds one network step may wait.",
)
at_option = click.option(
    "--at", required=True, envvar="CELLA_AT", metavar="HOST:PORT", help="The executor. Or $CELLA_AT."
)
save_refusal_option = click.option(
    "--save-refusal", metavar="FILE", type=click.Path(dir_okay=False),
    help="If the executor refuses, keep its signed refusal there, for cella verify; it must not exist.",
)
limit_option = click.option(
    "--limit",
    "limits",
    multiple=True,
    metavar="NAME=VALUE",
    help="Lower a limit: cpu_s, wall_s, memory_bytes, output_bytes, result_bytes, log_bytes, threads. 64M is fine.",
)
isolation_option = click.option(
    "--isolation",
    multiple=True,
    metavar="NAME=WORD,...",
    help="Ask for more than the ordinary box: clock=coarse (and no threads), zygote=owner, sizes=padded.",
)
stream_option = click.option(
    "--stream",
    "streams",
    multiple=True,
    metavar="NAME",
    help="An input that is read once, forward, while it is being decrypted: for what is larger than memory.",
)
usage_option = click.option("--usage", "with_usage", is_flag=True, help="Say what it used: time, memory, bytes.")
argument_option = click.option(
    "--arg",
    "arguments",
    multiple=True,
    metavar="NAME=VALUE",
    help="An argument: JSON, or text where it is not JSON.",
)
profile_option = click.option("--profile", help="Where it runs: python, numpy, science, native. Default: python; of a builtin the first that has it.")
entry_option = click.option(
    "--entry",
    help="Function to call. Default: main, else the one named like the file, else entrypoint, else the only one.",
)


def release_option(help: str) -> Callable[[Command], Command]:
    """--release RULE=N, for who declares such rules and for who asks for them."""
    return click.option("--release", multiple=True, metavar="RULE=N", help=help)


def executor_options(command: Command) -> Command:
    """Add --at, --trust, --identity, --timeout, --json, --save-refusal. The last one never reaches the command."""

    @functools.wraps(command)
    def wrapped(save_refusal: str | None, **rest: Any) -> Any:
        with _keeping_refusal(save_refusal):
            return command(**rest)

    for option in (save_refusal_option, json_option, timeout_option, identity_option, trust_option, at_option):
        wrapped = option(wrapped)
    return wrapped  # type: ignore[return-value]


@contextlib.contextmanager
def _keeping_refusal(path: str | None) -> Iterator[None]:
    """Keep the signed refusal of an error that ends what is done here. The error stays what it is."""
    if path is not None and os.path.exists(path):
        raise click.BadParameter(f"{path} exists already and is never overwritten", param_hint="--save-refusal")
    try:
        yield
    except CellaError as problem:
        if path is not None and problem.refusal is not None:
            show.note(visible(f"kept the executor's signed refusal: {problem.refusal.save(path)}"))
        elif path is not None:
            show.note("no signed refusal came with this error: nothing was kept")
        raise


def with_executor(command: Command) -> Command:
    """Give a command an attested executor as its first argument, or end it. Adds executor_options."""

    @executor_options
    @functools.wraps(command)
    def wrapped(
        at: str, trust: str | None, identity: str | None, timeout: float, as_json: bool, **rest: Any
    ) -> Any:
        from ..executor import Executor

        who = load_identity(identity, as_json)
        with Executor(at, trust, who, timeout=timeout) as executor:
            return command(executor=executor, as_json=as_json, **rest)

    return wrapped  # type: ignore[return-value]


def load_identity(path: str | None, as_json: bool = False) -> Identity:
    """The caller's identity; made at the first use, and said so."""
    from ..identity import Identity, default_path

    identity, created = Identity.load_or_create(path)
    if created:
        where = path or default_path()
        if as_json:
            show.event("identity", party=identity.party, path=str(where), created=True)
        show.note(f"made a new identity {identity.party} in {where}; keep that file, it opens your results")
    return identity


def attested(executor: Executor, as_json: bool) -> None:
    """Say in one line what was verified."""
    report = executor.report
    if as_json:
        show.event("attested", executor=executor.id, level=report.level, anchor=report.anchor)
    else:
        show.note(f"attested: level {report.level} ({report.type}), {visible(report.measurement_name)}")


def pairs(texts: Iterable[str], option: str) -> dict[str, str]:
    """NAME=VALUE options as a dict."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, content = text.partition("=")
        if not equals or not name or not content:
            raise click.BadParameter(f"{text!r} is not NAME=VALUE", param_hint=option)
        if name in found:
            raise click.BadParameter(f"{name} is given twice", param_hint=option)
        found[name] = content
    return found


def isolation_of(texts: Iterable[str]) -> dict[str, str]:
    """--isolation options as a dict."""
    return pairs((word for text in texts for word in text.split(",")), "--isolation")


def budget_of(text: str) -> dict[str, float]:
    """A --budget option as a dict."""
    found: dict[str, float] = {}
    for name, digits in pairs(text.split(","), "--budget").items():
        try:
            amount = float(digits)
        except ValueError:
            amount = math.nan
        if name not in ("epsilon", "delta") or not 0 <= amount < math.inf:
            raise click.BadParameter(f"{name}={digits} is not epsilon or delta and a number from 0", param_hint="--budget")
        found[name] = amount
    if "epsilon" not in found:
        raise click.BadParameter("it needs epsilon=N", param_hint="--budget")
    return found


def privacy_of(text: str | None) -> dict[str, Any] | None:
    """A --privacy option as a dict."""
    if text is None:
        return None
    words = text.split(",")
    inputs = [word.partition("=")[2] for word in words if word.startswith("input=")]
    named: dict[str, Any] = dict(pairs((word for word in words if not word.startswith("input=")), "--privacy"))
    return {**named, "inputs": inputs} if inputs else named


def release_of(texts: Iterable[str]) -> dict[str, int]:
    """--release options as a dict."""
    rules: dict[str, int] = {}
    for name, text in pairs(texts, "--release").items():
        if not text.isascii() or not text.isdigit() or len(text) > 18 or int(text) == 0:
            raise click.BadParameter(f"{name} is a whole number from 1, not {text!r}", param_hint="--release")
        rules[name] = int(text)
    return rules


def json_values(
    texts: Iterable[str], script: Script | None = None, builtin: Builtin | None = None
) -> dict[str, Any]:
    """--arg options as values: JSON, or text where it is not JSON or the script or the builtin's table says text."""
    strings = set()
    if builtin is not None:
        strings = {row.name for row in builtin.parameters if row.kind in ("text", "choice")}
    if script is not None:
        strings = {parameter.name for parameter in script.parameters if parameter.type == "string"}
    values: dict[str, Any] = {}
    for name, text in pairs(texts, "--arg").items():
        if name in strings:
            values[name] = text
            continue
        try:
            values[name] = json.loads(text, parse_constant=_refuse_constant)
        except ValueError:
            values[name] = text
    return values


def unix_time(text: str, option: str) -> int:
    """A time such as 2026-01-31 or 2026-01-31T12:00 in Unix seconds; local where it does not say its zone."""
    import datetime

    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is not a time such as 2026-01-31 or 2026-01-31T12:00", param_hint=option
        ) from None
    return int(moment.astimezone().timestamp())


def _refuse_constant(text: str) -> Any:
    raise ValueError(text)


def parties(text: str, me: str) -> list[str]:
    """Party ids from "PARTY,PARTY"; "me" is the caller."""
    return [me if item == "me" else item for item in text.split(",") if item]


def owners(name: str, text: str, me: str) -> list[str]:
    """Parties who will give input `name`, from "PARTY,PARTY"; a file's name here is a mistake that is easily made."""
    found = parties(text, me)
    if not found or not all(PARTY.fullmatch(item) for item in found):
        raise click.BadParameter(
            f"{name}: {text!r} is neither data (data-..., as cella data add FILE prints it) nor parties (cella id; me is you)",
            param_hint="--input",
        )
    return found


def foreign_key_options(command: Any) -> Any:
    """Add the options that say how to open a file in one of Teaclave's formats."""
    for option in (
        click.option("--iv", metavar="HEX", help="The file's iv: 12 bytes, for aes-gcm-128 and aes-gcm-256."),
        click.option(
            "--format",
            "file_format",
            type=click.Choice(["aes-gcm-128", "aes-gcm-256", "teaclave-file-128"]),
            help="FILE is in this format of Teaclave's; the key file has hexadecimal digits.",
        ),
    ):
        command = option(command)
    return command


def key_of(path: str, file_format: str | None, iv: str | None) -> DataKey:
    """The key in a file: one of cella's, or with a format of Teaclave's hexadecimal digits."""
    from ..sealing import DataKey

    if file_format is None:
        if iv is not None:
            raise click.UsageError("--iv belongs to --format")
        return DataKey.load(path)
    try:
        iv_bytes = bytes.fromhex(iv or "")
    except ValueError:
        raise click.BadParameter("it is not hexadecimal digits", param_hint="--iv") from None
    return DataKey.load_hex(path, file_format, iv_bytes)
