"""A loss that goes up for good."""

from __future__ import annotations

import math
from collections import deque
from statistics import median
from typing import Any

import numpy as np

from ...stats.robust import mad_sigma

#: Divergence within a training: medians of so many losses, so far (in their noise) above both the start and the best.
LEVEL, DIVERGED_SIGMAS, DIVERGED_SHARE = 16, 8.0, 0.2
#: "It rose": the least of so many newest values is above all of (up to) so many that ended so many values ago, for a rise in a few values or
#: a slow one.
NEWEST, BEFORE, RISES = 3, 64, (3, 16, 48)


class Divergence:
    """A loss per step that ends up above where training began: told within some twenty values, also before any detector knows the series."""

    def __init__(self) -> None:
        self._latest: deque[float] = deque(maxlen=LEVEL)
        self._kept: deque[float] = deque(maxlen=BEFORE + max(RISES))
        self._start = self._best = math.inf
        self._noise = 0.0
        self._count = 0
        self.diverged = False

    def update(self, value: float) -> bool | None:
        """True where it has diverged, False where it is back, None for nothing new."""
        self._count += 1
        self._latest.append(value)
        self._kept.append(value)
        if self._count % 4 or len(self._latest) < LEVEL:
            return None
        level = median(self._latest)
        if self._start == math.inf:
            self._start = self._best = level
            self._noise = max(mad_sigma(np.diff(np.array(self._latest))) / math.sqrt(2), 1e-12)
            return None
        self._best = min(self._best, level)
        if not self.diverged:
            far = max(DIVERGED_SIGMAS * self._noise, DIVERGED_SHARE * abs(self._start))
            if level > self._start + far and level > self._best + far:
                self.diverged = True
                return True
        elif level < self._start:
            self.diverged = False
            return False
        return None

    def rose(self) -> bool:
        """Whether the newest values lie above all of a stretch before them: asked when a value is not finite.

        Of exchangeable values the newest 3 exceed 16 others with a chance of 1 in 969, 64 others with 1 in 47,905.
        """
        known = list(self._kept)
        least = min(known[-NEWEST:], default=math.inf)
        for ago in RISES:
            before = known[-ago - BEFORE : -ago]
            if len(before) >= LEVEL and least > max(before):
                return True
        return False

    @property
    def evidence(self) -> dict[str, Any]:
        """What it rests on."""
        return {"start": self._start, "best": self._best, "now": median(self._latest), "noise": self._noise}
