# SPDX-License-Identifier: Apache-2.0
"""Gaussian process: a smooth curve through points, with its uncertainty. For up to some thousand rows."""

import cella
import pandas
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
from sklearn.preprocessing import StandardScaler


def gaussian_process(training: cella.Input, data: cella.Input, predictions: cella.Output, target: str = "target", seed: int = 0):
    """Predict numbers and how uncertain they are.

    training: CSV with a header, one column named like target. data: CSV with the other columns. predictions: CSV with mean and
    standard deviation for each row of data. The result has the fitted kernel and the logarithm of the marginal likelihood.
    """
    known, asked = pandas.read_csv(training), pandas.read_csv(data)
    features = known.columns.drop(target)
    scaler = StandardScaler().fit(known[features].values)
    kernel = ConstantKernel() * RBF([1.0] * len(features), (1e-2, 1e3)) + WhiteKernel()
    model = GaussianProcessRegressor(kernel, normalize_y=True, n_restarts_optimizer=2, random_state=seed)
    model.fit(scaler.transform(known[features].values), known[target].values)
    mean, deviation = model.predict(scaler.transform(asked[features].values), return_std=True)
    pandas.DataFrame({"mean": mean, "deviation": deviation}).to_csv(predictions, index=False)
    return {"kernel": str(model.kernel_), "log_likelihood": float(model.log_marginal_likelihood_value_), "rows": len(asked)}
