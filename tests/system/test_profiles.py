# SPDX-License-Identifier: Apache-2.0
"""Profiles of a running executor: what it offers by default, one that an operator adds, a data scientist's task."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from live import PROGRAMS, LiveExecutor, parse, refused, script_task, wait_until

DIST = Path("/usr/lib/python3/dist-packages")
SCIENCE = all((DIST / name).is_dir() for name in ("scipy", "pandas", "sklearn"))

PREDICT = """
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

def main(visits, report):
    table = pd.read_csv(visits, parse_dates=["day"])
    table["day"] = table["day"].dt.tz_localize("Europe/Berlin")
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(table[["minutes"]], table["bought"])
    table.assign(chance=model.predict_proba(table[["minutes"]])[:, 1].round(3)).to_csv(report, index=False)
    return {"rows": len(table), "mean": table.groupby("bought")["minutes"].mean().to_dict()[1]}

if __name__ == "__main__":
    main("visits.csv", "report.csv")
"""


def names(live: LiveExecutor) -> list[str]:
    return [one["name"] for one in live.client().information()["profiles"]]


def test_what_is_installed_is_offered_by_default(start) -> None:
    live = start(profiles="python,numpy,science")
    assert names(live) == ["python", "numpy"] + ["science"] * SCIENCE
    if not SCIENCE:
        assert "profile science is not offered: the package" in live.log()


@pytest.mark.skipif(not SCIENCE, reason="NOT INSTALLED: scipy, pandas, sklearn; ./run build --science installs them")
def test_a_data_scientists_task(start, tmp_path: Path) -> None:
    live = start(profiles="science")
    table = tmp_path / "visits.csv"
    table.write_text("day,minutes,bought\n" + "".join(f"2024-05-{day:02d},{day * 3},{int(day > 9)}\n" for day in range(1, 20)))
    me = live.client()
    job = me.run(parse(PREDICT), inputs={"visits": table}, outputs=["report"], profile="science").wait()
    assert job.result() == {"rows": 19, "mean": 43.5}
    lines = job.outputs["report"].text().splitlines()
    assert lines[0] == "day,minutes,bought,chance" and lines[1].startswith("2024-05-01 00:00:00+02:00,3,0,0.0")


def test_a_profile_that_an_operator_adds(start, tmp_path: Path) -> None:
    programs = Path(shutil.copytree(PROGRAMS, tmp_path / "programs"))
    profile = json.loads((programs / "profiles" / "python.json").read_text())
    profile |= {"name": "text", "packages": ["click"], "elsewhere": {}}
    (programs / "profiles" / "text.json").write_text(json.dumps(profile))
    tmp_path.chmod(0o755)
    ordinary, added = start(name="ordinary", profiles="python"), start(name="added", programs=programs, profiles="python,text")
    assert names(added) == ["python", "text"]
    me = added.client()
    assert me.information()["measurement"] != ordinary.client().information()["measurement"]
    source = "import click\ndef main(): return click.unstyle(click.style('x', bold=True))"
    assert script_task(me, source, profile="text").wait().result() == "x"


def test_a_profile_that_can_not_be_loaded_is_told_once(start, tmp_path: Path) -> None:
    programs = Path(shutil.copytree(PROGRAMS, tmp_path / "programs"))
    profile = json.loads((programs / "profiles" / "python.json").read_text())
    (programs / "profiles" / "rare.json").write_text(json.dumps(profile | {"name": "rare", "packages": ["nobody_has_this"]}))
    live = start(programs=programs, profiles="rare,python")
    words = "profile rare is not offered: the package 'nobody_has_this' is not installed"
    wait_until(lambda: words in live.log(), 20, "the log names what is missing")
    assert names(live) == ["python"]
    with refused("NO_PROFILE"):
        script_task(live.client(), "def main(): pass", profile="rare")
    assert live.log().count(words) == 1 and "started again" not in live.log()
