# SPDX-License-Identifier: Apache-2.0
# Logistic regression by gradient descent; the model goes to an output with marshal.
import marshal
from _numpypy import multiarray as np
from _numpypy import umath


def load(name):
    rows = []
    labels = []
    with teaclave_open(name, "rb") as source:
        for line in source.readlines():
            fields = line.strip().split(",")
            rows.append(fields[:-1])
            labels.append([fields[-1]])
    return np.array(rows), np.array(labels)


def scale(data):
    low = data.min(0)
    high = data.max(0)
    return (data - low) / (high - low), low, high


def sigmoid(x):
    return 1 / (1 + umath.exp(-x))


def entrypoint(argv):
    arguments = dict(zip(argv[0::2], argv[1::2]))
    data, labels = load("training_data")
    data, low, high = scale(data)
    count, width = data.shape
    weights = np.zeros((width, 1))
    bias = 0.0
    rate = float(arguments["rate"])
    for _ in range(int(arguments["rounds"])):
        error = sigmoid(data.dot(weights) + bias) - labels
        weights = weights - data.T.dot(error) * (rate / count)
        bias = bias - rate * error.sum() / count
    model = {"weights": weights, "bias": bias, "shape": weights.shape, "low": low, "high": high}
    with teaclave_open("model", "wb") as target:
        target.write(marshal.dumps(model))
    print(weights)
    return "trained %d lines" % count
