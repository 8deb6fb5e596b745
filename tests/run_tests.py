# SPDX-License-Identifier: Apache-2.0
"""Run every test of Cella: builds, C unit tests, fuzz corpora, boundaries, Python, the whole system.

`./run test` calls this. Each part is a command that a developer can run alone (--list shows them). A skipped test is
named at the end, loudly; a failed part does not stop the others.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import own_root

ROOT = Path(__file__).resolve().parent.parent
PYTHON = "/usr/bin/python3"
FUZZ_SECONDS = 60
LONGEST = 6 * 3600  # seconds, of a part with --long: every write point of three programs is one start of an executor
LEDGER = r"^test_(ledger|faults|clock|anchor)"  # system tests that wait for starts and disks
PARTIES = r"^test_(audit|budgets|builtins|deletion|functions|groups|hospitals|parties|policies|receipts|refusals|requests|rights)"
BUILTINS = r"^test_(builtin|ready_made)"


@dataclass
class Tally:
    """What came out so far."""

    passed: int = 0
    failed: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def join(self, other: Tally) -> None:
        """What came out elsewhere."""
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def add(self, name: str, good: bool, output: str = "") -> None:
        """One result; a failure's output is shown at once."""
        if good:
            self.passed += 1
            return
        self.failed.append(name)
        print(f"FAILED {name}\n{output[-6000:]}", flush=True)


def command(*words: str | Path, env: dict[str, str] | None = None, timeout: float = 1800) -> tuple[int, str]:
    """Run a command to its end; status and both outputs."""
    try:
        done = subprocess.run(
            [str(word) for word in words], cwd=ROOT, env={**os.environ, **(env or {})}, timeout=timeout,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace",
        )
    except subprocess.TimeoutExpired as late:
        said = late.stdout.decode("utf-8", "replace") if isinstance(late.stdout, bytes) else late.stdout or ""
        return 124, f"{said}\nstopped after {timeout:g} s"
    return done.returncode, done.stdout


def build(preset: str, tally: Tally) -> bool:
    """Configure and build a preset; warnings are errors."""
    if not (ROOT / "build" / preset / "build.ninja").exists():
        status, output = command("cmake", "--preset", preset)
        if status != 0:
            tally.add(f"configure {preset}", False, output)
            return False
    status, output = command("cmake", "--build", "--preset", preset)
    tally.add(f"build {preset}", status == 0, "\n".join(line for line in output.splitlines() if line[:1] != "["))
    return status == 0


def unit_tests(preset: str, tally: Tally) -> None:
    """Every cmocka program of a build."""
    for program in sorted((ROOT / "build" / preset / "unit").glob("test_*")):
        status, output = command(program, timeout=300)
        skipped = re.findall(r"^\[  SKIPPED \] (?!\d+ test)(.*)$", output, re.MULTILINE)
        ran = re.search(r"^\[==========\] (?:.*: )?(\d+) test\(s\) run\.", output, re.MULTILINE)
        tally.skipped += [f"{program.name}: {name}" for name in skipped]
        if status != 0 or ran is None or int(ran.group(1)) == 0:
            tally.add(f"{preset}/{program.name}", False, output)
        else:
            tally.passed += int(ran.group(1)) - len(skipped)


def fuzz_corpora(preset: str, tally: Tally) -> None:
    """Every fuzz target over its corpus."""
    for program in sorted((ROOT / "build" / preset / "fuzz").glob("fuzz_*")):
        corpus = ROOT / "tests" / "fuzz" / "corpus" / program.name.removeprefix("fuzz_")
        status, output = command(program, corpus, timeout=300)
        tally.add(f"{preset}/{program.name}", status == 0, output)


def fuzz_long(tally: Tally) -> None:
    """Every fuzz target with libFuzzer, a minute each."""
    if not build("fuzz", tally):
        return
    for program in sorted((ROOT / "build" / "fuzz" / "fuzz").glob("fuzz_*")):
        corpus = ROOT / "tests" / "fuzz" / "corpus" / program.name.removeprefix("fuzz_")
        fresh = ROOT / "build" / "fuzz" / "corpus" / program.name
        fresh.mkdir(parents=True, exist_ok=True)
        status, output = command(
            program, f"-max_total_time={FUZZ_SECONDS}", "-print_final_stats=0", fresh, corpus, timeout=600
        )
        tally.add(f"fuzzing {program.name}", status == 0, output)


