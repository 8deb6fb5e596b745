# SPDX-License-Identifier: Apache-2.0
"""What the built programs are, as binutils see them. For the tests of this folder."""

from __future__ import annotations

import functools
import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("CELLA_BUILD", "build/release")
HOST = ("cella-host", "cella-ledger")
EXECUTOR = ("cella-front", "cella-monitor", "cella-courier", "cella-zygote")
PROGRAMS = HOST + EXECUTOR


def run(*words: str | Path) -> str:
    """Output of a command that must succeed."""
    return subprocess.run([str(word) for word in words], check=True, capture_output=True, text=True, timeout=120).stdout


def program(name: str) -> Path:
    """Path of a built program; a loud skip where it is not built."""
    path = BUILD / "bin" / name
    if not path.exists():
        pytest.skip(f"NOT BUILT: {path}, so its boundary was not checked")
    return path


def library(name: str) -> Path:
    """Path of a built static library; a loud skip where it is not built."""
    path = BUILD / f"lib{name}.a"
    if not path.exists():
        pytest.skip(f"NOT BUILT: {path}, so its boundary was not checked")
    return path


def objects(*folders: str) -> list[Path]:
    """Object files made from sources of these folders of the repository, in any target."""
    found = [
        path
        for path in (BUILD / "CMakeFiles").rglob("*.o")
        if any(f".dir/{folder}/{path.name}" in str(path) for folder in folders) or path.name == "cell_runtime.c.o"
    ]
    if not found:
        pytest.skip(f"NOT BUILT: no object files of {', '.join(folders)} in {BUILD}")
    return sorted(found)


@functools.lru_cache(maxsize=None)
def dynamic(path: Path) -> str:
    """The dynamic section."""
    return run("readelf", "-dW", path)


def needed(path: Path) -> set[str]:
    """Shared libraries that it is linked with."""
    return set(re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic(path)))


@functools.lru_cache(maxsize=None)
def segments(path: Path) -> list[tuple[str, str]]:
    """Program headers: (type, flags such as "RE")."""
    text = run("readelf", "-lW", path)
    rows = re.findall(r"^  ([A-Z_]+) +0x\S+ 0x\S+ 0x\S+ 0x\S+ 0x\S+ ([RWE ]{3}) ", text, re.MULTILINE)
    return [(kind, flags.replace(" ", "")) for kind, flags in rows]


def _names(text: str) -> set[str]:
    return {line.split()[-1].partition("@")[0] for line in text.splitlines() if len(line.split()) >= 2}


@functools.lru_cache(maxsize=None)
def symbols(path: Path) -> frozenset[str]:
    """All names in the symbol table, static ones too. The programs are not stripped."""
    found = _names(run("nm", path))
    assert "main" in found or path.suffix == ".so", f"{path} has no symbol table: the tests would see nothing"
    return frozenset(found)


@functools.lru_cache(maxsize=None)
def imports(path: Path) -> frozenset[str]:
    """Names that it takes from shared libraries."""
    return frozenset(_names(run("nm", "-D", "-u", path)))


@functools.lru_cache(maxsize=None)
def exports(path: Path) -> frozenset[tuple[str, str]]:
    """(letter of nm, name) of what it offers to shared libraries."""
    lines = run("nm", "-D", "--defined-only", path).splitlines()
    return frozenset((line.split()[-2], line.split()[-1].partition("@")[0]) for line in lines)


@functools.lru_cache(maxsize=None)
def members(path: Path) -> dict[str, frozenset[str]]:
    """Global names that each object of a static library defines."""
    found: dict[str, set[str]] = {}
    current = ""
    for line in run("nm", "-g", "--defined-only", path).splitlines():
        if line.endswith(".o:"):
            current = line[:-1]
            found[current] = set()
        elif line.strip():
            found[current].add(line.split()[-1])
    return {name: frozenset(names) for name, names in found.items()}


INTERPRETER = Path("/usr/lib/python3.11/config-3.11-x86_64-linux-gnu/libpython3.11.a")
_ZYGOTE = ("executor/cell", "executor/confine", "executor/base", "builtins")


def own(name: str) -> frozenset[str]:
    """Names that our own code in a program defines or uses: what came with the interpreter's archive does not count."""
    if name != "cella-zygote":
        return symbols(program(name))
    ours = {symbol for path in objects(*_ZYGOTE) for symbol in _names(run("nm", path))}
    return symbols(program(name)) & ours | imports(program(name)) & ours


@functools.lru_cache(maxsize=None)
def of_interpreter() -> frozenset[str]:
    """Names that the interpreter's archive defines."""
    return frozenset(_names(run("nm", "-g", "--defined-only", INTERPRETER)))
