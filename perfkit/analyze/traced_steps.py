"""The steps that a trace shows: from its own step annotations, or the whole trace when it has none."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from ..trace.events import Events

#: Ours say exactly where perfkit saw the step; the framework's are written by the user's own schedule.
STEP_MARKS = ("perfkit.step#", "ProfilerStep#")
_NUMBER = re.compile(r"#\s*(\d+)")
# Steps further apart than this share of a step are separate recordings: only the longest is looked at.
_APART = 0.5


@dataclass(frozen=True, kw_only=True)
class Window:
    """The traced steps on the host's clock, in time order and without gaps between them."""

    #: Start of each step and, as the last entry, the end of the last one; ns.
    edges_ns: Any
    #: Number of each step as the trace names it; empty when the trace has no step marks.
    numbers: list[int] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        """Number of steps; 1 for an unmarked trace."""
        return len(self.edges_ns) - 1

    @property
    def marked(self) -> bool:
        """Whether the trace says where its steps are."""
        return bool(self.numbers)

    @property
    def start_ns(self) -> int:
        """Start of the first step."""
        return int(self.edges_ns[0])

    @property
    def end_ns(self) -> int:
        """End of the last step."""
        return int(self.edges_ns[-1])

    def step_of(self, moments_ns: Any) -> Any:
        """Index of the step each moment lies in; -1 before the first, ``count`` after the last."""
        return np.searchsorted(self.edges_ns, moments_ns, side="right") - 1


def steps_of(events: Events) -> Window:
    """The steps of a trace."""
    for prefix in STEP_MARKS:
        found = np.flatnonzero(events.in_categories("user_annotation") & events.name_matches(prefix))
        if len(found):
            return _marked(events, found)
    notes = ["the trace marks no steps: figures are for the whole trace"]
    host = ~events.in_categories("Trace", "overhead")
    host = host if host.any() else np.ones(len(events), bool)
    edges = np.array([events.ts_ns[host].min(), events.end_ns[host].max()], np.int64)
    return Window(edges_ns=edges, notes=notes)


def host_events_per_step(events: Events, window: Window) -> float:
    """Events that the profiler recorded on the host, each of which cost the host something."""
    host = events.in_categories("cpu_op", "user_annotation", "python_function", "cuda_runtime", "cuda_driver")
    step = window.step_of(events.ts_ns)
    return float((host & (step >= 0) & (step < window.count)).sum()) / window.count


def _marked(events: Events, found: Any) -> Window:
    threads, counts = np.unique(events.tid[found], return_counts=True)
    found = found[events.tid[found] == threads[np.argmax(counts)]]
    found = found[np.argsort(events.ts_ns[found], kind="stable")]
    starts, ends = events.ts_ns[found].astype(np.int64), events.end_ns[found]
    first, last = _longest_run(starts, ends)
    notes = []
    if last - first < len(starts):
        notes.append(f"steps in several recordings: the longest one, {last - first} steps, is shown")
    edges = np.concatenate((starts[first:last], ends[last - 1 : last]))
    return Window(edges_ns=edges, numbers=[_number(events, index) for index in found[first:last]], notes=notes)


def _longest_run(starts: Any, ends: Any) -> tuple[int, int]:
    """First and one-past-last index of the longest run of steps that follow one another."""
    apart = starts[1:] - ends[:-1] > _APART * np.median(ends - starts)
    cuts = [0, *(np.flatnonzero(apart) + 1).tolist(), len(starts)]
    runs = [(end - begin, begin, end) for begin, end in pairwise(cuts)]
    _, begin, end = max(runs, key=lambda run: run[0])
    return begin, end


def _number(events: Events, index: int) -> int:
    match = _NUMBER.search(events.names[int(events.name[index])])
    return int(match.group(1)) if match else -1
