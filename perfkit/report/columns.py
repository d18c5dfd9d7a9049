"""Lines of a table of which the first column takes what is left: names at the left, figures at the right, a word at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .layout import cut, width_of

if TYPE_CHECKING:
    from collections.abc import Sequence

LEAST_FIRST = 12


def widths(lines: Sequence[Sequence[str]], within: int) -> list[int]:
    """Of the columns of *lines*, headings among them; the first is cut where they would be wider than *within*."""
    found = [max(width_of(line[column]) for line in lines) for column in range(len(lines[0]))]
    found[0] = max(LEAST_FIRST, min(found[0], within - sum(found[1:]) - 2 * (len(found) - 1)))
    return found


def line(cells: Sequence[str], columns: Sequence[int]) -> str:
    """One line, in columns so wide."""
    first = "".join(text for text, _ in cut([(cells[0], "")], columns[0]))
    padded = [first + " " * (columns[0] - width_of(first))]
    padded += [" " * (width - width_of(cell)) + cell for cell, width in zip(cells[1:-1], columns[1:-1], strict=True)]
    return "  ".join([*padded, cells[-1]])
