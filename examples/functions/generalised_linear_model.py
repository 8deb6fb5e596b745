# SPDX-License-Identifier: Apache-2.0
"""Generalised linear model: counts (poisson), positive amounts (gamma) or any number (normal) from columns."""

import cella
import pandas
from sklearn.linear_model import TweedieRegressor
from sklearn.preprocessing import StandardScaler

POWER = {"normal": 0, "poisson": 1, "gamma": 2}


def generalised_linear_model(training: cella.Input, data: cella.Input, predictions: cella.Output, target: str = "target",
                             family: str = "poisson", penalty: float = 0.0):
    """Fit and predict.

    training: CSV with a header, one column named like target. data: CSV with the other columns. predictions: CSV, one number
    for each row of data. The link is the logarithm, for normal the identity. The result has intercept and coefficients of the
    scaled columns, and d2, the part of the deviance that is explained.
    """
    known, asked = pandas.read_csv(training), pandas.read_csv(data)
    features = known.columns.drop(target)
    if family not in POWER:
        raise ValueError(f"family is one of {', '.join(POWER)}, not {family!r}")
    if known[target].nunique() < 2:
        raise ValueError(f"training: column {target!r} has fewer than two values")
    scaler = StandardScaler().fit(known[features].values)
    model = TweedieRegressor(power=POWER[family], alpha=penalty, max_iter=1000, tol=1e-6)
    model.fit(scaler.transform(known[features].values), known[target].values)
    pandas.DataFrame({target: model.predict(scaler.transform(asked[features].values))}).to_csv(predictions, index=False)
    return {"intercept": float(model.intercept_), "coefficients": dict(zip(features, model.coef_.tolist())),
            "d2": float(model.score(scaler.transform(known[features].values), known[target].values)), "rows": len(asked)}
