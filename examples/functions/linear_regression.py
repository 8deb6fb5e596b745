# SPDX-License-Identifier: Apache-2.0
"""Linear regression: a number as a weighted sum of columns, by least squares."""

import cella
import pandas
from sklearn.linear_model import LinearRegression


def linear_regression(training: cella.Input, data: cella.Input, predictions: cella.Output, target: str = "target"):
    """Fit and predict.

    training: CSV with a header, one column named like target. data: CSV with the other columns. predictions: CSV, one number
    for each row of data. The result has intercept, coefficients, and r2 (1: the training data are on a plane).
    """
    known, asked = pandas.read_csv(training), pandas.read_csv(data)
    features = known.columns.drop(target)
    if len(known) < 2:
        raise ValueError("training: two rows are the least")
    model = LinearRegression().fit(known[features].values, known[target].values)
    pandas.DataFrame({target: model.predict(asked[features].values)}).to_csv(predictions, index=False)
    return {"intercept": float(model.intercept_), "coefficients": dict(zip(features, model.coef_.tolist())),
            "r2": float(model.score(known[features].values, known[target].values)), "rows": len(asked)}
