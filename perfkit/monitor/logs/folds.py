"""A series in bounded memory: exact count, first, last, least and greatest, and an even selection of its points."""

from __future__ import annotations

import math
from array import array

from ..history import UNKNOWN

#: Points kept of a series. When there are twice as many, every second one goes: the rest stays evenly spread.
MAX_POINTS = 4096


class Fold:
    """One metric. Points are (value, step, epoch, time_ns); UNKNOWN (-1) where a step or epoch is not known, 0 for a time."""

    __slots__ = (
        "_skip", "backward", "count", "epochs", "first", "greatest", "greatest_step", "last", "last_epoch", "last_step", "last_time",
        "least", "least_step", "name", "not_finite", "over_one", "percent", "steps", "stride", "times", "values",
    )  # fmt: skip

    def __init__(self, name: str) -> None:
        self.name = name
        self.count = self.not_finite = self.backward = self._skip = self.over_one = 0
        self.stride = 1
        self.first = self.last = math.nan
        self.least, self.greatest = math.inf, -math.inf
        self.least_step = self.greatest_step = self.last_step = self.last_epoch = UNKNOWN
        self.last_time = 0
        #: Whether its numbers stood with a percent sign, and were divided by 100 already.
        self.percent = False
        self.values, self.steps, self.epochs, self.times = array("d"), array("q"), array("q"), array("q")

    def add(self, value: float, step: int, epoch: int, time_ns: int) -> None:
        """One more value."""
        if not self.count:
            self.first = value
        self.count += 1
        if value < self.least:
            self.least, self.least_step = value, step
        if value > self.greatest:
            self.greatest, self.greatest_step = value, step
        if value - value != 0:  # NaN or infinite
            self.not_finite += 1
        if step < self.last_step and step != UNKNOWN:
            self.backward += 1
        self.last, self.last_step, self.last_epoch, self.last_time = value, step, epoch, time_ns
        if self._skip:
            self._skip -= 1
            return
        self._skip = self.stride - 1
        self.values.append(value)
        self.steps.append(step)
        self.epochs.append(epoch)
        self.times.append(time_ns)
        if len(self.values) >= 2 * MAX_POINTS:
            self._thin()

    def _thin(self) -> None:
        self.values, self.steps = self.values[::2], self.steps[::2]
        self.epochs, self.times = self.epochs[::2], self.times[::2]
        self.stride *= 2

    def points(self) -> list[tuple[float, int, int, int]]:
        """The points that are kept, the last one always among them."""
        kept = list(zip(self.values, self.steps, self.epochs, self.times, strict=True))
        if self.count and (self.count - 1) % self.stride:
            kept.append((self.last, self.last_step, self.last_epoch, self.last_time))
        return kept