def pytest(folder: str, tally: Tally, *, only: str = "", but: str = "", long: bool = False) -> None:
    """One folder of Python tests against the release build: the files whose names a pattern finds, or does not find."""
    files = [path for path in sorted((ROOT / folder).glob("test_*.py"))
             if re.search(only, path.name) and not (but and re.search(but, path.name))]
    if not files:
        return
    report = ROOT / "build" / f"{folder.replace('/', '_')}_{files[0].stem}.xml"
    report.unlink(missing_ok=True)
    env = {
        "CELLA_BUILD": str(ROOT / "build" / "release"),
        "PYTHONPATH": str(ROOT / "python"),
        "CELLA_TEST_LONG": "1" if long else "",
    }
    status, output = command(
        PYTHON, "-m", "pytest", "-q", "-x" if os.environ.get("CELLA_TEST_STOP") else "-q", "-p", "no:cacheprovider",
        "--durations=8", "-o", "junit_family=xunit1", f"--junitxml={report}", *files, env=env, timeout=LONGEST if long else 1800,
    )
    if not report.exists():
        tally.add(folder, False, output)
        return
    results = ElementTree.parse(report).getroot()
    for case in results.iter("testcase"):
        name = f"{case.get('classname')}.{case.get('name')}"
        skip = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            tally.failed.append(name)
        elif skip is not None:
            tally.skipped.append(f"{name}: {skip.get('message')}")
        else:
            tally.passed += 1
    for table in results.iterfind(".//property[@name='table']"):
        print(f"\n{table.get('value')}\n", flush=True)
    if status != 0:
        print(f"FAILED in {folder}\n{output[-12000:]}", flush=True)


def package(tally: Tally) -> None:
    """`pip install .` in a fresh environment, and the installed client speaks."""
    place = ROOT / "build" / "venv"
    steps = [
        ("rm", "-rf", place),
        (PYTHON, "-m", "venv", "--system-site-packages", place),
        (place / "bin" / "pip", "install", "--quiet", "--no-index", "--no-build-isolation", "."),
        (place / "bin" / "cella", "--version"),
        (place / "bin" / "python", "-c", "import cella._native, cella; print(cella.__version__)"),
    ]
    for step in steps:
        outside = {"PYTHONPATH": ""}
        status, output = command(*step, env=outside, timeout=600)
        if status != 0:
            tally.add("package: " + shlex.join(str(word) for word in step[1:3]), False, output)
            return
    tally.add("package", True)


def parts(long: bool) -> dict[str, Callable[[Tally], object]]:
    """All parts in order, by name."""
    chosen: dict[str, Callable[[Tally], object]] = {
        "build": lambda tally: [build(preset, tally) for preset in ("release", "asan", "clang")],
        "unit": lambda tally: [unit_tests(preset, tally) for preset in ("release", "asan")],
        "corpora": lambda tally: fuzz_corpora("asan", tally),
        "boundary": lambda tally: pytest("tests/boundary", tally),
        "python": lambda tally: pytest("tests/python", tally, but=BUILTINS, long=long),
        "builtins": lambda tally: pytest("tests/python", tally, only=BUILTINS, long=long),
        "system": lambda tally: pytest("tests/system", tally, but=f"{LEDGER}|{PARTIES}", long=long),
        "parties": lambda tally: pytest("tests/system", tally, only=PARTIES, long=long),
        "ledger": lambda tally: pytest("tests/system", tally, only=LEDGER, long=long),
        "package": package,
    }
    if long:
        chosen["fuzz"] = fuzz_long
    return chosen


def run(name: str, part: Callable[[Tally], object]) -> Tally:
    """Run one part and say what came out."""
    begun = time.monotonic()
    tally = Tally()
    part(tally)
    print(f"{name:10} {tally.passed:5} passed {len(tally.failed):3} failed {len(tally.skipped):3} skipped "
          f"{time.monotonic() - begun:6.0f} s", flush=True)
    return tally


def main() -> int:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(prog="./run test", description=__doc__.splitlines()[0])
    parser.add_argument("part", nargs="*", help="parts to run; all without any (the build is always needed first)")
    parser.add_argument("--long", action="store_true", help="also fuzz for a minute per target, big files, every write to die at")
    parser.add_argument("--list", action="store_true", help="name the parts and leave")
    options = parser.parse_args()
    known = parts(options.long)
    if options.list:
        print("\n".join(known))
        return 0
    unknown = set(options.part) - set(known)
    if unknown:
        parser.error(f"unknown part: {', '.join(sorted(unknown))}; ./run test --list names them")
    own_root.renew()
    chosen = [name for name in known if not options.part or name in options.part]
    tally = Tally()
    if "build" in chosen:
        chosen.remove("build")
        tally.join(run("build", known["build"]))
    # The system's tests wait more than they compute: they run beside all others.
    beside = (("system",), ("parties", "unit", "builtins"), ("ledger", "boundary", "package"))
    lanes = [[name for name in lane if name in chosen] for lane in beside]
    lanes.append([name for name in chosen if not any(name in lane for lane in beside)])
    with ThreadPoolExecutor(len(lanes)) as pool:
        for done in pool.map(lambda lane: [run(name, known[name]) for name in lane], lanes):
            for one in done:
                tally.join(one)
    for name in tally.skipped:
        print(f"SKIPPED {name}")
    for name in tally.failed:
        print(f"FAILED {name}")
    print(f"{tally.passed} passed, {len(tally.failed)} failed, {len(tally.skipped)} skipped")
    return 1 if tally.failed or tally.passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
