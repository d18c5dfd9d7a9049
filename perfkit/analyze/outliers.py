"""Slow steps among the steady ones: how much time they take, whether they come regularly, and with what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .occasions import steady_steps, step_of
from .pauses import collections, compiling

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    from ..runs.reader import RankRecording

# A step this many times the median is slow. Ordinary noise of a shared machine stays below.
SLOW = 1.5
# Something causes a slow step when it takes at least this share of what the step takes beyond the median.
EXPLAINS = 0.5
# As many slow steps, and as large a share of equal distances between them, make them regular.
FEWEST_REGULAR, REGULAR = 4, 0.75


def outliers(recording: RankRecording, steps: pl.DataFrame) -> dict[str, Any] | None:
    """None without a steady step; else of the steady steps by wall time: count of slow ones, share_of_time they take beyond the
    median, period (in steps; None when irregular), and coincide: how many of them are explained by gc,
    compile, evaluation, checkpoint, logging, input (waiting for data) and none of these.
    """
    steady = steady_steps(steps)
    if not len(steady):
        return None
    wall = steady["wall_ns"].to_numpy().astype(np.float64)
    excess = wall - np.median(wall)
    slow = wall > SLOW * np.median(wall)
    return {
        "share_of_time": float(excess[slow].sum() / wall.sum()),
        "count": int(slow.sum()),
        "period": _period(steady["step"].to_numpy()[slow]),
        "coincide": _coincide(_causes(recording, steady), excess, slow),
    }


def _causes(recording: RankRecording, steady: pl.DataFrame) -> dict[str, NDArray[np.float64]]:
    """Time of each possible cause in each steady step, ns."""
    found = collections(recording)
    rows = step_of(found[:, 0], steady)
    collected = np.bincount(rows[rows >= 0], weights=found[rows >= 0, 2], minlength=len(steady))
    began, ended = compiling(recording.marks)
    row = step_of(began, steady)
    compiled = np.bincount(row[row >= 0], weights=(ended - began)[row >= 0], minlength=len(steady))
    data = steady["data_ns"].fill_null(0).to_numpy().astype(np.float64)
    return {
        "gc": collected,
        "compile": compiled,
        "evaluation": steady["evaluation_ns"].to_numpy(),
        "checkpoint": steady["checkpoint_ns"].to_numpy(),
        "logging": steady["logging_ns"].to_numpy(),
        "input": data - np.median(data),
    }


def _coincide(
    causes: dict[str, NDArray[np.float64]], excess: NDArray[np.float64], slow: NDArray[np.bool_]
) -> dict[str, int]:
    explained = np.zeros(slow.size, dtype=bool)
    found = {}
    for name, spent in causes.items():
        explains = slow & (spent >= EXPLAINS * excess)
        explained |= explains
        found[name] = int(explains.sum())
    return {**found, "none": int((slow & ~explained).sum())}


def _period(numbers: NDArray[np.int64]) -> int | None:
    if numbers.size < FEWEST_REGULAR:
        return None
    distances = np.diff(numbers)
    middle = int(np.median(distances))
    return middle if middle > 1 and float(np.mean(distances == middle)) >= REGULAR else None
