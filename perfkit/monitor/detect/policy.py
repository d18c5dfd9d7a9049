"""Which detectors watch which series: the policy "auto"; docs/monitor-detectors.md has it as a table."""

from __future__ import annotations

from dataclasses import dataclass

from ..names import metric_of
from .base import Allowance, Detector, Side
from .detectors import SeriesDetector
from .leak import Leak

#: Of a step's time: spikes, a lasting step within two, small lasting changes, slow ones.
TIMES = ("robust-z", "two-in-a-row", "cusum", "ewma")
#: Of a loss: spikes and divergence.
LOSSES = ("record", "two-in-a-row", "cusum")
#: Changes by less are of no use to anybody: of a speed, as a share of it, and of what the machine is busy with.
LEAST_OF_SPEED, LEAST_OF_SYSTEM = 0.05, 0.1
#: Series that say nothing of health by their level.
UNWATCHED = frozenset({"learning_rate", "cpu_cores", "epoch_time_s"})
MEMORY = frozenset({"host_memory_bytes", "device_memory_bytes"})


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How one series is watched; without charts, memory: for a leak."""

    charts: tuple[str, ...]
    side: Side
    trend: bool = False
    log: bool = False
    settle: bool = False
    quorum: int = 1
    least: float = 0.0


def plan(name: str, *, per_epoch: bool, positive: bool) -> Plan | None:
    """How the series *name* is watched; None where detectors have no say: values of epochs are for the rules of `learning`."""
    last = name.rpartition("/")[2]
    split = name.partition("/")[0]
    metric = metric_of(name.partition("[")[0])
    if per_epoch or last in UNWATCHED or split in ("val", "test", "train_eval") or "[" in last:
        return None
    if last in MEMORY:
        return Plan(charts=(), side="up")
    side: Side = {"up": "down", "down": "up", "none": "both"}[metric.better]  # type: ignore[assignment]
    unbounded = positive and metric.high is None
    if split == "perf":
        slower: Side = "up" if metric.better == "none" and last.endswith("_s") else side
        return Plan(charts=TIMES, side=slower, log=unbounded and slower == "down", settle=True, least=LEAST_OF_SPEED)
    if split in ("train", "probe"):
        return Plan(charts=LOSSES, side=side, trend=True, log=unbounded)
    return Plan(charts=TIMES, side=side, settle=True, least=LEAST_OF_SYSTEM if split == "system" else 0.0)


def detector(found: Plan, allowance: Allowance) -> Detector:
    """The detector that a plan asks for."""
    if not found.charts:
        return Leak(rate=allowance.rate)
    return SeriesDetector(
        found.charts,
        allowance=allowance,
        side=found.side,
        quorum=found.quorum,
        trend=found.trend,
        log=found.log,
        settle=found.settle,
        least=found.least,
    )
