# SPDX-License-Identifier: Apache-2.0
"""Measures Cella beside what one would use otherwise, in the same run. See docs/performance.md; start with ./run bench."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import pathlib
import signal
import sys
import tempfile
import time
import traceback
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "python"))
os.environ["PYTHONPATH"] = str(ROOT / "python")  # for the command line client, wherever it is started

import cella  # noqa: E402
from measure import LESS, Options, Row, Sample, machine  # noqa: E402

SUBJECTS = {
    "cell": "a task in a cell: bwrap, and Python with numpy",
    "speed": "Python inside a cell: /usr/bin/python3",
    "peers": "an empty function in a warm cell of each profile: every other box and start of Python that is here",
    "pool": "cells one at a time, in a closed loop, several in flight, in a burst",
    "sealed": "sealed files: OpenSSL in memory, age from file to file",
    "echo": "the echo task: bare TLS, ssh",
    "data": "much data up, through a task and down: age and its pipe",
    "fairness": "one party's task while another party has many queued",
    "memory": "resident memory of each program, and of the cells of each profile",
    "ledger": "durable changes of the state: SQLite's own commits; a start against the ledger's length",
    "connect": "a new attested connection: a plain TLS connection",
    "verify": "evidence of SNP and TDX: libcrypto on the same chains",
    "builtin_models": "builtins that train models: xgboost in Python, scikit-learn and pandas",
    "builtin_onnx": "inference of networks for images: ONNX Runtime, OpenCV",
    "builtin_sets": "private set intersection and joins: pandas, Python's sets, dicts and csv",
    "receipt": "a receipt, its size and its verification: libcrypto on two Ed25519 signatures",
    "builtin_forms": "aggregates and profiles of CSV: pandas",
}


def figure(value: float) -> str:
    """Three digits that say something."""
    if 0 < value < 0.1:
        return f"{value:.2g}"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def sample_text(sample: Sample | None) -> str:
    """A sample: smallest, median, p99."""
    if sample is None:
        return "-"
    return figure(sample.p50) if sample.count == 1 else " / ".join(map(figure, (sample.least, sample.p50, sample.p99)))


def ratio_text(row: Row) -> str:
    """The ratio, and where it lies for certain when that is not the same figure."""
    if row.ratio is None or row.ratio_low is None or row.ratio_high is None:
        return ""
    low, high = figure(row.ratio_low), figure(row.ratio_high)
    return figure(row.ratio) if low == high else f"{figure(row.ratio)} ({low} to {high})"


def goal_text(row: Row) -> str:
    """What is wanted: a ratio, or a limit in the row's unit."""
    if row.goal is not None:
        return f">= {row.goal:g} x"
    if row.limit is not None:
        return f"{'<=' if row.unit in LESS else '>='} {row.limit:g} {row.unit}"
    return "flat" if row.met is not None else ""


def verdict_text(row: Row) -> str:
    """Whether it was reached, and whether more values could turn it."""
    if row.met is None:
        return "" if goal_text(row) == "" else "not measured"
    return ("met" if row.met else "MISSED") + (", not sure" if row.sure is False else "")


def cells_of(row: Row) -> list[str]:
    """A row as text."""
    note = "; ".join(text for text in (row.note, "" if row.steady else "not steady") if text)
    return [row.what, row.unit, sample_text(row.cella), row.peer, sample_text(row.other) if row.peer else "", ratio_text(row),
            goal_text(row), verdict_text(row), note]


HEAD = ["Cella", "unit", "min / p50 / p99", "beside", "min / p50 / p99", "ratio", "goal", "goal met", "note"]


def print_table(rows: list[Row]) -> None:
    """The rows of one subject."""
    lines = [HEAD, *map(cells_of, rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(HEAD))]
    for line in lines:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths)).rstrip(), flush=True)
    print(flush=True)


def print_markdown(rows: list[Row]) -> None:
    """The rows for docs/performance.md."""
    for subject in dict.fromkeys(row.subject for row in rows):
        print(f"### {subject}\n")
        lines = [cells_of(row) for row in rows if row.subject == subject]
        kept = [place for place in range(len(HEAD)) if place == 0 or any(line[place] for line in lines)]
        for line in [HEAD, ["---"] * len(HEAD), *lines]:
            print("| " + " | ".join(line[place].replace("|", "\\|") for place in kept) + " |")
        print()


