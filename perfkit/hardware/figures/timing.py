"""Repetitions, and what they come to."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

#: A size is large enough once a call takes this long: starting it no longer counts.
ENOUGH_S = 0.01


class Unavailable(Exception):  # noqa: N818 - reads as the fact it states
    """A figure that cannot be had here; the text says why."""


def times_s(work: Callable[[], Any], budget_s: float, least: int = 2) -> list[float]:
    """Seconds of each of as many calls as the budget holds, at least so many."""
    ends = time.perf_counter() + budget_s
    times: list[float] = []
    while len(times) < least or time.perf_counter() < ends:
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return times


def best_s(work: Callable[[], Any], budget_s: float) -> float:
    """Seconds of the fastest of as many calls as the budget holds, at least two."""
    return min(times_s(work, budget_s))


def figure(times: list[float], amount: float | None = None, *, typical: bool = False) -> dict[str, Any]:
    """The best of *times* (*typical*: their median), or *amount* per second of it; and by how much the median exceeds the best."""
    ordered = sorted(times)
    best, middle = ordered[0], ordered[len(ordered) // 2]
    seconds = middle if typical else best
    return {"value": amount / seconds if amount else seconds, "spread": round(middle / best - 1, 4)}


def grown(seconds_at: Callable[[int], float], *, start: int, most: int, enough_s: float = ENOUGH_S) -> int:
    """The first of *start*, twice that … at which a call takes long enough, or the largest that is not more than *most*."""
    size = start
    while size * 2 <= most and seconds_at(size) < enough_s:
        size *= 2
    return size
