"""What rules say about a run that is over, so that thresholds can be tuned on what was recorded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path

from ...model.monitoring import Alert, Event, Point, Status
from .. import record
from .alerter import Alerter
from .rules import Rule


def replay(run: Path, rules: Iterable[Rule], *, baseline: Mapping[str, float] | None = None) -> list[Alert]:
    """The alerts that *rules* give over the record of *run*, in the order of their times; nobody is told.

    They are those that the run itself gave with these rules: time is that of the record, up to its last line. Raises UsageError where two
    rules have one name.
    """
    alerter: Alerter | None = None
    alerts: list[Alert] = []
    rules, last_ns = list(rules), 0
    for entry in _judged(run):
        if alerter is None:
            alerter = Alerter(rules, [], run=run.name, now=partial(int, entry.time_ns), baseline=baseline)
        last_ns = max(last_ns, entry.time_ns)
        alerts += _given(alerter, entry)
    if alerter is not None:
        alerts += alerter.tick(last_ns)
        alerter.close()
    return sorted(alerts, key=lambda alert: alert.time_ns)


def _judged(run: Path) -> Iterator[Point | Event | Status]:
    """What the rules saw, in the order in which they did: what the detectors said of a point, which is recorded behind it, before it."""
    point: Point | None = None
    for entry in record.entries(run, judged_only=True):
        if isinstance(entry, dict | Alert):
            continue
        if isinstance(entry, Event) and point is not None and entry.time_ns == point.time_ns:
            yield entry
            continue
        if point is not None:
            yield point
        point = entry if isinstance(entry, Point) else None
        if point is None:
            yield entry
    if point is not None:
        yield point


def _given(alerter: Alerter, entry: Point | Event | Status) -> list[Alert]:
    if isinstance(entry, Point):
        return alerter.observe(entry)
    return alerter.event(entry) if isinstance(entry, Event) else alerter.status(entry)
