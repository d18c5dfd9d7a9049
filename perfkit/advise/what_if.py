"""Small arithmetic that rules share: phases of a step, and what a shorter step saves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..model.records import Interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# What an interruption of the steps costs beside its own time, at most: half of it, or 15 % of all the rest. It empties
# caches, copies memory, and leaves pages that the system writes back later. Measured: in eight trials on public scripts and three
# of our own, saving, logging or collecting garbage, what came back without it was 0.8 to 1.7 times its own time.
BESIDE, BESIDE_OF_REST = 0.5, 0.15


def step_seconds(breakdown: Sequence[dict[str, Any]]) -> float:
    """Mean steady wall time per step, in s: the sum of its phases."""
    return float(sum(row["seconds_per_step"] for row in breakdown))


def phase_seconds(breakdown: Sequence[dict[str, Any]], *names: str) -> float:
    """Seconds per step in the phases *names*; 0 for one that is not there."""
    return float(sum(row["seconds_per_step"] for row in breakdown if row["name"] in names))


def traced_seconds(device_breakdown: Sequence[dict[str, Any]], kind: str = "") -> float:
    """Seconds of the step as the device view has it, or of its busy or idle part only."""
    return float(sum(row["seconds_per_step"] for row in device_breakdown if kind in ("", row["kind"])))


def saved(before: float, after: Iterable[float]) -> Interval:
    """Fraction of *before* that each of the outcomes *after* saves, as an interval, never below 0."""
    fractions = [max(0.0, 1 - value / before) for value in after]
    return Interval(low=min(fractions), high=max(fractions))


def with_what_follows(spent: float, step: float) -> float:
    """Seconds that an interruption of *spent* seconds costs a step of *step* seconds, at most."""
    return spent + min(BESIDE * spent, BESIDE_OF_REST * max(0.0, step - spent))


def ms(seconds: float) -> str:
    """A time for evidence: ``12.3 ms``, ``5.58 s``."""
    return f"{seconds * 1e3:.3g} ms" if seconds < 0.9995 else f"{seconds:.3g} s"


def percent(share: float) -> str:
    """``61 %``."""
    return f"{share * 100:.0f} %"
