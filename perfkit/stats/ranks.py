"""Sequential ranks: what makes any series of exchangeable values standard normal, whatever its distribution.

The rank of each value among those before it is uniform and independent of the earlier ranks as long as all values are exchangeable,
so its normal score is standard normal: thresholds for normal values hold for every continuous distribution. Source: McDonald, A
CUSUM procedure based on sequential ranks, Naval Research Logistics 37 (1990); ties are broken at random, as in Vovk, Gammerman and
Shafer, Algorithmic Learning in a Random World (2005), ch. 8.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable
from random import Random
from statistics import NormalDist

#: Values that are kept to rank against. Beyond it each new one replaces one taken at random with the chance that keeps the set a
#: fair sample of all (reservoir sampling): bounded memory, at a sampling error of 1/√1024 = 3 % of a standard deviation.
KEPT = 1024
_POINTS = 2048
_inverse = NormalDist().inv_cdf
#: Normal scores at the middles of 2048 equal classes: Φ⁻¹ costs 0.5 µs a call, a look-up 0.05. The outer classes are computed.
_TABLE = tuple(_inverse((i + 0.5) / _POINTS) for i in range(_POINTS))
_EDGE = 16


def normal_score(share: float) -> float:
    """Φ⁻¹ of a *share* in (0, 1), to about a thousandth of a standard deviation in the middle, exact in the tails."""
    place = int(share * _POINTS)
    if _EDGE <= place < _POINTS - _EDGE:
        return _TABLE[place]
    return _inverse(min(max(share, 1e-12), 1 - 1e-12))


class Ranks:
    """Ranks each value among a fair sample of the earlier ones."""

    def __init__(self, values: Iterable[float] = (), *, kept: int = KEPT, seed: int = 0) -> None:
        self._random = Random(seed).random  # noqa: S311
        self._kept = kept
        self._sorted: list[float] = []
        self.count = 0
        for value in values:
            self.add(value)

    def share(self, value: float) -> float:
        """The share of the kept values below *value*, itself included and ties broken at random: uniform on (0, 1)."""
        known = self._sorted
        below = bisect_left(known, value)
        among = 1
        if below < len(known) and known[below] == value:
            among += bisect_right(known, value) - below
        return (below + among * self._random()) / (len(known) + 1)

    def add(self, value: float) -> None:
        """Keep *value* to rank later ones against."""
        self.count += 1
        known = self._sorted
        if len(known) >= self._kept:
            place = int(self._random() * self.count)
            if place >= self._kept:
                return
            del known[place]
        insort(known, value)

    def discard(self, value: float) -> None:
        """Forget one value like *value*, if there is one."""
        known = self._sorted
        place = bisect_left(known, value)
        if place < len(known) and known[place] == value:
            del known[place]
            self.count -= 1

    def score(self, value: float) -> float:
        """The normal score of *value* among the earlier ones; *value* is then one of them."""
        share = self.share(value)
        self.add(value)
        return normal_score(share)

    def peek(self, value: float) -> float:
        """The normal score of *value*, which is not kept."""
        return normal_score(self.share(value))

    def quantile(self, share: float) -> float:
        """A quantile of the kept values; NaN without any."""
        known = self._sorted
        return known[min(len(known) - 1, int(share * len(known)))] if known else math.nan
