"""What grew: a regressed benchmark traced on both sides, and which operator or function the time went to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

Row = dict[str, Any]

#: What explains less of what was added than this is not named, and no more than so many are.
LEAST_SHARE, MOST = 0.1, 3
# More or fewer calls of an operator than this, relatively, are another number of calls.
OTHER_COUNT = 0.02


def causes(base: Sequence[Row], head: Sequence[Row]) -> list[Row]:
    """What takes longer in a call: {kind, name, seconds (added), share of all that was added, calls {base, head}}, most first.

    *base* and *head* are rows of `tracing.traced`. Empty where nothing grew.
    """
    before, after = (
        {(row["kind"], row["name"]): (row["seconds"], row["calls"]) for row in rows} for rows in (base, head)
    )
    added = {key: after[key][0] - before.get(key, (0.0, 0.0))[0] for key in after}
    total = sum(value for value in added.values() if value > 0)
    grown = [key for key in sorted(added, key=lambda key: -added[key]) if total and added[key] / total >= LEAST_SHARE]
    return [
        {
            "kind": key[0],
            "name": key[1],
            "seconds": added[key],
            "share": added[key] / total,
            "calls": {"base": before.get(key, (0.0, 0.0))[1], "head": after[key][1]},
        }
        for key in grown[:MOST]
    ]


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
    if abs(head / base - 1) <= OTHER_COUNT:
        return ""
    return f" ({_count(base)} → {_count(head)} calls)"


def _count(value: float) -> str:
    return f"{value:.0f}" if abs(value - round(value)) < 0.05 else f"{value:.1f}"
