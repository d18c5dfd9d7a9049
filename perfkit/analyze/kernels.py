"""The kernel table: which kernels took the device's time, and who launched them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..trace.events import Events
from .calls import DIRECTIONS, Calls
from .classes import BUSY, COPY
from .formats import uses_tensor_cores
from .launches import Launches
from .work import kernel_flops

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
    #: Module it works for most, and the way through the model: forward, backward, optimizer, other.
    module: str | None = None
    direction: str = "other"
    #: Whether a matrix kernel runs on the matrix units; None for others, and where its name does not say.
    tensor_core: bool | None = None
    #: Floating-point operations per step, where the shapes of every call tell.
    flops_per_step: float | None = None
    #: compute, memory or launch, where the device is in the catalogue; and the share of what its roofline allows.
    bound: str | None = None
    efficiency: float | None = None


def kernel_table(
    events: Events, work: Launches, labels: Any, steps: int, *, tree: Calls | None = None, rows: int = ROWS
) -> list[KernelRow]:
    """The *rows* kernels with the most time, among the work that the traced steps launched. Without *tree* their
    modules and directions are left out.
    """
    inside = (work.step >= 0) & (work.step < steps)
    names = np.asarray(events.name[work.event[inside]], np.int64)
    durations = (work.end_ns - work.start_ns)[inside]
    total = float(durations.sum())
    if not total:
        return []
    flops = kernel_flops(events, work, labels, inside) if tree else np.full(len(durations), np.nan)
    labels, operators = labels[inside], work.operator[inside]
    unique, where = np.unique(names, return_inverse=True)
    time, calls = np.bincount(where, weights=durations), np.bincount(where)
    moved = _moved(events, work, inside, where)
    asked = np.where(work.launch[inside] >= 0, work.launch[inside], operators)
    made = []
    for group in np.argsort(-time, kind="stable")[:rows]:
        members = np.flatnonzero(where == group)
        kind = BUSY[int(np.bincount(labels[members]).argmax())]
        made.append(
            KernelRow(
                name=events.names[unique[group]],
                kind=kind,
                operator=_most_common(events, operators[members]),
                calls_per_step=float(calls[group]) / steps,
                seconds_per_step=float(time[group]) * 1e-9 / steps,
                share=float(time[group]) / total,
                mean_s=float(time[group]) * 1e-9 / int(calls[group]),
                bytes_per_step=float(moved[group]) / steps if moved[group] else None,
                tensor_core=uses_tensor_cores(events.names[unique[group]], kind),
                flops_per_step=_known(float(flops[members].sum()) / steps),
                **(_whose(tree, asked[members], kind) if tree else {}),
            )
        )
    return made


def _whose(calls: Calls, asked: Any, kind: str) -> dict[str, Any]:
    """Module and direction, those of most of the calls. A copy from or to the host belongs to neither way."""
    asked = asked[asked >= 0]
    if not len(asked):
        return {}
    modules = calls.marks.module[asked]
    modules = modules[modules >= 0]
    module = calls.marks.modules[int(np.bincount(modules).argmax())] if len(modules) else None
    direction = DIRECTIONS[int(np.bincount(calls.direction[asked]).argmax())]
    return {"module": module, "direction": "other" if kind == COPY and module is None else direction}


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value


def _moved(events: Events, work: Launches, inside: Any, where: Any) -> Any:
    """Bytes by group."""
    size = np.asarray(events.bytes[work.event[inside]], np.int64)
    return np.bincount(where, weights=np.maximum(size, 0))


def _most_common(events: Events, operators: Any) -> str | None:
    known = operators[operators >= 0]
    if not len(known):
        return None
    return events.names[int(np.bincount(np.asarray(events.name[known], np.int64)).argmax())]
