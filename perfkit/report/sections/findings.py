"""What the findings could give together."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ...advise import together as pools

if TYPE_CHECKING:
    from ...advise.evidence import Evidence
    from ...advise.registry import Advice
    from ..gaps import Gaps


def together(evidence: Evidence, advice: Advice, gaps: Gaps) -> dict[str, Any] | None:
    """Low and high of what all findings save together, and on what basis; None for fewer than two cures."""
    saving = [finding for finding in advice.findings if finding.saves.high > 0]
    found = [finding for finding in saving if finding.basis == "steady"] or saving
    chosen = pools.best_of_alternatives(found)
    whole = pools.together(found, evidence) if len(chosen) > 1 else None
    if whole is None:
        gaps.note("together", "there are no two findings to add up")
        return None
    return {**asdict(whole), "basis": found[0].basis, "findings": len(chosen)}
