"""What could not be measured and why, and the next useful command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import next_steps
from ..layout import clean

if TYPE_CHECKING:
    from ..layout import Page

Document = dict[str, Any]

# Collectors that most of a report rests on.
_MATTER = ("guest", "steps", "trace", "host", "nvml", "stacks")
_STATE_STYLES = {"on": "", "failed": "red", "off": "dim"}


def add(document: Document, page: Page, *, verbose: int, run_word: str = "") -> None:
    """One line each; with -v every collector and every rule that could not judge."""
    page.blank()
    if verbose:
        _details(document, page)
    elif missing := _missing(document["collectors"]):
        page.paragraph("not measured: " + " · ".join(missing), style="dim", most=2)
    page.paragraph("next: " + " · ".join(next_steps.after(document, verbose=verbose, run_word=run_word)), style="dim")


def _missing(collectors: list[Document]) -> list[str]:
    """What failed first, then what is off; what most of a report rests on before the rest. One reason
    once.
    """
    weight = {name: number for number, name in enumerate(_MATTER)}
    absent = [row for row in collectors if row["state"] in ("failed", "off")]
    names: dict[str, list[str]] = {}
    for row in sorted(absent, key=lambda row: (row["state"] != "failed", weight.get(row["name"], len(weight)))):
        names.setdefault(clean(row["reason"]), []).append(clean(row["name"]))
    return [f"{', '.join(same)} ({reason})" for reason, same in names.items()]


def _details(document: Document, page: Page) -> None:
    lines = [(row["name"], f"{row['state']} · {row['reason']}", row["state"]) for row in document["collectors"]]
    lines += [("trace", note, "") for note in document["trace"].get("notes") or []]
    lines += [(f"rule {rule}", f"not judged · {why}", "") for rule, why in document["rules"]["skipped"].items()]
    for name, text, state in lines:
        page.paragraph(clean(text), lead=clean(name), indent=page.indent, style=_STATE_STYLES.get(state, "dim"))
    page.blank()
