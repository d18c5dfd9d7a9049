"""Series: what one benchmark took on one kind of machine, commit by commit, and where its level changed."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from ...stats.changepoint import LEAST, change_points
from ...stats.robust import mad_sigma

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .reading import Kind

Row = dict[str, Any]

#: Chance that a series of independent values without a change is cut; results/bench_history.json has what comes of it.
FALSE_ALARMS = 0.05
#: A change is at least so large, as a fraction, and so many times the noise of its series.
LEAST_CHANGE, TIMES_NOISE = 0.02, 2.0


@dataclass(frozen=True, kw_only=True)
class Point:
    """A commit: the median of its results."""

    #: Full hash; None where results come from no repository: then each is a point.
    commit: str | None
    #: When it was committed, as far as known, else when it was measured.
    time: datetime
    #: Log of seconds or of a ratio.
    log: float
    results: int
    #: Versions by name, of the newest result.
    software: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Change:
    """The level changed between two neighbouring points."""

    #: Index of the first point behind it.
    index: int
    #: Levels: logs, medians of the segments on its sides.
    before: float
    after: float

    @property
    def fraction(self) -> float:
        """0.05: takes 5 % longer."""
        return math.expm1(self.after - self.before)


@dataclass(frozen=True, kw_only=True)
class Series:
    """Points of one benchmark on one machine, in order."""

    benchmark: str
    machine: str
    kind: Kind
    #: Of ratios: the revision that they are against.
    base: str
    points: tuple[Point, ...]
    changes: tuple[Change, ...]
    #: Robust standard deviation about the levels, as a fraction; None where there are too few points.
    noise: float | None
    #: Why no changes are looked for; else empty.
    why: str


def all_series(values: Iterable[Row], results: Sequence[Row], order: Mapping[str, datetime]) -> list[Series]:
    """Series from rows of the index (`Index.values`, `Index.results`), by benchmark, kind, base and machine.

    *order*: commits that a repository knows, parents first, with their times. Results of changed sources belong to no commit: they are left out.
    """
    by_number = {row["id"]: row for row in results}
    grouped: dict[tuple[str, str, str, str], list[tuple[float, Row]]] = defaultdict(list)
    for value in values:
        result = by_number[value["result"]]
        if not result["changed"]:
            key = (value["benchmark"], result["machine"], value["kind"], value["base"])
            grouped[key].append((value["log"], result))
    times = {row["commit_id"]: row["commit_time"] for row in results if row["commit_time"] is not None} | dict(order)
    return [_series(key, rows, times, list(order)) for key, rows in sorted(grouped.items())]


def _series(
    key: tuple[str, str, Any, str], rows: list[tuple[float, Row]], times: Mapping[str, datetime], order: list[str]
) -> Series:
    benchmark, machine, kind, base = key
    points = tuple(in_order(_points(rows, times), order))
    changes, noise = changes_of([point.log for point in points])
    few = len(points) < LEAST
    return Series(
        benchmark=benchmark, machine=machine, kind=kind, base=base, points=points, changes=tuple(changes), noise=None if few else noise,
        why=f"{len(points)} points; changes are looked for from {LEAST} on" if few else "",
    )  # fmt: skip


def _points(rows: list[tuple[float, Row]], times: Mapping[str, datetime]) -> list[Point]:
    by_commit: dict[Any, list[tuple[float, Row]]] = defaultdict(list)
    for log, result in rows:
        by_commit[result["commit_id"] or result["id"]].append((log, result))
    return [
        Point(
            commit=found[0][1]["commit_id"],
            time=times.get(found[0][1]["commit_id"]) or min(result["measured"] for _, result in found),
            log=median(log for log, _ in found),
            results=len(found),
            software=max((result for _, result in found), key=lambda result: result["measured"])["software"],
        )
        for found in by_commit.values()
    ]


def in_order(points: Iterable[Point], order: Sequence[str]) -> list[Point]:
    """By time; of those in *order*, which a repository knows, each takes the place that their order gives it among their own places."""
    by_time = sorted(points, key=lambda point: point.time)
    rank = {commit: number for number, commit in enumerate(order)}
    places = [place for place, point in enumerate(by_time) if point.commit in rank]
    known = sorted((by_time[place] for place in places), key=lambda point: rank[point.commit or ""])
    for place, point in zip(places, known, strict=True):
        by_time[place] = point
    return by_time


def changes_of(logs: Sequence[float]) -> tuple[list[Change], float]:
    """Changes of the level of *logs* that are large enough, and the noise about what levels remain (a fraction).

    The smallest change that is too small is dropped first, since that joins two levels and tells the others anew.
    """
    x = np.asarray(logs, dtype=np.float64)
    cuts = [found.index for found in change_points(x, false_alarms=FALSE_ALARMS)]
    while True:
        spans = list(pairwise([0, *cuts, x.size])) if x.size else []
        levels = [float(np.median(x[start:end])) for start, end in spans]
        left = [x[start:end] - level for (start, end), level in zip(spans, levels, strict=True)]
        noise = math.expm1(mad_sigma(np.concatenate(left))) if left else 0.0
        sizes = [abs(after - before) for before, after in pairwise(levels)]
        if not sizes or math.expm1(min(sizes)) >= max(LEAST_CHANGE, TIMES_NOISE * noise):
            break
        del cuts[sizes.index(min(sizes))]
    return [
        Change(index=cut, before=before, after=after)
        for cut, (before, after) in zip(cuts, pairwise(levels), strict=True)
    ], noise
