"""How long one call takes: warmed up by measurement, then timed in blocks of calls, each ended by what the device has finished.

In a gate the blocks are turns: after each the process hands over to the one that it is compared with (`bench.gate.pairs`).
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..stats.steady import warmup_end
from .subject import finished

if TYPE_CHECKING:
    from collections.abc import Callable

    from .session import Plan

# Calls are timed one by one until they have settled: at least so many and so long, at most so long.
WARM_CALLS, WARM_S, MOST_WARM_S = 8, 0.2, 10.0
# Settled, when what comes before the cut is no more than this share of the calls.
SETTLED = 0.45
# Slow calls are blocks of their own, fewer of them: at least so many, for no longer than so long where there are more.
LEAST_BLOCKS, MOST_S = 5, 10.0
# After a turn of somebody else's: calls that count for nothing, for at least so long.
SETTLING_S = 0.01


@dataclass(frozen=True, kw_only=True)
class Timed:
    """What was measured of one callable."""

    #: Seconds per call in each block.
    blocks: list[float]
    #: Calls of a block.
    calls: int
    #: Calls before that, and whether they had settled by then.
    warm_up_calls: int
    settled: bool
    #: Seconds of the first call.
    first_s: float
    #: What the last call of the warm-up returned, and another one after all blocks.
    earlier: Any = field(repr=False)
    result: Any = field(repr=False)


class Prepared:
    """A call that something goes before and after that is not timed. *ready* makes the call, *after* is given nothing."""

    def __init__(self, ready: Callable[[], Callable[[], Any]], after: Callable[[], None]) -> None:
        self._ready, self._after = ready, after

    def __call__(self) -> Any:
        """What the call returns."""
        return self.once()[1]

    def once(self) -> tuple[float, Any]:
        """Seconds of the call alone, and what it returned."""
        found = _once(self._ready())
        self._after()
        return found


def timed(call: Callable[[], Any], plan: Plan, *, hand_over: Callable[[], None] | None = None) -> Timed:
    """Time *call*; *hand_over* is called before each block, and returns when it is its turn."""
    warm, settled, earlier = warmed_up(call)
    typical = float(np.median(warm[warmup_end(warm) :]))
    calls = max(1, math.ceil(plan.block_s / max(typical, 1e-9)))
    count = max(LEAST_BLOCKS, min(plan.blocks, int(MOST_S / (calls * typical))))
    blocks = []
    for _ in range(count):
        if hand_over is not None:
            hand_over()
            _settle(call)
        blocks.append(_block(call, calls))
    return Timed(
        blocks=blocks, calls=calls, warm_up_calls=len(warm), settled=settled, first_s=float(warm[0]),
        earlier=earlier, result=finished(call()),
    )  # fmt: skip


def warmed_up(call: Callable[[], Any]) -> tuple[np.ndarray[Any, Any], bool, Any]:
    """Seconds of the calls until they settled, whether they did, and what the last returned."""
    taken: list[float] = []
    began = time.perf_counter()
    following = WARM_CALLS
    while True:
        seconds, result = _once(call)
        taken.append(seconds)
        now = time.perf_counter()
        if now - began >= MOST_WARM_S:
            return np.array(taken), False, result
        if len(taken) >= following and now - began >= WARM_S:
            if warmup_end(taken) <= SETTLED * len(taken):
                return np.array(taken), True, result
            following = 2 * len(taken)


def _settle(call: Callable[[], Any]) -> None:
    until = time.perf_counter() + SETTLING_S
    finished(call())
    while time.perf_counter() < until:
        finished(call())


def _once(call: Callable[[], Any]) -> tuple[float, Any]:
    if isinstance(call, Prepared):
        return call.once()
    start = time.perf_counter()
    result = finished(call())
    return time.perf_counter() - start, result


def _block(call: Callable[[], Any], calls: int) -> float:
    """Seconds per call of so many *calls*; the device is waited for once, at the end."""
    if isinstance(call, Prepared):
        return sum(call.once()[0] for _ in range(calls)) / calls
    start = time.perf_counter()
    for _ in range(calls - 1):
        call()
    finished(call())
    return (time.perf_counter() - start) / calls
