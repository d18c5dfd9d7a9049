"""Divides the time of a loop among the phases: every instant belongs to exactly one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..model import marks
from .boundaries import Segment
from .intervals import Intervals, Ints, Marks, intervals, union

# From the strongest claim to the weakest: where two overlap, the earlier one has the instant. With a closure (LBFGS,
# Lightning) forward and backward lie inside the optimizer's step, and zero_grad may lie inside forward.
PHASES = (
    "window", "perfkit", "checkpoint", "logging", "evaluation", "data", "backward", "zero_grad", "clip", "forward", "optimizer",
    "function", "prepare", "callbacks",
)  # fmt: skip

# The optimizer's step begins at the end of backward where nothing but so little time lies between: it is the way into the
# step through torch's own wrappers, 5 to 15 us as measured on a plain loop (torch 2.13).
WAY_IN_NS = 50_000

Spans = tuple[Ints, Ints]


def phase_totals(found: Marks, segment: Segment) -> dict[str, Ints]:
    """Time of each phase within each step, in ns: phase -> shape (number of steps,)."""
    edges = np.concatenate(([segment.start_ns], segment.ends_ns))
    spans = _claims(found, segment, edges)
    totals = disjoint_totals({name: spans[name] for name in PHASES}, edges)
    totals["optimizer"] = totals["optimizer"] + totals.pop("zero_grad") + totals.pop("clip")
    return totals


def _claims(found: Marks, segment: Segment, edges: Ints) -> dict[str, Spans]:
    kinds = {
        "forward": intervals(found, marks.FORWARD_ENTER),
        "backward": intervals(found, marks.BACKWARD_ENTER),
        "optimizer": intervals(found, marks.OPTIMIZER_ENTER),
        "loader": intervals(found, marks.LOADER_ENTER),
    }
    starting = intervals(found, marks.LOADER_START_ENTER)
    data = union(
        np.concatenate((kinds["loader"].start_ns, starting.start_ns)),
        np.concatenate((kinds["loader"].end_ns, starting.end_ns)),
    )
    functions = intervals(found, marks.FUNCTION_ENTER)
    evaluated = functions.enter_a == marks.ROLE_EVALUATE
    evaluating = evaluation_calls(kinds["forward"], kinds["backward"], edges) if segment.mode == "training" else None
    evaluation = evaluation_spans(found, kinds["forward"], evaluating, edges)
    if segment.mode == "training":
        evaluation = union(
            np.concatenate((evaluation[0], functions.start_ns[evaluated])),
            np.concatenate((evaluation[1], functions.end_ns[evaluated])),
        )
        functions = functions.where(~evaluated)
    forward = forward_spans(kinds["forward"], kinds["backward"], edges, evaluating)
    return {
        "window": windows(found),
        "perfkit": own_spans(found),
        "checkpoint": _spans(found, marks.SAVE_ENTER),
        "logging": _spans(found, marks.LOG_ENTER),
        "evaluation": evaluation,
        "data": data,
        "backward": (kinds["backward"].start_ns, kinds["backward"].end_ns),
        "zero_grad": _spans(found, marks.ZERO_GRAD_ENTER),
        "clip": _spans(found, marks.CLIP_ENTER),
        "optimizer": _optimizer_spans(found, kinds["optimizer"], kinds["forward"]),
        "forward": forward,
        "function": (functions.start_ns, functions.end_ns),
        "callbacks": _spans(found, marks.CALLBACK_ENTER),
        "prepare": _prepare_spans(kinds["loader"], forward[0], edges),
    }


def _spans(found: Marks, enter: int) -> Spans:
    made = intervals(found, enter)
    return made.start_ns, made.end_ns


def windows(found: Marks) -> Spans:
    """Opening and closing of trace windows: perfkit's own time, not the script's."""
    starts, stops = intervals(found, marks.WINDOW_START_ENTER), intervals(found, marks.WINDOW_STOP_ENTER)
    return union(np.concatenate((starts.start_ns, stops.start_ns)), np.concatenate((starts.end_ns, stops.end_ns)))


def own_spans(found: Marks) -> Spans:
    """What perfkit itself did after the ends of steps, each told by the mark of the next end."""
    told = [_told_by(found.of(marks.OPTIMIZER_EXIT, marks.STEP))]
    for enter in (marks.FORWARD_ENTER, marks.FUNCTION_ENTER):
        calls = found.of(enter, enter + 1)
        told.append(_told_by(calls, calls.kind == enter))
    return union(np.concatenate([starts for starts, _ in told]), np.concatenate([ends for _, ends in told]))


def _told_by(ends: Marks, telling: NDArray[np.bool_] | None = None) -> Spans:
    """From each mark of *ends* for as long as the next one (of those *telling*) says."""
    told = ends.b[1:] > 0
    if telling is not None:
        told &= telling[1:]
    starts = ends.time_ns[:-1][told]
    return starts, np.minimum(starts + ends.b[1:][told], ends.time_ns[1:][told])


def sparse_ends(found: Marks) -> Ints:
    """When those steps ended of which forward, backward and zero_grad were not marked."""
    ends = found.of(marks.OPTIMIZER_EXIT)
    return ends.time_ns[(ends.a & marks.FLAG_SPARSE) > 0]


def forward_spans(
    calls: Intervals, backward: Intervals, edges: Ints, evaluating: NDArray[np.bool_] | None = None
) -> Spans:
    """From the first call after the last backward or step end to the next backward: the loss is part of forward.

    A call that no backward follows within its step, and one that is an evaluation's, counts for itself.
    """
    starts, ends = calls.start_ns, calls.end_ns
    if not len(backward):
        return starts, ends
    following = np.searchsorted(backward.start_ns, starts)
    has = following < len(backward)
    next_backward = backward.start_ns[np.minimum(following, len(backward) - 1)]
    step_end = edges[np.minimum(np.searchsorted(edges, starts, side="right"), edges.size - 1)]
    grad = (calls.enter_a & marks.FLAG_GRAD) > 0
    reaches = has & grad & (next_backward <= step_end) & (next_backward >= ends)
    if evaluating is not None:
        reaches &= ~evaluating
    return union(starts, np.where(reaches, next_backward, ends))


def evaluation_calls(calls: Intervals, backward: Intervals, edges: Ints) -> NDArray[np.bool_] | None:
    """Which calls are an evaluation: without gradient, or in eval mode and not what the next backward works on.

    Calls without gradient in most steps are part of the step's work (a frozen teacher, a rollout), not an evaluation, but
    for a model that is itself trained there and is in eval mode for these calls.
    """
    if not len(calls):
        return None
    grad = (calls.enter_a & marks.FLAG_GRAD) > 0
    training = (calls.enter_a & marks.FLAG_TRAINING) > 0
    step_of = np.searchsorted(edges, calls.start_ns, side="right")
    last_backward = np.full(edges.size + 1, -1, dtype=np.int64)
    np.maximum.at(last_backward, np.searchsorted(edges, backward.start_ns, side="right"), backward.start_ns)
    followed = last_backward[step_of] > calls.start_ns
    evaluating = ~grad | (~training & (~followed | _surplus(calls, backward)))
    steps_with = np.unique(step_of[evaluating]).size
    if edges.size > 3 and steps_with > 0.5 * (edges.size - 1):
        evaluating &= ~training & np.isin(calls.obj, calls.obj[grad & training])
    return evaluating if evaluating.any() else None


def _surplus(calls: Intervals, backward: Intervals) -> NDArray[np.bool_]:
    """Calls of a model beyond the last so many before a backward, that many being usual for it: an evaluation whose
    gradients nobody asks for lies before the call that the next backward works on.
    """
    surplus = np.zeros(len(calls), dtype=bool)
    following = np.searchsorted(backward.start_ns, calls.start_ns)
    for obj in np.unique(calls.obj):
        own = np.flatnonzero(calls.obj == obj)
        _, first, count = np.unique(following[own], return_index=True, return_counts=True)
        left = np.repeat(first + count, count) - np.arange(own.size)  # 1 for the call right before the backward
        surplus[own] = left > max(1.0, float(np.median(count)))
    return surplus


def evaluation_spans(
    found: Marks,
    calls: Intervals,
    evaluating: NDArray[np.bool_] | None,
    edges: Ints,
) -> Spans:
    """From the first batch or call of an evaluation to its last call or exhausted loader, within each step."""
    empty = np.zeros(0, dtype=np.int64)
    if evaluating is None or not evaluating.any():
        return empty, empty
    chosen = calls.where(evaluating)
    step_of = np.searchsorted(edges, chosen.start_ns, side="right")
    steps, first = np.unique(step_of, return_index=True)
    last = np.concatenate((first[1:], [step_of.size])) - 1
    starts, ends = chosen.start_ns[first].copy(), chosen.end_ns[last].copy()
    for index, step in enumerate(steps.tolist()):
        begun = int(edges[step - 1]) if step > 0 else 0
        starts[index] = _evaluation_start(found, begun, int(starts[index]))
        ends[index] = _evaluation_end(found, int(ends[index]))
    return union(starts, ends)


def _evaluation_start(found: Marks, begun_ns: int, call_ns: int) -> int:
    """The evaluation's first batch: the first loader mark after whatever training did last before the call."""
    before = found.where((found.time_ns >= begun_ns) & (found.time_ns < call_ns))
    trained = before.time_ns[np.isin(before.kind, (marks.BACKWARD_EXIT, marks.OPTIMIZER_EXIT, marks.SAVE_EXIT))]
    since = int(trained[-1]) if trained.size else begun_ns
    opening = np.isin(before.kind, (marks.LOADER_START_ENTER, marks.LOADER_ENTER)) & (before.time_ns >= since)
    starts = before.time_ns[opening & (before.kind == marks.LOADER_START_ENTER)]
    if starts.size:
        return int(starts[-1])
    entries = before.time_ns[opening]
    return int(entries[-1]) if entries.size else call_ns


