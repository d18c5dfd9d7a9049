"""Whether a workload fits another device's memory, and the largest batch that would."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from ...analyze.memory import USABLE, Memory, largest_batch

Row = dict[str, Any]


def fit(memory: Memory, batch: int | None, limit_bytes: int, times: float) -> Row:
    """peak_bytes (at *times* the batch), limit_bytes, fits (yes, no, or hardly: between what is surely and what is at most usable), and
    largest_batch {low, high, batch, basis} where the batch is known.
    """
    peak = _peak(memory, times)
    share = peak / limit_bytes
    fits = "yes" if share <= USABLE[0] else "hardly" if share <= USABLE[1] else "no"
    there = replace(memory, limit_bytes=limit_bytes, limit="memory of the device")
    found = largest_batch(there, batch) if batch else None
    return {
        "peak_bytes": round(peak),
        "limit_bytes": limit_bytes,
        "fits": fits,
        "largest_batch": asdict(found) if found and share <= USABLE[1] else None,
    }


def _peak(memory: Memory, times: float) -> float:
    """What the framework holds at the peak: activations grow with the batch, and where they are not known all does."""
    held = float(memory.reserved_bytes or memory.peak_bytes)
    growing = memory.activations_bytes if memory.activations_bytes is not None else memory.peak_bytes
    return held + growing * (times - 1)
