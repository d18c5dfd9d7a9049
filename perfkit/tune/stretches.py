"""The time that a sample takes in stretches of steps that the script's process itself marked out: turns of a screening, legs of a relay."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from ..runs.reader import Run

Row = dict[str, Any]


def facts_of(run: Run, kind: str) -> list[Row]:
    """What the first rank noted of that *kind*."""
    return [fact for rank in run.ranks[:1] for fact in rank.facts_of(kind)]


def log_seconds(steps: pl.DataFrame, facts: Sequence[Row], *, per: str | None = None) -> list[float]:
    """Log of the seconds per sample in each stretch from ``from_ns`` to ``to_ns``; per step where *per* is "step", or is None and
    samples cannot be counted.

    Evaluation and checkpoints are left out. NaN for a stretch that holds no steps of the table.
    """
    middle = (steps["start_ns"].to_numpy() + steps["end_ns"].to_numpy()) / 2
    duration = steps["duration_ns"].to_numpy() / 1e9
    samples = steps["samples"].to_numpy().astype(float)
    masks = [(middle > fact["from_ns"]) & (middle <= fact["to_ns"]) for fact in facts]
    timed = np.logical_or.reduce(masks) if masks else np.zeros(middle.size, dtype=bool)
    if per is None:
        per = "sample" if timed.any() and np.isfinite(samples[timed]).all() and (samples[timed] > 0).all() else "step"
    amount = samples if per == "sample" else np.ones(middle.size)
    return [
        math.log(duration[mask].sum() / amount[mask].sum()) if mask.any() and duration[mask].sum() > 0 else math.nan
        for mask in masks
    ]
