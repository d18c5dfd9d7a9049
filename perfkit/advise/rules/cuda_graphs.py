"""The GPU waits for its launches: the same small kernels are launched one by one, step after step.

A CUDA graph records a step's launches once and replays them with a single call; ``torch.compile`` in the mode
``reduce-overhead`` does so by itself.

Speaks when the device of an NVIDIA GPU idles for want of launches in at least 30 % of the step, is busy for less than
60 % of it, and no graph is replayed yet. Plain ``torch.compile`` is not the cure: on a step of tiny kernels it made
10.0 ms into 13.0 (an MLP on an H100), where its graphs made 5.7 of them.

How the gain is told. The step is replayed with the launching of forward and backward cut to between 15 % and 45 %, the
optimizer's as it is, and a device busy for at most 85 to 98 % of it. Measured: one case, 43 %. A larger batch (see the
launch rule) gives more where the training bears it; of the two, choose one.

It is silent when graphs are replayed already, when the device is busy, and off NVIDIA GPUs. Graphs need steps that are
alike: fixed shapes, no reading of results on the host within forward and backward.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...model.records import Device, Finding, Fix
from ..kernels import has_graphs
from ..traced_step import waiting
from ..what_if import ms, percent
from .launch import ALTERNATIVES, MAX_BUSY, MIN_IDLE

if TYPE_CHECKING:
    from ...analyze.trace_view import TraceAnalysis

# Launching all but the optimizer's work from a graph, against one by one. An MLP of tiny kernels went from 10.0 ms to
# 5.7 with 4.1 of them the optimizer's: 27 %. The limits around it are an assumption.
CAPTURED = (0.15, 0.45)
# A device whose launches are no limit is still not busy all the time (GPT-2 compiled, on an H100: 92 %).
BUSY_AT_MOST = (0.98, 0.85)
MIN_SAVES = 0.10
LINK = "https://pytorch.org/docs/stable/generated/torch.compile.html"

#: Its cures are PyTorch's.
FRAMEWORKS = ("torch",)
Row = dict[str, Any]


def check(
    gpu: Device,
    step_s: float,
    kernels: list[Row],
    host_operators: list[Row],
    device_breakdown: list[Row],
    breakdown: list[Row] | None = None,
    trace: TraceAnalysis | None = None,
    syncs: list[Row] | None = None,
) -> Finding | None:
    """Judge how the work is launched."""
    dilation = trace.dilation_estimate if trace else None
    seen = waiting(step_s, kernels, host_operators, device_breakdown, breakdown, dilation)
    if gpu.kind != "cuda" or seen is None or has_graphs(host_operators):
        return None
    if seen.idle < MIN_IDLE or seen.busy > MAX_BUSY:
        return None
    gain = seen.saves(lambda before: before.captured(CAPTURED).busy_at_most(BUSY_AT_MOST))
    if gain.low < MIN_SAVES:
        return None
    waits = round(sum(row.get("calls_per_step") or 0.0 for row in syncs or []))
    return Finding(
        rule="cuda_graphs",
        cause="launch",
        title="Replay the step's launches from a CUDA graph",
        evidence={
            "device waits for launches": f"{percent(seen.idle)} of the {ms(step_s)} step",
            "kernels per step": round(seen.replays[-1].kernels),
            "launching in the optimizer": percent(seen.replays[-1].optimizer_launch),
            **({"waits for results per step": waits} if waits else {}),
        },
        saves=gain,
        confidence="medium",
        fix=Fix(name="compile", parameters={"mode": "reduce-overhead"}),
        how='model = torch.compile(model, mode="reduce-overhead")',
        links=[LINK],
        takes={"launch": 1.0},
        alternatives=ALTERNATIVES,
    )
