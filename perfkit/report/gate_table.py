"""The verdicts of a gate on a terminal: what takes longer than it did, what does not, and what could not be told."""

from __future__ import annotations

from typing import IO, Any

from . import columns, units
from .layout import Line, Page, clean
from .units import count, seconds, size

Row = dict[str, Any]

MAX_WIDTH, MIN_WIDTH = 100, 60
CHANGE = "change (95 %)"
STYLES = {
    "regressed": "bold red",
    "failed": "bold red",
    "improved": "green",
    "same": "dim",
    "inconclusive": "yellow",
    "skipped": "dim",
    "incomparable": "yellow",
}
#: What needs somebody comes first.
ORDER = ("failed", "regressed", "inconclusive", "improved", "same", "skipped", "incomparable")
UNSEEN = "–"


def show(
    document: Row, stream: IO[str], *, color: bool | None = None, width: int | None = None, verb: str = "perfkit bench"
) -> None:
    """Print it to *stream*, under the name of the *verb*."""
    from .terminal import put_out

    put_out(lambda width: render(document, width=width, verb=verb), stream, color=color, width=width)


def render(document: Row, *, width: int = MAX_WIDTH, verb: str = "perfkit bench") -> list[Line]:
    """The page as styled lines."""
    page = Page(max(MIN_WIDTH, min(width, MAX_WIDTH)))
    base, head = document["base"]["label"], document["head"]["label"]
    page.rule(verb, f"{clean(head)} against {clean(base)}")
    rows = sorted(document["benchmarks"], key=lambda row: ORDER.index(row["verdict"]))
    _table(rows, page, ("benchmark", "base", "head", document.get("change", CHANGE), "verdict"))
    for row in rows:
        for told, style in (
            (another_answer(row), "bold red"),
            (row["why"], ""),
            *((told, "dim") for told in other_counts(row)),
            (row["uncounted"] and f"could not be counted: {row['uncounted']}", "dim"),
        ):
            if told:
                page.paragraph(clean(f"{row['id'].rpartition('::')[2]}: {told}"), style=style)
    for line in document.get("notes", ()):
        page.paragraph(clean(line), style="yellow")
    for word, names in (("new", document["new"]), ("gone", document["gone"])):
        if names:
            page.add((f"{word}: ", "dim"), (clean(", ".join(names)), ""))
    page.add((_summary(rows, document), "bold"))
    return page.lines


def _table(rows: list[Row], page: Page, headings: tuple[str, ...]) -> None:
    told = [
        (clean(row["id"]), _time(row["seconds"]["base"]), _time(row["seconds"]["head"]), change(row), row["verdict"])
        for row in rows
    ]
    widths = columns.widths([headings, *told], page.width)
    page.add((columns.line(headings, widths), "bold"))
    for cells, row in zip(told, rows, strict=True):
        text = columns.line(cells, widths)
        page.add((text[: -len(row["verdict"])], ""), (row["verdict"], STYLES[row["verdict"]]))


def _time(value: float | None) -> str:
    return UNSEEN if value is None else seconds(value)


def change(row: Row) -> str:
    """``+5.1 % [4.2, 6.0]``: positive takes longer."""
    found = row["change"]
    if found["estimate"] is None:
        return UNSEEN
    return units.changed(found["estimate"], found["low"], found["high"])


def other_counts(row: Row) -> list[str]:
    """What else a call takes more or less of: ``arithmetic 71.0 MFLOP → 142 MFLOP (+100 %)``."""
    return [
        f"{each['label']} {_amount(each['base'], each['unit'])} → {_amount(each['head'], each['unit'])} ({units.change(each['change'])})"
        for each in row["counts"]
        if each["differs"]
    ]


def _amount(value: float, unit: str) -> str:
    return size(value) if unit == "B" else f"{count(value)} {unit}".replace(" FLOP", "FLOP").strip()


def another_answer(row: Row) -> str:
    """That it computes another thing on the two sides; empty where it does not."""
    return f"its answer is another one: {row['outputs']}" if row["outputs"] else ""


def _summary(rows: list[Row], document: Row) -> str:
    counts = {verdict: sum(row["verdict"] == verdict for row in rows) for verdict in ORDER}
    words = [f"{number} {verdict}" for verdict, number in counts.items() if number]
    if "seconds" not in document:
        return ", ".join(words)
    return f"{', '.join(words)}; {max((row['pairs'] for row in rows), default=0)} pairs, {seconds(document['seconds'])}"
