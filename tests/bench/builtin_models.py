# SPDX-License-Identifier: Apache-2.0
"""Builtins that train models beside what a data scientist would use: the same data, in turn, processor time of one thread.

The builtins run in a cell of profile science, scikit-learn, pandas and xgboost's Python package outside of any box. "From CSV"
begins with the file's bytes, for both; the others begin with an array, which the builtin gets as .npy bytes. Debian's numpy has the
reference BLAS; people who install from PyPI have OpenBLAS, which is several times faster, so that is what the peers get: its
package is unpacked into a temporary folder, or CELLA_OPENBLAS names a folder with its libblas.so.3 and liblapack.so.3.
"""

from __future__ import annotations

import io
import json
import math
import os
import pathlib
import subprocess
import sys
from collections.abc import Callable

from cell import PYTHON
from measure import Options, Row, Sample, interleave

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "python"))

INSIDE = """
import io, json, time
import numpy as np
import cella

def main(data):
    data = data.read()
    begun = time.{clock}()
    {work}
    return [time.{clock}() - begun, {answer}]
"""
OUTSIDE = """
import io, json, sys, time
import numpy as np, pandas as pd
{imports}

def frame(csv):
    return pd.read_csv(io.BytesIO(csv), header=None).to_numpy()

data = open(sys.argv[1], "rb").read()
rows = np.load(io.BytesIO(data)) if data[:1] == b"\\x93" else None
x, y = (rows[:, :-1].copy(), rows[:, -1].copy()) if rows is not None else (None, None)
begun = time.{clock}()
{work}
print(json.dumps([time.{clock}() - begun, {answer}]))
"""
SKLEARN_IMPORTS = """from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression"""
XGBOOST = """booster = xgboost.train({{"objective": "binary:logistic", "max_depth": 4, "eta": 0.1, "tree_method": "hist",
                         "nthread": {threads}}}, xgboost.DMatrix(x, y, nthread={threads}), 100)"""
TRAIN = 'cella.builtins.gbdt_train(data, loss="BinaryLogistic", iterations=100, max_depth=4, shrinkage=0.1)'
LOGISTIC = "cella.builtins.logistic_regression_train(data)"
COMPONENTS = "cella.builtins.principal_components_analysis(data, n=5)"
XGBOOST_NAME = "xgboost in Python"


def table(rows: int, columns: int) -> bytes:
    """Correlated features and a label of 0 or 1 that depends on them, as .npy."""
    import numpy as np

    generator = np.random.default_rng(rows + columns)
    x = generator.normal(size=(rows, columns)) @ generator.normal(size=(columns, columns)) / columns**0.5
    total = x @ generator.normal(size=columns) + np.abs(x[:, 0]) * x[:, 1] - 0.5
    file = io.BytesIO()
    np.save(file, np.c_[x, generator.random(rows) < 1 / (1 + np.exp(-total))])
    return file.getvalue()


def as_csv(data: bytes) -> bytes:
    """The same as text."""
    import numpy as np
    import pandas as pd

    return pd.DataFrame(np.load(io.BytesIO(data))).to_csv(header=False, index=False).encode()


def openblas(options: Options) -> pathlib.Path | None:
    """A folder with OpenBLAS as BLAS and LAPACK, or None and a word why not."""
    if "CELLA_OPENBLAS" in os.environ:
        return pathlib.Path(os.environ["CELLA_OPENBLAS"])
    done = subprocess.run(["apt-get", "download", "-qq", "libopenblas0-pthread"], cwd=options.scratch, capture_output=True,
                          text=True)
    packages = list(options.scratch.glob("libopenblas0-pthread_*.deb"))
    if packages and subprocess.call(["dpkg", "-x", packages[0], options.scratch / "openblas"]) == 0:
        for library in (options.scratch / "openblas").glob("usr/lib/*/openblas-pthread/libblas.so.3"):
            return library.parent
    print(f"NOT MEASURED with OpenBLAS, but with the BLAS that numpy finds here: {done.stderr.strip()[-200:]}", file=sys.stderr)
    return None


