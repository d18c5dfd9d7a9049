"""A leak: memory that grows and goes on growing, told from a cache that fills and from one large allocation."""

from __future__ import annotations

import math
from itertools import pairwise

from ...model.monitoring import Signal
from ...stats.robust import theil_sen

#: Points that the series is kept as; when they are full, pairs become one. Twenty say enough for a first look.
POINTS, LEAST_POINTS = 64, 20
#: The newest points are judged by themselves too.
RECENT = 24
#: Values before anything is said: at the beginning of a run everything fills.
LEAST_VALUES = 200
#: Start-up, of which nothing is judged: the first part of the points.
START = 0.25
#: What must have grown for certain: a share of the level, and bytes. Less is what allocators keep to themselves.
LEAST_SHARE, LEAST_BYTES = 0.02, 8 * 2**20
#: The last third must rise at least so steeply as a share of the whole: what flattens is a cache that fills.
STILL_RISING = 0.8


class Leak:
    """Watches one memory series (bytes). *confidence* is that of the slope's interval; the slope is per step where steps are given,
    else per value.
    """

    name = "leak"

    def __init__(self, *, rate: float = 0.01, least_bytes: float = LEAST_BYTES) -> None:
        # Some thirty looks in a run, two each, both ends of an interval: each has its part.
        self._confidence = 1 - 2 * rate / 60
        self._least_bytes = least_bytes
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._points: list[tuple[float, float]] = []
        self._size = 1
        self._block: list[float] = []
        self._block_step = 0.0
        self._count = 0
        self._told: Signal | None = None

    def update(self, value: float, step: int | None = None) -> Signal | None:
        """Take the next value; a Signal when it is certain that memory leaks, and when it no longer does."""
        self._block.append(value)
        self._block_step += self._count if step is None else step
        self._count += 1
        if len(self._block) < self._size:
            return None
        # The least of a block: what is never given back, whatever comes and goes.
        self._points.append((self._block_step / self._size, min(self._block)))
        self._block.clear()
        self._block_step = 0.0
        if len(self._points) == POINTS:
            pairs = zip(self._points[::2], self._points[1::2], strict=True)
            self._points = [((a[0] + b[0]) / 2, min(a[1], b[1])) for a, b in pairs]
            self._size *= 2
        elif self._count >= LEAST_VALUES and len(self._points) >= LEAST_POINTS and len(self._points) % 4 == 0:
            return self._look(value)
        return None

    def _look(self, value: float) -> Signal | None:
        whole = self._points[int(START * len(self._points)) :]
        looks = [self._judged(whole)]
        before, recent = self._points[:-RECENT], self._points[-RECENT:]
        if len(before) >= RECENT // 2 and _slope(recent) > 2 * abs(_slope(before)):  # a leak that began late
            looks.append(self._judged(recent))
        slope, low, high, grown, least, late_slope, leaks = max(looks, key=lambda look: (look[-1], look[0]))
        if leaks == (self._told is not None) or math.isnan(slope):
            return None
        evidence = {
            "bytes_per_step": slope,
            "bytes_per_step_low": low,
            "bytes_per_step_high": high,
            "level_bytes": value,
            "grown_bytes": grown,
        }
        if not leaks:
            if late_slope > 0.1 * slope:
                return None  # it has only slowed down
            told, self._told = self._told, None
            assert told is not None
            return Signal(
                detector=self.name,
                kind="recovered",
                score=told.score,
                threshold=least,
                direction="up",
                evidence=evidence,
            )
        self._told = Signal(
            detector=self.name,
            kind="degradation",
            score=grown,
            threshold=least,
            direction="up",
            since=0,
            evidence=evidence,
        )
        return self._told

    def _judged(self, points: list[tuple[float, float]]) -> tuple[float, float, float, float, float, float, bool]:
        """Slope with its interval, growth, what it must be at least, the last third's slope, and whether it is a leak."""
        slope, low, high = theil_sen([x for x, _ in points], [y for _, y in points], self._confidence)
        span = points[-1][0] - points[0][0]
        level = points[0][1]
        least = max(LEAST_SHARE * level, self._least_bytes)
        late = points[-(len(points) // 3) :]
        late_slope = theil_sen([x for x, _ in late], [y for _, y in late], 0.5)[0]
        leaks = low * span > least and late_slope >= STILL_RISING * slope and _rises_in_each_third(points, least)
        return slope, low, high, points[-1][1] - level, least, late_slope, leaks


def _slope(points: list[tuple[float, float]]) -> float:
    return theil_sen([x for x, _ in points], [y for _, y in points])[0]


def _rises_in_each_third(points: list[tuple[float, float]], least: float) -> bool:
    """Growth that is spread over the whole, not one step: each third holds at least a ninth of it."""
    edges = [points[round(i * (len(points) - 1) / 3)][1] for i in range(4)]
    grown = edges[3] - edges[0]
    return grown > least and all(b - a > grown / 9 for a, b in pairwise(edges))
