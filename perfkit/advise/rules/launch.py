"""The GPU waits for its launches: each step has too little work.

The host needs as long to launch a small step as a large one, so a larger batch is nearly free until the device is busy.

Speaks when the device idles for want of launches in at least 30 % of the step and is busy for less than 60 % of it. It
asks for as many times the batch (2 to 16) as it takes until the device, not the host, sets the pace, and for no more
than what fits into the device's memory where that is known.

How the gain is told, per sample. The step is replayed with the device's work grown with the batch and the launching
as it is. At best a kernel's first 4 µs do not grow, and matrix kernels too short to fill the device only as far as its
peak demands; at worst all of it grows, by 5 % more than the batch, and launching by 30 %. Measured on an H100: four times the batch gave ResNet-50 in bfloat16 65 % per sample, sixteen times an MLP of
tiny kernels 92 %, eight times BERT at batch 1 82 %.

It is silent when the device waits for something else the host does (more than 0.1 ms for each kernel), and when the idle
time may be the profiler's own (of an imported trace whose plain step time is not known, what it may have added is taken
off first; compiled models it can slow to half, so of those nothing is said). It is silent when the device
is busy: then a larger batch gives little (measured: 5 to 15 % for two to four times the
batch on ResNet-50 in float32 and GPT-2) and changes the training, and when the step waits for its data instead. What
a larger batch does to the training is for the author to judge; CUDA graphs (see the cuda_graphs rule) are the other
cure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...model.records import Device, Finding, Fix
from ..kernels import flops_seconds, main_format
from ..replay import Replay
from ..traced_step import waiting
from ..what_if import ms, percent

if TYPE_CHECKING:
    from ...analyze.trace_view import TraceAnalysis

# NVIDIA's and PyTorch's tools warn below 50–80 % utilisation whatever the cause. On H100 traces idle for launches is
# 57–88 % of the step where a larger batch helped by half or more, and at most 7 % where it gave 15 % or less; between
# the two nothing has been measured.
MIN_IDLE = 0.30
MAX_BUSY = 0.60
MOST_TIMES = 16
MIN_SAVES = 0.10
ALTERNATIVES = "launches"
LINK = "https://pytorch.org/tutorials/recipes/recipes/tuning_guide.html"

Row = dict[str, Any]


def check(
    gpu: Device,
    step_s: float,
    kernels: list[Row],
    host_operators: list[Row],
    device_breakdown: list[Row],
    breakdown: list[Row] | None = None,
    trace: TraceAnalysis | None = None,
    loader: Row | None = None,
    largest_batch: Row | None = None,
    hotspots: list[Row] | None = None,
    device_spec: Row | None = None,
    framework: str | None = None,
    batches: Row | None = None,
) -> Finding | None:
    """Judge whether the device has enough to do."""
    dilation = trace.dilation_estimate if trace else None
    seen = waiting(step_s, kernels, host_operators, device_breakdown, breakdown, dilation)
    if gpu.kind not in ("cuda", "rocm") or seen is None or seen.idle < MIN_IDLE or seen.busy > MAX_BUSY:
        return None
    replay = seen.replays[-1]
    times = _times(replay, _fits(largest_batch))
    peak_s = flops_seconds(hotspots, device_spec, main_format(kernels))
    gain = seen.saves(lambda before: before.larger_batch(times, peak_s=peak_s))
    if times < 2 or gain.low < MIN_SAVES:
        return None
    is_keras = batches is not None and framework in ("tensorflow", "jax")
    fed = (batches if is_keras else loader) or {}
    size = fed.get("batch_size") or (largest_batch or {}).get("batch")
    size = size if size and size > 0 else None  # Keras does not know it of a PyDataset: -1
    return Finding(
        rule="launch",
        cause="launch",
        title=f"Give each step more work: {_larger(times, size)}",
        evidence={
            "device waits for launches": f"{percent(seen.idle)} of the {ms(step_s)} step",
            "device busy": percent(seen.busy),
            "kernels per step": round(replay.kernels),
            "mean kernel": f"{replay.best.busy / replay.kernels * 1e6:.3g} µs",
        },
        saves=gain,
        confidence="high" if seen.idle >= 0.5 and not dilation else "medium",
        fix=Fix(name="fit-batch-size" if is_keras else "batch-size", parameters={"batch_size": size * times})
        if size
        else None,
        how=_how("model.fit" if is_keras else "DataLoader", times, size),
        links=[LINK],
        takes={"launch": 1.0},
        alternatives=ALTERNATIVES,
    )


def _times(replay: Replay, fits: float) -> int:
    """How many times the batch makes the device the limit: a power of two, no more than what fits."""
    times = 1
    while 2 * times <= min(MOST_TIMES, fits):
        step = replay.larger_batch(times).best
        if step.busy + step.gaps >= step.launch:
            break
        times *= 2
    return times


def _fits(largest: Row | None) -> float:
    """How many times the batch fits into memory, cautiously."""
    if not largest or not largest.get("batch") or not largest.get("low"):
        return float(MOST_TIMES)
    return float(largest["low"]) / float(largest["batch"])


def _larger(times: int, size: int | None) -> str:
    return f"a batch of {size * times} instead of {size}" if size else f"{times} times the batch"


def _how(where: str, times: int, size: int | None) -> str:
    batch = f"batch_size={size * times}" if size else f"batch_size={times} * batch_size"
    return f"{where}(..., {batch})\n# in training, scale the learning rate with it; in serving, gather requests"
