"""Where steps end: from what the user said, else functions that do a step in one, else the optimizers, else backward passes, else the model's calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..model import marks
from .intervals import Intervals, Ints, Marks, intervals

# Longest cycle of several optimizers (or models) that is looked for, and how regular it must be.
MOST_IN_CYCLE, CYCLE_REGULARITY = 64, 0.98


@dataclass(frozen=True, kw_only=True)
class Segment:
    """One of the script's loops: ends of its steps, and where its first step begins; times in ns."""

    mode: Literal["training", "inference"]
    #: What ended the steps: "perfkit.step", "--step-on", "train function", "optimizer", "backward", "predict function", "model call".
    by: str
    start_ns: int
    ends_ns: Ints
    #: Which call each step belongs to, where one call makes several: their ends are evenly spaced, and the call's time is divided evenly.
    calls: Ints | None = None


def segments(found: Marks) -> list[Segment]:
    """The script's loops in time order; empty when no step can be seen."""
    said = found.of(marks.STEP)
    if len(said):
        by = "perfkit.step" if (said.obj == 0).any() else "--step-on"
        ends = said.time_ns[said.obj == (0 if by == "perfkit.step" else 1)]
        mode: Literal["training", "inference"] = "training" if trains(found) else "inference"
        return [Segment(mode=mode, by=by, start_ns=_loop_start(found, None, int(ends[0])), ends_ns=ends)]
    if len(training := steps_in_one(found, marks.ROLE_TRAIN)):
        return _by_function(found, training, "training")
    optimizers = intervals(found, marks.OPTIMIZER_ENTER)
    if len(optimizers):
        return _by_optimizer(found, optimizers)
    if len(found.of(marks.BACKWARD_EXIT)):
        return _by_backward(found)
    for role in (marks.ROLE_PREDICT, marks.ROLE_EVALUATE):
        if len(predicting := steps_in_one(found, role)):
            return _by_function(found, predicting, "inference")
    return _by_call(found)


def trains(found: Marks) -> bool:
    """Whether these marks are of a training."""
    functions = found.of(marks.FUNCTION_ENTER)
    return bool(
        np.isin(found.kind, (marks.OPTIMIZER_EXIT, marks.BACKWARD_EXIT)).any()
        or (functions.a == marks.ROLE_TRAIN).any()
    )


def steps_in_one(found: Marks, role: int) -> Intervals:
    """Calls of functions that have made steps in that role."""
    functions = intervals(found, marks.FUNCTION_ENTER)
    return functions.where((functions.enter_a == role) & (functions.exit_b > 0))


def _by_function(found: Marks, functions: Intervals, mode: Literal["training", "inference"]) -> list[Segment]:
    by = "train function" if mode == "training" else "predict function"
    made = []
    previous_end: int | None = None
    for part in _groups(functions.obj):
        closing = part[cycle_ends(functions.obj[part])]
        if closing.size:
            start = _loop_start(found, previous_end, int(functions.start_ns[part][0]) + 1)
            ends, calls = divided(start, functions.end_ns[closing], functions.exit_b[closing])
            made.append(Segment(mode=mode, by=by, start_ns=start, ends_ns=ends, calls=calls))
            previous_end = int(ends[-1])
    return made


def divided(start_ns: int, ends: Ints, steps: Ints) -> tuple[Ints, Ints | None]:
    """Ends of steps, evenly spaced between the ends of calls that make several; and which call each belongs to, if any does."""
    if (steps <= 1).all():
        return ends, None
    calls = np.repeat(np.arange(ends.size), steps)
    begun = np.concatenate(([start_ns], ends[:-1]))
    nth = np.arange(calls.size) - np.repeat(np.cumsum(steps) - steps, steps) + 1
    return begun[calls] + (ends - begun)[calls] * nth // steps[calls], calls


