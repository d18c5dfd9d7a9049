"""A monitored run in at most 20 lines: how it stands, its last figures, what happened, where the record is."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ...monitor import record
from ...monitor.names import metric_of
from ...report import units

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...model.monitoring import Event
    from ...monitor.history import History
    from ...monitor.live.standing import Standing
    from ...runs.reader import Run

_MOST_METRICS, _MOST_EVENTS = 6, 4
_WIDTH = 150


def lines(run: Run, standing: Standing) -> list[str]:
    """The summary of a run."""
    found = record.read(run.path)
    made = [f"{standing.run}: {headline(standing)}"]
    if standing.note:
        made.append(f"  note: {standing.note}")
    made += _metrics(found.history)
    made += _events(found.events)
    if standing.firing:
        told = (f"{alert.rule} ({alert.metric})" if alert.metric else alert.rule for alert in standing.firing)
        made.append(f"  alerts firing: {', '.join(told)}"[:_WIDTH])
    made += [f"  record: {run.path}", f"next: perfkit monitor show {standing.run[-6:]}"]
    return made


def headline(standing: Standing) -> str:
    """State and reason, steps and epochs, in one clause each."""
    parts = [standing.state + (f" ({standing.reason})" if standing.reason else "")]
    if standing.step is not None:
        parts.append(f"step {standing.step:,}")
    if standing.epoch is not None:
        parts.append(f"epoch {standing.epoch}")
    return ", ".join(parts)


def ago(then_ns: int) -> str:
    """``12 s ago (14:03:05 UTC)``."""
    passed = max(0.0, (time.time_ns() - then_ns) / 1e9)
    return f"{units.seconds(round(passed)) if passed >= 1 else 'less than a second'} ago ({clock(then_ns)})"


def clock(time_ns: int) -> str:
    """``14:03:05 UTC``, with the date where it is not today's."""
    at, now = datetime.fromtimestamp(time_ns / 1e9, UTC), datetime.now(UTC)
    return at.strftime("%H:%M:%S UTC" if at.date() == now.date() else "%Y-%m-%d %H:%M:%S UTC")


def value(name: str, figure: float) -> str:
    """A figure with its unit, as people read it."""
    unit = metric_of(name).unit
    if unit == "s":
        return units.seconds(figure)
    if unit == "bytes":
        return units.size(figure)
    if unit == "1/s":
        return f"{units.count(figure)}/s"
    return f"{figure:.4g}" + (f" {unit}" if unit else "")


def _metrics(history: History) -> list[str]:
    """First and last value of the series of the model, the usual one of those of its speed."""
    import numpy as np

    made = []
    names = sorted(history, key=lambda name: (_ORDER.get(name.partition("/")[0], 9), name))
    for name in names:
        values = history[name]
        known = values[np.isfinite(values)]
        if name.startswith(("perf/", "system/")):
            if known.size:
                made.append(
                    f"  {name}: median {value(name, float(np.median(known)))}, last {value(name, float(values[-1]))}"
                )
        elif values.size > 1:
            made.append(f"  {name}: {values[0]:.4g} → {values[-1]:.4g}")
        else:
            made.append(f"  {name}: {values[-1]:.4g}")
    more = len(made) - _MOST_METRICS
    return made if more <= 0 else [*made[:_MOST_METRICS], f"  … and {more} more series"]


_ORDER = {"train": 0, "val": 1, "test": 2, "perf": 3, "probe": 4, "system": 5}


def _events(events: Sequence[Event]) -> list[str]:
    """The gravest, each with what could be done; how many others there are."""
    grave = [event for event in events if event.severity != "info"]
    rank = {"critical": 0, "warning": 1}
    chosen = sorted(grave, key=lambda event: rank.get(event.severity, 2))[:_MOST_EVENTS]
    made = []
    for event in sorted(chosen, key=lambda event: event.time_ns):
        where = f"step {event.step:,}: " if event.step is not None else ""
        advice = f" – {event.advice}" if event.advice else ""
        made.append(f"  {event.severity}: {where}{event.message}{advice}")
    if len(grave) > len(chosen):
        made.append(f"  … and {len(grave) - len(chosen)} more events")
    return made
