"""Which run it is, where it ran and how it ended."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ...runs.fixes import fixes as fixes_of

if TYPE_CHECKING:
    from ...advise.evidence import Evidence
    from ..gaps import Gaps


def run(evidence: Evidence, gaps: Gaps) -> dict[str, Any]:
    """``run``: id, path, command, status now, exit code and duration."""
    info = evidence.need("info")
    outcome = evidence.need("outcome")
    if outcome.running:
        gaps.note("run.exit_code", "the run is still going")
        gaps.note("run.duration_s", "the run is still going")
    elif info.origin.get("kind") == "import":
        gaps.note("run.exit_code", "an imported trace has no exit code")
        gaps.note("run.duration_s", "an imported trace does not say how long the script ran")
    else:
        gaps.note("run.exit_code", outcome.note or "the exit code was not seen")
        gaps.note("run.duration_s", outcome.note or "the end was not seen")
    gaps.note("run.note", "there is nothing to add to the status")
    return {
        "id": info.id,
        "path": str(evidence.run.path),
        "command": list(info.command),
        "script": info.script,
        "status": outcome.status,
        "exit_code": info.exit_code,
        "note": outcome.note,
        "created_utc": info.created_utc,
        "duration_s": _duration_s(info),
        "origin": info.origin,
        "options": info.options,
        "git": info.git,
        "python": info.python,
        "packages": info.packages,
    }


def fixes(evidence: Evidence, gaps: Gaps) -> list[dict[str, Any]]:
    """``fixes``: changes that perfkit made to the script from inside as it ran, and what became of each."""
    gaps.note("fixes[].reason", "it was applied, and nothing stood in the way")
    gaps.note("fixes[].state", "no process that steps has said anything about it")
    return fixes_of(evidence.run)


def _duration_s(info: Any) -> float | None:
    if info.started_monotonic_ns is None or info.ended_monotonic_ns is None:
        return None
    return float(info.ended_monotonic_ns - info.started_monotonic_ns) / 1e9


def devices(evidence: Evidence, gaps: Gaps) -> list[dict[str, Any]]:
    """``devices``: what the script could compute on."""
    gaps.note("devices[].memory_bytes", "the device does not say how much memory it has")
    gaps.note("devices[].uuid", "the device has no identifier of its own")
    gaps.note("devices", "no device was recorded")
    return [asdict(device) for device in evidence.need("info").devices]


def framework(evidence: Evidence, gaps: Gaps) -> dict[str, Any]:
    """``framework``: name, version and Keras' backend, from the process that stepped, else from any that armed."""
    gaps.note("framework.backend", "Keras alone has backends")
    keras = evidence.keras
    if keras is not None:
        return {"name": "keras", "version": keras["version"], "backend": _backend(evidence, keras["backend"])}
    seen = evidence.torch
    if seen is not None and seen.get("version"):
        return {"name": "torch", "version": seen["version"], "backend": None}
    for line in evidence.run.jsonl("guests.jsonl"):
        for name, version in (line.get("framework") or {}).items():
            return {"name": name, "version": version, "backend": None}
    gaps.note("framework", _why_no_framework(evidence))
    return {"name": None, "version": None, "backend": None}


def _backend(evidence: Evidence, name: str) -> str:
    """Name of Keras' backend, with its version where its process said it."""
    lines = [line.get("framework") or {} for line in evidence.run.jsonl("guests.jsonl")]
    return f"{name} {next((line[name] for line in lines if name in line), '')}".strip()


def _why_no_framework(evidence: Evidence) -> str:
    info = evidence.need("info")
    if info.origin.get("kind") == "import":
        return "a trace does not name the framework that wrote it"
    collector = next((c for c in info.collectors if c.name == "guest" and c.state != "on"), None)
    return collector.reason if collector else "the script imported no framework that perfkit knows"


def collectors(evidence: Evidence) -> list[dict[str, Any]]:
    """``collectors``: what recorded, and what could not and why."""
    return [asdict(collector) for collector in evidence.need("info").collectors]
