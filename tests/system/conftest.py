# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the system tests: real programs, started for the session or for one test."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "python"))
sys.path.insert(0, str(REPOSITORY / "tests" / "python"))
sys.path.insert(0, str(Path(__file__).resolve().parent))
os.environ["PYTHONPATH"] = os.pathsep.join(
    filter(None, [str(REPOSITORY / "python"), os.environ.get("PYTHONPATH", "")])
)

import cella
from live import PROGRAMS, CommandLine, Hand, LiveExecutor


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say what is missing, instead of failing in every test."""
    if not (PROGRAMS / "cella-host").exists():
        pytest.exit(f"there is no {PROGRAMS / 'cella-host'}: build first, or set CELLA_BUILD", 2)


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the caller's identity."""
    monkeypatch.setenv("HOME", str(tmp_path_factory.getbasetemp()))
    for name in ("XDG_CONFIG_HOME", "CELLA_IDENTITY", "CELLA_TRUST", "CELLA_AT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveExecutor]:
    """An executor that all tests share: none may end it, or leave tasks in it that run."""
    executor = LiveExecutor(tmp_path_factory.mktemp("live"))
    yield executor
    status = executor.close()
    assert status == 0, f"the shared executor ended with {status}:\n{executor.log()[-4000:]}"
    assert " died " not in executor.log(), executor.log()[-4000:]


def profiles_of(request: pytest.FixtureRequest) -> str:
    """What a test's own executors offer: a module that starts many says PROFILES = "python", since each one takes its time."""
    return getattr(request.module, "PROFILES", "python,numpy")


@pytest.fixture
def own(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LiveExecutor]:
    """An executor for one test, which may do to it what it likes."""
    executor = LiveExecutor(tmp_path, profiles=profiles_of(request))
    yield executor
    executor.close()


@pytest.fixture
def start(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., LiveExecutor]]:
    """Start executors that end with the test: start(config, name=...)."""
    started: list[LiveExecutor] = []

    def begin(config: dict[str, Any] | None = None, **options: Any) -> LiveExecutor:
        started.append(LiveExecutor(tmp_path, config, **{"profiles": profiles_of(request), **options}))
        return started[-1]

    yield begin
    for executor in started:
        executor.close()


@pytest.fixture(autouse=True)
def _tidy(request: pytest.FixtureRequest) -> Iterator[None]:
    """Connections of one test do not add up with those of the next."""
    yield
    if "live" in request.fixturenames:
        request.getfixturevalue("live").tidy()


@pytest.fixture
def me(live: LiveExecutor) -> cella.Executor:
    """A new party at the shared executor."""
    return live.client()


@pytest.fixture
def parties(live: LiveExecutor) -> Callable[[int], list[cella.Executor]]:
    """New parties at the shared executor: parties(3)."""
    return lambda count: [live.client() for _ in range(count)]


@pytest.fixture
def hand(live: LiveExecutor) -> Iterator[Hand]:
    """A new party whose requests are made by hand, at the shared executor."""
    party = Hand(live, live.client())
    yield party
    party.close()


@pytest.fixture
def person(live: LiveExecutor, tmp_path: Path) -> Callable[[str], CommandLine]:
    """People at command lines of their own, who know where the shared executor is: person("alice")."""

    def make(name: str) -> CommandLine:
        home = tmp_path / name
        home.mkdir()
        return CommandLine(home, {"CELLA_AT": live.address, "CELLA_TRUST": str(live.trust)})

    return make
