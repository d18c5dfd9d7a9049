"""What stops a step that is none of the script's work: the garbage collector, and compilations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..model import marks
from .occasions import between, steady_steps, step_of

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    from ..runs.reader import RankRecording

MOST_REASONS = 5
# Fewer steps without a compilation do not say what one takes.
LEAST_OTHERS = 3
GENERATION = marks.GC_EXPLICIT - 1  # the bits of a mark that hold it
BY = marks.GC_EXPLICIT | marks.GC_BY_LIBRARY


def collections(recording: RankRecording) -> NDArray[np.int64]:
    """Marks of the collector, whichever thread it ran in (it stops them all), shape (n, 4)."""
    found: NDArray[np.int64] = recording.marks[recording.marks[:, 1] & 0xFF == marks.GC]
    return found


def pauses(recording: RankRecording, steps: pl.DataFrame) -> dict[str, Any]:
    """Garbage collections of at least 0.2 ms in the steady steps: seconds_per_step, collections, longest_s, generation2,
    steps_between; of those that the script asked for: explicit (whether any), explicit_seconds_per_step; and called_from
    (file:line), which names callers in installed packages too.
    """
    steady, found = steady_steps(steps), collections(recording)
    rows = step_of(found[:, 0], steady)
    inside, rows = found[rows >= 0], rows[rows >= 0]
    seconds, asked = inside[:, 2] / 1e9, (inside[:, 3] & marks.GC_EXPLICIT) > 0
    scripts = (inside[:, 3] & BY) == marks.GC_EXPLICIT
    names = {fact["id"]: str(fact["name"]) for fact in recording.facts_of("name")}
    callers = dict.fromkeys(names.get(int(tag >> 8 & 0xFFFFFF), "unknown") for tag in inside[asked, 1])
    count = max(1, len(steady))
    return {
        "seconds_per_step": float(seconds.sum()) / count,
        "collections": len(inside),
        "longest_s": float(seconds.max()) if len(inside) else 0.0,
        "generation2": int(((inside[:, 3] & GENERATION) == 2).sum()),
        "steps_between": between(rows, steady),
        "explicit": bool(scripts.any()),
        "explicit_seconds_per_step": float(seconds[scripts].sum()) / count,
        "called_from": list(callers)[:MOST_REASONS],
    }


def compilations(recording: RankRecording, steps: pl.DataFrame, told: dict[str, Any] | None) -> dict[str, Any] | None:
    """What the compiler did, None when it never worked; *told* is what it says of itself (inside.probes.compiler_facts).

    count, seconds, in_steady_count, in_steady_seconds_per_step, around_steady_seconds_per_step (by which the steps with a compilation
    and the first after it exceed the others, with what is made ready in them; None where there are too few others), last_step; and, None without *told*,
    recompiles, graph_breaks, reasons, break_reasons, functions.
    """
    starts, ends = compiling(recording.marks)
    if not starts.size:
        return None
    steady = steady_steps(steps)
    rows = step_of(starts, steady)
    inside = rows >= 0
    told = told or {}
    return {
        "count": int(starts.size),
        "seconds": float((ends - starts).sum()) / 1e9,
        "in_steady_count": int(inside.sum()),
        "in_steady_seconds_per_step": float((ends - starts)[inside].sum()) / 1e9 / max(1, len(steady)),
        "around_steady_seconds_per_step": _around(rows[inside], steady),
        "last_step": _last_step(int(starts[-1]), steps),
        "recompiles": told.get("recompiles"),
        "graph_breaks": told.get("graph_breaks"),
        "reasons": told.get("recompile_reasons"),
        "break_reasons": told.get("break_reasons"),
        "functions": told.get("functions"),
    }


def _around(rows: NDArray[np.int64], steady: pl.DataFrame) -> float | None:
    """Seconds per step by which those of the *steady* steps with a compilation (their *rows*), and the first after each, which finds nothing
    warm, exceed the lower quartile of the others.
    """
    seconds = steady["duration_ns"].to_numpy() / 1e9
    touched = np.zeros(seconds.size, dtype=bool)
    touched[rows] = True
    touched[np.minimum(rows + 1, seconds.size - 1)] = True
    if np.count_nonzero(~touched) < LEAST_OTHERS:
        return None
    return float(np.maximum(0.0, seconds[touched] - np.quantile(seconds[~touched], 0.25)).sum()) / seconds.size


def compiling(raw: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """When the compiler was at work, whichever thread it worked in: it says only when the first begins and the last ends."""
    kinds = raw[:, 1] & 0xFF
    starts, ends = raw[kinds == marks.COMPILE_ENTER, 0], raw[kinds == marks.COMPILE_EXIT, 0]
    following = np.searchsorted(ends, starts, side="left")
    closed = following < ends.size  # one that never ended: the script was killed in it
    return starts[closed], ends[following[closed]]


def _last_step(time_ns: int, steps: pl.DataFrame) -> int | None:
    found = steps.filter((steps["start_ns"] <= time_ns) & (steps["end_ns"] >= time_ns))
    return int(found["step"][-1]) if len(found) else None
