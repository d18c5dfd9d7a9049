"""The steps table from raw marks: what a step is, how long each of its phases took, what it processed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..model import marks
from ..model.tables import STEPS
from ..stats.steady import warmup_end
from .boundaries import Segment, segments
from .intervals import Intervals, Ints, Marks, decode, intervals, union
from .phases import evaluation_calls, evaluation_spans, phase_totals, sparse_ends

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from ..runs.reader import RankRecording

# After a window the first step still pays for it: caches refill, freed memory is faulted in again.
STEPS_AFTER_WINDOW = 1
# What cannot be told of a step of which only the ends and the batches were marked.
DETAILS = ("prepare", "forward", "backward", "optimizer", "other")
#: What ends the steps of loops whose work is done in one function; and the phases that such a function may tell of inside, by their marks.
FUNCTIONS = ("train function", "predict function")
INSIDE = {"forward": marks.FORWARD_ENTER, "backward": marks.BACKWARD_ENTER, "optimizer": marks.OPTIMIZER_ENTER}
# A stack sampler disturbs a step little, a trace window much: sampled steps are set aside only where this many others remain
# (a script whose steps all fall into the first half second still has a step time).
ENOUGH_UNDISTURBED = 8


def derive(recording: RankRecording, *, excluded: Sequence[tuple[int, int]] = ()) -> pl.DataFrame:
    """Steps of one rank, schema ``model.tables.STEPS``; no rows when no step can be seen.

    *excluded* are time ranges (CLOCK_MONOTONIC, ns) in which something else disturbed the script (a stack sampler): the steps
    that they touch count as traced, unless too few others remain. So do, always, those in which a relay made the process wait, which is
    no part of their duration.
    """
    import polars as pl

    found = decode(recording.marks)
    paused = [(int(fact["from_ns"]), int(fact["to_ns"])) for fact in recording.facts_of("pause")]
    parts = [
        _segment_columns(found, segment, number, excluded, paused) for number, segment in enumerate(segments(found))
    ]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]} if parts else {}
    count = len(columns["end_ns"]) if columns else 0
    series = []
    for column in STEPS.columns:
        dtype = getattr(pl, column.dtype)
        values: Any = columns.get(column.name)
        if column.name == "rank":
            values = np.full(count, recording.rank)
        elif column.name == "step":
            values = np.arange(count)
        series.append(_series(column.name, dtype, values if values is not None else []))
    return pl.DataFrame(series)


def _series(name: str, dtype: Any, values: Any) -> pl.Series:
    import polars as pl

    if isinstance(values, np.ndarray) and values.dtype == np.float64:  # NaN stands for "not known"
        return pl.Series(name, values).fill_nan(None).cast(dtype)
    return pl.Series(name, values, dtype=dtype)


def _segment_columns(
    found: Marks, segment: Segment, number: int, excluded: Sequence[tuple[int, int]], paused: Sequence[tuple[int, int]]
) -> dict[str, NDArray[Any]]:
    edges = np.concatenate(([segment.start_ns], segment.ends_ns))
    totals = {phase: _evened(total, segment.calls) for phase, total in phase_totals(found, segment).items()}
    wall = np.diff(edges)
    duration = wall - totals["window"] - totals["evaluation"] - totals["checkpoint"] - _within(edges, paused)
    traced = _disturbed(edges, found, excluded, paused)
    detailed = _count_in(edges, sparse_ends(found)) == 0
    loader = intervals(found, marks.LOADER_ENTER)
    has_loader = bool(len(loader)) and bool(((loader.start_ns >= edges[0]) & (loader.start_ns <= edges[-1])).any())
    samples, tokens = (
        _evened(counted, segment.calls) for counted in _processed(found, segment, edges, loader if has_loader else None)
    )
    columns: dict[str, NDArray[Any]] = {
        "segment": np.full(wall.size, number),
        "mode": np.full(wall.size, segment.mode),
        "start_ns": edges[:-1],
        "end_ns": edges[1:],
        "wall_ns": wall,
        "duration_ns": duration,
        "samples": samples,
        "tokens": tokens,
        "detailed": detailed,
        "micro_steps": _only(detailed, _count_in(edges, intervals(found, marks.BACKWARD_ENTER).end_ns)),
        "traced": traced,
        "steady": _steady(duration, traced),
    }
    for phase, total in totals.items():
        columns[f"{phase}_ns"] = _only(detailed, total) if phase in DETAILS else total
    for phase in _untold(found, segment, has_loader):
        columns["other_ns"] = columns["other_ns"] + totals[phase]
        columns[f"{phase}_ns"] = np.full(wall.size, np.nan)
    return columns


def _untold(found: Marks, segment: Segment, has_loader: bool) -> list[str]:
    """Phases of which this loop's marks can tell nothing; what little they hold (a dataset that is begun) counts as other."""
    untold = [] if has_loader else ["data", "prepare"]
    if segment.by in FUNCTIONS:
        untold += [phase for phase, enter in INSIDE.items() if not (found.kind == enter).any()]
    elif not (found.kind == marks.FUNCTION_ENTER).any():
        untold += ["function"]
    return untold if (found.kind == marks.CALLBACK_ENTER).any() else [*untold, "callbacks"]


