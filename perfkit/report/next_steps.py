"""The next useful command for a run. Only what exists, and only what would show something new."""

from __future__ import annotations

from typing import Any


def after(document: dict[str, Any], *, verbose: int = 0, run_word: str = "") -> list[str]:
    """One to three commands, the most useful first. *run_word* names the run where it is not the newest."""
    run, word = document["run"], f" {run_word}" if run_word else ""
    commands = []
    if run["status"] == "running":
        commands += [f"perfkit report {run['id'][-6:]}", f"perfkit trace {run['id'][-6:]}"]
    if document["findings"]:
        commands.append(f"perfkit explain {document['findings'][0]['rule']}")
    if not verbose:
        commands.append(f"perfkit report{word} -v")
    if _stepless(document):
        commands.append("perfkit profile --step-on MODULE:FUNCTION SCRIPT")
    if _blind(document):
        commands.append("perfkit doctor")
    return (commands or [f"perfkit report{word} --json -"])[:3]


def _stepless(document: dict[str, Any]) -> bool:
    """Whether a framework was used to the end and no step of it recognised: the person can name one."""
    armed = any(row["name"] == "guest" and row["state"] == "on" for row in document["collectors"])
    return armed and not document["steps"]["count"] and document["run"]["status"] == "finished"


def _blind(document: dict[str, Any]) -> bool:
    """Whether something failed that a person may be able to mend."""
    return any(row["state"] == "failed" for row in document["collectors"])
