"""What makes the difference between runs: the parts of the step as a waterfall, what they come from, and the operators."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from . import compare_many, units
from .layout import clean, width_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .layout import Page, Piece

Row = dict[str, Any]

# Parts that differ by less than so many points of the step are added up, and so many at most stand by themselves.
SMALL_POINTS, MOST_PARTS = 0.5, 8
OPERATORS_SHOWN, OPERATORS_VERBOSE = 4, 15
# Operators that differ by less than this part of the step are not worth a line.
SMALL_OPERATOR = 0.01
# Where a bar has its room, and how wide it gets.
BAR_FROM, BAR_MOST = 92, 30
PLACES = {
    "host": "host",
    "between": "between steps",
    "waiting": "waiting",
    "unknown": "unexplained",
    "device": "device",
    "processor": "processor",
    "work": "work",
}


def add(document: Row, page: Page, *, verbose: int) -> None:
    """One waterfall for each run that was compared with the first; of many only for the fastest, or where none is faster the slowest."""
    rows = [row for row in document["against"] if row["speedup"] and (verbose or row["verdict"] != "equal")]
    many = len(document["sides"]) > compare_many.MANY and not verbose
    for row in [_farthest(rows)] if many and rows else rows:
        causes = [cause for cause in document["causes"] if cause["side"] == row["side"]]
        page.blank()
        _waterfall(row, causes, document["per"], page, verbose=verbose)
        _because(causes, page)
    if not many:
        _operators(document, page, verbose=verbose)


def _farthest(rows: list[Row]) -> Row:
    faster = [row for row in rows if row["verdict"] == "faster"]
    return (
        max(faster, key=lambda row: row["speedup"]["value"])
        if faster
        else min(rows, key=lambda row: row["speedup"]["value"])
    )


def _waterfall(row: Row, causes: list[Row], per: str, page: Page, *, verbose: int) -> None:
    title = f"why {row['side']} differs from {row['against']}"
    page.add((title, "bold"), (f"   per {per}; shares are of the slower one", "dim"))
    shown = [cause for cause in causes if verbose or abs(cause["points"]) >= SMALL_POINTS][
        : None if verbose else MOST_PARTS
    ]
    rest = [cause for cause in causes if cause not in shown]
    lines = [(_cells(cause), _style(cause["difference_s"]), cause["difference_s"]) for cause in shown]
    if any(cause["before_s"] or cause["after_s"] for cause in rest):
        lines.append((_rest(rest), "dim", sum(cause["difference_s"] for cause in rest)))
    whole = (f"the {per}", "", _span(row["before_s"], row["after_s"]), _factor(row["speedup"]["value"]), "")
    widths = [
        max(width_of(cells[at]) for cells in [*(cells for cells, _, _ in lines), whole]) for at in range(len(whole))
    ]
    room = min(BAR_MOST, page.width - sum(widths) - 2 * len(widths) - 2) if page.bars and page.width >= BAR_FROM else 0
    largest = max((abs(difference) for _, _, difference in lines), default=0.0)
    for cells, style, difference in lines:
        page.add(*_line(cells, widths, style), *_bar(difference, largest, room))
    page.add(*_line(whole, widths, "bold"))
    _unexplained(row, page)


def _cells(cause: Row) -> tuple[str, ...]:
    return (
        clean(cause["name"]),
        PLACES[cause["where"]],
        _span(cause["before_s"], cause["after_s"]),
        _factor(cause["factor"]),
        _points(cause["points"]),
    )


def _rest(rest: list[Row]) -> tuple[str, ...]:
    before, after = sum(cause["before_s"] for cause in rest), sum(cause["after_s"] for cause in rest)
    return (
        "a smaller difference" if len(rest) == 1 else f"{len(rest)} smaller differences",
        "",
        _span(before, after),
        _factor(before / after if before > 0 and after > 0 else None),
        _points(sum(cause["points"] for cause in rest)),
    )


def _span(before: float, after: float) -> str:
    return f"{_time(before)} → {_time(after)}"


def _time(value: float) -> str:
    return units.seconds(value) if value > 0 else "0" if value == 0 else f"−{units.seconds(-value)}"


def _factor(factor: float | None) -> str:
    return "" if factor is None or factor > 1000 or factor < 1e-3 else f"{units.digits(factor, 3)}×"


def _points(points: float) -> str:
    return f"{points:+.1f} %".replace("-", "−")


def _style(difference: float) -> str:
    return "green" if difference < 0 else "red"


def _line(cells: Sequence[str], widths: Sequence[int], style: str) -> list[Piece]:
    """Name and place to the left, figures to the right, the last of them in its colour."""
    made: list[Piece] = []
    for at, (text, width) in enumerate(zip(cells, widths, strict=True)):
        if not width:
            continue
        room = " " * (width - width_of(text))
        look = style if at == len(cells) - 1 or style in ("bold", "dim") else "dim" if at == 1 else ""
        made.append((f"  {text}{room}" if at < 2 else f"  {room}{text}", look))
    return made


def _bar(difference: float, largest: float, room: int) -> list[Piece]:
    length = round(room * abs(difference) / largest) if largest > 0 and room > 0 else 0
    return [("  " + "█" * length, _style(difference))] if length else []


def _unexplained(row: Row, page: Page) -> None:
    left = row["unexplained"]
    if left["points"] >= SMALL_POINTS:
        page.add(
            (
                f"  unexplained: {_time(left['seconds'])}, {units.digits(left['points'], 2)} points of the slower step",
                "yellow",
            )
        )


def _because(causes: list[Row], page: Page) -> None:
    """What the runs differ in, each with the parts that it bears on; and which parts nothing bears on."""
    notable = [cause for cause in causes if abs(cause["points"]) >= SMALL_POINTS]
    bearing: dict[str, list[str]] = {}
    for cause in notable:
        for reason in cause["because"]:
            bearing.setdefault(reason, []).append(cause["name"])
    for reason, names in bearing.items():
        page.paragraph(f"{clean(reason)}  bears on {', '.join(names)}", indent=2, style="cyan")
    open_ones = [cause["name"] for cause in notable if not cause["because"] and cause["cause"]]
    if open_ones:
        page.paragraph(
            f"nothing that was recorded differs that would explain {', '.join(open_ones)}", indent=2, style="dim"
        )


# --- operators


def _operators(document: Row, page: Page, *, verbose: int) -> None:
    rows = [row for row in document["operators"] if verbose or _is_worth_it(row, document)][
        : OPERATORS_VERBOSE if verbose else OPERATORS_SHOWN
    ]
    if not rows:
        return
    page.blank()
    page.add(("operators that differ most", "bold"), (f"   per {document['per']}", "dim"))
    numbers = [side["number"] for side in document["sides"]]
    cells = [_operator(row) for row in rows]
    head = ("", *(str(number) for number in numbers), *(f"{number} / 1" for number in numbers[1:]))
    widths = [max(width_of(row[at]) for row in [head, *cells]) for at in range(len(head))]
    widths[0] = min(widths[0], max(16, page.width - sum(widths[1:]) - 2 * len(widths)))
    for number, texts in enumerate([head, *cells]):
        page.add(*_operator_line(texts, widths, "bold" if number == 0 else ""))


def _is_worth_it(row: Row, document: Row) -> bool:
    steps = [
        side["step_s"] / (side["samples_per_step"] if document["per"] == "sample" else 1.0)
        for side in document["sides"]
        if side["step_s"]
    ]
    return bool(steps) and max(map(abs, row["differences_s"])) >= SMALL_OPERATOR * max(steps)


def _operator(row: Row) -> tuple[str, ...]:
    where = f" in {row['module']}" if row["module"] not in (None, "*") else ""
    name = clean(os.path.basename(row["name"]) if "/" in row["name"] else row["name"]).removeprefix("aten::")  # noqa: PTH119 - a path of any machine
    times = [units.seconds(one["seconds"]) if one and one["seconds"] else "–" for one in row["sides"]]
    return (
        name + clean(where),
        *times,
        *(f"{units.digits(1 / factor, 3)}×" if factor else "–" for factor in row["factors"][1:]),
    )


def _operator_line(texts: Sequence[str], widths: Sequence[int], style: str) -> list[Piece]:
    first = texts[0] if width_of(texts[0]) <= widths[0] else texts[0][: widths[0] - 1] + "…"
    made: list[Piece] = [(f"  {first}{' ' * (widths[0] - width_of(first))}", style or "cyan")]
    return [
        *made,
        *(
            (f"  {' ' * (width - width_of(text))}{text}", style)
            for text, width in zip(texts[1:], widths[1:], strict=True)
        ),
    ]
