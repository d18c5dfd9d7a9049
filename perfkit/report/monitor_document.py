"""Composes the document of a monitored run: what its views show beside the curves themselves, as plain data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..errors import RunError
from ..monitor.names import metric_of
from .curves.timeline import Timeline
from .gaps import Gaps

if TYPE_CHECKING:
    from ..model.monitoring import Alert, Event
    from ..monitor.history import History, Series
    from ..monitor.record import Recorded
    from ..runs.reader import Run

SCHEMA_VERSION = 1
#: Series of the performance section, and what is told of each.
_PERFORMANCE = {
    "perf/step_time_s": ("median", "p95"), "perf/samples_per_s": ("median",), "perf/tokens_per_s": ("median",),
    "system/host_memory_bytes": ("max",), "system/device_memory_bytes": ("max",),
}  # fmt: skip
_OPENS = ("pending", "firing", "no-data")


@dataclass(frozen=True, kw_only=True)
class Episode:
    """One trouble of one alert rule, from its beginning to its end."""

    rule: str
    metric: str
    severity: str
    #: Its state when last told: pending, firing, no-data, or resolved.
    state: str
    message: str
    since_ns: int
    #: None while it lasts.
    until_ns: int | None
    duration_s: float
    fired: bool


def compose(run: Run, recorded: Recorded) -> dict[str, Any]:
    """The document of *run*, whose record is *recorded*. It can be had of any run, also without run.json."""
    gaps, timeline = Gaps(), Timeline(recorded.history)
    history = recorded.history
    document: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "run": _run(run, gaps),
        "state": _state(run, recorded),
        "span": _span(history, timeline),
        "card": recorded.cards[-1] if recorded.cards else None,
        "series": [_series(history.series(name)) for name in history],
        "performance": {name: _figures(history, name, asked, gaps) for name, asked in _PERFORMANCE.items()},
        "events": [_event(event, timeline) for event in recorded.events],
        "alerts": [_alert(episode, timeline) for episode in episodes(recorded.alerts, timeline.end_ns)],
        "record": {"damaged_lines": recorded.damaged},
    }
    gaps.note(
        "card", "the card says that it does not apply" if recorded.cards else "the record holds no facts of the model"
    )
    gaps.note("state", "the record holds no status, and there is no run.json to ask")
    for key, reason in (
        ("state.step", "the last status names no step"), ("state.epoch", "the last status names no epoch"),
        ("state.eta_utc", "the last status names no expected end"), ("state.at_utc", "no sign of life was recorded"), ("state.pid", "the last status names no process"),
        ("span.steps", "no value came with a step"), ("span.epochs", "no value came with an epoch"),
        ("series[].first_step", "its values came without a step"), ("series[].last_step", "its values came without a step"),
        ("series[].best", "the metric is not known to be better up or down, or has no finite value"),
        ("series[].min", "it has no finite value"), ("series[].max", "it has no finite value"), ("series[].median", "it has no finite value"),
        ("series[].last", "its last value is not finite"), ("series[].first", "its first value is not finite"),
        ("events[].step", "no step is known at its time"), ("events[].epoch", "it came without an epoch"),
        ("alerts[].until_utc", "it lasts"), ("alerts[].step", "no step is known at its time"), ("alerts[].until_step", "it lasts"),
    ):  # fmt: skip
        gaps.note(key, reason)
    document["unavailable"] = gaps.settle(document)
    return document


def episodes(alerts: list[Alert], end_ns: int) -> list[Episode]:
    """The troubles that *alerts*, changes of state in the order of the record, tell of; *end_ns* is the record's last moment."""
    open_: dict[tuple[str, str], list[Alert]] = {}
    found: list[Episode] = []
    for alert in alerts:
        key = (alert.rule, alert.metric)
        if alert.state in _OPENS:
            open_.setdefault(key, []).append(alert)
        elif key in open_:
            found.append(_episode([*open_.pop(key), alert], ended=True, end_ns=end_ns))
    found += [_episode(changes, ended=False, end_ns=end_ns) for changes in open_.values()]
    return sorted((e for e in found if e.fired or e.until_ns is None), key=lambda e: (e.since_ns, e.rule, e.metric))


def _episode(changes: list[Alert], *, ended: bool, end_ns: int) -> Episode:
    last = changes[-1]
    # A lack of data that went away before anybody was told of it ends in "ok".
    told = ("firing",) if last.state == "ok" else ("firing", "no-data")
    fired = [change for change in changes if change.state in told]
    since = min(change.since_ns for change in changes)
    lasts_s = max(0.0, (end_ns - fired[0].time_ns) / 1e9) if fired else 0.0
    return Episode(
        rule=last.rule,
        metric=last.metric,
        severity=last.severity,
        state="resolved" if ended else last.state,
        message=(fired or changes)[-1].message,
        since_ns=since,
        until_ns=last.time_ns if ended else None,
        duration_s=last.duration_s if ended else max(last.duration_s, lasts_s),
        fired=bool(fired),
    )


