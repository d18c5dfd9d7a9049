"""Does B take less than A? Paired comparison of processes that were run in turn, with honest intervals.

The unit is a process: its value is the logarithm of what one sample cost it. Processes are run in *rounds*, each holding
every arm that is compared, so that what drifts from round to round falls out. Two estimates of an arm's log ratio:

* `signed_rank`: the Hodges–Lehmann estimate with the exact interval of Wilcoxon's test, from the rounds' differences. It
  assumes no more than symmetry, and needs `least_pairs` rounds before it can say anything.
* `pooled`: least squares on arms and rounds with one variance for all, Student's interval. It speaks after very few
  processes, of arms that were not in every round as well, and is wide when they scatter.

Sequential looks at the same data spend one allowance for false claims between them (`looks`). Sources: Hollander, Wolfe and
Chicken, Nonparametric Statistical Methods, 3rd ed., §3.1–3.3; Lan and DeMets, Biometrika 70 (1983), for the spending.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

#: What all looks together may claim falsely, of one comparison, one-sided.
FALSE_CLAIMS = 0.01
#: Shares of it that are spent after so many rounds: nothing earlier, because with fewer the variance is hardly known; the
#: exact test needs 2⁻ⁿ, that is 0.0039 at eight.
SPENT = {4: 0.3, 8: 0.4, 16: 0.3}
#: Two processes of the same program never agree better than this for long (log seconds): the least standard deviation
#: that `pooled` believes, lest two that agree by chance prove anything.
LEAST_SIGMA = 0.003


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """A location with an interval, in the unit of the values; an end that cannot be given is infinite."""

    value: float
    low: float
    high: float
    #: Values or differences it rests on.
    count: int
    method: str


@dataclass(frozen=True, kw_only=True)
class Observation:
    """One process: which arm it was, in which round, and its value."""

    arm: str
    round: int
    value: float


def walsh_averages(differences: ArrayLike) -> NDArray[np.float64]:
    """Means of all pairs of *differences*, each with itself too, in ascending order: n (n + 1) / 2 of them."""
    x = np.asarray(differences, dtype=np.float64)
    first, second = np.triu_indices(x.size)
    return np.sort((x[first] + x[second]) / 2)


def hodges_lehmann(differences: ArrayLike) -> float:
    """The median of the Walsh averages, in the unit of *differences*; NaN without any."""
    averages = walsh_averages(differences)
    return float(np.median(averages)) if averages.size else math.nan


@cache
def signed_rank_tail(count: int) -> tuple[float, ...]:
    """P(W ≤ w) of the signed-rank statistic of *count* differences for w = 0, 1, …: counts of subsets of the ranks."""
    ways = [1] + [0] * (count * (count + 1) // 2)
    for rank in range(1, count + 1):
        for total in range(len(ways) - 1, rank - 1, -1):
            ways[total] += ways[total - rank]
    tail, so_far = [], 0
    for number in ways:
        so_far += number
        tail.append(so_far / 2**count)
    return tuple(tail)


def least_pairs(alpha: float) -> int:
    """How many differences a one-sided exact bound at *alpha* needs: all of one sign has the probability 2⁻ⁿ."""
    return math.ceil(-math.log2(alpha))


def signed_rank(differences: ArrayLike, alpha: float) -> Bounds:
    """Hodges–Lehmann estimate and exact bounds, each end wrong with a probability of at most *alpha*."""
    averages = walsh_averages(differences)
    count = int(np.asarray(differences).size)
    # The k-th smallest average is a lower bound when P(W ≤ k - 1) ≤ alpha.
    inside = sum(1 for probability in signed_rank_tail(count) if probability <= alpha) if count else 0
    low = float(averages[inside - 1]) if inside else -math.inf
    high = float(averages[averages.size - inside]) if inside else math.inf
    return Bounds(
        value=hodges_lehmann(differences), low=low, high=high, count=count, method="Hodges–Lehmann, exact signed rank"
    )


def pooled(observations: Sequence[Observation], arm: str, against: str, alpha: float) -> Bounds:
    """Mean of *arm* less that of *against*, rounds allowed for, with Student bounds each wrong with probability *alpha*.

    One variance is taken for all arms: it is what the comparison of two processes of anything scatters by. The ends are
    infinite where nothing is left to estimate it from, or where no chain of rounds joins the two.
    """
    arms = sorted({o.arm for o in observations})
    rounds = sorted({o.round for o in observations})
    count = sum(o.arm == arm for o in observations)
    method = "least squares on arms and rounds, Student"
    unknown = Bounds(value=math.nan, low=-math.inf, high=math.inf, count=count, method=method)
    if arm not in arms or against not in arms:
        return unknown
    design = np.zeros((len(observations), len(arms) + len(rounds)))
    for row, seen in enumerate(observations):
        design[row, arms.index(seen.arm)] = 1.0
        design[row, len(arms) + rounds.index(seen.round)] = 1.0
    values = np.array([o.value for o in observations])
    contrast = np.zeros(design.shape[1])
    contrast[arms.index(arm)], contrast[arms.index(against)] = 1.0, -1.0
    return _contrast(design, values, contrast, alpha, unknown)


def _contrast(
    design: NDArray[np.float64],
    values: NDArray[np.float64],
    contrast: NDArray[np.float64],
    alpha: float,
    unknown: Bounds,
) -> Bounds:
    inverse = np.linalg.pinv(design.T @ design)
    if not np.allclose(inverse @ design.T @ design @ contrast, contrast, atol=1e-8):
        return unknown  # never in rounds that are joined: the data cannot tell
    fitted = inverse @ design.T @ values
    estimate = float(contrast @ fitted)
    freedom = values.size - int(np.linalg.matrix_rank(design))
    if freedom <= 0:
        return Bounds(value=estimate, low=-math.inf, high=math.inf, count=unknown.count, method=unknown.method)
    from scipy.special import stdtrit  # here: most of perfkit does without scipy, whose import takes its time

    sigma = max(LEAST_SIGMA, math.sqrt(float(np.sum((values - design @ fitted) ** 2)) / freedom))
    half = float(stdtrit(freedom, 1 - alpha)) * sigma * math.sqrt(float(contrast @ inverse @ contrast))
    return Bounds(value=estimate, low=estimate - half, high=estimate + half, count=unknown.count, method=unknown.method)


def differences(observations: Sequence[Observation], arm: str, against: str) -> list[float]:
    """*arm* less *against* in each round that holds both, in the order of the rounds."""
    ours = {o.round: o.value for o in observations if o.arm == arm}
    theirs = {o.round: o.value for o in observations if o.arm == against}
    return [ours[number] - theirs[number] for number in sorted(ours) if number in theirs]


def compare(observations: Sequence[Observation], arm: str, against: str, alpha: float) -> Bounds:
    """The exact interval where there are pairs enough for it at *alpha*, else the pooled one."""
    found = differences(observations, arm, against)
    if len(found) >= least_pairs(alpha):
        return signed_rank(found, alpha)
    return pooled(observations, arm, against, alpha)


def looks(rounds: int, allowance: float = FALSE_CLAIMS) -> dict[int, float]:
    """After which round to judge and at what alpha, when at most *rounds* can be had: they sum to *allowance*.

    What planned looks beyond the last round would have spent is the last one's.
    """
    within = [number for number in SPENT if number <= rounds]
    if not within:
        return {rounds: allowance} if rounds else {}
    planned = {number: SPENT[number] * allowance for number in within}
    last = max(SPENT) if rounds >= max(SPENT) else rounds
    left = allowance - sum(planned.values())
    planned[last] = planned.get(last, 0.0) + max(0.0, left)
    return planned