def _evaluation_end(found: Marks, last_call_end_ns: int) -> int:
    """The evaluation's loader may be asked once more, in vain, after the last call."""
    index = int(np.searchsorted(found.time_ns, last_call_end_ns, side="right"))
    nearby = range(index, min(index + 8, len(found)))
    for at in nearby:
        if found.kind[at] == marks.LOADER_EXIT:
            return int(found.time_ns[at]) if found.a[at] == -2 else last_call_end_ns
        if found.kind[at] == marks.FORWARD_ENTER:
            break
    return last_call_end_ns


def _optimizer_spans(found: Marks, optimizer: Intervals, calls: Intervals) -> Spans:
    """With a closure (Lightning, LBFGS) what comes before its first model call is the closure's, not the optimizer's."""
    starts = _from_backward(found, optimizer.start_ns)
    following = np.searchsorted(calls.start_ns, starts)
    has = following < len(calls)
    if len(calls):
        first_call = calls.start_ns[np.minimum(following, len(calls) - 1)]
        inside = has & (first_call < optimizer.end_ns)
        starts = np.where(inside, first_call, starts)
    return starts, optimizer.end_ns


def _from_backward(found: Marks, starts: Ints) -> Ints:
    """Starts of optimizer steps, moved to the end of the backward that directly precedes them."""
    if not len(found):
        return starts.copy()
    before = np.maximum(np.searchsorted(found.time_ns, starts, side="left") - 1, 0)
    at = found.time_ns[before]
    direct = (found.kind[before] == marks.BACKWARD_EXIT) & (at <= starts) & (starts - at <= WAY_IN_NS)
    return np.where(direct, at, starts)


