"""How far a value may lie out before it cannot be chance: the tail of a distribution beyond what was seen.

Values over a high quantile follow a generalised Pareto distribution (Pickands, Annals of Statistics 3 (1975); as a detector: Siffer
et al., Anomaly detection in streams with extreme value theory, KDD 2017). With twenty of them its shape is hardly known, and a
threshold that takes the best fit for granted raises several times the wanted false alarms. So the threshold is a quantile of the
*predictive* distribution: over all shapes and scales, each weighed by how well it explains what was seen.

What is thought of the shape beforehand comes from all values, not the tail alone: their L-kurtosis (Hosking, JRSS B 52 (1990)) tells a normal
distribution from Student's t with 3 degrees of freedom at a hundred values, by two to four times its scatter.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

#: Share of the values that make up the tail, and the least and most of them.
TAIL_SHARE = 0.1
LEAST, MOST = 12, 100
#: Shapes that are weighed: −0.3 has an end, 0 is exponential, a third is Student's t with 3 degrees of freedom, 0.9 has hardly a mean.
_SHAPES = np.linspace(-0.3, 0.9, 17)
#: What is thought of the shape before the tail is looked at: a mean from LIGHT (L-kurtosis of a normal distribution and below) rising by RISE to that
#: of Student's t with 3 degrees of freedom, a little beyond its third, and a standard deviation. Set so that in samples of 100 to 800 values of t(3), t(5),
#: Laplace, exponential, log-normal and normal distributions no more than the asked rate passes, with normal thresholds as low as that allows.
_LIGHT, _RISE, _MOST_TIMES, _SHAPE_SIGMA = 0.02, 0.4, 1.2, 0.15
_NORMAL, _HEAVY = 0.13, 0.26
#: Where nothing is known of the rest: as of most series in practice (Martins and Stedinger, Water Resources Research 36 (2000)).
SHAPE_UNKNOWN = 0.1
#: Fewer values say nothing of their L-kurtosis.
_LEAST_FOR_SHAPE = 20
#: Scales that are weighed, as multiples of the mean excess.
_SCALES = np.exp(np.linspace(math.log(0.25), math.log(3.0), 17))


def tail_size(count: int) -> int:
    """How many of *count* values make up the tail; 0 where there are too few."""
    size = min(MOST, max(LEAST, round(TAIL_SHARE * count)))
    return size if count >= 2 * size else 0


def expected_shape(values: ArrayLike) -> float:
    """What the values as a whole let expect of their tail's shape."""
    x = np.sort(np.asarray(values, dtype=np.float64))
    n = x.size
    if n < _LEAST_FOR_SHAPE:
        return SHAPE_UNKNOWN
    i = np.arange(n)
    weighted = [float(x.mean())]  # probability-weighted moments
    weight = np.ones(n)
    for k in (1, 2, 3):
        weight = weight * (i - k + 1) / (n - k)
        weighted.append(float((weight * x).mean()))
    scale = 2 * weighted[1] - weighted[0]
    if scale <= 0:
        return SHAPE_UNKNOWN
    kurtosis = (20 * weighted[3] - 30 * weighted[2] + 12 * weighted[1] - weighted[0]) / scale
    return _LIGHT + _RISE * min(_MOST_TIMES, max(0.0, (kurtosis - _NORMAL) / (_HEAVY - _NORMAL)))


def threshold(largest: ArrayLike, count: int, rate: float, shape: float = SHAPE_UNKNOWN) -> float:
    """The value that one more of them passes with the chance *rate*; *shape* is what `expected_shape` said of all of them.

    *largest* are the greatest of *count* values, in any order: `tail_size` of them and one more. Infinite where there are too few.
    """
    x = np.sort(np.asarray(largest, dtype=np.float64))[::-1]
    if x.size < LEAST + 1:
        return math.inf
    base, excess = float(x[-1]), x[:-1] - x[-1]
    mean = float(excess.mean())
    if mean <= 0:
        return base
    share = excess.size / count
    if rate >= share:
        return base
    weights = _weights(excess / mean, shape)
    return base + mean * _quantile(weights, rate / share)


def _weights(excess: NDArray[np.float64], shape: float) -> NDArray[np.float64]:
    """Posterior over shapes × scales, shape (17, 17); the scale's prior is uniform in its logarithm."""
    inside = 1 + _SHAPES[:, None, None] * excess / _SCALES[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(np.maximum(inside, 0)).sum(axis=2)
        power = np.where(np.abs(_SHAPES) < 1e-9, 0.0, 1 / _SHAPES + 1)[:, None]
        density = -excess.size * np.log(_SCALES) - power * logs
    flat = np.abs(_SHAPES) < 1e-9
    density[flat] = -excess.size * np.log(_SCALES) - excess.sum() / _SCALES
    density[~np.isfinite(density)] = -np.inf
    density -= 0.5 * ((_SHAPES - shape)[:, None] / _SHAPE_SIGMA) ** 2
    weights: NDArray[np.float64] = np.exp(density - density.max())
    weights /= weights.sum()
    return weights


def _survival(weights: NDArray[np.float64], y: float) -> float:
    """Predictive chance of an excess over *y* mean excesses."""
    flat = np.abs(_SHAPES) < 1e-9
    with np.errstate(divide="ignore", invalid="ignore"):
        inside = np.maximum(1 + _SHAPES[:, None] * y / _SCALES, 0)
        alive = np.where(flat[:, None], np.exp(-y / _SCALES), inside ** (-1 / np.where(flat, 1, _SHAPES)[:, None]))
    alive = np.where((inside <= 0) & ~flat[:, None], 0.0, alive)
    return float((weights * alive).sum())


def _quantile(weights: NDArray[np.float64], chance: float) -> float:
    low, high = 0.0, 4.0
    while _survival(weights, high) > chance and high < 1e9:
        low, high = high, high * 2
    while high / max(low, 1e-3) > 1.005:
        middle = (low + high) / 2
        low, high = (middle, high) if _survival(weights, middle) > chance else (low, middle)
    return high
