"""What is learnt about the host once the script has ended: whether it was killed for memory, what the processor can do."""

from __future__ import annotations

from typing import Any

from ..hardware import cgroup, measure
from .child import Ended


class Aftermath:
    """Made before the script starts; `host_facts` is asked after it has ended."""

    def __init__(self) -> None:
        self._kills = cgroup.oom_kills()

    def host_facts(self, ended: Ended) -> dict[str, Any]:
        """``oom_kills``, where there were any, and ``cpu_peaks``, where they are known or nobody else is at work."""
        found: dict[str, Any] = {}
        kills = cgroup.oom_kills() if ended.signal is not None else None
        if kills is not None and self._kills is not None and kills > self._kills:
            found["oom_kills"] = kills - self._kills
        peaks = measure.cpu_peaks(measure=ended.signal is None)
        if peaks is not None:
            found["cpu_peaks"] = peaks
        return found
