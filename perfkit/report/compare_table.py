"""Runs side by side on a terminal: the sentence, the figures, what makes the difference, and what is not alike. Made from the document alone."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

from . import compare_many, compare_why, units
from .layout import Line, Page, clean, cut, width_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .layout import Piece

Row = dict[str, Any]

MAX_WIDTH, MIN_WIDTH = 120, 60
UNSEEN, BEST = "–", "*"
# Parts of a step that are shorter than this share of it in all runs are left to -v.
SMALL_SHARE = 0.01
# Figures that are this close are alike.
ALIKE = 0.005
# From this half width on an interval has no digits after the point.
WIDE = 0.0995
#: Groups of figures, in the order they are read; the later ones are set off by an empty line.
GROUPS = ("speed", "step", "device", "efficiency", "machine", "memory", "energy")
#: Figures that others on the page already tell; -v has them.
LEFT_OUT = ("median_s", "gpu_percent")
STYLES = {
    "faster": "bold green",
    "slower": "bold red",
    "equal": "bold",
    "unsure": "bold yellow",
    "incomparable": "bold yellow",
}


def show(
    document: Row, stream: IO[str], *, verbose: int = 0, color: bool | None = None, width: int | None = None
) -> None:
    """Print it to *stream*."""
    from .terminal import put_out, speaks_unicode

    unicode = speaks_unicode(stream)

    def lines(width: int) -> list[Line]:
        return render(document, width=width, verbose=verbose, bars=unicode)

    put_out(lines, stream, color=color, width=width)


def render(document: Row, *, width: int = MAX_WIDTH, verbose: int = 0, bars: bool = True) -> list[Line]:
    """The page as styled lines, none wider than *width*."""
    page = Page(max(MIN_WIDTH, min(width, MAX_WIDTH)), bars=bars)
    page.rule("perfkit compare", _scripts(document))
    many = len(document["sides"]) > compare_many.MANY
    if not many:
        _sides(document, page)
    page.blank()
    _sentences(document, page, many=many)
    page.blank()
    if many:
        compare_many.add(document, page)
    if not many or verbose:
        _table(document, page, verbose=verbose)
    compare_why.add(document, page, verbose=verbose)
    page.blank()
    for note in document["notes"]:
        page.paragraph(clean(note), style="dim")
    page.paragraph("next: " + " · ".join(next_steps(document)), style="dim")
    return page.lines


def _sentences(document: Row, page: Page, *, many: bool) -> None:
    """How each run compares with the first, of many the fastest; and what is not alike."""
    rows = document["against"]
    whole = [(document["headline"], compare_many.verdict(rows))]
    for text, verdict in whole if many else [(row["headline"], row["verdict"]) for row in rows]:
        page.paragraph(clean(text), style=STYLES[verdict])
    for line in compare_many.unlike(document):
        page.paragraph(clean(line), style="yellow")


def _scripts(document: Row) -> str:
    """What was run, once where it is the same."""
    names = dict.fromkeys(" ".join(map(str, run["command"])) for run in document["runs"])
    return clean(next(iter(names))) if len(names) == 1 else f"{len(document['runs'])} runs"


def _sides(document: Row, page: Page) -> None:
    """What each number means."""
    for side in document["sides"]:
        runs = [run for run in document["runs"] if run["side"] == side["number"]]
        names = runs[0]["id"] if len(runs) == 1 else f"{len(runs)} runs: {', '.join(run['id'][-6:] for run in runs)}"
        ended = "" if runs[0]["status"] == "finished" else f" ({runs[0]['status']})"
        label = "" if side["label"] == runs[0]["id"] else f"  {clean(side['label'])}"
        page.add((f"{side['number']:>3}", "bold"), (label, "cyan"), (f"  {clean(names)}{ended}", "dim"))


# --- the figures


def _table(document: Row, page: Page, *, verbose: int) -> None:
    rows = [row for row in document["rows"] if verbose or _is_worth_it(row, document)]
    rows.sort(key=lambda row: GROUPS.index(row["group"]))
    head = [
        "",
        *(str(side["number"]) for side in document["sides"]),
        *(f"{side['number']} / 1" for side in document["sides"][1:]),
    ]
    cells = [_cells(row, spread=True) for row in rows]
    if _width([head, *cells]) > page.width:
        cells = [_cells(row, spread=False) for row in rows]
    if _width([head, *cells]) > page.width:
        head, cells = head[: len(document["sides"]) + 1], [row[: len(document["sides"]) + 1] for row in cells]
    widths = [max(width_of(row[at]) for row in [head, *cells]) for at in range(len(head))]
    page.add(*_line(head, widths, None))
    for number, (row, texts) in enumerate(zip(rows, cells, strict=True)):
        if (
            number
            and row["group"] != rows[number - 1]["group"]
            and page.width >= MIN_WIDTH
            and _is_break(rows[number - 1], row)
        ):
            page.blank()
        page.add(*_line(texts, widths, row))


def _is_break(before: Row, after: Row) -> bool:
    """Whether an empty line stands between two groups: what follows the step's parts is about the machine."""
    return "step" in (before["group"], after["group"])


