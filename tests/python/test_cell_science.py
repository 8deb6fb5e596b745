# SPDX-License-Identifier: Apache-2.0
"""Ordinary scripts with numpy, scipy, pandas and scikit-learn run unchanged in a cell of profile science.

Each script of tests/python/ordinary is run twice: by the machine's Python with ordinary files, and in a cell. Result
and outputs must be the same.
"""

from __future__ import annotations

import io
import json
import os
import pathlib
import re
import subprocess

import pytest
from zygote_driver import PROFILES, Limits, ZygoteDriver

SCRIPTS = pathlib.Path(__file__).resolve().parent / "ordinary"
PACKAGES = pathlib.Path("/usr/lib/python3/dist-packages")
NEEDED = ["numpy", "scipy", "pandas", "sklearn"]
LIMITS = Limits(cpu_s=60, wall_s=120, memory_bytes=1 << 30, threads=8)

OUTSIDE = """
import contextlib, json, pathlib, sys
import script
request = json.loads(sys.argv[1])
with contextlib.ExitStack() as stack:
    files = {name: stack.enter_context(open(name, "rb")) for name in request["inputs"]}
    files |= {name: stack.enter_context(open(name, "wb")) for name in request["outputs"]}
    result = script.main(**files)
pathlib.Path("result.json").write_text(json.dumps(result))
"""

SALES = "Time,Shop,Amount\n" + "".join(
    f"2024-{3 + number // 40:02d}-{1 + number % 28:02d}T{number % 24:02d}:15:00Z,{' north ' if number % 3 else 'south'},"
    f"{'x' if number == 7 else number * 3.25 % 170:.5}\n" for number in range(80))
SHOPS = json.dumps([{"shop": "North", "region": "north"}, {"shop": "South", "region": "south"}])


def saved(**arrays: list[float]) -> bytes:
    import numpy

    file = io.BytesIO()
    if set(arrays) == {"values"}:
        numpy.save(file, numpy.array(arrays["values"]))
    else:
        numpy.savez(file, **{name: numpy.array(values) for name, values in arrays.items()})
    return file.getvalue()


CASES = {
    "standard": ({}, []),
    "arrays": ({"values": saved(values=[1.0, 2.5, 4.0, 8.0]), "archive": saved(a=[1.0], b=[2.0, 3.0]),
                "table": b"a,b\n1,2.5\n3,4\n"}, ["doubled", "both"]),
    "tables": ({"sales": SALES.encode(), "shops": SHOPS.encode()}, ["report", "points", "lines"]),
    "methods": ({}, []),
    "learning": ({}, ["model"]),
    "zones": ({}, []),
}
NOT_COMPARED = {"both"}
"""Outputs with the time of writing inside."""


@pytest.fixture(scope="module")
def science():
    missing = [name for name in NEEDED if not (PACKAGES / name).is_dir()]
    if missing:
        pytest.skip(f"NOT INSTALLED: {', '.join(missing)}; ./run build --science installs them")
    with ZygoteDriver("science") as zygote:
        yield zygote


def outside(script: pathlib.Path, inputs: dict[str, bytes], outputs: list[str], folder: pathlib.Path):
    """Run a script with the machine's Python: result and outputs."""
    for name, content in inputs.items():
        (folder / name).write_bytes(content)
    (folder / "script.py").write_bytes(script.read_bytes())
    request = json.dumps({"inputs": list(inputs), "outputs": outputs})
    one_thread = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(["/usr/bin/python3", "-c", OUTSIDE, request], cwd=folder, capture_output=True, text=True,
                          env={**os.environ, **one_thread}, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "result.json").read_text()), {name: (folder / name).read_bytes() for name in outputs}


@pytest.mark.parametrize("name", CASES)
def test_an_ordinary_script_runs_unchanged(science, name, tmp_path):
    inputs, outputs = CASES[name]
    script = SCRIPTS / f"{name}.py"
    expected, expected_outputs = outside(script, inputs, outputs, tmp_path)
    report = science.run(script.read_text(), inputs=inputs, outputs=outputs, limits=LIMITS, timeout=120)
    assert report.status == "DONE", report
    assert set(report.result) == set(expected)
    for part in expected:
        assert report.result[part] == expected[part], part
    for output in outputs:
        assert report.outputs[output], output
        if output not in NOT_COMPARED:
            assert report.outputs[output] == expected_outputs[output], output


