# SPDX-License-Identifier: Apache-2.0
"""Load a profile into a zygote, and warm its cells.

A profile is a JSON object:

    name       text: what functions ask for
    import     list of modules to import, in order; every module with native code must be among them
    memory     list of packages whose other modules are kept as code in memory and imported on first use;
               "standard library" stands for all of it that is of use in a cell
    elsewhere  object: top-level module -> profile that has it, for the message of a failed import
    warm       list of lines: Python that every new cell runs before it waits for a task
"""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import io
import json
import marshal
import os
import sys
import threading
import warnings
import zlib
from collections.abc import Iterator
from typing import Any

import _cella_finder

from . import _share, _warm

_FIELDS = {"name": str, "import": list, "memory": list, "elsewhere": dict, "warm": list}
_SKIPPED_PARTS = {"test", "tests", "conftest", "testing", "_test", "setup", "distutils", "f2py", "__main__",
                  "_pyinstaller", "bench", "idlelib", "lib2to3", "ensurepip", "pydoc_data", "turtledemo", "turtle",
                  "venv", "site-packages", "dist-packages", "lib-dynload", "antigravity", "this", "msilib",
                  "sitecustomize", "usercustomize"}


def _parse(text: bytes) -> dict[str, Any]:
    profile = json.loads(text)
    if set(profile) != set(_FIELDS):
        raise ValueError(f"a profile has exactly the fields {', '.join(_FIELDS)}")
    for field, kind in _FIELDS.items():
        if not isinstance(profile[field], kind):
            raise ValueError(f"profile field {field!r} has the wrong type")
    return profile


def _modules_below(folder: str, prefix: str) -> Iterator[tuple[str, str, bool]]:
    """Yield (name, path, is package) of the Python sources in a folder and its packages."""
    for entry in sorted(os.listdir(folder)):
        stem, extension = os.path.splitext(entry)
        path = os.path.join(folder, entry)
        if stem in _SKIPPED_PARTS or stem.startswith("test_") or not stem.isidentifier():
            continue
        if extension == ".py" and stem != "__init__":
            yield prefix + stem, path, False
        elif not extension and os.path.exists(os.path.join(path, "__init__.py")):
            yield prefix + stem, os.path.join(path, "__init__.py"), True
            yield from _modules_below(path, f"{prefix}{stem}.")


def _sources_of(package: str) -> Iterator[tuple[str, str, bool]]:
    if package == "standard library":
        return _modules_below(sys.path[0], "")
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ValueError(f"there is no package {package!r}")
    return _modules_below(list(spec.submodule_search_locations)[0], f"{package}.")


def _compile(packages: list[str]) -> bytes:
    """Return, marshalled, the packed code of all modules that are not imported yet: name -> (is package, code).

    Packed, because every fork pays for each page, and most functions import few of them.
    """
    kept = {}
    for package in packages:
        for name, path, is_package in _sources_of(package):
            if name in sys.modules:
                continue
            try:
                code = importlib.machinery.SourceFileLoader(name, path).get_code(name)
            except (SyntaxError, UnicodeDecodeError):
                continue
            kept[name] = (is_package, zlib.compress(marshal.dumps(code), 1))
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


def _keep(finder: Any, packages: list[str]) -> None:
    kept = marshal.loads(_compile_elsewhere(packages))
    packed = _share.share({name: code for name, (_, code) in kept.items()})
    for name, (is_package, _) in kept.items():

        def unpack(packed: memoryview = packed[name]) -> Any:
            return marshal.loads(zlib.decompress(packed))

        finder.add(name, is_package, unpack)


def load(text: bytes) -> str:
    """Import and keep what the profile names, then let nothing be imported from files any more.

    Args:
        text: the profile file.

    Returns:
        the profile's name.
    """
    profile = _parse(text)
    finder = _cella_finder.finder
    finder.profile = profile["name"]
    finder.elsewhere = profile["elsewhere"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in profile["import"]:
            importlib.import_module(name)
    _keep(finder, profile["memory"])
    _warm.load_runtime()
    finder.close()
    _forget()
    _warm.prepare("\n".join(profile["warm"]))
    return profile["name"]


def _forget() -> None:
    """Drop what tells of this machine, and what was made for loading only."""
    os.environ.clear()
    sys.argv[:] = [""]
    sys.stdin = io.StringIO()
    threading.current_thread().name = "MainThread"
    warnings.resetwarnings()
    importlib.invalidate_caches()


_reseed: list[Callable[[], object]] = []
