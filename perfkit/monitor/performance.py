"""What the process takes: memory and cores of its tree, read when asked for."""

from __future__ import annotations

import time
from typing import Any


class Performance:
    """Memory and cores in use by this process and its children, since the reading before."""

    def __init__(self) -> None:
        import psutil

        self._process = psutil.Process()
        self._cpu_s, self._at = self._tree()[1], time.monotonic()

    def read(self) -> dict[str, float]:
        """``system/…`` values now. Cores are the mean since the last reading; children that ended in between are not in them."""
        memory, cpu_s = self._tree()
        now = time.monotonic()
        took, self._at = now - self._at, now
        used, self._cpu_s = max(0.0, cpu_s - self._cpu_s), cpu_s
        values = {"system/host_memory_bytes": float(memory)}
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
