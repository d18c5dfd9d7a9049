"""A monitored run as one self-contained page of at most CAP_BYTES, whatever the run's size; what is left out is said on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..runs import layout
from . import monitor_tables as tables
from .curves import embed, groups
from .curves.timeline import Timeline
from .html import page

if TYPE_CHECKING:
    from ..monitor.history import History
    from ..monitor.record import Recorded

#: Of the whole page, in UTF-8.
CAP_BYTES = 600_000
#: Points of all series together, and of one: more are not seen on a screen.
MOST_POINTS, MOST_POINTS_EACH, LEAST_POINTS_EACH = 20_000, 2_000, 60
#: Of a page that is still too large every limit is halved, this many times at most.
ROUNDS = 6
MOST_SERIES, MOST_EVENTS, MOST_ALERTS = 120, 400, 200


def render(document: dict[str, Any], recorded: Recorded, *, metrics: tuple[str, ...] = ()) -> str:
    """The page of a run: *document* of `monitor_document.compose`, the curves from *recorded*; of *metrics* alone, if any are named
    (canonically).
    """
    made = ""
    for round_ in range(ROUNDS):
        made = _render(document, recorded.history, metrics, 1 << round_)
        if len(made.encode("utf-8")) <= CAP_BYTES:
            break
    return made


def _render(document: dict[str, Any], history: History, metrics: tuple[str, ...], part: int) -> str:
    timeline, about = Timeline(history), []
    names = list(metrics or history)
    chosen = _chosen_charts(names, MOST_SERIES // part)
    drawn = [name for chart in chosen for name in chart.names]
    if len(drawn) < len(names):
        about.append(f"{len(names) - len(drawn)} of {len(names)} series are not drawn; see them with --metric NAME.")
    most = max(LEAST_POINTS_EACH, min(MOST_POINTS_EACH, MOST_POINTS // max(1, len(drawn)))) // (part if part < 4 else 4)
    thinned = [name for name in drawn if len(history.series(name)) > most]
    if thinned:
        about.append(
            f"{len(thinned)} of {len(drawn)} series are drawn with at most {most} points: of every bucket of neighbouring values its least "
            "and its greatest; smoothed curves are of the buckets' means. The record holds every value."
        )
    events, events_left_out = _chosen_events(document["events"], MOST_EVENTS // part)
    alerts, alerts_left_out = _chosen_alerts(document["alerts"], MOST_ALERTS // part)
    data = {
        "axes": [*(["step"] if timeline.has_steps else []), *(["epoch"] if timeline.has_epochs else []), "time"],
        "spans": _spans(history, drawn, timeline),
        "time_unit_s": embed.time_unit(timeline),
        "epochs": embed.anchors(timeline),
        "parts": len({chart.role for chart in chosen}),
        "charts": embed.charts(history, chosen, timeline, most),
        "events": [_event_mark(number, event) for number, event in enumerate(events)],
        "alerts": [_alert_bar(alert, timeline) for alert in alerts],
    }
    about += _about(document)
    return page.render(
        "monitor.html.j2",
        data=data,
        styles=page.CHART_STYLES,
        scripts=(*page.CHART_SCRIPTS, "monitor.js"),
        name=tables.text(tables.name(document)),
        state=tables.state(document),
        sub=tables.text(tables.subtitle(document)),
        command=tables.text(" ".join(document["run"]["command"] or ())),
        figures=tables.figures(document),
        events=sorted((tables.event_row(n, event) for n, event in enumerate(events)), key=lambda row: row["elapsed_s"]),
        note_count=sum(event["kind"] == "note" for event in events),
        event_count=len(document["events"]),
        events_left_out=events_left_out,
        alerts=tables.alert_table(alerts) | {"left_out": alerts_left_out},
        alert_count=len(document["alerts"]),
        series=tables.series_table(document["series"][: MOST_SERIES // part]),
        series_count=len(document["series"]),
        card=tables.facts(document["card"], part) if document["card"] else [],
        about=about,
    )


# -- what is shown


def _chosen_charts(names: list[str], most: int) -> list[groups.Chart]:
    """Charts with *most* series together: those that are known before a script's own, then in their order; the last may lose series."""
    every = groups.charts(names)
    kept: dict[str, groups.Chart] = {}
    left = most
    for chart in sorted(every, key=lambda chart: not groups.is_known(chart)):
        if left > 0:
            kept[chart.key] = groups.with_names(chart, chart.names[:left])
            left -= len(chart.names)
    return [kept[chart.key] for chart in every if chart.key in kept]


def _chosen_events(events: list[dict[str, Any]], most: int) -> tuple[list[dict[str, Any]], str]:
    """The severe before the others, and notes last, in the order of the record; and what is left out, in words."""
    if len(events) <= most:
        return events, ""
    weight = [
        (event["kind"] == "note", -tables.SEVERITIES.index(event["severity"]), number)
        for number, event in enumerate(events)
    ]
    kept = sorted(number for _, _, number in sorted(weight)[:most])
    return [
        events[n] for n in kept
    ], f"{most} of {len(events)} events are shown, the most severe; all are in the record and in --json."


def _chosen_alerts(alerts: list[dict[str, Any]], most: int) -> tuple[list[dict[str, Any]], str]:
    if len(alerts) <= most:
        return alerts, ""
    return alerts[-most:], f"The last {most} of {len(alerts)} alerts are shown; all are in the record and in --json."


def _spans(history: History, names: list[str], timeline: Timeline) -> dict[str, list[float]]:
    """From where to where each axis goes."""
    import numpy as np

    end_s = (timeline.end_ns - timeline.start_ns) / 1e9
    spans = {"time": [0.0, end_s or 1.0]}
    if timeline.has_steps:
        steps = [timeline.steps_of(history.series(name)) for name in names]
        every = np.concatenate(steps) if steps else np.zeros(0)
        every = every[np.isfinite(every)]
        low, high = (float(every.min()), float(every.max())) if len(every) else (0.0, 1.0)
        spans["step"] = [low, high if high > low else low + 1]
    if timeline.has_epochs:
        spans["epoch"] = [0.0, float(timeline.epoch_anchors[1][-1])]
    return spans


def _event_mark(number: int, event: dict[str, Any]) -> dict[str, Any]:
    return {
        "n": number, "t": round(event["elapsed_s"], 6), "s": event["step"], "kind": event["kind"], "severity": event["severity"],
        "metric": embed.short(event["metric"]), "message": tables.text(event["message"], 200), "advice": tables.text(event["advice"], 200),
    }  # fmt: skip


def _alert_bar(alert: dict[str, Any], timeline: Timeline) -> dict[str, Any]:
    import numpy as np

    until = (
        timeline.steps_at(np.array([timeline.end_ns], dtype=np.int64))[0]
        if alert["until_step"] is None
        else alert["until_step"]
    )
    return {
        "rule": tables.text(alert["rule"], 120), "metric": embed.short(alert["metric"]), "severity": alert["severity"], "state": alert["state"],
        "message": tables.text(alert["message"], 200), "duration_s": alert["duration_s"], "t0": alert["since_s"], "t1": alert["until_s"],
        "s0": alert["step"], "s1": None if alert["step"] is None else round(float(until)),
    }  # fmt: skip


def _about(document: dict[str, Any]) -> list[str]:
    lines = [f"Made of {tables.text(document['run']['id'])}/{layout.MONITOR}."]
    if document["record"]["damaged_lines"]:
        lines.append(f"{document['record']['damaged_lines']} damaged lines of the record were passed over.")
    lines.append(
        "Values without a step or an epoch of their own lie where their time does, between the values that have one."
    )
    return lines
