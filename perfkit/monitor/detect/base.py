"""What a detector is, and how many false alarms it may raise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from ...errors import UsageError
from ...model.monitoring import Signal

#: Which changes count: for a metric that is better when it is low, "up".
Side = Literal["up", "down", "both"]
#: The false alarms that one series may raise in one run, where nothing else is asked.
FALSE_ALARMS = 0.01
#: Values in the first stretch of a run whose length is not known; each further stretch is twice as long.
FIRST_STRETCH = 1024


@runtime_checkable
class Detector(Protocol):
    """Looks at one series, a value at a time; needs the same memory however long it is."""

    name: str

    def update(self, value: float, step: int | None = None) -> Signal | None:
        """Take the next value. A Signal where something begins or ends (kind "recovered"), else None."""

    def reset(self) -> None:
        """Forget everything."""


@dataclass(frozen=True, kw_only=True)
class Allowance:
    """The chance of any false alarm in a whole run that a series may cause.

    With *length*, the values a run will have, it is spent evenly. Without, stretch k of the run (1024 · 2^k values) gets the share
    1 / ((k + 1) (k + 2)), which sum to 1: it then holds for a run of any length, and thresholds rise slowly. (The idea is that of
    spending functions: Lan and DeMets, Biometrika 70 (1983).)
    """

    rate: float = FALSE_ALARMS
    length: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.rate < 1:
            raise UsageError(
                f"a false-alarm rate lies between 0 and 1, not at {self.rate}; 0.01 is one run in a hundred"
            )

    def per_value(self, count: int) -> float:
        """The rate that is allowed for each value, *count* values after the start."""
        if self.length is not None:
            return self.rate / max(1, self.length)
        stretch = (count // FIRST_STRETCH + 1).bit_length() - 1
        return self.rate / ((stretch + 1) * (stretch + 2)) / (FIRST_STRETCH << stretch)

    def divided(self, parts: float) -> Allowance:
        """The same, shared among so many."""
        return Allowance(rate=min(self.rate / parts, 0.999), length=self.length)
