"""Charts of single innovations: their thresholds lie beyond what was seen, where the tail that it forms says (`stats.tail`)."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Iterable

from ...model.monitoring import EventKind
from ...stats import tail

#: A single value this many times as far out as all before it is odd, once so many are known.
RECORD, RECORD_OF = 4.0, 64


class _Tailed:
    """A chart of innovations: its threshold lies beyond the largest of them that were usual, by the tail that they form."""

    #: The tail is fitted again when there are this many times as many values.
    _GROWTH = 1.5
    learns = True

    def __init__(self) -> None:
        self.threshold, self.ago = math.inf, 1
        self._largest: list[float] = []
        self._count = 0
        self._fit_at = 0.0
        self._rate = 0.0
        self._shape = tail.SHAPE_UNKNOWN

    def learn(self, r: float) -> None:
        """One more innovation for the tail, unless it passed the threshold."""
        if r > self.threshold:
            return
        self._count += 1
        if len(self._largest) <= tail.MOST:
            heapq.heappush(self._largest, r)
        elif r > self._largest[0]:
            heapq.heapreplace(self._largest, r)
        if self._count >= self._fit_at:
            self._set()

    def allow(self, rate: float) -> None:
        """By the tail's predictive distribution."""
        if rate != self._rate:
            self._rate = rate
            self._set()

    def _set(self) -> None:
        self._fit_at = self._GROWTH * self._count
        size = tail.tail_size(self._count)
        if size and self._rate > 0:
            largest = heapq.nlargest(size + 1, self._largest)
            self.threshold = tail.threshold(largest, self._count, self._chance(), self._shape)

    def _chance(self) -> float:
        """With which chance one innovation may pass the threshold."""
        return self._rate

    def _refilled(self, scores: Iterable[float]) -> None:
        values = list(scores)
        self._shape = tail.expected_shape(values)
        self._largest = heapq.nlargest(tail.MOST + 1, values)
        heapq.heapify(self._largest)
        self._count = len(values)
        self._set()


class RobustZ(_Tailed):
    """One value that cannot be chance, in robust standard deviations (median and MAD of the reference) of an innovation."""

    kind: EventKind = "anomaly"
    name = "robust-z"

    def push(self, r: float, z: float) -> float:
        """The innovation itself."""
        return r

    def refit(self, innovations: Iterable[float]) -> None:
        """The tail of these innovations."""
        self._refilled(innovations)

    def restart(self) -> None:
        """It has no memory."""


class Record(RobustZ):
    """`RobustZ` that also speaks where a value is RECORD times as far out as any that was usual, whatever the tail's fit says.

    Of n values with tail index ξ the next one passes c times their greatest with a chance of about c^(−1/ξ) / n, which sums to
    c^(−1/ξ) · ln(N/n) over a run of N: 0.9 % for ξ = 0.25 from 100 to 1,000, less for lighter tails, 3.6 % for Student's t with 3 degrees
    of freedom. So it is for series whose tails are no heavier, such as losses in units of how far they scatter now.
    """

    name = "record"

    def __init__(self) -> None:
        super().__init__()
        self._by_tail = self._most = math.inf

    def learn(self, r: float) -> None:
        """One more innovation, and perhaps the greatest."""
        super().learn(r)
        if self._most < r <= self.threshold:
            self._most = r
            self.threshold = min(self._by_tail, RECORD * r)

    def _set(self) -> None:
        super()._set()
        self._by_tail = self.threshold if tail.tail_size(self._count) else math.inf
        self._most = max(self._largest, default=0.0)
        if self._count >= RECORD_OF and self._most > 0:
            self.threshold = min(self._by_tail, RECORD * self._most)


class TwoInARow(_Tailed):
    """Two values in a row that are both too far out: the lesser of the two. Tells a lasting step from one odd value, in two steps.

    Two independent innovations both pass what one passes with the chance q with the chance q². How far they are from independent is
    measured on the tenth that lie out farthest, as a coefficient of tail dependence η (a half: independent; 1: always together), and
    the threshold is what one value passes with the chance rate^η. Source: Ledford and Tawn, Biometrika 83 (1996).
    """

    kind: EventKind = "degradation"
    name = "two-in-a-row"

    def __init__(self) -> None:
        super().__init__()
        self.ago = 2
        self._before = self._learned = -math.inf
        self._far, self._pairs, self._ranked = math.inf, 0, 0

    def push(self, r: float, z: float) -> float:
        """The lesser of the newest two innovations."""
        before, self._before = self._before, r
        return r if r < before else before

    def learn(self, r: float) -> None:
        """One more innovation for the tail, and whether it makes a pair there."""
        self._ranked += 1
        if r > self._far and self._learned > self._far:
            self._pairs += 1
        self._learned = r
        super().learn(r)

    def refit(self, innovations: Iterable[float]) -> None:
        """The tail of these innovations, and how often two of them lie in it together."""
        values = list(innovations)
        self._far = sorted(values)[int((1 - tail.TAIL_SHARE) * len(values))] if values else math.inf
        self._ranked = len(values)
        self._pairs = sum(a > self._far and b > self._far for a, b in itertools.pairwise(values))
        self._refilled(values)

    def _chance(self) -> float:
        together = (self._pairs + 1) / max(1, self._ranked)
        dependence = math.log(tail.TAIL_SHARE) / math.log(min(max(together, tail.TAIL_SHARE**2), tail.TAIL_SHARE))
        return float(self._rate**dependence)

    def restart(self) -> None:
        """No value before."""
        self._before = -math.inf
