"""What the process takes: memory and cores of its tree, read when asked for."""

from __future__ import annotations

import sys
import time
from typing import Any

# Looking through the processes of a busy machine takes 10 ms and more: not at each of many short epochs.
LEAST_S = 1.0


class Performance:
    """Memory and cores in use by this process and its children, since the reading before."""

    def __init__(self) -> None:
        import psutil

        self._process = psutil.Process()
        self._cpu_s, self._at = self._tree()[1], time.monotonic()
        self._is_first = True

    @property
    def is_due(self) -> bool:
        """Whether there was no reading yet, or not for a while."""
        return self._is_first or time.monotonic() - self._at >= LEAST_S

    def read(self) -> dict[str, float]:
        """``system/…`` values now. Cores are the mean since the last reading; children that ended in between are not in them."""
        self._is_first = False
        memory, cpu_s = self._tree()
        now = time.monotonic()
        took, self._at = now - self._at, now
        used, self._cpu_s = max(0.0, cpu_s - self._cpu_s), cpu_s
        values = {"system/host_memory_bytes": float(memory), **_device_memory()}
        return values | ({"system/cpu_cores": used / took} if took > 0 else {})

    def _tree(self) -> tuple[int, float]:
        import psutil

        memory, cpu_s = 0, 0.0
        for process in (self._process, *self._process.children(recursive=True)):
            try:
                times: Any = process.cpu_times()
                memory += process.memory_info().rss
                cpu_s += times.user + times.system
            except psutil.Error:  # a child has ended meanwhile
                continue
        return memory, cpu_s


def _device_memory() -> dict[str, float]:
    """What torch holds on its CUDA devices: a count of its own, nothing is waited for."""
    cuda: Any = getattr(sys.modules.get("torch"), "cuda", None)
    if cuda is None or not cuda.is_initialized():
        return {}
    return {"system/device_memory_bytes": float(sum(cuda.memory_allocated(i) for i in range(cuda.device_count())))}
