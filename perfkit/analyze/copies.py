"""Copies between host and device: how much, how fast, whether anything ran beside them, and whether the host waited."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..trace.events import Events
from .calls import Calls, outermost_operator
from .idle import WAITS
from .launches import RUNTIME, Launches
from .spans import Spans, union
from .traced_steps import Window

# Kineto: "Memcpy HtoD (Pageable -> Device)"; ROCm: "Memcpy HtoD (Host -> Device)", older: "CopyHostToDevice".
_NAME = re.compile(r"Memcpy (?P<kind>[HDP]to[HDP])(?: \((?P<source>\w+) -> (?P<target>\w+)\))?")
_ROCM = {"CopyHostToDevice": "HtoD", "CopyDeviceToHost": "DtoH", "CopyDeviceToDevice": "DtoD"}


@dataclass(frozen=True, kw_only=True)
class CopyRow:
    """Copies of one kind over the traced steps."""

    #: HtoD, DtoH, DtoD, PtoP, HtoH, or as the trace calls it.
    kind: str
    #: Whether the host's side is ordinary memory; None where the trace does not say, or no host is involved.
    pageable: bool | None
    calls_per_step: float
    bytes_per_step: float | None
    seconds_per_step: float
    bytes_per_s: float | None
    #: Of it with no kernel running on that device.
    exposed_seconds_per_step: float
    #: In the calls that asked for the copies, and in the waits for them.
    host_blocked_seconds_per_step: float
    #: Outermost operator that copies most; None when none was seen.
    operator: str | None


def copy_table(events: Events, window: Window, work: Launches, calls: Calls) -> list[CopyRow]:
    """Copies that the traced steps launched, most time first."""
    inside = (work.step >= 0) & (work.step < window.count) & events.in_categories("gpu_memcpy")[work.event]
    kinds = {int(code): copy_kind(events.names[code]) for code in np.unique(events.name[work.event[inside]])}
    groups: dict[tuple[str, bool | None], list[int]] = {}
    for code, kind in kinds.items():
        groups.setdefault(kind, []).append(code)
    exposed = _exposed(events, work, inside)
    rows = [
        _row(events, window, work, calls, kind, inside & np.isin(events.name[work.event], codes), exposed)
        for kind, codes in groups.items()
    ]
    return sorted(rows, key=lambda row: -row.seconds_per_step)


def copy_kind(name: str) -> tuple[str, bool | None]:
    """Kind and whether pageable memory is at one end, from a copy's name."""
    found = _NAME.match(name)
    if not found:
        return _ROCM.get(name, name), None
    ends = (found["source"], found["target"])
    if "H" not in found["kind"] or not any(end in ("Pageable", "Pinned") for end in ends):
        return found["kind"], None
    return found["kind"], "Pageable" in ends


def _exposed(events: Events, work: Launches, chosen: Any) -> Any:
    """Nanoseconds of each chosen piece of work in which no kernel ran on its device; 0 for the others."""
    left = np.zeros(len(work), np.int64)
    kernels = events.in_categories("kernel")[work.event]
    for device in np.unique(work.device[chosen]):
        here = work.device == device
        busy = union(work.start_ns[here & kernels], work.end_ns[here & kernels])
        mine = here & chosen
        starts, ends = work.start_ns[mine], work.end_ns[mine]
        left[mine] = ends - starts - busy.covered(starts, ends)
    return left


def _row(
    events: Events, window: Window, work: Launches, calls: Calls, kind: tuple[str, bool | None], mine: Any, exposed: Any
) -> CopyRow:
    scale = 1e-9 / window.count
    sizes = np.asarray(events.bytes[work.event[mine]], np.int64)
    moved = float(np.maximum(sizes, 0).sum()) if (sizes >= 0).any() else None
    spent = float((work.end_ns - work.start_ns)[mine].sum())
    launches = work.launch[mine & (work.launch >= 0)]
    return CopyRow(
        kind=kind[0],
        pageable=kind[1],
        calls_per_step=int(mine.sum()) / window.count,
        bytes_per_step=moved / window.count if moved is not None else None,
        seconds_per_step=spent * scale,
        bytes_per_s=moved / spent * 1e9 if moved and spent else None,
        exposed_seconds_per_step=float(exposed[mine].sum()) * scale,
        host_blocked_seconds_per_step=_blocked(events, launches).total * scale,
        operator=_operator(events, calls, launches),
    )


def _blocked(events: Events, launches: Any) -> Spans:
    """The launching calls, and the waits inside the operators that made them."""
    ids = np.unique(events.external_id[launches])
    waits = events.in_categories(*RUNTIME) & events.name_matches(*WAITS)
    waits[waits] = np.isin(events.external_id[waits], ids[ids > 0])
    chosen = np.concatenate((launches, np.flatnonzero(waits))).astype(np.int64)
    return union(events.ts_ns[chosen], events.end_ns[chosen])


def _operator(events: Events, calls: Calls, launches: Any) -> str | None:
    outer = outermost_operator(events, calls.nesting, launches)
    known = outer[outer >= 0]
    if not len(known):
        return None
    return events.names[int(np.bincount(np.asarray(events.name[known], np.int64)).argmax())]
