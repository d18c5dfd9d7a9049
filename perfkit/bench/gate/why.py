"""What grew: a regressed benchmark traced on both sides, more than once, and which operator or function the time went to.

An operator that is called as often as before counts where each trace of the new side has it longer than all of the old side.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

Row = dict[str, Any]
#: Kind and name.
Key = tuple[str, str]

#: What explains less of what was added than this is not named, and no more than so many are.
LEAST_SHARE, MOST = 0.1, 3
# More or fewer calls of an operator than this, relatively, are another number of calls.
OTHER_COUNT = 0.02


def causes(base: Sequence[Sequence[Row]], head: Sequence[Sequence[Row]], change: float) -> list[Row]:
    """What takes longer in a call: {kind, name, seconds (added), share of all that was added, calls {base, head}}, most first.

    *base* and *head* hold rows of `tracing.traced` for each time that a side was traced; *change* is by how much a call takes longer, a
    fraction. Empty where nothing grew.
    """
    before, after = (_together(traces) for traces in (base, head))
    if not before or not after:
        return []
    # One side may have been traced while the cores were slower. How long calls really take was measured in turns.
    whole = sum(seen.least for seen in after.values())
    scale = (1.0 + change) * sum(seen.least for seen in before.values()) / whole if whole else 1.0
    added: dict[Key, float] = {}
    for key, now in after.items():
        old = before.get(key, _NOT_THERE)
        if _other_count(old.calls, now.calls) or now.least * scale > old.most:
            added[key] = now.least * scale - old.least
    total = sum(value for value in added.values() if value > 0)
    grown = [key for key in sorted(added, key=lambda key: -added[key]) if total and added[key] / total >= LEAST_SHARE]
    return [
        {
            "kind": key[0],
            "name": key[1],
            "seconds": added[key],
            "share": added[key] / total,
            "calls": {"base": before.get(key, _NOT_THERE).calls, "head": after[key].calls},
        }
        for key in grown[:MOST]
    ]


@dataclass(frozen=True)
class _Seen:
    """Of one operator or function, in the traces of one side: least and most seconds of a call of the benchmark, and its own calls."""

    least: float
    most: float
    calls: float


_NOT_THERE = _Seen(0.0, 0.0, 0.0)


def _together(traces: Sequence[Sequence[Row]]) -> dict[Key, _Seen]:
    found: dict[Key, _Seen] = {}
    for row in (row for trace in traces for row in trace):
        key, seconds = (row["kind"], row["name"]), row["seconds"]
        known = found.get(key, _Seen(seconds, seconds, row["calls"]))
        found[key] = _Seen(min(known.least, seconds), max(known.most, seconds), row["calls"])
    return found


def _other_count(base: float, head: float) -> bool:
    return not base or abs(head / base - 1) > OTHER_COUNT


def told(found: Sequence[Row]) -> str:
    """The same as a line: ``aten::exp took 62% of what was added (new), aten::sub 19% of what was added (2 → 5 calls)``."""
    parts = [(row["name"], f"{row['share']:.0%} of what was added{_calls(row['calls'])}") for row in found]
    return ", ".join(
        f"{name} {share}" if position else f"{name} took {share}" for position, (name, share) in enumerate(parts)
    )


def _calls(calls: dict[str, float]) -> str:
    base, head = calls["base"], calls["head"]
    if not base:
        return " (new)"
    if not _other_count(base, head):
        return ""
    return f" ({_count(base)} → {_count(head)} calls)"


def _count(value: float) -> str:
    return f"{value:.0f}" if abs(value - round(value)) < 0.05 else f"{value:.1f}"
