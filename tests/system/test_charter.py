# SPDX-License-Identifier: Apache-2.0
"""The charter's limits: what an executor gives by default, and the most that may be asked of it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cella
import pytest
from cella.script import LIMITS
from live import CommandLine, LiveExecutor, host, package_of, refused, script_task

Start = Callable[..., LiveExecutor]
MOST = {"cpu_s": 2592000, "wall_s": 2592000, "memory_bytes": 1 << 44, "output_bytes": 1 << 44, "result_bytes": 2 << 20,
        "log_bytes": 1 << 18, "threads": 1024}
LEAST = {**dict.fromkeys(LIMITS, 1), "memory_bytes": 1 << 20, "threads": 0}
MACHINE = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20 << 20


def write_charter(folder: Path, limits: Any) -> Path:
    """A state folder with a charter of one's own."""
    state = folder / "state"
    state.mkdir(mode=0o700)
    (state / "charter.json").write_text(json.dumps({"version": 1, "enrol": "open", "limits": limits}))
    return state


def test_a_charter_gives_limits(start: Start, tmp_path: Path) -> None:
    write_charter(tmp_path, {"cpu_s": 600, "wall_s": 3, "result_bytes": 100, "threads": 0})
    live = start({"profiles": ["python"], "pool": 1})
    me = live.client()
    limits = me.information()["limits"]
    assert limits == {"cpu_s": 600, "wall_s": 3, "memory_bytes": min(1 << 30, MACHINE), "output_bytes": 4 << 30,
                      "result_bytes": 100, "log_bytes": 1 << 16, "threads": 0}
    task = script_task(me, "def main(): return 'x' * 50")
    assert task.contract().terms["limits"] == limits and task.wait().result() == "x" * 50
    with refused("LIMIT_RESULT"):
        script_task(me, "def main(): return 'x' * 99").wait()
    with refused("LIMIT_WALL", text="wall_s 3"):
        script_task(me, "import time\ndef main(): time.sleep(60)").wait()
    for name, value in limits.items():
        with refused("BAD_FIELD") as caught:
            me.functions.register(package_of("def main(): pass", limits={name: value + 1}))
        assert caught.value.field == f"limits.{name}"
    me.functions.register(package_of("def main(): pass", limits=limits))
    shell = CommandLine(tmp_path, {"CELLA_AT": live.address, "CELLA_TRUST": str(live.trust)})
    assert json.loads(shell("info").out)["limits"] == limits


def test_a_charter_of_extremes(start: Start, tmp_path: Path) -> None:
    """Nobody is promised more memory than the machine has, and the operator is told."""
    write_charter(tmp_path, MOST)
    live = start({"profiles": ["python"], "pool": 1})
    me = live.client()
    assert me.information()["limits"] == {**MOST, "memory_bytes": MACHINE}
    assert script_task(me, "def main(): return 'x' * 2000000").wait().result() == "x" * 2000000
    line = live.wait_for_log(r"executor: limits\.memory_bytes is .*")
    assert str(MACHINE) in line and str(1 << 44) in line
    with refused("BAD_FIELD"):
        me.functions.register(package_of("def main(): pass", limits={"memory_bytes": MACHINE + 1}))


def test_the_largest_answer_still_arrives(start: Start, tmp_path: Path) -> None:
    """Result and log at their very most, in the costliest characters, sealed to every reader of one answer."""
    write_charter(tmp_path, MOST)
    me = start({"profiles": ["python"], "pool": 1}).client()
    source = "def main():\n    print('\\x01' * 300000)\n    return '\\x01' * ((2 << 20) // 6 - 10)\n"
    task = script_task(me, source, isolation={"sizes": "padded"}).wait()
    assert len(task.result()) == (2 << 20) // 6 - 10 and task.messages()["log"].count("\x01") == 1 << 18


WRONG = [
    *((name, LEAST[name] - 1) for name in LIMITS),
    *((name, MOST[name] + 1) for name in LIMITS),
    ("cpu_s", -1), ("wall_s", 1.5), ("wall_s", 10.0), ("memory_bytes", "1G"), ("log_bytes", None), ("threads", True),
    ("output_bytes", []), ("result_bytes", (1 << 63) - 1),
]


@pytest.mark.parametrize("name, value", WRONG)
def test_a_wrong_limit_is_named(tmp_path: Path, name: str, value: Any) -> None:
    state = write_charter(tmp_path, {name: value})
    done = host("run", "--dev", state, "--listen", "127.0.0.1:0")
    assert done.returncode == 1 and f"charter.json: limits.{name}: a field has the wrong type or value" in done.stderr


@pytest.mark.parametrize("limits, said", [
    ({"gpu_s": 1}, "charter.json: limits.gpu_s: a field is not known here"),
    ([], "charter.json: limits: a field has the wrong type"),
    (7, "charter.json: limits: a field has the wrong type"),
    ({"wall_s": 10 ** 30}, "charter.json: text is not strict JSON"),
])
def test_wrong_limits(tmp_path: Path, limits: Any, said: str) -> None:
    done = host("run", "--dev", write_charter(tmp_path, limits), "--listen", "127.0.0.1:0")
    assert done.returncode == 1 and said in done.stderr


def test_a_charter_without_limits_is_as_before(me: cella.Executor) -> None:
    assert me.information()["limits"] == {
        "cpu_s": 60, "wall_s": 120, "memory_bytes": min(1 << 30, MACHINE), "output_bytes": 4 << 30, "result_bytes": 1 << 20,
        "log_bytes": 1 << 16, "threads": 8,
    }