def _evened(totals: NDArray[Any], calls: Ints | None) -> NDArray[Any]:
    """Divided evenly among the steps of one call, in whole numbers that add up to the same; NaN where a call has none that is known."""
    if calls is None:
        return totals
    parts: NDArray[Any]
    known = ~np.isnan(totals.astype(np.float64))
    sums = np.bincount(calls, weights=np.where(known, totals, 0).astype(np.float64)).astype(np.int64)[calls]
    count = np.bincount(calls)
    before = np.arange(calls.size) - (np.cumsum(count) - count)[calls]
    parts = sums * (before + 1) // count[calls] - sums * before // count[calls]
    if totals.dtype != np.float64:
        return parts
    return np.where(np.bincount(calls, weights=known)[calls] > 0, parts, np.nan)


def of_loop(found: Marks, loop: Segment) -> dict[str, NDArray[Any]]:
    """The same columns for the steps of one loop, as they are known while it still runs: column -> shape (number of steps,)."""
    return _segment_columns(found, loop, 0, (), ())


def _only(keep: NDArray[np.bool_], values: Ints) -> NDArray[Any]:
    """*values* with NaN for those not to keep."""
    return values if keep.all() else np.where(keep, values, np.nan)


def _disturbed(
    edges: Ints, found: Marks, excluded: Sequence[tuple[int, int]], paused: Sequence[tuple[int, int]]
) -> NDArray[np.bool_]:
    """Steps that must not be timed: touched by a trace window or a pause, or by what the caller names where enough others remain."""
    traced = _touched(edges, _windows(found)) | _touched(edges, _ranges(paused))
    disturbed = traced | _touched(edges, _ranges(excluded))
    return disturbed if np.count_nonzero(~disturbed) >= ENOUGH_UNDISTURBED else traced


def _within(edges: Ints, spans: Sequence[tuple[int, int]]) -> Ints:
    """The time in each step that lies in *spans*."""
    starts, ends = _ranges(spans)
    if not starts.size:
        return np.zeros(edges.size - 1, dtype=np.int64)
    earlier = np.concatenate(([0], np.cumsum(ends - starts)))
    last = np.maximum(np.searchsorted(starts, edges, side="right") - 1, 0)  # the span that had begun
    until: Ints = earlier[last] + np.clip(edges - starts[last], 0, (ends - starts)[last])
    return np.diff(until)


def _ranges(spans: Sequence[tuple[int, int]]) -> tuple[Ints, Ints]:
    pairs = np.array(spans, dtype=np.int64).reshape(-1, 2)
    return union(pairs[:, 0], pairs[:, 1])


def _windows(found: Marks) -> tuple[Ints, Ints]:
    """Trace windows, from the beginning of their start to the end of their stop."""
    opened = found.of(marks.WINDOW_START_ENTER)
    closed = found.of(marks.WINDOW_STOP_EXIT)
    ends = {int(number): int(at) for number, at in zip(closed.a, closed.time_ns, strict=True)}
    last = int(found.time_ns[-1]) if len(found) else 0
    stops = [ends.get(int(number), last) for number in opened.a]
    return union(opened.time_ns, np.array(stops, dtype=np.int64))


def _touched(edges: Ints, spans: tuple[Ints, Ints]) -> NDArray[np.bool_]:
    touched = np.zeros(edges.size - 1, dtype=bool)
    for start, end in zip(*spans, strict=True):
        first = max(0, int(np.searchsorted(edges, start, side="right")) - 1)
        last = int(np.searchsorted(edges, end, side="left")) + STEPS_AFTER_WINDOW
        if end > edges[0] and start < edges[-1]:
            touched[first:last] = True
    return touched


def _steady(duration: Ints, traced: NDArray[np.bool_]) -> NDArray[np.bool_]:
    plain = np.flatnonzero(~traced)
    steady = np.zeros(duration.size, dtype=bool)
    steady[plain[warmup_end(duration[plain]) :]] = True
    return steady


