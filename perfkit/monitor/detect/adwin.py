"""ADWIN, river's, as a chart."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from ...errors import MissingDependency
from ...model.monitoring import EventKind

#: river looks for a change every so many values.
CLOCK = 32
_ROOT = math.sqrt(0.5)


def river_drift() -> Any:
    """River's module of drift detectors. Raises MissingDependency."""
    try:
        from river import drift
    except ImportError as error:
        raise MissingDependency("ADWIN needs river; install it with: pip install 'perfkit[monitor]'") from error
    return drift


class Adwin:
    """ADWIN (Bifet and Gavaldà, SDM 2007) over the sequential ranks, which lie in [0, 1] as its proof wants.

    The score is 1 where it has cut its window and the newer part is the higher one. Its bound holds at each look; as such bounds go, it
    raises far fewer false alarms than it may, and is late.
    """

    kind: EventKind = "degradation"
    name = "adwin"
    learns = False

    def __init__(self) -> None:
        self._drift = river_drift()
        self.threshold, self.ago = 0.5, CLOCK
        self._rate = 0.0
        self._window: Any = None

    def push(self, r: float, z: float) -> float:
        """1.0 at an upward change, else 0.0."""
        window = self._window
        if window is None:
            return 0.0
        before = window.estimation
        window.update(0.5 * math.erfc(-z * _ROOT))
        if not window.drift_detected:
            return 0.0
        self.ago = max(1, int(window.width))
        return 1.0 if window.estimation > before else 0.0

    def allow(self, rate: float) -> None:
        """δ of a look: the rate of the values between two looks."""
        if rate != self._rate:
            self._rate = rate
            self.restart()

    def learn(self, r: float) -> None:
        """Nothing to learn."""

    def refit(self, innovations: Iterable[float]) -> None:
        """Ranks are what they were."""

    def restart(self) -> None:
        """An empty window."""
        self._window = self._drift.ADWIN(delta=max(1e-12, min(0.5, self._rate * CLOCK)), clock=CLOCK)
