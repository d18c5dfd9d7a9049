"""A change point, confirmed: the gate runs the commits on its sides in pairs, on a machine that is as fast for the one as for the other."""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import PerfkitError
from ...stats.gate import Rule
from ..gate import trees
from ..gate.gate import Gate
from ..session import Plan
from .reading import SCHEMA_VERSION, Confirmation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .reading import Verdict
    from .series import Change, Series
    from .store import History

Row = dict[str, Any]

#: A change is placed to within so many points: what is said of one so near speaks for it, and where its own commits are alike, those so far out are run.
REACH = 2
_VERDICTS: dict[str, Verdict] = {"regressed": "confirmed", "same": "not confirmed", "improved": "not confirmed"}


@dataclass(frozen=True, kw_only=True)
class How:
    """How the gate is run."""

    limit_s: float
    setup: str | None = None
    rule: Rule = field(default_factory=Rule)
    plan: Plan = field(default_factory=Plan)
    say: Callable[[str], None] = lambda _line: None


def said_of(change: Change, series: Series, confirmations: Sequence[Confirmation]) -> Confirmation | None:
    """What was said of this change, or of one in the same direction so near that it is the same one; the newest of the nearest.

    A change point moves by a commit or two while results come in behind it.
    """
    place = {point.commit: index for index, point in enumerate(series.points) if point.commit is not None}
    near = [
        (abs(place[found.after] - change.index), -number, found)
        for number, found in enumerate(confirmations)
        if (found.benchmark, found.machine, found.slower) == (series.benchmark, series.machine, change.fraction > 0)
        and abs(place.get(found.after, -REACH - 1) - change.index) <= REACH
    ]
    return min(near, key=lambda entry: entry[:2])[2] if near else None


def obstacle(change: Change, series: Series) -> str:
    """Why that cannot be run again; empty where it can."""
    sides = series.points[change.index - 1], series.points[change.index]
    return "" if all(point.commit for point in sides) else "its results name no commits"


def confirm(change: Change, series: Series, history: History, how: How) -> Confirmation:
    """Run the gate on the commits around *change*, and keep what it says in *history*.

    Where the two commits at the change point are alike, the change may be one or two commits off: then it is looked for between points that far out.
    Raises PerfkitError (UsageError) where they cannot be run.
    """
    first, last = change.index - 1, change.index
    found, document = _run(change, series, (first, last), how)
    wide = _wide(change, series)
    if found.verdict == "not confirmed" and wide != (first, last):
        how.say(f"{series.benchmark}: not between these two; looking {REACH} commits further out")
        found, document = _run(change, series, wide, how)
    whole = {**document, "confirms": asdict(found)}
    history.keep(json.dumps(whole, indent=1).encode(), f"confirmation of {series.benchmark}", datetime.now(UTC))
    return found


def accept(found: Confirmation, reason: str, history: History) -> None:
    """Keep in *history* that a confirmed slowdown is to stay, and why."""
    now = datetime.now(UTC)
    said = {
        "schema_version": SCHEMA_VERSION,
        "measured": now.isoformat(),
        "base": {"label": found.before[:12], "revision": found.before},
        "head": {"label": found.after[:12], "revision": found.after},
        "benchmarks": [],
        "confirms": asdict(replace(found, verdict="accepted", why=reason)),
    }
    history.keep(json.dumps(said, indent=1).encode(), f"acceptance of {found.benchmark}", now)


def _wide(change: Change, series: Series) -> tuple[int, int]:
    """Points `REACH` further out, those of the neighbouring changes' other sides never."""
    index = [found.index for found in series.changes].index(change.index)
    edges = [0, *(found.index for found in series.changes), len(series.points)]
    return max(edges[index], change.index - 1 - REACH), min(edges[index + 2] - 1, change.index + REACH)


def _run(change: Change, series: Series, ends: tuple[int, int], how: How) -> tuple[Confirmation, Row]:
    """The gate between two points. What is presumed slower is its head: it confirms only what is slower, on fresh pairs."""
    slower = change.fraction > 0
    before, after = (series.points[end].commit or "" for end in ends)
    base, head = (before, after) if slower else (after, before)
    with (
        trees.sides(base, head, setup=how.setup, say=how.say) as (old, new),
        tempfile.TemporaryDirectory(prefix="perfkit-bench-") as place,
    ):
        document = Gate(
            base=old, head=new, words=[series.benchmark], place=Path(place), limit_s=how.limit_s, rule=how.rule, plan=how.plan, say=how.say,
            explains=slower,
        ).run()  # fmt: skip
    row = next((row for row in document["benchmarks"] if row["id"] == series.benchmark), None)
    if row is None:
        raise PerfkitError(f"pytest finds another benchmark by that name in {before[:12]} and {after[:12]}")
    measured = row["change"] if slower else _inverted(row["change"])
    found = Confirmation(
        benchmark=series.benchmark,
        machine=series.machine,
        before=series.points[change.index - 1].commit or "",
        after=series.points[change.index].commit or "",
        slower=slower,
        verdict=_VERDICTS.get(row["verdict"], "inconclusive"),
        ran=(before, after),
        why=row["why"],
        **measured,
    )
    return found, document


def _inverted(change: Row) -> Row:
    """Of base over head, where *change* is of head over base."""
    turned = {name: 1 / (1 + value) - 1 if value is not None else None for name, value in change.items()}
    return {"estimate": turned["estimate"], "low": turned["high"], "high": turned["low"]}
