# SPDX-License-Identifier: Apache-2.0
"""The bench's peers: one that does not do its work is missing, never fast."""

from __future__ import annotations

import pathlib
import subprocess
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "bench"))

import boxes  # noqa: E402
import fairness  # noqa: E402
import peers  # noqa: E402
from measure import Sample  # noqa: E402


def peer(code: str) -> boxes.Peer:
    return boxes.Peer("it", lambda status: [boxes.PYTHON, "-I", "-S", "-c", code.format(status=status)])


def test_a_peer_that_runs_python_is_there():
    found = peer("raise SystemExit({status})").prove()
    assert (found.missing, found.label) == ("", "it")


def test_a_peer_that_only_seems_to_run_is_missing():
    found = peer("pass").prove()
    assert found.command is None
    assert found.label == "it: missing: left with status 0 instead of 7"


def test_a_peer_that_is_killed_is_missing():
    assert "status -9" in peer("import os; os.kill(os.getpid(), 9)").prove().missing


def test_a_peer_that_is_not_installed_says_where_it_is_from():
    found = boxes.box("nothing", "Debian package nothing", ["cella-no-such-program"]).prove()
    assert found.label == "nothing python3 -I -S -c pass: missing: not installed (Debian package nothing)"


def test_a_peer_that_hangs_is_killed_with_its_children(tmp_path):
    mark = tmp_path / "mark"
    code = f"import os, time; os.fork(); time.sleep(1.5); open({str(mark)!r}, 'w')"
    begun = time.monotonic()
    with pytest.raises(RuntimeError, match="did not end within 0.3 s"):
        peer(code).run(0, 0.3)
    assert time.monotonic() - begun < 1.4
    time.sleep(1.6)
    assert not mark.exists()


def test_the_plain_start_of_python_is_there():
    assert boxes.bare().prove().missing == ""


def test_a_module_that_is_not_there_makes_the_peer_missing():
    assert "status 1" in boxes.bare("cella_no_such_module").prove().missing


def test_a_failure_while_measuring_makes_the_peer_missing():
    one = peer("raise SystemExit(3)")
    assert peers.peer_run(one)() == 0.0
    assert one.missing == "failed while it was measured: left with status 3 instead of 0"


# Pyodide


def installed(folder: pathlib.Path, version: str) -> None:
    package = folder / "node_modules" / "pyodide"
    package.mkdir(parents=True)
    (package / "package.json").write_text(f'{{"version": "{version}"}}')


def test_pyodide_that_is_there_needs_no_registry(tmp_path, monkeypatch):
    installed(tmp_path, boxes.PYODIDE)
    monkeypatch.setattr(boxes, "program", lambda name: None)
    assert boxes.install_pyodide(tmp_path).name == "pyodide.mjs"


@pytest.mark.parametrize("version", ["", "0.0.1"])
def test_another_pyodide_is_replaced_by_the_pinned_one(tmp_path, monkeypatch, version):
    if version:
        installed(tmp_path, version)
    asked = []
    monkeypatch.setattr(boxes, "program", lambda name: f"/bin/{name}")
    monkeypatch.setattr(subprocess, "run", lambda command, **options: asked.append(command)
                        or subprocess.CompletedProcess(command, 0, "", ""))
    boxes.install_pyodide(tmp_path)
    assert asked[0][-1] == f"pyodide@{boxes.PYODIDE}"
    assert tmp_path in asked[0]


def test_npm_that_fails_is_a_reason(tmp_path, monkeypatch):
    monkeypatch.setattr(boxes, "program", lambda name: f"/bin/{name}")
    failed = subprocess.CompletedProcess([], 1, "", "no network\nmore")
    monkeypatch.setattr(subprocess, "run", lambda command, **options: failed)
    fresh, restored = boxes.pyodide(tmp_path)
    assert fresh.missing == restored.missing == f"npm could not install pyodide@{boxes.PYODIDE}: no network"


def test_node_that_is_not_there_is_a_reason(tmp_path, monkeypatch):
    monkeypatch.setattr(boxes, "program", lambda name: None)
    assert {one.missing for one in boxes.pyodide(tmp_path)} == {"node is not installed"}


# Rows


def test_what_is_missing_has_one_row_unless_a_goal_hangs_on_it():
    there, gone = boxes.Peer("there"), boxes.Peer("gone", missing="no")
    ours, theirs = {"python": Sample.of([1.0]), "numpy": Sample.of([1.0])}, {"there": Sample.of([9.0])}
    assert [row.peer for row in peers.rows_of("python", [there, gone], ours, theirs, "")] == ["there", "gone: missing: no"]
    assert [row.peer for row in peers.rows_of("numpy", [there, gone], ours, theirs, "")] == ["there"]
    (name,) = (peer for profile, peer in peers.GOALS if profile == "science")
    rows = peers.rows_of("science", [there, boxes.Peer(name)], ours, theirs, "no profile")
    assert [(row.peer, row.met, row.note) for row in rows] == [(name, None, "no profile")]


def test_goals_hang_on_peers_that_exist(monkeypatch, tmp_path):
    monkeypatch.setattr(boxes.Peer, "prove", lambda self: self)
    monkeypatch.setattr(boxes, "pyodide", lambda folder: [])
    assert {name for _, name in peers.GOALS} <= {one.name for one in boxes.everything(tmp_path)}


def test_fairness_counts_the_turns_that_a_task_waits():
    ratio, turns = fairness.rows_of(Sample.of([5.0]), Sample.of([45.0]), [(64, 40), (60, 30)])
    assert ratio.ratio == pytest.approx(5 / 45)
    assert "up to 60 tasks" in ratio.what and "at least 30 left" in ratio.note
    assert (turns.cella.p50, turns.met) == (2.0, True)
    starved = fairness.rows_of(Sample.of([5.0]), Sample.of([2005.0]), [(200, 1)])[1]
    assert (starved.cella.p50, starved.met) == (100.0, False)


def test_unfinished_tasks_are_found_by_halves():
    class Task:
        def __init__(self, done: bool) -> None:
            self.done = done

        def refresh(self) -> Task:
            return self

    for count in range(6):
        assert fairness._unfinished([Task(place < count) for place in range(5)]) == 5 - min(count, 5)
