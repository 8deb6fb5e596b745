# SPDX-License-Identifier: Apache-2.0
"""Sets and joins: builtins in a cell beside pandas and Python, CPU time from the bytes of the files to the results' bytes."""

from __future__ import annotations

import json
import os
import pathlib
import random
import subprocess
import sys
from collections.abc import Callable

from cell import PYTHON
from measure import Options, Row, Sample, interleave

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "python"))
SUBJECT = "builtin_sets"
IDS = 1_000_000

INSIDE = """
import cella, time
def main(call, arguments, **inputs):
    inputs = [inputs[name] for name in sorted(inputs)]
    inputs = [content if isinstance(content, bytes) else content.read() for content in inputs]
    function = getattr(cella.builtins, call)
    begun = time.process_time_ns()
    function(*inputs, **arguments)
    return (time.process_time_ns() - begun) / 1e6
"""

OUTSIDE = """
import io, json, sys, time
contents = [open(name, "rb").read() for name in sys.argv[2:]]

def read(content, **options):
    import pandas
    return pandas.read_csv(io.BytesIO(content), **options)

def read_ids(content):
    return read(content, header=None, names=["id"], dtype=str)

def flags_isin(one, two):
    one, two = read_ids(one)["id"], read_ids(two)["id"]
    return [(side.isin(other).to_numpy().astype("u1") + 48).tobytes() for side, other in ((one, two), (two, one))]

def flags_merge(one, two):
    one, two = read_ids(one), read_ids(two)
    merged = [side.merge(other.drop_duplicates(), on="id", how="left", indicator=True)["_merge"] == "both"
              for side, other in ((one, two), (two, one))]
    return [(flags.to_numpy().astype("u1") + 48).tobytes() for flags in merged]

def flags_sets(one, two):
    one, two = one.split(), two.split()
    ones, twos = set(one), set(two)
    return ["".join(["1" if name in twos else "0" for name in one]).encode(),
            "".join(["1" if name in ones else "0" for name in two]).encode()]

def count_sets(one, two):
    return len(set(one.split()) & set(two.split()))

def ids_sets(one, two):
    return b"\\n".join(sorted(set(one.split()) & set(two.split())))

def ids_merge(one, two):
    common = read_ids(one).merge(read_ids(two), on="id").drop_duplicates().sort_values("id")
    return common.to_csv(index=False, header=False).encode()

def join_pandas(one, two):
    return read(one).merge(read(two), on="id").to_csv(index=False).encode()

def join_dictionaries(one, two):
    import csv
    left, right = (csv.reader(io.StringIO(content.decode(), newline="")) for content in (one, two))
    head, other = next(left), next(right)
    rows = {}
    for row in right:
        rows.setdefault(row[0], []).append(row[1:])
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\\n")
    writer.writerow(head + other[1:])
    for row in left:
        writer.writerows(row + more for more in rows.get(row[0], ()))
    return out.getvalue().encode()

def sums_dictionaries(one, two):
    read = []
    for content in (one, two):
        pairs = (line.split(":") for line in content.decode().split("\\n") if len(line) > 2)
        read.append({pair[0].strip(): int(pair[1]) for pair in pairs})
    return "".join(f"{name}, {read[0][name] + read[1][name]}\\n" for name in sorted(read[0].keys() & read[1].keys())).encode()

def sums_pandas(one, two):
    one, two = (read(content, sep=" : ", engine="python", header=None, names=["id", "amount"], dtype={"id": str})
                for content in (one, two))
    both = one.merge(two, on="id")
    both["sum"] = both.amount_x + both.amount_y
    return both[["id", "sum"]].sort_values("id").to_csv(index=False, header=False).encode()

def has_set(password, exposed):
    return password.strip() in {line.strip() for line in exposed.split(b"\\n")}

function = globals()[sys.argv[1]]
if "pandas" in function.__code__.co_names or "read" in function.__code__.co_names or "read_ids" in function.__code__.co_names:
    import pandas
begun = time.process_time_ns()
function(*contents)
print((time.process_time_ns() - begun) / 1e6)
"""


