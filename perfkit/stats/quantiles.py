"""Percentiles with what is known of them: an interval, and how many values they need."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike

#: Those that a person is shown, by their names.
PERCENTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}
#: MLPerf's early stopping: so sure must be that a percentile is not exceeded, and so many values may lie above it.
SURE, ABOVE = 0.99, 1


@dataclass(frozen=True, kw_only=True)
class Quantile:
    """A percentile of measured values, in their unit."""

    share: float
    value: float
    #: Its confidence interval; an end that no value bounds is None.
    low: float | None
    high: float | None
    #: Values there are, and values that it takes (`needed`).
    count: int
    needed: int

    @property
    def enough(self) -> bool:
        """Whether there are as many values as it takes."""
        return self.count >= self.needed


def quantile(values: ArrayLike, share: float, confidence: float = 0.95) -> Quantile:
    """The *share* quantile (0.99 for p99): the least value that at least this share does not exceed, as LoadGen takes it, with its
    distribution-free interval from order statistics (Conover, Practical Nonparametric Statistics, 3rd ed., §3.2), which is exact for
    independent values. Raises ValueError without values.
    """
    x = np.sort(np.asarray(values, dtype=np.float64))
    if not x.size:
        raise ValueError("no values")
    low, high = _ranks(x.size, share, confidence)
    place = min(x.size, max(1, math.ceil(share * x.size - 1e-9)))
    return Quantile(
        share=share,
        value=float(x[place - 1]),
        low=float(x[low - 1]) if low >= 1 else None,
        high=float(x[high - 1]) if high <= x.size else None,
        count=int(x.size),
        needed=needed(share),
    )


@cache
def needed(share: float, sure: float = SURE, above: int = ABOVE) -> int:
    """Values that it takes to be *sure* of a percentile when *above* of them lie over it.

    The least n with P[Binomial(n, 1 − share) ≤ above] ≤ 1 − sure: 64 for p90 and 662 for p99, the counts of MLPerf Inference's early
    stopping (github.com/mlcommons/inference, loadgen/early_stopping.cc, and the rules' appendix on it).
    """
    if not 0 < share < 1:
        raise ValueError(f"a percentile lies between 0 and 1, not at {share}")
    count = above + 1
    while _at_most(above, count, 1 - share) > 1 - sure:
        count += 1
    return count


def _at_most(most: int, count: int, chance: float) -> float:
    """P[Binomial(count, chance) ≤ most], for small *most*."""
    return sum(math.comb(count, k) * chance**k * (1 - chance) ** (count - k) for k in range(most + 1))


def _ranks(count: int, share: float, confidence: float) -> tuple[int, int]:
    """Ranks (from 1) of the order statistics that hold the quantile between them; 0 and count + 1 where there is none."""
    tail = (1 - confidence) / 2
    k = np.arange(count + 1, dtype=np.float64)
    whole = math.lgamma(count + 1)
    logs = whole - _lgamma(k + 1) - _lgamma(count - k + 1) + k * math.log(share) + (count - k) * math.log1p(-share)
    below = np.cumsum(np.exp(logs))  # P[at most k values lie below the quantile]
    low = int(np.searchsorted(below, tail, side="right"))  # P[fewer than low] ≤ tail
    high = int(np.searchsorted(below, 1 - tail, side="left")) + 1
    return low, high


def _lgamma(x: np.ndarray[tuple[int], np.dtype[np.float64]]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Log Γ for whole numbers from 1: sums of logarithms, since scipy's costs 0.1 s to import."""
    sums = np.concatenate(([0.0], np.cumsum(np.log(np.arange(1, int(x.max()) + 1, dtype=np.float64)))))
    found: np.ndarray[tuple[int], np.dtype[np.float64]] = sums[x.astype(np.int64) - 1]
    return found
