"""Sets of time intervals as sorted numpy arrays: union, overlap, and shares that do not count a moment twice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = Any  # NDArray[np.int64], nanoseconds


@dataclass(frozen=True)
class Spans:
    """Disjoint intervals in time order."""

    starts: Array
    ends: Array

    @property
    def total(self) -> int:
        """Time covered, ns."""
        return int((self.ends - self.starts).sum())

    def covered(self, starts: Array, ends: Array) -> Array:
        """How much of each interval [start, end] these spans cover, ns."""
        return self._before(ends) - self._before(starts)

    def contains(self, moments: Array) -> Array:
        """Which moments lie in a span (its end included)."""
        if not len(self.starts):
            return np.zeros(len(moments), bool)
        at = np.searchsorted(self.starts, moments, side="right") - 1
        return (at >= 0) & (self.ends[at] >= moments)

    def clipped(self, start: int, end: int) -> Spans:
        """The part of the spans inside [start, end]."""
        keep = (self.ends > start) & (self.starts < end)
        return Spans(np.maximum(self.starts[keep], start), np.minimum(self.ends[keep], end))

    def gaps(self, start: int, end: int) -> Spans:
        """What of [start, end] the spans leave open."""
        inside = self.clipped(start, end)
        opens = np.concatenate(([start], inside.ends))
        closes = np.concatenate((inside.starts, [max(start, end)]))
        keep = closes > opens
        return Spans(opens[keep], closes[keep])

    def _before(self, moments: Array) -> Array:
        """Time covered before each moment."""
        if not len(self.starts):
            return np.zeros(len(moments), np.int64)
        sums = np.concatenate(([0], np.cumsum(self.ends - self.starts)))
        at = np.searchsorted(self.starts, moments, side="right")
        over = np.where(at > 0, np.maximum(self.ends[np.maximum(at - 1, 0)] - moments, 0), 0)
        return sums[at] - over


def union(starts: Array, ends: Array) -> Spans:
    """The spans that any of the intervals covers."""
    if not len(starts):
        return Spans(np.zeros(0, np.int64), np.zeros(0, np.int64))
    order = np.argsort(starts, kind="stable")
    starts = np.asarray(starts, np.int64)[order]
    reach = np.maximum.accumulate(np.asarray(ends, np.int64)[order])
    first = np.concatenate(([True], starts[1:] > reach[:-1]))
    last = np.concatenate((first[1:], [True]))
    return Spans(starts[first], reach[last])


def own_parts(starts: Array, ends: Array) -> tuple[Array, Array]:
    """Of each interval the part that no earlier-started one covers: disjoint, and together the union.

    Returns starts and ends in the order given; an interval that is covered entirely has both equal.
    """
    order = np.argsort(starts, kind="stable")
    sorted_starts = np.asarray(starts, np.int64)[order]
    sorted_ends = np.asarray(ends, np.int64)[order]
    reach = np.maximum.accumulate(sorted_ends)
    begin = sorted_starts.copy()
    begin[1:] = np.maximum(sorted_starts[1:], reach[:-1])
    begin = np.minimum(begin, sorted_ends)
    own_starts, own_ends = np.empty_like(begin), np.empty_like(begin)
    own_starts[order], own_ends[order] = begin, sorted_ends
    return own_starts, own_ends
