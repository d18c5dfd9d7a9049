"""How sure a ratio of two sides is: from what their runs scatter by, or, of one run each, from what its own steps do.

Runs on different machines cannot be paired, so two samples are compared: the Hodges–Lehmann shift with the exact interval of the rank sum
where each side has runs enough for it, else Welch's. Sources: Hollander, Wolfe and Chicken, Nonparametric Statistical Methods, 3rd ed., §4.2;
B. L. Welch, Biometrika 34 (1947).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from ..stats.paired import LEAST_SIGMA

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Of both ends together; each may be wrong in half of it.
ALPHA = 0.05
#: Half the width of a 95 % interval in standard deviations of a normal distribution.
NORMAL_HALF = 1.96


@dataclass(frozen=True, kw_only=True)
class Shift:
    """A difference of logarithms with its 95 % interval; an end that nothing bounds is infinite."""

    value: float
    low: float
    high: float
    method: str

    @property
    def is_bounded(self) -> bool:
        """Whether both ends are known."""
        return math.isfinite(self.low) and math.isfinite(self.high)


def within(first: tuple[float, float, float] | None, second: tuple[float, float, float] | None) -> Shift:
    """*second* over *first*, each one run's (value, low, high): the steps of a run alone say how far its median can be off. Where one does not tell
    (an imported trace), nothing is bounded.
    """
    if first is None or second is None:
        return Shift(value=0.0, low=-math.inf, high=math.inf, method="not bounded: an imported trace tells no interval")
    value = math.log(second[0] / first[0])
    half = math.hypot(_half(first), _half(second))
    return Shift(value=value, low=value - half, high=value + half, method="within one run each")


def _half(found: tuple[float, float, float]) -> float:
    """Half the interval on the logarithm, at least what two processes of one program differ by at best."""
    return max(math.log(found[2] / found[1]) / 2, LEAST_SIGMA * NORMAL_HALF)


def between(first: Sequence[float], second: Sequence[float]) -> Shift:
    """Log of *second* over log of *first*, seconds of one process each; at least one side has several."""
    logs = np.log(np.asarray(first, np.float64)), np.log(np.asarray(second, np.float64))
    beyond = _beyond(logs[0].size, logs[1].size)
    if beyond is None:
        return _welch(*logs)
    shifts = np.sort((logs[1][:, np.newaxis] - logs[0]).ravel())
    method = "Hodges–Lehmann of two samples, exact rank sum"
    return Shift(
        value=float(np.median(shifts)), low=float(shifts[beyond]), high=float(shifts[-1 - beyond]), method=method
    )


def _welch(
    first: np.ndarray[tuple[int], np.dtype[np.float64]], second: np.ndarray[tuple[int], np.dtype[np.float64]]
) -> Shift:
    """Welch's interval. A side of one run is taken to scatter as the other one does."""
    from scipy.special import stdtrit  # here: its import costs 0.1 s

    value = float(second.mean() - first.mean())
    known = [max(LEAST_SIGMA, float(side.std(ddof=1))) if side.size > 1 else None for side in (first, second)]
    other = next(sigma for sigma in known if sigma is not None)
    parts = [(sigma or other) ** 2 / side.size for sigma, side in zip(known, (first, second), strict=True)]
    sizes = [side.size for side in (first, second)]
    freedom = sum(parts) ** 2 / sum(part**2 / (size - 1) for part, size in zip(parts, sizes, strict=True) if size > 1)
    freedom = min(freedom, sum(size - 1 for size in sizes))
    half = float(stdtrit(freedom, 1 - ALPHA / 2)) * math.sqrt(sum(parts))
    return Shift(value=value, low=value - half, high=value + half, method="Welch")


@cache
def _beyond(first: int, second: int) -> int | None:
    """How many of the sorted differences lie beyond each end; None where so few runs bound nothing.

    The number of ways to reach each value of the rank sum, by the recursion of Mann and Whitney.
    """
    ways = _ways(first, second)
    total, so_far, found = sum(ways), 0, None
    for value, number in enumerate(ways):
        so_far += number
        if so_far / total > ALPHA / 2:
            break
        found = value
    return found


@cache
def _ways(first: int, second: int) -> tuple[int, ...]:
    """Of the arrangements of two samples, how many have 0, 1, 2 … pairs in which the second's value is the smaller one."""
    if first == 0 or second == 0:
        return (1,)
    lower, upper = _ways(first - 1, second), _ways(first, second - 1)
    made = [0] * (first * second + 1)
    for value, number in enumerate(lower):
        made[value + second] += number
    for value, number in enumerate(upper):
        made[value] += number
    return tuple(made)


def moved(found: Shift, first: float, second: float) -> Shift:
    """*found* with its interval about the logarithm of *second* over *first*."""
    value = math.log(second / first)
    return Shift(
        value=value, low=found.low + value - found.value, high=found.high + value - found.value, method=found.method
    )
