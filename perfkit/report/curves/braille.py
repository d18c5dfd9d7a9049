"""A canvas of braille dots: two by four to a character (Unicode 2800-28FF), each character in the style last drawn in it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..layout import Piece

#: Bit of the dot in column x (0-1), row y (0-3, from the top), after the numbering of the Unicode standard, chapter 21.1.
_BITS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
_BLANK = 0x2800
DOTS_X, DOTS_Y = 2, 4
#: Dots of a character in a terminal without braille, by how many of its rows are touched.
_ASCII_DOT = "*"


class Canvas:
    """*columns* × *rows* characters. Dots count from the top left; what lies outside is passed over."""

    def __init__(self, columns: int, rows: int, *, ascii_only: bool = False) -> None:
        self.columns, self.rows = columns, rows
        self._bits = [[0] * columns for _ in range(rows)]
        self._symbols: list[list[str]] = [[""] * columns for _ in range(rows)]
        self._styles = [[""] * columns for _ in range(rows)]
        self._ascii = ascii_only

    @property
    def width(self) -> int:
        """In dots."""
        return self.columns * DOTS_X

    @property
    def height(self) -> int:
        """In dots."""
        return self.rows * DOTS_Y

    def dot(self, x: int, y: int, style: str = "") -> None:
        """One dot."""
        if 0 <= x < self.width and 0 <= y < self.height:
            column, row = x // DOTS_X, y // DOTS_Y
            self._bits[row][column] |= _BITS[x % DOTS_X][y % DOTS_Y]
            self._styles[row][column] = style

    def line(self, x0: float, y0: float, x1: float, y1: float, style: str = "") -> None:
        """Dots along a straight line, both ends included."""
        steps = max(1, math.ceil(max(abs(x1 - x0), abs(y1 - y0))))
        for step in range(steps + 1):
            part = step / steps
            self.dot(round(x0 + part * (x1 - x0)), round(y0 + part * (y1 - y0)), style)

    def symbol(self, x: int, y: int, text: str, style: str = "") -> None:
        """A character in the place of the dots around (x, y)."""
        if 0 <= x < self.width and 0 <= y < self.height:
            self._symbols[y // DOTS_Y][x // DOTS_X] = text
            self._styles[y // DOTS_Y][x // DOTS_X] = style

    def lines(self) -> list[tuple[Piece, ...]]:
        """The rows as pieces of (text, style), from the top; every row is *columns* wide."""
        return [self._row(row) for row in range(self.rows)]

    def _row(self, row: int) -> tuple[Piece, ...]:
        pieces: list[Piece] = []
        for column in range(self.columns):
            text, style = self._cell(row, column), self._styles[row][column]
            if pieces and pieces[-1][1] == style:
                pieces[-1] = (pieces[-1][0] + text, style)
            else:
                pieces.append((text, style))
        return tuple(pieces)

    def _cell(self, row: int, column: int) -> str:
        bits = self._bits[row][column]
        if self._symbols[row][column]:
            return self._symbols[row][column]
        if not bits:
            return " "
        return _ASCII_DOT if self._ascii else chr(_BLANK + bits)
