"""The next useful command for a run. Only what exists, and only what would show something new."""

from __future__ import annotations

from typing import Any


def after(document: dict[str, Any], *, verbose: int = 0) -> list[str]:
    """One to three commands, the most useful first."""
    run = document["run"]
    commands = []
    if run["status"] == "running":
        commands += [f"perfkit report {run['id'][-6:]}", f"perfkit trace {run['id'][-6:]}"]
    if document["findings"]:
        commands.append(f"perfkit explain {document['findings'][0]['rule']}")
    if not verbose:
        commands.append("perfkit report -v")
    if _blind(document):
        commands.append("perfkit doctor")
    return (commands or ["perfkit report --json -"])[:3]


def _blind(document: dict[str, Any]) -> bool:
    """Whether something failed that a person may be able to mend."""
    return any(row["state"] == "failed" for row in document["collectors"])
