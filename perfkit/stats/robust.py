"""Summaries that a few wild values do not move."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

# A normal distribution's standard deviation is this many times its median absolute deviation (1 / Φ⁻¹(3/4)).
MAD_TO_SIGMA = 1.4826


def mad_sigma(values: ArrayLike) -> float:
    """Standard deviation estimated from the median absolute deviation, in the unit of *values*; 0.0 when empty."""
    x = np.asarray(values, dtype=np.float64)
    if x.size == 0:
        return 0.0
    return float(MAD_TO_SIGMA * np.median(np.abs(x - np.median(x))))


def winsorised(values: ArrayLike, reference: ArrayLike, sigmas: float = 5.0) -> NDArray[np.float64]:
    """*values* clipped to the median of *reference* ± *sigmas* robust standard deviations, at least ± 5 %."""
    centre = float(np.median(np.asarray(reference, dtype=np.float64)))
    width = max(sigmas * mad_sigma(reference), 0.05 * abs(centre))
    return np.clip(np.asarray(values, dtype=np.float64), centre - width, centre + width)


def median_interval(values: ArrayLike, confidence: float = 0.95) -> tuple[float, float]:
    """Distribution-free interval for the median from order statistics (binomial, normal approximation).

    Source: Conover, Practical Nonparametric Statistics, 3rd ed., §3.2. Returns (nan, nan) when empty.
    """
    from statistics import NormalDist

    x = np.sort(np.asarray(values, dtype=np.float64))
    if x.size == 0:
        return float("nan"), float("nan")
    half = NormalDist().inv_cdf(0.5 + confidence / 2) * np.sqrt(x.size) / 2
    low = int(np.floor(x.size / 2 - half))
    high = int(np.ceil(x.size / 2 + half))
    return float(x[max(0, low)]), float(x[min(x.size - 1, high)])


def theil_sen(x: ArrayLike, y: ArrayLike, confidence: float = 0.95) -> tuple[float, float, float]:
    """Median slope of *y* over *x* between all pairs of points, and its interval: (slope, low, high).

    Sen, Estimates of the regression coefficient based on Kendall's tau, JASA 63 (1968). As scipy.stats.theilslopes, whose import
    costs half a second and 63 MB that `perfkit profile` would pay in every run. (nan, nan, nan) where all *x* are equal.
    """
    from statistics import NormalDist

    across, up = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    wide, high = across[:, np.newaxis] - across, up[:, np.newaxis] - up
    slopes = np.sort(high[wide > 0] / wide[wide > 0])
    if not slopes.size:
        return float("nan"), float("nan"), float("nan")
    variance = (_pairs_variance(np.array([up.size])) - _pairs_variance(_ties(across)) - _pairs_variance(_ties(up))) / 18
    half = NormalDist().inv_cdf(0.5 + confidence / 2) * np.sqrt(variance)
    first = max(0, round((slopes.size - half) / 2) - 1)
    last = min(slopes.size - 1, round((slopes.size + half) / 2))
    return float(np.median(slopes)), float(slopes[first]), float(slopes[last])


def _ties(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """How often each value occurs."""
    return np.unique(values, return_counts=True)[1]


def _pairs_variance(count: NDArray[np.int64]) -> float:
    return float(np.sum(count * (count - 1) * (2 * count + 5)))
