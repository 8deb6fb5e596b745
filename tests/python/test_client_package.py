# SPDX-License-Identifier: Apache-2.0
"""Packaging: one abi3 wheel, made from the source archive alone, that works in an empty environment."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import REPOSITORY

import cella

PARTS = [
    "setup.py",
    "pyproject.toml",
    "MANIFEST.in",
    "LICENSE",
    "README.md",
    "executor/base",
    "executor/trust",
    "executor/cell/runtime", "examples/functions",
    "python",
]


def run(*command: object, cwd: Path) -> str:
    outside = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, env=outside, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_wheel_from_source_archive(tmp_path: Path) -> None:
    pytest.importorskip("wheel", reason="NO WHEEL: python3-wheel is not installed, packaging was not tested")
    tree = tmp_path / "tree"
    for part in PARTS:
        source, target = REPOSITORY / part, tree / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            ignore = shutil.ignore_patterns("__pycache__", "*.so", "*.egg-info")
            shutil.copytree(source, target, symlinks=True, ignore=ignore)
        elif source.exists():
            shutil.copy(source, target)
    run(sys.executable, "setup.py", "-q", "sdist", cwd=tree)
    archive = next((tree / "dist").glob("*.tar.gz"))
    wheels = tmp_path / "wheels"
    run(
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-build-isolation",
        "--no-deps",
        "-w",
        wheels,
        archive,
        cwd=tmp_path,
    )
    wheel = next(wheels.iterdir())
    assert re.fullmatch(r"cella-[\d.]+-cp311-abi3-linux_\w+\.whl", wheel.name)
    run(sys.executable, "-m", "venv", "--system-site-packages", "v", cwd=tmp_path)
    run("v/bin/pip", "install", "--no-index", "--no-deps", wheel, cwd=tmp_path)
    assert cella.__version__ in run("v/bin/cella", "--version", cwd=tmp_path)
    program = "import cella; print(cella._native.__file__); print(cella.log, cella.Identity.generate().party)"
    out = run("v/bin/python", "-c", program, cwd=tmp_path).splitlines()
    assert out[0].startswith(str(tmp_path / "v")) and out[0].endswith("_native.abi3.so")


def test_versions_agree() -> None:
    setup = re.search(r'^VERSION = "(.*)"', (REPOSITORY / "setup.py").read_text(), re.M)
    cmake = re.search(r"project\(cella VERSION (\S+)", (REPOSITORY / "CMakeLists.txt").read_text())
    assert setup and cmake and setup[1] == cmake[1] == cella.__version__


def test_runtime_is_the_cells_own() -> None:
    link = REPOSITORY / "python" / "cella" / "runtime"
    assert link.is_symlink() and link.resolve() == REPOSITORY / "executor" / "cell" / "runtime"
