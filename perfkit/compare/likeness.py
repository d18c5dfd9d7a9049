"""What two sides have not in common although it is no machine's doing: said of each difference, and some cannot be compared at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from . import differences, facts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .sides import Side

Row = dict[str, Any]
Level = Literal["refused", "labelled"]

#: Facts that make another workload of it, in words for the label.
WORKLOAD = {
    "script": "another script",
    "arguments": "other arguments",
    "code": "another revision of the code",
    differences.SOURCE: "other source",
    "model": "another model",
    "batch": "another batch",
    "precision": "another number format",
    "fixes": "changed from inside",
    "ranks": "another number of ranks",
}
LONGEST = 60
# Mean batches that differ by less are the same one with a last batch that is not full.
SAME_BATCH = 0.005
# Arithmetic of a step, or of a sample, that differs by more is that of another model or of other inputs.
SAME_ARITHMETIC = 0.05


@dataclass(frozen=True, kw_only=True)
class Unlike:
    """One thing that is not alike: between *against* and *side*, by their numbers."""

    side: int
    against: int
    what: str
    level: Level
    text: str


def unlike(before: Side, after: Side) -> list[Unlike]:
    """What is not alike; empty for the same work."""
    return [*_refused(before, after), *_labelled(before, after)]


def _refused(before: Side, after: Side) -> list[Unlike]:
    untimed = [side for side in (before, after) if side.step_s is None]
    if untimed:
        text = "; ".join(f"{side.number} has no step time ({side.why_untimed})" for side in untimed)
        return [_made(before, after, "steps", "refused", text)]
    modes = [side.first["mode"] for side in (before, after)]
    if None not in modes and modes[0] != modes[1]:
        text = f"{before.number} is {_mode(modes[0])} and {after.number} {_mode(modes[1])}: their steps are not the same work"
        return [_made(before, after, "mode", "refused", text)]
    return []


def _mode(mode: str) -> str:
    return "a training" if mode == "training" else f"an {mode}"


def _labelled(before: Side, after: Side) -> list[Unlike]:
    found = [
        one for one in differences.differences(before.first, after.first) if one.is_known and one.fact.name in WORKLOAD
    ]
    made = [_made(before, after, one.fact.name, "labelled", _text(one)) for one in found]
    frameworks = [side.first["framework"]["name"] for side in (before, after)]
    if None not in frameworks and frameworks[0] != frameworks[1]:
        made.append(
            _made(before, after, "framework", "labelled", f"another framework: {frameworks[0]} → {frameworks[1]}")
        )
    made += _other_arithmetic(before, after)
    under = [side.number for side in (before, after) if is_profiled(side.first)]
    if under:
        which = " and ".join(map(str, under))
        made.append(
            _made(
                before,
                after,
                "profiler",
                "labelled",
                f"the step of {which} is that under the profiler; perfkit import --step-time corrects it",
            )
        )
    return made


def _other_arithmetic(before: Side, after: Side) -> list[Unlike]:
    """Where a step, of unlike batches a sample, takes another amount of arithmetic."""
    by_sample = per_sample((before, after))
    first, second = (_flops(side, by_sample=by_sample) for side in (before, after))
    if first is None or second is None or not _apart(first, second, SAME_ARITHMETIC):
        return []
    unit = "sample" if by_sample else "step"
    text = f"another amount of arithmetic in a {unit}: {_flop(first)} → {_flop(second)}"
    return [_made(before, after, "arithmetic", "labelled", text)]


def _flop(count: float) -> str:
    size, unit = (1e12, "T") if count >= 1e12 else (1e9, "G") if count >= 1e9 else (1e6, "M")
    return f"{count / size:.3g} {unit}FLOP"


def _flops(side: Side, *, by_sample: bool) -> float | None:
    found = (side.first["mfu"] or {}).get("flops_per_step")
    return float(found) / ((side.batch or 1.0) if by_sample else 1.0) if found else None


def _apart(first: float, second: float, tolerance: float) -> bool:
    """Whether the larger one is larger by more than *tolerance*."""
    return max(first, second) > min(first, second) * (1 + tolerance)


def _text(one: differences.Difference) -> str:
    words = WORKLOAD[one.fact.name]
    if one.fact.name == differences.SOURCE:
        return f"{words}: the script, or a module of its own, is not the same"
    told = one.text.removeprefix(one.fact.name).strip()
    return f"{words}: {told if len(told) <= 2 * LONGEST else told[: 2 * LONGEST] + '…'}"


def _made(before: Side, after: Side, what: str, level: Level, text: str) -> Unlike:
    return Unlike(side=after.number, against=before.number, what=what, level=level, text=text)


def is_profiled(document: Row) -> bool:
    """Whether its step is one under the profiler, the plain one not being known."""
    return facts.is_import(document) and document["trace"].get("dilation") is None


def per_sample(sides: Sequence[Side]) -> bool:
    """Whether a sample is what can be compared: batches are known and not the same."""
    batches = [side.batch for side in sides if side.step_s is not None]
    known = [batch for batch in batches if batch]
    return len(known) == len(batches) > 1 and _apart(min(known), max(known), SAME_BATCH)
