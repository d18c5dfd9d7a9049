"""Detectors over all series of a run: points go in, events come out, each thing once."""

from __future__ import annotations

from ...model.monitoring import Event, Point, Severity, Signal
from .base import FALSE_ALARMS, Allowance
from .detectors import SeriesDetector
from .policy import detector, plan
from .validity import Fault, Validity


class Watch:
    """Watches every series that comes. *false_alarms* is the chance of a false alarm in one series in the whole run."""

    def __init__(self, *, false_alarms: float = FALSE_ALARMS, length: int | None = None) -> None:
        self._allowance = Allowance(rate=false_alarms, length=length)
        self._validity = Validity()
        self._detectors: dict[str, SeriesDetector | None] = {}

    def observe(self, point: Point) -> list[Event]:
        """What is to be said about a point."""
        events = [_fault(fault, point) for fault in self._validity.check(point)]
        for name, value in point.values.items():
            if value - value != 0.0:
                continue
            if name not in self._detectors:
                self._detectors[name] = self._made(name, value, point)
            watcher = self._detectors[name]
            signal = watcher.update(value, point.step) if watcher else None
            if signal is not None:
                events.append(_event(name, signal, point))
        return events

    def finish(self) -> list[Event]:
        """What can only be said at the end."""
        return []

    def _made(self, name: str, value: float, point: Point) -> SeriesDetector | None:
        found = plan(name, per_epoch=point.step is None and point.epoch is not None, positive=value > 0)
        return detector(found, self._allowance) if found else None


def _fault(fault: Fault, point: Point) -> Event:
    return Event(
        kind=fault.kind,
        severity=fault.severity,
        metric=fault.metric,
        source=f"validity:{fault.rule}",
        message=fault.message,
        time_ns=point.time_ns,
        monotonic_ns=point.monotonic_ns,
        step=point.step,
        epoch=point.epoch,
        evidence=fault.evidence,
    )


def _event(name: str, signal: Signal, point: Point) -> Event:
    severity: Severity = "info" if signal.kind in ("recovered", "anomaly") else "warning"
    evidence = {"score": signal.score, "threshold": signal.threshold, **signal.evidence}
    return Event(
        kind=signal.kind,
        severity=severity,
        metric=name,
        source=signal.detector,
        message=_message(name, signal),
        time_ns=point.time_ns,
        monotonic_ns=point.monotonic_ns,
        step=point.step,
        epoch=point.epoch,
        evidence=evidence,
    )


def _message(name: str, signal: Signal) -> str:
    facts = signal.evidence
    if signal.kind == "recovered":
        return f"{name} is back to what it was, after {facts['values_long']} values"
    usual = f"usually {facts['usual_low']:.4g} to {facts['usual_high']:.4g}"
    if signal.kind == "anomaly":
        return f"{name} is {facts['value']:.4g} once, {usual}"
    word = "risen" if signal.direction == "up" else "fallen"
    return f"{name} has {word} to {facts['value']:.4g}, {usual}"
