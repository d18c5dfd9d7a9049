"""Which detectors watch which series: the policy "auto"; docs/monitor-detectors.md has it as a table."""

from __future__ import annotations

from dataclasses import dataclass

from ..names import metric_of
from .base import Allowance, Side
from .detectors import SeriesDetector

#: Of a step's time: spikes, a lasting step within two, small lasting changes, slow ones.
TIMES = ("robust-z", "two-in-a-row", "cusum", "ewma")
#: Of a loss: spikes and divergence.
LOSSES = ("robust-z", "two-in-a-row", "cusum")
#: Series that say nothing of health by their level.
UNWATCHED = frozenset({"learning_rate", "cpu_cores"})
MEMORY = frozenset({"host_memory_bytes", "device_memory_bytes"})


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How one series is watched."""

    charts: tuple[str, ...]
    side: Side
    trend: bool = False
    log: bool = False
    settle: bool = False
    quorum: int = 1


def plan(name: str, *, per_epoch: bool, positive: bool) -> Plan | None:
    """How the series *name* is watched; None where charts have no say (values of epochs are for `learning`, memory for `leak`)."""
    split, _, last = name.rpartition("/")
    metric = metric_of(name.partition("[")[0])
    if per_epoch or last in UNWATCHED or last in MEMORY:
        return None
    side: Side = {"up": "down", "down": "up", "none": "both"}[metric.better]  # type: ignore[assignment]
    if split == "perf":
        return Plan(charts=TIMES, side=side, log=positive, settle=True)
    if metric.unit == "" and (last == "loss" or split in ("train", "probe") or metric.better != "none"):
        return Plan(charts=LOSSES, side=side, trend=True, log=positive and metric.high is None)
    return Plan(charts=TIMES, side=side, log=False, settle=True)


def detector(found: Plan, allowance: Allowance) -> SeriesDetector:
    """The detector that a plan asks for."""
    return SeriesDetector(
        found.charts,
        allowance=allowance,
        side=found.side,
        quorum=found.quorum,
        trend=found.trend,
        log=found.log,
        settle=found.settle,
    )
