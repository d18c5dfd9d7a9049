"""Where warm-up ends, and whether what follows is steady."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .robust import winsorised

# Fewer steps than this say nothing about a trend: the first one is taken as warm-up and no more.
FEW = 8
# Larger series are reduced to this many batch means first, as the rule's authors advise (MSER-5 uses batches too).
BATCHES = 400
# The least value is often reached late by chance; the first cut that comes this near keeps far more of the series.
NEARLY_LEAST = 1.1


def warmup_end(durations: ArrayLike) -> int:
    """Index of the first steady value of *durations* (any positive unit, shape (n,)), at most n // 2.

    The marginal standard error rule: cut where the standard error of the mean of the rest is least. Outliers are
    clipped first, so that one late stall does not drag the cut. Source: K. P. White, "An effective truncation heuristic
    for bias reduction in simulation output", Simulation 69 (1997).
    """
    x = np.asarray(durations, dtype=np.float64)
    if x.size <= FEW:
        return min(1, max(0, x.size - 1))
    x = _clip_late(x)
    size = max(1, x.size // BATCHES)
    whole = x.size // size
    means = x[: whole * size].reshape(whole, size).mean(axis=1)
    return int(_least_standard_error(means)) * size


def _clip_late(x: NDArray[np.float64]) -> NDArray[np.float64]:
    # Only what lies above is clipped to the later half's spread, so that a long warm-up keeps its height at the start.
    late = x[x.size // 2 :]
    clipped = winsorised(x, late, sigmas=8.0)
    head = x.size // 4
    clipped[:head] = np.minimum(x[:head], 10 * np.median(late))
    return clipped


def _least_standard_error(means: NDArray[np.float64]) -> int:
    n = means.size
    cuts = np.arange(0, n // 2 + 1)
    tail_sum = np.cumsum(means[::-1])[::-1]
    tail_square = np.cumsum((means**2)[::-1])[::-1]
    left = n - cuts
    mean = tail_sum[cuts] / left
    variance = np.maximum(0.0, tail_square[cuts] / left - mean**2)
    error = variance / left
    return int(np.argmax(error <= NEARLY_LEAST * error.min()))


def drift(durations: ArrayLike) -> float:
    """Relative change of the median from the first to the second half; 0.0 for fewer than four values."""
    x = np.asarray(durations, dtype=np.float64)
    if x.size < 4:
        return 0.0
    first, second = np.median(x[: x.size // 2]), np.median(x[x.size // 2 :])
    return float(second / first - 1.0) if first > 0 else 0.0
