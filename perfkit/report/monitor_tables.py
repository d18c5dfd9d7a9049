"""What stands around the charts of a monitored run's page: its figures, tables and the model's facts, as rows of text."""

from __future__ import annotations

import json
from typing import Any

from .curves import groups, scales
from .layout import clean
from .units import seconds

#: Characters of one text from a run, rows of one table of the card, facts in one place of it, and how deep it is told.
MOST_TEXT, MOST_CARD_ROWS, MOST_FACTS, MOST_DEPTH = 600, 200, 60, 4
SEVERITIES = ("info", "warning", "critical")


def name(document: dict[str, Any]) -> str:
    """What a person calls the run: its script, else its id."""
    script = document["run"]["script"]
    return str(script).rsplit("/", 1)[-1] if script else str(document["run"]["id"])


def state(document: dict[str, Any]) -> dict[str, str]:
    """The state's word, and why it is so."""
    found = document["state"]
    if not found:
        return {"word": "unknown", "reason": ""}
    return {
        "word": found["state"],
        "reason": text(" · ".join(word for word in (found["reason"], found["note"]) if word)),
    }


def subtitle(document: dict[str, Any]) -> str:
    """Which run, when, and for how long."""
    span, found = document["span"], document["state"]
    parts = [f"run {document['run']['id']}"] if document["run"]["script"] else []
    if span["start_utc"]:
        parts.append(f"{span['start_utc'][:19].replace('T', ' ')} UTC, {seconds(span['seconds'])}")
    if found and found["state"] in ("running", "starting", "hanging") and found["at_utc"]:
        parts.append(f"as it stood at {found['at_utc'][:19].replace('T', ' ')} UTC")
    return " · ".join(parts)


def figures(document: dict[str, Any]) -> list[dict[str, str]]:
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
                    "name": text(f"Best {name}", 80),
                    "value": scales.value(best["value"]),
                    "note": f"last {'not finite' if last is None else scales.value(last)}{where and f', best{where}'}",
                }
            )
    if step := performance["perf/step_time_s"]:
        rows.append(
            {
                "name": "Step time, median",
                "value": scales.value(step["median"], "s"),
                "note": f"p95 {scales.value(step['p95'], 's')}",
            }
        )
    for what in ("samples", "tokens"):
        if rate := performance[f"perf/{what}_per_s"]:
            rows.append({"name": "Throughput, median", "value": scales.value(rate["median"], "1/s"), "note": what})
    for place in ("host", "device"):
        if memory := performance[f"system/{place}_memory_bytes"]:
            rows.append({"name": f"Peak {place} memory", "value": scales.value(memory["max"], "bytes"), "note": ""})
    return rows


def event_row(number: int, event: dict[str, Any]) -> dict[str, Any]:
    """A row of the table of events; *number* is what its mark in the charts is known by."""
    evidence = [(text(key, 80), text(_plain(fact), 160)) for key, fact in list(event["evidence"].items())[:12]]
    texts = {key: text(event[key]) for key in ("metric", "message", "advice", "source")}
    return event | texts | {"number": number, "rank": SEVERITIES.index(event["severity"]), "evidence": evidence}


def _plain(fact: Any) -> str:
    return (
        scales.value(fact)
        if isinstance(fact, float)
        else fact
        if isinstance(fact, str)
        else json.dumps(fact, default=str)
    )


def alert_table(alerts: list[dict[str, Any]]) -> dict[str, Any]:
    """Columns and rows of the table of alerts."""
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


def series_table(series: list[dict[str, Any]]) -> dict[str, Any]:
    """Columns and rows of the table of series."""
    columns = [("Series", "text"), ("Values", "number"), ("First", "number"), ("Last", "number"), ("Best", "number"), ("at", "number"),
               ("Least", "number"), ("Greatest", "number"), ("Not finite", "number")]  # fmt: skip
    rows = []
    for row in series:
        figures = [_number(row[key], row["unit"]) for key in ("first", "last")]
        figures += _best(row)
        figures += [_number(row[key], row["unit"]) for key in ("min", "max")]
        rows.append([_cell(row["name"]), _number(row["count"]), *figures, _number(row["not_finite"])])
    return {"columns": [{"name": name, "kind": kind} for name, kind in columns], "rows": rows}


