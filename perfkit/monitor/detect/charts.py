"""Control charts: running statistics of standardised values, each with the threshold that a wanted rate of false alarms sets.

A chart takes the innovation in standard deviations (r) and its normal score (z) and gives a score. Those that use z hold for every
continuous distribution of independent innovations; those that use r are in `tails`.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from statistics import NormalDist
from typing import Protocol

from ...model.monitoring import EventKind
from ...stats import run_length

_upper = NormalDist().inv_cdf


class Chart(Protocol):
    """One running statistic. ``ago`` is how many values ago the change is thought to have begun."""

    name: str
    kind: EventKind
    threshold: float
    ago: int
    #: Whether `learn` does anything.
    learns: bool

    def push(self, r: float, z: float) -> float:
        """The score after one more value: an alarm where it passes ``threshold``."""

    def allow(self, rate: float) -> None:
        """Set the threshold for so many false alarms per value."""

    def learn(self, r: float) -> None:
        """An innovation has become part of what is usual."""

    def refit(self, innovations: Iterable[float]) -> None:
        """The series' model was fitted (again): its innovations, oldest first."""

    def restart(self) -> None:
        """A change is over: begin anew, with what is known of the series."""


class _Scored:
    """A chart of normal scores: nothing of it depends on the series."""

    kind: EventKind = "degradation"
    learns = False

    def __init__(self) -> None:
        self.threshold, self.ago = math.inf, 0

    def learn(self, r: float) -> None:
        """Nothing to learn."""

    def refit(self, innovations: Iterable[float]) -> None:
        """Scores are what they were."""


class Cusum(_Scored):
    """CUSUM (Page, Biometrika 41 (1954)): the sum of what lies above *allowance* k, never below 0. Quickest for a lasting shift of 2k."""

    def __init__(self, allowance: float = 0.5) -> None:
        super().__init__()
        self.name, self._k, self._sum = f"cusum({allowance:g})", allowance, 0.0

    def push(self, r: float, z: float) -> float:
        """The sum."""
        total = self._sum + z - self._k
        if total > 0.0:
            self._sum = total
            self.ago += 1
        else:
            self._sum, self.ago = 0.0, 0
        return self._sum

    def allow(self, rate: float) -> None:
        """By Siegmund's run length."""
        self.threshold = run_length.cusum_threshold(rate, self._k)

    def restart(self) -> None:
        """From 0."""
        self._sum, self.ago = 0.0, 0


class Ewma(_Scored):
    """EWMA (Roberts, Technometrics 1 (1959)): an exponentially weighted mean, in its own standard deviations at that time."""

    def __init__(self, weight: float = 0.1) -> None:
        super().__init__()
        self.name, self._weight = f"ewma({weight:g})", weight
        self._mean, self._fading = 0.0, 1.0

    def push(self, r: float, z: float) -> float:
        """The mean over its standard deviation."""
        weight = self._weight
        before = self._mean
        self._mean = before + weight * (z - before)
        self.ago = self.ago + 1 if self._mean > 0 else 0
        if self._fading > 1e-9:
            self._fading *= (1 - weight) ** 2
        return self._mean / math.sqrt(weight / (2 - weight) * (1 - self._fading))

    def allow(self, rate: float) -> None:
        """By the crossing rate of a stationary normal process."""
        self.threshold = run_length.smoothed_threshold(rate, -math.log1p(-self._weight))

    def restart(self) -> None:
        """From 0."""
        self._mean, self._fading, self.ago = 0.0, 1.0, 0


class _Windowed(_Scored):
    """A sum over the newest values."""

    def __init__(self, name: str, window: int) -> None:
        super().__init__()
        self.name, self._window = f"{name}({window})", window
        self._values: deque[float] = deque()
        self._sum = 0.0

    def allow(self, rate: float) -> None:
        """By the crossing rate of a stationary normal process."""
        self.threshold = run_length.smoothed_threshold(rate, 1 / self._window)
        self.ago = self._window

    def restart(self) -> None:
        """Empty."""
        self._values.clear()
        self._sum = 0.0


class WindowMean(_Windowed):
    """The mean of the newest values, in its standard deviations (MOSUM)."""

    def __init__(self, window: int = 32) -> None:
        super().__init__("window-mean", window)
        self._root = math.sqrt(window)

    def push(self, r: float, z: float) -> float:
        """The sum over √window; 0 until it is full."""
        self._values.append(z)
        self._sum += z
        if len(self._values) <= self._window:
            return self._sum / self._root if len(self._values) == self._window else 0.0
        self._sum -= self._values.popleft()
        return self._sum / self._root


class WindowVariance(_Windowed):
    """The variance of the newest values around 0, as a normal score of χ² (Wilson and Hilferty, PNAS 17 (1931))."""

    def __init__(self, window: int = 32) -> None:
        super().__init__("window-variance", window)
        self._spread = 2 / (9 * window)

    def push(self, r: float, z: float) -> float:
        """The normal score of the sum of squares; 0 until the window is full."""
        square = z * z
        self._values.append(square)
        self._sum += square
        if len(self._values) < self._window:
            return 0.0
        if len(self._values) > self._window:
            self._sum -= self._values.popleft()
        share: float = max(self._sum, 0.0) / self._window
        return float((share ** (1 / 3) - 1 + self._spread) / math.sqrt(self._spread))


class Shewhart(_Scored):
    """Shewhart's X̄ chart: the means of groups that follow each other, without memory between them."""

    def __init__(self, group: int = 8) -> None:
        super().__init__()
        self.name, self._group = f"shewhart({group})", group
        self._sum, self._count = 0.0, 0
        self._root = math.sqrt(group)

    def push(self, r: float, z: float) -> float:
        """The sum of a group that is complete over √group, else 0."""
        self._sum += z
        self._count += 1
        if self._count < self._group:
            return 0.0
        score = self._sum / self._root
        self._sum, self._count = 0.0, 0
        return score

    def allow(self, rate: float) -> None:
        """A quantile of the normal distribution: a group has the rate of all its values."""
        self.threshold = _upper(max(0.5, 1 - rate * self._group))
        self.ago = self._group

    def restart(self) -> None:
        """An empty group."""
        self._sum, self._count = 0.0, 0


class PageHinkley(_Scored):
    """Page–Hinkley (Hinkley, Biometrika 58 (1971)): how far the running sum of deviations from the running mean lies above its least.

    Of scores, less *tolerance* each; a mean over all scores takes what little the ranks of a short reference leave.
    """

    def __init__(self, tolerance: float = 0.25) -> None:
        super().__init__()
        self.name, self._tolerance = f"page-hinkley({tolerance:g})", tolerance
        self._sum = self._least = self._mean = 0.0
        self._count = 0

    def push(self, r: float, z: float) -> float:
        """The height of the sum above its least."""
        self._count += 1
        self._mean += (z - self._mean) / self._count
        self._sum += z - self._mean - self._tolerance
        if self._sum <= self._least:
            self._least, self.ago = self._sum, 0
        else:
            self.ago += 1
        return self._sum - self._least

    def allow(self, rate: float) -> None:
        """By Siegmund's run length: against a known mean it is a CUSUM, and the running mean only lowers it."""
        self.threshold = run_length.cusum_threshold(rate, self._tolerance)

    def restart(self) -> None:
        """From 0."""
        self._sum = self._least = self._mean = 0.0
        self._count = self.ago = 0
