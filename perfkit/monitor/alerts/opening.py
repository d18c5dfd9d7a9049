"""The Alerter of a run's directory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from ...runs import layout
from .. import record
from .alerter import Alerter
from .rules import Rule
from .sinks import Sink
from .watched import own_baseline


def open_alerter(
    run: Path,
    rules: Iterable[Rule],
    sinks: Iterable[Sink],
    *,
    now: Callable[[], int] = time.time_ns,
    baseline: Mapping[str, float] | None = None,
) -> Alerter:
    """The Alerter of a run's directory: it goes on where an earlier process on the same run ended.

    What a sink cannot take is kept in ``<root>/spool``, so that the next run of the root delivers it (of a directory that lies in no
    root: within it).
    """
    recorded = record.read(run)
    known = {name: value for name in recorded.history if (value := own_baseline(recorded.history[name])) is not None}
    return Alerter(
        rules, sinks, run=run.name, now=now, spool=(run.parent.parent if run.parent.name == layout.RUNS else run) / layout.SPOOL, before=recorded.alerts, baseline={**known, **(baseline or {})}
    )  # fmt: skip
