"""What the recording holds about memory: samples of a process and of devices, the framework's peaks, and how it ended."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..model import marks as m
from ..runs import layout
from ..runs.reader import RankRecording, Run

Series = tuple[NDArray[np.float64], NDArray[np.float64]]  # times in ns, bytes


def process_rss(run: Run, pid: int | None) -> Series:
    """Resident size of one process over time: of every sample while it was alone, else about once a second."""
    found: list[tuple[float, float]] = []
    for line in run.jsonl(layout.HOST_SAMPLES):
        own = [entry[3] for entry in line.get("p", ()) if entry[0] == pid]
        if own:
            found.append((line["t"], own[0]))
        elif line.get("n") == 1 and "rss" in line and "p" not in line:
            found.append((line["t"], line["rss"]))
    table = np.array(sorted(found), np.float64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def device_used(run: Run, index: int) -> Series:
    """Memory of a device in use by everybody, over time."""
    found = [
        (line["t"], entry["used"])
        for line in run.jsonl(layout.NVML_SAMPLES)
        for entry in line.get("d", ())
        if entry.get("i") == index and "used" in entry
    ]
    table = np.array(sorted(found), np.float64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def framework_peaks(recording: RankRecording) -> dict[int, tuple[int, int]]:
    """Device → (allocated, reserved) at their peaks, by the framework's counters."""
    words = recording.marks
    peaks: dict[int, tuple[int, int]] = {}
    for word in words[(words[:, 1] & 0xFF) == m.MEMORY]:
        index = int(word[1] >> 8) & 0xFFFFFF
        before = peaks.get(index, (0, 0))
        peaks[index] = (max(before[0], int(word[2])), max(before[1], int(word[3])))
    return peaks


def at_steps(series: Series, edges_ns: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The samples between the first and the last edge, each at its step, with the fraction; *edges_ns*: ends of steps."""
    times, values = series
    inside = (times >= edges_ns[0]) & (times <= edges_ns[-1])
    return np.interp(times[inside], edges_ns, np.arange(len(edges_ns), dtype=float)), values[inside]


def endings(run: Run) -> list[dict[str, Any]]:
    """How processes of the run ended that ended by an exception: pid, exception (its class), memory (bool)."""
    return run.jsonl(layout.ENDINGS)
