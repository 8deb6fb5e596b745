# SPDX-License-Identifier: Apache-2.0
"""The C sources as text: files, includes, functions. For the tests of this folder."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("executor", "host", "builtins", "python/cella/_native")
ARCHITECTURE = ROOT / "docs" / "architecture.md"


@functools.lru_cache(maxsize=None)
def files(*folders: str, headers: bool = True, sources: bool = True) -> tuple[Path, ...]:
    """C files below folders of the repository, relative to it."""
    kinds = [".h"] * headers + [".c"] * sources
    found = [path for folder in folders or FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in kinds]
    return tuple(sorted(path.relative_to(ROOT) for path in found))


def room(path: Path) -> str:
    """The folder that is a trust domain: executor/trust, host, builtins, ..."""
    return str(path.parent)


@functools.lru_cache(maxsize=None)
def text(path: Path) -> str:
    """Content of a file."""
    return (ROOT / path).read_text(encoding="utf-8")


_NOISE = re.compile(r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.DOTALL)


@functools.lru_cache(maxsize=None)
def code(path: Path) -> str:
    """The same without comments, strings and characters; line numbers stay."""

    def blank(match: re.Match[str]) -> str:
        return " " + "\n" * match.group().count("\n")

    return _NOISE.sub(blank, text(path))


def includes(path: Path) -> list[tuple[str, str]]:
    """("<" or '"', name) of every include line."""
    return re.findall(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', text(path), re.MULTILINE)


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Signature's first line and number of lines, signature and braces included, of every function of a file."""
    lines = code(path).split("\n")
    raw = text(path).split("\n")
    for opening in (number for number, line in enumerate(lines) if line == "{"):
        closing = next(number for number in range(opening, len(lines)) if lines[number].startswith("}"))
        first = opening
        while first > 0 and lines[first - 1].strip() and not lines[first - 1].startswith(("#", "}", "/*")):
            first -= 1
        yield raw[first], closing - first + 1


def table(heading: str) -> list[list[str]]:
    """Cells of the first table below a heading of docs/architecture.md, without its head."""
    document = ARCHITECTURE.read_text(encoding="utf-8")
    part = document.partition(f"\n{heading}\n")[2]
    assert part, f"docs/architecture.md has no heading {heading!r}"
    rows = []
    for line in part.splitlines():
        if line.startswith("|"):
            rows.append([cell.strip() for cell in line.strip("|").split("|")])
        elif rows:
            break
    return rows[2:]


def names(cell: str) -> frozenset[str]:
    """What stands in backquotes in a cell."""
    return frozenset(re.findall(r"`([^`]+)`", cell))
