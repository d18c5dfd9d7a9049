"""Measures detectors: false alarms on series without a change, and how soon they tell a planted one.

The never-fire baseline stands beside them: a detector is worth something only where it tells what that does not, at false alarms that
a fixed 3σ rule does not keep to.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...stats import resample
from .conditioner import WARMUP
from .contenders import Alarm, Contender
from .policy import Plan

#: Values after a planted change in which it must be told.
HORIZON = 200
#: Values before it: the reference and as many again.
BEFORE = 2 * WARMUP + 100


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A planted change: ``plant`` gets a series (a copy), the index it begins at, and the noise's standard deviation."""

    name: str
    plant: Callable[[NDArray[np.float64], int, float], NDArray[np.float64]]


@dataclass(frozen=True, kw_only=True)
class Delay:
    """How a fault was told: in which share of the series, and after how many values (0: at the first one that differs)."""

    found: int
    early: int
    runs: int
    median: float | None
    most: float | None


@dataclass(frozen=True, kw_only=True)
class Score:
    """What one contender did."""

    name: str
    false_alarms: int
    runs: int
    #: 95 % interval of the rate (Clopper and Pearson).
    low: float
    high: float
    delays: Mapping[str, Delay]
    us_per_value: float


def shift(times_sigma: float, *, down: bool = False) -> Fault:
    """A lasting step of so many standard deviations of the noise."""
    sign = -1 if down else 1

    def plant(x: NDArray[np.float64], at: int, sigma: float) -> NDArray[np.float64]:
        x[at:] += sign * times_sigma * sigma
        return x

    return Fault(name=f"shift {times_sigma:g} sigma", plant=plant)


def factor(by: float) -> Fault:
    """Everything takes so many times as long."""

    def plant(x: NDArray[np.float64], at: int, sigma: float) -> NDArray[np.float64]:
        x[at:] *= by
        return x

    return Fault(name=f"x{by:.3g}", plant=plant)


def spike(times_sigma: float, *, down: bool = False) -> Fault:
    """One value, so many standard deviations out."""
    sign = -1 if down else 1

    def plant(x: NDArray[np.float64], at: int, sigma: float) -> NDArray[np.float64]:
        x[at] += sign * times_sigma * sigma
        return x

    return Fault(name=f"spike {times_sigma:g} sigma", plant=plant)


def drift(times_sigma: float, over: int = 100, *, down: bool = False) -> Fault:
    """A slow rise by so many standard deviations in *over* values, which then stays."""
    sign = -1 if down else 1

    def plant(x: NDArray[np.float64], at: int, sigma: float) -> NDArray[np.float64]:
        x[at:] += sign * times_sigma * sigma * np.minimum(1, np.arange(1, x.size - at + 1) / over)
        return x

    return Fault(name=f"drift to {times_sigma:g} sigma", plant=plant)


def measure(
    compared: Sequence[Contender],
    nulls: Callable[[int, int], NDArray[np.float64]],
    *,
    runs: int,
    length: int,
    faults: Sequence[Fault] = (),
    fault_runs: int = 50,
    progress: Callable[[str], None] = lambda text: None,
) -> list[Score]:
    """Each contender on the same series. *nulls* (seed, length) makes one without a change; faults begin at BEFORE in others."""
    found = []
    for contender in compared:
        progress(contender.name)
        began = time.process_time()
        taken = alarms = 0
        for seed in range(runs):
            at, seen = first_alarm(contender.make(seed, length), nulls(seed, length).tolist())
            alarms += at is not None
            taken += seen
        spent = time.process_time() - began
        delays = {
            fault.name: _delays(contender, nulls, fault, fault_runs, first_seed=runs, length=length) for fault in faults
        }
        low, high = binomial_interval(alarms, runs)
        found.append(
            Score(
                name=contender.name,
                false_alarms=alarms,
                runs=runs,
                low=low,
                high=high,
                delays=delays,
                us_per_value=1e6 * spent / max(1, taken),
            )
        )
    return found


def first_alarm(alarm: Alarm, values: Sequence[float]) -> tuple[int | None, int]:
    """Where the first alarm is, and how many values were looked at."""
    for index, value in enumerate(values):
        if alarm(value):
            return index, index + 1
    return None, len(values)


def _delays(
    contender: Contender,
    nulls: Callable[[int, int], NDArray[np.float64]],
    fault: Fault,
    runs: int,
    *,
    first_seed: int,
    length: int,
) -> Delay:
    at, found, early = min(BEFORE, length // 2), [], 0
    for seed in range(first_seed, first_seed + runs):
        series = nulls(seed, length)
        planted = fault.plant(series.copy(), at, noise(series))[: at + HORIZON]
        first, _ = first_alarm(contender.make(seed, length), planted.tolist())
        if first is not None and first < at:
            early += 1
        elif first is not None:
            found.append(first - at)
    return Delay(
        found=len(found),
        early=early,
        runs=runs,
        median=float(median(found)) if found else None,
        most=float(max(found)) if found else None,
    )


def noise(values: NDArray[np.float64]) -> float:
    """Robust standard deviation of a series about its neighbourhood (from second differences, so that no trend counts)."""
    from ...stats.robust import mad_sigma

    return mad_sigma(np.diff(values, 2)) / math.sqrt(6) or 1e-12


def binomial_interval(successes: int, runs: int, confidence: float = 0.95) -> tuple[float, float]:
    """Exact interval of a rate (Clopper and Pearson, Biometrika 26 (1934))."""
    from scipy.special import betaincinv

    tail = (1 - confidence) / 2
    low = float(betaincinv(successes, runs - successes + 1, tail)) if successes else 0.0
    high = float(betaincinv(successes + 1, runs - successes, 1 - tail)) if successes < runs else 1.0
    return low, high


def like(values: NDArray[np.float64], plan: Plan) -> Callable[[int, int], NDArray[np.float64]]:
    """Series like *values* without a change (`resample.sieve`, about their smoothed course where they have a trend)."""
    y = np.log(values) if plan.log and np.all(values > 0) else np.asarray(values, dtype=np.float64)
    course = _course(y) if plan.trend else np.full(y.size, float(np.median(y)))

    def make(seed: int, length: int) -> NDArray[np.float64]:
        made = resample.sieve(y - course, length, np.random.default_rng(seed))
        base = np.interp(np.linspace(0, y.size - 1, length), np.arange(y.size), course)
        whole: NDArray[np.float64] = np.exp(base + made) if plan.log and np.all(values > 0) else base + made
        return whole

    return make


def _course(y: NDArray[np.float64], half: int = 25) -> NDArray[np.float64]:
    padded = np.pad(y, half, mode="edge")
    middle = np.median(np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1), axis=1)
    kernel = np.ones(half) / half
    smooth: NDArray[np.float64] = np.convolve(np.pad(middle, half, mode="edge"), kernel, mode="same")[half:-half]
    return smooth


def as_rows(scores: Sequence[Score], rate: float | None) -> list[dict[str, Any]]:
    """Scores as plain data; *rate* is what was asked, None where nothing was."""
    return [
        {
            "detector": score.name,
            "false_alarms": {
                "asked": rate,
                "rate": score.false_alarms / score.runs,
                "low95": score.low,
                "high95": score.high,
                "runs": score.runs,
            },
            "faults": [
                {
                    "fault": name,
                    "found": delay.found / delay.runs,
                    "false_before": delay.early / delay.runs,
                    "median_delay": delay.median,
                    "max_delay": delay.most,
                    "runs": delay.runs,
                }
                for name, delay in score.delays.items()
            ],
            "us_per_value": score.us_per_value,
        }
        for score in scores
    ]
