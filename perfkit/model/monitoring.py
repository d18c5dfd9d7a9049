"""The vocabulary of `perfkit.monitor`: metrics, points, signals, events and alerts, as frozen records.

Times are UTC nanoseconds (``time_ns``) and CLOCK_MONOTONIC nanoseconds (``monotonic_ns``) where a machine's clock may step.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Better = Literal["up", "down", "none"]
Severity = Literal["info", "warning", "critical"]
#: "validity": a value that cannot be right (NaN, accuracy 1.2). "anomaly": one odd value. "degradation": a change that stays. "fault":
#: something ended or stopped that should go on. "learning": over- or underfitting, plateau, divergence. "recovered": back to what it
#: was. "note": an epoch, a checkpoint, a change of the learning rate.
EventKind = Literal["validity", "anomaly", "degradation", "fault", "learning", "recovered", "note"]
AlertState = Literal["ok", "pending", "firing", "resolved", "no-data"]
#: How the monitored process stands. "lost": no sign of life and no end seen; it differs from "finished".
RunState = Literal["starting", "running", "hanging", "finished", "failed", "killed", "lost"]


@dataclass(frozen=True, kw_only=True)
class Metric:
    """What a metric's name means, whatever its split: unit ("" for a pure number), which way is better, and what values it can have."""

    name: str
    unit: str
    better: Better
    #: Least and greatest possible value; None where there is no bound.
    low: float | None = None
    high: float | None = None
    meaning: str = ""


@dataclass(frozen=True, kw_only=True)
class Point:
    """Values that were known at one moment, by canonical name (``train/loss``)."""

    values: dict[str, float]
    time_ns: int
    monotonic_ns: int
    step: int | None = None
    epoch: int | None = None


@dataclass(frozen=True, kw_only=True)
class Signal:
    """What a detector says about one value of one series."""

    detector: str
    kind: EventKind
    #: In the detector's own unit; it speaks where this passes ``threshold``.
    score: float
    threshold: float
    direction: Literal["up", "down", "none"] = "none"
    #: Index of the value (from 0, in the order given) from which on the change is thought to hold; None if it does not say.
    since: int | None = None
    evidence: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened to the model or its process."""

    kind: EventKind
    severity: Severity
    #: Canonical name of the series; "" for what is about the process.
    metric: str
    #: Who says so: a detector, rule or watcher.
    source: str
    message: str
    time_ns: int
    monotonic_ns: int
    step: int | None = None
    epoch: int | None = None
    #: Facts with their unit in the key.
    evidence: dict[str, Any] = field(default_factory=dict)
    #: What a person could do; "" for nothing.
    advice: str = ""


@dataclass(frozen=True, kw_only=True)
class Alert:
    """A rule's state after a change of it, as sinks are told."""

    rule: str
    state: AlertState
    severity: Severity
    metric: str
    message: str
    time_ns: int
    #: When the trouble began, and for how long it has been (had been, when resolved) firing.
    since_ns: int
    duration_s: float
    value: float | None = None
    run: str = ""
    evidence: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Status:
    """How the monitored process stands: written on every change and as a heartbeat."""

    state: RunState
    time_ns: int
    monotonic_ns: int
    pid: int | None = None
    step: int | None = None
    epoch: int | None = None
    #: Why, where the state alone does not say: the exception's class, the signal's name, "out of memory" …
    reason: str = ""
    #: Expected end, UTC ns; None while it cannot be told.
    eta_ns: int | None = None
