"""How work reaches the device: how much of it, how short, and how far the host runs ahead of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..trace.events import Events
from .launches import Launches
from .traced_steps import Window

# A kernel that begins this soon after its launch returned found the device waiting. The two clocks agree to some
# microseconds; an H100 took 3-5 µs from a launch's return to the kernel's start in traces whose device was idle.
STARVED_NS = 5_000
# A kernel below this is as short as its own launch (5-10 µs a call on the H100's host, traced).
SHORT_NS = 10_000
_GRAPH = ("cudaGraphLaunch", "cuGraphLaunch", "hipGraphLaunch")


@dataclass(frozen=True, kw_only=True)
class LaunchFacts:
    """Of the kernels that the traced steps launched; per step where the name says so."""

    kernels_per_step: float
    #: Calls that launched them: fewer than kernels where graphs are replayed.
    launches_per_step: float
    graph_launches_per_step: float
    mean_kernel_s: float
    median_kernel_s: float
    #: By number: kernels under 10 µs.
    short_kernel_share: float
    #: By time.
    short_kernel_time_share: float
    #: Median time between one launch and the next by the same thread, under the profiler; None with fewer than two.
    host_seconds_per_launch: float | None = None
    #: Median duration of the launching call itself.
    call_s: float | None = None
    #: From the launch's call to the kernel's start, median: how far the host runs ahead.
    median_launch_delay_s: float | None = None
    #: By number: kernels that start within 5 µs of their launch's return; the device was waiting for them.
    starved_share: float | None = None
    #: Kernels asked for and not begun when one more is launched, mean.
    queue_depth: float | None = None


def launch_facts(events: Events, window: Window, work: Launches) -> LaunchFacts | None:
    """Launch figures of the traced steps; None without kernels."""
    inside = (work.step >= 0) & (work.step < window.count) & events.in_categories("kernel")[work.event]
    if not inside.any():
        return None
    durations = (work.end_ns - work.start_ns)[inside]
    short = durations < SHORT_NS
    launched = np.unique(work.launch[inside & (work.launch >= 0)])
    graphs = events.name_matches(*_GRAPH)[launched]
    return LaunchFacts(
        kernels_per_step=int(inside.sum()) / window.count,
        launches_per_step=len(launched) / window.count,
        graph_launches_per_step=int(graphs.sum()) / window.count,
        mean_kernel_s=float(durations.mean()) * 1e-9,
        median_kernel_s=float(np.median(durations)) * 1e-9,
        short_kernel_share=float(short.mean()),
        short_kernel_time_share=float(durations[short].sum() / max(durations.sum(), 1)),
        **_host_side(events, work, inside & (work.launch >= 0), launched),
    )


def _host_side(events: Events, work: Launches, known: Any, launched: Any) -> dict[str, float]:
    """What needs the launches; nothing where the trace has none."""
    if not known.any():
        return {}
    starts, ends = np.asarray(events.ts_ns, np.int64), events.end_ns
    asked, returned = starts[work.launch[known]], ends[work.launch[known]]
    begun = work.start_ns[known]
    found = {
        "call_s": float(np.median((ends - starts)[launched])) * 1e-9,
        "median_launch_delay_s": float(np.median(begun - asked)) * 1e-9,
        "starved_share": float((begun - returned <= STARVED_NS).mean()),
        "queue_depth": float(np.mean(queue_depth(asked, begun))),
    }
    between = _between(events, launched)
    return {**found, **({"host_seconds_per_launch": float(np.median(between)) * 1e-9} if len(between) else {})}


def _between(events: Events, launched: Any) -> Any:
    """Time from each launch to the next one by the same thread."""
    order = np.lexsort((events.ts_ns[launched], events.tid[launched]))
    sorted_calls = launched[order]
    gaps = np.diff(np.asarray(events.ts_ns[sorted_calls], np.int64))
    same = events.tid[sorted_calls][1:] == events.tid[sorted_calls][:-1]
    return gaps[same]


def queue_depth(asked_ns: Any, begun_ns: Any) -> Any:
    """For each piece of work how many others had been asked for before it and not begun."""
    asked, begun = np.sort(asked_ns), np.sort(begun_ns)
    before = np.searchsorted(asked, asked_ns, side="left")
    return np.maximum(before - np.searchsorted(begun, asked_ns, side="right"), 0)
