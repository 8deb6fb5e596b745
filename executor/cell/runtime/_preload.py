# SPDX-License-Identifier: Apache-2.0
"""Load a profile into a zygote, and warm its cells.

A profile is a JSON object:

    name       text: what functions ask for
    packages   list of packages beyond the standard library that may be imported, by their names in dist-packages; every
               module of theirs with native code is loaded, the others are kept as code and imported on first use
    libraries  list of shared libraries that they load; measured like the packages, of no other effect
    builtins   list of shared libraries with builtin functions, of the folder builtins beside the programs
    import     list of modules to import, in order
    stand_ins  list of modules that the packages import but hardly use: there, but refusing
    data       list of packages, with dots, whose data files are kept for importlib.resources
    elsewhere  object: top-level module -> profile that has it, for the message of a failed import
    warm       list of lines: Python that every new cell runs before it waits for a task
"""

from __future__ import annotations

import gc
import importlib
import io
import json
import os
import sys
import threading
import warnings
from typing import Any

import _cell
import _cella_finder

from . import _no_files, _packages, _warm, _zones

_FIELDS = {"name": str, "packages": list, "libraries": list, "builtins": list, "import": list, "stand_ins": list, "data": list,
           "elsewhere": dict, "warm": list}


def _parse(text: bytes) -> dict[str, Any]:
    profile = json.loads(text)
    if set(profile) != set(_FIELDS):
        raise ValueError(f"a profile has exactly the fields {', '.join(_FIELDS)}")
    for field, kind in _FIELDS.items():
        if not isinstance(profile[field], kind):
            raise ValueError(f"profile field {field!r} has the wrong type")
    _cella_finder.finder.check_stand_ins(profile["stand_ins"])
    return profile


def _import(profile: dict[str, Any]) -> None:
    """Import the profile's modules, then every module with native code.

    numpy goes without ctypes when there is none, so it comes before the stand-ins, which only look like modules.
    """
    finder = _cella_finder.finder
    if "threadpoolctl" in profile["packages"]:
        finder.offer_own("threadpoolctl")
    for name in profile["import"]:
        top = name.partition(".")[0]
        if top != "numpy" and top not in sys.stdlib_module_names:
            finder.pretend(profile["stand_ins"])
        importlib.import_module(name)
        _no_files.adapt()  # at once: scipy.stats makes a temporary file while it is imported
    for name in _packages.native(profile["packages"]):
        importlib.import_module(name)


def _import_quietly(profile: dict[str, Any]) -> None:
    """Import without a word, and keep the warning filters that packages set for themselves."""
    with warnings.catch_warnings(record=True):
        _import(profile)
        filters = list(warnings.filters)
    warnings.filters[:] = filters
    warnings._filters_mutated()  # type: ignore[attr-defined]


def _load_builtins(profile: dict[str, Any]) -> str:
    """Load the profile's libraries with builtins; return what is wrong, or nothing."""
    for name in profile["builtins"]:
        error = _cell.load(name)
        if error:
            return error
    return ""


def load(text: bytes) -> str:
    """Import and keep what the profile names, then let nothing be imported from files any more.

    Args:
        text: the profile file.

    Returns:
        the profile's name; nothing when a package or library is not installed, which was said on standard error.
    """
    profile = _parse(text)
    finder = _cella_finder.finder
    finder.profile = profile["name"]
    finder.elsewhere = profile["elsewhere"]
    finder.packages = frozenset(profile["packages"])
    try:
        for package in profile["packages"]:
            _packages.find(package)
    except _packages.MissingPackage as missing:
        sys.stderr.write(f"profile {profile['name']} is not offered: {missing}\n")
        return ""
    problem = _load_builtins(profile)
    if problem:
        sys.stderr.write(f"profile {profile['name']} is not offered: {problem}\n")
        return ""
    gc.disable()  # what is loaded stays: looking for garbage in it again and again only takes time
    _zones.collect()
    _zones.serve_zoneinfo()
    _import_quietly(profile)
    _zones.serve_packages()
    if profile["data"]:
        importlib.import_module("cella._resources")
    _packages.keep(profile["packages"], profile["data"])
    _warm.load_runtime()
    finder.close()
    _forget()
    gc.enable()
    try:
        _warm.prepare("\n".join(profile["warm"]))
    except BaseException:
        sys.stderr = sys.__stderr__  # there is no log to tell it
        raise
    return profile["name"]


def _forget() -> None:
    """Drop what tells of this machine, and what was made for loading only."""
    os.environ.clear()
    sys.argv[:] = [""]
    sys.stdin = io.StringIO()
    threading.current_thread().name = "MainThread"
    importlib.invalidate_caches()
