"""Thresholds of control charts from a wanted rate of false alarms, for independent standard normal values.

A *rate* is the chance of a false alarm per value: its inverse is the average run length. All functions take the rate of one side.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from statistics import NormalDist

_NORMAL = NormalDist()
#: Of a random walk with normal steps, the mean by which it passes a boundary (−ζ(½)/√(2π)): Siegmund's correction.
OVERSHOOT = 0.5826
#: No threshold is sought beyond this: a rate of 1e-300 is none.
FARTHEST = 200.0


def overshoot_factor(x: float) -> float:
    """Siegmund's ν(x): by how much a maximum taken at discrete times falls short of one taken always.

    Approximation of Siegmund and Yakir, The Statistics of Gene Mapping (2007), eq. 5.9; 1 at x = 0.
    """
    if x < 1e-6:
        return 1.0
    half = x / 2
    cdf, pdf = _NORMAL.cdf(half), _NORMAL.pdf(half)
    return (2 / x) * (cdf - 0.5) / (half * cdf + pdf)


def smoothed_rate(threshold: float, decay: float) -> float:
    """How often a standardised moving mean or EWMA passes *threshold*, one side, per value.

    *decay* is the slope of its autocorrelation at lag 0: 1/w for a mean over w values, −ln(1 − λ) for an EWMA. Source: Siegmund
    and Venkatraman, Annals of Statistics 23 (1995); Siegmund and Yakir (2007), ch. 5.
    """
    if threshold <= 0:
        return 1.0
    return threshold * decay * _NORMAL.pdf(threshold) * overshoot_factor(threshold * math.sqrt(2 * decay))


def cusum_rate(threshold: float, allowance: float) -> float:
    """How often a one-sided CUSUM with *allowance* k passes *threshold* h, per value.

    Source: Siegmund, Sequential Analysis (1985), eq. 2.57: the inverse of (exp(2kb) − 2kb − 1) / (2k²), b = h + 2 · 0.5826.
    """
    twice = 2 * allowance * (threshold + 2 * OVERSHOOT)
    return 2 * allowance**2 / max(1e-12, math.expm1(min(twice, 700.0)) - twice)


def _solved(rate_at: Callable[[float], float], rate: float, low: float) -> float:
    high = FARTHEST
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (middle, high) if rate_at(middle) > rate else (low, middle)
    return high


@lru_cache(maxsize=4096)
def smoothed_threshold(rate: float, decay: float) -> float:
    """The threshold of a standardised moving mean or EWMA for a *rate* of false alarms per value on one side."""
    return _solved(lambda b: smoothed_rate(b, decay), rate, 1.0)


@lru_cache(maxsize=4096)
def cusum_threshold(rate: float, allowance: float) -> float:
    """The threshold of a one-sided CUSUM for a *rate* of false alarms per value."""
    return _solved(lambda h: cusum_rate(h, allowance), rate, 0.1)
