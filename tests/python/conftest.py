# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the Python tests. The package is taken from the source tree, with the extension built beside it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGE = REPOSITORY / "python"
if os.environ.get("CELLA_TEST_INSTALLED") != "1":
    sys.path.insert(0, str(PACKAGE))
sys.path.insert(0, str(Path(__file__).resolve().parent))

VECTORS = REPOSITORY.parent / "shared" / "vectors"


@pytest.fixture
def vectors() -> Path:
    """Known answers from outside; a loud skip where they are absent."""
    if not VECTORS.is_dir():
        pytest.skip(f"NO VECTORS: {VECTORS} is absent, known answers were not checked")
    return VECTORS


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the caller's identity."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    for name in ("XDG_CONFIG_HOME", "CELLA_IDENTITY", "CELLA_TRUST"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def fake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """A running fake executor."""
    from fake_executor import FakeExecutor

    executor = FakeExecutor(tmp_path_factory.mktemp("fake"))
    yield executor
    executor.close()
