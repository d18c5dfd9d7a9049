"""Detectors over all series of a run: points go in, events come out, each thing once."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any, Literal

from ...errors import UsageError
from ...model.monitoring import Event, Point, Severity, Signal
from . import advice
from .advice import Script
from .base import FALSE_ALARMS, Allowance, Detector
from .detectors import SeriesDetector
from .expectation import Against, Expectation
from .finding import Finding
from .learning import Learning
from .policy import detector as planned
from .policy import plan
from .validity import Fault, Validity

#: Newest values of each stage's time, to tell which of them a slower step is due to.
STAGE_VALUES = 128
STEP_TIME = "perf/step_time_s"
_RATES = frozenset({"perf/samples_per_s", "perf/tokens_per_s"})
_WHOLE = frozenset({STEP_TIME, "perf/epoch_time_s"})

Detectors = Literal["auto", "none"] | Mapping[str, Callable[[], Detector]]


class Watch:
    """Watches every series that comes.

    *false_alarms* is the chance that one series raises a false alarm in the whole run, of *length* values where that is known.
    *detectors*: "auto" (docs/monitor-detectors.md has the policy), "none" (validity and learning rules alone), or a factory for each
    canonical name, "auto" holding for the others. *expected*: an expectation by canonical name, held against each value beside the
    detectors. *command* is the monitored script with its arguments, for advice that can be tried.
    """

    def __init__(
        self,
        *,
        false_alarms: float = FALSE_ALARMS,
        length: int | None = None,
        detectors: Detectors = "auto",
        expected: Mapping[str, Expectation] | None = None,
        command: Sequence[str] = (),
    ) -> None:
        if isinstance(detectors, str) and detectors not in ("auto", "none"):
            raise UsageError(f'detectors={detectors!r}: give "auto", "none", or a detector for each series')
        self._allowance = Allowance(rate=false_alarms, length=length)
        self._choice, self._expected = detectors, dict(expected or {})
        self._script = Script(words=tuple(command))
        self._validity = Validity()
        self._learning = Learning(self._script)
        self._detectors: dict[str, tuple[Detector, ...]] = {}
        self._stages: dict[str, deque[float]] = {}
        self._last: Point | None = None

    def observe(self, point: Point) -> list[Event]:
        """What is to be said about a point."""
        events = [self._fault(fault, point) for fault in self._validity.check(point)]
        for name in self._stages.keys() & point.values.keys():  # all of them before any is judged
            self._stages[name].append(point.values[name])
        for name, value in point.values.items():
            if value - value != 0.0:
                continue
            watchers = self._detectors.get(name)
            if watchers is None:
                watchers = self._detectors[name] = self._made(name, value, point)
            for watcher in watchers:
                signal = watcher.update(value, point.step)
                if signal is not None:
                    events.append(self._event(name, signal, point))
        found = self._learning.observe(point.values, point.epoch, point.step)
        events += [_finding(finding, point) for finding in found]
        self._last = point
        return events

    def finish(self) -> list[Event]:
        """What can only be said at the end."""
        last = self._last
        if last is None:
            return []
        held = [
            self._event(name, signal, last)
            for name, watchers in self._detectors.items()
            for watcher in watchers
            if isinstance(watcher, SeriesDetector) and (signal := watcher.finish()) is not None
        ]
        return held + [_finding(finding, last) for finding in self._learning.finish()]

    def _made(self, name: str, value: float, point: Point) -> tuple[Detector, ...]:
        is_chosen = name in self._expected or (isinstance(self._choice, Mapping) and name in self._choice)
        if name in _RATES and STEP_TIME in point.values and not is_chosen:
            return ()  # the same once more: a slow step would be told twice
        if name.startswith("perf/") and name.endswith("_s") and not name.endswith("per_s"):
            self._stages[name] = deque(maxlen=STAGE_VALUES)
        made: list[Detector] = []
        if name in self._expected:
            made.append(Against(self._expected[name], allowance=self._allowance))
        if isinstance(self._choice, Mapping) and name in self._choice:
            made.append(self._choice[name]())
        elif self._choice != "none":
            found = plan(name, per_epoch=point.step is None and point.epoch is not None, positive=value > 0)
            if found is not None:
                made.append(planned(found, self._allowance))
        return tuple(made)

    def _fault(self, fault: Fault, point: Point) -> Event:
        text = ""
        if fault.rule == "not-finite" and fault.kind == "validity":
            text = advice.not_finite(
                self._script, rose_before=self._learning.rose_before(fault.metric), metric=fault.metric
            )
        return _said(fault, f"validity:{fault.rule}", point, text)

    def _event(self, name: str, signal: Signal, point: Point) -> Event:
        severity: Severity = "info" if signal.kind in ("recovered", "anomaly") else "warning"
        evidence: dict[str, Any] = {"score": signal.score, "threshold": signal.threshold, **signal.evidence}
        text = ""
        message = _message(name, signal)
        if signal.kind == "degradation":
            if signal.detector == "leak":
                text = advice.leak()
            elif name == STEP_TIME:
                stage = self._slower_stage()
                text = advice.slow_stage(stage[0], self._script) if stage else advice.slow()
                if stage:
                    evidence |= {"stage": stage[0], "stage_share": stage[1]}
                    message += f"; {stage[1]:.0%} of that is {stage[0]}"
        return _event(
            point, kind=signal.kind, severity=severity, metric=name, source=signal.detector, message=message, evidence=evidence, advice=text,
        )  # fmt: skip

    def _slower_stage(self) -> tuple[str, float] | None:
        """Which measured stage has risen most in the newest two steps, and its share of what the step has."""
        steps = list(self._stages.get(STEP_TIME, ()))
        if len(steps) < 8:
            return None
        rise = _rise(steps)
        rises = {
            name: _rise(list(values))
            for name, values in self._stages.items()
            if name not in _WHOLE and len(values) >= 8
        }
        if rise <= 0 or not rises:
            return None
        worst = max(rises, key=lambda name: rises[name])
        share = min(1.0, rises[worst] / rise)
        return (worst, share) if share >= 0.5 else None


def _rise(values: list[float]) -> float:
    return median(values[-2:]) - median(values[:-2])


def _finding(finding: Finding, point: Point) -> Event:
    return _said(finding, f"learning:{finding.rule}", point, finding.advice)


def _said(told: Fault | Finding, source: str, point: Point, text: str) -> Event:
    return _event(
        point, kind=told.kind, severity=told.severity, metric=told.metric, source=source, message=told.message, evidence=told.evidence,
        advice=text,
    )  # fmt: skip


def _event(point: Point, **what: Any) -> Event:
    """An event at the moment of a point."""
    return Event(time_ns=point.time_ns, monotonic_ns=point.monotonic_ns, step=point.step, epoch=point.epoch, **what)


def _message(name: str, signal: Signal) -> str:
    facts = signal.evidence
    if signal.kind == "recovered":
        return f"{name} is back to what it was"
    if signal.detector == "leak":
        mib = 2**20
        return (
            f"{name} grows by {facts['bytes_per_step'] / mib:.3g} MiB a step ({facts['bytes_per_step_low'] / mib:.3g} to "
            f"{facts['bytes_per_step_high'] / mib:.3g}), by {facts['grown_bytes'] / mib:.0f} MiB so far"
        )
    if "expected" in facts:
        return f"{name} is {facts['value']:.4g} where {facts['expected']:.4g} was expected"
    if signal.kind == "anomaly":
        value = facts.get("value", math.nan)
        return f"{name} is {value:.4g} once, " + (_usually(value, signal) or "out of line with the values before it")
    return f"{name} has {'risen' if signal.direction == 'up' else 'fallen'}" + _moved(signal)


def _moved(signal: Signal) -> str:
    """From where to where: the level over the window that the change is about."""
    facts = signal.evidence
    level, window = facts.get("level", facts.get("value", math.nan)), facts.get("window", 1)
    told = f"the median of the newest {window} values is {level:.4g}" if window > 1 else f"it is {level:.4g}"
    if "level_before" in facts:
        return f": {told}, and was {facts['level_before']:.4g} before"
    usual = _usually(level, signal)
    if usual:
        return f": {told}, {usual}"
    if _beyond(level, facts.get("usual", math.nan), signal):
        return f": {told}, usually {facts['usual']:.4g}"
    way = "higher" if signal.direction == "up" else "lower"
    return f": the newest {window} values are {way} than those before them let expect ({signal.detector})"


def _usually(value: float, signal: Signal) -> str:
    """The usual range, where *value* as it is printed lies outside of it; else ""."""
    low, high = signal.evidence.get("usual_low", math.nan), signal.evidence.get("usual_high", math.nan)
    if _beyond(value, high if signal.direction == "up" else low, signal):
        return f"usually {low:.4g} to {high:.4g}"
    return ""


def _beyond(value: float, end: float, signal: Signal) -> bool:
    """Whether, as printed, *value* is beyond *end* on the signal's side."""
    printed, limit = float(f"{value:.4g}"), float(f"{end:.4g}")
    return printed > limit if signal.direction == "up" else printed < limit
