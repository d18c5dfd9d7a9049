"""Memory, processors and devices as series: from the samplers' files, a few seconds at a time."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING, Any

from ...runs import layout
from .tail import Lines

if TYPE_CHECKING:
    from pathlib import Path

# One point from the samples of so many seconds: at first, and once the run is as old as LATER_S.
EVERY_S, LATER_EVERY_S, LATER_S = 1.0, 5.0, 300.0
# A tree that writes so much to storage between two samples (a second) is saving something.
SAVING_BYTES = 1_000_000


class Samples:
    """Reads host.jsonl and nvml.jsonl of *run*."""

    def __init__(self, run: Path) -> None:
        self._host = Lines(run / layout.HOST_SAMPLES)
        self._nvml = Lines(run / layout.NVML_SAMPLES)
        self._last: dict[str, Any] | None = None
        self._written: int | None = None
        #: Storage was written to since the last `take`.
        self.saving = False
        #: The newest figure of the tree's memory; 0 before.
        self.memory_bytes = 0
        #: The newest share of one core that the tree used.
        self.cores: float | None = None

    def take(self) -> dict[str, float]:
        """Values since the last call, by canonical name; empty where nothing new was sampled."""
        # A process that is exiting has given its memory back already: that is no figure of the run.
        lines = [line for line in self._host.read() if line.get("rss")]
        self.saving = self._has_saved(lines)
        values: dict[str, float] = {}
        if lines:
            memory = [line["pss"] for line in lines if "pss" in line] or [line["rss"] for line in lines]
            self.memory_bytes = int(memory[-1])
            values["system/host_memory_bytes"] = float(self.memory_bytes)
            since, self._last = self._last, lines[-1]
            if since is not None and self._last["t"] > since["t"]:
                self.cores = max(0, self._last["cpu"] - since["cpu"]) / (self._last["t"] - since["t"])
                values["system/cpu_cores"] = self.cores
        return values | _devices(self._nvml.read())

    def _has_saved(self, lines: list[dict[str, Any]]) -> bool:
        saving = False
        for written in (line["wr"] for line in lines if "wr" in line):
            saving |= self._written is not None and written - self._written >= SAVING_BYTES
            self._written = written
        return saving


def _devices(lines: list[dict[str, Any]]) -> dict[str, float]:
    """Means over the samples: the share of time that the devices were busy, and the power of all of them."""
    busy = [entry["gpu"] for line in lines for entry in line.get("d", ()) if "gpu" in entry]
    power = [sum(entry["power"] for entry in line["d"] if "power" in entry) for line in lines if line.get("d")]
    values = {}
    if busy:
        values["system/device_busy_ratio"] = fmean(busy) / 100
    if power and any(power):
        values["system/device_power_w"] = fmean(power) / 1000
    return values


def interval_s(age_s: float) -> float:
    """Seconds between two points of a run of this age."""
    return EVERY_S if age_s < LATER_S else LATER_EVERY_S
