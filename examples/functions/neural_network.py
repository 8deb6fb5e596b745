# SPDX-License-Identifier: Apache-2.0
"""Neural network: classes by a perceptron with hidden layers."""

import cella
import pandas
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def neural_network(training: cella.Input, data: cella.Input, predictions: cella.Output, target: str = "target",
                   layers: str = "64", epochs: int = 200, seed: int = 0):
    """Fit and classify.

    training: CSV with a header, one column named like target with the class. data: CSV with the other columns. predictions:
    CSV with class and its probability for each row of data. layers: neurons of each hidden layer, "64" or "128,32". The
    result has the accuracy on a fifth of the training rows that was kept out, and how many epochs there were.
    """
    known, asked = pandas.read_csv(training), pandas.read_csv(data)
    features = known.columns.drop(target)
    sizes = [int(size) for size in layers.split(",")]
    model = make_pipeline(StandardScaler(), MLPClassifier(sizes, max_iter=epochs, random_state=seed))
    parts = train_test_split(known[features].values, known[target].values, test_size=0.2, random_state=seed)
    model.fit(parts[0], parts[2])
    odds = model.predict_proba(asked[features].values)
    best = {target: model.classes_[odds.argmax(axis=1)], "probability": odds.max(axis=1)}
    pandas.DataFrame(best).to_csv(predictions, index=False)
    return {"accuracy": float(model.score(parts[1], parts[3])), "epochs": int(model[-1].n_iter_)}
