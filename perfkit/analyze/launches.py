"""Device work joined with the host call that launched it, the operator behind that call, and the step it belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..trace.events import Events
from .spans import Spans, union
from .traced_steps import Window

#: Categories of work on a device. ``gpu_user_annotation`` lies on the device's track too, but is no work.
DEVICE_WORK = ("kernel", "gpu_memcpy", "gpu_memset")
#: Calls into a device's runtime or driver.
RUNTIME = ("cuda_runtime", "cuda_driver", "xpu_runtime", "privateuse1_runtime")


@dataclass(frozen=True, kw_only=True)
class Launches:
    """One entry per piece of device work, in time order. Indices point into the events table; -1 where unknown."""

    #: The work itself.
    event: Any
    start_ns: Any
    end_ns: Any
    device: Any
    #: The runtime call that launched it.
    launch: Any
    #: The innermost operator that was running when it was launched.
    operator: Any
    #: Step that launched it; -1: before the window (or no launch was seen and earlier work neither), n: after it.
    step: Any
    #: Launched by an optimizer's step.
    by_optimizer: Any

    def __len__(self) -> int:
        return len(self.event)

    def on(self, device: int) -> Launches:
        """Only the work of one device."""
        keep = self.device == device
        return Launches(**{name: getattr(self, name)[keep] for name in self.__dataclass_fields__})


def join(events: Events, window: Window) -> Launches:
    """Join the device work of a trace with its launches, operators and steps."""
    work = np.flatnonzero(events.in_categories(*DEVICE_WORK))
    work = work[np.argsort(events.ts_ns[work], kind="stable")]
    launch = _launch_of(events, work)
    start = np.asarray(events.ts_ns[work], np.int64)
    asked = np.where(launch >= 0, np.asarray(events.ts_ns, np.int64)[launch], start)
    return Launches(
        event=work,
        start_ns=start,
        end_ns=np.asarray(events.end_ns[work]),
        device=_devices(events, work),
        launch=launch,
        operator=_operator_of(events, work, launch),
        step=_steps(events, window, work, launch, asked),
        by_optimizer=_optimizer_spans(events).contains(asked) & (launch >= 0),
    )


def _devices(events: Events, work: Any) -> Any:
    """Device index; where the trace gives none, the process number that stands for the device."""
    device = np.asarray(events.device[work], np.int64)
    return np.where(device >= 0, device, np.maximum(np.asarray(events.pid[work], np.int64), 0))


def _launch_of(events: Events, work: Any) -> Any:
    calls = np.flatnonzero(events.in_categories(*RUNTIME) & (events.correlation > 0))
    return _lookup(events.correlation[calls], calls, events.correlation[work])


def _operator_of(events: Events, work: Any, launch: Any) -> Any:
    """By External id, of the work or else of its launch."""
    operators = np.flatnonzero(events.in_categories("cpu_op") & (events.external_id > 0))
    ids = np.asarray(events.external_id[work], np.int64)
    ids = np.where((ids <= 0) & (launch >= 0), events.external_id[launch], ids)
    return _lookup(events.external_id[operators], operators, ids)


def _lookup(keys: Any, values: Any, wanted: Any) -> Any:
    """The value whose key is wanted, the first for a repeated key; -1 where there is none."""
    if not len(keys):
        return np.full(len(wanted), -1, np.int64)
    order = np.argsort(keys, kind="stable")
    at = np.searchsorted(keys, wanted, sorter=order)
    place = order[np.minimum(at, len(keys) - 1)]
    return np.where((keys[place] == wanted) & (wanted > 0), values[place], -1)


def _steps(events: Events, window: Window, work: Any, launch: Any, asked: Any) -> Any:
    """Step of each piece of work. Without a launch of its own it goes with the work before it on its stream."""
    step = window.step_of(asked)
    if (launch >= 0).any():
        missing = launch < 0
        for stream in np.unique(events.tid[work][missing]) if missing.any() else ():
            here = np.flatnonzero(events.tid[work] == stream)
            step[here] = _carried_forward(np.where(missing[here], -2, step[here]))
    return step


def _carried_forward(steps: Any) -> Any:
    """Steps with each -2 replaced by the last one before it; by -1 when there is none."""
    last = np.maximum.accumulate(np.where(steps == -2, -1, np.arange(len(steps))))
    return np.where(last >= 0, steps[np.maximum(last, 0)], -1)


def _optimizer_spans(events: Events) -> Spans:
    found = events.in_categories("user_annotation") & events.name_matches("Optimizer.step#", "Optimizer.zero_grad#")
    return union(events.ts_ns[found], events.end_ns[found])
