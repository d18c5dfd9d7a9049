"""What held the memory at its peak, how much larger a batch could be, and whether memory grows from step to step."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..stats.robust import theil_sen

Row = Mapping[str, Any]
Kind = Literal["device", "host"]

# Tensors as large as the parameters that each optimizer keeps, by the end of its class's name.
STATE_TENSORS = {
    "Adam": 2, "AdamW": 2, "NAdam": 2, "RAdam": 2, "Adamax": 2, "Adagrad": 1, "RMSprop": 1, "Adadelta": 2, "Lion": 1,
}  # fmt: skip
# Of the device's memory, what a framework can get: the driver's context and its libraries take 0.4-1 GB, NCCL more.
USABLE = (0.90, 0.97)
# On the host the first step also loads libraries (40 MB measured): a batch that takes little more tells nothing.
HOST_LEAST_BYTES = 400_000_000
# Blocks that samples are gathered into: enough for a trend and its uncertainty, few enough to smooth over saw-teeth.
BLOCKS = 24
FEWEST_BLOCKS = 8
# Growth is worth a word from this much over the steady steps on, and from this part of what there was before them:
# allocators and caches creep by some megabytes without end.
LEAST_GROWTH_BYTES = 16 << 20
LEAST_GROWTH_SHARE = 0.02
# Of the variation between blocks the trend must explain this much; a saw-tooth or one jump does not get there.
LEAST_EXPLAINED = 0.8
# And the later half must grow at this part of the whole's rate: warm-up growth levels off.
LEAST_LATER_RATE = 0.4


@dataclass(frozen=True, kw_only=True)
class Memory:
    """The peak and what held it; None is what could not be told."""

    kind: Kind
    peak_bytes: int
    #: What there is: the device's memory, the control group's limit, or the machine's memory.
    limit_bytes: int | None
    limit: str
    used_share: float | None
    parameters_bytes: int | None
    gradients_bytes: int | None
    optimizer_bytes: int | None
    #: On the host: interpreter, libraries and data, as they were when the first step began, less the parameters.
    baseline_bytes: int | None
    #: The peak less all the others: activations, and what operators need for themselves.
    activations_bytes: int | None
    #: Held by the framework's allocator without being in use (device only).
    cache_bytes: int | None
    reserved_bytes: int | None


@dataclass(frozen=True, kw_only=True)
class Batch:
    """The largest batch that would fit."""

    low: int
    high: int
    batch: int
    basis: str


@dataclass(frozen=True, kw_only=True)
class Growth:
    """Trend of memory over the steady steps."""

    kind: Kind
    bytes_per_step: float
    #: 95 % interval of it.
    low: float
    high: float
    bytes_per_hour: float
    #: Of the variation between blocks of samples, how much the trend is, 0-1.
    explained: float
    grows: bool
    #: Steps that were watched, and growth over them.
    steps: int
    grown_bytes: float


def held(model: Row | None, optimizer: Row | None) -> tuple[int | None, int | None, int | None]:
    """Bytes of parameters (and buffers), gradients and optimizer state, from what the guest saw; None where unknown."""
    if not model or not model.get("parameter_bytes"):
        return None, None, None
    parameters = int(model["parameter_bytes"])
    width = parameters / max(int(model.get("parameters") or 0), 1)
    buffers = int(model.get("buffers_bytes") or 0)
    if not optimizer:
        return parameters + buffers, 0, 0
    trained = int(optimizer.get("elements") or model.get("parameters") or 0)
    return parameters + buffers, int(trained * width), _state(optimizer, trained, width)


def _state(optimizer: Row, trained: int, width: float) -> int | None:
    """What the optimizer says it holds, else what its class keeps for each parameter."""
    if optimizer.get("state_bytes") is not None:
        return int(optimizer["state_bytes"])
    tensors = STATE_TENSORS.get(str(optimizer.get("class", "")).rpartition(".")[2])
    return int(tensors * trained * width) if tensors is not None else None


def account(
    *,
    kind: Kind,
    peak_bytes: int,
    limit: tuple[int | None, str],
    parts: tuple[int | None, int | None, int | None],
    before_steps_bytes: int | None = None,
    reserved_bytes: int | None = None,
) -> Memory:
    """The peak split into what held it. *before_steps_bytes*: the host's, when the first step began."""
    parameters, gradients, state = parts
    baseline = 0 if kind == "device" else _above(before_steps_bytes, parameters)
    known = (parameters, gradients, state, baseline)
    rest = peak_bytes - sum(part or 0 for part in known) if None not in known else None
    return Memory(
        kind=kind,
        peak_bytes=peak_bytes,
        limit_bytes=limit[0],
        limit=limit[1],
        used_share=(reserved_bytes or peak_bytes) / limit[0] if limit[0] else None,
        parameters_bytes=parameters,
        gradients_bytes=gradients,
        optimizer_bytes=state,
        baseline_bytes=baseline if kind == "host" else None,
        activations_bytes=max(rest, 0) if rest is not None else None,
        cache_bytes=reserved_bytes - peak_bytes if reserved_bytes else None,
        reserved_bytes=reserved_bytes,
    )


