"""The device's side: shares of its time, hot operators and kernels, and how far the trace can be trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...advise.evidence import plain_rows
from .timing import rows

if TYPE_CHECKING:
    from ...advise.evidence import Evidence
    from ..gaps import Gaps

HOTSPOT_GAPS = {
    "module": "the trace does not say which module it belongs to",
    "line": "the trace does not say which line of Python it belongs to",
    "flops": "not counted in this run",
    "bytes": "not counted in this run",
    "bound": "needs FLOPs and bytes, and what the hardware can do at most",
    "efficiency": "needs FLOPs and bytes, and what the hardware can do at most",
    "shapes": "the trace was recorded without shapes",
}
FACTS = {"launches": "launch_facts"}
NONE_OF = {"copies": "copies", "syncs": "waits for the device"}

# Rows of host operators in the document; a model of many modules has thousands.
HOST_OPERATORS = 50


def device_breakdown(evidence: Evidence, gaps: Gaps) -> list[dict[str, Any]]:
    """``device_breakdown``: empty on a CPU-only run."""
    found = rows(evidence, gaps, "device_breakdown")
    gaps.note("device_breakdown", "nothing ran on a device: on a CPU-only run the host phases say it all")
    return found


def hotspots(evidence: Evidence, gaps: Gaps) -> list[dict[str, Any]]:
    """``hotspots``: operators, most time first."""
    for key, reason in HOTSPOT_GAPS.items():
        gaps.note(f"hotspots[].{key}", reason)
    gaps.note("hotspots[]", "does not apply to this operator")
    return rows(evidence, gaps, "hotspots")


def kernels(evidence: Evidence, gaps: Gaps) -> list[dict[str, Any]]:
    """``kernels``: device kernels, most time first."""
    found = rows(evidence, gaps, "kernels")
    gaps.note("kernels[]", "does not apply to this kernel")
    gaps.note("kernels", "nothing ran on a device")
    return found


def figures(evidence: Evidence, gaps: Gaps, name: str) -> dict[str, Any] | None:
    """``mfu`` or ``launches``: a fact that is a row by itself; null with its reason where it could not be had."""
    found = getattr(evidence, FACTS.get(name, name))
    if found is None:
        gaps.note(name, evidence.why(FACTS.get(name, name)))
        return None
    gaps.note(name, "the trace does not show the launches")
    return dict(found)


def moved(evidence: Evidence, gaps: Gaps, name: str) -> list[dict[str, Any]]:
    """``copies`` and ``syncs``."""
    found = rows(evidence, gaps, name)
    gaps.note(name, f"the traced steps have no {NONE_OF[name]}")
    gaps.note(f"{name}[]", "the trace does not say it")
    return found


def trace(evidence: Evidence, gaps: Gaps) -> dict[str, Any]:
    """``trace``: which window the device view is from, how much the profiler slowed it, and what to know."""
    found = evidence.trace
    if found is None:
        gaps.note("trace", evidence.why("trace"))
        return dict.fromkeys(("steps", "dilation", "busy_share_raw")) | {"notes": _why_unread(evidence)}
    gaps.note("trace.dilation", "no unprofiled step time is known for it")
    for key in ("busy_share", "busy_share_raw"):
        gaps.note(f"trace.{key}", "nothing ran on a device")
    gaps.note("trace.dilation_estimate", "not needed: the unprofiled step time is known")
    gaps.note("trace.input_wait", "no tf.data pipeline was asked in the traced steps")
    gaps.note("trace.rank", "the trace does not name one")
    for key, reason in HOTSPOT_GAPS.items():
        gaps.note(f"trace.host_operators[].{key}", reason)
    gaps.note("trace.host_operators[]", "does not apply to this operator")
    view = plain_rows([found])[0]
    shown = (
        "device_breakdown",
        "hotspots",
        "kernels",
        "copies",
        "syncs",
        "launches",
        "work",
        "limits",
        "matrix_formats",
    )
    kept = {key: value for key, value in view.items() if key not in shown and _is_plain(value)}
    return kept | {"host_operators": _first(view.get("host_operators") or [])}


def _first(rows: list[dict[str, Any]], most: int = HOST_OPERATORS) -> list[dict[str, Any]]:
    """The first rows, and one that adds up all others."""
    left = rows[most:]
    if len(left) < 2:
        return rows
    summed = {key: sum(row.get(key) or 0 for row in left) for key in ("calls_per_step", "seconds_per_step", "share")}
    return [*rows[:most], {**dict.fromkeys(left[0]), "name": f"… {len(left)} more", "kind": left[0]["kind"], **summed}]


def _why_unread(evidence: Evidence) -> list[str]:
    """Of a trace that is there and tells nothing, the reason."""
    file = evidence.trace_file
    if file is None:
        return []
    reason = evidence.why("trace").removeprefix(f"{file}: ")
    return [f"nothing could be learnt from {file.parent.name}/{file.name}: {reason}"]


def _is_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(_is_plain(v) for v in value.values())
    if isinstance(value, list | tuple):
        return all(_is_plain(v) for v in value)
    return value is None or isinstance(value, str | int | float | bool)