def utc(time_ns: int) -> str:
    """``2026-03-01T12:00:00.250Z``."""
    return datetime.fromtimestamp(time_ns / 1e9, tz=UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _run(run: Run, gaps: Gaps) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": run.path.name,
        "path": str(run.path),
        "command": None,
        "script": None,
        "exit_code": None,
    }
    try:
        info = run.info
    except RunError as error:
        for key in ("command", "script", "exit_code"):
            gaps.note(f"run.{key}", str(error))
        return row
    gaps.note("run.exit_code", "the process has not ended, or nobody saw it end")
    return row | {"id": info.id, "command": list(info.command), "script": info.script, "exit_code": info.exit_code}


def _state(run: Run, recorded: Recorded) -> dict[str, Any] | None:
    """How the run stands: as the record says of one that has ended; of another, what is true of its processes now."""
    from ..monitor.live.standing import ENDED, standing

    last = recorded.statuses[-1] if recorded.statuses else None
    told: dict[str, Any] = {
        "state": None,
        "reason": "",
        "note": "",
        "at_utc": None,
        "step": None,
        "epoch": None,
        "pid": None,
        "eta_utc": None,
    }
    if last is not None:
        told |= {
            "state": last.state,
            "reason": last.reason,
            "at_utc": utc(last.time_ns),
            "step": last.step,
            "epoch": last.epoch,
        }
        told |= {"pid": last.pid, "eta_utc": utc(last.eta_ns) if last.eta_ns else None}
    if last is not None and last.state in ENDED:
        return told
    try:
        now = standing(run)
    except RunError:
        return told if last is not None else None
    seen = utc(now.last_sign_ns) if now.last_sign_ns else None
    told |= {
        "state": now.state,
        "reason": now.reason,
        "note": now.note,
        "at_utc": seen,
        "eta_utc": utc(now.eta_ns) if now.eta_ns else None,
    }
    return told


def _span(history: History, timeline: Timeline) -> dict[str, Any]:
    """From when to when, and how far it came."""
    import numpy as np

    ends = np.array([timeline.end_ns], dtype=np.int64)
    steps = [int(history.series(name).steps.max()) for name in history] if timeline.has_steps else [-1]
    return {
        "start_utc": utc(timeline.start_ns) if timeline.start_ns else None,
        "end_utc": utc(timeline.end_ns) if timeline.end_ns else None,
        "seconds": (timeline.end_ns - timeline.start_ns) / 1e9,
        "steps": max(steps) if max(steps) >= 0 else None,
        "epochs": float(timeline.epochs_at(ends)[0]) if timeline.has_epochs else None,
    }


def _series(series: Series) -> dict[str, Any]:
    import numpy as np

    metric, values, steps = metric_of(series.name), series.values, series.steps
    finite = np.isfinite(values)
    known = values[finite]
    best = None
    if len(known) and metric.better != "none":
        where = np.flatnonzero(finite)[int(known.argmax() if metric.better == "up" else known.argmin())]
        epoch = int(series.epochs[where])
        best = {"value": float(values[where]), "step": _step(steps[where]), "epoch": epoch if epoch >= 0 else None}
    return {
        "name": series.name,
        "unit": metric.unit,
        "better": metric.better,
        "count": len(series),
        "not_finite": int((~finite).sum()),
        "first": _finite(values[0]),
        "last": _finite(values[-1]),
        "min": float(known.min()) if len(known) else None,
        "max": float(known.max()) if len(known) else None,
        "median": float(np.median(known)) if len(known) else None,
        "best": best,
        "first_step": _step(steps[0]),
        "last_step": _step(steps[-1]),
    }


def _figures(history: History, name: str, asked: tuple[str, ...], gaps: Gaps) -> dict[str, float] | None:
    import numpy as np

    values = history.series(name).values if name in set(history) else np.zeros(0)
    values = values[np.isfinite(values)]
    if not len(values):
        gaps.note(f"performance.{name}", "the run recorded no such series")
        return None
    told = {"median": np.median(values), "p95": np.percentile(values, 95), "max": values.max()}
    return {key: float(told[key]) for key in asked}


def _event(event: Event, timeline: Timeline) -> dict[str, Any]:
    import numpy as np

    at = np.array([event.time_ns], dtype=np.int64)
    step = event.step
    if step is None and not timeline.before_steps(event.time_ns):
        step = _rounded(timeline.steps_at(at)[0])
    return asdict(event) | {
        "utc": utc(event.time_ns),
        "elapsed_s": float(timeline.elapsed(at)[0]),
        "step": step,
        "step_is_own": event.step is not None,
    }


def _alert(episode: Episode, timeline: Timeline) -> dict[str, Any]:
    import numpy as np

    ends = episode.until_ns or timeline.end_ns
    at = np.array([episode.since_ns, ends], dtype=np.int64)
    steps = timeline.steps_at(at)
    row = asdict(episode)
    del row["since_ns"], row["until_ns"]
    return row | {
        "since_utc": utc(episode.since_ns),
        "until_utc": utc(episode.until_ns) if episode.until_ns else None,
        "since_s": float(timeline.elapsed(at)[0]),
        "until_s": float(timeline.elapsed(at)[1]),
        "step": _rounded(steps[0]),
        "until_step": _rounded(steps[1]) if episode.until_ns else None,
    }


def _step(step: Any) -> int | None:
    return int(step) if step >= 0 else None


def _rounded(step: Any) -> int | None:
    return round(float(step)) if step == step else None


def _finite(value: Any) -> float | None:
    return float(value) if value - value == 0 else None
