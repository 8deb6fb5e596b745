# SPDX-License-Identifier: Apache-2.0
"""k-means: groups of rows that lie near each other. Every column of numbers counts the same."""

import cella
import pandas
from sklearn.cluster import KMeans
from sklearn.preprocessing import StandardScaler


def kmeans(data: cella.Input, labels: cella.Output, clusters: int = 8, seed: int = 0):
    """Group rows.

    data: CSV with a header. labels: CSV, one row for each row of data with its group. The result has the size of each group,
    the groups' centres in the units of the columns, and the inertia (squared distances to centres, columns scaled).
    """
    table = pandas.read_csv(data).select_dtypes("number")
    scaler = StandardScaler().fit(table.values)
    model = KMeans(n_clusters=clusters, n_init=10, random_state=seed).fit(scaler.transform(table.values))
    labels.csv([[int(label)] for label in model.labels_], header=["group"])
    centres = pandas.DataFrame(scaler.inverse_transform(model.cluster_centers_), columns=table.columns)
    sizes = pandas.Series(model.labels_).value_counts().reindex(range(clusters), fill_value=0)
    return {"sizes": sizes.tolist(), "centres": centres.to_dict("records"), "inertia": float(model.inertia_)}
