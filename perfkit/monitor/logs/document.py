"""Everything that is known of the logs as plain data: what ``perfkit monitor logs --json`` writes, and what its card shows."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

from ..history import UNKNOWN
from ..names import metric_of
from .analysis import LogAnalysis
from .clean import shown
from .drain import Template
from .folds import Fold

SCHEMA_VERSION = 1
#: Of each list in the document.
MAX_LISTED = 50
#: A template is unusual where it came at most this often among at least this many lines.
RARE_COUNT = 2
RARE_AMONG = 200
LEVELS = ("warning", "error", "critical")
#: Points of a series in the document.
MAX_POINTS = 1000
_ASSUMED = {
    "zone": "time stamps without a zone are read as {zone}",
    "year": "time stamps without a year are of the last year in which they are not after the file's last change",
    "day": "times without a date count from the day of the file's last change",
}


def compose(analysis: LogAnalysis, *, metrics: tuple[str, ...] = ()) -> dict[str, Any]:
    """The document of *analysis* after `finish`; of its series only *metrics*, where any are named (canonical)."""
    templates = sorted(analysis.templates.templates, key=lambda t: -t.count)
    counts = dict(analysis.counts)
    told = sum(counts.values()) - counts["blank"]
    understood = told - counts["unknown"]
    series = [analysis.series[name] for name in metrics] if metrics else list(analysis.series.values())
    unknown = [t for t in templates if t.taken_for == "unknown" and t.count]
    return {
        "schema_version": SCHEMA_VERSION,
        "files": [_source(source) for source in analysis.sources],
        "lines": {
            "count": sum(counts.values()), "redraws": sum(s.redraws for s in analysis.sources), **counts,
            "cut": analysis.cut_lines, "undecodable_characters": analysis.undecodable,
        },
        "understood": {"share": understood / told if told else None, "lines": understood, "of": told},
        "time": _time(analysis),
        "progress": {"last_epoch": analysis.last_epoch, "last_step": analysis.last_step},
        "series": [_series(analysis, fold) for fold in series],
        "params": dict(analysis.facts.params),
        "levels": dict(analysis.facts.levels),
        "events": dict(sorted(analysis.facts.events.items(), key=lambda item: -item[1])),
        "messages": [_template(t) for t in templates if t.level in analysis.facts.levels and t.count][:MAX_LISTED],
        "tracebacks": _tracebacks(analysis),
        "warning_rate": _rate(analysis),
        "duplicates": {
            "exact": analysis.facts.repeats, "metric_lines": analysis.facts.repeated_metrics,
            "by_template": sum(t.count - 1 for t in templates if t.taken_for in ("runtime", "unknown", "param") and t.count),
        },
        "not_understood": [_template(t) for t in unknown[:MAX_LISTED]],
        "unusual": [_template(t) for t in _unusual(templates, told)][:MAX_LISTED],
        "templates": {"count": len(templates), "forgotten": analysis.templates.forgotten, "shapes": analysis.plans_made},
        "missing_values": analysis.missing,
        "notes": _notes(analysis),
    }  # fmt: skip


def is_empty(document: dict[str, Any]) -> bool:
    """Whether nothing of the logs was understood."""
    binary = any(file["binary"] for file in document["files"])
    return not document["series"] and (binary or not document["understood"]["lines"])


def _source(source: Any) -> dict[str, Any]:
    return {
        "name": source.name, "kind": source.kind, "lines": source.lines, "redraws": source.redraws, "bytes": source.bytes,
        "state": source.state, "reason": source.reason, "binary": source.binary,
    }  # fmt: skip


def _time(analysis: LogAnalysis) -> dict[str, Any]:
    first, last = analysis.first_ns, analysis.last_ns
    zone = (
        str(analysis.stamps.zone) if analysis.stamps.zone else f"this machine's ({datetime.now(UTC).astimezone():%Z})"
    )
    return {
        "first_ns": first, "last_ns": last, "span_s": (last - first) / 1e9 if first is not None and last is not None else None,
        "assumed": [_ASSUMED[key].format(zone=zone) for key in sorted(analysis.stamps.assumed)],
    }  # fmt: skip


def _series(analysis: LogAnalysis, fold: Fold) -> dict[str, Any]:
    metric, scale = metric_of(fold.name), analysis.scale_of(fold)
    points = fold.points()
    every = max(1, math.ceil(len(points) / MAX_POINTS))
    kept = points[::every] + (points[-1:] if points and (len(points) - 1) % every else [])
    best = {"down": (fold.least, fold.least_step), "up": (fold.greatest, fold.greatest_step)}.get(metric.better)
    return {
        "name": fold.name, "unit": metric.unit, "better": metric.better, "count": fold.count,
        "first": _told(fold.first * scale), "last": _told(fold.last * scale),
        "best": {"value": _told(best[0] * scale), "step": _known(best[1])} if best and math.isfinite(best[0]) else None,
        "least": _told(fold.least * scale), "greatest": _told(fold.greatest * scale),
        "not_finite": fold.not_finite, "steps_back": fold.backward, "last_step": _known(fold.last_step),
        "last_epoch": _known(fold.last_epoch), "every": fold.stride * every,
        "values": [_told(p[0] * scale) for p in kept], "steps": [_known(p[1]) for p in kept],
        "epochs": [_known(p[2]) for p in kept], "times_ns": [p[3] or None for p in kept],
    }  # fmt: skip


def _told(value: float) -> float | None:
    """What is not finite is null, as JSON has no word for it; ``not_finite`` counts them."""
    return value if math.isfinite(value) else None


def _known(value: int) -> int | None:
    return None if value == UNKNOWN else value


def _template(template: Template) -> dict[str, Any]:
    return {
        "id": template.id, "text": shown(template.text, 300), "count": template.count, "taken_for": template.taken_for,
        "level": template.level, "example": shown(template.example, 300), "line": template.first_line, "file": template.source,
    }  # fmt: skip


def _tracebacks(analysis: LogAnalysis) -> list[dict[str, Any]]:
    return [
        {
            "exception": shown(c.exception), "message": shown(c.message), "where": shown(c.where), "count": c.count, "line": c.line,
            "file": c.source, "time_ns": c.time_ns, "lines": c.length, "causes": [shown(text) for text in c.causes],
            "text": [shown(line, 300) for line in c.text],
        }
        for c in sorted(analysis.facts.crashes.values(), key=lambda c: -c.count)[:MAX_LISTED]
    ]  # fmt: skip


def _rate(analysis: LogAnalysis) -> dict[str, Any]:
    rates = analysis.facts.rates
    worst = rates.worst()
    minutes = (
        (analysis.last_ns - analysis.first_ns) / 60e9
        if analysis.first_ns is not None and analysis.last_ns is not None
        else 0
    )
    timed = sum(rates.counts.values())
    return {
        "bucket_s": rates.bucket_s, "counts": [[bucket * rates.bucket_s, n] for bucket, n in sorted(rates.counts.items())],
        "per_minute": timed / max(minutes, 1.0) if timed else None,
        "worst": {"from_s": worst[0], "per_minute": worst[1]} if worst else None, "without_time": rates.untimed,
    }  # fmt: skip


def _unusual(templates: list[Template], told: int) -> list[Template]:
    """Messages that are rare in a long log, beside warnings and errors, which are told anyway."""
    if told < RARE_AMONG:
        return []
    rare = [
        t
        for t in templates
        if 0 < t.count <= RARE_COUNT and t.level not in LEVELS and t.taken_for in ("runtime", "unknown")
    ]
    return sorted(rare, key=lambda t: (t.taken_for != "unknown", t.first_line))


def _notes(analysis: LogAnalysis) -> list[str]:
    facts = analysis.facts
    notes = [
        f"{s.name}: {'not read' if s.state == 'failed' else 'read in part'}: {s.reason}"
        for s in analysis.sources
        if s.reason
    ]
    notes += [f"{count} lines not read: {why}" for why, count in analysis.reasons.items()]
    percent = [fold.name for fold in analysis.series.values() if analysis.scale_of(fold) != 1]
    said = (
        (analysis.cut_lines, "{} lines were cut: longer than 65536 characters"),
        (analysis.undecodable, "{} characters are not UTF-8"),
        (analysis.series_lost, f"{{}} series beyond the first {len(analysis.series)} were not kept"),
        (facts.params_lost, "{} settings beyond the first 500 were not kept"),
        (facts.crashes_lost, "{} tracebacks beyond the first 100 kinds were not kept"),
        (analysis.templates.forgotten, "{} templates that were not seen for long made room for others"),
        (sum(f.not_finite for f in analysis.series.values()), "{} values are NaN or infinite"),
        (len(percent), f"read as percent, because of values above 1: {', '.join(percent)}"),
        (sum(f.backward > 0 for f in analysis.series.values()), "in {} series steps go back: a restart, several runs in one log, or steps that the program counts so"),
    )  # fmt: skip
    return notes + [text.format(count) for count, text in said if count]
