"""A traced workload in the form that a projection needs: what the device did, piece by piece, and when the host asked for it."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...analyze.classes import BUSY
from ...analyze.device import kernel_labels
from ...analyze.formats import kernel_format
from ...analyze.idle import host_states, waiting_calls
from ...analyze.launches import Launches, join
from ...analyze.traced_steps import Window, host_events_per_step, steps_of
from ...analyze.work import is_matrix, kernel_bytes, kernel_flops
from ...errors import TraceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...trace.events import Events
    from ...trace.kineto import Trace

# A launch waits inside its call while the device's queue is full. What lies above this many times the usual call is such a wait.
USUAL_CALLS = 3.0
# Between two pieces of queued work a device pauses for 1-2 µs; what is longer than this waits for something.
MOST_PAUSE_NS = 5_000
# Elements by which operands must be aligned for the matrix units to read them at full width: 16 bytes, in 16 bit.
ALIGNED = 8
# A dimension up to this is a batch, which is no row's length, or a product too small to matter.
SMALL = 64
_COPIES = ("aten::copy_", "aten::_to_copy", "aten::fill_", "aten::zero_")
ON_THE_DEVICE = ("Memcpy DtoD", "Memset")
# Operators and the place of their weight among their inputs; a matrix is cast in either orientation.
_WEIGHTS = {"aten::addmm": 2, "aten::linear": 1, "aten::convolution": 1, "aten::embedding": 0}


@dataclass(frozen=True, kw_only=True)
class Pieces:
    """Device work of the traced steps in the order in which it was launched; one entry each, NaN or -1 where unknown."""

    seconds: Any
    #: Index into classes.BUSY.
    kind: Any
    #: Number format of matrix kernels: an index into FORMATS.
    format: Any
    flops: Any
    bytes: Any
    #: Blocks of the grid, and how many of them one multiprocessor holds at a time.
    blocks: Any
    resident: Any
    stream: Any
    #: Copies that stay on the device.
    is_local: Any
    #: Works on parameters alone: does not grow with the batch.
    is_fixed: Any
    #: Launched by an operator that copies or casts a tensor on the device.
    is_cast: Any
    #: A matrix product with a dimension that is no multiple of eight: matrix units read such operands element by element.
    is_odd: Any
    #: The call of the host that launched it: an index into HostCalls.
    call: Any
    #: Number of the operator call behind it; -1 where none was seen.
    operator: Any

    def __len__(self) -> int:
        return len(self.seconds)

    def of_kind(self, *names: str) -> Any:
        """Which pieces are of one of these classes."""
        return np.isin(self.kind, [BUSY.index(name) for name in names])


#: What matrix kernels compute in; the last one for all others.
FORMATS = ("fp32", "tf32", "16-bit", "unknown")


@dataclass(frozen=True, kw_only=True)
class HostCalls:
    """Calls that launch work or wait for the device, in the order the host made them."""

    #: The host's own work from the call before (or the start of the step) to this one, under the profiler, in s.
    work_s: Any
    #: Within it the wait for a batch, which no other device shortens.
    data_s: Any
    #: Waits until the device has done what it was asked for.
    waits: Any


@dataclass(frozen=True, kw_only=True)
class Workload:
    """Some traced steps."""

    device: str
    pieces: Pieces
    calls: HostCalls
    #: Steps in it.
    steps: int
    #: After the last call, to the end of the window.
    tail_s: float
    #: The device's pause between two pieces of queued work.
    pause_s: float
    #: Recorded host events per step, and the step under the profiler.
    events_per_step: float
    profiled_step_s: float
    parameter_bytes: float

    @property
    def busy_s(self) -> float:
        """Seconds of device work per step."""
        return float(self.pieces.seconds.sum()) / self.steps

    @property
    def host_s(self) -> float:
        """Seconds per step in which the host works on its own, under the profiler, waiting for a batch not counted."""
        return float((self.calls.work_s - self.calls.data_s).sum() + self.tail_s) / self.steps

    @property
    def data_s(self) -> float:
        """Seconds per step in which the host waits for its batch."""
        return float(self.calls.data_s.sum()) / self.steps


def workload_of(trace: Trace) -> Workload:
    """The traced steps of *trace*. Raises TraceError where no device did any work, or more than one did."""
    events = trace.events
    window = steps_of(events)
    work = join(events, window)
    inside = np.flatnonzero((work.step >= 0) & (work.step < window.count) & (work.launch >= 0))
    if not len(inside):
        raise TraceError(
            "no work of a device that the host launched is in the trace: there is nothing to move to another device"
        )
    devices = np.unique(work.device[inside])
    if len(devices) > 1:
        raise TraceError(f"the trace shows {len(devices)} devices; only the trace of one is projected")
    inside = inside[np.argsort(events.ts_ns[work.launch[inside]], kind="stable")]
    calls, at = _host_calls(events, window, work, inside)
    return Workload(
        device=_device_name(trace, int(devices[0])),
        pieces=_pieces(trace, window, work, inside, at),
        calls=calls,
        steps=window.count,
        tail_s=_tail_s(events, window, work, inside),
        pause_s=_pause_s(events, work, inside),
        events_per_step=host_events_per_step(events, window),
        profiled_step_s=(window.end_ns - window.start_ns) * 1e-9 / window.count,
        parameter_bytes=4.0 * sum(map(math.prod, _gradient_shapes(events))) / window.count,
    )


def _device_name(trace: Trace, number: int) -> str:
    named = {int(device.get("id", place)): str(device.get("name")) for place, device in enumerate(trace.devices)}
    return named.get(number, "unknown device")


def _host_calls(events: Events, window: Window, work: Launches, inside: Any) -> tuple[HostCalls, Any]:
    """The calls, and for each piece of work which of them launched it."""
    after_copy, waits = waiting_calls(events)
    launches = np.unique(work.launch[inside])
    step = window.step_of(np.asarray(events.ts_ns, np.int64))
    waiting = np.flatnonzero((after_copy | waits) & (step >= 0) & (step < window.count))
    chosen = np.union1d(launches, waiting)
    chosen = chosen[np.argsort(events.ts_ns[chosen], kind="stable")]
    starts, ends = np.asarray(events.ts_ns[chosen], np.int64), events.end_ns[chosen]
    is_wait = np.isin(chosen, waiting)
    free = np.where(is_wait, ends, starts + _blocked_ns(ends - starts, is_wait))
    before = np.concatenate(([window.start_ns], np.maximum.accumulate(free)[:-1]))
    data = host_states(events).input.covered(np.minimum(before, starts), starts)
    calls = HostCalls(work_s=np.maximum(starts - before, 0) * 1e-9, data_s=data * 1e-9, waits=is_wait)
    place = np.empty(len(events), np.int64)
    place[chosen] = np.arange(len(chosen))
    return calls, place[work.launch[inside]]


def _blocked_ns(durations: Any, is_wait: Any) -> Any:
    """What of each launching call is waiting for room in the queue."""
    usual = float(np.median(durations[~is_wait])) if (~is_wait).any() else 0.0
    return np.maximum(durations - USUAL_CALLS * usual, 0.0).astype(np.int64)


def _tail_s(events: Events, window: Window, work: Launches, inside: Any) -> float:
    last = int(events.ts_ns[work.launch[inside]].max())
    return max(0, window.end_ns - last) * 1e-9


def _pause_s(events: Events, work: Launches, inside: Any) -> float:
    """Median pause between two pieces of work of one stream of which the second was queued before the first ended."""
    order = inside[np.lexsort((work.start_ns[inside], events.tid[work.event[inside]]))]
    same = np.diff(events.tid[work.event[order]]) == 0
    pauses = (work.start_ns[order][1:] - work.end_ns[order][:-1])[same]
    asked = events.end_ns[work.launch[order]][1:][same]
    queued = (asked < work.end_ns[order][:-1][same]) & (pauses >= 0) & (pauses < MOST_PAUSE_NS)
    return float(np.median(pauses[queued])) * 1e-9 if queued.any() else 0.0


def _pieces(trace: Trace, window: Window, work: Launches, inside: Any, call: Any) -> Pieces:
    events = trace.events
    labels = kernel_labels(events, work)
    chosen = np.zeros(len(work), bool)
    chosen[inside] = True
    order = np.argsort(np.argsort(inside))  # from the table's order to that of the launches
    flops = kernel_flops(events, work, labels, chosen)[order]
    moved = kernel_bytes(events, work, labels, chosen)[order]
    event = work.event[inside]
    size = np.asarray(events.bytes[event], np.float64)
    names, where = np.unique(events.name[event], return_inverse=True)
    texts = [events.names[name] for name in names]
    operators = work.operator[inside]
    copies = (operators >= 0) & events.name_matches(*_COPIES)[np.maximum(operators, 0)]
    matrix = is_matrix(labels[inside])
    formats = np.array([FORMATS.index(kernel_format(text)) for text in texts])[where]
    blocks = np.asarray(events.blocks[event], np.int64)
    return Pieces(
        seconds=(work.end_ns - work.start_ns)[inside] * 1e-9,
        kind=labels[inside],
        format=np.where(matrix, formats, FORMATS.index("unknown")),
        flops=flops,
        bytes=np.where(size > 0, size, moved),
        blocks=blocks,
        resident=_resident(trace, event),
        stream=np.asarray(events.tid[event], np.int64),
        is_local=np.array([text.startswith(ON_THE_DEVICE) for text in texts])[where],
        is_fixed=work.by_optimizer[inside] | (copies & _on_parameters(events, operators)),
        is_cast=copies & ~work.by_optimizer[inside] & events.in_categories("kernel")[event],
        is_odd=_of_shapes(events, operators, _is_odd) & (labels[inside] == BUSY.index("matmul")),
        call=call,
        operator=operators,
    )


def _resident(trace: Trace, event: Any) -> Any:
    """Blocks that one multiprocessor holds at a time, by its threads, registers and shared memory; 1 where they are not known."""
    events = trace.events
    limits: dict[str, Any] = trace.devices[0] if trace.devices else {}
    threads = np.maximum(np.asarray(events.threads[event], np.float64), 1)
    most = np.floor(float(limits.get("maxThreadsPerMultiprocessor", 2048)) / threads)
    registers = np.asarray(events.registers[event], np.float64)
    by_registers = np.floor(float(limits.get("regsPerMultiprocessor", 65536)) / np.maximum(registers * threads, 1))
    shared = np.asarray(events.shared_bytes[event], np.float64)
    whole = float(limits.get("sharedMemPerMultiprocessor", 98304))
    by_shared = np.where(shared > 0, np.floor(whole / np.maximum(shared, 1)), np.inf)
    known = np.asarray(events.threads[event]) > 0
    return np.where(known, np.maximum(np.minimum(np.minimum(most, by_registers), by_shared), 1), 1)


def _gradient_shapes(events: Events) -> list[tuple[int, ...]]:
    """Shape of each gradient that autograd added up: as many as parameters, in every step."""
    found = events.in_categories("cpu_op") & events.name_matches("torch::autograd::AccumulateGrad")
    shapes = (_widest(_shapes(events.shape_texts[code])) for code in events.shapes[found] if code >= 0)
    return [shape for shape in shapes if shape is not None]


def _parameters(events: Events) -> set[tuple[int, ...]]:
    """Shapes of parameters: those of gradients; without gradients, what layers were given as their weights."""
    return set(_gradient_shapes(events)) or _weights(events)


def _weights(events: Events) -> set[tuple[int, ...]]:
    found: set[tuple[int, ...]] = set()
    for name, place in _WEIGHTS.items():
        calls = events.in_categories("cpu_op") & events.name_matches(name)
        for code in np.unique(events.shapes[calls]):
            shapes = json.loads(events.shape_texts[code]) if code >= 0 else []
            if len(shapes) > place and shapes[place]:
                found |= {tuple(shapes[place]), tuple(reversed(shapes[place]))}
    return found


def _on_parameters(events: Events, operators: Any) -> Any:
    """Which operators' largest input has the shape of a parameter, as that of a weight's cast has."""
    known = _parameters(events)
    return _of_shapes(events, operators, lambda shapes: _widest(shapes) in known)


def _of_shapes(events: Events, operators: Any, holds: Callable[[list[list[int]]], bool]) -> Any:
    """For each operator whether *holds* is so of its inputs' shapes; not where they are not known."""
    codes, where = np.unique(np.where(operators >= 0, events.shapes[np.maximum(operators, 0)], -1), return_inverse=True)
    return np.array([code >= 0 and holds(_shapes(events.shape_texts[code])) for code in codes], bool)[where]


def _shapes(text: str) -> list[list[int]]:
    """Of the inputs that are tensors and no lists of them."""
    return [shape for shape in json.loads(text) if shape and all(isinstance(size, int) for size in shape)]


def _widest(shapes: list[list[int]]) -> tuple[int, ...] | None:
    return tuple(max(shapes, key=math.prod)) if shapes else None


def _is_odd(shapes: list[list[int]]) -> bool:
    return any(size > SMALL and size % ALIGNED for shape in shapes if len(shape) >= 2 for size in shape[-2:])
