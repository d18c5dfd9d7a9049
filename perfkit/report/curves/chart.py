"""A line chart for a terminal: curves in braille, values beside the axis, moments that matter in a lane below."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from . import scales
from .braille import DOTS_X, DOTS_Y, Canvas
from .thin import extremes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ..layout import Piece

#: Where a value is not finite.
NOT_FINITE, NOT_FINITE_ASCII = "×", "x"
#: Columns between the symbols of a curve that is drawn with them.
SYMBOL_EVERY = 3
#: A flat curve gets this share of its value as room above and below.
FLAT_ROOM = 0.05


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A series on a chart: ``x`` and ``y`` of shape (n,), in the order of recording; NaN and ±inf are gaps."""

    label: str
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    style: str = ""
    #: Drawn with this character instead of a line; "" for a line.
    symbol: str = ""


@dataclass(frozen=True, kw_only=True)
class Frame:
    """What charts above each other have in common: the span of x, and the columns for labels and for the plot."""

    low: float
    high: float
    margin: int
    columns: int

    def column(self, x: float) -> int:
        """The column of the plot in which *x* lies, cut to its ends."""
        return min(self.columns - 1, max(0, int(self.part(x) * self.columns)))

    def part(self, x: float) -> float:
        """Where *x* lies between the ends, 0 to 1."""
        return (x - self.low) / (self.high - self.low) if self.high > self.low else 0.5


def draw(
    curves: Sequence[Curve],
    frame: Frame,
    rows: int,
    *,
    unit: str = "",
    log: bool = False,
    ascii_only: bool = False,
    beside: dict[int, str] | None = None,
) -> list[tuple[Piece, ...]]:
    """*rows* lines: labels at the right of the margin (*beside*, by row; else the axis's), then the plot. Without any finite value,
    no lines.
    """
    shown = [curve for curve in curves if np.isfinite(curve.y).any()]
    if not shown:
        return []
    log = log and all(float(c.y[np.isfinite(c.y)].min()) > 0 for c in shown)
    low, high = _span(shown, log=log)
    canvas = Canvas(frame.columns, rows, ascii_only=ascii_only)
    for curve in shown:
        _plot(canvas, curve, frame, low, high, log=log, ascii_only=ascii_only)
    beside = _beside(low, high, rows, unit, log=log) if beside is None else beside
    edge = "|" if ascii_only else "│"
    return [
        ((beside.get(row, "").rjust(frame.margin - 1)[: frame.margin - 1], "dim"), (edge, "dim"), *pieces)
        for row, pieces in enumerate(canvas.lines())
    ]


def axis(frame: Frame, unit: str, name: str, *, ascii_only: bool = False) -> list[tuple[Piece, ...]]:
    """Two lines: the axis with its ticks, and their labels with the axis's *name* at the end."""
    ticks, words = scales.axis(frame.low, frame.high, max(2, frame.columns // 12), unit)
    flat, tick_at = ("-", "+") if ascii_only else ("─", "┴")
    line, below = [flat] * frame.columns, [" "] * (frame.columns + frame.margin)
    for tick, word in zip(ticks, words, strict=True):
        column = frame.column(tick)
        line[column] = tick_at
        start = max(0, frame.margin + column - len(word) // 2)
        end = start + len(word)
        if end <= len(below) - len(name) - 1 and all(c == " " for c in below[max(0, start - 1) : end]):
            below[start:end] = word
    below[len(below) - len(name) :] = name
    corner = "+" if ascii_only else "└"
    return [
        ((" " * (frame.margin - 1) + corner + "".join(line), "dim"),),
        (("".join(below), "dim"),),
    ]


def lane(frame: Frame, name: str, marks: Sequence[tuple[float, str, str]]) -> tuple[Piece, ...]:
    """One line below the plots: (x, character, style) where each lies; of several in a column the last is seen."""
    cells: list[Piece] = [(" ", "")] * frame.columns
    for x, text, style in marks:
        cells[frame.column(x)] = (text, style)
    return ((name.rjust(frame.margin - 1)[: frame.margin - 1] + " ", "dim"), *cells)


def band_lane(frame: Frame, name: str, bands: Sequence[tuple[float, float, str, str]]) -> tuple[Piece, ...]:
    """One line below the plots: (from, to, character, style) of each span, at least a column wide."""
    cells: list[Piece] = [(" ", "")] * frame.columns
    for low, high, text, style in bands:
        for column in range(frame.column(low), frame.column(high) + 1):
            cells[column] = (text, style)
    return ((name.rjust(frame.margin - 1)[: frame.margin - 1] + " ", "dim"), *cells)


def _span(curves: Sequence[Curve], *, log: bool) -> tuple[float, float]:
    finite = np.concatenate([c.y[np.isfinite(c.y)] for c in curves])
    low, high = float(finite.min()), float(finite.max())
    if high > low:
        return low, high
    if log:
        return low / 2, high * 2
    room = abs(low) * FLAT_ROOM or 1.0
    return low - room, high + room


def _plot(canvas: Canvas, curve: Curve, frame: Frame, low: float, high: float, *, log: bool, ascii_only: bool) -> None:
    kept = extremes(curve.y, canvas.width * 2).kept
    before: tuple[float, float] | None = None
    last_symbol = -SYMBOL_EVERY
    for x, y in zip(curve.x[kept].tolist(), curve.y[kept].tolist(), strict=True):
        across = frame.part(x) * (canvas.width - 1)
        if not math.isfinite(y):
            mark = NOT_FINITE_ASCII if ascii_only else NOT_FINITE
            canvas.symbol(round(across), canvas.height - 1, mark, "red")
            before = None
            continue
        down = (1 - _part(y, low, high, log=log)) * (canvas.height - 1)
        column = round(across) // DOTS_X
        if curve.symbol:
            if column >= last_symbol + SYMBOL_EVERY or column < last_symbol:
                canvas.symbol(round(across), round(down), curve.symbol, curve.style)
                last_symbol = column
        elif before is None or across < before[0] - DOTS_X:  # a gap, or a run that went on from an earlier step
            canvas.dot(round(across), round(down), curve.style)
        else:
            canvas.line(*before, across, down, curve.style)
        before = (across, down)


def _part(y: float, low: float, high: float, *, log: bool) -> float:
    if log:
        return (math.log(y) - math.log(low)) / (math.log(high) - math.log(low))
    return (y - low) / (high - low)


def _beside(low: float, high: float, rows: int, unit: str, *, log: bool) -> dict[int, str]:
    """Label by row: round values, each in the row in which it lies; both ends where no two round values do."""
    ticks, words = scales.axis(low, high, max(2, rows // 2), unit, log=log)
    found: dict[int, str] = {}
    for tick, word in zip(ticks, words, strict=True):
        row = int((1 - _part(tick, low, high, log=log)) * (rows * DOTS_Y - 1)) // DOTS_Y
        found.setdefault(min(rows - 1, max(0, row)), word)
    if len(found) > 1 or rows == 1:
        return found
    return {0: scales.value(high, unit), rows - 1: scales.value(low, unit)}
