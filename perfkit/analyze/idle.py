"""Why the device had nothing to do: each gap between its work split by what the host was doing meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..trace.events import Events
from .launches import RUNTIME, Launches
from .spans import Spans, union

#: Causes of idle time, in the order a report lists them.
CAUSES = ("input", "launch", "sync", "copy", "communication", "other")

#: Calls in which the host waits for the device.
WAITS = ("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize", "cuStreamSynchronize",
         "cuCtxSynchronize", "cuEventSynchronize", "hipStreamSynchronize", "hipDeviceSynchronize",
         "hipEventSynchronize")  # fmt: skip
_COPY = ("cudaMemcpy", "cuMemcpy", "hipMemcpy")
_MEMORY = ("cudaMalloc", "cudaFree", "cudaHostAlloc", "cudaHostRegister", "cuMem", "hipMalloc", "hipFree",
           "cuModuleLoad", "cuLibraryLoad", "cudaModuleLoad", "hipModuleLoad")  # fmt: skip
_INPUT = ("enumerate(DataLoader)", "perfkit.data")
_TALK = ("gloo:", "c10d::", "mpi:")
#: The two clocks agree to some microseconds: a wait that ended this much before the device did still was for it.
CLOCK_NS = 5_000


@dataclass(frozen=True, kw_only=True)
class HostStates:
    """When the host was in something that explains an idle device."""

    input: Spans
    copy: Spans
    sync: Spans
    communication: Spans
    memory: Spans


@dataclass(frozen=True, kw_only=True)
class IdleGaps:
    """The gaps in one device's work, and how many nanoseconds of each are due to which cause."""

    gaps: Spans
    #: Until when the host was late: what follows is the launch on its way, or the device's own.
    late_until_ns: Any
    by_cause: dict[str, Any]

    def totals(self) -> dict[str, int]:
        """Nanoseconds by cause; they add up to the idle time."""
        return {cause: int(parts.sum()) for cause, parts in self.by_cause.items()}


def waiting_calls(events: Events) -> tuple[Any, Any]:
    """Masks of the calls that wait for the device: for an upload from ordinary memory, and for anything else.

    Fetching into ordinary memory waits inside the copying call itself.
    """
    calls = events.in_categories(*RUNTIME)
    waits = calls & events.name_matches(*WAITS)
    after_copy = waits.copy()
    after_copy[waits] = np.isin(events.external_id[waits], _upload_ids(events))
    return after_copy, (waits & ~after_copy) | _fetches(events, calls)


def host_states(events: Events) -> HostStates:
    """Collect the host's waits from its annotations and runtime calls."""
    calls = events.in_categories(*RUNTIME)
    marks = events.in_categories("user_annotation", "cpu_op")
    after_copy, waits = waiting_calls(events)
    copies = (calls & events.name_matches(*_COPY) & ~waits) | after_copy
    return HostStates(
        input=_spans(events, marks & events.name_matches(*_INPUT)),
        copy=_spans(events, copies),
        sync=_spans(events, waits),
        communication=_spans(events, marks & events.name_matches(*_TALK)),
        memory=_spans(events, calls & events.name_matches(*_MEMORY)),
    )


def _fetches(events: Events, calls: Any) -> Any:
    """The copying calls that fetch into ordinary memory."""
    downloads = events.in_categories("gpu_memcpy") & events.name_matches("Memcpy DtoH (Device -> Pageable")
    wanted = np.unique(events.correlation[downloads])
    found = calls & events.name_matches(*_COPY)
    found[found] = np.isin(events.correlation[found], wanted[wanted > 0])
    return found


def _upload_ids(events: Events) -> Any:
    """Operators that uploaded from ordinary (pageable) memory: waiting inside them is the copy's cost."""
    uploads = events.in_categories("gpu_memcpy") & events.name_matches("Memcpy HtoD (Pageable")
    ids = np.unique(events.external_id[uploads])
    return ids[ids > 0]


def _spans(events: Events, chosen: Any) -> Spans:
    return union(events.ts_ns[chosen], events.end_ns[chosen])


def idle_gaps(events: Events, states: HostStates, work: Launches, busy: Spans, start_ns: int, end_ns: int) -> IdleGaps:
    """The gaps that *busy* leaves in [start, end], each split by cause; the parts add up to the idle time."""
    gaps = busy.gaps(start_ns, end_ns)
    asked, returned = _next_launch(events, work, gaps)
    # Up to the launch call's return the host was late; from there on the launch was on its way, or, when it had been
    # queued before the gap began, the device took its time between two pieces of queued work.
    late_until = np.clip(returned, gaps.starts, gaps.ends)
    queued = returned <= gaps.starts
    waiting = gaps.ends - late_until
    found = _split_late(states, gaps.starts, late_until, asked)
    found["other"] = found["other"] + np.where(queued, waiting, 0)
    found["launch"] = found["launch"] + np.where(queued, 0, waiting)
    return IdleGaps(gaps=gaps, late_until_ns=late_until, by_cause=found)


def _next_launch(events: Events, work: Launches, gaps: Spans) -> tuple[Any, Any]:
    """When the work that ends each gap was asked for, and when that call returned; the gap's end when unknown."""
    at = np.searchsorted(work.start_ns, gaps.ends)
    inside = at < len(work)
    launch = np.where(inside, work.launch[np.minimum(at, len(work) - 1)], -1)
    known = launch >= 0
    starts, ends = np.asarray(events.ts_ns, np.int64), events.end_ns
    return np.where(known, starts[launch], gaps.ends), np.where(known, ends[launch], gaps.ends)


def _split_late(states: HostStates, starts: Any, ends: Any, asked: Any) -> dict[str, Any]:
    """Split the time in which the host was late by what it was doing; a moment counts for the first that applies."""
    found = {cause: np.zeros(len(starts), np.int64) for cause in CAUSES}
    left = ends - starts
    covered = _nothing()
    for cause, spans in (
        ("input", states.input),
        ("copy", states.copy),
        ("communication", states.communication),
        ("other", states.memory),
        ("sync", states.sync),
    ):
        wider = union(np.concatenate((covered.starts, spans.starts)), np.concatenate((covered.ends, spans.ends)))
        part = wider.covered(starts, ends) - covered.covered(starts, ends)
        found[cause] = found[cause] + part
        left = left - part
        covered = wider
    drained = _waited_when_idle(states.sync, starts) & (asked > starts)
    found["sync"] = found["sync"] + np.where(drained, left, 0)
    found["launch"] = found["launch"] + np.where(drained, 0, left)
    return found


def _waited_when_idle(sync: Spans, moments: Any) -> Any:
    """Whether the host stood in a wait when the device ran dry: what follows until the next launch is the wait's price."""
    if not len(sync.starts):
        return np.zeros(len(moments), bool)
    at = np.searchsorted(sync.starts, moments, side="right") - 1
    return (at >= 0) & (sync.ends[np.maximum(at, 0)] >= moments - CLOCK_NS)


def _nothing() -> Spans:
    empty = np.zeros(0, np.int64)
    return Spans(empty, empty)
