"""Where the level of a series changed: PELT, with a penalty from a wanted rate of false alarms.

PELT (Killick, Fearnhead and Eckley, JASA 107 (2012)) finds the segmentation with the least squared error plus a penalty for each change,
exactly. What it is given here are normal scores of the series' ranks, so that no distribution matters, after a first-order correlation
is taken out. Correlation and changes look alike, so they are chosen together, by the penalised likelihood of both (Gallagher, Killick,
Lund and Shi, Autocovariance estimation in the presence of changepoints, J. Korean Stat. Soc. 51 (2022)). The penalty is the one at which so many of series without any change are cut, found by simulation for each length.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .robust import mad_sigma

#: Values in a segment, at least.
LEAST_SEGMENT = 5
#: Fewer values are not looked at.
LEAST = 4 * LEAST_SEGMENT
#: False-alarm rates and lengths of the table below.
_RATES = (0.2, 0.1, 0.05, 0.02, 0.01, 0.005)
_LENGTHS = (20, 50, 100, 200, 400, 800, 1600)
#: Penalties (in squared standard deviations) at which that share of simulated series of scores is cut anywhere, by `critical_penalty` over
#: 40,000 series of the shorter lengths, 16,000, 8,000 and 2,500 of the three longest.
_PENALTIES = (
    (4.23, 5.41, 6.58, 7.96, 8.89, 9.73),  # 20
    (5.70, 6.92, 8.12, 9.69, 10.87, 12.13),  # 50
    (6.54, 7.75, 9.03, 10.78, 11.98, 13.29),  # 100
    (7.36, 8.52, 9.79, 11.55, 12.86, 14.12),  # 200
    (8.09, 9.23, 10.44, 12.15, 13.61, 14.82),  # 400
    (8.88, 9.92, 11.03, 12.61, 14.00, 15.69),  # 800
    (9.55, 10.61, 11.49, 12.96, 14.57, 16.18),  # 1600
)
#: First-order correlations that are tried.
CORRELATIONS = (0.0, 0.2, 0.4, 0.6, 0.75, 0.85, 0.92, 0.96)
#: By how much changes must explain more (in twice the log likelihood, beyond their penalty) than correlation without any: what the choice
#: among correlations gives away by chance.
MARGIN = 6.0
#: Innovations count at most so many robust standard deviations: at a cut one is as large as the change.
CLIPPED = 4.0


@dataclass(frozen=True, kw_only=True)
class ChangePoint:
    """A change of level. ``index`` is that of the first value behind it; levels are medians of the segments on its sides."""

    index: int
    before: float
    after: float


def change_points(values: ArrayLike, *, false_alarms: float = 0.01) -> list[ChangePoint]:
    """Changes of the level of *values* (shape (n,), finite), ascending; a series without any is cut with the chance *false_alarms*.

    That holds for independent values of any continuous distribution; docs/monitor-detectors.md has what was measured for others.
    """
    x = np.asarray(values, dtype=np.float64)
    if x.size < LEAST or np.all(x == x[0]):
        return []
    cuts = _best(x, penalty(x.size - 1, false_alarms))
    edges = [0, *cuts, x.size]
    levels = [float(np.median(x[a:b])) for a, b in pairwise(edges)]
    return [ChangePoint(index=cut, before=levels[i], after=levels[i + 1]) for i, cut in enumerate(cuts)]


def _best(x: NDArray[np.float64], cost_of_change: float) -> list[int]:
    """The cuts of the correlation and segmentation that explain *x* best together; none where correlation alone does nearly as well."""
    least = uncut = math.inf
    found: list[int] = []
    for phi in CORRELATIONS:
        white = x[1:] - phi * x[:-1]
        uncut = min(uncut, _unlikely(white, []))
        cuts = pelt(normal_scores(white), cost_of_change)
        total = _unlikely(white, cuts) + cost_of_change * len(cuts)
        if cuts and total < least:
            least, found = total, [cut + 1 for cut in cuts]
    return found if least < uncut - MARGIN else []


def _unlikely(white: NDArray[np.float64], cuts: list[int]) -> float:
    """The number of values times the logarithm of the innovations' variance about their segments' medians, outliers clipped."""
    left = white.copy()
    for start, end in pairwise([0, *cuts, white.size]):
        left[start:end] -= np.median(white[start:end])
    width = CLIPPED * mad_sigma(left)
    return float(white.size * math.log(max(float(np.mean(np.clip(left, -width, width) ** 2)), 1e-300)))


def normal_scores(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Φ⁻¹ of the ranks over n + 1 (van der Waerden), scaled to variance 1; ties in the order in which they came."""
    from scipy.special import ndtri

    ranks = np.empty(values.size)
    ranks[np.argsort(values, kind="stable")] = np.arange(1, values.size + 1)
    scores = ndtri(ranks / (values.size + 1))
    scaled: NDArray[np.float64] = scores / scores.std()
    return scaled