def test_every_script_of_the_folder_is_run():
    assert {path.stem for path in SCRIPTS.glob("*.py")} == set(CASES)


# ---- what is not there is told ----

MISSES = {
    "open a table by name": ("import pandas\ndef main(): pandas.read_csv('table.csv')", "PermissionError", "use its declared inputs"),
    "write a table by name": ("import pandas\ndef main(): pandas.DataFrame({'a': [1]}).to_csv('a.csv')", "PermissionError", "use its declared inputs"),
    "load an array by name": ("import numpy\ndef main(): numpy.load('a.npy')", "PermissionError", "use its declared inputs"),
    "parquet": ("import pandas, io\ndef main(): pandas.read_parquet(io.BytesIO(b'x'))", "ImportError", "pyarrow"),
    "excel": ("import pandas, io\ndef main(): pandas.DataFrame({'a': [1]}).to_excel(io.BytesIO())", "ModuleNotFoundError", "openpyxl"),
    "a data set of the network": ("from sklearn.datasets import fetch_california_housing as f\ndef main(): f()", "PermissionError",
                                  "can not reach files"),
    "an address": ("import pandas\ndef main(): pandas.read_csv('https://example.org/a.csv')", "", "network|refuse|urlopen|available"),
    "plots": ("import matplotlib.pyplot\ndef main(): pass", "ModuleNotFoundError", "not available to functions in profile 'science'"),
    "plots of pandas": ("import pandas\ndef main(): pandas.Series([1]).plot()", "ImportError", "matplotlib"),
    "processes": ("import multiprocessing\ndef main(): multiprocessing.Pool(2)", "PermissionError", "can not start programs"),
    "native code": ("import ctypes\ndef main(): ctypes.CDLL('libc.so.6')", "PermissionError", "can not call native code"),
    "a memory map": ("import numpy\ndef main(): numpy.memmap('a', shape=3)", "PermissionError", "reach files"),
}


@pytest.mark.parametrize("what", MISSES)
def test_what_is_not_there_is_told(science, what):
    source, exception, words = MISSES[what]
    report = science.run(source, limits=LIMITS)
    assert report.status == "SCRIPT_FAILED", report
    assert exception in report.exception, report
    assert any(word in report.message for word in words.split("|")), report


TAIL = """
import importlib, sys, warnings
def main():
    finder, failed, count = sys.modules["_cella_finder"].finder, {}, 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in sorted(finder.modules):
            if name in sys.modules or name.startswith("cella."):
                continue
            try:
                importlib.import_module(name)
                count += 1
            except Exception as error:
                failed[name] = f"{type(error).__name__}: {error}"
    return {"failed": failed, "count": count}
"""


def test_modules_kept_in_memory_can_be_imported(science):
    """All but those whose purpose is not there: networks, processes, terminals, formats of packages that are missing."""
    report = science.run(TAIL, limits=LIMITS, timeout=60)
    assert report.status == "DONE", report
    assert report.result["count"] > 200
    excused = ("not available", "No module named", "Missing optional dependency", "requires", "is not installed")
    broken = {name: why for name, why in report.result["failed"].items()
              if not why.startswith(("ModuleNotFoundError", "ImportError")) and not any(word in why for word in excused)}
    assert set(broken) <= {"numpy._typing._extended_precision", "numpy.doc", "numpy.doc.constants", "numpy.doc.ufuncs"}
    # What fails misses something of others, never a module of the packages themselves; loky starts processes.
    own = "|".join(profiles()["science"]["packages"])
    lost = {name: why for name, why in report.result["failed"].items()
            if re.search(rf"module '({own})\b", why) and "joblib.externals.loky" not in why}
    assert lost == {}


RANDOM = """
import random, secrets, uuid
import numpy as np
from scipy import stats
from sklearn.datasets import make_blobs
from sklearn.model_selection import train_test_split
def main():
    return [np.random.rand(), np.random.RandomState().rand(), np.random.default_rng().random(), random.random(),
            secrets.token_hex(4), uuid.uuid4().hex, stats.norm.rvs(), float(make_blobs(3)[0][0][0]),
            stats.qmc.Halton(1).random(1)[0].item(), train_test_split(list(range(100)))[0]]
"""


def test_cells_share_no_random_state(science):
    first, second = (science.run(RANDOM, limits=LIMITS).result for _ in range(2))
    assert [index for index, pair in enumerate(zip(first, second)) if pair[0] == pair[1]] == []