def run_subject(name: str, options: Options) -> tuple[list[Row], dict[str, Any]]:
    """A subject's rows, and how it went: seconds, load before and after, what went wrong."""
    begun = time.monotonic()
    went: dict[str, Any] = {"subject": name, "load_before": round(os.getloadavg()[0], 2), "problem": ""}
    print(f"{name}: {SUBJECTS[name]}", flush=True)
    rows: list[Row] = []
    try:
        rows = importlib.import_module(name).measure(options)
    except Exception as problem:
        traceback.print_exc()
        went["problem"] = f"{name}: {problem}"
    else:
        print_table(rows)
    went.update(seconds=round(time.monotonic() - begun, 1), load_after=round(os.getloadavg()[0], 2))
    print(f"{name} took {went['seconds']:.0f} s; load {went['load_before']} before, {went['load_after']} after\n", flush=True)
    return rows, went


def arguments_of() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, epilog="; ".join(f"{n}: {t}" for n, t in SUBJECTS.items()))
    parser.add_argument("name", nargs="*", help=f"what to measure: {', '.join(SUBJECTS)}; default: everything")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release", help="folder of a release build")
    parser.add_argument("--quick", action="store_true", help="a rough look: less than a minute for each name")
    parser.add_argument("--json", type=pathlib.Path, default=ROOT / "build" / "bench.json",
                        help="where to write the figures")
    parser.add_argument("--scratch", type=pathlib.Path, help="folder on a disk for files; default: the build folder")
    parser.add_argument("--markdown", action="store_true", help="print the table for the documentation, too")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.name) - set(SUBJECTS))
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]}; there are {', '.join(SUBJECTS)}")
    return arguments


def print_head(facts: dict[str, Any]) -> None:
    """The machine, and how to read the tables."""
    print(f"Cella {cella.__version__} on {facts['processors']} x {facts['processor']}"
          f"{' (virtual machine)' if facts['virtual'] else ''}, {facts['memory_gib']} GiB, Linux {facts['kernel']}, "
          f"Python {facts['python']}, load {facts['load'][0]}\n"
          "ratio: how many times better Cella is, median against median (and with 95 % confidence of both medians)")
    if facts["load"][0] > 0.5:
        print("The machine is not quiet: trust no p99, no limit in milliseconds or per second, and few ratios.")
    print(flush=True)


def main() -> int:
    """Measure what the command line asks for."""
    arguments = arguments_of()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # what was started is stopped
    facts = machine()
    print_head(facts)
    rows: list[Row] = []
    subjects = []
    build = arguments.build.resolve()
    with tempfile.TemporaryDirectory(prefix="bench-", dir=arguments.scratch or build) as scratch:
        memory = pathlib.Path("/dev/shm")
        shm = memory if memory.is_dir() and os.access(memory, os.W_OK) else None
        options = Options(build, arguments.quick, pathlib.Path(scratch), shm)
        for name in arguments.name or SUBJECTS:
            found, went = run_subject(name, options)
            rows += found
            subjects.append(went)
    if arguments.markdown:
        print_markdown(rows)
    problems = [went["problem"] for went in subjects if went["problem"]]
    content = {"version": 2, "cella": cella.__version__, "quick": arguments.quick, "time_unix_s": int(time.time()),
               "machine": facts, "subjects": subjects, "problems": problems, "rows": [row.as_json() for row in rows]}
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(content, indent=1) + "\n")
    judged = [row for row in rows if goal_text(row)]
    print(f"goals met: {sum(row.met is True for row in judged)} of {len(judged)}, "
          f"{sum(row.sure is False for row in judged)} not sure, {sum(row.met is None for row in judged)} not measured; "
          f"figures: {arguments.json}")
    for row in judged:
        if row.met is not True:
            print(f"  {verdict_text(row)}: {row.what}: {goal_text(row)}")
    for problem in problems:
        print(f"could not be measured: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