def _prepare_spans(loader: Intervals, forward_starts: Ints, edges: Ints) -> Spans:
    """From getting a batch to the model's call, within one step."""
    empty = np.zeros(0, dtype=np.int64)
    got = loader.end_ns[loader.exit_a != -2]
    if got.size == 0 or forward_starts.size == 0:
        return empty, empty
    following = np.searchsorted(forward_starts, got)
    keep = following < forward_starts.size
    got, until = got[keep], forward_starts[following[keep]]
    same_step = np.searchsorted(edges, got, side="right") == np.searchsorted(edges, until, side="left")
    return union(got[same_step], until[same_step])


def disjoint_totals(claims: dict[str, Spans], edges: Ints) -> dict[str, Ints]:
    """Time of each claim between neighbouring *edges*, in ns: name -> shape (edges - 1,), and ``other`` for the rest.

    A sweep over all ends at once: each elementary stretch goes to the first claim that covers it.
    """
    points = np.unique(np.concatenate([edges, *(array for spans in claims.values() for array in spans)]))
    points = points[(points >= edges[0]) & (points <= edges[-1])]
    lengths = np.diff(points)
    owner = np.full(lengths.size, len(claims), dtype=np.int64)
    for index, spans in reversed(list(enumerate(claims.values()))):
        owner[_covers(points, *union(*spans))] = index
    step_of = np.searchsorted(edges, points[:-1], side="right") - 1
    totals = {}
    for index, name in enumerate((*claims, "other")):
        mine = owner == index
        counted = np.bincount(step_of[mine], weights=lengths[mine], minlength=edges.size - 1)
        totals[name] = counted.astype(np.int64)
    return totals


def _covers(points: Ints, starts: Ints, ends: Ints) -> NDArray[np.bool_]:
    """Which stretches between neighbouring points lie in one of the disjoint intervals."""
    cover = np.zeros(points.size + 1, dtype=np.int64)
    np.add.at(cover, np.searchsorted(points, np.maximum(starts, points[0])), 1)
    np.add.at(cover, np.searchsorted(points, np.maximum(ends, points[0])), -1)
    return np.cumsum(cover)[: points.size - 1] > 0
