"""`perfkit compare before.json after.json`: two stored results of benchmarks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import UsageError
from ..exit_codes import INCONCLUSIVE, REGRESSION

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def compare(words: Sequence[str], given: dict[str, Any]) -> int:
    """Compare two files of results and show the verdicts; returns the exit code."""
    from ...bench import stored
    from ...report import gate_table
    from ..bench import saying

    if len(words) != 2:
        raise UsageError(f"two files of results are compared, not {len(words)}: perfkit compare before.json after.json")
    files = stored.load(Path(words[0])), stored.load(Path(words[1]))
    scatter = _scatter(given["store"], files[1].result.machine)
    document = stored.compare(*files, bound=given["bound"] / 100, scatter=scatter)
    color = False if given["no_color"] else None
    shown = {**document, "benchmarks": document["rows"], "change": "change (scatter)"}
    saying.show(document, given, lambda stream: gate_table.show(shown, stream, color=color, verb="perfkit compare"))
    return exit_code(document, fails_open=given["inconclusive"] == "fail")


def _scatter(place: str | None, machine: str) -> Callable[[str], float | None]:
    """What the history tells of that machine; where none is asked for, and none is there, nothing."""
    from ...bench import stored
    from ...bench.history import store

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
