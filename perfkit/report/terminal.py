"""The card: a run on at most 30 lines of a terminal, from the document alone.

At most three findings and the hottest operators; the rest behind ``-v``. Colour is decoration: whatever it
says is also said in words, so the plain card loses nothing. Text from a run is stripped of control
characters.
"""

from __future__ import annotations

import os
from typing import IO, TYPE_CHECKING, Any

from .blocks import findings, footer, header, resources, timing
from .layout import Line, Page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rich.console import Console

#: Of a card at 100 columns; on a narrower page it may be longer.
MAX_LINES = 30
MIN_WIDTH, MAX_WIDTH, PLAIN_WIDTH = 50, 120, 100


def render(
    document: dict[str, Any],
    *,
    width: int = PLAIN_WIDTH,
    verbose: int = 0,
    run_word: str = "",
    bars: bool = False,
) -> list[Line]:
    """The card of *document* as styled lines, none wider than *width*. *run_word* is what the person called
    the run, if anything. With *bars* shares are also drawn, in colours.
    """
    columns = max(MIN_WIDTH, min(width, MAX_WIDTH))
    page = _page(document, Page(columns, bars=bars), verbose, run_word)
    if len(page.lines) > MAX_LINES and not verbose:
        page = _page(document, Page(columns, tight=True), verbose, run_word)
    return page.lines


def _page(document: dict[str, Any], page: Page, verbose: int, run_word: str) -> Page:
    header.add(document, page)
    timing.add(document, page, verbose=verbose)
    resources.add(document, page, verbose=verbose)
    findings.add(document, page, verbose=verbose)
    footer.add(document, page, verbose=verbose, run_word=run_word)
    return page


def show(
    document: dict[str, Any],
    stream: IO[str],
    *,
    verbose: int = 0,
    color: bool | None = None,
    width: int | None = None,
    run_word: str = "",
) -> None:
    """Print the card to *stream*: coloured on a terminal unless *color* is False or NO_COLOR is set."""
    console = make_console(stream, color=color, width=width)
    ascii_only = not speaks_unicode(stream)
    bars = console.is_terminal and not console.no_color and not ascii_only
    for line in render(document, width=console.width, verbose=verbose, run_word=run_word, bars=bars):
        console.print(line.text(ascii_only=ascii_only), soft_wrap=True)


def put_out(
    render: Callable[[int], Iterable[Line]], stream: IO[str], *, color: bool | None = None, width: int | None = None
) -> None:
    """Print what *render* makes for the console's width to *stream*."""
    console = make_console(stream, color=color, width=width)
    ascii_only = not speaks_unicode(stream)
    for line in render(console.width):
        console.print(line.text(ascii_only=ascii_only), soft_wrap=True)


def make_console(stream: IO[str], *, color: bool | None = None, width: int | None = None) -> Console:
    """A console that never guesses: no markup, no highlighting, 100 columns where there is no terminal."""
    from rich.console import Console

    is_terminal = stream.isatty()
    wants_color = is_terminal and not os.environ.get("NO_COLOR") if color is None else color
    plain_width = None if is_terminal else PLAIN_WIDTH
    return Console(
        file=stream,
        width=width or plain_width,
        force_terminal=wants_color or None,
        no_color=not wants_color,
        color_system="auto" if wants_color else None,  # without a system not even bold or dim is written
        markup=False,
        highlight=False,
        emoji=False,
    )


def speaks_unicode(stream: IO[str]) -> bool:
    """Whether *stream* can take more than ASCII."""
    encoding = (getattr(stream, "encoding", None) or "ascii").lower().replace("-", "").replace("_", "")
    return encoding.startswith("utf")
