"""The same data are transformed again by the same object.

Speaks when transforming or predicting was asked of an estimator with the very same object that it had been given before, with nothing fitted
in between, and this took at least 5 % of the run and half a second. Cure: keep the result.

How the gain is told. It is the time of the calls that were not the first of their kind; at the low end a tenth less, for what keeping the result
costs. Data that were changed in place between the calls look like the same: look before you change it, which is why the confidence is medium.

It is silent where data are given anew (a new array, a new slice), since nobody can tell by looking that they are equal.
"""

from __future__ import annotations

from typing import Any

from ...model.records import Finding, Interval
from ..what_if import ms, percent

NEEDS_STEPS = False
MIN_SHARE, MIN_SECONDS = 0.05, 0.5
KEEPING = 0.1
KINDS = ("transform", "predict")

Row = dict[str, Any]


def check(stages: list[Row]) -> Finding | None:
    """Judge calls that came again."""
    repeated = [row for row in stages if row["kind"] in KINDS and row["repeated_seconds"] and row["share"]]
    if not repeated:
        return None
    whole = repeated[0]["seconds"] / repeated[0]["share"]
    seconds = sum(row["repeated_seconds"] for row in repeated)
    if seconds < MIN_SECONDS or seconds / whole < MIN_SHARE:
        return None
    worst = max(repeated, key=lambda row: row["repeated_seconds"])
    return Finding(
        rule="repeated_stage",
        cause="python",
        title=f"Keep what {worst['name']} gave",
        evidence={
            "again with the same data": ", ".join(f"{row['name']} ({row['calls']}×)" for row in repeated),
            "takes": f"{ms(seconds)} of the {ms(whole)} run ({percent(seconds / whole)})",
        },
        saves=Interval(low=(1 - KEEPING) * seconds / whole, high=seconds / whole),
        basis="run",
        confidence="medium",
        fix=None,
        how="features = scaler.transform(X)   # once, outside the loop; Pipeline(..., memory=folder) keeps it between fits",
    )
