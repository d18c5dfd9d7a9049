"""How long each piece of device work will take: at the least, likely, and at the most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, kw_only=True)
class Times:
    """Seconds of each piece; arrays of the same length."""

    low: Any
    likely: Any
    high: Any

    @classmethod
    def exactly(cls, seconds: Any) -> Times:
        """All three the same."""
        return cls(low=seconds, likely=seconds, high=seconds)

    def scaled(self, factors: Factors) -> Times:
        """Each times its factor."""
        return Times(low=self.low * factors.low, likely=self.likely * factors.likely, high=self.high * factors.high)

    def each(self, change: Callable[[Any], Any]) -> Times:
        """*change* applied to the three."""
        return Times(low=change(self.low), likely=change(self.likely), high=change(self.high))

    @property
    def ends(self) -> tuple[Any, Any, Any]:
        """Low, likely, high."""
        return self.low, self.likely, self.high


@dataclass(frozen=True, kw_only=True)
class Factors:
    """What the seconds of each piece are multiplied by; low is at most likely, likely at most high."""

    low: Any
    likely: Any
    high: Any

    @classmethod
    def same(cls, count: int) -> Factors:
        """Nothing changes."""
        return cls(low=np.ones(count), likely=np.ones(count), high=np.ones(count))

    def where(self, chosen: Any, low: Any, likely: Any, high: Any) -> Factors:
        """The same, but for the *chosen* pieces."""
        return Factors(
            low=np.where(chosen, low, self.low),
            likely=np.where(chosen, likely, self.likely),
            high=np.where(chosen, high, self.high),
        )
