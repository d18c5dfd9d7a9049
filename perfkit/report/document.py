"""Composes the document of a run: everything a view shows, once, as plain data. Key by key in docs/json.md.

It can be had of any run: one still going, killed, that failed before its first step, without torch,
imported. What could not be had is null or empty and has its reason under ``unavailable``; nothing here
raises for a poor recording.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ..analyze import stages as stage_rows
from .gaps import Gaps
from .sections import device, findings, identity, resources, timing

if TYPE_CHECKING:
    from ..advise.evidence import Evidence
    from ..advise.registry import Advice

SCHEMA_VERSION = 1


def compose(evidence: Evidence, advice: Advice) -> dict[str, Any]:
    """The document of *evidence*'s run. Raises RunError only when run.json itself cannot be read."""
    gaps = Gaps()
    if evidence.info is None:
        _ = evidence.run.info  # raises what is wrong with it
    document: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "run": identity.run(evidence, gaps),
        "fixes": identity.fixes(evidence, gaps),
        "host": dict(evidence.need("info").host),
        "devices": identity.devices(evidence, gaps),
        "framework": identity.framework(evidence, gaps),
        "mode": timing.mode(evidence, gaps),
        "run_breakdown": timing.rows(evidence, gaps, "run_breakdown"),
        "stages": timing.rows(evidence, gaps, "stages"),
        "steps": timing.steps(evidence, gaps),
        "latency": timing.latency(evidence, gaps),
        "breakdown": timing.rows(evidence, gaps, "breakdown"),
        "regions": timing.rows(evidence, gaps, "regions"),
        "device_phases": timing.rows(evidence, gaps, "device_phases"),
        "device_breakdown": device.device_breakdown(evidence, gaps),
        "hotspots": device.hotspots(evidence, gaps),
        "kernels": device.kernels(evidence, gaps),
        "mfu": device.figures(evidence, gaps, "mfu"),
        "launches": device.figures(evidence, gaps, "launches"),
        "copies": device.moved(evidence, gaps, "copies"),
        "syncs": device.moved(evidence, gaps, "syncs"),
        "trace": device.trace(evidence, gaps),
        "memory": resources.memory(evidence, gaps),
        "utilization": resources.utilization(evidence, gaps),
        "energy": resources.energy(evidence, gaps),
        "hot_lines": resources.hot_lines(evidence, gaps),
        "findings": [asdict(finding) for finding in advice.findings],
        "together": findings.together(evidence, advice, gaps),
        "rules": {"count": advice.count, "skipped": advice.skipped, "failed": advice.failed},
        "ranks": timing.ranks(evidence, gaps),
        "collectors": identity.collectors(evidence),
        "overhead": timing.overhead(evidence, gaps),
        "faults": dict(evidence.faults),
    }
    gaps.note("regions", "the script names no region")
    gaps.note("stages[].share", "the end of the run was not seen")
    gaps.note("stages[].cpu_seconds", "told of whole stages only")
    for key in stage_rows.SIZES:
        gaps.note(f"stages[].{key}", "what it was called with, or came to, does not tell")
    for key in ("cgroup_cores", "cgroup_memory_bytes"):
        gaps.note(f"host.{key}", "no control group sets a limit")
    gaps.note("findings[].fix", "there is no cure that can be applied from inside")
    document["unavailable"] = gaps.settle(document)
    return document


def encode(document: dict[str, Any], *, indent: int = 2) -> bytes:
    """The document as JSON text with a newline at its end; *indent* 0 makes it one line."""
    import msgspec

    raw = msgspec.json.encode(document, enc_hook=_plain)
    return (msgspec.json.format(raw, indent=indent) if indent else raw) + b"\n"


def _plain(value: Any) -> Any:
    """Numbers of numpy as plain ones."""
    import numpy as np

    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} has no place in a document")
