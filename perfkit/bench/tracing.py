"""Where the time of one call goes, for two sides to be compared: operators of torch by its profiler, else functions by Python's.

Times under a profiler are longer than without. They say what grew, not by how much the call did.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from .subject import finished

if TYPE_CHECKING:
    from collections.abc import Callable

Row = dict[str, Any]

# Calls that are looked at: so many, for at most so long.
CALLS, MOST_S = 50, 3.0
MOST_ROWS = 200


def traced(call: Callable[[], Any]) -> list[Row]:
    """{kind, name, calls, seconds} per call of *call*, which is warm; what it takes itself, not what it calls."""
    torch = sys.modules.get("torch")
    rows = _functions(call) if torch is None else _operators(call, torch) or _functions(call)
    return sorted(rows, key=lambda row: -float(row["seconds"]))[:MOST_ROWS]


def _repeated(call: Callable[[], Any]) -> int:
    began, count = time.perf_counter(), 0
    while count < CALLS and (count < 1 or time.perf_counter() - began < MOST_S):
        finished(call())
        count += 1
    return count


def _operators(call: Callable[[], Any], torch: Any) -> list[Row]:
    profiler = torch.profiler
    kinds = [profiler.ProfilerActivity.CPU]
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        kinds.append(profiler.ProfilerActivity.CUDA)
    with profiler.profile(activities=kinds) as profile:
        count = _repeated(call)
    found = []
    for event in profile.key_averages():
        if event.key.startswith("ProfilerStep"):
            continue
        device = getattr(event, "self_device_time_total", 0.0)
        kind, spent = ("kernel", device) if device else ("operator", event.self_cpu_time_total)
        found.append({"kind": kind, "name": event.key, "calls": event.count / count, "seconds": spent / 1e6 / count})
    return found


def _functions(call: Callable[[], Any]) -> list[Row]:
    import cProfile

    profile = cProfile.Profile()
    profile.enable()
    count = _repeated(call)
    profile.disable()
    return [
        {
            "kind": "function",
            "name": _name(entry.code),
            "calls": entry.callcount / count,
            "seconds": entry.inlinetime / count,
        }
        for entry in profile.getstats()
    ]


def _name(code: Any) -> str:
    """``file:function`` without a line, which an edit above it would move."""
    if isinstance(code, str):
        return code.strip("<>")
    return f"{code.co_filename.rpartition('/')[2]}:{code.co_qualname}"
