# SPDX-License-Identifier: Apache-2.0
"""What a profile's packages consist of: modules with native code, modules in Python, data files.

Native modules can be loaded in the zygote only. The others are kept as packed code and imported in a cell on first use:
every fork pays for each page, and most functions import few of them.
"""

from __future__ import annotations

import importlib.machinery
import marshal
import os
import sys
import zlib
from collections.abc import Iterator
from typing import Any

import _cella_finder

from . import _share

STANDARD = "/usr/lib/python3.11"
PACKAGES = "/usr/lib/python3/dist-packages"
STOOD_IN_FOR = frozenset({"threadpoolctl"})
"""Packages of which the runtime has its own version."""

_SKIPPED = frozenset({
    "test", "tests", "conftest", "setup", "setup_common", "distutils", "f2py", "__main__", "_pyinstaller", "bench",
    "benchmarks", "_examples", "idlelib", "lib2to3", "ensurepip", "pydoc_data", "turtledemo", "turtle", "venv",
    "site-packages", "dist-packages", "lib-dynload", "antigravity", "this", "msilib", "sitecustomize",
    "usercustomize", "loky", "clipboard", "sharedexamples", "array_api", "tox", "mypy_plugin"})


class MissingPackage(Exception):
    """A package of the profile is not installed on this machine."""


def find(package: str) -> str:
    """Return the path of a package's folder, or of a module's file.

    Raises:
        MissingPackage: it is not installed.
    """
    folder = os.path.join(PACKAGES, package)
    if os.path.exists(os.path.join(folder, "__init__.py")):
        return folder
    if os.path.exists(f"{folder}.py"):
        return f"{folder}.py"
    raise MissingPackage(f"the package {package!r} is not installed: {folder} is not there")


def _is_skipped(stem: str) -> bool:
    return stem in _SKIPPED or stem.startswith(("test_", "_test_")) or stem.endswith("_tests")


def _entries(folder: str, prefix: str) -> Iterator[tuple[str, str, str]]:
    """Yield (kind, module name, path) of all modules below a folder; kind is "source", "package" or "native"."""
    for entry in sorted(os.listdir(folder)):
        stem, _, extension = entry.partition(".")
        path = os.path.join(folder, entry)
        if _is_skipped(stem) or not stem.isidentifier():
            continue
        if extension == "py" and stem != "__init__":
            yield "source", prefix + stem, path
        elif f".{extension}" in importlib.machinery.EXTENSION_SUFFIXES:
            yield "native", prefix + stem, path
        elif not extension and os.path.exists(os.path.join(path, "__init__.py")):
            yield "package", prefix + stem, os.path.join(path, "__init__.py")
            yield from _entries(path, f"{prefix}{stem}.")
        elif not extension and os.path.isdir(path):  # a folder that only groups native modules
            yield from (module for module in _entries(path, f"{prefix}{stem}.") if module[0] == "native")


def _modules(package: str) -> Iterator[tuple[str, str, str]]:
    path = find(package)
    if path.endswith(".py"):
        yield "source", package, path
    else:
        yield "package", package, os.path.join(path, "__init__.py")
        yield from _entries(path, f"{package}.")


def native(packages: list[str]) -> list[str]:
    """Return the names of all modules with native code in these packages."""
    return [name for package in packages for kind, name, _ in _modules(package) if kind == "native"]


def _compile(packages: list[str]) -> bytes:
    """Return, marshalled, the packed code of all modules that are not imported yet: name -> (is package, code)."""
    kept = {}
    below = [module for package in packages for module in _modules(package)]
    for kind, name, path in [*_entries(STANDARD, ""), *below]:
        if kind == "native" or name in sys.modules:
            continue
        try:
            code = importlib.machinery.SourceFileLoader(name, path).get_code(name)
        except (SyntaxError, UnicodeDecodeError):
            continue
        kept[name] = (kind == "package", zlib.compress(marshal.dumps(code), 1))
    return marshal.dumps(kept)


def _compile_elsewhere(packages: list[str]) -> bytes:
    """Do it in a child, whose scrapped memory goes away with it instead of burdening every cell."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            with open(writing, "wb") as pipe:
                pipe.write(_compile(packages))
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    with open(reading, "rb") as pipe:
        content = pipe.read()
    if os.waitpid(child, 0)[1] != 0:
        raise RuntimeError("the modules to keep in memory could not be compiled")
    return content


def _data_files(package: str) -> Iterator[tuple[str, bytes]]:
    """Yield name and packed content of a package's data files."""
    folder = os.path.join(PACKAGES, *package.split("."))
    for entry in sorted(os.listdir(folder)):
        path = os.path.join(folder, entry)
        if os.path.isfile(path) and not entry.endswith((".py", ".pyc")):
            with open(path, "rb") as file:
                yield entry, zlib.compress(file.read())


def keep(packages: list[str], data: list[str]) -> None:
    """Offer, from memory, what was not imported.

    Args:
        packages: of which all other modules are kept, besides those of the standard library.
        data: packages, names with dots, of which the data files are kept, for importlib.resources.
    """
    modules = marshal.loads(_compile_elsewhere(packages))
    files = {(package, name): packed for package in data for name, packed in _data_files(package)}
    shared = _share.share({name: packed for name, (_, packed) in modules.items()} | files)
    for name, (is_package, _) in modules.items():

        def unpack(packed: memoryview = shared[name]) -> Any:
            return marshal.loads(zlib.decompress(packed))

        _cella_finder.finder.add(name, is_package, unpack)
    for package, name in files:
        _cella_finder.finder.add_file(package, name, shared[package, name])