def _count_in(edges: Ints, times: Ints) -> Ints:
    index = np.searchsorted(edges, times, side="left") - 1
    inside = (index >= 0) & (index < edges.size - 1)
    return np.bincount(index[inside], minlength=edges.size - 1).astype(np.int64)


def _sum_in(edges: Ints, times: Ints, values: Ints) -> NDArray[np.float64]:
    """Sum of *values* by step; NaN where a step has none that is known."""
    known = values >= 0
    index = np.searchsorted(edges, times[known], side="left") - 1
    inside = (index >= 0) & (index < edges.size - 1)
    total = np.bincount(index[inside], weights=values[known][inside], minlength=edges.size - 1)
    seen = np.bincount(index[inside], minlength=edges.size - 1)
    return np.where(seen > 0, total, np.nan)


def _processed(
    found: Marks, segment: Segment, edges: Ints, loader: Intervals | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Samples and tokens of each step: from what functions say that do a step in one, the loader's batches, or the inputs of the model's calls."""
    if len(functions := _counted(found, segment.mode)):
        functions = _most_called(functions, edges)
        return _sum_in(edges, functions.end_ns, functions.exit_a), np.full(edges.size - 1, np.nan)
    calls = intervals(found, marks.FORWARD_ENTER)
    backward = intervals(found, marks.BACKWARD_ENTER)
    evaluating = evaluation_calls(calls, backward, edges) if segment.mode == "training" else None
    source = loader
    if source is not None:
        evaluation = evaluation_spans(found, calls, evaluating, edges)
        source = source.where(~_inside(source.end_ns, evaluation))
        if not (source.exit_a >= 0).any():
            source = None
        elif (ahead := _when_used(source, backward, edges)) is not None:
            return _sum_in(edges, ahead, source.exit_a), _sum_in(edges, ahead, source.exit_b)
    if source is None:
        training_calls = calls if evaluating is None else calls.where(~evaluating)
        source = _most_called(training_calls, edges)
    samples = _sum_in(edges, source.end_ns, source.exit_a)
    return samples, _sum_in(edges, source.end_ns, source.exit_b)


def _counted(found: Marks, mode: str) -> Intervals:
    """Calls of functions that do a step in one, where their batches are known."""
    functions = intervals(found, marks.FUNCTION_ENTER)
    training = functions.enter_a == marks.ROLE_TRAIN
    return functions.where((training if mode == "training" else ~training) & (functions.exit_a >= 0))


def samples_from(recording: RankRecording) -> str | None:
    """What the samples of the steps were counted from; None where there was nothing to count."""
    found = decode(recording.marks)
    loops = segments(found)
    if not loops:
        return None
    first, last = min(loop.start_ns for loop in loops), max(int(loop.ends_ns[-1]) for loop in loops)
    if len(_counted(found, loops[0].mode)):
        return "the batches of Keras' own iterator: first dimension of the first array"
    loader = intervals(found, marks.LOADER_ENTER)
    if ((loader.exit_a >= 0) & (loader.end_ns > first) & (loader.end_ns <= last)).any():
        return "the DataLoader's batches: first dimension of the first tensor"
    if (intervals(found, marks.FORWARD_ENTER).exit_a >= 0).any():
        return "the model's inputs: first dimension of the first tensor, which in a sequence-first model is the length"
    return None


def _when_used(batches: Intervals, backward: Intervals, edges: Ints) -> Ints | None:
    """For batches fetched ahead of their use (Accelerate fetches one): the end of each one's backward, in ns; None unless
    the loop has one backward per batch.
    """
    within = backward.where((backward.end_ns > edges[0]) & (backward.end_ns <= edges[-1]))
    fetched = (batches.exit_a >= 0) & (batches.end_ns > edges[0]) & (batches.end_ns <= edges[-1])
    if int(fetched.sum()) != len(within):
        return None
    used = batches.end_ns.copy()
    used[fetched] = within.end_ns
    return used


def _most_called(calls: Intervals, edges: Ints) -> Intervals:
    """Calls of the one model that most steps call (a GAN's batch must not be counted once per network)."""
    if not len(calls):
        return calls
    steps_of = {
        int(obj): int((_count_in(edges, calls.end_ns[calls.obj == obj]) > 0).sum()) for obj in np.unique(calls.obj)
    }
    chosen = max(steps_of, key=lambda obj: (steps_of[obj], -obj))
    return calls.where(calls.obj == chosen)


def _inside(times: Ints, spans: tuple[Ints, Ints]) -> NDArray[np.bool_]:
    starts, ends = spans
    if starts.size == 0:
        return np.zeros(times.size, dtype=bool)
    index = np.searchsorted(starts, times, side="right") - 1
    return (index >= 0) & (times <= ends[np.maximum(index, 0)])
