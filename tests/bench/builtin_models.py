# SPDX-License-Identifier: Apache-2.0
"""Builtins that train models beside what a data scientist would use: the same data, in turn, processor time of one thread.

scikit-learn runs in a cell of profile science, as the builtins do; xgboost's Python package outside, since no profile has it.
"From CSV" begins with the file's bytes, for both; the others begin with an array, which the builtin gets as .npy bytes.
"""

from __future__ import annotations

import io
import os
import pathlib
import subprocess
import sys
from collections.abc import Callable

from cell import PYTHON
from measure import Options, Row, Sample, interleave

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "python"))

PRELUDE = """
import io, json, time
import numpy as np, pandas as pd
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
import cella

def frame(csv):
    return pd.read_csv(io.BytesIO(csv), header=None).to_numpy()

def main(data):
    data = data.read()
    rows = np.load(io.BytesIO(data)) if data[:1] == b"\\x93" else None
    x, y = (rows[:, :-1].copy(), rows[:, -1].copy()) if rows is not None else (None, None)
    begun = time.{clock}()
    {work}
    return {answer}
"""
ANSWER = "time.{clock}() - begun"
# How many digits the largest difference leaves of the largest parameter.
DIGITS = """float(-np.log10(max(1e-16, abs(np.r_[model.intercept_, model.coef_[0]] - ours).max() / abs(ours).max())))"""
XGBOOST = """
import sys, time
import numpy as np, xgboost
rows = np.load(sys.argv[1])
x, y = rows[:, :-1].copy(), rows[:, -1].copy()
begun = time.{clock}()
booster = xgboost.train({{"objective": "binary:logistic", "max_depth": 4, "eta": 0.1, "tree_method": "hist", "nthread": {threads}}},
                        xgboost.DMatrix(x, y, nthread={threads}), 100)
{more}
print(time.{clock}() - begun)
"""
TRAIN = 'cella.builtins.gbdt_train(data, loss="BinaryLogistic", iterations=100, max_depth=4, shrinkage=0.1)'
LOGISTIC = "cella.builtins.logistic_regression_train(data)"
COMPONENTS = "cella.builtins.principal_components_analysis(data, n=5)"
XGBOOST_NAME, SKLEARN = "xgboost in Python", "scikit-learn"


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


