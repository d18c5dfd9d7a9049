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
