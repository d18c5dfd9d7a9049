"""What `perfkit bench history --json` writes, and what its table is made of."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import PerfkitError, UsageError
from ...launch.git import revision
from ...stats.changepoint import LEAST
from . import confirm, order
from .series import all_series

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .reading import Confirmation
    from .series import Change, Point, Series
    from .store import History

Row = dict[str, Any]


def current(history: History, part: str = "") -> list[Series]:
    """The series of benchmarks whose id holds *part*, as the history has them now."""
    results = history.index.results()
    commits = {row["commit_id"] for row in results if row["commit_id"] is not None}
    values = [value for value in history.index.values() if part in value["benchmark"]]
    return all_series(values, results, order.known(commits, Path.cwd()))


def confirm_all(history: History, part: str, how: confirm.How, *, again: bool) -> list[str]:
    """Run what nobody has run yet; of what was inconclusive again if *again*. What cannot be run comes back as lines, and the next one is run.

    Raises UsageError outside of a repository.
    """
    if not revision(Path.cwd()):
        raise UsageError("--confirm runs commits again: go into the repository that they are in")
    done, problems = history.index.confirmations(), []
    for series in current(history, part):
        for change in series.changes:
            known = confirm.said_of(change, series, done)
            if known is not None and not (again and known.verdict == "inconclusive"):
                continue
            try:
                done.append(_confirmed(change, series, history, how))
            except PerfkitError as error:
                problems.append(f"{series.benchmark}: cannot be run again: {error}")
    return problems


def _confirmed(change: Change, series: Series, history: History, how: confirm.How) -> Confirmation:
    if reason := confirm.obstacle(change, series):
        raise UsageError(reason)
    before, after = (series.points[index].commit or "" for index in (change.index - 1, change.index))
    how.say(f"{series.benchmark}: {change.fraction:+.1%} between {before[:8]} and {after[:8]}, run again")
    return confirm.confirm(change, series, history, how)


def accept_all(history: History, part: str, reason: str) -> list[str]:
    """Accept the slowdowns that `slowed` names, of benchmarks whose id holds *part*; the benchmarks of them.

    Raises UsageError where there is none, or no *reason*.
    """
    if not reason.strip():
        raise UsageError("--accept wants to know why: --accept 'the tokenizer is exact now'")
    confirmations, accepted = history.index.confirmations(), []
    for series in current(history, part):
        newest = series.changes[-1] if series.changes else None
        said = confirm.said_of(newest, series, confirmations) if newest is not None else None
        if said is not None and said.slower and said.verdict == "confirmed":
            confirm.accept(said, reason.strip(), history)
            accepted.append(series.benchmark)
    if not accepted:
        raise UsageError("nothing to accept: of no series the newest change is a confirmed slowdown")
    return accepted


def compose(history: History, part: str, problems: Sequence[str] = ()) -> Row:
    """The document; *problems* are what `confirm_all` could not run."""
    results, confirmations = history.index.results(), history.index.confirmations()
    shown = current(history, part)
    used = {series.machine for series in shown}
    return {
        "schema_version": 1,
        "store": history.index.told,
        # (What was confirmed or accepted is kept like a result and measured nothing.)
        "results": len({value["result"] for value in history.index.values()}),
        "left_out": sum(row["changed"] for row in results),
        "least_points": LEAST,
        "notes": history.notes,
        "problems": list(problems),
        "machines": {row["machine"]: row["fingerprint"] for row in results if row["machine"] in used},
        "series": [_series_row(series, confirmations) for series in shown],
    }


def _series_row(series: Series, confirmations: Sequence[Confirmation]) -> Row:
    return {
        "benchmark": series.benchmark,
        "machine": series.machine,
        "kind": series.kind,
        "base": series.base or None,
        "noise": series.noise,
        "why": series.why,
        "points": [_point_row(point) for point in series.points],
        "changes": [_change_row(change, series, confirmations) for change in series.changes],
    }


def _point_row(point: Point) -> Row:
    return {
        "commit": point.commit,
        "time": point.time.isoformat(),
        "value": math.exp(point.log),
        "results": point.results,
    }


def _change_row(change: Change, series: Series, confirmations: Sequence[Confirmation]) -> Row:
    before, after = series.points[change.index - 1], series.points[change.index]
    said = confirm.said_of(change, series, confirmations)
    return {
        "index": change.index,
        "before": before.commit,
        "after": after.commit,
        "time": after.time.isoformat(),
        "change": change.fraction,
        "software": _other_versions(before, after),
        "verdict": said.verdict if said is not None else None,
        "measured": {"estimate": said.estimate, "low": said.low, "high": said.high} if said is not None else None,
        "ran": list(said.ran) if said is not None else None,
        "why": said.why if said is not None else confirm.obstacle(change, series),
    }


def _other_versions(before: Point, after: Point) -> list[str]:
    """What was not the same version on both sides: ``numpy 2.1.0 → 2.2.0``."""
    both = [name for name in after.software if name in before.software]
    return [
        f"{name} {before.software[name]} → {after.software[name]}"
        for name in both
        if before.software[name] != after.software[name]
    ]


def slowed(document: Row) -> list[Row]:
    """The series whose newest change is a slowdown that was confirmed."""
    newest = [(row, row["changes"][-1]) for row in document["series"] if row["changes"]]
    return [row for row, change in newest if change["change"] > 0 and change["verdict"] == "confirmed"]
