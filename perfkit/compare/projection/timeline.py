"""Host and device beside each other: the host makes its calls one after the other, the device does what it was asked for in order.

Between two waits for the device the host runs ahead, and the ends of a stream's work follow in one stroke: each piece begins
when it was asked for or when the one before it has ended, whichever is later.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .workload import Workload

# The traced steps are replayed so often; the last pass is measured, when what the first began with no longer matters.
PASSES = 3
# From the host's call to the start of the kernel on an idle device: 3-5 µs, of which most lies in the call itself.
ON_ITS_WAY_S = 2e-6


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """A replayed step, in seconds."""

    step_s: float
    #: Of it, the device works.
    busy_s: float
    #: The host works on its own, waiting for batches not counted; most of it beside the device, where the step waits for that.
    host_s: float


@dataclass(frozen=True, kw_only=True)
class _Segment:
    """Calls up to the next wait: when each piece is asked for after the segment's start, by stream."""

    length_s: float
    waits: bool
    #: Stream → (moments, seconds), in order.
    streams: dict[int, tuple[Any, Any]]


def replay(workload: Workload, seconds: Any, host_scale: float, *, data_scale: float = 1.0) -> Replayed:
    """The step with device work of *seconds* (one for each piece), the host's own work taking *host_scale* of its time, and its waiting
    for batches *data_scale*.
    """
    segments = _segments(workload, seconds, host_scale, data_scale)
    host, free, ends = 0.0, dict[int, float](), [0.0]
    for _ in range(PASSES):
        for segment in segments:
            host = _advanced(segment, host, free)
        ends.append(max(host, *free.values()))
    steps = workload.steps
    return Replayed(
        step_s=(ends[-1] - ends[-2]) / steps,
        busy_s=float(seconds.sum()) / steps,
        host_s=workload.host_s * host_scale,
    )


def _segments(workload: Workload, seconds: Any, host_scale: float, data_scale: float) -> list[_Segment]:
    calls, pieces = workload.calls, workload.pieces
    moments = np.cumsum((calls.work_s - calls.data_s) * host_scale + calls.data_s * data_scale)
    asked, spent = moments[pieces.call] + ON_ITS_WAY_S, seconds + workload.pause_s
    whole = float(moments[-1]) + workload.tail_s * host_scale
    bounds = [0, *(np.flatnonzero(calls.waits) + 1).tolist()]
    cuts = np.searchsorted(pieces.call, [*bounds, len(calls.work_s) + 1])
    begins = [0.0, *moments[calls.waits].tolist()]
    made = []
    for number, (first, last) in enumerate(pairwise(cuts.tolist())):
        start = begins[number]
        waits = number + 1 < len(begins)
        end = begins[number + 1] if waits else whole
        streams = _by_stream(pieces.stream[first:last], asked[first:last] - start, spent[first:last])
        made.append(_Segment(length_s=end - start, waits=waits, streams=streams))
    return made


def _by_stream(stream: Any, moments: Any, spent: Any) -> dict[int, tuple[Any, Any]]:
    return {int(one): (moments[stream == one], spent[stream == one]) for one in np.unique(stream)}


def _advanced(segment: _Segment, host: float, free: dict[int, float]) -> float:
    """The host's clock after *segment* and the wait that may end it; *free*: when each stream has done all it was asked for."""
    for stream, (moments, spent) in segment.streams.items():
        before = np.concatenate(([0.0], np.cumsum(spent)[:-1]))
        begins = np.maximum.accumulate(np.maximum(host + moments, free.get(stream, 0.0)) - before)
        free[stream] = float(begins[-1] + before[-1] + spent[-1])
    after = host + segment.length_s
    return max(after, *free.values()) if segment.waits and free else after
