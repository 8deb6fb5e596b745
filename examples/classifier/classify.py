# SPDX-License-Identifier: Apache-2.0
"""Classify images with somebody else's weights: company C's function. It sees both and can send neither anywhere.

    cella run examples/classifier/classify.py --at HOST:PORT --profile numpy \
        --input images=images.npy --input weights=weights.npz --output labels=labels.csv --arg threshold=0.5
"""

import cella
import numpy


def classify(images, weights, labels, threshold=0.5):
    """Write one line per image: its number, the digit, and how sure the model is; blank where it is not sure."""
    layers = weights.numpy()
    x = images.numpy().astype("float64") / 16.0
    inner = numpy.tanh(x @ layers["hidden_weight"] + layers["hidden_bias"])
    score = inner @ layers["out_weight"] + layers["out_bias"]
    score = numpy.exp(score - score.max(axis=1, keepdims=True))
    guess = score / score.sum(axis=1, keepdims=True)
    best = guess.argmax(axis=1)
    sure = guess.max(axis=1)
    rows = [
        {"image": i, "digit": int(best[i]) if sure[i] >= threshold else "", "confidence": round(float(sure[i]), 4)}
        for i in range(len(x))
    ]
    labels.csv(rows)
    cella.progress(1.0, "done")
    return {"images": len(rows), "sure": int((sure >= threshold).sum())}
