# SPDX-License-Identifier: Apache-2.0
"""Sealed files: in memory against OpenSSL's own speed test, file to file against age."""

from __future__ import annotations

import os
import pathlib
import subprocess
from collections.abc import Callable

from measure import Options, Row, Sample, interleave, program, spawn, timed
from programs import client_command, folder_in

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SPEED = "openssl speed -evp aes-256-gcm -bytes 65536"


def build_helper(options: Options) -> pathlib.Path:
    """Compile sealed_memory.c with the build's libraries."""
    target = options.scratch / "sealed_memory"
    subprocess.run(
        ["gcc", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-I", ROOT / "executor", HERE / "sealed_memory.c", "-o", target,
         options.build / "libcella_trust.a", options.build / "libcella_base.a", "-ljansson", "-lcrypto"],
        check=True,
    )
    return target


def openssl_speed(seconds: int) -> float:
    """GB/s of openssl speed with one thread."""
    done = subprocess.run(["openssl", "speed", "-mr", "-seconds", str(seconds), "-bytes", "65536", "-evp", "aes-256-gcm"],
                          check=True, capture_output=True, text=True)
    line = next(line for line in done.stdout.splitlines() if line.startswith("+F:"))
    return float(line.rsplit(":", 1)[1]) / 1e9


def in_memory(options: Options) -> list[Row]:
    """One thread, nothing but memory."""
    helper = build_helper(options)
    milliseconds = 300 if options.quick else 1000

    def mode(name: str) -> Callable[[], float]:
        return lambda: float(subprocess.check_output([helper, name, str(milliseconds)])) / 1e9

    modes = {
        "seal": ("seal segments of 1 MiB", 0.9),
        "open": ("open segments of 1 MiB", 0.9),
        "seal4k": ("seal segments of 4 KiB", None),
        "open4k": ("open segments of 4 KiB", None),
        "writer": ("seal 64 MiB, stream writer, one call", 0.9),
        "reader": ("open 64 MiB, stream reader, one call", 0.9),
    }
    speed, memory, *values = interleave(options.count(15), lambda: openssl_speed(1), mode("evp"), *map(mode, modes))
    rows = [
        Row("sealed", what, "GB/s", Sample.of(found), SPEED, Sample.of(speed), goal)
        for (what, goal), found in zip(modes.values(), values)
    ]
    streams = (("writer", "seal 64 MiB, stream writer, one call"), ("reader", "open 64 MiB, stream reader, one call"))
    for name, what in streams:
        found = values[list(modes).index(name)]
        rows.append(Row("sealed", what, "GB/s", Sample.of(found), "OpenSSL over the same 64 MiB", Sample.of(memory)))
    return rows


def _write_file(path: pathlib.Path, size: int) -> None:
    block = os.urandom(1 << 20)
    with open(path, "wb") as file:
        for _ in range(size >> 20):
            file.write(block)
        file.flush()
        os.fsync(file.fileno())


def _synced(arguments: list[str | os.PathLike[str]], target: pathlib.Path, sync: bool) -> float:
    """Milliseconds of a command; on a disk until its result is there."""
    target.unlink(missing_ok=True)

    def work() -> None:
        spawn(arguments)
        if sync:
            descriptor = os.open(target, os.O_RDONLY)
            os.fsync(descriptor)
            os.close(descriptor)

    return timed(work)


def files_in(options: Options, folder: pathlib.Path, where: str, sync: bool) -> list[Row]:
    """Whole commands from file to file."""
    size = (256 if options.quick else 1024) << 20
    plain, sealed, aged, back = (folder / name for name in ("plain", "plain.sealed", "plain.age", "back"))
    key, identity, own = folder / "key", folder / "age.key", folder / "back.own"
    _write_file(plain, size)
    has_age = program("age") is not None and program("age-keygen") is not None
    recipient = ""
    if has_age:
        subprocess.run(["age-keygen", "-o", identity], check=True, capture_output=True)
        recipient = subprocess.check_output(["age-keygen", "-y", identity], text=True).strip()
    ours = {
        "encrypt": (client_command("encrypt", plain, "-o", sealed, "--key", key), sealed),
        "decrypt": (client_command("decrypt", sealed, "-o", own, "--key", key), own),
    }
    theirs: dict[str, tuple[list[str | os.PathLike[str]], pathlib.Path]] = {
        "encrypt": (["age", "-r", recipient, "-o", aged, plain], aged),
        "decrypt": (["age", "-d", "-i", identity, "-o", back, aged], back),
    }
    rows = []
    for verb in ("encrypt", "decrypt"):
        def cella(verb: str = verb) -> float:
            return _synced(*ours[verb], sync)

        def age(verb: str = verb) -> float:
            return _synced(*theirs[verb], sync) if has_age else 0.0

        def digest() -> float:
            return timed(lambda: spawn(["openssl", "dgst", "-sha256", aged])) if has_age else 0.0

        mine, other, digests = interleave(3 if options.quick else 5, cella, age, digest)
        what = f"cella {verb}, {size >> 20} MiB, {where}"
        if not has_age:
            rows.append(Row("sealed", what, "ms", Sample.of(mine), "age: not installed"))
            continue
        name = "age -r" if verb == "encrypt" else "age -d -i"
        rows.append(Row("sealed", what, "ms", Sample.of(mine), name, Sample.of(other), 2.0))
        both = [seconds + more for seconds, more in zip(other, digests)]
        rows.append(Row("sealed", what, "ms", Sample.of(mine), f"{name}, and SHA-256 of the sealed file", Sample.of(both)))
    for made in (own, *((back,) if has_age else ())):
        if made.stat().st_size != size:
            raise RuntimeError(f"{made.name} has {made.stat().st_size} bytes instead of {size}")
    return rows


def measure(options: Options) -> list[Row]:
    """All rows of this subject."""
    rows = in_memory(options)
    with folder_in(options.shm, "sealed") as folder:
        if folder is not None:
            rows += files_in(options, folder, "tmpfs", sync=False)
    with folder_in(options.scratch, "sealed") as folder:
        if folder is not None:
            rows += files_in(options, folder, "disk, synced", sync=True)
    return rows