def test_warnings_are_those_of_an_ordinary_python(science):
    source = """
import warnings
def main():
    warnings.warn("spoken")
    import pandas
    return [str(one[0]) + one[2].__name__ for one in warnings.filters if one[2] is DeprecationWarning]
"""
    report = science.run(source, limits=LIMITS)
    assert report.status == "DONE" and "UserWarning: spoken" in report.log
    assert "ignoreDeprecationWarning" in report.result


# ---- profiles are data ----

def profiles() -> dict[str, dict]:
    return {path.stem: json.loads(path.read_text()) for path in PROFILES.glob("*.json")}


def test_profiles_know_where_other_modules_are():
    """Each names, for what it does not have, the leanest profile that has it."""
    known = profiles()
    for name, profile in known.items():
        having = {}
        for other in sorted(known.values(), key=lambda one: -len(one["packages"])):
            having |= {package: other["name"] for package in other["packages"]}
        assert profile["name"] == name
        assert profile["elsewhere"] == {key: value for key, value in having.items() if key not in profile["packages"]}


def added_profile(folder: pathlib.Path, **members: object) -> pathlib.Path:
    path = folder / "added.json"
    path.write_text(json.dumps(json.loads((PROFILES / "python.json").read_text()) | {"name": "added"} | members))
    return path


def test_a_profile_that_is_added(tmp_path):
    """An operator's own: its package is there, everything else of this machine is not."""
    profile = added_profile(tmp_path, packages=["click"], warm=["import click"], elsewhere={"rich": "terminal"})
    with ZygoteDriver(profile) as zygote:
        assert zygote.profile == "added"
        report = zygote.run("import click.decorators\ndef main(): return click.style('x', bold=True)")
        assert report.status == "DONE" and report.result == "\x1b[1mx\x1b[0m"
        report = zygote.run("import rich\ndef main(): pass")
        assert report.message == "module 'rich' is not available to functions in profile 'added'; profile 'terminal' has it"


def refusal(profile: pathlib.Path) -> tuple[str, str]:
    """How a zygote ends that can not load a profile: how and with which words."""
    near, far = os.pipe()
    with os.fdopen(near, errors="replace") as words:
        driver = ZygoteDriver.__new__(ZygoteDriver)
        with pytest.raises((EOFError, RuntimeError)) as caught:
            driver.__init__(profile, stderr=far)
        os.close(far)
        assert driver.process.wait(20) == (0 if caught.type is RuntimeError else 1)
        return "UNAVAILABLE" if caught.type is RuntimeError else "failed", words.read()


def test_a_profile_whose_package_is_missing(tmp_path):
    end, words = refusal(added_profile(tmp_path, packages=["nobody_has_this"]))
    assert end == "UNAVAILABLE" and words == ("profile added is not offered: the package 'nobody_has_this' is not installed: "
                                     f"{PACKAGES}/nobody_has_this is not there\n")


def test_a_profile_that_is_not_there(tmp_path):
    end, words = refusal(tmp_path / "none.json")
    assert end == "UNAVAILABLE" and words == (
        f"profile file {tmp_path}/none.json: No such file or directory; there is no such profile, and it is not offered\n")


@pytest.mark.parametrize("members, words", [
    ({"import": ["click"]}, "module 'click' is not available to functions in profile 'added'"),  # not among its packages
    ({"warm": ["1 / 0"]}, "ZeroDivisionError"), ({"stand_ins": ["json"]}, "stand_ins"), ({"extra": 1}, "exactly the fields"),
    ({"packages": "click"}, "wrong type"),
])
def test_a_profile_that_is_wrong(tmp_path, members, words):
    end, said = refusal(added_profile(tmp_path, **members))
    assert end == "failed" and words in said


def test_the_example_of_the_documentation(science):
    text = (pathlib.Path(__file__).resolve().parents[2] / "docs" / "usage.md").read_text()
    examples = [block for block in re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE) if "cross_val_score" in block]
    assert len(examples) == 1
    rows = "".join(f"2024-05-{1 + row % 28:02d},{row},{row % 7},{int(row > 15)}\n" for row in range(30))
    report = science.run(examples[0], inputs={"visits": b"day,minutes,pages,bought\n" + rows.encode()}, outputs=["report"],
                         limits=LIMITS)
    assert report.status == "DONE" and report.result["rows"] == 30 and 0.5 < report.result["accuracy"] <= 1
    assert report.outputs["report"].startswith(b"day,minutes\n2024-05-05 00:00:00+02:00,")
