"""What the device did with the traced steps: busy by class of work, idle by cause, and how far the profiler bent both.

A piece of work belongs to the step that launched it, not to the one in whose time it ran: the host runs ahead.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from ..trace.events import Events
from . import classes
from .idle import CAUSES, HostStates, IdleGaps, host_states, idle_gaps
from .launches import DEVICE_WORK, Launches, join
from .spans import Spans, own_parts, union
from .traced_steps import Window, steps_of

# The order in which idle that the profiler made is taken back: it slows the host, so first what a slow host causes.
_TAKEN_BACK = ("launch", "other", "sync", "input", "copy", "communication")


@dataclass(frozen=True, kw_only=True)
class Share:
    """A part of the step. The parts of a breakdown are disjoint and add up to it."""

    name: str
    kind: Literal["busy", "idle"]
    seconds_per_step: float
    #: Of the step, 0–1.
    share: float


@dataclass(frozen=True, kw_only=True)
class DeviceView:
    """Device time of the traced steps, averaged over steps and devices."""

    #: Busy classes and idle causes that occur, the largest first within each kind; empty without device work.
    breakdown: list[Share] = field(default_factory=list)
    #: Step time the shares refer to: the unprofiled one when it was given, else the profiled one.
    step_s: float | None = None
    #: Step time under the profiler.
    profiled_step_s: float | None = None
    #: Device work per step, by launch.
    busy_s: float | None = None
    #: ``busy_s / step_s``.
    busy_share: float | None = None
    #: Busy share of the trace as it stands: by time, between the first and the last device activity.
    busy_share_raw: float | None = None
    #: Profiled over unprofiled step time; None when the latter is not known.
    dilation: float | None = None
    devices: list[int] = field(default_factory=list)
    #: Gaps of each device, uncorrected.
    gaps: list[IdleGaps] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class _Account:
    """Nanoseconds of one device over all steps of the window."""

    total: int
    busy: dict[str, int]
    gaps: IdleGaps


def device_view(
    events: Events,
    window: Window | None = None,
    work: Launches | None = None,
    labels: Any = None,
    *,
    step_time_s: float | None = None,
) -> DeviceView:
    """The device's share of the step. ``step_time_s`` is the step time without the profiler, where it is known.

    ``window``, ``work`` and ``labels`` are those of `steps_of`, `join` and `kernel_labels`, where they are at hand.
    """
    window = window or steps_of(events)
    work = join(events, window) if work is None else work
    inside = (work.step >= 0) & (work.step < window.count)
    devices = [int(device) for device in np.unique(work.device[inside])]
    if not devices:
        return DeviceView(notes=["no work of a device in the trace"])
    labels = kernel_labels(events, work) if labels is None else labels
    states = host_states(events)
    accounts = [_account(events, window, work, inside, labels, device, states) for device in devices]
    view = _averaged(accounts, window.count, step_time_s)
    gaps = [account.gaps for account in accounts]
    return replace(view, busy_share_raw=raw_busy_share(work), devices=devices, gaps=gaps)


def kernel_labels(events: Events, work: Launches) -> Any:
    """Class of each piece of work, as an index into classes.BUSY. Each pair of kernel and operator is judged once."""
    kinds = sum(events.in_categories(kind)[work.event] * number for number, kind in enumerate(DEVICE_WORK))
    operators = np.where(work.operator >= 0, events.name[work.operator], -1).astype(np.int64)
    pairs = (np.asarray(events.name[work.event], np.int64) << 32) | (operators + 1) << 8 | kinds
    unique, where = np.unique(pairs, return_inverse=True)
    named = [_label(events, int(pair >> 32), int(pair >> 8 & 0xFFFFFF) - 1, int(pair & 0xFF)) for pair in unique]
    labels = np.array(named, np.int64)[where] if len(unique) else np.zeros(0, np.int64)
    compute = labels < len(classes.COMPUTE)
    return np.where(work.by_optimizer & compute, classes.BUSY.index(classes.OPTIMIZER), labels)


def _label(events: Events, name: int, operator: int, category: int) -> int:
    kind = DEVICE_WORK[category]
    if kind == "gpu_memcpy":
        return classes.BUSY.index(classes.COPY)
    if kind == "gpu_memset":
        return classes.BUSY.index(classes.MEMSET)
    label = classes.kernel_class(events.names[name], events.names[operator] if operator >= 0 else "")
    return classes.BUSY.index(label)


def raw_busy_share(work: Launches) -> float | None:
    """Busy share by time of everything on the device, from its first activity to its last; mean over devices."""
    shares = []
    for device in np.unique(work.device):
        here = work.on(int(device))
        busy = union(here.start_ns, here.end_ns)
        span = int(busy.ends[-1] - busy.starts[0])
        shares.append(busy.total / span if span else 1.0)
    return float(np.mean(shares)) if shares else None


def _account(
    events: Events, window: Window, work: Launches, inside: Any, labels: Any, device: int, states: HostStates
) -> _Account:
    """Busy by class and idle by cause of one device between the device's own start and end of the window."""
    here = work.device == device
    start, end = _device_window(window, work, here)
    mine = here & inside
    starts = np.clip(work.start_ns[mine], start, None)
    ends = np.clip(work.end_ns[mine], start, end)
    starts = np.minimum(starts, ends)
    busy = _busy_by_class(starts, ends, labels[mine])
    own = work.on(device)
    gaps = idle_gaps(events, states, own, union(starts, ends), start, end)
    return _Account(total=end - start, busy=busy, gaps=gaps)


