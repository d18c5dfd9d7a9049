"""What could not be measured and why, and the next useful command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import next_steps
from ..layout import clean

if TYPE_CHECKING:
    from ..layout import Page, Piece

Document = dict[str, Any]

# Collectors that most of a report rests on.
_MATTER = ("guest", "steps", "trace", "host", "nvml", "stacks")
_STATE_STYLES = {"on": "green", "failed": "red", "off": "dim"}


def add(document: Document, page: Page, *, verbose: int) -> None:
    """One line each; with -v every collector and every rule that could not judge."""
    page.blank()
    if verbose:
        _details(document, page)
    elif missing := _missing(document["collectors"]):
        page.paragraph("not measured: " + " · ".join(missing), style="dim", most=2)
    page.paragraph("next: " + " · ".join(next_steps.after(document, verbose=verbose)), style="dim")


def _missing(collectors: list[Document]) -> list[str]:
    """What failed first, then what is off; what most of a report rests on before the rest."""
    weight = {name: number for number, name in enumerate(_MATTER)}
    absent = [row for row in collectors if row["state"] in ("failed", "off")]
    order = sorted(absent, key=lambda row: (row["state"] != "failed", weight.get(row["name"], len(weight))))
    return [f"{clean(row['name'])} ({clean(row['reason'])})" for row in order]


def _details(document: Document, page: Page) -> None:
    for number, row in enumerate(document["collectors"]):
        page.row("collectors" if number == 0 else "", [_collector(row)])
    for number, note in enumerate(document["trace"].get("notes") or []):
        page.row("trace" if number == 0 else "", [[(clean(note), "dim")]])
    skipped = document["rules"]["skipped"].items()
    for number, (rule, reason) in enumerate(skipped):
        page.row("rules not judged" if number == 0 else "", [[(f"{rule} · {clean(reason)}", "dim")]])
    page.blank()


def _collector(row: Document) -> list[Piece]:
    state = (row["state"], _STATE_STYLES.get(row["state"], ""))
    return [(f"{clean(row['name'])} ", ""), state, (f" · {clean(row['reason'])}", "dim")]
