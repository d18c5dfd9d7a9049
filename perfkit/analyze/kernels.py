"""The kernel table: which kernels took the device's time, and who launched them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..trace.events import Events
from .classes import BUSY
from .launches import Launches

ROWS = 50


@dataclass(frozen=True, kw_only=True)
class KernelRow:
    """One kernel (or kind of copy), over the traced steps."""

    name: str
    #: Class of work: matmul, convolution … copy, memset.
    kind: str
    #: Operator that launches it most; None when no operator was seen.
    operator: str | None
    calls_per_step: float
    seconds_per_step: float
    #: Of the device's busy time.
    share: float
    mean_s: float
    #: Moved by copies and fills, per step; None for kernels, whose traffic the trace does not know.
    bytes_per_step: float | None


def kernel_table(events: Events, work: Launches, labels: Any, steps: int, *, rows: int = ROWS) -> list[KernelRow]:
    """The *rows* kernels with the most time, among the work that the traced steps launched."""
    inside = (work.step >= 0) & (work.step < steps)
    names = np.asarray(events.name[work.event[inside]], np.int64)
    durations = (work.end_ns - work.start_ns)[inside]
    total = float(durations.sum())
    if not total:
        return []
    labels, operators = labels[inside], work.operator[inside]
    unique, where = np.unique(names, return_inverse=True)
    time, calls = np.bincount(where, weights=durations), np.bincount(where)
    moved = _moved(events, work, inside, where)
    made = []
    for group in np.argsort(-time, kind="stable")[:rows]:
        members = np.flatnonzero(where == group)
        made.append(
            KernelRow(
                name=events.names[unique[group]],
                kind=BUSY[int(np.bincount(labels[members]).argmax())],
                operator=_most_common(events, operators[members]),
                calls_per_step=float(calls[group]) / steps,
                seconds_per_step=float(time[group]) * 1e-9 / steps,
                share=float(time[group]) / total,
                mean_s=float(time[group]) * 1e-9 / int(calls[group]),
                bytes_per_step=float(moved[group]) / steps if moved[group] else None,
            )
        )
    return made


def _moved(events: Events, work: Launches, inside: Any, where: Any) -> Any:
    """Bytes by group."""
    size = np.asarray(events.bytes[work.event[inside]], np.int64)
    return np.bincount(where, weights=np.maximum(size, 0))


def _most_common(events: Events, operators: Any) -> str | None:
    known = operators[operators >= 0]
    if not len(known):
        return None
    return events.names[int(np.bincount(np.asarray(events.name[known], np.int64)).argmax())]
