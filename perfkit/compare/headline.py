"""What a comparison comes to in one honest sentence: how much faster, how sure, and what makes the difference."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from ..bench.stored import ASSUMED
from .vocabulary import WORK

if TYPE_CHECKING:
    from .causes import Cause, Explained
    from .scatter import Shift
    from .sides import Side

Verdict = Literal["faster", "slower", "equal", "unsure", "incomparable"]

# A cause is worth its place in the sentence from this part of all differences on, and from this part of the step on; so many at most.
WORTH, WORTH_POINTS, MOST = 0.12, 0.5, 3
# Work that differs by no more than this part of itself, or by no more points of the step, is the same.
EQUAL, EQUAL_POINTS = 0.03, 1.0
# Where nothing bounds a difference of logarithms, one that is smaller than this is none.
EQUAL_LOG = 0.005
_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))


def verdict(before: Side, after: Side, shift: Shift) -> Verdict:
    """Whether *after* is faster. Of one run each, what processes of one program may differ by (bench.stored) is not told from a difference."""
    if (abs(shift.value) < EQUAL_LOG) if not shift.is_bounded else (shift.low <= 0 <= shift.high):
        return "equal"
    if min(len(before.steps_s), len(after.steps_s)) == 1 and abs(shift.value) < math.log1p(ASSUMED):
        return "unsure"
    return "faster" if shift.value < 0 else "slower"


def sentence(before: Side, after: Side, shift: Shift, explained: Explained, found: Verdict) -> str:
    """``2 is 1.47× as fast as 1 (1.41–1.53): launches 8.10 → 4.20 ms (host), device time equal``."""
    told = _times(before, after, shift)
    if found == "equal":
        return f"no difference between {before.number} and {after.number} that these runs can show: {told}"
    if found == "unsure":
        return f"{told}: less than what two runs of one program may differ by, so run each again to be sure"
    return f"{told}: {', '.join(reasons(explained))}"


def _times(before: Side, after: Side, shift: Shift) -> str:
    """``2 is 1.47× as fast as 1 (1.41–1.53)``, or ``2 takes 1.47× as long as 1 (1.41–1.53)``."""
    sign, words = (-1, "is {}× as fast as") if shift.value <= 0 else (1, "takes {}× as long as")
    told = f"{after.number} {words.format(_digits(math.exp(sign * shift.value)))} {before.number}"
    if not shift.is_bounded:
        return told
    low, high = sorted(math.exp(sign * end) for end in (shift.low, shift.high))
    return f"{told} ({_digits(low)}–{_digits(high)})"


def reasons(explained: Explained) -> list[str]:
    """The largest differences, and what became of the work where it is not among them."""
    total = sum(abs(cause.difference_s) for cause in explained.causes)
    named = [
        cause
        for cause in explained.causes
        if abs(cause.difference_s) >= WORTH * total and abs(cause.points) >= WORTH_POINTS
    ][:MOST]
    told = [_reason(cause) for cause in named]
    if not any(cause.part in WORK for cause in named):
        told += _of_work(explained)
    return told or ["many small parts"]


def _reason(cause: Cause) -> str:
    where = f" ({cause.where})" if cause.where in ("host", "between") else ""
    return f"{cause.name} {span(cause.before_s, cause.after_s)}{where}"


def _of_work(explained: Explained) -> list[str]:
    """That device and operators take as long as before, or how long."""
    work = [cause for cause in explained.causes if cause.part in WORK]
    before, after = sum(cause.before_s for cause in work), sum(cause.after_s for cause in work)
    if not before and not after:
        return []
    where = next((cause.where for cause in work), "work")
    name = "device time" if where == "device" else "the operators' own time"
    points = 100 * abs(after - before) / max(explained.before_s, explained.after_s)
    if abs(after - before) <= EQUAL * max(before, after) or points <= EQUAL_POINTS:
        return [f"{name} equal"]
    return [f"{name} {span(before, after)}"]


def span(before: float, after: float) -> str:
    """``8.10 → 4.20 ms``, both in the unit of the larger one."""
    largest = max(abs(before), abs(after))
    size, unit = next(((size, unit) for size, unit in _UNITS if largest >= size * 0.9995), _UNITS[-1])
    return f"{_digits(before / size)} → {_digits(after / size)} {unit}"


def _digits(value: float) -> str:
    """At least three digits, two of them after the point at most; what is next to nothing is 0."""
    if abs(value) < 5e-3:
        return "0"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}" if abs(value) < 100 else f"{value:.0f}"
