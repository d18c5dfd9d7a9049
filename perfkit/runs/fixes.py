"""The fixes a run was asked to apply, and what became of each: read from fixes.json and the guests' facts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from . import layout

if TYPE_CHECKING:
    from .reader import Run

# The worst of several processes counts: a fix that failed in one rank was not applied to the run.
_WORST_FIRST = ("failed", "not-applicable", "applied")
_SAID = {"fact", "t", "name", "parameters", "state", "reason", "count", "final"}


def fixes(run: Run) -> list[dict[str, Any]]:
    """One row per fix: name, parameters, state (applied, not-applicable, failed; None when no process said), reason,
    count (how often it acted, over all processes), detail (what it noted when it first acted). Empty without fixes.
    """
    return [_row(fix, _said(run, str(fix.get("name")))) for fix in asked(run)]


def asked(run: Run) -> list[dict[str, Any]]:
    """The fixes as they were asked for."""
    try:
        found = json.loads((run.path / layout.FIXES).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return []
    return [fix for fix in found if isinstance(fix, dict)] if isinstance(found, list) else []


def _said(run: Run, name: str) -> list[dict[str, Any]]:
    """The last word of each process about a fix, over what it said before."""
    last: list[dict[str, Any]] = []
    for rank in run.ranks:
        lines = [line for line in rank.facts_of("fix") if line.get("name") == name]
        if lines:
            last.append({key: value for line in lines for key, value in line.items()})
    return last


def _row(fix: dict[str, Any], said: list[dict[str, Any]]) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": fix.get("name"),
        "parameters": fix.get("parameters") or {},
        "state": None,
        "reason": "no process that steps has said anything about it",
        "count": 0,
        "detail": {},
    }
    if said:
        worst = min(said, key=lambda line: _WORST_FIRST.index(line["state"]))
        row.update(state=worst["state"], reason=worst.get("reason"))
        row["count"] = sum(line.get("count", line["state"] == "applied") for line in said)
        row["detail"] = {key: value for key, value in said[0].items() if key not in _SAID}
    return row
