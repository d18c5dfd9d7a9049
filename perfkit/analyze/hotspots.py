"""Which operators take the time: on the host by self time, on the device by the kernels they launch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..trace.events import Events
from .attribution import Attribution
from .calls import Calls, calls_of
from .classes import kernel_class
from .hot_rows import Hotspot
from .launches import Launches
from .operator_table import SMALLEST, OperatorTable
from .traced_steps import Window

ROWS = 100
# Below this the profiler's cost cannot be told from noise, and host times are left as they are.
CORRECTED_FROM = 1.1


@dataclass(frozen=True, kw_only=True)
class HotspotView:
    """Both orders of the same operators."""

    host: list[Hotspot]
    #: Empty without device work.
    device: list[Hotspot]
    #: What the profiler cost per host event, taken off the host times; None where nothing was taken off.
    correction_ns: float | None = None


def hotspots(
    events: Events,
    window: Window,
    work: Launches,
    *,
    step_s: float,
    profiled_step_s: float,
    calls: Calls | None = None,
    rows: int = ROWS,
) -> HotspotView:
    """Operators of the traced steps. Host times are corrected where the profiler made a step 1.1× as long or longer."""
    calls = calls or calls_of(events)
    marks = calls.marks
    table = OperatorTable(events, window, calls.nesting, marks, work)
    correction = None
    if step_s > 0 and profiled_step_s / step_s >= CORRECTED_FROM:
        correction = table.take_off((profiled_step_s - step_s) * 1e9)
    on_device: list[Hotspot] = []
    if len(work):
        on_device = [*table.rows("device", step_s, rows), *_lone_kernels(events, window, work, marks, step_s, rows)]
        on_device.sort(key=lambda row: -row.seconds_per_step)
    return HotspotView(host=table.rows("host", step_s, rows), device=on_device[:rows], correction_ns=correction)


def _lone_kernels(
    events: Events, window: Window, work: Launches, marks: Attribution, step_s: float, limit: int
) -> list[Hotspot]:
    """Device work that no operator launched (CUDA graphs, libraries that launch by themselves), by kernel."""
    mine = np.flatnonzero((work.step >= 0) & (work.step < window.count) & (work.operator < 0))
    names, where = np.unique(events.name[work.event[mine]], return_inverse=True)
    spent = np.bincount(where, weights=(work.end_ns - work.start_ns)[mine], minlength=len(names))
    floor = step_s * 1e9 * window.count * SMALLEST
    return [
        _lone_kernel(events, window, work, marks, mine[where == group], step_s)
        for group in np.argsort(-spent, kind="stable")[:limit]
        if spent[group] > floor
    ]


def _lone_kernel(
    events: Events, window: Window, work: Launches, marks: Attribution, members: object, step_s: float
) -> Hotspot:
    index = np.asarray(members)
    name = events.names[events.name[work.event[index[0]]]]
    seconds = float((work.end_ns - work.start_ns)[index].sum()) * 1e-9 / window.count
    launch = int(work.launch[index[0]])
    module = int(marks.module[launch]) if launch >= 0 else -1
    return Hotspot(
        name=name,
        kind="kernel",
        work=kernel_class(name),
        module=marks.modules[module] if module >= 0 else None,
        calls_per_step=len(index) / window.count,
        seconds_per_step=seconds,
        share=seconds / step_s if step_s else 0.0,
        basis="device",
        device_seconds_per_step=seconds,
    )
