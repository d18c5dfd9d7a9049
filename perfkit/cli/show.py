"""Shows a run: the card, the JSON document, or both, each where it was asked for."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import PerfkitError

if TYPE_CHECKING:
    from ..runs.reader import Run

STDOUT = "-"


def show_run(
    run: Run,
    *,
    json_file: str | None,
    output: str | None,
    quiet: bool,
    verbose: int,
    no_color: bool,
    json_indent: int = 2,
    run_word: str = "",
    set_off: bool = False,
) -> dict[str, Any]:
    """Compose the document of *run* and put it out. The card moves to stderr where JSON takes stdout, and
    is *set_off* by an empty line from what a script has printed there.
    """
    from .. import api
    from ..report import terminal

    document = api.document(run)
    if json_file is not None:
        write_json(document, json_file, json_indent)
    if output is not None:
        _write_card(document, output, verbose, run_word)
    elif not quiet:
        stream = sys.stderr if json_file == STDOUT else sys.stdout
        color = False if no_color else None
        stream.write("\n" if set_off else "")
        terminal.show(document, stream, verbose=verbose, color=color, run_word=run_word)
    return document


def write_json(document: dict[str, Any], file: str, indent: int = 2) -> None:
    """Write *document* to *file*, ``-`` being stdout."""
    from ..report.document import encode

    if file == STDOUT:
        sys.stdout.flush()
        sys.stdout.buffer.write(encode(document, indent=indent))
        sys.stdout.buffer.flush()
        return
    try:
        Path(file).write_bytes(encode(document))
    except OSError as error:
        raise PerfkitError(f"{file}: cannot be written: {error.strerror}") from error


def _write_card(document: dict[str, Any], file: str, verbose: int, run_word: str) -> None:
    from ..report import terminal

    try:
        with Path(file).open("w", encoding="utf-8") as stream:
            terminal.show(document, stream, verbose=verbose, color=False, run_word=run_word)
    except OSError as error:
        raise PerfkitError(f"{file}: cannot be written: {error.strerror}") from error
