# SPDX-License-Identifier: Apache-2.0
"""psi's oblivious mode: no branch and no address in its machine code depends on an id."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import sources

BUILD = Path(os.environ.get("CELLA_BUILD", sources.ROOT / "build/release"))
PROGRAM = BUILD / "unit/test_builtins_psi_oblivious"


def problems(*arguments: str) -> int:
    """How many places valgrind finds where undefined bytes decide something."""
    if shutil.which("valgrind") is None or not Path("/usr/include/valgrind/memcheck.h").exists():
        pytest.skip("valgrind is missing: apt install valgrind, and build again")
    done = subprocess.run(["valgrind", "--quiet", "--error-exitcode=9", "--log-fd=2", PROGRAM, *arguments],
                          capture_output=True, text=True, timeout=120)
    assert done.returncode in (0, 9), done.stderr
    found = len(re.findall(r"depends on uninitialised|uninitialised value of size", done.stderr, re.I))
    assert (found > 0) == (done.returncode == 9), done.stderr
    return found


def test_nothing_depends_on_the_ids():
    assert problems() == 0


def test_the_fast_mode_does_and_is_found_out():
    assert problems("fast") > 0
