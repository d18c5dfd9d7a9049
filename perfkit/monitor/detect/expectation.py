"""The time-step method: each step against what was expected of it. No warm-up: the expectation brings its own spread.

What may be expected: a baseline run, a function of the step (a fitted curve), a step's time; outputs for golden inputs: `golden`.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import UsageError
from ...model.monitoring import Signal
from ...stats import autoregression
from ...stats.robust import mad_sigma
from ..history import UNKNOWN, Series
from .base import Allowance, Side
from .conditioner import LAG
from .tails import RobustZ, TwoInARow

#: What another run may differ by without anybody's fault: another day, other neighbours, another place in memory.
TOLERANCE = 0.05
#: Values of a baseline on each side of a step whose median is expected there.
NEIGHBOURS = 8
#: Fewer values tell no spread.
LEAST = 40
#: Values whose median must be back for the end of a change.
BACK = 8


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """What is expected at a step, and how values have scattered about it (in the unit of the values, oldest first); *side* is worse."""

    at: Callable[[int], float]
    scatter: NDArray[np.float64]
    source: str
    side: Side = "up"


def baseline(series: Series) -> Expectation:
    """A series of another run: the median of the values near the same step. Raises UsageError where it is too short."""
    values, steps = series.values, series.steps
    good = np.isfinite(values)
    values = values[good]
    steps = np.where(steps == UNKNOWN, np.arange(steps.size), steps)[good]
    if values.size < LEAST:
        raise UsageError(
            f"{series.name} of the baseline has {values.size} values; {LEAST} are needed to know its spread"
        )
    order = np.argsort(steps, kind="stable")
    values, steps = values[order], steps[order]
    padded = np.pad(values, NEIGHBOURS, mode="reflect")
    middle = np.median(np.lib.stride_tricks.sliding_window_view(padded, 2 * NEIGHBOURS + 1), axis=1)
    at_step, at_value = steps.tolist(), middle.tolist()

    def at(step: int) -> float:
        from bisect import bisect_left

        place = bisect_left(at_step, step)
        return float(at_value[min(place, len(at_value) - 1)])

    return Expectation(at=at, scatter=values - middle, source="baseline run")


def function(expected: Callable[[int], float], scatter: ArrayLike, source: str = "fitted curve") -> Expectation:
    """A function of the step, with deviations that were seen about it (at least 40)."""
    seen = np.asarray(scatter, dtype=np.float64)
    if seen.size < LEAST:
        raise UsageError(f"{seen.size} deviations from the expectation; {LEAST} are needed to know its spread")
    return Expectation(at=expected, scatter=seen, source=source)


def step_time(reference_s: Sequence[float]) -> Expectation:
    """A step's time: the median of *reference_s*, steps that were well."""
    x = np.asarray(reference_s, dtype=np.float64)
    middle = float(np.median(x)) if x.size else math.nan
    return function(lambda step: middle, x - middle, "expected step time")


class Against:
    """A detector that holds each value against an Expectation: alarm at one value far out, or at two in a row.

    *tolerance* is the relative difference that does not count. The allowance is for the deviations that the expectation was made with.
    """

    def __init__(
        self,
        expectation: Expectation,
        *,
        allowance: Allowance | None = None,
        side: Side | None = None,
        tolerance: float = TOLERANCE,
    ) -> None:
        side = side or expectation.side
        if side == "both":
            raise UsageError("an expectation is held against one side; use one detector for each")
        self.name = f"step-against-{expectation.source.replace(' ', '-')}"
        self._expectation, self._tolerance = expectation, tolerance
        self._sign = 1.0 if side == "up" else -1.0
        self._allowance = (allowance or Allowance()).divided(2)
        model = autoregression.fit(expectation.scatter)
        self._sigma = mad_sigma(expectation.scatter) or float(expectation.scatter.std()) or 1e-12
        self._order = model.order
        self.reset()

    def reset(self) -> None:
        """Forget all values; the expectation stays."""
        self._index = -1
        self._alarm: Signal | None = None
        self._latest: deque[float] = deque(maxlen=BACK)
        self._pending: deque[float] = deque()
        self._charts = (TwoInARow(), RobustZ())
        innovations = (self._sign * self._expectation.scatter / self._sigma).tolist()
        for chart in self._charts:
            chart.refit(innovations)
            chart.allow(self._allowance.per_value(0))

    def update(self, value: float, step: int | None = None) -> Signal | None:
        """Take the value of *step* (else its place in the order)."""
        self._index += 1
        at = self._index if step is None else step
        expected = self._expectation.at(at)
        excess = self._sign * (value - expected) - self._tolerance * abs(expected)
        r = excess / self._sigma
        if self._alarm is not None:
            self._latest.append(r)
            return self._over(value, expected)
        if self._index % 256 == 0:
            for chart in self._charts:
                chart.allow(self._allowance.per_value(self._index))
        found = [(chart, score) for chart in self._charts if (score := chart.push(r, r)) > chart.threshold]
        if not found:
            self._learn(r)
            return None
        chart, score = found[0]
        evidence: dict[str, Any] = {"value": value, "expected": expected, "tolerance_ratio": self._tolerance}
        evidence["ratio"] = value / expected if expected else math.inf
        signal = Signal(
            detector=f"{self.name}:{chart.name}",
            kind=chart.kind,
            score=score,
            threshold=chart.threshold,
            direction="up" if self._sign > 0 else "down",
            since=max(0, self._index - chart.ago + 1),
            evidence=evidence,
        )
        if chart.kind != "anomaly":
            self._alarm = signal
            self._latest.clear()
            self._pending.clear()
        return signal

    def _learn(self, r: float) -> None:
        # Late, so that the values with which a change begins never become usual.
        self._pending.append(r)
        if len(self._pending) > LAG:
            usual = self._pending.popleft()
            for chart in self._charts:
                chart.learn(usual)

    def _over(self, value: float, expected: float) -> Signal | None:
        if len(self._latest) < BACK or median(self._latest) > 1.0:
            return None
        alarm, self._alarm = self._alarm, None
        assert alarm is not None
        for chart in self._charts:
            chart.restart()
        return replace(
            alarm,
            kind="recovered",
            since=max(0, self._index - BACK + 1),
            evidence={"value": value, "expected": expected},
        )