def pelt(values: NDArray[np.float64], cost_of_change: float, *, least: int = LEAST_SEGMENT) -> list[int]:
    """First indices of all segments but the first, of the segmentation with the least squared error plus *cost_of_change* for each."""
    n = values.size
    total = np.concatenate(([0.0], np.cumsum(values)))
    square = np.concatenate(([0.0], np.cumsum(values**2)))
    best = np.full(n + 1, np.inf)
    best[0] = -cost_of_change
    last = np.zeros(n + 1, dtype=np.int64)
    candidates = np.array([0])
    for end in range(least, n + 1):
        lengths = end - candidates
        error = square[end] - square[candidates] - (total[end] - total[candidates]) ** 2 / lengths
        whole = best[candidates] + error
        place = int(np.argmin(whole))
        best[end] = whole[place] + cost_of_change
        last[end] = candidates[place]
        keep = whole <= best[end]  # what is dearer now without its penalty stays dearer
        candidates = np.append(candidates[keep], end - least + 1) if end - least + 1 >= least else candidates[keep]
    cuts: list[int] = []
    end = n
    while last[end] > 0:
        end = int(last[end])
        cuts.append(end)
    return cuts[::-1]


def penalty(count: int, false_alarms: float) -> float:
    """The penalty at which a series of *count* independent values without a change is cut with the chance *false_alarms*.

    Between the table's lengths and rates, and beyond them, straight over their logarithms.
    """
    lengths, chances = np.log(_LENGTHS), -np.log(_RATES)
    table = np.array(_PENALTIES, dtype=np.float64)
    at_rate = [_line(-math.log(false_alarms), chances, row) for row in table]
    return _line(math.log(count), lengths, np.array(at_rate))


def _line(x: float, known: NDArray[np.float64], values: NDArray[np.float64]) -> float:
    right = int(np.clip(np.searchsorted(known, x), 1, known.size - 1))
    slope = (values[right] - values[right - 1]) / (known[right] - known[right - 1])
    return float(values[right] + slope * (x - known[right]))


def critical_penalty(values: NDArray[np.float64], *, most: int = 4, least: int = LEAST_SEGMENT) -> float:
    """The greatest penalty at which `pelt` still cuts *values*: max over m ≤ *most* changes of what they save, over m."""
    n = values.size
    total = np.concatenate(([0.0], np.cumsum(values)))
    gain = np.where(np.arange(n + 1) >= least, total**2 / np.maximum(np.arange(n + 1), 1), -np.inf)  # of one segment
    none, greatest = float(gain[n]), 0.0
    for changes in range(1, most + 1):
        after = np.full(n + 1, -np.inf)
        for end in range((changes + 1) * least, n + 1):
            starts = np.arange(changes * least, end - least + 1)
            after[end] = np.max(gain[starts] + (total[end] - total[starts]) ** 2 / (end - starts))
        gain = after
        if math.isfinite(gain[n]):
            greatest = max(greatest, (float(gain[n]) - none) / changes)
    return greatest