def _best(row: dict[str, Any]) -> list[dict[str, Any]]:
    """The best value of a quality metric and where it was; of what a run costs the best says little."""
    best = None if row["name"].startswith(("perf/", "system/")) else row["best"]
    if best is None:
        return [_number(None), _number(None)]
    at = [(key, best[key]) for key in ("step", "epoch") if best[key] is not None][:1]
    return [
        _number(best["value"], row["unit"]),
        *(_cell(f"{key} {place}", place) for key, place in at),
        *([] if at else [_number(None)]),
    ]


def _cell(said: Any, sort: Any = None) -> dict[str, Any]:
    return {"text": text(said), "sort": text(said) if sort is None else sort}


def _number(value: float | None, unit: str = "") -> dict[str, Any]:
    if value is None:
        return {"text": "–", "sort": ""}
    return {"text": str(value) if isinstance(value, int) else scales.value(value, unit), "sort": value}


# -- the model's facts


def facts(card: dict[str, Any], part: int, depth: int = 0) -> list[dict[str, Any]]:
    """Facts as rows: a text, more facts below a name, or a table of things alike. What does not apply (null) or is empty is left out."""
    rows: list[dict[str, Any]] = []
    told = [(key, fact) for key, fact in card.items() if fact is not None and fact not in ([], {}, "")]
    for key, fact in told[: max(8, MOST_FACTS // part)]:
        row: dict[str, Any] = {"name": text(str(key).replace("_", " "), 80)}
        if isinstance(fact, list) and all(isinstance(each, dict) for each in fact):
            row["table"] = _card_table(fact, max(10, MOST_CARD_ROWS // part))
        elif isinstance(fact, dict) and depth < MOST_DEPTH and not all(map(_is_plain, fact.values())):
            row["facts"] = facts(fact, part, depth + 1)
        else:
            row["text"] = text(_fact(key, fact))
        rows.append(row)
    if len(told) > len(rows):
        rows.append({"name": "…", "text": f"{len(told) - len(rows)} more are in the record"})
    return rows


def _is_plain(fact: Any) -> bool:
    return not isinstance(fact, dict | list)


def _fact(key: Any, fact: Any) -> str:
    """A fact in words: ``weight [96, 64] · bias [96]``, ``28.2 KiB`` where the key says bytes."""
    if isinstance(fact, dict):
        return " · ".join(f"{str(k).replace('_', ' ')} {_fact(k, v)}" for k, v in fact.items() if v is not None)
    if isinstance(fact, list):
        inside = ", ".join(_fact("", each) for each in fact)
        return f"[{inside}]" if all(isinstance(each, int | float) for each in fact) else inside
    if isinstance(fact, bool):
        return "yes" if fact else "no"
    if isinstance(fact, int) and str(key).endswith("bytes"):
        return scales.value(fact, "bytes")
    return f"{fact:,}".replace(",", "\u202f") if isinstance(fact, int) else _plain(fact)


def _card_table(rows: list[dict[str, Any]], most: int) -> dict[str, Any]:
    columns = list(dict.fromkeys(key for row in rows[:most] for key in row))[:10]
    cells = [
        [text(_fact(key, row[key]) if row.get(key) is not None else "", 160) for key in columns] for row in rows[:most]
    ]
    return {"columns": [text(key, 60) for key in columns], "rows": cells, "left_out": max(0, len(rows) - most)}


def text(said: Any, most: int = MOST_TEXT) -> str:
    """Text from a run, without control characters, cut where it is long."""
    plain = clean(said)
    return plain if len(plain) <= most else plain[: most - 1] + "…"
