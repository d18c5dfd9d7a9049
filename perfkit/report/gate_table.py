"""The verdicts of a gate on a terminal: what takes longer than it did, what does not, and what could not be told."""

from __future__ import annotations

from typing import IO, Any

from .layout import Line, Page, clean, cut, width_of
from .units import seconds

Row = dict[str, Any]

MAX_WIDTH, MIN_WIDTH = 100, 60
HEADINGS = ("benchmark", "base", "head", "change (95 %)", "verdict")
STYLES = {
    "regressed": "bold red",
    "failed": "bold red",
    "improved": "green",
    "same": "dim",
    "inconclusive": "yellow",
    "skipped": "dim",
}
#: What needs somebody comes first.
ORDER = ("failed", "regressed", "inconclusive", "improved", "same", "skipped")
UNSEEN = "–"


def show(document: Row, stream: IO[str], *, color: bool | None = None, width: int | None = None) -> None:
    """Print it to *stream*."""
    from .terminal import put_out

    put_out(lambda width: render(document, width=width), stream, color=color, width=width)


def render(document: Row, *, width: int = MAX_WIDTH) -> list[Line]:
    """The page as styled lines."""
    page = Page(max(MIN_WIDTH, min(width, MAX_WIDTH)))
    base, head = document["base"]["label"], document["head"]["label"]
    page.rule("perfkit bench", f"{clean(head)} against {clean(base)}")
    rows = sorted(document["benchmarks"], key=lambda row: ORDER.index(row["verdict"]))
    _table(rows, page)
    for row in rows:
        for told, style in (
            (another_answer(row), "bold red"),
            (row["why"], ""),
        ):
            if told:
                page.add((f"{clean(row['id'].rpartition('::')[2])}: ", "dim"), (clean(told), style))
    for word, names in (("new", document["new"]), ("gone", document["gone"])):
        if names:
            page.add((f"{word}: ", "dim"), (clean(", ".join(names)), ""))
    page.add((_summary(rows, document), "bold"))
    return page.lines


def _table(rows: list[Row], page: Page) -> None:
    told = [
        (clean(row["id"]), _time(row["seconds"]["base"]), _time(row["seconds"]["head"]), change(row), row["verdict"])
        for row in rows
    ]
    widths = [max(width_of(line[column]) for line in [HEADINGS, *told]) for column in range(len(HEADINGS))]
    widths[0] = max(12, min(widths[0], page.width - sum(widths[1:]) - 2 * (len(widths) - 1)))
    page.add((_line(HEADINGS, widths), "bold"))
    for line, row in zip(told, rows, strict=True):
        text = _line(line, widths)
        page.add((text[: -len(row["verdict"])], ""), (row["verdict"], STYLES[row["verdict"]]))


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    first = "".join(text for text, _ in cut([(cells[0], "")], widths[0]))
    padded = [first + " " * (widths[0] - width_of(first))]
    padded += [" " * (width - width_of(cell)) + cell for cell, width in zip(cells[1:-1], widths[1:-1], strict=True)]
    return "  ".join([*padded, cells[-1]])


def _time(value: float | None) -> str:
    return UNSEEN if value is None else seconds(value)


def change(row: Row) -> str:
    """``+5.1 % [4.2, 6.0]``: positive takes longer."""
    found = row["change"]
    if found["estimate"] is None:
        return UNSEEN
    ends = ", ".join("…" if end is None else f"{100 * end:.1f}" for end in (found["low"], found["high"]))
    return f"{100 * found['estimate']:+.1f} % [{ends}]".replace("-", "−")


def another_answer(row: Row) -> str:
    """That it computes another thing on the two sides; empty where it does not."""
    return f"its answer is another one: {row['outputs']}" if row["outputs"] else ""


def _summary(rows: list[Row], document: Row) -> str:
    counts = {verdict: sum(row["verdict"] == verdict for row in rows) for verdict in ORDER}
    words = [f"{number} {verdict}" for verdict, number in counts.items() if number]
    return f"{', '.join(words)}; {max((row['pairs'] for row in rows), default=0)} pairs, {seconds(document['seconds'])}"
