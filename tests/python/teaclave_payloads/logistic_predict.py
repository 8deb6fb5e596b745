# SPDX-License-Identifier: Apache-2.0
# Applies the model that logistic_train.py made.
import _numpypy
import marshal

np = _numpypy.multiarray


def entrypoint(argv):
    with teaclave_open("model", "rb") as source:
        model = marshal.loads(source.read())
    rows, columns = model["shape"]
    weights = np.frombuffer(model["weights"]).reshape(rows, columns)
    low = np.frombuffer(model["low"])
    high = np.frombuffer(model["high"])
    bias = np.frombuffer(model["bias"])[0]
    lines = []
    with teaclave_open("data", "rb") as source:
        for line in source:
            row = (np.array(line.strip().split(",")) - low) / (high - low)
            chance = 1 / (1 + _numpypy.umath.exp(-(row.dot(weights)[0] + bias)))
            lines.append("%d %.6f" % (1 if chance > 0.5 else 0, chance))
    with teaclave_open("result", "wb") as target:
        target.write("\n".join(lines))
    return "predicted %d lines" % len(lines)
