"""What happens now and then between the steady steps: evaluations, checkpoints, logging. How often, how long."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from ..model import marks
from .breakdown import leading_segment
from .intervals import Ints, decode, intervals
from .phases import evaluation_calls

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    from ..runs.reader import RankRecording

MOST_NAMES = 5


def steady_steps(steps: pl.DataFrame) -> pl.DataFrame:
    """The steady steps of the loop that took longest."""
    lead = leading_segment(steps)
    return lead.filter(lead["steady"]) if len(lead) else lead


def step_of(times: Ints, steady: pl.DataFrame) -> Ints:
    """For each time (ns) the row of the steady step it lies in, -1 outside of all."""
    starts, ends = steady["start_ns"].to_numpy(), steady["end_ns"].to_numpy()
    index = np.searchsorted(starts, times, side="right") - 1
    return np.where((index >= 0) & (times < ends[np.maximum(index, 0)]), index, -1)


def between(rows: Ints, steady: pl.DataFrame) -> float | None:
    """Steps from one occasion to the next (median), where *rows* are those it happened in; None for fewer than two."""
    numbers = steady["step"].to_numpy()[np.unique(rows)]
    return float(np.median(np.diff(numbers))) if numbers.size > 1 else None


def evaluations(recording: RankRecording, steps: pl.DataFrame) -> dict[str, Any] | None:
    """Evaluation inside training, None when there is none between the steady steps.

    seconds_per_step, count (bursts: those of one step are one), steps_between, calls (of models), with_grad (share of those
    with gradients enabled), batches_per_burst (median).
    """
    lead, steady = leading_segment(steps), steady_steps(steps)
    if not len(steady) or steady["mode"][0] != "training":
        return None
    found = decode(recording.marks)
    calls, backward = intervals(found, marks.FORWARD_ENTER), intervals(found, marks.BACKWARD_ENTER)
    edges = np.concatenate((lead["start_ns"].to_numpy()[:1], lead["end_ns"].to_numpy()))
    evaluating = evaluation_calls(calls, backward, edges)
    if evaluating is None:
        return None
    rows = step_of(calls.start_ns, steady)
    chosen = evaluating & (rows >= 0)
    if not chosen.any():
        return None
    return {
        **_regularity(rows[chosen], "evaluation_ns", steady),
        "calls": int(chosen.sum()),
        "with_grad": float(np.mean((calls.enter_a[chosen] & marks.FLAG_GRAD) > 0)),
        "batches_per_burst": float(np.median(np.unique(rows[chosen], return_counts=True)[1])),
    }


def checkpoints(recording: RankRecording, steps: pl.DataFrame) -> dict[str, Any] | None:
    """Saves between the steady steps, None without: seconds_per_step, count (occasions: the saves of one step are one),
    steps_between, seconds_each (per occasion), calls, called (names, most time first).
    """
    return _spans(recording, steps, marks.SAVE_ENTER, "checkpoint_ns")


def logging_calls(recording: RankRecording, steps: pl.DataFrame) -> dict[str, Any] | None:
    """The same of logging handlers and trackers."""
    return _spans(recording, steps, marks.LOG_ENTER, "logging_ns")


def _spans(recording: RankRecording, steps: pl.DataFrame, enter: int, column: str) -> dict[str, Any] | None:
    steady = steady_steps(steps)
    found = intervals(decode(recording.marks), enter)
    if not len(steady) or not len(found):
        return None
    rows = step_of(found.start_ns, steady)
    inside = found.where(rows >= 0)
    if not len(inside):
        return None
    return {
        **_regularity(rows[rows >= 0], column, steady),
        "calls": len(inside),
        "called": _names(recording, inside.obj, inside.end_ns - inside.start_ns),
    }


def _regularity(rows: NDArray[np.int64], column: str, steady: pl.DataFrame) -> dict[str, Any]:
    seconds, count = float(steady[column].sum()) / 1e9, int(np.unique(rows).size)
    return {
        "seconds_per_step": seconds / len(steady),
        "count": count,
        "steps_between": between(rows, steady),
        "seconds_each": seconds / count,
    }


def _names(recording: RankRecording, objects: Ints, lengths_ns: Ints) -> list[str]:
    names = {fact["id"]: str(fact["name"]) for fact in recording.facts_of("name")}
    total: Counter[str] = Counter()
    for obj, length in zip(objects.tolist(), lengths_ns.tolist(), strict=True):
        total[names.get(obj, "unknown")] += length
    return [name for name, _ in total.most_common(MOST_NAMES)]
