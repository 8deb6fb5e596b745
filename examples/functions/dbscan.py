# SPDX-License-Identifier: Apache-2.0
"""DBSCAN: groups of any shape where rows lie densely; the others are noise, group -1."""

import cella
import pandas
from sklearn.cluster import DBSCAN
from sklearn.preprocessing import StandardScaler


def dbscan(data: cella.Input, labels: cella.Output, radius: float = 0.5, neighbours: int = 5):
    """Group rows.

    data: CSV with a header. labels: CSV, one row for each row of data with its group, or -1. radius: in standard deviations of
    the columns. neighbours: how many rows within it make a row part of a group's core. The result has the size of each group
    and how many rows are noise and core.
    """
    table = pandas.read_csv(data).select_dtypes("number")
    model = DBSCAN(eps=radius, min_samples=neighbours).fit(StandardScaler().fit_transform(table.values))
    labels.csv([[int(label)] for label in model.labels_], header=["group"])
    sizes = pandas.Series(model.labels_).value_counts().sort_index()
    return {"sizes": sizes[sizes.index >= 0].tolist(), "noise": int(sizes.get(-1, 0)), "core": len(model.core_sample_indices_)}
