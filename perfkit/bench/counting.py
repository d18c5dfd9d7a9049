"""What a call takes besides time: arithmetic, operators, kernels, memory, energy. Counts are the same each time, so two of them compare without statistics.

Each has a look of its own at calls that are not timed. What cannot be counted here is not there.
"""

from __future__ import annotations

import sys
import time
import tracemalloc
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import CollectorError
from .subject import finished

if TYPE_CHECKING:
    from collections.abc import Callable

# Counters of energy are read seldom by the machine itself: calls for at least so long, to be sure of the figure.
ENERGY_S = 1.0


@dataclass(frozen=True)
class Metric:
    """One of them; of all, less is better."""

    #: As a person reads it.
    label: str
    unit: str
    #: A difference of no more than this, relatively, is none; None where a single look cannot tell.
    slack: float | None


# A count is exact. An allocator rounds up, and what it can reuse depends on what was there before.
METRICS = {
    "flops": Metric("arithmetic", "FLOP", 0.0),
    "operators": Metric("operators", "", 0.0),
    "kernels": Metric("kernels and copies", "", 0.0),
    "device_peak_bytes": Metric("device memory at its peak", "B", 0.01),
    "host_peak_bytes": Metric("host memory at its peak", "B", 0.01),
    "joules": Metric("energy", "J", None),
}


def counted(call: Callable[[], Any]) -> dict[str, float]:
    """What a call of *call*, which is warm, takes: those of METRICS that can be had here, and are not nothing.

    Memory is what a call holds at most at the same time beyond what was held before it. On the host that is tensors of torch, by its
    allocator's events, or arrays of NumPy and Python's objects, by tracemalloc: the larger of the two. Raises whatever *call* raises
    under torch's modes and its profiler.
    """
    found: dict[str, float | None] = {"host_peak_bytes": _python_peak(call), "joules": _joules(call)}
    torch = sys.modules.get("torch")
    if torch is not None:
        has_device = torch.cuda.is_available() and torch.cuda.is_initialized()
        tensors, kernels = _profiled(call, torch, has_device=has_device)
        found |= _dispatched(call) | {"kernels": kernels}
        found["host_peak_bytes"] = max(found["host_peak_bytes"] or 0, tensors)
        found["device_peak_bytes"] = _device_peak(call, torch) if has_device else None
    return {name: value for name, value in found.items() if value}


def _python_peak(call: Callable[[], Any]) -> float:
    tracemalloc.start()
    try:
        finished(call())  # what the first call under it makes and keeps is not the call's
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        finished(call())
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def _dispatched(call: Callable[[], Any]) -> dict[str, float | None]:
    """Arithmetic of the operators whose formulas torch knows, and how many operators there are."""
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils.flop_counter import FlopCounterMode

    class Counter(TorchDispatchMode):  # type: ignore[misc] # torch comes without types here
        count = 0

        def __torch_dispatch__(self, operator: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
            self.count += 1
            return operator(*args, **(kwargs or {}))

    with FlopCounterMode(display=False) as flops:
        finished(call())
    with Counter() as operators:
        finished(call())
    return {"flops": flops.get_total_flops(), "operators": operators.count}


def _profiled(call: Callable[[], Any], torch: Any, *, has_device: bool) -> tuple[float, float]:
    """Bytes of tensors on the host at most at the same time, and kernels and copies of the device."""
    kinds = torch.profiler.ProfilerActivity
    activities = [kinds.CPU, kinds.CUDA] if has_device else [kinds.CPU]
    with torch.profiler.profile(activities=activities, profile_memory=True) as profile:
        finished(call())
    events = profile.profiler.kineto_results.events()
    cpu, cuda = torch.autograd.DeviceType.CPU, torch.autograd.DeviceType.CUDA
    held = peak = 0
    for event in sorted((each for each in events if each.name() == "[memory]"), key=lambda each: each.start_ns()):
        if event.device_type() == cpu:
            held += event.nbytes()
            peak = max(peak, held)
    return peak, sum(each.device_type() == cuda and each.name() != "[memory]" for each in events)


def _device_peak(call: Callable[[], Any], torch: Any) -> float:
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    finished(call())
    return float(torch.cuda.max_memory_allocated() - before)


def _joules(call: Callable[[], Any]) -> float | None:
    """Of one call; None where no counter of energy can be read, and where it did not move."""
    read = _counter_of_energy()
    if read is None:
        return None
    began, start, calls = time.perf_counter(), read(), 0
    while time.perf_counter() - began < ENERGY_S:
        finished(call())
        calls += 1
    return (read() - start) / calls or None


def _counter_of_energy() -> Callable[[], float] | None:
    """Joules so far: of the GPU where torch uses one, else of the processor's packages."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        return _of_gpu(torch)
    from ..hardware.rapl import Rapl

    try:
        return Rapl().joules
    except CollectorError:
        return None


def _of_gpu(torch: Any) -> Callable[[], float] | None:
    from ..hardware.nvidia import Nvml

    try:
        nvml = Nvml()
    except CollectorError:
        return None
    gpu = next((each for each in nvml.gpus if each.index == torch.cuda.current_device()), None)
    if gpu is None or nvml.read(gpu, "energy_mj") is None:
        return None
    return lambda: float(nvml.read(gpu, "energy_mj") or 0) / 1000