def _above(whole: int | None, part: int | None) -> int | None:
    return max(whole - part, 0) if whole is not None and part is not None else None


def largest_batch(memory: Memory, batch: int) -> Batch | None:
    """The largest batch that would fit, by what a sample takes now; None where that is not known.

    The high end takes the gradients as not yet there at the peak, which is at the end of forward where they are freed
    between steps, and nearly all memory as usable; the low end keeps the allocator's waste and a reserve.
    """
    if not memory.limit_bytes or not memory.activations_bytes or batch < 1:
        return None
    if memory.kind == "host" and memory.activations_bytes < HOST_LEAST_BYTES:
        return None
    fixed = memory.peak_bytes - memory.activations_bytes
    waste = max((memory.reserved_bytes or 0) / memory.peak_bytes, 1.0)
    early = fixed - (memory.gradients_bytes or 0)
    per_sample = (memory.activations_bytes / batch, (memory.peak_bytes - early) / batch)
    fits = sorted(
        (memory.limit_bytes * usable / over - base) / each
        for usable, over, base, each in (
            (USABLE[0], waste, fixed, per_sample[0]),
            (USABLE[0], waste, early, per_sample[1]),
            (USABLE[1], 1.0, fixed, per_sample[0]),
            (USABLE[1], 1.0, early, per_sample[1]),
        )
    )
    low, high = max(batch, math.floor(fits[0])), max(batch, math.floor(fits[-1]))
    return Batch(low=low, high=high, batch=batch, basis=f"{memory.limit}, {per_sample[0] / 1e6:.3g} MB a sample")


def growth(
    kind: Kind, steps: Sequence[float] | NDArray[Any], held_bytes: Sequence[float] | NDArray[Any], *, step_s: float
) -> Growth | None:
    """Trend of *held_bytes* over *steps* (the step, with its fraction, at which each sample was taken).

    Each block of samples stands with its smallest one: what falls again is no leak. None with too few samples.
    """
    at, level = _blocks(np.asarray(steps, float), np.asarray(held_bytes, float))
    if len(at) < FEWEST_BLOCKS:
        return None
    slope, low, high = theil_sen(at, level)
    span = float(at[-1] - at[0])
    explained = _explained(at, level, slope)
    later, _, _ = theil_sen(at[len(at) // 2 :], level[len(at) // 2 :])
    grown = slope * span
    least = max(LEAST_GROWTH_BYTES, LEAST_GROWTH_SHARE * float(level[0]))
    grows = low > 0 and grown >= least and explained >= LEAST_EXPLAINED and later >= LEAST_LATER_RATE * slope
    return Growth(
        kind=kind,
        bytes_per_step=slope,
        low=low,
        high=high,
        bytes_per_hour=slope / step_s * 3600 if step_s > 0 else 0.0,
        explained=explained,
        grows=grows,
        steps=round(span),
        grown_bytes=grown,
    )


def _blocks(at: NDArray[Any], level: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """The smallest sample of each of at most BLOCKS blocks, in order."""
    order = np.argsort(at, kind="stable")
    at, level = at[order], level[order]
    parts = [part for part in np.array_split(np.arange(len(at)), BLOCKS) if len(part)]
    lowest = np.array([part[np.argmin(level[part])] for part in parts], int)
    return at[lowest], level[lowest]


def _explained(at: NDArray[Any], level: NDArray[Any], slope: float) -> float:
    """1 - what is left of the variance once the trend is taken off; 0 where nothing varies."""
    total = float(np.var(level))
    left = level - slope * at
    return max(0.0, 1.0 - float(np.var(left)) / total) if total > 0 else 0.0
