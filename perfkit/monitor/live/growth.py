"""How memory grows with the steps: its slope and an interval, for the record and for people. (What is a leak, `detect.leak` says.)"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...stats.robust import theil_sen

if TYPE_CHECKING:
    from ..history import History

MEMORY = "system/host_memory_bytes"
# Samples looked at, evenly spread over the steps: the slope is that of all pairs, a few milliseconds for so many.
MOST, FEWEST = 200, 20
# The first part is left out: caches, memory pools and lazily made buffers fill then.
WARM_UP_SHARE = 0.25


@dataclass(frozen=True, kw_only=True)
class Slope:
    """Growth in bytes per step with its 95 % interval (Theil-Sen; samples that follow one another are taken as independent)."""

    bytes_per_step: float
    low: float
    high: float
    since_step: int
    until_step: int

    def __str__(self) -> str:
        mib = [value * 1000 / 2**20 for value in (self.bytes_per_step, self.low, self.high)]
        return (
            f"host memory grew by {mib[0]:.3g} MiB per 1,000 steps ({mib[1]:.3g} to {mib[2]:.3g}), "
            f"steps {self.since_step:,} to {self.until_step:,}"
        )


def slope(history: History) -> Slope | None:
    """The slope once warm; None where there are too few samples over too few steps."""
    if MEMORY not in history:
        return None
    series = history.series(MEMORY)
    stepping = series.steps >= 0
    steps, held = series.steps[stepping], series.values[stepping]
    first = int(len(steps) * WARM_UP_SHARE)
    steps, held = steps[first:], held[first:]
    if len(steps) < FEWEST or steps[0] == steps[-1]:
        return None
    chosen = np.unique(np.linspace(0, len(steps) - 1, MOST).astype(int))
    per_step, low, high = theil_sen(steps[chosen], held[chosen])
    return Slope(bytes_per_step=per_step, low=low, high=high, since_step=int(steps[0]), until_step=int(steps[-1]))