def _by_optimizer(found: Marks, steps: Intervals) -> list[Segment]:
    made = []
    previous_end: int | None = None
    for part in _groups(steps.obj):
        ends = steps.end_ns[part][cycle_ends(steps.obj[part])]
        if ends.size:
            first_backward = _first_after(found, marks.BACKWARD_ENTER, previous_end, int(ends[0]))
            start = _loop_start(found, previous_end, first_backward or int(steps.start_ns[part][0]))
            made.append(Segment(mode="training", by="optimizer", start_ns=start, ends_ns=ends))
            previous_end = int(ends[-1])
    return made


def _by_backward(found: Marks) -> list[Segment]:
    """Hand-written updates: a step ends where the next batch or forward begins after a backward."""
    backward = intervals(found, marks.BACKWARD_ENTER)
    opening = found.of(marks.LOADER_ENTER, marks.LOADER_START_ENTER, marks.FORWARD_ENTER).time_ns
    if not len(backward):
        return []
    if opening.size == 0:
        ends = backward.end_ns
    else:
        following = np.searchsorted(opening, backward.end_ns)
        ends = np.unique(opening[following[following < opening.size]])
        if backward.end_ns[-1] > (ends[-1] if ends.size else -1):
            ends = np.append(ends, backward.end_ns[-1])
    start = _loop_start(found, None, int(backward.start_ns[0]))
    return [Segment(mode="training", by="backward", start_ns=start, ends_ns=ends)]


def _by_call(found: Marks) -> list[Segment]:
    calls = intervals(found, marks.FORWARD_ENTER)
    made = []
    previous_end: int | None = None
    for part in _groups(calls.obj):
        ends = calls.end_ns[part][cycle_ends(calls.obj[part])]
        if ends.size:
            start = _loop_start(found, previous_end, int(calls.start_ns[part][0]) + 1)
            made.append(Segment(mode="inference", by="model call", start_ns=start, ends_ns=ends))
            previous_end = int(ends[-1])
    return made


def _groups(objects: Ints) -> list[NDArray[np.int64]]:
    """Indices of the objects that belong to one loop: those whose spans of appearance overlap (a GAN's two optimizers do,
    the optimizers of successive folds do not).
    """
    spans = []
    for obj in np.unique(objects):
        at = np.flatnonzero(objects == obj)
        spans.append((int(at[0]), int(at[-1])))
    spans.sort()
    merged: list[list[int]] = []
    for first, last in spans:
        if merged and first <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], last)
        else:
            merged.append([first, last])
    return [np.arange(first, last + 1) for first, last in merged]


def cycle_ends(objects: Ints) -> NDArray[np.int64]:
    """Indices at which a cycle of *objects* ends: every index for one object, the last of D, G, D, G … for two."""
    n = objects.size
    period = 1
    if np.unique(objects).size > 1:
        period = next((p for p in range(1, min(MOST_IN_CYCLE, n // 2) + 1) if _repeats(objects, p)), 1)
    closing = objects[min(period, n) - 1]
    if np.count_nonzero(objects[:period] == closing) == 1 and np.unique(objects).size > 1 and period > 1:
        return np.flatnonzero(objects == closing)
    return np.arange(period - 1, n, period)


def _repeats(objects: Ints, period: int) -> bool:
    return bool(np.mean(objects[period:] == objects[:-period]) >= CYCLE_REGULARITY)


def _first_after(found: Marks, kind: int, after_ns: int | None, before_ns: int) -> int | None:
    times = found.time_ns[found.kind == kind]
    times = times[(times > (after_ns if after_ns is not None else -1)) & (times <= before_ns)]
    return int(times[0]) if times.size else None


def _loop_start(found: Marks, after_ns: int | None, before_ns: int) -> int:
    """When the loop's first step began: the last loader start, batch, zero_grad or forward before its first backward,
    whichever of them came first.
    """
    candidates = []
    openings = (
        marks.LOADER_START_ENTER, marks.LOADER_ENTER, marks.ZERO_GRAD_ENTER, marks.FORWARD_ENTER, marks.FUNCTION_ENTER,
    )  # fmt: skip
    for kind in openings:
        times = found.time_ns[found.kind == kind]
        times = times[(times > (after_ns if after_ns is not None else -1)) & (times < before_ns)]
        if times.size:
            candidates.append(int(times[-1]))
    return min(candidates) if candidates else before_ns
