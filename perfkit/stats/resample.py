"""More series like one that was seen: for what a detector would do if nothing changed."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import autoregression


def block_length(values: ArrayLike) -> int:
    """How long blocks should be that a resampled series is made of, from the correlation of neighbours.

    Politis and White, Econometric Reviews 23 (2004), for the correlation of an autoregression of first order; at least 1.
    """
    x = np.asarray(values, dtype=np.float64)
    x = x - x.mean()
    power = float(x @ x)
    if x.size < 3 or power <= 0:
        return 1
    rho = min(0.95, abs(float(x[1:] @ x[:-1]) / power))
    return max(1, math.ceil(math.cbrt(x.size * (2 * rho / (1 - rho**2)) ** 2)))


def stationary_blocks(count: int, length: int, mean_block: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Indices of *length* values taken from *count* in blocks of random length that wrap around (Politis and Romano, JASA 89 (1994))."""
    new = rng.random(length) < 1 / mean_block
    new[0] = True
    starts = rng.integers(0, count, length)
    block = np.cumsum(new) - 1
    first = np.flatnonzero(new)
    offset = np.arange(length) - first[block]
    taken: NDArray[np.int64] = (starts[first[block]] + offset) % count
    return taken


def sieve(values: ArrayLike, length: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """A series of *length* with the level, correlation, distribution and bursts of *values*, and without any change.

    An autoregression is fitted and driven by its own residuals (Bühlmann, Bernoulli 3 (1997)), which are resampled in blocks, so that
    what comes in bursts still does.
    """
    x = np.asarray(values, dtype=np.float64)
    model = autoregression.fit(x)
    left = autoregression.residuals(x, model)
    left = left - np.median(left)
    run_in = 50 * model.order
    taken = left[stationary_blocks(left.size, length + run_in, block_length(np.abs(left)), rng)]
    if not model.order:
        return model.centre + taken
    from scipy.signal import lfilter

    made: NDArray[np.float64] = lfilter([1.0], [1.0, *(-c for c in model.coefficients)], taken)
    return model.centre + made[run_in:]
