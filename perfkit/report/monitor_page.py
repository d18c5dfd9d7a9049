"""A monitored run as one self-contained page of at most CAP_BYTES, whatever the run's size; what is left out is said on it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .curves import embed, groups, scales
from .curves.timeline import Timeline
from .html import page
from .layout import clean
from .units import seconds

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
#: Characters of one text from a run, rows of one table of the card, facts in one place of it, and how deep it is told.
MOST_TEXT, MOST_CARD_ROWS, MOST_FACTS, MOST_DEPTH = 600, 200, 60, 4
_SEVERITIES = ("info", "warning", "critical")


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
        name=_text(_name(document)),
        state=_state(document),
        sub=_text(_sub(document)),
        command=_text(" ".join(document["run"]["command"] or ())),
        figures=_figures(document),
        events=sorted((_event_row(n, event) for n, event in enumerate(events)), key=lambda row: row["elapsed_s"]),
        note_count=sum(event["kind"] == "note" for event in events),
        event_count=len(document["events"]),
        events_left_out=events_left_out,
        alerts=_alert_table(alerts) | {"left_out": alerts_left_out},
        alert_count=len(document["alerts"]),
        series=_series_table(document["series"][: MOST_SERIES // part]),
        series_count=len(document["series"]),
        card=_facts(document["card"], part) if document["card"] else [],
        about=about,
    )


# -- what is shown


def _chosen_charts(names: list[str], most: int) -> list[groups.Chart]:
    """Charts in their order until *most* series are reached; the last of them may lose series."""
    chosen, left = [], most
    for chart in groups.charts(names):
        if left <= 0:
            break
        kept = chart.names[:left]
        chosen.append(chart if len(kept) == len(chart.names) else groups.with_names(chart, kept))
        left -= len(kept)
    return chosen


def _chosen_events(events: list[dict[str, Any]], most: int) -> tuple[list[dict[str, Any]], str]:
    """The severe before the others, and notes last, in the order of the record; and what is left out, in words."""
    if len(events) <= most:
        return events, ""
    weight = [
        (event["kind"] == "note", -_SEVERITIES.index(event["severity"]), number) for number, event in enumerate(events)
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
    end_s = (timeline.end_ns - timeline.start_ns) / 1e9
    spans = {"time": [0.0, end_s or 1.0]}
    if timeline.has_steps:
        steps = [timeline.steps_of(history.series(name)) for name in names]
        low, high = min((float(s.min()) for s in steps), default=0.0), max((float(s.max()) for s in steps), default=1.0)
        spans["step"] = [low, high if high > low else low + 1]
    if timeline.has_epochs:
        spans["epoch"] = [0.0, float(timeline.epoch_anchors[1][-1])]
    return spans


def _event_mark(number: int, event: dict[str, Any]) -> dict[str, Any]:
    return {
        "n": number, "t": round(event["elapsed_s"], 6), "s": event["step"], "kind": event["kind"], "severity": event["severity"],
        "metric": _text(event["metric"], 120), "message": _text(event["message"], 200), "advice": _text(event["advice"], 200),
    }  # fmt: skip


def _alert_bar(alert: dict[str, Any], timeline: Timeline) -> dict[str, Any]:
    import numpy as np

    until = (
        timeline.steps_at(np.array([timeline.end_ns], dtype=np.int64))[0]
        if alert["until_step"] is None
        else alert["until_step"]
    )
    return {
        "rule": _text(alert["rule"], 120), "metric": _text(alert["metric"], 120), "severity": alert["severity"], "state": alert["state"],
        "message": _text(alert["message"], 200), "duration_s": alert["duration_s"], "t0": alert["since_s"], "t1": alert["until_s"],
        "s0": alert["step"], "s1": None if alert["step"] is None else round(float(until)),
    }  # fmt: skip


# -- header and tables


def _name(document: dict[str, Any]) -> str:
    script = document["run"]["script"]
    return str(script).rsplit("/", 1)[-1] if script else str(document["run"]["id"])


def _state(document: dict[str, Any]) -> dict[str, str]:
    state = document["state"]
    if not state:
        return {"word": "unknown", "reason": ""}
    return {
        "word": state["state"],
        "reason": _text(" · ".join(word for word in (state["reason"], state["note"]) if word)),
    }


def _sub(document: dict[str, Any]) -> str:
    span, state = document["span"], document["state"]
    parts = [f"run {document['run']['id']}"] if document["run"]["script"] else []
    if span["start_utc"]:
        parts.append(f"{span['start_utc'][:19].replace('T', ' ')} UTC, {seconds(span['seconds'])}")
    if state and state["state"] in ("running", "starting", "hanging") and state["at_utc"]:
        parts.append(f"as it stood at {state['at_utc'][:19].replace('T', ' ')} UTC")
    return " · ".join(parts)


def _figures(document: dict[str, Any]) -> list[dict[str, str]]:
    """The figures that a person looks for first."""
    span, performance = document["span"], document["performance"]
    rows = (
        []
        if span["steps"] is None
        else [{"name": "Last step", "value": f"{span['steps']:,}".replace(",", "\u202f"), "note": ""}]
    )
    rows += [] if span["epochs"] is None else [{"name": "Epochs", "value": f"{span['epochs']:.4g}", "note": ""}]
    by_name = {row["name"]: row for row in document["series"]}
    quality = [
        name
        for chart in groups.charts(by_name)
        if chart.role == "quality"
        for name in chart.names
        if name.startswith("val/")
    ]
    for name in quality[:2] or [name for name in by_name if name.startswith("train/")][:2]:
        if best := by_name[name]["best"]:
            where = (
                f" at step {best['step']}"
                if best["step"] is not None
                else f" in epoch {best['epoch']}"
                if best["epoch"] is not None
                else ""
            )
            last = by_name[name]["last"]
            rows.append(
                {
                    "name": _text(f"Best {name}", 80),
                    "value": scales.value(best["value"]),
                    "note": f"last {'not finite' if last is None else scales.value(last)}{where and f', best{where}'}",
                }
            )
    if step := performance["perf/step_time_s"]:
        rows.append(
            {
                "name": "Step time, median",
                "value": scales.value(step["median"], "s"),
                "note": f"95 %: {scales.value(step['p95'], 's')}",
            }
        )
    for what in ("samples", "tokens"):
        if rate := performance[f"perf/{what}_per_s"]:
            rows.append({"name": "Throughput, median", "value": scales.value(rate["median"], "1/s"), "note": what})
    for place in ("host", "device"):
        if memory := performance[f"system/{place}_memory_bytes"]:
            rows.append({"name": f"Peak {place} memory", "value": scales.value(memory["max"], "bytes"), "note": ""})
    return rows


def _event_row(number: int, event: dict[str, Any]) -> dict[str, Any]:
    evidence = [(_text(key, 80), _text(_plain(fact), 160)) for key, fact in list(event["evidence"].items())[:12]]
    texts = {key: _text(event[key]) for key in ("metric", "message", "advice", "source")}
    return event | texts | {"number": number, "rank": _SEVERITIES.index(event["severity"]), "evidence": evidence}


def _plain(fact: Any) -> str:
    return (
        scales.value(fact)
        if isinstance(fact, float)
        else fact
        if isinstance(fact, str)
        else json.dumps(fact, default=str)
    )


def _alert_table(alerts: list[dict[str, Any]]) -> dict[str, Any]:
    columns = [("Since", "number"), ("Step", "number"), ("Lasted", "number"), ("State", "text"), ("Severity", "text"), ("Rule", "text"),
               ("Metric", "text"), ("Message", "text")]  # fmt: skip
    rows = [
        [
            _cell(seconds(a["since_s"]), a["since_s"]), _cell("–" if a["step"] is None else a["step"], a["step"]),
            _cell(seconds(a["duration_s"]), a["duration_s"]), _cell(a["state"]), _cell(a["severity"]), _cell(a["rule"]),
            _cell(a["metric"]), _cell(a["message"]),
        ]
        for a in alerts
    ]  # fmt: skip
    return {"columns": [{"name": name, "kind": kind} for name, kind in columns], "rows": rows}


def _series_table(series: list[dict[str, Any]]) -> dict[str, Any]:
    columns = [("Series", "text"), ("Values", "number"), ("First", "number"), ("Last", "number"), ("Best", "number"), ("at step", "number"),
               ("Least", "number"), ("Greatest", "number"), ("Not finite", "number")]  # fmt: skip
    rows = []
    for row in series:
        best = row["best"] or {"value": None, "step": None}
        figures = [_number(row[key], row["unit"]) for key in ("first", "last")]
        figures += [_number(best["value"], row["unit"]), _number(best["step"])]
        figures += [_number(row[key], row["unit"]) for key in ("min", "max")]
        rows.append([_cell(row["name"]), _number(row["count"]), *figures, _number(row["not_finite"])])
    return {"columns": [{"name": name, "kind": kind} for name, kind in columns], "rows": rows}


def _cell(text: Any, sort: Any = None) -> dict[str, Any]:
    return {"text": _text(text), "sort": _text(text) if sort is None else sort}


def _number(value: float | None, unit: str = "") -> dict[str, Any]:
    if value is None:
        return {"text": "–", "sort": ""}
    return {"text": str(value) if isinstance(value, int) else scales.value(value, unit), "sort": value}


# -- the model's facts


def _facts(card: dict[str, Any], part: int, depth: int = 0) -> list[dict[str, Any]]:
    """Facts as rows: a text, more facts below a name, or a table of things alike."""
    rows: list[dict[str, Any]] = []
    for key, fact in list(card.items())[: max(8, MOST_FACTS // part)]:
        row: dict[str, Any] = {"name": _text(str(key).replace("_", " "), 80)}
        if isinstance(fact, dict) and fact and depth < MOST_DEPTH:
            row["facts"] = _facts(fact, part, depth + 1)
        elif isinstance(fact, list) and fact and all(isinstance(each, dict) for each in fact):
            row["table"] = _card_table(fact, max(10, MOST_CARD_ROWS // part))
        elif isinstance(fact, list | tuple):
            row["text"] = _text(", ".join(_plain(each) for each in fact)) or "none"
        else:
            row["text"] = "unknown" if fact is None else _text(count_of(fact))
        rows.append(row)
    return rows


def count_of(fact: Any) -> str:
    """A plain fact: whole numbers with thin spaces between thousands."""
    if isinstance(fact, bool):
        return "yes" if fact else "no"
    return f"{fact:,}".replace(",", "\u202f") if isinstance(fact, int) else _plain(fact)


def _card_table(rows: list[dict[str, Any]], most: int) -> dict[str, Any]:
    columns = list(dict.fromkeys(key for row in rows[:most] for key in row))[:10]
    cells = [
        [_text(count_of(row[key]) if row.get(key) is not None else "", 160) for key in columns] for row in rows[:most]
    ]
    return {"columns": [_text(key, 60) for key in columns], "rows": cells, "left_out": max(0, len(rows) - most)}


def _about(document: dict[str, Any]) -> list[str]:
    lines = [f"Record: {_text(document['run']['path'])}/monitor.jsonl."]
    if document["record"]["damaged_lines"]:
        lines.append(f"{document['record']['damaged_lines']} damaged lines of the record were passed over.")
    lines.append(
        "Values without a step or an epoch of their own lie where their time does, between the values that have one."
    )
    return lines


def _text(text: Any, most: int = MOST_TEXT) -> str:
    """Text from a run, without control characters, cut where it is long."""
    plain = clean(text)
    return plain if len(plain) <= most else plain[: most - 1] + "…"
