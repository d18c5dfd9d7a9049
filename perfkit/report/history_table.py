"""A history of benchmarks on a terminal: a table for each machine, and below it where a level changed."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

from . import columns, units
from .layout import Line, Page, clean
from .units import seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

Row = dict[str, Any]

MAX_WIDTH, MIN_WIDTH = 100, 60
HEADINGS = ("benchmark", "points", "latest", "noise", "history")
BARS = "▁▂▃▄▅▆▇█"
#: Points that are drawn, the newest, and the least range that they are drawn in: noise is not to look like mountains.
DRAWN, LEAST_RANGE = 24, 0.1
STYLES = {"confirmed": "bold red", "not confirmed": "dim", "inconclusive": "yellow", "accepted": "dim"}
GAIN = "green"
UNSEEN = "–"
_SHORT = 8


def show(document: Row, stream: IO[str], *, color: bool | None = None, width: int | None = None) -> None:
    """Print it to *stream*; without the little curves where they cannot be shown."""
    from .terminal import put_out, speaks_unicode

    draws = speaks_unicode(stream)
    put_out(lambda width: render(document, width=width, draws=draws), stream, color=color, width=width)


def render(document: Row, *, width: int = MAX_WIDTH, draws: bool = True) -> list[Line]:
    """The page as styled lines."""
    page = Page(max(MIN_WIDTH, min(width, MAX_WIDTH)))
    page.rule("perfkit bench history", f"{document['results']} result{'s' * (document['results'] != 1)}")
    for machine, facts in document["machines"].items():
        rows = [row for row in document["series"] if row["machine"] == machine]
        if rows:
            page.add(("machine ", "dim"), (machine_line(facts), ""), (f" ({machine})", "dim"))
            _table(rows, page, draws)
            for row in rows:
                for change in row["changes"]:
                    _change(row, change, page)
    _notes(document, page)
    return page.lines


def machine_line(facts: Row) -> str:
    """``AMD EPYC 7B12, 2 cores, 8 GiB``: of a fingerprint what tells machines apart for a person."""
    known = [
        facts.get("cpu"),
        f"{facts['usable_cores']:g} cores" if facts.get("usable_cores") else None,
        f"{facts['memory_gib']} GiB" if facts.get("memory_gib") else None,
        facts.get("gpus"),
    ]
    return clean(", ".join(str(fact) for fact in known if fact) or "of which nothing is known")


def _table(rows: Sequence[Row], page: Page, draws: bool) -> None:
    told = [
        (_name(row), str(len(row["points"])), _latest(row), _noise(row), _curve(row["points"]) if draws else "")
        for row in rows
    ]
    headings = HEADINGS if draws else (*HEADINGS[:-1], "")
    widths = columns.widths([headings, *told], page.width)
    page.add((columns.line(headings, widths).rstrip(), "bold"))
    for cells in told:
        page.add((columns.line(cells, widths).rstrip(), ""))


def _name(row: Row) -> str:
    return clean(row["benchmark"] + (f" against {row['base'][:_SHORT]}" if row["base"] else ""))


def _latest(row: Row) -> str:
    value = row["points"][-1]["value"]
    return seconds(value) if row["kind"] == "seconds" else units.change(value - 1)


def _noise(row: Row) -> str:
    return UNSEEN if row["noise"] is None else f"{100 * row['noise']:.1f} %"


def _curve(points: Sequence[Row]) -> str:
    """The newest points as bars, higher for slower."""
    values = [point["value"] for point in points[-DRAWN:]]
    low, high = min(values), max(values)
    spare = max(0.0, LEAST_RANGE * low - (high - low)) / 2
    low, high = low - spare, high + spare
    return "".join(BARS[min(len(BARS) - 1, int((value - low) / (high - low) * len(BARS)))] for value in values)


def _change(row: Row, change: Row, page: Page) -> None:
    """``test_forward: +5.1 % from 1a2b3c4d on (2026-10-12): confirmed, +4.9 % [4.1, 5.8]``."""
    where = f" from {change['after'][:_SHORT]} on" if change["after"] else " on"
    style = STYLES.get(change["verdict"] or "", "")
    if change["verdict"] == "confirmed" and change["change"] < 0:
        style = GAIN
    page.add(
        (f"{clean(row['benchmark'].rpartition('::')[2])}: ", "dim"),
        (f"{units.change(change['change'])}{clean(where)} ({change['time'][:10]}): ", ""),
        (_verdict(change), style),
    )
    for line in (change["why"] if change["verdict"] else "", ", ".join(change["software"])):
        if line:
            page.add(("   ", ""), (clean(line), "dim"))


def _verdict(change: Row) -> str:
    if change["verdict"] is None:
        return f"cannot be confirmed: {change['why']}" if change["why"] else "not run again yet (--confirm)"
    found = change["measured"]
    if found["estimate"] is None:
        return str(change["verdict"])
    told = units.changed(found["estimate"], found["low"], found["high"])
    further = "" if [change["before"], change["after"]] == change["ran"] else _between(change["ran"])
    return f"{change['verdict']}, {told}{further}"


def _between(ran: Sequence[str]) -> str:
    return f", {ran[0][:_SHORT]} to {ran[1][:_SHORT]}"


def _notes(document: Row, page: Page) -> None:
    few = sum(bool(row["why"]) for row in document["series"])
    notes = [
        f"{few} of {len(document['series'])} series are too short to look for changes ({document['least_points']} commits)" if few else "",
        f"{document['left_out']} results of changed sources are left out: no commit has what they measured" if document["left_out"] else "",
        "" if document["series"] else "no benchmark of that name" if document["results"] else "nothing in it yet",
    ]  # fmt: skip
    for note in (*notes, *document["notes"], *document["problems"]):
        if note:
            page.paragraph(clean(note))
