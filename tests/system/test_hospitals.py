# SPDX-License-Identifier: Apache-2.0
"""The story of the three hospitals ends well, and would not if something that must be refused were not."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cella
import pytest
from live import PROGRAMS, REPOSITORY

HOSPITALS = REPOSITORY / "examples" / "hospitals"


def python(*words: str | Path, seconds: float = 120) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=seconds)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """What the story printed, and the other machine's folder."""
    kept = tmp_path_factory.mktemp("hospitals") / "kept"
    done = python(HOSPITALS / "story.py", "--programs", PROGRAMS, "--keep", kept)
    assert done.returncode == 0, done.stdout[-6000:]
    yield done.stdout, kept / "elsewhere"


def test_the_story(told: tuple[str, Path]) -> None:
    text, _ = told
    for words in ("DATA_POLICY", "NOT_APPROVED", "WRONG_CONTRACT", "DENIED", "USES_USED_UP", "DELETED", "nothing  the cloud",
                  "the same keys, attested", "takes its approval back", "PROVED pool.proof", "PROVED survival.proof",
                  "ACCEPTED by deletions.toml", "REFUSED flipped.proof", "came to nothing"):
        assert words in text, words
    assert "FAILED   " not in text and "NOT REFUSED" not in text


def test_the_proofs_stay_proofs(told: tuple[str, Path]) -> None:
    """Long after executor and parties are gone; and only in their order, of their functions, and whole."""
    _, folder = told
    first, second = folder / "pool.proof", folder / "survival.proof"
    assert cella.Receipt(second).content["parents"] == [cella.Receipt(first).leaf]

    def check(*words: Path) -> int:
        return python(HOSPITALS / "check.py", *words).returncode

    assert check(folder / "trust.toml", first, second) == 0
    assert check(folder / "trust.toml", second, first) == 3
    assert check(folder / "trust.toml", first, first) == 3
    assert check(folder / "trust.toml", first, folder / "deletion.proof") == 3
    other = folder / "other.toml"
    hash_of_first = cella.Receipt(first).content["function"].hex()
    other.write_text((folder / "trust.toml").read_text().replace(hash_of_first, "00" * 32))
    assert check(other, first, second) == 3


def test_what_is_not_refused_fails_the_story() -> None:
    """Its trials count each attempt, and keep those that came to something."""
    code = ("import sys; sys.path.insert(0, sys.argv[1]); import story, subprocess\n"
            "trials = story.Trials()\n"
            "with trials.refused('somebody', 'do what is allowed', 'DENIED'): pass\n"
            "trials.process_refuses('somebody', 'pass', subprocess.run(['true'], capture_output=True, text=True))\n"
            "trials.must_be(False, 'wrong')\n"
            "assert len(trials.broken) == 3 and trials.count == 2, trials.broken\n")
    done = python("-c", code, HOSPITALS)
    assert done.returncode == 0, done.stdout
