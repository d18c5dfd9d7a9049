"""The lists of a monitored run's card: its alerts, and its events with their advice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .layout import Page, clean, cut, width_of
from .units import seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_ALERTS = 3
SEVERITY_STYLES = {"critical": "bold red", "warning": "yellow", "info": "dim"}
SEVERITIES = ("info", "warning", "critical")
_NUMBERED = "123456789abcdefghijklmnopqrstuvwxyz"


def marked(events: list[dict[str, Any]], *, ascii_only: bool = False) -> list[tuple[str, dict[str, Any]]]:
    """Events with the character that marks each. Notes are marked by a dot, and what has no number left by a plus."""
    numbers = iter(_NUMBERED)
    dot = "." if ascii_only else "·"
    return [(dot if e["kind"] == "note" else next(numbers, "+"), e) for e in events]


def add_alerts(rows: list[dict[str, Any]], page: Page, *, verbose: bool) -> None:
    """Alerts, one to a line: all, or the most severe."""
    # The severe, and of those the last, in the order of their time.
    order = sorted(range(len(rows)), key=lambda n: (-SEVERITIES.index(rows[n]["severity"]), -n))
    shown = rows if verbose else [rows[n] for n in sorted(order[:MOST_ALERTS])]
    for row in shown:
        state = row["state"] if row["state"] != "resolved" else f"resolved after {seconds(row['duration_s'])}"
        lasts = "" if row["state"] == "resolved" else f" for {seconds(row['duration_s'])}"
        where = f"step {row['step']}" if row["step"] is not None else row["since_utc"][11:19]
        style = SEVERITY_STYLES[row["severity"]]
        page.add(
            ("alert ", "dim"), (f"{row['severity']:<9}", style), (f"{where:<12}", ""),
            (clean(f"{row['rule']}: {state}{lasts}; {row['message']}"), ""),
        )  # fmt: skip
    if len(rows) > len(shown):
        page.add((f"      {len(rows) - len(shown)} more alerts: -v", "dim"))


def add_events(
    marked: Sequence[tuple[str, dict[str, Any]]], page: Page, room: int, *, verbose: bool, ascii_only: bool
) -> None:
    """Events with their marks, on *room* lines (at least three) unless *verbose*; notes only then."""
    told = [item for item in marked if verbose or item[1]["kind"] != "note"]
    if not told:
        page.add(("no events but notes" if marked else "no events", "dim"))
    room = len(told) * 2 if verbose else max(3, room)
    shown, advised = _share_out([event for _, event in told], room)
    for number, (mark, event) in enumerate(told):
        if number in shown:
            _event(
                mark,
                event if number in advised else event | {"advice": ""},
                page,
                verbose=verbose,
                ascii_only=ascii_only,
            )
    if len(told) > len(shown):
        page.add((f"      {len(told) - len(shown)} more events: -v", "dim"))


def _share_out(events: list[dict[str, Any]], room: int) -> tuple[set[int], set[int]]:
    """Which events (by number) are told in *room* lines, and which of them with their advice: the severe first, then the early."""
    order = sorted(range(len(events)), key=lambda n: (-SEVERITIES.index(events[n]["severity"]), n))
    shown = order if len(order) <= room else order[: room - 1]
    left = room - len(shown) - (len(order) > len(shown))
    advised = [number for number in shown if events[number]["advice"]][: max(0, left)]
    return set(shown), set(advised)


def _event(mark: str, event: dict[str, Any], page: Page, *, verbose: bool, ascii_only: bool) -> None:
    where = f"step {event['step']}" if event["step"] is not None else event["utc"][11:19]
    metric, message = event["metric"], event["message"]
    what = message if not metric or message.startswith(metric) else f"{metric}: {message}"
    style = SEVERITY_STYLES[event["severity"]]
    lead = ((f"{mark:>5} ", "bold"), (f"{event['severity']:<9}", style), (f"{where:<12}", ""))
    indent = sum(width_of(text) for text, _ in lead)
    if verbose:
        page.add(*lead, (clean(f"[{event['source']}] {event['kind']}"), "dim"))
        page.paragraph(clean(what), indent=indent)
    else:
        page.add(*lead, *cut(((clean(what), ""),), page.width - indent))
    if event["advice"]:
        arrow = "-> " if ascii_only else "→ "
        advice = clean(event["advice"])
        if verbose:
            page.paragraph(arrow + advice, indent=indent, style="italic")
        else:
            page.add((" " * indent + arrow, "dim"), *cut(((advice, "italic"),), page.width - indent - len(arrow)))