def _device_window(window: Window, work: Launches, here: Any) -> tuple[int, int]:
    """From when the device could begin with the first step to when both sides were done with the last one."""
    earlier = here & (work.step < 0)
    mine = here & (work.step >= 0) & (work.step < window.count)
    start, end = window.start_ns, window.end_ns
    if earlier.any():
        first = int(work.start_ns[mine].min())
        start = max(start, min(int(work.end_ns[earlier].max()), first))
    return start, max(end, int(work.end_ns[mine].max()))


def _busy_by_class(starts: Any, ends: Any, labels: Any) -> dict[str, int]:
    """Nanoseconds by class. Where work overlaps, compute counts before communication, that before copies."""
    found: dict[str, int] = {}
    covered = Spans(np.zeros(0, np.int64), np.zeros(0, np.int64))
    count = len(classes.COMPUTE)
    for members in (range(count), *([number] for number in range(count, len(classes.BUSY)))):
        chosen = np.isin(labels, list(members))
        own_starts, own_ends = own_parts(starts[chosen], ends[chosen])
        seen = own_ends - own_starts - covered.covered(own_starts, own_ends)
        sums = np.bincount(labels[chosen], weights=seen, minlength=len(classes.BUSY))
        for number in members:
            if sums[number]:
                found[classes.BUSY[number]] = int(sums[number])
        covered = union(np.concatenate((covered.starts, starts[chosen])), np.concatenate((covered.ends, ends[chosen])))
    return found


def _averaged(accounts: list[_Account], steps: int, step_time_s: float | None) -> DeviceView:
    """Seconds per step and shares, with what the profiler added taken back when the plain step time is known."""
    scale = 1e-9 / steps / len(accounts)
    profiled = sum(account.total for account in accounts) * scale
    busy = {name: sum(a.busy.get(name, 0) for a in accounts) * scale for name in classes.BUSY}
    totals = [account.gaps.totals() for account in accounts]
    idle = {cause: sum(total[cause] for total in totals) * scale for cause in CAUSES}
    busy_s = sum(busy.values())
    notes = []
    step_s = profiled
    if step_time_s is not None:
        step_s = max(step_time_s, busy_s)
        if busy_s > step_time_s * 1.02:
            notes.append("the device work of a traced step is longer than the step time given")
        idle = corrected_idle(idle, step_s - busy_s)
    return DeviceView(
        breakdown=_shares(busy, "busy", step_s) + _shares(idle, "idle", step_s),
        step_s=step_s,
        profiled_step_s=profiled,
        busy_s=busy_s,
        busy_share=busy_s / step_s if step_s else None,
        dilation=profiled / step_time_s if step_time_s else None,
        notes=notes,
    )


def corrected_idle(idle: dict[str, float], target_s: float) -> dict[str, float]:
    """Idle by cause brought to *target_s*: what the profiler added is taken from ``launch`` first.

    If idle has to grow (the plain step is longer than the traced one), each cause grows alike.
    """
    total = sum(idle.values())
    if target_s >= total:
        if total <= 0:
            return {**idle, "other": target_s}
        return {cause: seconds * target_s / total for cause, seconds in idle.items()}
    excess, left = total - target_s, dict(idle)
    for cause in _TAKEN_BACK:
        taken = min(excess, left[cause])
        left[cause] -= taken
        excess -= taken
    return left


def _shares(parts: dict[str, float], kind: Literal["busy", "idle"], step_s: float) -> list[Share]:
    found = [
        Share(name=name, kind=kind, seconds_per_step=seconds, share=seconds / step_s)
        for name, seconds in parts.items()
        if seconds > 0
    ]
    return sorted(found, key=lambda share: -share.seconds_per_step)