class Bench:
    """A zygote of profile science, and measures that run in its cells."""

    def __init__(self, zygote: object, options: Options) -> None:
        self.zygote, self.options = zygote, options

    def run(self, data: bytes, work: str, answer: str = ANSWER, threads: int = 1, clock: str = "process_time") -> float:
        """The answer of one piece of work in a cell."""
        from zygote_driver import Limits

        limits = Limits(cpu_s=600, wall_s=600, memory_bytes=6 << 30, output_bytes=1 << 30, threads=threads - 1)  # besides the first
        script = PRELUDE.format(clock=clock, work=work, answer=answer.format(clock=clock))
        report = self.zygote.run(script, inputs={"data": data}, limits=limits, timeout=600)
        if report.status != "DONE":
            raise RuntimeError(f"{work} failed in a cell: {report}")
        return report.result

    def inside(self, data: bytes, work: str, threads: int = 1, clock: str = "process_time") -> Callable[[], float]:
        """Milliseconds of one piece of work in a cell."""
        return lambda: self.run(data, work, threads=threads, clock=clock) * 1e3

    def xgboost(self, data: bytes, more: str = "", threads: int = 1, clock: str = "process_time") -> Callable[[], float]:
        """Milliseconds of training in xgboost's Python package, and of more."""
        path = self.options.scratch / "rows.npy"
        path.write_bytes(data)
        text = XGBOOST.format(clock=clock, threads=threads, more=more)
        environment = {"OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "passive"}
        return lambda: float(subprocess.check_output([PYTHON, "-c", text, path], text=True, env=environment)) * 1e3

    def row(self, what: str, ours: Callable[[], float], peer: str, theirs: Callable[[], float], goal: float | None) -> Row:
        mine, other = interleave(self.options.count(7), ours, theirs, budget_s=self.options.budget_s)
        return Row("builtin_models", what, "ms", Sample.of(mine), peer, Sample.of(other), goal)


def boosting(bench: Bench) -> list[Row]:
    """Training and prediction of 150,000 rows with 30 features."""
    data = table(15_000 if bench.options.quick else 150_000, 30)
    train = bench.inside(data, TRAIN)
    predict = "\n    ".join([f"model = {TRAIN}.trained_model", "features = io.BytesIO(); np.save(features, x)",
                             "begun = time.process_time()", "cella.builtins.gbdt_predict(model, features.getvalue())"])
    more = ("begun = time.process_time()\nimport io\n"
            "io.StringIO().writelines('%.10f\\n' % value for value in booster.predict(xgboost.DMatrix(x, nthread=1)))")
    histogram = "HistGradientBoostingClassifier(max_iter=100, max_depth=4, learning_rate=0.1, early_stopping=False).fit(x, y)"
    rows = [bench.row("gbdt_train", train, f"{SKLEARN} HistGradientBoosting", bench.inside(data, histogram), 1.0)]
    if subprocess.call([PYTHON, "-c", "import xgboost"], stderr=subprocess.DEVNULL) != 0:
        print("NOT INSTALLED: python3-xgboost, so nothing was compared with it", file=sys.stderr)
        return rows
    two = bench.inside(data, TRAIN, threads=2, clock="perf_counter")
    return [
        *rows,
        bench.row("gbdt_train", train, XGBOOST_NAME, bench.xgboost(data), 1.0),
        bench.row("gbdt_train, two threads, by the clock", two, XGBOOST_NAME,
                  bench.xgboost(data, threads=2, clock="perf_counter"), None),
        bench.row("gbdt_predict, as text", bench.inside(data, predict), XGBOOST_NAME, bench.xgboost(data, more), 1.0),
    ]


def logistic(bench: Bench, data: bytes, size: str) -> list[Row]:
    """Beside each of scikit-learn's solvers; how many digits they agree in is measured as well."""
    rows = []
    for solver in ("lbfgs", "newton-cg", "newton-cholesky"):
        fit = f"model = LogisticRegression(max_iter=10000, solver='{solver}', tol={1e-4 if solver == 'lbfgs' else 1e-8}).fit(x, y)"
        digits = bench.run(data, f"{fit}; ours = np.array(json.loads({LOGISTIC}.model_file)['parameters'])", DIGITS)
        row = bench.row(f"logistic_regression_train {size}", bench.inside(data, LOGISTIC), f"{SKLEARN} {solver}",
                        bench.inside(data, fit), 1.0)
        row.note = f"equal to {int(digits)} digits"
        rows.append(row)
    return rows


def linear(bench: Bench, rows: int, columns: int) -> list[Row]:
    """Logistic regression and principal components, from an array and from CSV."""
    rows = rows // 10 if bench.options.quick else rows
    data = table(rows, columns)
    csv = as_csv(data)
    size = f"{rows // 1000}k x {columns}"
    fit = "LogisticRegression(max_iter=1000).fit({0}[:, :-1], {0}[:, -1])"
    components = "PCA(5).fit_transform({0})"
    said = "pd.DataFrame({0}).to_csv(header=False, index=False)".format(components)

    def by_the_clock(work: str) -> Callable[[], float]:
        return bench.inside(data, work, threads=2, clock="perf_counter")

    return [
        *logistic(bench, data, size),
        bench.row(f"logistic_regression_train {size}, two threads, by the clock", by_the_clock(LOGISTIC), f"{SKLEARN} lbfgs",
                  by_the_clock(fit.format("rows")), None),
        bench.row(f"logistic_regression_train {size} from CSV", bench.inside(csv, LOGISTIC), f"pandas, {SKLEARN} lbfgs",
                  bench.inside(csv, "rows = frame(data); " + fit.format("rows")), 1.0),
        bench.row(f"principal_components_analysis {size}, coordinates as CSV", bench.inside(data, COMPONENTS), f"{SKLEARN}, pandas",
                  bench.inside(data, said.format("rows")), 1.0),
        bench.row(f"principal_components_analysis {size}, coordinates as CSV, two threads, by the clock", by_the_clock(COMPONENTS),
                  f"{SKLEARN}, pandas", by_the_clock(said.format("rows")), None),
        bench.row(f"principal_components_analysis {size} from CSV to CSV", bench.inside(csv, COMPONENTS), f"pandas, {SKLEARN}",
                  bench.inside(csv, said.format("frame(data)")), 1.0),
    ]


def measure(options: Options) -> list[Row]:
    """All rows of this subject."""
    os.environ["CELLA_BUILD"] = str(options.build)
    import zygote_driver

    with zygote_driver.ZygoteDriver("science") as zygote:
        bench = Bench(zygote, options)
        return [*boosting(bench), *linear(bench, 100_000, 50), *linear(bench, 20_000, 300)]
