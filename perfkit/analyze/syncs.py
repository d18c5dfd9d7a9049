"""Where the host waits for the device, who asked for it, and how much idle time on the device that costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ..trace.events import Events
from .calls import DIRECTIONS, Calls, outermost_operator
from .device import DeviceView
from .idle import CLOCK_NS, IdleGaps, waiting_calls
from .traced_steps import Window


@dataclass(frozen=True, kw_only=True)
class SyncRow:
    """Calls of one kind in which the host waits for the device, over the traced steps."""

    #: The runtime's call: cudaStreamSynchronize, cudaMemcpyAsync of a fetch into ordinary memory …
    name: str
    #: Outermost operator around it, such as aten::item or aten::nonzero; None for a call outside every operator.
    operator: str | None
    module: str | None
    #: ``file:line`` of the user's Python, where the trace has frames.
    line: str | None
    direction: str
    #: copy: the wait for an upload from ordinary memory, counted among the copies as well.
    cause: Literal["sync", "copy"]
    calls_per_step: float
    #: Spent waiting, under the profiler.
    seconds_per_step: float
    #: Idle time of the device that it causes, brought to the unprofiled step as the device view is.
    exposed_idle_seconds_per_step: float


def sync_table(events: Events, window: Window, calls: Calls, view: DeviceView) -> list[SyncRow]:
    """Waits of the traced steps, the costliest first."""
    step = window.step_of(np.asarray(events.ts_ns, np.int64))
    inside = (step >= 0) & (step < window.count)
    after_copy, others = waiting_calls(events)
    made: list[SyncRow] = []
    causes: tuple[tuple[Literal["sync", "copy"], Any], ...] = (("sync", others), ("copy", after_copy))
    for cause, mask in causes:
        mine = np.flatnonzero(mask & inside)
        if len(mine):
            made += _rows(events, window, calls, mine, cause, _idle_of(events, mine, view, cause))
    return sorted(made, key=lambda row: (-row.exposed_idle_seconds_per_step, -row.seconds_per_step))


def _idle_of(events: Events, mine: Any, view: DeviceView, cause: str) -> Any:
    """Seconds of idle time that each wait causes, over the window, as the corrected device view has it."""
    caused = np.zeros(len(mine))
    order = np.argsort(events.ts_ns[mine], kind="stable")
    starts, ends = np.asarray(events.ts_ns, np.int64)[mine[order]], events.end_ns[mine[order]]
    total = 0.0
    for gaps in view.gaps:
        parts = gaps.by_cause[cause]
        total += float(parts.sum())
        which = _wait_of_gap(gaps, starts, ends)
        here = (parts > 0) & (which >= 0)
        np.add.at(caused, order[which[here]], parts[here])
    corrected = next((s.seconds_per_step for s in view.breakdown if s.kind == "idle" and s.name == cause), 0.0)
    return caused / total * corrected if total else caused


def _wait_of_gap(gaps: IdleGaps, starts: Any, ends: Any) -> Any:
    """Position of the wait that was on when each gap began, else of the last one before the gap's launch; -1 without."""
    at = np.searchsorted(starts, gaps.gaps.starts + CLOCK_NS, side="right") - 1
    on = (at >= 0) & (ends[np.maximum(at, 0)] >= gaps.gaps.starts - CLOCK_NS)
    later = np.searchsorted(starts, gaps.late_until_ns, side="left") - 1
    return np.where(on, at, later)


def _rows(
    events: Events, window: Window, calls: Calls, mine: Any, cause: Literal["sync", "copy"], idle: Any
) -> list[SyncRow]:
    """One row per call, operator, module, line and direction; *idle* in seconds per step."""
    outer = outermost_operator(events, calls.nesting, mine)
    operator = np.where(outer >= 0, events.name[np.maximum(outer, 0)], -1)
    codes = (events.name[mine], operator, calls.marks.module[mine], calls.marks.line[mine], calls.direction[mine])
    keys, group = np.unique(np.stack([np.asarray(c, np.int64) for c in codes], axis=1), axis=0, return_inverse=True)
    group = group.ravel()
    seconds = np.bincount(group, weights=events.dur_ns[mine]) * 1e-9 / window.count
    counts, exposed = np.bincount(group), np.bincount(group, weights=idle)
    return [
        SyncRow(
            name=events.names[name],
            operator=events.names[op] if op >= 0 else None,
            module=calls.marks.modules[module] if module >= 0 else None,
            line=calls.marks.lines[line] if line >= 0 else None,
            direction=DIRECTIONS[direction],
            cause=cause,
            calls_per_step=float(counts[row]) / window.count,
            seconds_per_step=float(seconds[row]),
            exposed_idle_seconds_per_step=float(exposed[row]),
        )
        for row, (name, op, module, line, direction) in enumerate(keys.tolist())
    ]
