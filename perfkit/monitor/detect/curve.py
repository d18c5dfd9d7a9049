"""The expected course of a series that falls (or rises) while a model learns: a robust line over the logarithm of the time."""

from __future__ import annotations

import math
from collections import deque
from statistics import median

#: Values whose median is one point of the curve, and points that the line goes through.
BLOCK = 32
POINTS = 8
#: Points before the line is used.
LEAST_POINTS = 3


class Curve:
    """Follows a learning curve. A straight line over log t through the newest block medians, its slope that of Theil and Sen: a power
    law seen from nearby, which no block with a spike in it bends.
    """

    def __init__(self) -> None:
        self._block: list[float] = []
        self._points: deque[tuple[float, float]] = deque(maxlen=POINTS)
        self._count = 0
        self._slope = self._at_one = 0.0
        self._held: float | None = None

    def push(self, value: float, *, learn: bool = True) -> float | None:
        """What was expected instead of *value*, from the values before it; None at the beginning.

        Without *learn* the expectation stays as it was: a curve does not come down while something is wrong.
        """
        self._count += 1
        known = len(self._points) >= LEAST_POINTS
        if not learn:
            if self._held is None:
                self._held = self._now()
            return self._held if known else None
        self._held = None
        expected = self._now() if known else None
        self.learn(value)
        return expected

    def learn(self, value: float) -> None:
        """*value*, pushed before, is part of the curve."""
        self._block.append(value)
        if len(self._block) == BLOCK:
            self._points.append((math.log(self._count - BLOCK / 2), median(self._block)))
            self._block.clear()
            self._refit()

    def _now(self) -> float:
        return self._at_one + self._slope * math.log(self._count)

    def _refit(self) -> None:
        points = list(self._points)
        slopes = [
            (y - earlier) / (x - before)
            for i, (x, y) in enumerate(points)
            for before, earlier in points[:i]
            if x > before
        ]
        self._slope = median(slopes) if slopes else 0.0
        self._at_one = median(y - self._slope * x for x, y in points)
