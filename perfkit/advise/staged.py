"""Stages of a script of pandas and scikit-learn, as the rules on them see them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Row = dict[str, Any]


def outer(stages: Iterable[Row], is_wanted: Callable[[Row, Row], bool]) -> list[Row]:
    """The stages that are wanted (given with the outermost stage that they are part of) and lie in no other that is.

    *stages* as `analyze.stages.table` gives them: each followed by its parts.
    """
    found: list[Row] = []
    top: Row = {}
    covered: int | None = None  # depth of the wanted stage that we are in
    for row in stages:
        top = row if row["depth"] == 0 else top
        if covered is not None and row["depth"] > covered:
            continue
        covered = row["depth"] if is_wanted(row, top) else None
        if covered is not None:
            found.append(row)
    return found
