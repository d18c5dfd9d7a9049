"""The optimizer updates parameters on the GPU in more kernels than it needs.

PyTorch's Adam, AdamW, SGD and Adagrad can update all parameters in one pass (``fused=True``). The default on a GPU
(``foreach``) makes a pass for every term of the formula; with ``foreach=False`` it makes one for every term of every
tensor.

Speaks on GPUs in two cases. *One by one* (``foreach=False``): launching the optimizer's work takes at least 20 % of the
step. *In passes*: the optimizer's kernels take at least 4 % of a step whose device is busy.

How the gain is told. The step is replayed with the optimizer's kernels faster and its launching cut. *In passes*: Adam's
kernels 2 to 3.5 times (its passes move about 100 bytes for each parameter, one pass 28), SGD's 1.2 to 2; launching to
between 15 and 60 %. Measured on an H100: GPT-2 with AdamW from 70.0 to 65.0 ms. *One by one*: launching to between 12
and 35 %, and only the time that the host takes counts. Measured: an MLP with Adam from 23.0 ms to 10.0 in passes.

It is silent when ``fused=True`` is set, when the optimizer is compiled, for other optimizers, and for one in passes when
the device waits for its launches (there it made nothing faster: an MLP took 11.3 ms instead of 10.0).
"""

from __future__ import annotations

from typing import Any

from ...model.records import Device, Finding, Fix
from ..replay import OPTIMIZER, Ends, Replay
from ..traced_step import idle_share, of_step
from ..what_if import ms, percent
from .launch import MIN_IDLE

FUSED_CLASSES = ("Adam", "AdamW", "SGD", "Adagrad")
MIN_DEVICE_SHARE = 0.04
MIN_LAUNCH_SHARE = 0.20
MIN_HIGH = 0.05
# Device time in passes, over in one: by the bytes that each moves; Adam's passes were seen to move 99 bytes for each
# parameter (GPT-2, 124 M parameters, 3.7 ms at 3.35 TB/s), one pass reads and writes 28.
FASTER: dict[str, Ends] = {"Adam": (3.5, 2.0), "AdamW": (3.5, 2.0), "SGD": (2.0, 1.2), "Adagrad": (2.0, 1.2)}
LAUNCHES_OF_PASSES = (0.15, 0.60)
# Tensor by tensor an MLP of 96 tensors took 13 ms longer than in passes, which take about 4: to 24 %.
LAUNCHES_ONE_BY_ONE = (0.12, 0.35)
LINK = "https://pytorch.org/docs/stable/generated/torch.optim.AdamW.html"

Row = dict[str, Any]


def check(
    gpu: Device,
    step_s: float,
    kernels: list[Row],
    host_operators: list[Row],
    device_breakdown: list[Row],
    optimizer: Row,
    breakdown: list[Row] | None = None,
) -> Finding | None:
    """Judge how the optimizer updates its parameters."""
    is_candidate = optimizer.get("class") in FUSED_CLASSES and not optimizer.get("fused")
    if gpu.kind == "cpu" or not is_candidate or optimizer.get("compiled") or not _is_on_gpu(optimizer) or not kernels:
        return None
    replay = of_step(step_s, kernels, host_operators, device_breakdown, breakdown)
    if optimizer.get("foreach") is False:
        return _one_by_one(optimizer, replay, step_s)
    if idle_share(device_breakdown, "launch") >= MIN_IDLE:
        return None
    return _in_passes(optimizer, replay, step_s)


def _is_on_gpu(optimizer: Row) -> bool:
    devices = optimizer.get("devices") or {}
    return bool(devices) and all(str(name).startswith("cuda") for name in devices)


def _one_by_one(optimizer: Row, replay: Replay, step: float) -> Finding | None:
    share = replay.optimizer_launch * replay.best.launch / step
    gain = replay.optimizer_launches(LAUNCHES_ONE_BY_ONE)
    if share < MIN_LAUNCH_SHARE or gain.saves().high < MIN_HIGH:
        return None
    return _finding(
        optimizer, gain, {"launching its work": f"{percent(share)} of the {ms(step)} step", "foreach": False}
    )


def _in_passes(optimizer: Row, replay: Replay, step: float) -> Finding | None:
    device = replay.best.device.get(OPTIMIZER, 0.0)
    if device < MIN_DEVICE_SHARE * step:
        return None
    changed = replay.faster([OPTIMIZER], FASTER[optimizer["class"]]).optimizer_launches(LAUNCHES_OF_PASSES)
    if changed.saves().high < MIN_HIGH:
        return None
    return _finding(optimizer, changed, {"its kernels": f"{percent(device / step)} of the {ms(step)} step"})


def _finding(optimizer: Row, changed: Replay, evidence: Row) -> Finding:
    name = optimizer["class"]
    tensors = {"tensors": optimizer["tensors"]} if optimizer.get("tensors") else {}
    return Finding(
        rule="fused_optimizer",
        cause="optimizer",
        title=f"Let {name} update all parameters in one pass",
        evidence={**evidence, **tensors},
        saves=changed.saves(),
        confidence="medium",
        fix=Fix(name="fused-optimizer", parameters={"fused": True}),
        how=f"torch.optim.{name}(..., fused=True)",
        links=[LINK],
        takes={"optimizer": 0.5, "launch": 0.5},
    )
