# SPDX-License-Identifier: Apache-2.0
"""The soft platform's measurement names every file whose code the executor loads."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import elf
import pytest
import sources

SOFT = Path("executor/platform/files.c")
LIBRARIES = Path("/usr/lib/x86_64-linux-gnu")
PROFILES = sorted((sources.ROOT / "executor" / "cell" / "profiles").glob("*.json"))

PACKAGES = Path("/usr/lib/python3/dist-packages")

# As a zygote does, its refusals included: what a profile does not name is not there.
LOAD = """
import importlib, json, os, sys
from importlib.machinery import EXTENSION_SUFFIXES
packages, names = json.loads(sys.argv[1])
dist = "/usr/lib/python3/dist-packages"
class Refuse:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in packages and top not in sys.stdlib_module_names and not top.startswith("_sysconfigdata"):
            raise ModuleNotFoundError(f"{name} is not named by the profile", name=name)
sys.meta_path.insert(0, Refuse())
sys.path.append(dist)
sys.dont_write_bytecode = True
os.environ["JOBLIB_MULTIPROCESSING"] = "0"
for name in names:
    importlib.import_module(name)
for package in packages:
    for folder, _, files in os.walk(os.path.join(dist, package)):
        for file in files:
            stem, _, extension = file.partition(".")
            if "." + extension in EXTENSION_SUFFIXES and "test" not in stem and "_examples" not in folder:
                importlib.import_module(".".join([*os.path.relpath(folder, dist).split("/"), stem]))
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


def is_measured(path: str, profile: dict | None = None) -> bool:
    real = os.path.realpath(path)
    profile = profile or {"packages": [], "libraries": []}
    libraries = [*listed("libraries"), *profile["libraries"]]
    places = [f"{tree}/" for tree in listed("trees")]
    places += [str(PACKAGES / package) + end for package in profile["packages"] for end in ("/", ".py")]
    return any(os.path.realpath(LIBRARIES / name) == real for name in libraries) or real.startswith(tuple(places))


def test_programs():
    assert set(listed("programs_measured")) == set(elf.EXECUTOR)


@pytest.mark.parametrize("name", elf.EXECUTOR)
def test_libraries_of_programs(name):
    paths = re.findall(r"(/\S+\.so\S*)", elf.run("ldd", elf.program(name)))
    assert paths
    assert [path for path in paths if not is_measured(path)] == []


@pytest.mark.parametrize("profile", PROFILES, ids=lambda path: path.stem)
def test_what_a_profile_loads(profile):
    """Modules and shared libraries of a profile, as this machine's Python loads them."""
    content = json.loads(profile.read_text())
    missing = [name for name in content["packages"] if not list(PACKAGES.glob(f"{name}")) + list(PACKAGES.glob(f"{name}.py"))]
    if missing:
        pytest.skip(f"NOT INSTALLED: packages of profile {profile.stem}: {', '.join(missing)}")
    request = json.dumps([content["packages"], content["import"]])
    done = subprocess.run(
        ["/usr/bin/python3", "-I", "-S", "-c", LOAD, request], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) > 50
    assert sorted({path for path in done.stdout.splitlines() if not is_measured(path, content)}) == []


def measure(programs: Path) -> list[str]:
    """The measurement list of a folder of programs."""
    return elf.run(programs / "cella-monitor", "--measure").splitlines()


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A copy of the built programs, to change."""
    return Path(shutil.copytree(elf.program("cella-monitor").parent, tmp_path / "bin"))


def test_a_profile_that_an_operator_adds_is_measured(programs):
    before = measure(programs)
    added = json.loads((programs / "profiles" / "python.json").read_text())
    added |= {"name": "config", "packages": ["yaml_that_nobody_has", "rich"], "libraries": ["libuuid.so.1"]}
    (programs / "profiles" / "config.json").write_text(json.dumps(added))
    after = measure(programs)
    names = {line.partition("  ")[2] for line in after} - {line.partition("  ")[2] for line in before}
    assert after[-1] != before[-1] and "profiles/config.json" in names
    assert str(PACKAGES / "rich" / "console.py") in names
    assert all(name.startswith((str(PACKAGES / "rich"), "profiles/")) for name in names)
    assert len(set(after)) == len(after) and sorted(names)


@pytest.mark.parametrize("name", ["../../../etc", "", "..", "a/b", ".a", "a b", "a\nb", "\u00e4", "a\\b", 5])
def test_a_profile_can_not_name_what_is_elsewhere(programs, name):
    added = json.loads((programs / "profiles" / "python.json").read_text()) | {"packages": [name]}
    (programs / "profiles" / "config.json").write_text(json.dumps(added))
    done = subprocess.run([programs / "cella-monitor", "--measure"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and done.stdout == ""


def test_time_zones_are_measured_under_all_their_names():
    names = {line.partition("  ")[2]: line[:64] for line in measure(elf.program("cella-monitor").parent)}
    assert names["/usr/share/zoneinfo/US/Pacific"] == names["/usr/share/zoneinfo/America/Los_Angeles"]
    assert "/usr/share/zoneinfo/localtime" not in names  # a link out of what is measured


def test_compiled_caches_are_measured_or_unused():
    """Python prefers a cache that claims the source's time and size, whatever code is in it."""
    measured = "__pycache__" not in sources.text(SOFT)
    unused = "pycache_prefix" in sources.code(Path("executor/cell/interpreter.c"))
    assert measured or unused