class Bench:
    """A zygote of profile science, and measures in its cells and outside."""

    def __init__(self, zygote: object, options: Options) -> None:
        self.zygote, self.options = zygote, options
        self.blas = openblas(options)
        self.sklearn = f"scikit-learn{' with OpenBLAS' if self.blas else ''}"
        self.files: dict[int, pathlib.Path] = {}

    def in_cell(self, data: bytes, work: str, answer: str = "None", threads: int = 1, clock: str = "process_time") -> list:
        """Seconds of one piece of work in a cell, and an answer."""
        from zygote_driver import Limits

        limits = Limits(cpu_s=600, wall_s=600, memory_bytes=6 << 30, output_bytes=1 << 30, threads=threads - 1)  # besides the first
        report = self.zygote.run(INSIDE.format(clock=clock, work=work, answer=answer), inputs={"data": data}, limits=limits,
                                 timeout=600)
        if report.status != "DONE":
            raise RuntimeError(f"{work} failed in a cell: {report}")
        return report.result

    def outside(self, data: bytes, work: str, answer: str = "None", threads: int = 1, clock: str = "process_time",
                imports: str = SKLEARN_IMPORTS) -> list:
        """The same in a process without a box."""
        file = self.files.setdefault(id(data), self.options.scratch / f"data{len(self.files)}")
        if not file.exists():
            file.write_bytes(data)
        environment = {"OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "passive"}
        if self.blas is not None:
            environment["LD_LIBRARY_PATH"] = str(self.blas)
        text = OUTSIDE.format(clock=clock, work=work, answer=answer, imports=imports)
        return json.loads(subprocess.check_output([PYTHON, "-c", text, file], text=True, env=environment))

    def row(self, what: str, data: bytes, ours: str, peer: str, theirs: str, goal: float | None = 1.0, threads: int = 1,
            imports: str = SKLEARN_IMPORTS) -> Row:
        """A builtin beside something else, by processor time, or with two threads by the clock."""
        clock = "process_time" if threads == 1 else "perf_counter"
        mine, other = interleave(
            self.options.count(9), lambda: self.in_cell(data, ours, threads=threads, clock=clock)[0] * 1e3,
            lambda: self.outside(data, theirs, threads=threads, clock=clock, imports=imports)[0] * 1e3,
            budget_s=self.options.budget_s)
        what += "" if threads == 1 else ", two threads, by the clock"
        return Row("builtin_models", what, "ms", Sample.of(mine), peer, Sample.of(other), None if threads > 1 else goal)


def boosting(bench: Bench) -> list[Row]:
    """Training and prediction of 150,000 rows with 30 features."""
    data = table(15_000 if bench.options.quick else 150_000, 30)
    histogram = "HistGradientBoostingClassifier(max_iter=100, max_depth=4, learning_rate=0.1, early_stopping=False).fit(x, y)"
    rows = [bench.row("gbdt_train", data, TRAIN, "scikit-learn HistGradientBoosting", histogram)]
    if subprocess.call([PYTHON, "-c", "import xgboost"], stderr=subprocess.DEVNULL) != 0:
        print("NOT INSTALLED: python3-xgboost, so nothing was compared with it", file=sys.stderr)
        return rows
    one, two = XGBOOST.format(threads=1), XGBOOST.format(threads=2)
    again = "begun = time.process_time()"
    ours = ["rows = np.load(io.BytesIO(data))", "features = io.BytesIO(); np.save(features, rows[:, :-1].copy())",
            f"model = {TRAIN}.trained_model", again, "cella.builtins.gbdt_predict(model, features.getvalue())"]
    theirs = [one, again, "text = ''.join(['%.10f\\n' % value for value in booster.predict(xgboost.DMatrix(x, nthread=1))])"]
    return [
        *rows,
        bench.row("gbdt_train", data, TRAIN, XGBOOST_NAME, one, imports="import xgboost"),
        bench.row("gbdt_train", data, TRAIN, XGBOOST_NAME, two, threads=2, imports="import xgboost"),
        bench.row("gbdt_predict, as text", data, "\n    ".join(ours), XGBOOST_NAME, "\n".join(theirs), imports="import xgboost"),
    ]


def logistic(bench: Bench, data: bytes, size: str) -> list[Row]:
    """Beside each of scikit-learn's solvers; how many digits they agree in is measured as well."""
    rows = []
    ours = bench.in_cell(data, f"model = {LOGISTIC}.model_file", "json.loads(model)['parameters']")[1]
    for solver in ("lbfgs", "newton-cg", "newton-cholesky"):
        fit = f"model = LogisticRegression(max_iter=10000, solver='{solver}', tol={1e-4 if solver == 'lbfgs' else 1e-8}).fit(x, y)"
        theirs = bench.outside(data, fit, "[*model.intercept_.tolist(), *model.coef_[0].tolist()]")[1]
        apart = max(abs(a - b) for a, b in zip(ours, theirs, strict=True)) / max(map(abs, theirs))
        row = bench.row(f"logistic_regression_train {size}", data, LOGISTIC, f"{bench.sklearn}, {solver}", fit)
        row.note = f"equal to {int(-math.log10(max(apart, 1e-16)))} digits"
        rows.append(row)
    return rows


def linear(bench: Bench, rows: int, columns: int) -> list[Row]:
    """Logistic regression and principal components, from an array and from CSV."""
    rows = rows // 10 if bench.options.quick else rows
    data = table(rows, columns)
    csv = as_csv(data)
    size = f"{rows // 1000}k x {columns}"
    fit = "LogisticRegression(max_iter=1000).fit({0}[:, :-1], {0}[:, -1])"
    components = "pd.DataFrame(PCA(5).fit_transform({0})).to_csv(header=False, index=False)"
    lbfgs, panda = f"{bench.sklearn}, lbfgs", f"{bench.sklearn}, pandas"
    train, analyse = f"logistic_regression_train {size}", f"principal_components_analysis {size}"
    return [
        *logistic(bench, data, size),
        bench.row(train, data, LOGISTIC, lbfgs, fit.format("rows"), threads=2),
        bench.row(f"{train} from CSV", csv, LOGISTIC, f"pandas, {lbfgs}", "rows = frame(data); " + fit.format("rows")),
        bench.row(f"{analyse}, coordinates as CSV", data, COMPONENTS, panda, components.format("rows")),
        bench.row(f"{analyse}, coordinates as CSV", data, COMPONENTS, panda, components.format("rows"), threads=2),
        bench.row(f"{analyse} from CSV to CSV", csv, COMPONENTS, panda, components.format("frame(data)")),
    ]


def measure(options: Options) -> list[Row]:
    """All rows of this subject."""
    os.environ["CELLA_BUILD"] = str(options.build)
    import zygote_driver

    with zygote_driver.ZygoteDriver("science") as zygote:
        bench = Bench(zygote, options)
        return [*boosting(bench), *linear(bench, 100_000, 50), *linear(bench, 20_000, 300)]