def _is_worth_it(row: Row, document: Row) -> bool:
    if row["key"] in LEFT_OUT or (row["key"] == "sample_s" and document["per"] == "step"):
        return False
    if not any(value["value"] for value in row["values"]):
        return False
    if row["group"] != "step":
        return True
    steps = {side["number"]: side["step_s"] for side in document["sides"]}
    shares = [
        value["value"] / steps[number]
        for number, value in enumerate(row["values"], 1)
        if value["value"] is not None and steps[number]
    ]
    return max(shares, default=0.0) >= SMALL_SHARE


def _width(lines: Sequence[Sequence[str]]) -> int:
    return sum(max(width_of(line[at]) for line in lines) for at in range(len(lines[0]))) + 2 * (len(lines[0]) - 1)


def _cells(row: Row, *, spread: bool) -> list[str]:
    values = [
        _value(value, row["unit"], spread=spread) + (f" {BEST}" if row["best"] == number else "  ")
        for number, value in enumerate(row["values"], 1)
    ]
    return [row["name"], *values, *(_change(row, number) for number in range(2, len(row["values"]) + 1))]


def _value(found: Row, unit: str, *, spread: bool) -> str:
    if found["value"] is None:
        return UNSEEN
    text = said(found["value"], unit)
    if not spread or found["low"] is None or found["high"] is None or not found["value"]:
        return text
    half = (found["high"] - found["low"]) / 2 / abs(found["value"])
    return f"{text} ±{100 * half:.1f} %" if half < WIDE else f"{text} ±{100 * half:.0f} %"


def said(value: float, unit: str) -> str:
    """A figure with its unit."""
    if unit == "s":
        return units.seconds(value)
    if unit == "share":
        return units.share(value)
    if unit == "B":
        return units.size(value) if value >= 0 else f"−{units.size(-value)}"
    if unit == "usd":
        return f"${units.digits(value, 3)}"
    if unit == "percent":
        return f"{value:.0f} %"
    word = {"1/s": "/s", "J": " J", "W": " W", "MHz": " MHz"}.get(unit, "")
    return f"{units.count(value)}{word}"


def _change(row: Row, number: int) -> str:
    """Times the first side's figure; of a share that is no efficiency the difference in points of the step."""
    first, mine, ratio = row["values"][0]["value"], row["values"][number - 1]["value"], row["ratios"][number - 1]
    if row["unit"] == "share" and row["group"] == "device" and first is not None and mine is not None:
        return "=" if abs(mine - first) < ALIKE / 10 else f"{100 * (mine - first):+.1f} pt".replace("-", "−")
    if ratio is None:
        return UNSEEN
    return "=" if abs(ratio - 1) < ALIKE else f"{units.digits(ratio, 3)}×"


def _line(texts: Sequence[str], widths: Sequence[int], row: Row | None) -> list[Piece]:
    """The first cell to the left, the others to the right; the best of a row stands out."""
    made: list[Piece] = [(_filled(texts[0], widths[0]), "" if row else "bold")]
    for at, (text, width) in enumerate(zip(texts[1:], widths[1:], strict=True), 1):
        style = "bold" if row is None else "bold green" if at == row["best"] and at <= len(row["values"]) else ""
        style = "dim" if row is not None and at > len(row["values"]) else style
        made.append(("  " + " " * (width - width_of(text)) + text, style))
    return made


def _filled(text: str, width: int) -> str:
    fitted = "".join(piece for piece, _ in cut([(text, "")], width))
    return fitted + " " * (width - width_of(fitted))


def next_steps(document: Row) -> list[str]:
    """The next useful commands."""
    runs = document["runs"]
    verdicts = {row["verdict"] for row in document["against"]}
    slowest = max(
        (side for side in document["sides"] if side["step_s"]),
        key=lambda side: side["step_s"],
        default=document["sides"][0],
    )
    told = [f"perfkit report {runs[slowest['runs'][0] - 1]['id'][-6:]}"]
    if verdicts & {"unsure", "equal"} and len(runs) == len(document["sides"]):
        told.insert(0, "run each once more, then the same with all of them and --group")
    return [*told, "the same with -v or --json -"]
