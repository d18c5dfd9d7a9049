"""What to change, the most to gain first; or that nothing is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..layout import clean
from ..units import interval

if TYPE_CHECKING:
    from ..layout import Page

Document = dict[str, Any]

FINDINGS_SHOWN = 3
INDENT = 5


def add(document: Document, page: Page, *, verbose: int) -> None:
    """At most three findings, all with -v."""
    found = document["findings"]
    page.blank()
    if not found:
        text, style = _nothing(document)
        page.row("what to change", [[(text, style)]])
        return
    page.add(("what to change", "bold"))
    shown = found if verbose else found[:FINDINGS_SHOWN]
    for number, finding in enumerate(shown, 1):
        _finding(finding, number, page, verbose=verbose)
    if len(found) > len(shown):
        page.add((f"  and {len(found) - len(shown)} more: perfkit report -v", "dim"))


def _nothing(document: Document) -> tuple[str, str]:
    if not document["breakdown"] and not document["device_breakdown"] and not document["hotspots"]:
        return "cannot be said: no steady step was measured", ""
    blind = len(document["rules"]["failed"]) + len(document["rules"]["skipped"])
    if blind:
        return f"nothing found, but {blind} of {document['rules']['count']} rules could not judge", ""
    return "nothing worth changing", "green"


def _finding(finding: Document, number: int, page: Page, *, verbose: int) -> None:
    saves = finding["saves"]
    of = " of the run" if finding["basis"] == "run" else ""
    gain = f"saves {interval(saves['low'], saves['high'])}{of}"
    page.row_pair(
        [(f"  {number}. ", "dim"), (clean(finding["title"]), "bold")],
        [(gain, "bold green"), (f" · {finding['confidence']} confidence", "dim")],
    )
    facts = " · ".join(f"{clean(key)} {clean(value)}" for key, value in finding["evidence"].items())
    page.paragraph(facts, indent=INDENT, style="dim", most=None if verbose else 1 if page.tight else 2)
    for line in _lines(finding["how"])[: None if verbose else 1]:
        page.paragraph(line, indent=INDENT, style="cyan", most=None if verbose else 1)


def _lines(text: str) -> list[str]:
    return [clean(line) for line in text.splitlines() if line.strip()]
