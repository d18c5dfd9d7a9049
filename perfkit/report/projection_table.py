"""What a step would take on other devices, on a terminal."""

from __future__ import annotations

from typing import IO, Any

from . import columns
from .layout import LABEL_WIDTH, Line, Page, clean
from .units import count, digits, seconds, size

Row = dict[str, Any]

MAX_WIDTH, MIN_WIDTH = 110, 70
HEADINGS = ("device", "step", "range", "device works", "speed", "memory", "waits for")
UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))
# Classes of work that are told apart: those that take at least this share of the device's time.
WORTH_TELLING = 0.05
UNKNOWN = "–"
LIMITS = {"device": "device", "host": "host", "both": "both in turns", "input": "batches"}


def show(document: Row, stream: IO[str], *, color: bool | None = None, width: int | None = None) -> None:
    """Print it to *stream*."""
    from .terminal import put_out

    put_out(lambda width: render(document, width=width), stream, color=color, width=width)


def render(document: Row, *, width: int = MAX_WIDTH) -> list[Line]:
    """The page as styled lines."""
    page = Page(max(MIN_WIDTH, min(width, MAX_WIDTH)))
    here = document["from"]
    page.rule("perfkit compare", f"{clean(' '.join(document['run']['command']))} on {clean(here['device'])}")
    works = f", in which the device works {seconds(here['busy_s'])}" if here["busy_s"] else ""
    page.add(("a step takes ", ""), (_step(here), "bold"), (works, ""))
    if told := _settings(document["settings"]):
        page.add(("asked for ", "dim"), (told, ""))
    page.blank()
    _table(document["projections"], page)
    page.blank()
    for row in document["projections"]:
        _classes(row, page)
    page.blank()
    for note in dict.fromkeys(note for row in document["projections"] for note in row["notes"]):
        page.paragraph(clean(note), style="dim")
    page.add(("projected, not measured: ", "dim"), ("profile the script there, then perfkit compare both runs", "dim"))
    return page.lines


def _step(here: Row) -> str:
    return seconds(here["step_s"]) if here["step_s"] else "a time that is not known without the profiler"


def _settings(settings: Row) -> str:
    words = [f"batch ×{settings['batch']:g}" if settings["batch"] != 1 else "", settings["dtype"] or ""]
    if settings["compiled"] is not None:
        words.append("compiled" if settings["compiled"] else "not compiled")
    return ", ".join(word for word in words if word)


def _table(rows: list[Row], page: Page) -> None:
    told = [_cells(row) for row in rows]
    widths = columns.widths([HEADINGS, *told], page.width)
    page.add((columns.line(HEADINGS, widths), "bold"))
    for cells in told:
        page.add((columns.line(cells, widths), ""))


def _cells(row: Row) -> tuple[str, ...]:
    step, device, speed = row["step_s"], row["device_s"], row["speedup"]
    return (
        clean(row["device"]),
        _time(step["expected"], step["high"]),
        f"{_time(step['low'], step['high'], unit=False)} – {_time(step['high'], step['high'])}",
        _time(device["expected"], device["high"]) if device else UNKNOWN,
        f"{speed['expected']:.2f}× ({speed['low']:.2f}–{speed['high']:.2f})",
        _memory(row["memory"]),
        LIMITS[row["limit"]],
    )


def _time(value: float, beside: float, *, unit: bool = True) -> str:
    """Three digits, in the unit of what stands *beside* it."""
    scale, name = next((each for each in UNITS if beside >= each[0]), UNITS[-1])
    return digits(value / scale, 3) + (f" {name}" if unit else "")


def _memory(found: Row) -> str:
    if found["fits"] is None:
        return UNKNOWN
    words = {"yes": "fits", "hardly": "hardly fits", "no": "does NOT fit"}[found["fits"]]
    batch = found["largest_batch"]
    return f"{words}, batch ≤ {batch['low']}" if batch else f"{words} {size(found['limit_bytes'])}"


def _classes(row: Row, page: Page) -> None:
    """How many times as fast each class of work is there, of those that take the most time here."""
    whole = sum(each["from_s"] for each in row["classes"])
    shown = [
        each for each in row["classes"] if each["from_s"] >= WORTH_TELLING * whole and each["seconds_per_step"] > 0
    ]
    items = [
        [(f"{each['name']} ", "dim"), (f"{each['from_s'] / each['seconds_per_step']:.2f}×", "")]
        for each in sorted(shown, key=lambda each: -each["from_s"])
    ]
    if row["samples_per_s"]:
        items.append([(f"{count(row['samples_per_s']['expected'])} samples/s", "bold")])
    page.row(clean(row["device"])[: LABEL_WIDTH - 1], items)
