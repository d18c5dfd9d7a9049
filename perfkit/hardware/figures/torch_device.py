"""What torch reaches on one device: matrix products by format, copies within it and to it, starting kernels.

The same code measures a GPU and the processor (`cpu`). A GPU works through a queue: its work is timed by events in that queue, several calls
at a time, after it has warmed up; and it is the median that counts, since clocks sink under load and nobody else uses the device. On
a processor it is the best, since others disturb.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from .timing import ENOUGH_S, Unavailable, figure, grown

#: Ours → torch's, in the order in which they are measured.
DTYPES = {"fp32": "float32", "tf32": "float32", "bf16": "bfloat16", "fp16": "float16", "fp64": "float64"}
BITS = {"fp32": 32, "tf32": 32, "bf16": 16, "fp16": 16, "fp64": 64, "fp8": 8}
#: Of CUDA devices: the compute capability from which there are such products.
NEEDS = {"tf32": (8, 0), "bf16": (8, 0), "fp8": (8, 9)}
#: AMD's fp8 has its zero elsewhere on the MI300.
FP8 = {"gfx942": "float8_e4m3fnuz", "gfx950": "float8_e4m3fn"}
START_SIZE, MOST_SIZE, MOST_SIZE_CPU = 256, 16384, 4096
#: A product on a GPU is large enough after this; the queue hides what starting it takes.
ENOUGH_GPU_S = 0.002
#: Calls are timed together until they take so long, and no more than so many: an event is exact to half a microsecond.
TOGETHER_S, MOST_TOGETHER = 0.005, 1000
#: Of the time for a figure, what is spent before it is measured, and the longest: clocks rise in some tenths of a second.
WARM_SHARE, WARM_S = 0.25, 0.3
LEAST_TIMES = 3
#: Copies within a device are of as much, or of a part of what is free: more than any device's caches hold.
COPY_BYTES, COPY_BYTES_CPU, COPY_SHARE = 1 << 30, 64 << 20, 8
TRANSFER_BYTES = 256 << 20
#: Three matrices may take this part of what is free.
FREE_SHARE = 4

Figure = dict[str, Any]


class TorchDevice:
    """A device of torch's."""

    def __init__(self, torch: Any, name: str) -> None:
        self.torch = torch
        self.device = torch.device(name)
        self.is_gpu = self.device.type == "cuda"
        if self.is_gpu:
            torch.cuda.set_device(self.device)

    def figures(self) -> dict[str, Callable[[float], Figure]]:
        """Name → what measures it in so many seconds."""
        made: dict[str, Callable[[float], Figure]] = {
            f"flops.{dtype}": partial(self.products, dtype) for dtype in (*DTYPES, "fp8")
        }
        made["bandwidth"] = self.copies
        made["h2d_pinned"] = partial(self.transfers, True)
        made["h2d_pageable"] = partial(self.transfers, False)
        made["launch_s"] = self.launches
        return made

    # --- matrix products

    def products(self, dtype: str, budget_s: float) -> Figure:
        """FLOP/s of square matrix products."""
        self._check(dtype)
        self.torch.set_float32_matmul_precision("high" if dtype == "tf32" else "highest")
        enough = ENOUGH_GPU_S if self.is_gpu else ENOUGH_S
        size = grown(partial(self._one_product_s, dtype), start=START_SIZE, most=self._largest(dtype), enough_s=enough)
        return self._figure(self._times_s(self._product(dtype, size), budget_s), 2 * size**3)

    def _one_product_s(self, dtype: str, size: int) -> float:
        work = self._product(dtype, size)
        work()
        return self._seconds(work, 1)

    def _product(self, dtype: str, size: int) -> Callable[[], Any]:
        """A product of random numbers: of equal ones a GPU needs less power, and is faster."""
        torch = self.torch
        if dtype == "fp8":
            return self._fp8_product(size)
        left, right = (
            torch.randn(size, size, device=self.device, dtype=getattr(torch, DTYPES[dtype])) for _ in range(2)
        )
        out = torch.empty_like(left)
        return lambda: torch.mm(left, right, out=out)

    def _fp8_product(self, size: int) -> Callable[[], Any]:
        torch = self.torch
        fp8 = getattr(torch, FP8.get(self._architecture(), "float8_e4m3fn"))
        numbers = (torch.randn(size, size, device=self.device, dtype=torch.bfloat16).to(fp8) for _ in range(2))
        left, right = next(numbers), next(numbers).t()  # the right one by columns, as the kernels want it
        one = torch.ones((), device=self.device)
        return lambda: torch._scaled_mm(
            left, right, scale_a=one, scale_b=one, out_dtype=torch.bfloat16, use_fast_accum=True
        )

    def _check(self, dtype: str) -> None:
        """Raises Unavailable for a format that the device does not compute in, though torch may do as if."""
        if not self.is_gpu:
            if dtype in ("tf32", "fp8"):
                raise Unavailable(f"a processor has no {dtype} products")
            return
        if self.torch.version.hip:
            if dtype == "tf32":
                raise Unavailable("under ROCm nothing tells whether a product was computed in tf32")
            if dtype == "fp8" and self._architecture() not in FP8:
                raise Unavailable(f"{self._architecture()} has no fp8 products")
        elif dtype in NEEDS and (has := self.torch.cuda.get_device_capability(self.device)) < NEEDS[dtype]:
            needs = ".".join(map(str, NEEDS[dtype]))
            raise Unavailable(f"{dtype} products need compute capability {needs}; this device has {has[0]}.{has[1]}")
        if dtype == "fp8" and not hasattr(self.torch, "_scaled_mm"):
            raise Unavailable("this torch has no fp8 products")

    def _architecture(self) -> str:
        """``gfx942`` of AMD's; empty else."""
        if not (self.is_gpu and self.torch.version.hip):
            return ""
        return str(self.torch.cuda.get_device_properties(self.device).gcnArchName).split(":")[0]

    def _largest(self, dtype: str) -> int:
        """The largest size whose three matrices leave room; a power of two."""
        if not self.is_gpu:
            return MOST_SIZE_CPU
        fits = math.isqrt(self._free_bytes() // FREE_SHARE // (3 * BITS[dtype] // 8))
        return max(START_SIZE, min(MOST_SIZE, 1 << (fits.bit_length() - 1)))

    def _free_bytes(self) -> int:
        self.torch.cuda.empty_cache()
        return int(self.torch.cuda.mem_get_info(self.device)[0])

    # --- memory and copies

    def copies(self, budget_s: float) -> Figure:
        """Bytes read and written per second by copies within the device's memory."""
        size = min(COPY_BYTES, self._free_bytes() // COPY_SHARE) if self.is_gpu else COPY_BYTES_CPU
        source = self.torch.ones(size // 4, device=self.device)
        target = self.torch.zeros_like(source)
        return self._figure(self._times_s(lambda: target.copy_(source), budget_s), 2 * source.numel() * 4)

    def transfers(self, pinned: bool, budget_s: float) -> Figure:
        """Bytes per second from the host's memory to the device's; *pinned*: from pages that the system may not move."""
        torch = self.torch
        source = torch.ones(TRANSFER_BYTES, dtype=torch.uint8)
        source = source.pin_memory() if pinned else source
        target = torch.empty(TRANSFER_BYTES, dtype=torch.uint8, device=self.device)
        work = lambda: target.copy_(source, non_blocking=pinned)  # noqa: E731
        return self._figure(self._times_s(work, budget_s, by_host=True), TRANSFER_BYTES)

    def launches(self, budget_s: float) -> Figure:
        """Seconds of one kernel that has nothing to do: what starting it takes, torch's own part included."""
        number = self.torch.zeros(1, device=self.device)
        return self._figure(self._times_s(lambda: number.add_(1), budget_s, by_host=True))

    # --- timing

    def _figure(self, times: list[float], amount: float | None = None) -> Figure:
        return figure(times, amount, typical=self.is_gpu)

    def _times_s(self, work: Callable[[], Any], budget_s: float, *, by_host: bool = False) -> list[float]:
        """Seconds of a call, several times over, after warming up."""
        work()
        together = self._together(work)
        self._seconds_until(work, together, min(WARM_S, WARM_SHARE * budget_s), by_host)
        return self._seconds_until(work, together, budget_s, by_host)

    def _seconds_until(self, work: Callable[[], Any], together: int, budget_s: float, by_host: bool) -> list[float]:
        ends = time.perf_counter() + budget_s
        times: list[float] = []
        while len(times) < LEAST_TIMES or time.perf_counter() < ends:
            times.append(self._seconds(work, together, by_host=by_host))
        return times

    def _together(self, work: Callable[[], Any]) -> int:
        return max(1, min(MOST_TOGETHER, round(TOGETHER_S / max(self._seconds(work, 1), 1e-9))))

    def _seconds(self, work: Callable[[], Any], calls: int, *, by_host: bool = False) -> float:
        """Seconds of each of so many calls: between two events in the device's queue, or on the host's clock until it is empty."""
        self._wait()
        if self.is_gpu and not by_host:
            first, last = (self.torch.cuda.Event(enable_timing=True) for _ in range(2))
            first.record()
            for _ in range(calls):
                work()
            last.record()
            last.synchronize()
            return float(first.elapsed_time(last)) / 1e3 / calls
        start = time.perf_counter()
        for _ in range(calls):
            work()
        self._wait()
        return (time.perf_counter() - start) / calls

    def _wait(self) -> None:
        if self.is_gpu:
            self.torch.cuda.synchronize(self.device)


def described(torch: Any) -> dict[str, Any]:
    """Version and build of torch, and the devices it can compute on besides the processor, with what it tells of each."""
    build = {"torch": torch.__version__, "cuda": torch.version.cuda, "hip": getattr(torch.version, "hip", None)}
    seen = [_device(torch, index) for index in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    return {**build, "devices": seen}


def _device(torch: Any, index: int) -> dict[str, Any]:
    properties = torch.cuda.get_device_properties(index)
    amd = bool(torch.version.hip)
    details = {
        "capability": properties.gcnArchName.split(":")[0] if amd else [properties.major, properties.minor],
        "multiprocessors": properties.multi_processor_count,
        # Only newer torch has these; clocks are in kHz.
        "max_sm_clock_mhz": getattr(properties, "clock_rate", 0) / 1e3 or None,
        "max_memory_clock_mhz": getattr(properties, "memory_clock_rate", 0) / 1e3 or None,
        "memory_bus_bits": getattr(properties, "memory_bus_width", None),
        "l2_bytes": getattr(properties, "L2_cache_size", None),
    }
    return {
        "index": index,
        "name": properties.name,
        "kind": "rocm" if amd else "cuda",
        "memory_bytes": properties.total_memory,
        "details": {key: value for key, value in details.items() if value},
    }
