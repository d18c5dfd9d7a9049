"""A comparison of many runs: a line for each, since they have no room beside one another; and what is not alike, once for all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import columns, units
from .layout import clean

if TYPE_CHECKING:
    from .layout import Page

Row = dict[str, Any]

#: More sides than this are shown a line each.
MANY = 4
UNSEEN, BEST = "–", "*"
# Figures of a line, and what stands above them, the more important first: what has no room is left out from the end.
FIGURES = {
    "step_s": "step", "sample_s": "a sample", "samples_per_s": "samples/s", "usd_per_million": "$/million", "launch_share": "launch-bound",
    "mfu": "MFU", "peak_bytes": "memory", "joules_per_sample": "J/sample", "cores_used": "cores",
}  # fmt: skip
FAST = "as fast"


def verdict(rows: list[Row]) -> str:
    """The verdict that the sentence of many runs is about."""
    found = [row["verdict"] for row in rows]
    return next((word for word in ("faster", "slower", "unsure", "equal") if word in found), "incomparable")


def unlike(document: Row) -> list[str]:
    """Lines on what is labelled: of two runs what it is, of several who it is about and what it is where that is the same for all."""
    several = len(document["sides"]) > 2
    found: dict[str, list[Row]] = {}
    for row in document["unlike"]:
        if row["level"] == "labelled":
            found.setdefault(row["what"], []).append(row)
    lines = []
    for what, rows in found.items():
        texts = dict.fromkeys(row["text"] for row in rows)
        told = (
            next(iter(texts))
            if len(texts) == 1
            else "; ".join(f"{row['side']}: {_detail(row['text'])}" for row in rows)
        )
        head = f"{rows[0]['text'].partition(':')[0]}: " if len(texts) > 1 else ""
        which = f"1 and {', '.join(str(row['side']) for row in rows)}: " if several and len(texts) == 1 else ""
        how = " (compared per sample)" if what == "batch" and document["per"] == "sample" else ""
        lines.append(f"not alike: {which}{head}{told}{how}")
    return lines


def _detail(text: str) -> str:
    return text.partition(": ")[2] or text


def add(document: Row, page: Page) -> None:
    """The table: number and label, times as fast as the first, and figures as far as there is room."""
    rows = {row["key"]: row for row in document["rows"]}
    keys = [key for key in FIGURES if key in rows and (key != "sample_s" or document["per"] == "sample")]
    found = _lines(document, rows, keys)
    while len(keys) > 1 and sum(columns.widths(found, page.width)) + 2 * (len(keys) + 2) > page.width:
        keys.pop()
        found = _lines(document, rows, keys)
    widths = columns.widths(found, page.width)
    fastest = max((row["speedup"]["value"] for row in document["against"] if row["speedup"]), default=None)
    for number, cells in enumerate(found):
        best = (
            number > 1
            and document["against"][number - 2]["speedup"]
            and document["against"][number - 2]["speedup"]["value"] == fastest
        )
        page.add(
            (
                columns.line(cells, widths),
                "bold" if number == 0 else "bold green" if best and (fastest or 0) > 1 else "",
            )
        )


def _lines(document: Row, rows: dict[str, Row], keys: list[str]) -> list[tuple[str, ...]]:
    head = ("", *(FIGURES[key] for key in keys), FAST)
    return [head, *(_line(document, rows, keys, side) for side in document["sides"])]


def _line(document: Row, rows: dict[str, Row], keys: list[str], side: Row) -> tuple[str, ...]:
    from .compare_table import said

    number = side["number"]
    values = [
        (rows[key]["values"][number - 1]["value"], rows[key]["unit"], rows[key]["best"] == number) for key in keys
    ]
    figures = [
        UNSEEN if value is None else said(value, unit) + (f" {BEST}" if best else "  ") for value, unit, best in values
    ]
    name = document["runs"][side["runs"][0] - 1]["id"][-6:] if len(side["runs"]) == 1 else f"{len(side['runs'])} runs"
    return (f"{number:>3}  {clean(name)}  {clean(side['label'])}", *figures, _speed(document, number))


def _speed(document: Row, number: int) -> str:
    found = next((row for row in document["against"] if row["side"] == number), None)
    if found is None:
        return "1×"
    speed = found["speedup"]
    if speed is None:
        return "not compared"
    ends = (
        f" ({units.digits(speed['low'], 3)}–{units.digits(speed['high'], 3)})" if speed["low"] and speed["high"] else ""
    )
    return f"{units.digits(speed['value'], 3)}×{ends}"
