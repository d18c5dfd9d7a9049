"""An alert as sinks are given it: a JSON object, and a line for people."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from ...model.monitoring import Alert
from ..record import plain
from .rules import NS_PER_S

ID_LENGTH = 16  # hexadecimal digits of the digest: a collision within a run is out of the question
#: Bytes of JSON: a receiver takes a message, not a file.
LARGEST_EVIDENCE = 16 * 1024


def identity(alert: Alert) -> str:
    """The id of an alert: the same each time that it is delivered, so that a receiver knows what it has had."""
    parts = (alert.run, alert.rule, alert.metric, alert.state, alert.since_ns, alert.time_ns)
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:ID_LENGTH]


def payload(alert: Alert) -> dict[str, Any]:
    """The alert as JSON has it, with its id, its time in words and its line (``text``, which chat services show)."""
    found = {"id": identity(alert), **asdict(alert), "time": _utc(alert.time_ns), "text": line(alert)}
    if len(json.dumps(plain(alert.evidence))) > LARGEST_EVIDENCE:
        found["evidence"] = {"left_out": f"more than {LARGEST_EVIDENCE} bytes; it is in the run's record"}
    message: dict[str, Any] = plain(found)
    return message


def line(alert: Alert) -> str:
    """One line for people, in printable characters."""
    about = f" [{alert.run}]" if alert.run else ""
    return printable(f"{alert.state.upper()} {alert.severity}{about} {alert.rule}: {alert.message}")


def printable(text: str) -> str:
    """*text* on one line, without what a terminal would obey."""
    return "".join(c if c.isprintable() else " " if c.isspace() else "?" for c in text)


def lasted(seconds: float) -> str:
    """A duration in words: ``350 ms``, ``12 s``, ``3 min 5 s``, ``2 h 10 min``."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.3g} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min" + (f" {whole % 60} s" if whole % 60 else "")
    return f"{whole // 3600} h" + (f" {whole % 3600 // 60} min" if whole % 3600 // 60 else "")


def _utc(time_ns: int) -> str:
    try:
        return datetime.fromtimestamp(time_ns / NS_PER_S, tz=UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError, OSError):
        return ""
