# SPDX-License-Identifier: Apache-2.0
"""numpy on inputs and outputs that are ordinary binary files."""

import io

import numpy as np
import numpy.ma
from numpy.lib.stride_tricks import sliding_window_view
from numpy.polynomial import Polynomial


def main(values, archive, table, doubled, both, seed=5):
    array = np.load(values)
    arrays = np.load(archive)
    rows = np.genfromtxt(table, delimiter=",", names=True)
    table.seek(0)
    plain = np.loadtxt(table, delimiter=",", skiprows=1)
    np.save(doubled, array * 2)
    np.savez_compressed(both, a=array, b=plain)
    text = io.StringIO()
    np.savetxt(text, plain, fmt="%.3f")
    old, new = np.random.RandomState(seed), np.random.default_rng(seed)
    np.random.seed(seed)
    words = np.array(["one", "two", "three"])
    record = np.array([(1, 2.5, "x")], dtype=[("n", "i4"), ("v", "f8"), ("s", "U3")])
    masked = numpy.ma.masked_less(array, 2)
    q, r = np.linalg.qr(new.normal(size=(4, 4)))
    return {
        "sum": float(array.sum()), "names": list(rows.dtype.names), "archive": {name: float(arrays[name].sum()) for name in arrays.files},
        "column": rows["b"].tolist(), "text": text.getvalue(), "legacy": old.normal(size=3).tolist(),
        "global": np.random.rand(2).tolist(), "choice": new.choice(10, 4, replace=False).tolist(),
        "permutation": new.permutation(5).tolist(), "fft": np.abs(np.fft.fft(array)).round(9).tolist(),
        "einsum": float(np.einsum("i,j->", array, array)), "window": sliding_window_view(array, 2).mean(axis=1).tolist(),
        "poly": Polynomial.fit([0, 1, 2], [1, 2, 5], 2).convert().coef.round(9).tolist(),
        "upper": np.char.upper(words).tolist(), "record": float(record["v"][0]), "masked": float(masked.mean()),
        "dates": np.arange("2024-02-27", "2024-03-02", dtype="M8[D]").astype(str).tolist(),
        "busy": int(np.busday_count("2024-01-01", "2024-02-01")), "unique": np.unique([3, 1, 3], return_counts=True)[1].tolist(),
        "orthogonal": bool(np.allclose(q @ q.T, np.eye(4))), "triangle": float(np.trace(r).round(9)),
        "histogram": np.histogram(array, 3)[0].tolist(), "bits": np.packbits([1, 0, 1]).tolist(),
        "printed": str(np.arange(6).reshape(2, 3)), "address": int(array.ctypes.data % 8), "half": float(np.float16(0.1)),
    }


if __name__ == "__main__":
    print("call main() with files")
