"""Whether a training figure has really risen (or fallen) and stays there: what charts suspect is held against the run's own course.

Charts judge a training figure against a curve drawn from its past, and a loss leaves such a curve without any fault: it levels off, an
epoch ends, its noise changes. So a suspicion becomes an alarm only if the values *after* it, which had no part in raising it, lie further
above the curve than the run's own blocks scatter about it, and also above what the figure was before.
"""

from __future__ import annotations

import math
from collections import deque
from statistics import median
from typing import NamedTuple

import numpy as np

from ...stats.robust import mad_sigma

#: Values behind a suspicion whose median decides, and of the blocks it is held against. As many as wait to be learned (`conditioner.LAG`).
BLOCK = 16
#: Values before the change that say what the figure was; values whose blocks say how far blocks scatter.
LEVEL, REMEMBERED = 64, 512
#: How far out the median must lie: above the run's own blocks, in their standard deviations; above the level before, in those of a block of
#: independent noise.
BLOCK_SIGMAS, LEVEL_SIGMAS = 4.0, 3.0
#: The median of n normal values has √(π/2n) of their standard deviation.
MEDIAN = math.sqrt(math.pi / (2 * BLOCK))


class Verdict(NamedTuple):
    """A suspicion that has been decided: *level* is the median since, *before* that of the values before it; *values* since."""

    holds: bool
    level: float
    before: float
    values: tuple[float, ...]


class Lasting:
    """Remembers values and their deviations from the curve, and decides about suspicions."""

    def __init__(self) -> None:
        self._sign = 1.0
        self._values: deque[float] = deque(maxlen=REMEMBERED)
        self._deviations: deque[float] = deque(maxlen=REMEMBERED)
        self._since: list[tuple[float, float]] | None = None
        self._limit = self._least = self._before = 0.0

    @property
    def suspects(self) -> bool:
        """Whether a suspicion waits for its verdict."""
        return self._since is not None

    def suspect(self, ago: int, sign: float, scale: float) -> None:
        """A chart says that a rise (*sign* 1) or fall (-1) began *ago* values ago; *scale* is a deviation of 1 in the unit of the values."""
        self._sign = sign
        known = max(
            2 * BLOCK, len(self._values) - ago
        )  # of a chart that has climbed all the time nothing else would be left
        values, deviations = list(self._values)[:known], [sign * deviation for deviation in self._deviations][:known]
        blocks = [median(deviations[end - BLOCK : end]) for end in range(len(deviations), BLOCK - 1, -BLOCK)]
        noise = MEDIAN * mad_sigma(deviations)
        scatter = max(noise, mad_sigma(blocks), float(np.std(blocks))) if blocks else noise
        self._limit = (median(blocks) if blocks else 0.0) + BLOCK_SIGMAS * scatter
        self._before = median(values[-LEVEL:])
        self._least = LEVEL_SIGMAS * noise * scale
        self._since = []

    def push(self, value: float, deviation: float) -> Verdict | None:
        """Take a value and its deviation; the verdict, where this is the last value that it waited for."""
        if self._since is None:
            self._values.append(value)
            self._deviations.append(deviation)
            return None
        self._since.append((value, deviation))
        if len(self._since) < BLOCK:
            return None
        since, self._since = self._since, None
        level = median(value for value, _ in since)
        holds = (
            self._sign * median(deviation for _, deviation in since) > self._limit
            and self._sign * (level - self._before) > self._least
        )
        if not holds:
            for taken, away in since:
                self._values.append(taken)
                self._deviations.append(away)
        return Verdict(holds, level, self._before, tuple(value for value, _ in since))
