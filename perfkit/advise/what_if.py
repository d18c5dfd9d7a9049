"""Small arithmetic that rules share: phases of a step, and what a shorter step saves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..model.records import Interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def step_seconds(breakdown: Sequence[dict[str, Any]]) -> float:
    """Mean steady wall time per step, in s: the sum of its phases."""
    return float(sum(row["seconds_per_step"] for row in breakdown))


def phase_seconds(breakdown: Sequence[dict[str, Any]], *names: str) -> float:
    """Seconds per step in the phases *names*; 0 for one that is not there."""
    return float(sum(row["seconds_per_step"] for row in breakdown if row["name"] in names))


def saved(before: float, after: Iterable[float]) -> Interval:
    """Fraction of *before* that each of the outcomes *after* saves, as an interval, never below 0."""
    fractions = [max(0.0, 1 - value / before) for value in after]
    return Interval(low=min(fractions), high=max(fractions))


def ms(seconds: float) -> str:
    """Milliseconds for evidence: ``12.3 ms``."""
    return f"{seconds * 1e3:.3g} ms" if seconds < 10 else f"{seconds:.3g} s"


def percent(share: float) -> str:
    """``61 %``."""
    return f"{share * 100:.0f} %"
