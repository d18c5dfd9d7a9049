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
        _finding(finding, number, _instead_of(found, number), page, verbose=verbose)
    if len(found) > len(shown):
        page.add((f"  and {len(found) - len(shown)} more: perfkit report -v", "dim"))
    _together(document, page)


def _together(document: Document, page: Page) -> None:
    whole = document.get("together")
    if whole:
        of = " of the run" if whole["basis"] == "run" else ""
        page.add(("  all together: ", "dim"), (f"saves {interval(whole['low'], whole['high'])}{of}", "bold green"))


def _nothing(document: Document) -> tuple[str, str]:
    if not document["breakdown"] and not document["device_breakdown"] and not document["hotspots"]:
        return "cannot be said: no steady step was measured", ""
    blind = len(document["rules"]["failed"]) + len(document["rules"]["skipped"])
    if blind:
        return f"nothing found, but {blind} of {document['rules']['count']} rules could not judge", ""
    return "nothing worth changing", "green"


def _instead_of(found: list[Document], number: int) -> str:
    """Which of the findings before this one cures the same trouble, in words."""
    group = found[number - 1].get("alternatives")
    earlier = [n for n, other in enumerate(found[: number - 1], 1) if group and other.get("alternatives") == group]
    return f" · instead of {earlier[0]}" if earlier else ""


def _finding(finding: Document, number: int, instead: str, page: Page, *, verbose: int) -> None:
    saves = finding["saves"]
    of = " of the run" if finding["basis"] == "run" else ""
    gain = f"saves {interval(saves['low'], saves['high'])}{of}" if saves["high"] > 0 else "no time: the run itself"
    page.row_pair(
        [(f"  {number}. ", "dim"), (clean(finding["title"]), "bold")],
        [(gain, "bold green"), (f" · {finding['confidence']} confidence{instead}", "dim")],
    )
    facts = " · ".join(f"{clean(key)} {clean(value)}" for key, value in finding["evidence"].items())
    page.paragraph(facts, indent=INDENT, style="dim", most=None if verbose else 1 if page.tight else 2)
    for line in _lines(finding["how"])[: None if verbose else 1]:
        page.paragraph(line, indent=INDENT, style="cyan", most=None if verbose else 1)


def _lines(text: str) -> list[str]:
    return [clean(line) for line in text.splitlines() if line.strip()]
