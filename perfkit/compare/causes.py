"""The difference of two mean steps by cause: parts whose differences add up to the whole, each with what would explain it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import differences
from .vocabulary import PARTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .differences import Difference
    from .parts import Level
    from .sides import Side

Row = dict[str, Any]

# Launches per step that differ by less than this are as many.
AS_MANY = 0.02
# A part that hardly differs has no cause to be named: less than this share of the slower step.
NOTABLE = 0.002


@dataclass(frozen=True, kw_only=True)
class Cause:
    """One part of the step on both sides. Seconds are per step, or per sample where batches differ."""

    part: str
    name: str
    #: One of model.records.CAUSES; None: what the time goes into is not known.
    cause: str | None
    #: device, processor, host, waiting, between or unknown.
    where: str
    before_s: float
    after_s: float
    #: After less before: negative is faster.
    difference_s: float
    #: Of the whole difference; None where there is none.
    share: float | None
    #: Of the slower mean step, in percent of it.
    points: float
    #: Times as fast as before; None where it takes no time on a side.
    factor: float | None
    #: What the runs differ in that bears on it.
    because: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Explained:
    """All causes, the largest difference first, and what they leave open."""

    causes: list[Cause]
    before_s: float
    after_s: float
    #: Seconds whose difference has no cause, added up without their signs, and in percent of the slower mean step.
    unexplained_s: float
    unexplained_points: float
    #: Likewise of parts whose cause is known, but nothing that was recorded differs that would be the reason for it.
    unreasoned_s: float
    unreasoned_points: float

    @property
    def difference_s(self) -> float:
        """Of the whole step."""
        return self.after_s - self.before_s


def explain(before: Side, after: Side, level: Level, *, per_sample: bool) -> Explained:
    """The causes of the difference between two sides that have step times."""
    first, second = (_per(side, level, per_sample=per_sample) for side in (before, after))
    whole = sum(first.values()), sum(second.values())
    found = differences.differences(before.first, after.first)
    made = [
        _cause(name, first.get(name, 0.0), second.get(name, 0.0), whole, before, after, found)
        for name in PARTS
        if name in first or name in second
    ]
    made.sort(key=lambda cause: -abs(cause.difference_s))
    open_s = sum(abs(cause.difference_s) for cause in made if cause.cause is None)
    bare_s = sum(abs(cause.difference_s) for cause in made if cause.cause is not None and not cause.because)
    return Explained(
        causes=made,
        before_s=whole[0],
        after_s=whole[1],
        unexplained_s=open_s,
        unexplained_points=_points(open_s, whole),
        unreasoned_s=bare_s,
        unreasoned_points=_points(bare_s, whole),
    )


def _per(side: Side, level: Level, *, per_sample: bool) -> dict[str, float]:
    each = (side.batch or 1.0) if per_sample else 1.0
    return {name: seconds / each for name, seconds in side.parts(level).items()}


def _points(seconds: float, whole: tuple[float, float]) -> float:
    return 100 * seconds / max(whole) if max(whole) > 0 else 0.0


def _cause(
    name: str,
    first: float,
    second: float,
    whole: tuple[float, float],
    before: Side,
    after: Side,
    found: Sequence[Difference],
) -> Cause:
    kind, difference = PARTS[name], second - first
    points = _points(difference, whole)
    bearing = differences.explaining(name, list(found), on_processor=before.on_processor or after.on_processor)
    notable = abs(points) >= 100 * NOTABLE
    word = next((one.fact.cause for one in bearing if one.fact.cause), kind.cause) if notable else kind.cause
    because = (
        [*(one.text for one in bearing), *_launches(name, before, after, gained=difference < 0)] if notable else []
    )
    return Cause(
        part=name,
        name=kind.label,
        cause=word if kind.cause else None,
        where=_where(kind.place, before, after),
        before_s=first,
        after_s=second,
        difference_s=difference,
        share=difference / (whole[1] - whole[0]) if whole[1] != whole[0] else None,
        points=points,
        factor=first / second if first > 0 and second > 0 else None,
        because=tuple(because),
    )


def _where(place: str, before: Side, after: Side) -> str:
    if place != "work":
        return place
    computing = {side.on_processor for side in (before, after)}
    return "work" if len(computing) > 1 else "processor" if before.on_processor else "device"


def _launches(name: str, before: Side, after: Side, *, gained: bool) -> list[str]:
    """Of launches, whether there are more of them or each takes longer."""
    counts = [(side.first["launches"] or {}).get("launches_per_step") for side in (before, after)]
    if name != "launch" or not counts[0] or not counts[1]:
        return []
    if abs(counts[1] / counts[0] - 1) <= AS_MANY:
        return [
            f"as many launches ({counts[1]:.0f} a step), for each of which the host takes {'less' if gained else 'longer'}"
        ]
    return [f"launches a step {counts[0]:.0f} → {counts[1]:.0f}"]
