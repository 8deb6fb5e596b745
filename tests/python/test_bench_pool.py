# SPDX-License-Identifier: Apache-2.0
"""The bench's player of the monitor against a real zygote: it does what it is asked for, and says so when it can not."""

from __future__ import annotations

import contextlib
import os
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "bench"))

import peers  # noqa: E402
import pool  # noqa: E402
from measure import Options  # noqa: E402

BUILD = ROOT / "build" / "release"  # the player is linked without sanitizers
pytestmark = [
    pytest.mark.skipif(not (BUILD / "bin" / "cella-zygote").exists(),
                       reason="NOT BUILT: build/release, so the bench was not tried"),
    pytest.mark.skipif(os.geteuid() != 0, reason="NOT ROOT: no zygote, so the bench was not tried"),
]


@pytest.fixture
def load(tmp_path):
    return pool.Load(Options(BUILD, True, tmp_path, None), "python")


@pytest.mark.parametrize("count, at_once, in_flight", [(9, 9, 2), (9, 2, 2), (5, 1, 1)])
def test_every_request_has_its_result(load, count, at_once, in_flight):
    lines = load._play("queue", count, at_once, in_flight, 3)
    assert len(lines) == count
    assert all(0 < result <= last for result, last in lines)
    assert [last for _, last in lines] == sorted(last for _, last in lines)
    assert sum(result == last for result, last in lines) == at_once  # those that were requested first of all


def test_paced_tasks_have_a_result_before_their_end(load):
    results, ends = load.paced(3)
    assert len(results) == len(ends) == 3
    assert all(0 < result < end for result, end in zip(results, ends))


def test_a_rate_knows_its_processor_time(load):
    (rate,) = load.rate(0.3, 2)
    assert rate > 1
    assert load.used_ms[0] >= 0


def test_a_player_that_is_asked_for_nonsense_fails(load):
    with pytest.raises(RuntimeError, match="usage"):
        load._play("queue", 1)
    with pytest.raises(RuntimeError, match="COUNT"):
        load._play("queue", 1, 2, 1, 1)


def test_a_profile_that_is_not_there_is_a_reason(tmp_path, monkeypatch):
    monkeypatch.setattr(peers, "PROFILES", ("python", "nothing"))
    with contextlib.ExitStack() as stack:
        pools, missing = peers.open_pools(Options(BUILD, True, tmp_path, None), stack)
        assert list(pools) == ["python"]
        assert pools["python"].run()[0] > 0
    assert missing == {"nothing": "there is no profile nothing here (the build has no nothing.json)"}
