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


class Divergence:
    """A loss per step that ends up above where training began: told within some twenty values, also before any detector knows the series."""

    def __init__(self) -> None:
        self._first: list[float] = []
        self._latest: deque[float] = deque(maxlen=LEVEL)
        self._start = self._best = math.inf
        self._noise = 0.0
        self._count = 0
        self.diverged = False

    def update(self, value: float) -> bool | None:
        """True where it has diverged, False where it is back, None for nothing new."""
        self._count += 1
        self._latest.append(value)
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
        """Whether the newest values lie far above the best level: asked when a value is not finite."""
        if self._start == math.inf or not self._latest:
            return False
        return max(self._latest) > self._best + max(DIVERGED_SIGMAS * self._noise, DIVERGED_SHARE * abs(self._best))

    @property
    def evidence(self) -> dict[str, Any]:
        """What it rests on."""
        return {"start": self._start, "best": self._best, "now": median(self._latest), "noise": self._noise}
