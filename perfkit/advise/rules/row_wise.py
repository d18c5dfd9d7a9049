"""A table is worked through row by row in Python.

Speaks when at least 10 % of the samples of the main thread, and half a second, lie below DataFrame.apply, iterrows or itertuples of pandas. Cure:
the same on whole columns, which is done in compiled code.

How the gain is told. An operation on whole columns takes a hundredth to a fifth of the time that a Python function called for each row takes; pandas' own manual
shows 100× and more for arithmetic, and string or date functions gain least. Sampling error is taken off the low end.

It is silent without stack samples, and for functions that are called a few times on whole columns (apply without axis=1 on a narrow table).
"""

from __future__ import annotations

import math
from typing import Any

from ...model.records import Finding, Interval
from ..sampled import place
from ..what_if import ms, percent

NEEDS_STEPS = False
MIN_SHARE, MIN_SECONDS = 0.10, 0.5
# Of its time, what is left on whole columns, at best and at worst.
LEFT = (0.01, 0.2)
SIGMAS = 2.0
LINK = "https://pandas.pydata.org/docs/user_guide/enhancingperf.html"

Row = dict[str, Any]


def check(hot_lines: list[Row], run_breakdown: list[Row]) -> Finding | None:
    """Judge lines of the script below pandas' loops over rows."""
    lines = [row for row in hot_lines if row.get("rows_share") and row["role"] == "main"]
    whole = sum(row["seconds"] for row in run_breakdown)
    windows = {row["window"] for row in lines}
    if not lines or len(windows) > 1 or not whole:
        return None
    share = sum(row["rows_share"] for row in lines)
    samples = max(row["samples"] / row["share"] for row in lines if row["share"])
    error = SIGMAS * math.sqrt(share * (1 - min(1.0, share)) / samples)
    if share < MIN_SHARE or share * whole < MIN_SECONDS or share - error <= 0:
        return None
    worst = max(lines, key=lambda row: row["rows_share"])
    return Finding(
        rule="row_wise",
        cause="python",
        title="Compute on whole columns instead of row by row",
        evidence={"row by row": f"{percent(share)} of the {ms(whole)} run", "at": place(worst)},
        saves=Interval(low=(share - error) * (1 - LEFT[1]), high=min(1.0, share + error) * (1 - LEFT[0])),
        basis="run",
        confidence="high",
        fix=None,
        how='frame["z"] = frame["x"] * frame["y"]   # instead of frame.apply(lambda row: row.x * row.y, axis=1)',
        links=[LINK],
    )
