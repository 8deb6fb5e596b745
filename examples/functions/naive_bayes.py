# SPDX-License-Identifier: Apache-2.0
"""Naive Bayes: the likeliest class, as if the columns had nothing to do with each other. Needs few rows."""

import cella
import pandas
from sklearn.model_selection import cross_val_score
from sklearn.naive_bayes import GaussianNB


def naive_bayes(training: cella.Input, data: cella.Input, predictions: cella.Output, target: str = "target"):
    """Fit and classify.

    training: CSV with a header, one column named like target with the class. data: CSV with the other columns. predictions:
    CSV with class and its probability for each row of data. The result has the share of each class and the accuracy of
    five-fold cross-validation.
    """
    known, asked = pandas.read_csv(training), pandas.read_csv(data)
    features = known.columns.drop(target)
    model = GaussianNB().fit(known[features].values, known[target].values)
    odds = model.predict_proba(asked[features].values)
    best = {target: model.classes_[odds.argmax(axis=1)], "probability": odds.max(axis=1)}
    pandas.DataFrame(best).to_csv(predictions, index=False)
    accuracy = cross_val_score(GaussianNB(), known[features].values, known[target].values, cv=5).mean()
    return {"classes": dict(zip(map(str, model.classes_), model.class_prior_.tolist())), "accuracy": float(accuracy)}
