"""How much arithmetic and traffic the traced calls were: per operator call, per kernel, per step."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..trace.events import Events
from . import classes
from .calls import Calls
from .flops import COUNTED, operator_flops
from .formats import MATRIX_KINDS
from .launches import Launches
from .traced_steps import Window
from .traffic import operator_bytes


def call_flops(events: Events, indices: Any) -> Any:
    """FLOPs of each operator call; NaN where its inputs do not tell."""
    return _per_call(events, indices, ("name", "shapes", "constants"), _flops)


def call_bytes(events: Events, indices: Any) -> Any:
    """Bytes that each operator call moves at least; NaN where its inputs do not tell."""
    return _per_call(events, indices, ("name", "shapes", "dtypes", "constants"), _bytes)


def _per_call(events: Events, indices: Any, columns: tuple[str, ...], count: Any) -> Any:
    """*count* of each call; calls with the same inputs are counted once."""
    indices = np.asarray(indices, np.int64)
    if not len(indices):
        return np.zeros(0)
    keys = np.zeros(len(indices), np.int64)
    for column in columns:  # renumbered after each, so that the numbers stay small
        keys = np.unique(keys << 31 | (getattr(events, column)[indices] + 1), return_inverse=True)[1]
    _, first, where = np.unique(keys, return_index=True, return_inverse=True)
    found = np.array([count(events, int(index)) for index in indices[first]])
    return np.where(found == None, np.nan, found).astype(np.float64)[where]  # noqa: E711 - elementwise


def _flops(events: Events, index: int) -> float | None:
    name = events.names[events.name[index]]
    if name not in COUNTED:
        return None
    return operator_flops(name, _text(events, "shape", index), _text(events, "constant", index))


def _bytes(events: Events, index: int) -> float | None:
    name = events.names[events.name[index]]
    texts = (_text(events, kind, index) for kind in ("shape", "dtype", "constant"))
    return operator_bytes(name, *texts)


def _text(events: Events, kind: str, index: int) -> str:
    code = int(getattr(events, f"{kind}s")[index])
    texts: list[str] = getattr(events, f"{kind}_texts")
    return texts[code] if code >= 0 else ""


def kernel_flops(events: Events, work: Launches, labels: Any, inside: Any) -> Any:
    """FLOPs of each piece of work that is *inside*: those of its operator call, shared by time among the matrix
    kernels that the call launched. NaN for all other work.
    """
    return _shared(events, work, inside, is_matrix(labels[inside]), call_flops)


def kernel_bytes(events: Events, work: Launches, labels: Any, inside: Any) -> Any:
    """Bytes that each piece of work *inside* moves at least: those of its operator call, shared by time among its matrix kernels,
    or among all of its kernels where it has none. NaN where its inputs do not tell.
    """
    matrix = is_matrix(labels[inside])
    found = _shared(events, work, inside, matrix, call_bytes)
    operators = work.operator[inside]
    plain = ~np.isin(operators, operators[matrix])
    return np.where(plain, _shared(events, work, inside, plain, call_bytes), found)


def is_matrix(labels: Any) -> Any:
    """Which pieces of work, by their classes, are matrix kernels."""
    return np.isin(labels, [classes.BUSY.index(kind) for kind in MATRIX_KINDS])


def _shared(events: Events, work: Launches, inside: Any, among: Any, count: Any) -> Any:
    """*count* of each operator call, shared by time over those pieces *among* what is *inside* that it launched; NaN for others."""
    operators, spent = work.operator[inside], (work.end_ns - work.start_ns)[inside].astype(np.float64)
    among = among & (operators >= 0)
    found = np.full(len(operators), np.nan)
    if not among.any():
        return found
    calls, where = np.unique(operators[among], return_inverse=True)
    total = np.maximum(np.bincount(where, weights=spent[among]), 1.0)
    found[among] = count(events, calls)[where] * spent[among] / total[where]
    return found


@dataclass(frozen=True, kw_only=True)
class StepWork:
    """Arithmetic of one traced step."""

    #: Matrix products, convolutions, attention; None where no call's inputs tell.
    flops_per_step: float | None
    #: Operator → types of its inputs → FLOPs.
    flops_by_operator: dict[str, dict[str, float]] = field(default_factory=dict)
    #: Of the time in such operators or kernels, how much the counted calls are.
    counted_share: float | None = None


def step_work(events: Events, window: Window, work: Launches, labels: Any, calls: Calls) -> StepWork:
    """FLOPs of the traced steps. Of operators inside one another the innermost counts: what really computed."""
    names = np.array([name in COUNTED for name in events.names] + [False])
    step = window.step_of(np.asarray(events.ts_ns, np.int64))
    counted = names[events.name] & events.in_categories("cpu_op") & (step >= 0) & (step < window.count)
    which = np.flatnonzero(counted)
    flops = call_flops(events, which)
    known, unknown = which[~np.isnan(flops)], which[np.isnan(flops)]
    inner = ~_holds_another(calls, known, len(events))
    known, flops = known[inner], flops[~np.isnan(flops)][inner]
    if not len(known):
        return StepWork(flops_per_step=None)
    if len(work):
        share = _device_share(window, work, labels, calls, known)
    else:
        share = _host_share(events, calls, known, unknown)
    return StepWork(
        flops_per_step=float(flops.sum()) / window.count,
        flops_by_operator=_by_operator(events, known, flops / window.count),
        counted_share=share,
    )


def _holds_another(calls: Calls, which: Any, count: int) -> Any:
    """Which of these events have another of them inside."""
    wanted = np.zeros(count, bool)
    wanted[which] = True
    parents = calls.nesting.parent[which]
    above = np.where(parents >= 0, calls.nesting.nearest(wanted)[np.maximum(parents, 0)], -1)
    holders = np.zeros(count, bool)
    holders[above[above >= 0]] = True
    return holders[which]


def _by_operator(events: Events, tops: Any, flops: Any) -> dict[str, dict[str, float]]:
    keys = np.stack((np.asarray(events.name[tops], np.int64), np.asarray(events.dtypes[tops], np.int64)), axis=1)
    unique, where = np.unique(keys, axis=0, return_inverse=True)
    sums = np.bincount(where.ravel(), weights=flops)
    found: dict[str, dict[str, float]] = {}
    for (name, dtype), total in zip(unique.tolist(), sums.tolist(), strict=True):
        found.setdefault(events.names[name], {})[events.dtype_texts[dtype] if dtype >= 0 else ""] = float(total)
    return found


def _host_share(events: Events, calls: Calls, known: Any, unknown: Any) -> float:
    """By time of operators: those counted, of those and what could not be counted and holds none of them."""
    both = np.concatenate((known, unknown))
    lost = unknown[~_holds_another(calls, both, len(events))[len(known) :]]
    spent = float(events.dur_ns[known].sum())
    return spent / max(spent + float(events.dur_ns[lost].sum()), 1.0)


def _device_share(window: Window, work: Launches, labels: Any, calls: Calls, counted: Any) -> float:
    """By device time of matrix kernels: those launched inside a counted call."""
    matrix = is_matrix(labels)
    matrix &= (work.step >= 0) & (work.step < window.count)
    spent = (work.end_ns - work.start_ns)[matrix]
    is_counted = np.zeros(len(calls.nesting.depth), bool)
    is_counted[counted] = True
    operators = work.operator[matrix]
    inside = (operators >= 0) & (calls.nesting.nearest(is_counted)[np.maximum(operators, 0)] >= 0)
    return float(spent[inside].sum() / max(spent.sum(), 1))
