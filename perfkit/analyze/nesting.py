"""Which host event runs inside which: the call tree of a trace, per thread."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from ..trace.events import Events


@dataclass(frozen=True, kw_only=True)
class Nesting:
    """The call tree over all events of a trace; those that were not asked for stand alone at depth -1."""

    #: Index of the event each one runs directly inside; -1 at the top.
    parent: Any
    depth: Any
    #: Time of each event that none of its direct children covers, ns.
    self_ns: Any
    #: Number of direct children.
    children: Any

    def nearest(self, wanted: Any) -> Any:
        """For each event the closest of its ancestors, itself included, that is *wanted*; -1 without."""
        found = np.where(wanted & (self.depth >= 0), np.arange(len(self.depth)), -1)
        for level in self._levels():
            open_ones = level[found[level] < 0]
            found[open_ones] = found[self.parent[open_ones]]
        return found

    def _levels(self) -> list[Any]:
        """Indices by depth, from 1 down."""
        order = np.argsort(self.depth, kind="stable")
        deepest = int(self.depth.max()) if len(self.depth) else 0
        cuts = np.searchsorted(self.depth[order], np.arange(1, deepest + 2))
        return [order[begin:end] for begin, end in pairwise(cuts)]


def nest(events: Events, chosen: Any) -> Nesting:
    """The call tree of the *chosen* events (a mask). Frames may cross operators: an event belongs to the innermost one
    that was open when it began, and counts against its self time only as far as it lies inside it.
    """
    count = len(events)
    indices = np.flatnonzero(chosen)
    starts, durations = np.asarray(events.ts_ns, np.int64)[indices], np.asarray(events.dur_ns, np.int64)[indices]
    order = np.lexsort((-durations, starts, events.tid[indices], events.pid[indices]))
    indices, starts, durations = indices[order], starts[order], durations[order]
    local, depth_here = _sweep(_lanes(events, indices), starts.tolist(), (starts + durations).tolist())
    parent = np.full(count, -1, np.int64)
    depth = np.full(count, -1, np.int64)
    here = np.array(local, np.int64)
    parent[indices] = np.where(here >= 0, indices[here], -1) if len(here) else here
    depth[indices] = depth_here
    return _with_self_times(events, parent, depth, indices, here, starts, durations)


def _with_self_times(
    events: Events, parent: Any, depth: Any, indices: Any, here: Any, starts: Any, durations: Any
) -> Nesting:
    ends = starts + durations
    has = here >= 0
    inside = np.minimum(ends[has], ends[here[has]]) - starts[has]
    taken = np.bincount(here[has], weights=inside, minlength=len(here))
    self_ns = np.zeros(len(events), np.int64)
    self_ns[indices] = np.maximum(durations - taken.astype(np.int64), 0)
    children = np.zeros(len(events), np.int64)
    children[indices] = np.bincount(here[has], minlength=len(here))
    return Nesting(parent=parent, depth=depth, self_ns=self_ns, children=children)


def _lanes(events: Events, indices: Any) -> list[int]:
    """A number per event that changes where the thread does, for events sorted by thread."""
    pid, tid = events.pid[indices], events.tid[indices]
    changes = np.zeros(len(indices), np.int64)
    changes[1:] = (pid[1:] != pid[:-1]) | (tid[1:] != tid[:-1])
    return [int(lane) for lane in np.cumsum(changes)]


def _sweep(lanes: list[int], starts: list[int], ends: list[int]) -> tuple[list[int], list[int]]:
    """Parent (position, -1 at the top) and depth of each event, by a stack of the open ones."""
    parents, depths = [-1] * len(starts), [0] * len(starts)
    stack: list[int] = []
    lane = -1
    for position, start in enumerate(starts):
        if lanes[position] != lane:
            lane = lanes[position]
            stack.clear()
        while stack and ends[stack[-1]] <= start:
            stack.pop()
        if stack:
            parents[position] = stack[-1]
            depths[position] = len(stack)
        stack.append(position)
    return parents, depths
