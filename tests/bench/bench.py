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

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "python"))
os.environ["PYTHONPATH"] = str(ROOT / "python")  # for the command line client, wherever it is started

import cella  # noqa: E402
from measure import Options, Row, machine  # noqa: E402

SUBJECTS = {
    "cell": "a task in a warm cell: bwrap, and Python with numpy",
    "sealed": "sealed files: OpenSSL in memory, age from file to file",
    "echo": "the echo task: bare TLS, ssh",
    "memory": "resident memory of each program",
    "connect": "a new attested connection: a plain TLS connection",
    "verify": "evidence of SNP and TDX: libcrypto on the same chains",
}


def figure(value: float) -> str:
    """Three digits that say something."""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def cells_of(row: Row) -> list[str]:
    """A row as text."""
    def both(sample: object) -> str:
        if sample is None:
            return "-"
        middle, high = figure(sample.p50), figure(sample.p99)  # type: ignore[attr-defined]
        return middle if sample.count == 1 else f"{middle} / {high}"  # type: ignore[attr-defined]

    verdict = "" if row.met is None else "met" if row.met else "MISSED"
    goal = "flat" if row.goal is None and row.met is not None else "" if row.goal is None else f">= {row.goal:g}"
    return [row.what, row.unit, both(row.cella), row.peer, both(row.other) if row.peer else "",
            "" if row.ratio is None else figure(row.ratio), goal, verdict, row.note]


HEAD = ["Cella", "unit", "p50 / p99", "beside", "p50 / p99", "ratio", "goal", "goal met", "note"]


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


def run_subject(name: str, options: Options) -> tuple[list[Row], str]:
    """A subject's rows, and what went wrong."""
    begun = time.monotonic()
    print(f"{name}: {SUBJECTS[name]}", flush=True)
    try:
        rows = importlib.import_module(name).measure(options)
    except Exception as problem:
        traceback.print_exc()
        return [], f"{name}: {problem}"
    print_table(rows)
    print(f"{name} took {time.monotonic() - begun:.0f} s\n", flush=True)
    return rows, ""


def main() -> int:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__, epilog="; ".join(f"{n}: {t}" for n, t in SUBJECTS.items()))
    parser.add_argument("name", nargs="*", help=f"what to measure: {', '.join(SUBJECTS)}; default: everything")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release", help="folder of a release build")
    parser.add_argument("--quick", action="store_true", help="a rough look, in about five minutes")
    parser.add_argument("--json", type=pathlib.Path, default=ROOT / "build" / "bench.json",
                        help="where to write the figures")
    parser.add_argument("--scratch", type=pathlib.Path, help="folder on a disk for files; default: the build folder")
    parser.add_argument("--markdown", action="store_true", help="print the table for the documentation, too")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.name) - set(SUBJECTS))
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]}; there are {', '.join(SUBJECTS)}")
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # what was started is stopped
    facts = machine()
    print(f"Cella {cella.__version__} on {facts['processors']} x {facts['processor']}"
          f"{' (virtual machine)' if facts['virtual'] else ''}, {facts['memory_gib']} GiB, Linux {facts['kernel']}, "
          f"Python {facts['python']}, load {facts['load'][0]}\n"
          "ratio: how many times better Cella is, median against median\n", flush=True)
    rows, problems = [], []
    build = arguments.build.resolve()
    with tempfile.TemporaryDirectory(prefix="bench-", dir=arguments.scratch or build) as scratch:
        memory = pathlib.Path("/dev/shm")
        shm = memory if memory.is_dir() and os.access(memory, os.W_OK) else None
        options = Options(build, arguments.quick, pathlib.Path(scratch), shm)
        for name in arguments.name or SUBJECTS:
            found, problem = run_subject(name, options)
            rows += found
            problems += [problem] if problem else []
    if arguments.markdown:
        print_markdown(rows)
    content = {"version": 1, "cella": cella.__version__, "quick": arguments.quick, "time_unix_s": int(time.time()),
               "machine": facts, "load_at_end": round(os.getloadavg()[0], 2), "problems": problems,
               "rows": [row.as_json() for row in rows]}
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(content, indent=1) + "\n")
    judged = [row for row in rows if row.met is not None]
    print(f"goals met: {sum(row.met is True for row in judged)} of {len(judged)}; figures: {arguments.json}")
    for problem in problems:
        print(f"could not be measured: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
