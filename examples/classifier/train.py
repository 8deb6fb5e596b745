# SPDX-License-Identifier: Apache-2.0
"""Train a small image classifier: company B's function. Runs in a cell of profile `numpy`, and anywhere else.

    cella run examples/classifier/train.py --at HOST:PORT --profile numpy \
        --input images=images.npy --input labels=labels.npy --output weights=weights.npz
"""

import io

import cella
import numpy


def train(images, labels, weights, epochs=120, hidden=48, rate=0.3, seed=1):
    """One hidden layer, softmax, full batches with momentum. The same inputs give the same weights."""
    x = images.numpy().astype("float64") / 16.0
    y = labels.numpy()
    random = numpy.random.default_rng(seed)
    classes = int(y.max()) + 1
    wanted = numpy.eye(classes)[y]
    layers = [
        random.normal(0, x.shape[1] ** -0.5, (x.shape[1], hidden)),
        numpy.zeros(hidden),
        random.normal(0, hidden ** -0.5, (hidden, classes)),
        numpy.zeros(classes),
    ]
    speed = [numpy.zeros_like(layer) for layer in layers]
    for epoch in range(epochs):
        inner = numpy.tanh(x @ layers[0] + layers[1])
        score = inner @ layers[2] + layers[3]
        score = numpy.exp(score - score.max(axis=1, keepdims=True))
        guess = score / score.sum(axis=1, keepdims=True)
        outer = (guess - wanted) / len(x)
        back = (outer @ layers[2].T) * (1 - inner * inner)
        slopes = [x.T @ back, back.sum(axis=0), inner.T @ outer, outer.sum(axis=0)]
        for i, slope in enumerate(slopes):
            speed[i] = 0.9 * speed[i] - rate * slope
            layers[i] = layers[i] + speed[i]
        if (epoch + 1) % 20 == 0:
            cella.progress((epoch + 1) / epochs, f"epoch {epoch + 1}, loss {-(wanted * numpy.log(guess)).sum() / len(x):.3f}")
    file = io.BytesIO()
    numpy.savez(file, **dict(zip(("hidden_weight", "hidden_bias", "out_weight", "out_bias"), layers)))
    weights.write(file.getvalue())
    loss = -numpy.log(guess[numpy.arange(len(y)), y]).mean()
    return {"images": len(x), "loss": round(float(loss), 4)}
