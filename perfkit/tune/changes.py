"""The change to make in the user's code: a real diff where its place is certain, else the lines to write.

A place is certain when the script has one call that it can be: one DataLoader that shuffles, one optimizer made from one
model's parameters, one loss that is taken backward. Otherwise nothing is guessed.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .edits import edited, lines

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .candidates import Candidate

# As diff(1) says that a file's last line is without an end.
NO_NEWLINE = "\n\\ No newline at end of file\n"


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What to change."""

    #: A unified diff of the script, empty when none of the changes has a certain place.
    diff: str
    #: For the others: what a person would write, by the candidate's label.
    by_hand: dict[str, str] = field(default_factory=dict)
    #: Arguments to start the script with.
    arguments: tuple[str, ...] = ()


def changes(source: str | None, name: str, candidates: Iterable[Candidate]) -> Changes:
    """The changes that *candidates* mean in the script *source*, called *name*; without a source all are by hand."""
    text, arguments = source, []
    by_hand: dict[str, str] = {}
    for candidate in candidates:
        arguments += [f"{key}={value}" for key, value in candidate.sets]
        for fix in candidate.fixes:
            made = edited(text, fix) if text is not None else None
            if made is not None:
                text = made
            else:
                how = candidate.how or lines(fix)
                by_hand[candidate.label] = "\n".join(filter(None, (by_hand.get(candidate.label), how)))
    diff = _diff(source, text, name) if source is not None and text is not None else ""
    return Changes(diff=diff, by_hand=by_hand, arguments=tuple(arguments))


def _diff(before: str, after: str, name: str) -> str:
    made = difflib.unified_diff(before.splitlines(keepends=True), after.splitlines(keepends=True), name, name, n=2)
    return "".join(line if line.endswith("\n") else line + NO_NEWLINE for line in made)
