"""The replay of the step that a trace shows, and whether its device waits for launches."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..analyze.formats import MATRIX_KINDS
from ..model.records import Interval
from .kernels import host_seconds, is_compiled, optimizer_share, pool_of
from .replay import Replay, Step
from .what_if import phase_seconds, traced_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from .replay import Ends

# Idle for want of launches from this share of the step on: launching is the limit, and its time is known from the
# step itself. Below it is only known to be shorter. (H100 traces: 62–88 % where it is the limit, up to 7 % where not.)
LAUNCH_BOUND = 0.15
# Launching without the profiler, over what the trace shows. ResNet-50 in TF32 launches for 40 ms by its trace and
# takes 39.3 ms a step, GPT-2 in bfloat16 for 70 of 70.0: at most 1. GPT-2 in float32 for 89, and its bfloat16 version,
# with more to launch, for no more than 67.8: at most 0.76.
LAUNCH_OF_TRACED: Ends = (0.72, 1.0)
# Host seconds for each kernel beyond which a device that idles does not wait for launches but for something else that
# the host does: three times the slowest measured (33 µs, ResNet-50 in training on an H100's host). Under the profiler a
# compiled step takes up to twice as long: how long without is then anyone's guess.
MOST_PER_KERNEL_S = 100e-6

Row = dict[str, Any]


def of_step(
    step_s: float,
    kernels: list[Row],
    host_operators: list[Row],
    device_breakdown: list[Row],
    breakdown: list[Row] | None = None,
) -> Replay:
    """The replay of the step that a trace shows, corrected to its time without the profiler. *step_s* is the mean
    step, which may also hold evaluation and the like; *breakdown* has its host phases, where they are known.
    """
    before_s, busy_s = traced_seconds(device_breakdown), traced_seconds(device_breakdown, "busy")
    idle = {row["name"]: float(row["seconds_per_step"]) for row in device_breakdown if row["kind"] == "idle"}
    wait = min(before_s, phase_seconds(breakdown, "data")) if breakdown else idle.get("input", 0.0)
    device = _pools(kernels, busy_s)
    ends = [
        _step(before_s, wait, launch, device, idle.get("other", 0.0))
        for launch in _launching(before_s, wait, idle, host_operators)
    ]
    return Replay(
        before_s=before_s,
        best=ends[0],
        worst=ends[1],
        kernels=sum(row["calls_per_step"] for row in kernels),
        mean_matrix_s=_mean_matrix_s(kernels),
        optimizer_launch=optimizer_share(host_operators),
        share=min(1.0, before_s / step_s) if step_s else 1.0,
    )


def _mean_matrix_s(kernels: list[Row]) -> float:
    matrix = [row for row in kernels if row["kind"] in MATRIX_KINDS]
    calls = sum(row["calls_per_step"] for row in matrix)
    return float(sum(row["seconds_per_step"] for row in matrix) / calls) if calls else 0.0


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """A step whose device may wait for launches: how much, and its replays, one for each length it may have."""

    #: Share of the step in which the device surely idles for want of launches.
    idle: float
    #: Share in which it may at most be busy.
    busy: float
    replays: list[Replay]

    def saves(self, change: Callable[[Replay], Replay]) -> Interval:
        """What *change* saves, whichever length the step has."""
        gains = [change(replay).saves() for replay in self.replays]
        return Interval(low=min(gain.low for gain in gains), high=max(gain.high for gain in gains))


def waiting(
    step_s: float,
    kernels: list[Row],
    host_operators: list[Row],
    device_breakdown: list[Row],
    breakdown: list[Row] | None,
    dilation: tuple[float, float] | None,
) -> Waiting | None:
    """Whether the device waits for launches. *dilation*: by how much tracing may have lengthened the step, where its
    plain length is not known. None where something else keeps the host, or the profiler may be all there is to it.
    """
    calls = sum(row["calls_per_step"] for row in kernels)
    idle = idle_share(device_breakdown, "launch") * traced_seconds(device_breakdown)
    if not calls or idle / calls > MOST_PER_KERNEL_S or (dilation and is_compiled(kernels, host_operators)):
        return None
    views = [_shortened(device_breakdown, factor) for factor in dilation or (1.0,)]
    lengths = [traced_seconds(view) if dilation else step_s for view in views]
    shares = [min(1.0, traced_seconds(view) / length) for view, length in zip(views, lengths, strict=True)]
    return Waiting(
        idle=idle_share(views[-1], "launch") * shares[-1],
        busy=traced_seconds(views[-1], "busy") / traced_seconds(views[-1]) * shares[-1],
        replays=[
            of_step(length, kernels, host_operators, view, breakdown)
            for view, length in zip(views, lengths, strict=True)
        ],
    )


def _shortened(device_breakdown: list[Row], dilation: float) -> list[Row]:
    """The step as it would be *dilation* times shorter, all of which was idle time for want of launches."""
    whole = traced_seconds(device_breakdown)
    gone = min(whole * (1 - 1 / dilation), idle_share(device_breakdown, "launch") * whole)
    left = whole - gone
    return [
        {**row, "seconds_per_step": seconds, "share": seconds / left if left else 0.0}
        for row, seconds in ((r, r["seconds_per_step"] - (gone if _is_launch(r) else 0.0)) for r in device_breakdown)
    ]


def _is_launch(row: Row) -> bool:
    return bool(row["kind"] == "idle" and row["name"] == "launch")


def idle_share(device_breakdown: Iterable[Row], cause: str) -> float:
    """Share of the step in which the device idles because of *cause*."""
    return float(sum(r["share"] for r in device_breakdown if r["kind"] == "idle" and r["name"] == cause))


def _launching(step_s: float, wait: float, idle: Mapping[str, float], operators: list[Row]) -> Ends:
    """Seconds of launching: what the step leaves for it where it is the limit, else as traced, corrected."""
    most = max(0.0, step_s - wait)
    if idle.get("launch", 0.0) >= LAUNCH_BOUND * step_s:
        return most, most
    traced = max(0.0, host_seconds(row for row in operators if "DataLoader" not in str(row["name"])))
    return min(most, traced * LAUNCH_OF_TRACED[0]), min(most, traced * LAUNCH_OF_TRACED[1])


def _step(step_s: float, wait: float, launch: float, device: Mapping[str, float], gaps: float) -> Step:
    """The step as it is now, what its chains do not explain being slack."""
    bare = Step(data=wait, launch=launch, device=device, gaps=gaps)
    return replace(bare, slack=max(0.0, step_s - bare.seconds))


def _pools(kernels: Iterable[Row], busy_s: float) -> dict[str, float]:
    """Seconds of device work by pool; what the listed kernels do not hold is ``rest``."""
    pools: dict[str, float] = {}
    for row in kernels:
        pools[pool_of(row)] = pools.get(pool_of(row), 0.0) + float(row["share"]) * busy_s
    left = busy_s - sum(pools.values())
    return {**pools, "rest": left} if left > 0 else pools
