# SPDX-License-Identifier: Apache-2.0
"""Gaussian mixture: groups as overlapping normal distributions, with the probability of each for every row."""

import cella
import pandas
from sklearn.mixture import GaussianMixture
from sklearn.preprocessing import StandardScaler


def gaussian_mixture(data: cella.Input, probabilities: cella.Output, components: int = 2, seed: int = 0):
    """Fit a mixture.

    data: CSV with a header. probabilities: CSV, one row for each row of data, one column for each component. The result has
    weights and means of the components, in the units of the columns, and the Bayesian information criterion: of several
    numbers of components the one with the lowest fits best.
    """
    table = pandas.read_csv(data).select_dtypes("number")
    scaler = StandardScaler().fit(table.values)
    scaled = scaler.transform(table.values)
    model = GaussianMixture(components, random_state=seed).fit(scaled)
    header = [f"component_{number}" for number in range(components)]
    pandas.DataFrame(model.predict_proba(scaled), columns=header).to_csv(probabilities, index=False)
    means = pandas.DataFrame(scaler.inverse_transform(model.means_), columns=table.columns)
    return {"weights": model.weights_.tolist(), "means": means.to_dict("records"), "bic": float(model.bic(scaled))}