def make_files(folder: pathlib.Path) -> dict[str, pathlib.Path]:
    """Two parties' data, half of it common, each in an order of its own."""
    chance = random.Random(1)
    texts: dict[str, list[str]] = {}
    for party, first in enumerate((0, IDS // 2)):
        names = [f"user-{number * 7919 % 100000007:09}" for number in range(first, first + IDS)]
        chance.shuffle(names)
        texts[f"ids{party}"] = names
        texts[f"amounts{party}"] = [f"{name} : {chance.randrange(10 ** 6)}" for name in names]
        head = "id,name,city" if party == 0 else "id,score"
        texts[f"table{party}"] = [head, *[f"{name},{place % 9973:x},Bern" if party == 0 else f"{name},{place * 0.25}"
                                          for place, name in enumerate(names)]]
        texts[f"sorted{party}"] = sorted(f"{hash_of(name):016x}" for name in names)
    texts["password"] = [texts["ids1"][-1]]
    files = {name: folder / f"{name}.txt" for name in texts}
    for name, lines in texts.items():
        files[name].write_text("\n".join(lines) + "\n")
    return files


def hash_of(name: str) -> int:
    """Some 64 bits that the name determines."""
    return int(name[5:]) * 0x9E3779B97F4A7C15 % 2 ** 64


def outside(name: str, *files: pathlib.Path) -> Callable[[], float]:
    """Milliseconds of CPU time of one of OUTSIDE's functions."""
    def run() -> float:
        return float(subprocess.check_output([PYTHON, "-I", "-c", OUTSIDE, name, *map(str, files)], text=True))
    return run


PSI_PEERS = [("pandas isin, both ways", "flags_isin", 15), ("pandas merge, both ways", "flags_merge", 15),
             ("Python sets, flags of both", "flags_sets", 10)]
CASES: list[tuple[str, str, dict[str, object], tuple[str, ...], list[tuple[str, str, float | None]]]] = [
    ("psi of 1M with 1M ids: flags", "psi", {}, ("ids0", "ids1"), PSI_PEERS),
    ("psi of 1M with 1M ids: size", "psi", {"reveal": "size"}, ("ids0", "ids1"), [("Python sets, len(a & b)", "count_sets", 10)]),
    ("psi of 1M with 1M ids: ids, sorted", "psi", {"reveal": "ids"}, ("ids0", "ids1"),
     [("pandas merge, sorted", "ids_merge", None), ("Python sets, sorted(a & b)", "ids_sets", None)]),
    ("psi, oblivious: flags", "psi", {"mode": "oblivious"}, ("ids0", "ids1"),
     [("pandas isin, both ways", "flags_isin", None), ("Python sets, flags of both", "flags_sets", None)]),
    ("psi, oblivious: ids, sorted", "psi", {"mode": "oblivious", "reveal": "ids"}, ("ids0", "ids1"),
     [("Python sets, sorted(a & b)", "ids_sets", None)]),
    ("join of 1M with 1M records", "join", {"on": "id"}, ("table0", "table1"),
     [("pandas merge", "join_pandas", None), ("Python csv and dict", "join_dictionaries", None)]),
    ("ordered_set_join of 1M with 1M", "ordered_set_join",
     {"left_column": 0, "right_column": 0, "ascending": True, "drop": False}, ("table0", "table1"),
     [("Python csv and dict", "join_dictionaries", None)]),
    ("private_join_and_compute, 1M and 1M", "private_join_and_compute", {"num_user": 2}, ("amounts0", "amounts1"),
     [("Python dict", "sums_dictionaries", None)]),
    ("ordered_set_intersect of 1M with 1M", "ordered_set_intersect", {"order": "ascending"}, ("sorted0", "sorted1"),
     [("Python sets, flags of both", "flags_sets", None)]),
    ("password_check in 1M", "password_check", {}, ("password", "ids1"), [("Python set", "has_set", None)]),
]


def measure(options: Options) -> list[Row]:
    """A row for each case and peer; then what the oblivious mode costs."""
    os.environ["CELLA_BUILD"] = str(options.build)
    import zygote_driver

    files = make_files(options.scratch)
    limits = zygote_driver.Limits(cpu_s=120, wall_s=120, memory_bytes=4 << 30, threads=0)
    rows: list[Row] = []
    medians: dict[str, Sample] = {}
    with zygote_driver.ZygoteDriver("python") as zygote:
        for what, call, arguments, names, peers in CASES:
            inputs = {f"input{place}": files[name].read_bytes() for place, name in enumerate(names)}
            text = json.dumps({"call": call, "arguments": arguments})

            def inside(text: str = text, inputs: dict[str, bytes] = inputs, what: str = what) -> float:
                report = zygote.run(INSIDE, arguments=text, inputs=inputs, limits=limits, timeout=120)
                if report.status != "DONE":
                    raise RuntimeError(f"{what} failed in a cell: {report}")
                return report.result

            others = [outside(function, *[files[name] for name in names]) for _, function, _ in peers]
            ours, *theirs = interleave(options.count(10), inside, *others, budget_s=options.budget_s / 3)
            medians[what] = Sample.of(ours)
            rows += [Row(SUBJECT, what, "ms", Sample.of(ours), peer, Sample.of(values), goal, note="CPU time, one thread")
                     for (peer, _, goal), values in zip(peers, theirs, strict=True)]
    for kind in ("flags", "ids, sorted"):
        fast, slow = medians[f"psi of 1M with 1M ids: {kind}"], medians[f"psi, oblivious: {kind}"]
        rows.append(Row(SUBJECT, f"psi, oblivious: {kind}", "ms", slow, "psi, fast", fast, note="what obliviousness costs"))
    return rows
