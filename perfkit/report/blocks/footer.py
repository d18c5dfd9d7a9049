"""What could not be measured and why, and the next useful command."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from .. import next_steps
from ..layout import clean
from .header import why_no_headline

if TYPE_CHECKING:
    from ..layout import Page

Document = dict[str, Any]

# Collectors that most of a report rests on.
_MATTER = ("guest", "steps", "trace", "host", "nvml", "stacks")
# What a person calls it.
_CALLED = {"nvml": "GPU", "rapl": "CPU energy", "stacks": "Python stacks"}
_STATE_STYLES = {"on": "", "failed": "red", "off": "dim"}


def add(document: Document, page: Page, *, verbose: int, run_word: str = "") -> None:
    """One line each; with -v every collector and every rule that could not judge."""
    page.blank()
    if verbose:
        _details(document, page)
    elif missing := _missing(document):
        page.paragraph("not measured: " + " · ".join(missing), style="dim", most=2)
    page.paragraph("next: " + " · ".join(next_steps.after(document, verbose=verbose, run_word=run_word)), style="dim")


def _missing(document: Document) -> list[str]:
    """What failed first, then what is off; what most of a report rests on before the rest. One reason
    once, and none that the headline has given already.
    """
    weight = {name: number for number, name in enumerate(_MATTER)}
    said = None if document["steps"]["median_s"] is not None else why_no_headline(document)
    absent = [row for row in document["collectors"] if row["state"] in ("failed", "off") and row["reason"] != said]
    names: dict[str, list[str]] = {}
    for row in sorted(absent, key=lambda row: (row["state"] != "failed", weight.get(row["name"], len(weight)))):
        names.setdefault(_reason(row), []).append(_CALLED.get(row["name"], clean(row["name"])))
    return [f"{', '.join(same)} ({reason})" for reason, same in names.items()]


def _reason(row: Document) -> str:
    """Why, in full where something failed; what this machine does not have needs its first words only."""
    reason = clean(row["reason"])
    return reason if row["state"] == "failed" else re.split(r": | \(|; | in /", reason, maxsplit=1)[0]


def _details(document: Document, page: Page) -> None:
    lines = [(row["name"], f"{row['state']} · {row['reason']}", row["state"]) for row in document["collectors"]]
    lines += [("trace", note, "") for note in document["trace"].get("notes") or []]
    lines += [(f"rule {rule}", f"not judged · {why}", "") for rule, why in document["rules"]["skipped"].items()]
    for name, text, state in lines:
        page.paragraph(clean(text), lead=clean(name), indent=page.indent, style=_STATE_STYLES.get(state, "dim"))
    page.blank()
