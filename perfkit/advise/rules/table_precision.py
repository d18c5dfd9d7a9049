"""Numerical methods compute in float64 where float32 would do.

Speaks when estimators that keep float32 (linear models, PCA, k-means, neighbours, scalers) were fitted on or asked with float64 for at least 20 % of the run and a
second. Cure: convert the table once, X.astype(np.float32).

How the gain is told. Half the bytes and twice the lanes of a processor halve the time at best; iterations, Python and conversions stay, and some solvers need more steps:
0 to 50 % of the stage's time, of which at least 10 % is told as the low end. Results change in the seventh digit.

It is silent for trees and forests, which convert to float32 by themselves, and for tables that are float32 already.
"""

from __future__ import annotations

import re
from typing import Any

from ...model.records import Finding, Interval
from ..staged import outer
from ..what_if import ms, percent

NEEDS_STEPS = False
MIN_SHARE, MIN_SECONDS = 0.20, 1.0
# Of the stages' time, what may go.
GOES = (0.1, 0.5)
# Of scikit-learn 1.9: classes that compute in float32 when they are given it.
KEEPS = re.compile(r"^(PCA|TruncatedSVD|IncrementalPCA|NMF|MiniBatchNMF|FactorAnalysis|KMeans|MiniBatchKMeans|BisectingKMeans|GaussianMixture|"
                   r"LogisticRegression|Ridge|LinearRegression|Lasso|ElasticNet|SGD|MLP|KNeighbors|NearestNeighbors|StandardScaler|MinMaxScaler|"
                   r"LinearDiscriminantAnalysis|KernelRidge|Birch|Nystroem)")  # fmt: skip

Row = dict[str, Any]


def check(stages: list[Row]) -> Finding | None:
    """Judge the stages that could compute in float32."""
    keeping = outer(stages, lambda row, _: bool(KEEPS.match(row["name"])))
    found = [row for row in keeping if row["dtype"] == "float64" and row["share"]]
    seconds, share = sum(row["seconds"] for row in found), sum(row["share"] for row in found)
    if share < MIN_SHARE or seconds < MIN_SECONDS:
        return None
    names = list(dict.fromkeys(row["name"] for row in sorted(found, key=lambda row: -row["seconds"])))
    return Finding(
        rule="table_precision",
        cause="precision",
        title="Give the table as float32",
        evidence={
            "in float64": ", ".join(names[:3]),
            "takes": f"{ms(seconds)} of the {ms(seconds / share)} run ({percent(share)})",
        },
        saves=Interval(low=GOES[0] * share, high=GOES[1] * share),
        basis="run",
        confidence="low",
        fix=None,
        how="X = X.astype(np.float32)   # once, before it is used",
    )
