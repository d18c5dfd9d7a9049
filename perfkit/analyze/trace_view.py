"""Everything a trace tells, in one value: the door of trace analysis."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ..hardware.catalog import DeviceSpec, match
from ..trace.events import Events
from ..trace.formats import read
from ..trace.kineto import Trace
from .calls import calls_of
from .copies import CopyRow, copy_table
from .device import DeviceView, Share, device_view, kernel_labels
from .hot_rows import Hotspot
from .hotspots import HotspotView, hotspots
from .input_wait import InputWait, input_wait
from .kernels import KernelRow, kernel_table
from .launches import join
from .operator_table import EVENT_COST_MOST_NS
from .queue import LaunchFacts, launch_facts
from .roofline import kernels_with_bounds, matrix_formats, with_bounds
from .syncs import SyncRow, sync_table
from .traced_steps import Window, host_events_per_step, steps_of
from .work import StepWork, step_work

# What tracing adds per recorded host event to a step that waits for the host. Measured: 0.25–0.8 µs on plain CPU
# runs; on an H100 host with shapes, memory and CUDA calls recorded 1.0–3.1 µs (7 µs under torch.compile).
EVENT_COST_LOW_NS = 250.0
# A step that tracing may have lengthened by less than this is called undistorted.
WORTH_SAYING = 0.05
# However many events: more than this share of a traced step was never the profiler's.
MOST_DILATED = 0.9

_KNOWN = {
    "cpu_op", "user_annotation", "gpu_user_annotation", "python_function", "cuda_runtime", "cuda_driver", "kernel",
    "gpu_memcpy", "gpu_memset", "Trace", "overhead", "cuda_sync", "cuda_event", "xpu_runtime", "mtia_runtime",
    "privateuse1_runtime", "cpu_instant_event", "python_gc", "tf_runtime", "tf_data", "",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class TraceAnalysis:
    """What a trace says about its steps. Seconds are per step, shares of ``step_s``."""

    #: Busy by class and idle by cause; disjoint, adding up to the step. Empty when nothing ran on a device.
    device_breakdown: list[Share] = field(default_factory=list)
    #: Operators by device time where the trace has any, else by host self time.
    hotspots: list[Hotspot] = field(default_factory=list)
    #: Operators by host self time.
    host_operators: list[Hotspot] = field(default_factory=list)
    kernels: list[KernelRow] = field(default_factory=list)
    copies: list[CopyRow] = field(default_factory=list)
    #: Calls in which the host waits for the device, the costliest first.
    syncs: list[SyncRow] = field(default_factory=list)
    #: None without a tf.data pipeline.
    input_wait: InputWait | None = None
    #: None without kernels.
    launches: LaunchFacts | None = None
    #: Arithmetic of a step.
    work: StepWork | None = None
    #: Traced steps; 0 when the trace marks none, and then everything is for the whole trace.
    steps: int = 0
    step_numbers: list[int] = field(default_factory=list)
    #: What shares refer to: the unprofiled step time if known, else the profiled one.
    step_s: float | None = None
    profiled_step_s: float | None = None
    #: Profiled over unprofiled step time; None when the latter is not known.
    dilation: float | None = None
    #: Where it is not known: by how much tracing may have lengthened the step, from the number of events.
    dilation_estimate: tuple[float, float] | None = None
    busy_share: float | None = None
    #: By time, as the trace stands: what tools that look at nothing else report.
    busy_share_raw: float | None = None
    #: Taken off the host times per event; None where nothing was.
    host_correction_ns: float | None = None
    device_names: list[str] = field(default_factory=list)
    #: What bounds refer to: the catalogue's entry of the device, or the processor as measured; None for neither.
    limits: DeviceSpec | None = None
    #: Operator → format that its matrix kernels compute in.
    matrix_formats: dict[str, str] = field(default_factory=dict)
    rank: int | None = None
    events: int = 0
    truncated: bool = False
    notes: list[str] = field(default_factory=list)


def analyze_trace(
    trace: str | Path | Trace, *, step_time_s: float | None = None, processor: DeviceSpec | None = None
) -> TraceAnalysis:
    """Analyse a trace file, or one already read. ``step_time_s``: step time without the profiler, where it is known;
    ``processor``: what the host's processor can do, for traces in which no other device works.

    Raises TraceError when there is no trace in the file.
    """
    if not isinstance(trace, Trace):
        trace = read(trace)
    events = trace.events
    window = steps_of(events)
    if not window.marked:
        step_time_s = None
    work = join(events, window)
    labels = kernel_labels(events, work)
    view = device_view(events, window, work, labels, step_time_s=step_time_s)
    profiled = view.profiled_step_s or (window.end_ns - window.start_ns) * 1e-9 / window.count
    step_s = view.step_s or step_time_s or profiled
    calls = calls_of(events)
    hot = hotspots(events, window, work, step_s=step_s, profiled_step_s=profiled, calls=calls)
    limits = _limits(trace, view) if view.devices else processor
    kernels = kernel_table(events, work, labels, window.count, tree=calls)
    formats = matrix_formats(kernels)
    shown = hot.device or hot.host
    if limits is not None:
        shown = with_bounds(shown, limits, formats)
        kernels = kernels_with_bounds(kernels, shown)
    rank = trace.distributed.get("rank")
    estimate = None if step_time_s or not window.marked else _estimate(events, window, view, profiled)
    return TraceAnalysis(
        device_breakdown=view.breakdown,
        hotspots=shown,
        host_operators=hot.host,
        kernels=kernels,
        copies=copy_table(events, window, work, calls),
        syncs=sync_table(events, window, calls, view),
        input_wait=input_wait(events, window),
        launches=launch_facts(events, window, work),
        work=step_work(events, window, work, labels, calls),
        steps=len(window.numbers),
        step_numbers=window.numbers,
        step_s=step_s,
        profiled_step_s=profiled,
        dilation=profiled / step_time_s if step_time_s else None,
        dilation_estimate=estimate,
        busy_share=view.busy_share,
        busy_share_raw=view.busy_share_raw,
        host_correction_ns=hot.correction_ns,
        device_names=_device_names(trace),
        limits=limits,
        matrix_formats=formats,
        rank=rank if isinstance(rank, int) else None,
        events=len(events),
        truncated=trace.truncated,
        notes=[*trace.problems, *window.notes, *_notes(events, view, hot, estimate)],
    )


def _estimate(events: Events, window: Window, view: DeviceView, profiled_s: float) -> tuple[float, float] | None:
    """Profiled over plain step time, lowest and highest. With a device no more than its ``launch`` idle can go."""
    if profiled_s <= 0:
        return None
    per_step = host_events_per_step(events, window)
    idle = next((s.seconds_per_step for s in view.breakdown if s.name == "launch" and s.kind == "idle"), 0.0)
    room = min(idle, MOST_DILATED * profiled_s) if view.breakdown else profiled_s / 2
    low, high = (min(per_step * cost * 1e-9, room) for cost in (EVENT_COST_LOW_NS, EVENT_COST_MOST_NS))
    return profiled_s / (profiled_s - low), profiled_s / (profiled_s - high)


def _limits(trace: Trace, view: DeviceView) -> DeviceSpec | None:
    """The catalogue's entry of the devices that worked; None where they are not all of one kind."""
    named = {int(device.get("id", number)): str(device.get("name")) for number, device in enumerate(trace.devices)}
    names = {named.get(device, "") for device in view.devices}
    return match(names.pop()) if len(names) == 1 else None


def _device_names(trace: Trace) -> list[str]:
    return [str(device.get("name", "unknown")) for device in trace.devices]


def _notes(events: Events, view: DeviceView, hot: HotspotView, estimate: tuple[float, float] | None) -> list[str]:
    said = view.notes if view.breakdown else []
    if estimate and estimate[1] > 1 + WORTH_SAYING:
        said = [
            *said,
            f"step times are those under the profiler, {estimate[0]:.2f}–{estimate[1]:.2f}× the plain ones by the "
            "number of events",
        ]
    if hot.correction_ns is not None:
        said = [
            *said,
            f"host times are corrected to the plain step: the profiler's {hot.correction_ns / 1000:.2f} µs per event taken off",
        ]
    return [*said, *_unknown_work(events)]


def _unknown_work(events: Events) -> list[str]:
    """Categories that may be an accelerator's, but not one that the device view knows."""
    said = []
    for code, category in enumerate(events.categories):
        count = int((events.category == code).sum())
        if category not in _KNOWN and count:
            said.append(f"{count:,} events of category {category} are in the table but not in the device view")
    return said
