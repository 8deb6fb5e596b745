# SPDX-License-Identifier: Apache-2.0
"""cella encrypt, cella decrypt: sealed files on this machine, without any executor."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from ..events import Event, Reporter
from . import show
from .options import foreign_key_options, json_option, key_of

if TYPE_CHECKING:
    from ..sealing import DataKey, Progress

key_help = (
    "Key file. encrypt uses it if it is there and makes it (0600) if not; give it to nobody but the executor."
)


@contextmanager
def _source(path: str) -> Iterator[BinaryIO]:
    if path == "-":
        yield sys.stdin.buffer
        return
    with open(path, "rb") as file:
        yield file


@contextmanager
def _target(path: str, mode: int) -> Iterator[BinaryIO]:
    from .. import atomic

    if path == "-":
        yield sys.stdout.buffer
        return
    with atomic.replace(path, mode) as file:
        yield file


def _meter(report: Reporter, stage: str, name: str) -> Progress:
    def progress(done: int, total: int) -> None:
        if total and done < total:
            report(Event(stage, name, done, total))

    return progress


def _make_key(path: str, segment: str | None) -> tuple[DataKey, bool]:
    from ..sealing import DataKey

    if os.path.exists(path):
        key = DataKey.load(path)
        if segment is not None and segment != key.segment:
            raise click.BadParameter(f"the key in {path} is for segments of {key.segment}", param_hint="--segment")
        return key, False
    key = DataKey.generate(segment or "1MB")
    key.save(path)
    return key, True


@click.command()
@click.argument("source", metavar="FILE")
@click.option("-o", "--output", help="Sealed file; - for stdout. Default: FILE.sealed.")
@click.option("--key", "key_path", type=click.Path(dir_okay=False), help=key_help + " Default: FILE.key.")
@click.option("--segment", type=click.Choice(["1MB", "4KB"]), help="4KB for many small random reads. Default: 1MB.")
@click.option("--threads", type=click.IntRange(0, 16), default=0, help="Default: as many as there are processors.")
@click.option("--digest", is_flag=True, help="Print the sealed file's SHA-256 too, which takes longer than sealing.")
@json_option
def encrypt(
    source: str,
    output: str | None,
    key_path: str | None,
    segment: str | None,
    threads: int,
    digest: bool,
    as_json: bool,
) -> None:
    """Seal FILE (- for stdin) in Tink's AES256_GCM_HKDF streaming format, in constant memory.

    With --digest, prints the SHA-256 of the sealed file, which is what sha256sum prints for it and what contracts
    name.
    """
    from ..sealing import seal

    if source == "-" and (output is None or key_path is None):
        raise click.UsageError("with - as FILE, give --output and --key")
    output = output or f"{source}.sealed"
    key_path = key_path or f"{source}.key"
    with _source(source) as plain, show.reporter(as_json) as report:
        key, created = _make_key(key_path, segment)
        with _target(output, 0o644) as target:
            meter = _meter(report, "encrypt", Path(source).name)
            facts = seal(key, plain, target, threads=threads, progress=meter, digest=digest or as_json)
    if created:
        show.note(f"key written to {key_path}")
    if digest or as_json:
        _tell(output, facts.sha256.hex(), facts.plain_size, facts.sealed_size, as_json)
    elif output != "-":
        show.note(f"{output}: {facts.sealed_size} bytes")


def _tell(output: str, sha256: str, plain: int, sealed: int, as_json: bool) -> None:
    if output == "-":
        show.note(f"SHA-256 of the sealed file: {sha256}")
    elif as_json:
        show.event("file", path=output, sha256=sha256, plain_size=plain, sealed_size=sealed)
    else:
        print(f"{sha256}  {output}")


@click.command()
@click.argument("source", metavar="FILE")
@click.option("--key", "key_path", type=click.Path(dir_okay=False), required=True, help="Key file.")
@click.option("-o", "--output", help="Plaintext; - for stdout. Default: FILE without .sealed.")
@click.option("--threads", type=click.IntRange(0, 16), default=0, help="Default: as many as there are processors.")
@foreign_key_options
@json_option
def decrypt(
    source: str,
    output: str | None,
    key_path: str,
    threads: int,
    file_format: str | None,
    iv: str | None,
    as_json: bool,
) -> None:
    """Open the sealed FILE, or with --format one of Teaclave's. The output appears complete and verified, or not at all.

    To stdout, verified segments are written as they come: rely on them only if the exit code is 0.
    """
    from ..sealing import unseal

    if output is None:
        if not source.endswith(".sealed"):
            raise click.UsageError("give --output: FILE does not end in .sealed")
        output = source.removesuffix(".sealed")
        if os.path.exists(output):
            raise click.UsageError(f"{output} exists; give --output to replace it or write elsewhere")
    key = key_of(key_path, file_format, iv)
    with _source(source) as sealed, show.reporter(as_json) as report, _target(output, 0o600) as target:
        meter = _meter(report, "decrypt", Path(source).name)
        facts = unseal(key, sealed, target, threads=threads, progress=meter, digest=as_json)
    if output == "-":
        return
    if as_json:
        show.event(
            "file",
            path=output,
            sha256=facts.sha256.hex(),
            plain_size=facts.plain_size,
            sealed_size=facts.sealed_size,
        )
    else:
        show.note(f"{output}: {facts.plain_size} bytes")
