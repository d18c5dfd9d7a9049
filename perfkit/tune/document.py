"""What a tune found out, as the rows of its document: plain data, key by key as docs/json.md has them."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..model.records import Finding, Interval
    from .candidates import Candidate
    from .figures import Figures
    from .search import Search, Verdict
    from .trial import Trial

Row = dict[str, Any]


def baseline(run: str, measured: Sequence[Trial], read: Figures) -> Row:
    """The unchanged script; *read* is what its recorded run *run* told before it was measured."""
    seconds = [found.figures.seconds for found in measured if found.figures.seconds]
    return {
        "run": run,
        "processes": len(seconds),
        "per": measured[0].figures.per if measured else read.per,
        "seconds": math.exp(sum(map(math.log, seconds)) / len(seconds)) if seconds else read.seconds,
        "steady": all(found.figures.steady for found in measured),
    }


def of_trial(candidate: Candidate, verdict: Verdict) -> Row:
    """A candidate with its prediction and its verdict."""
    return {
        "label": candidate.label,
        "fix": _fix_row(candidate),
        "why": candidate.why,
        "rule": candidate.rule,
        "predicted": asdict(candidate.predicted) if candidate.predicted is not None else None,
        **_verdict_row(verdict),
        "how": candidate.how,
    }


def _fix_row(candidate: Candidate) -> Row:
    if candidate.fixes:
        return asdict(candidate.fixes[0])
    return {"name": "arguments", "parameters": dict(candidate.sets)}


def _verdict_row(verdict: Verdict) -> Row:
    return {
        "measured": _interval(verdict.measured),
        "estimate": verdict.estimate,
        "verdict": verdict.state,
        "reason": verdict.told,
        "loss": asdict(verdict.loss),
        "memory": verdict.memory,
        "processes": verdict.processes,
        "method": verdict.method,
    }


def _interval(found: Interval | None) -> Row | None:
    """An end that nothing bounds is null: JSON has no infinity."""
    if found is None:
        return None
    return {"low": found.low if math.isfinite(found.low) else None, "high": found.high if found.high < 1 else None}


def together(search: Search) -> Row | None:
    """The kept fixes as one; None where nothing was kept."""
    if search.together is None:
        return None
    verdict = search.together.verdict
    row = _verdict_row(verdict)
    speedup = 1 / (1 - verdict.estimate) if verdict.estimate is not None and verdict.estimate < 1 else None
    return {"fixes": [candidate.label for candidate in search.together.candidates], **row, "speedup": speedup}


def by_hand(findings: Iterable[Finding], kept: Sequence[Candidate]) -> list[Row]:
    """Findings whose cure a person has to apply, less those that a kept fix is one way of."""
    return [_by_hand_row(finding) for finding in findings if not _is_done(finding, kept)]


def _is_done(finding: Finding, kept: Sequence[Candidate]) -> bool:
    """Whether a kept fix is one way of what the finding leaves to a hand: samples that are kept need no cheaper preparing."""
    return finding.rule == "input" and any(fix.name == "sample-cache" for found in kept for fix in found.fixes)


def _by_hand_row(finding: Finding) -> Row:
    return {
        "rule": finding.rule,
        "title": finding.title,
        "predicted": asdict(finding.saves),
        "basis": finding.basis,
        "how": finding.how,
    }
