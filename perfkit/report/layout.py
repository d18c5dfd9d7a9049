"""Lines of a card: styled pieces, laid out by width, printable in ASCII."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.text import Text

LABEL_WIDTH = 22
NARROW = 80
NARROW_INDENT = 2
GAP = "   "

_ASCII = str.maketrans(
    {
        "─": "-",
        "·": "|",
        "–": "-",
        "—": "-",
        "×": "x",
        "…": "...",
        "µ": "u",
        "≤": "<=",
        "≥": ">=",
        "→": "->",
        "−": "-",
        "±": "+-",
    }
)

Piece = tuple[str, str]


@dataclass(frozen=True)
class Line:
    """One line: pieces of (text, style)."""

    pieces: tuple[Piece, ...] = ()

    @property
    def plain(self) -> str:
        """The text alone."""
        return "".join(text for text, _ in self.pieces)

    def text(self, *, ascii_only: bool = False) -> Text:
        """For rich. With *ascii_only* nothing outside ASCII is left."""
        from rich.text import Text

        made = Text(end="\n", no_wrap=True)
        for text, style in self.pieces:
            made.append(to_ascii(text) if ascii_only else text, style=style)
        return made


@dataclass
class Page:
    """Lines collected at one width."""

    width: int
    #: Whether to say the same on fewer lines.
    tight: bool = False
    #: Whether shares are also drawn, which needs colour to be read.
    bars: bool = False
    lines: list[Line] = field(default_factory=list)

    @property
    def indent(self) -> int:
        """Where the values of a labelled row begin."""
        return LABEL_WIDTH if self.width >= NARROW else NARROW_INDENT

    def add(self, *pieces: Piece) -> None:
        """One line, cut at the page's width."""
        self.lines.append(Line(cut(pieces, self.width)))

    def blank(self) -> None:
        """One empty line, never two."""
        if self.lines and self.lines[-1].plain:
            self.lines.append(Line())

    def rule(self, text: str, place: str) -> None:
        """A heading in a rule, ``── text · place ──``; the place on a line of its own where both do not
        fit.
        """
        both = f"{text} · {place}"
        fits = width_of(both) <= self.width - 6
        lines = [both] if fits else [*wrap(text, self.width - 6), *wrap(place, self.width - 3)]
        fill = "─" * max(2, self.width - 4 - width_of(lines[0]))
        self.add(("── ", "dim"), (lines[0], "bold"), (" " + fill, "dim"))
        for line in lines[1:]:
            self.add(("   ", ""), (line, "dim"))

    def row(self, label: str, items: Sequence[Sequence[Piece]], *, gap: str = GAP, most: int | None = None) -> None:
        """A label and items that flow in lines to its right; on a narrow page below it. At most *most*
        lines.
        """
        if not items:
            return
        lines = flow(items, self.width - self.indent, gap)
        if most is not None:
            lines = lines[:most]
        if self.indent < LABEL_WIDTH:
            self.add((label, "bold"))
        for number, pieces in enumerate(lines):
            margin = label if number == 0 and self.indent == LABEL_WIDTH else ""
            self.add((margin.ljust(self.indent), "bold"), *pieces)

    def bar(self, shares: Sequence[tuple[float, str]]) -> None:
        """Proportional blocks below a row's values, each in its style, as wide as the values' column."""
        room = self.width - self.indent
        edges, total = [0], 0.0
        for part, _ in shares:
            total += part
            edges.append(round(min(total, 1.0) * room))
        pieces = [
            ("█" * (end - start), style) for (start, end), (_, style) in zip(pairwise(edges), shares, strict=True)
        ]
        self.add((" " * self.indent, ""), *(piece for piece in pieces if piece[0]))

    def row_pair(self, left: Sequence[Piece], right: Sequence[Piece]) -> None:
        """Two groups on one line, the right one at its end; where they do not fit, one below the other."""
        used = sum(width_of(text) for text, _ in (*left, *right))
        if used + len(GAP) <= self.width:
            self.add(*left, (" " * (self.width - used), ""), *right)
        else:
            self.add(*left)
            self.add(("     ", ""), *right)

    def paragraph(
        self, text: str, *, indent: int = 0, style: str = "", lead: str = "", most: int | None = None
    ) -> None:
        """Text wrapped with a hanging indent; *lead* stands before it, or above where it does not fit.

        What exceeds *most* lines is cut.
        """
        lines = wrap(text, self.width - indent)
        if most is not None and len(lines) > most:
            lines = [*lines[: most - 1], lines[most - 1] + " …"]
        if width_of(lead) >= indent > 0:
            self.add((lead, "bold"))
            lead = ""
        for number, line in enumerate(lines):
            self.add((lead.ljust(indent) if number == 0 else " " * indent, "bold"), (line, style))


def to_ascii(text: str) -> str:
    """*text* without anything outside ASCII; what has no counterpart becomes a question mark."""
    return text.translate(_ASCII).encode("ascii", "replace").decode("ascii")


def clean(text: object) -> str:
    """Text from a run, safe to print: no control or direction characters, no line breaks."""
    return "".join(c if c.isprintable() else " " if c.isspace() else "?" for c in str(text))


def width_of(text: str) -> int:
    """Columns that *text* takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def cut(pieces: Sequence[Piece], width: int) -> tuple[Piece, ...]:
    """*pieces* cut to *width* columns, ending in … where something was lost."""
    if sum(width_of(text) for text, _ in pieces) <= width:
        return tuple(pieces)
    from rich.cells import set_cell_size

    left, kept = width - 1, []
    for text, style in pieces:
        taken = text if width_of(text) <= left else set_cell_size(text, left).rstrip()
        kept.append((taken, style))
        left -= width_of(text)
        if left <= 0:
            break
    return (*kept, ("…", "dim"))


def flow(items: Sequence[Sequence[Piece]], width: int, gap: str) -> list[list[Piece]]:
    """Items set one after another, a new line where the next does not fit; no item is broken."""
    lines: list[list[Piece]] = []
    used = 0
    for item in items:
        needs = sum(width_of(text) for text, _ in item)
        if lines and used + len(gap) + needs <= width:
            lines[-1] += [(gap, "dim"), *item]
            used += len(gap) + needs
        else:
            lines.append(list(item))
            used = needs
    return lines


def wrap(text: str, width: int) -> list[str]:
    """*text* broken at spaces; a word longer than a line is broken where it must."""
    lines: list[str] = []
    current = ""
    for word in text.split(" "):
        candidate = f"{current} {word}" if current else word
        if width_of(candidate) <= width or not current:
            current = candidate
        else:
            lines.append(current)
            current = word
        while width_of(current) > width:
            lines.append(current[:width])
            current = current[width:]
    return [*lines, current]
