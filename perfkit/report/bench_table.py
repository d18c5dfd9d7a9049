"""What `perfkit bench inference` found, on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO, Any

from ..stats.quantiles import PERCENTILES
from .layout import Line, Page, Piece, clean, width_of
from .units import count, seconds, share

MIN_WIDTH, MAX_WIDTH = 60, 100
UNKNOWN = "–"

Row = dict[str, Any]


def show(document: Row, stream: IO[str], *, color: bool | None = None, width: int | None = None) -> None:
    """Print it to *stream*."""
    from .terminal import put_out

    put_out(lambda width: render(document, width=width), stream, color=color, width=width)


def render(document: Row, *, width: int = MAX_WIDTH) -> list[Line]:
    """The page as styled lines."""
    page = Page(max(MIN_WIDTH, min(width, MAX_WIDTH)))
    model = document["model"]
    page.rule(f"perfkit bench · {clean(model['spec'])}", clean(model["kind"]))
    page.add(
        ("first call ", ""),
        (seconds(document["first_call_s"]), "bold"),
        (f" · warm after {document['warm_up']['cut']} calls", "dim"),
    )
    _outputs(document["outputs"], page)
    page.blank()
    _scenarios(document["scenarios"], page)
    _sweep("batch", document["batches"], page)
    _sweep("clients", document["clients"], page)
    return page.lines


def _outputs(found: Row, page: Page) -> None:
    mismatch = found["mismatch"]
    if mismatch is not None:
        told = f"output {mismatch['output']}{list(mismatch['worst_index'])} is {mismatch['got']:.6g}, was {mismatch['expected']:.6g}"
        page.add(("outputs are WRONG ", "bold red"), (f"{told}; {share(mismatch['share'])} of it beyond tolerance", ""))
    elif found["checked"]:
        page.add(("outputs are those that were kept", "green"))
    if found["kept"]:
        page.add(("outputs kept in ", "dim"), (clean(found["kept"]), "dim"))


def _scenarios(rows: list[Row], page: Page) -> None:
    head = ("scenario", "queries", "samples/s", *PERCENTILES, "")
    _table(page, head, [_scenario(row) for row in rows])
    for row in rows:
        if told := _judgement(row):
            style = "" if row["verdict"]["valid"] and row["verdict"]["kept"] is not False else "yellow"
            page.add((f"{row['scenario']}: ", "dim"), (told, style))


def _scenario(row: Row) -> tuple[str, ...]:
    latency = row["latency"]
    told = [_percentile(latency[name]) if latency else UNKNOWN for name in PERCENTILES]
    return (row["scenario"], f"{row['queries']:,}", count(row["samples_per_s"]), *told, "")


def _percentile(found: Row) -> str:
    return seconds(found["value"]) if found["enough"] else "too few"


def _judgement(row: Row) -> str:
    verdict = row["verdict"]
    if not verdict["valid"]:
        return str(verdict["why"])
    words = [f"at {count(row['offered_per_s'])}/s offered"] if row["offered_per_s"] else []
    if row["limit_s"] is not None:
        words.append(f"{'within' if verdict['kept'] else 'BEYOND'} {seconds(row['limit_s'])}")
    return ", ".join(words)


def _sweep(word: str, found: Row | None, page: Page) -> None:
    if found is None:
        return
    page.blank()
    knee = (found["knee"] or {}).get("size")
    rows = [
        (
            str(row["size"]),
            count(row["samples_per_s"]),
            seconds(row["p50_s"]),
            seconds(row["p99_s"]),
            "◂ knee" if row["size"] == knee else _remark(row),
        )
        for row in found["rows"]
    ]
    _table(page, (word, "samples/s", "p50", "p99", ""), rows)
    fit = found.get("fit")
    if fit:
        page.add(
            ("a call takes ", "dim"), (f"{seconds(fit['fixed_s'])} and {seconds(fit['per_sample_s'])} a sample", "")
        )


def _remark(row: Row) -> str:
    off = row.get("littles_law_off")
    return f"the clients themselves are in the way ({share(off)})" if off else ""


def _table(page: Page, head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(width_of(row[at]) for row in [head, *rows]) for at in range(len(head))]
    page.add(*_cells(head, widths, "dim"))
    for row in rows:
        page.add(*_cells(row, widths, ""))


def _cells(row: tuple[str, ...], widths: list[int], style: str) -> list[Piece]:
    """The first and the last column to the left, figures to the right."""
    made: list[Piece] = []
    for at, (text, width) in enumerate(zip(row, widths, strict=True)):
        room = " " * (width - width_of(text))
        ends = at in (0, len(row) - 1)
        made.append((f"{text}{room}  " if ends else f"{room}{text}  ", style or ("bold" if at == 0 else "")))
    return made
