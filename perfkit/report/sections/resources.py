"""Memory, utilisation, energy and the hot lines of Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...advise.evidence import native
from ...model import marks as m

if TYPE_CHECKING:
    from ...advise.evidence import Evidence
    from ..gaps import Gaps

MEMORY_FACTS = {
    "held": "memory", "growth": "memory_growth", "largest_batch": "largest_batch", "out_of_memory": "out_of_memory",
}  # fmt: skip


def memory(evidence: Evidence, gaps: Gaps) -> dict[str, Any]:
    """``memory``: peaks of the host (the whole process tree) and of each device (the framework's
    counters).
    """
    found = {"host_peak_bytes": None, "device_peak_bytes": None, **(evidence.host_memory or {})}
    if evidence.host_memory is None:
        gaps.note("memory.host_peak_bytes", evidence.why("host_memory"))
    found["devices"] = _device_peaks(evidence)
    if found["devices"]:
        found["device_peak_bytes"] = max(row["allocated_bytes"] for row in found["devices"])
    for key, fact in MEMORY_FACTS.items():
        found[key] = getattr(evidence, fact)
        gaps.note(f"memory.{key}", evidence.why(fact) if found[key] is None else "could not be told apart")
    gaps.note("memory.device_peak_bytes", _why_no_device_memory(evidence))
    gaps.note("memory", "not sampled in this run")
    return found


def _device_peaks(evidence: Evidence) -> list[dict[str, Any]]:
    peaks: dict[tuple[int, int], list[int]] = {}
    for recording in evidence.recordings or []:
        words = recording.marks
        for word in words[(words[:, 1] & 0xFF) == m.MEMORY]:
            key = (recording.rank, int(word[1] >> 8) & 0xFFFFFF)
            before = peaks.get(key, [0, 0])
            peaks[key] = [max(before[0], int(word[2])), max(before[1], int(word[3]))]
    return [
        {"rank": rank, "device": device, "allocated_bytes": got[0], "reserved_bytes": got[1]}
        for (rank, device), got in sorted(peaks.items())
    ]


def _why_no_device_memory(evidence: Evidence) -> str:
    return evidence.why("gpu") if evidence.gpu is None else "the framework reported no device memory"


def utilization(evidence: Evidence, gaps: Gaps) -> dict[str, Any]:
    """``utilization``: of CPU, devices and I/O, over the steady span."""
    return _sampled(evidence, gaps, "utilization", "utilization", {"cpu_percent": None, "gpu_percent": None})


def energy(evidence: Evidence, gaps: Gaps) -> dict[str, Any]:
    """``energy``: joules per step, where a counter can be read."""
    return _sampled(evidence, gaps, "energy", "energy", {"joules_per_step": None})


def _sampled(evidence: Evidence, gaps: Gaps, key: str, fact: str, empty: dict[str, Any]) -> dict[str, Any]:
    found = getattr(evidence, fact)
    if found is None:
        gaps.note(key, evidence.why(fact))
        return dict(empty)
    made = {**empty, **found}
    for name, reason in (made.pop("unavailable", None) or {}).items():
        gaps.note(f"{key}.{name}", str(reason))
    for name in [name for name in made if made[name] is None]:
        gaps.note(f"{key}.{name}", str(made.get("reason") or made.get("how") or "not sampled in this run"))
    return dict(native(made))


def hot_lines(evidence: Evidence, gaps: Gaps) -> list[dict[str, Any]]:
    """``hot_lines``: lines of the user's code, by their share of the stack samples."""
    found = evidence.hot_lines
    if not found:
        gaps.note("hot_lines", evidence.why("hot_lines") if found is None else "no sample fell into user code")
    gaps.note("hot_lines[]", "does not apply to this line")
    return list(found or [])
