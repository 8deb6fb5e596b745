# SPDX-License-Identifier: Apache-2.0
"""The demo and its examples: they work as the documents say, and fast enough to be shown."""

from __future__ import annotations

import csv
import gzip
import io
import subprocess
import sys
import time
from pathlib import Path

import cella
import numpy
import pytest
from live import PROGRAMS, REPOSITORY, refused

CLASSIFIER = REPOSITORY / "examples" / "classifier"
TRAINING_IMAGES = 1200
TOLERANCE = 0.01
"""Accuracy of a model that is trained again may differ so much from the one in the repository."""


def demo(*words: str) -> tuple[subprocess.CompletedProcess[str], float]:
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, CLASSIFIER / "demo.py", "--programs", PROGRAMS, *words], stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120,
    )
    return done, time.monotonic() - begun


def test_the_demo() -> None:
    done, _ = demo()
    assert done.returncode == 0, done.stdout[-4000:]
    for words in ("% right", "came to nothing", "NOT_APPROVED", "WRONG_CONTRACT", "BAD_DIGEST", "MEASUREMENT", "ROOT", "LEVEL"):
        assert words in done.stdout, words
    assert "FAILED   " not in done.stdout and "NOT REFUSED" not in done.stdout


def test_the_demo_again_is_fast_and_can_leave_what_it_made(tmp_path: Path) -> None:
    done, seconds = demo("--keep", str(tmp_path / "kept"))
    assert done.returncode == 0 and seconds < 30, done.stdout[-4000:]
    assert (tmp_path / "kept" / "state" / "trust.toml").exists()


@pytest.fixture(scope="module")
def digits() -> numpy.ndarray:
    with gzip.open(CLASSIFIER / "data" / "optdigits.csv.gz") as file:
        return numpy.loadtxt(file, delimiter=",", dtype="uint8")


def accuracy(executor: cella.Executor, weights: Path | bytes, digits: numpy.ndarray) -> float:
    """Of the example's classifier, run by the executor with these weights."""
    images, truth = digits[TRAINING_IMAGES:, :64], digits[TRAINING_IMAGES:, 64]
    task = executor.run(CLASSIFIER / "classify.py", {"images": images, "weights": weights}, ["labels"], {"threshold": 0.0},
                        profile="numpy").wait()
    rows = list(csv.DictReader(io.StringIO(task.outputs["labels"].text())))
    return sum(row["digit"] == str(digit) for row, digit in zip(rows, truth)) / len(truth)


def test_training_inside(me: cella.Executor, digits: numpy.ndarray) -> None:
    inputs = {"images": digits[:TRAINING_IMAGES, :64], "labels": digits[:TRAINING_IMAGES, 64]}
    task = me.run(CLASSIFIER / "train.py", inputs, ["weights"], profile="numpy").wait()
    assert task.result()["images"] == TRAINING_IMAGES and task.result()["loss"] < 0.5
    trained = task.outputs["weights"].bytes()
    shipped = CLASSIFIER / "data" / "weights.npz"
    new, old = accuracy(me, trained, digits), accuracy(me, shipped, digits)
    assert abs(new - old) <= TOLERANCE and old > 0.85, (new, old)
    with numpy.load(io.BytesIO(trained)) as one, numpy.load(shipped) as other:
        assert {name: one[name].shape for name in one.files} == {name: other[name].shape for name in other.files}


def test_the_examples_say_when_they_are_misused(me: cella.Executor, digits: numpy.ndarray) -> None:
    with refused("BAD_ARGUMENT", text="weights"):
        me.run(CLASSIFIER / "classify.py", {"images": digits[:10, :64]}, ["labels"], profile="numpy")
    with refused("SCRIPT_FAILED", text="not a numpy file"):
        me.run(CLASSIFIER / "classify.py", {"images": b"text", "weights": CLASSIFIER / "data" / "weights.npz"}, ["labels"],
               profile="numpy").wait()
