# SPDX-License-Identifier: Apache-2.0
"""The soft platform's measurement names every file whose code the executor loads."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import elf
import pytest
import sources

SOFT = Path("executor/platform/soft.c")
LIBRARIES = Path("/usr/lib/x86_64-linux-gnu")
PROFILES = sorted((sources.ROOT / "executor" / "cell" / "profiles").glob("*.json"))

LOAD = """
import importlib, sys
sys.path.append("/usr/lib/python3/dist-packages")
sys.dont_write_bytecode = True
for name in sys.argv[1:]:
    importlib.import_module(name)
for module in list(sys.modules.values()):
    if getattr(module, "__file__", None):
        print(module.__file__)
for line in open("/proc/self/maps"):
    path = line.split(maxsplit=5)[-1].strip()
    if ".so" in path:
        print(path)
"""


def listed(array: str) -> list[str]:
    """Strings of a table in soft.c."""
    body = re.search(rf"\b{array}\[\] = \{{(.*?)\}};", sources.text(SOFT), re.DOTALL)
    assert body is not None
    return re.findall(r'"([^"]+)"', body.group(1))


def is_measured(path: str) -> bool:
    real = os.path.realpath(path)
    by_library = any(os.path.realpath(LIBRARIES / name) == real for name in listed("libraries"))
    return by_library or any(real.startswith(f"{tree}/") for tree in listed("trees"))


def test_programs():
    executor = set(elf.PROGRAMS) - {"cella-host"}
    assert set(listed("programs_measured")) == executor


@pytest.mark.parametrize("name", [name for name in elf.PROGRAMS if name != "cella-host"])
def test_libraries_of_programs(name):
    paths = re.findall(r"(/\S+\.so\S*)", elf.run("ldd", elf.program(name)))
    assert paths
    assert [path for path in paths if not is_measured(path)] == []


@pytest.mark.parametrize("profile", PROFILES, ids=lambda path: path.stem)
def test_what_a_profile_loads(profile):
    """Modules and shared libraries of a profile, as this machine's Python loads them."""
    modules = json.loads(profile.read_text())["import"]
    done = subprocess.run(
        ["/usr/bin/python3", "-I", "-S", "-c", LOAD, *modules], capture_output=True, text=True, timeout=120
    )
    if "ModuleNotFoundError" in done.stderr:
        pytest.skip(f"NOT INSTALLED: a package of profile {profile.stem}: {done.stderr.splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    assert sorted({path for path in done.stdout.splitlines() if not is_measured(path)}) == []


def test_compiled_caches_are_measured_or_unused():
    """Python prefers a cache that claims the source's time and size, whatever code is in it."""
    measured = "__pycache__" not in sources.text(SOFT)
    unused = "pycache_prefix" in sources.code(Path("executor/cell/interpreter.c"))
    assert measured or unused
