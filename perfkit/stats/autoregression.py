"""Autoregressive models: what a value owes to those before it, and how surely that is known."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .robust import mad_sigma

#: No order beyond this is tried: steps of a training loop owe little to what lies further back.
MAX_ORDER = 6
#: Values for each coefficient, at least.
VALUES_PER_COEFFICIENT = 16
#: Fit to values within so many robust standard deviations: one stall must not hide the correlation of the rest.
WINSOR_SIGMAS = 6.0
#: The sum of the coefficients is never believed nearer to 1: the series would be a random walk, without any level to come back to.
LARGEST_SUM = 0.98


@dataclass(frozen=True, kw_only=True)
class Autoregression:
    """x_t − centre = Σ coefficients_i (x_{t−i} − centre) + noise of standard deviation sigma."""

    centre: float
    coefficients: tuple[float, ...]
    sigma: float
    #: By how much the sum of the noise may be larger than independent noise of the same sigma would give, because the coefficients are
    #: estimated: (1 − Σ estimated) / (1 − Σ upper bound), at least 1.
    inflation: float

    @property
    def order(self) -> int:
        """How many earlier values count."""
        return len(self.coefficients)


def fit(values: ArrayLike, *, max_order: int = MAX_ORDER, sureness: float = 1.3) -> Autoregression:
    """Least squares, the order by Akaike's corrected criterion (Hurvich and Tsai, Biometrika 76 (1989)).

    *sureness* is how many standard errors of the sum of the coefficients `inflation` allows for, beside its bias of −(1 + 3 Σ)/n
    (Marriott and Pope, Biometrika 41 (1954)).
    """
    x = np.asarray(values, dtype=np.float64)
    centre = float(np.median(x)) if x.size else 0.0
    width = WINSOR_SIGMAS * mad_sigma(x)
    y = np.clip(x - centre, -width, width) if width > 0 else x - centre
    sigma = float(y.std()) if y.size else 0.0
    best = Autoregression(centre=centre, coefficients=(), sigma=sigma, inflation=1.0)
    most = min(max_order, x.size // VALUES_PER_COEFFICIENT)
    if sigma <= 0 or most < 1:
        return best
    lagged, target = _lagged(y, most)
    gram, shared, power = lagged.T @ lagged, lagged.T @ target, float(target @ target)
    least, order = _criterion(power, target.size, 0), 0
    found: NDArray[np.floating[Any]] = shared[:0]
    for tried in range(1, most + 1):
        solved = np.linalg.lstsq(gram[:tried, :tried], shared[:tried], rcond=None)[0]
        score = _criterion(power - float(solved @ shared[:tried]), target.size, tried)
        if score < least:
            least, order, found = score, tried, solved
    if not order:
        return best
    rest = power - float(found @ shared[:order])
    return _made(centre, found, gram[:order, :order], rest, target.size, sureness)


def _lagged(y: NDArray[np.float64], most: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Columns y_{t−1} … y_{t−most}, and y_t, for every t that has them all, less their means."""
    lagged = np.column_stack([y[most - lag : y.size - lag] for lag in range(1, most + 1)])
    return lagged - lagged.mean(axis=0), y[most:] - y[most:].mean()


def _criterion(rest: float, count: int, order: int) -> float:
    free = order + 2
    return count * math.log(max(rest, 1e-300) / count) + 2 * free * count / max(1, count - free - 1)


def _made(
    centre: float,
    found: NDArray[np.floating[Any]],
    gram: NDArray[np.float64],
    rest: float,
    count: int,
    sureness: float,
) -> Autoregression:
    variance = max(rest, 0.0) / max(1, count - found.size - 1)
    error = math.sqrt(max(0.0, variance * float(np.linalg.pinv(gram).sum())))
    total = float(found.sum())
    if total > LARGEST_SUM:
        found, total = found * (LARGEST_SUM / total), LARGEST_SUM
    upper = min(LARGEST_SUM, total + (1 + 3 * max(0.0, total)) / count + sureness * error)
    inflation = max(1.0, (1 - total) / (1 - upper))
    return Autoregression(
        centre=centre, coefficients=tuple(float(c) for c in found), sigma=math.sqrt(variance), inflation=inflation
    )


def residuals(values: ArrayLike, model: Autoregression) -> NDArray[np.float64]:
    """What *model* does not explain of each value; shape (n − order,)."""
    y = np.asarray(values, dtype=np.float64) - model.centre
    left = y[model.order :].copy()
    for lag, coefficient in enumerate(model.coefficients, start=1):
        left -= coefficient * y[model.order - lag : y.size - lag]
    return left
