"""`perfkit compare A B`: two stored results of benchmarks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import options
from .exit_codes import INCONCLUSIVE, REGRESSION

if TYPE_CHECKING:
    from collections.abc import Callable


@click.command(
    "compare",
    epilog="Exit codes: 0 nothing got slower; 3 something did; 4 it could not be told, or the machines are not alike (with --inconclusive pass: 0).",
)
@click.argument("base", type=click.Path(path_type=Path), metavar="A")
@click.argument("head", type=click.Path(path_type=Path), metavar="B")
@options.bound
@click.option(
    "--store",
    metavar="PLACE",
    help="History that tells what the same code differs by (else .perfkit-bench, where there is one).",
)
@options.inconclusive
@options.json_file
@options.quiet
@options.no_color
def command(base: Path, head: Path, **given: Any) -> int:
    """Compare results B of benchmarks with A, of pytest --perfkit-json FILE or pytest-benchmark's --benchmark-json.

    \b
    perfkit compare before.json after.json

    Each is of one process, and they ran at different times: a change counts only where it is larger than what the same code differs by,
    which the history knows. Times of unlike machines are not compared. To be sure, compare revisions: perfkit bench PATHS --base REV.
    """  # noqa: D301
    from ..bench import stored
    from ..report import gate_table
    from .bench import saying

    files = stored.load(base), stored.load(head)
    scatter = _scatter(given["store"], files[1].result.machine)
    document = stored.compare(*files, bound=given["bound"] / 100, scatter=scatter)
    color = False if given["no_color"] else None
    shown = {**document, "benchmarks": document["rows"], "change": "change (scatter)"}
    saying.show(document, given, lambda stream: gate_table.show(shown, stream, color=color, verb="perfkit compare"))
    return exit_code(document, fails_open=given["inconclusive"] == "fail")


def _scatter(place: str | None, machine: str) -> Callable[[str], float | None]:
    """What the history tells of that machine; where none is asked for, and none is there, nothing."""
    from ..bench import stored
    from ..bench.history import store

    if place is None and not Path(store.PLACE).is_dir():
        return lambda _benchmark: None
    with store.opened(place) as history:
        return stored.scatter_in(history.index.values(), history.index.results(), machine).get


def exit_code(document: dict[str, Any], *, fails_open: bool) -> int:
    """3 for what is slower, 4 for what could not be told, else 0."""
    verdicts = {row["verdict"] for row in document["rows"]}
    if "regressed" in verdicts:
        return REGRESSION
    return INCONCLUSIVE if fails_open and verdicts & {"inconclusive", "incomparable"} else 0
