"""Values that cannot be right: told at once, each thing once, and once more when it is over.

NaN and infinity, values outside of what the metric can have, a counter that goes back, a metric that has stopped coming, one that has
stopped moving.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from ...model.monitoring import EventKind, Point, Severity
from ..names import metric_of

#: Values in a row that are the same to the last bit before a metric counts as stuck; a metric that never moved (a constant learning rate) does not.
STUCK = 50
#: A metric is missing when it has not come for this many times its usual distance, in points, and at least for so many points.
MISSING_TIMES, MISSING_POINTS = 10, 20
#: Ratios are computed in floating point: so far beyond a bound is rounding.
ROUNDING = 1e-6
#: Metrics that may stand still for good reasons.
STILL = frozenset({"learning_rate", "host_memory_bytes", "device_memory_bytes", "device_busy_ratio", "cpu_cores"})


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Something that cannot be right, or its end (kind "recovered")."""

    rule: str
    metric: str
    kind: EventKind
    severity: Severity
    message: str
    evidence: dict[str, Any] = field(default_factory=dict)


class Validity:
    """The rules over all series of a run."""

    def __init__(self) -> None:
        self._series: dict[str, _Seen] = {}
        #: Newest step and epoch of each split: they are reported in turn, by whoever knows them.
        self._counters: dict[str, tuple[int | None, int | None]] = {}
        self._back: set[str] = set()
        self._points = 0

    def check(self, point: Point) -> list[Fault]:
        """What is wrong with a point, or right again."""
        self._points += not all(name.startswith("system/") for name in point.values)
        found = self._counted(point) if point.values else []
        for name, value in point.values.items():
            seen = self._series.get(name)
            if seen is None:
                seen = self._series[name] = _Seen(name)
            faults = seen.take(value, self._points)
            if faults:
                found += faults
        if self._points % MISSING_POINTS == 0:
            for seen in self._series.values():
                # What is sampled by time comes at any number of points.
                missing = None if seen.name.startswith("system/") else seen.missing(self._points)
                if missing:
                    found.append(missing)
        return found

    def _counted(self, point: Point) -> list[Fault]:
        """A counter that went back, once: a step may begin anew where the epoch has risen."""
        split = next(iter(point.values)).partition("/")[0]
        step, epoch = point.step, point.epoch
        step_before, epoch_before = self._counters.get(split, (None, None))
        self._counters[split] = (step_before if step is None else step, epoch_before if epoch is None else epoch)
        risen = epoch is not None and epoch_before is not None and epoch > epoch_before
        if epoch is not None and epoch_before is not None and epoch < epoch_before:
            return self._went_back("epoch", epoch_before, epoch)
        if step is not None and step_before is not None and step < step_before and not risen:
            return self._went_back("step", step_before, step)
        return []

    def _went_back(self, axis: str, before: int, now: int) -> list[Fault]:
        if axis in self._back:
            return []
        self._back.add(axis)
        return [
            Fault(
                rule="counter-back",
                metric="",
                kind="validity",
                severity="warning",
                message=f"the {axis} went back from {before} to {now}: resumed from a checkpoint, or two writers in one record",
                evidence={f"{axis}_before": before, f"{axis}_now": now},
            )
        ]


class _Seen:
    """What is known of one series."""

    __slots__ = (
        "bad",
        "best",
        "distance",
        "gone",
        "high",
        "last",
        "last_point",
        "low",
        "moved",
        "name",
        "same",
        "still",
        "stuck",
    )

    def __init__(self, name: str) -> None:
        metric = metric_of(name.partition("[")[0])
        self.name = name
        self.low = -math.inf if metric.low is None else metric.low - ROUNDING
        self.high = math.inf if metric.high is None else metric.high + ROUNDING
        self.still = metric.name in STILL
        #: Where nothing is left to improve, standing still is no fault: an accuracy of 1.
        self.best = {"up": metric.high, "down": metric.low, "none": None}[metric.better]
        self.last, self.same, self.moved, self.stuck = math.nan, 0, False, False
        self.bad = ""
        self.gone = False
        self.last_point, self.distance = 0, 0.0

    def take(self, value: float, point: int) -> list[Fault] | None:
        found: list[Fault] | None = None
        if self.last_point:
            self.distance = max(point - self.last_point, 0.9 * self.distance)
        self.last_point = point
        if self.gone:
            self.gone = False
            found = [self._over("missing", f"{self.name} is reported again")]
        if self.low <= value <= self.high and value - value == 0.0:
            if self.bad:
                found = [*(found or ()), self._over(self.bad, f"{self.name} is valid again: {value:.6g}")]
                self.bad = ""
        else:
            fault = self._bad(value)
            return [*(found or ()), fault] if fault else found
        if value == self.last:
            self.same += 1
            if self.same >= STUCK and self.moved and not self.stuck and not self.still and value != self.best:
                self.stuck = True
                found = [*(found or ()), self._stuck(value)]
        else:
            self.moved = self.moved or self.last == self.last
            self.same = 1
            if self.stuck:
                self.stuck = False
                found = [*(found or ()), self._over("constant", f"{self.name} moves again")]
            self.last = value
        return found

    def _bad(self, value: float) -> Fault | None:
        rule = "not-finite" if value - value != 0.0 else "out-of-domain"
        if rule == self.bad:
            return None
        self.bad = rule
        if rule == "not-finite":
            message = f"{self.name} is {value}"
            return Fault(
                rule=rule,
                metric=self.name,
                kind="validity",
                severity="critical",
                message=message,
                evidence={"last_finite": self.last},
            )
        bounds = {
            "low": None if self.low == -math.inf else self.low + ROUNDING,
            "high": None if self.high == math.inf else self.high - ROUNDING,
        }
        message = f"{self.name} is {value:.6g}, which it cannot be"
        return Fault(
            rule=rule,
            metric=self.name,
            kind="validity",
            severity="critical",
            message=message,
            evidence={"value": value, **bounds},
        )

    def _stuck(self, value: float) -> Fault:
        message = f"{self.name} has been {value:.6g} for {self.same} values: it moved before"
        return Fault(
            rule="constant",
            metric=self.name,
            kind="validity",
            severity="warning",
            message=message,
            evidence={"value": value, "values": self.same},
        )

    def missing(self, point: int) -> Fault | None:
        waited = point - self.last_point
        if self.gone or not self.distance or waited < max(MISSING_POINTS, MISSING_TIMES * self.distance):
            return None
        self.gone = True
        message = f"{self.name} has not been reported for {waited} points; it came every {self.distance:.0f}"
        return Fault(
            rule="missing",
            metric=self.name,
            kind="validity",
            severity="warning",
            message=message,
            evidence={"points": waited},
        )

    def _over(self, rule: str, message: str) -> Fault:
        return Fault(rule=rule, metric=self.name, kind="recovered", severity="info", message=message)
