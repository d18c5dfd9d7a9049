"""To which module and which line of Python an operator belongs, backward operators by way of their forward ones."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..trace.events import Events
from .nesting import Nesting

#: What our own windows put around each module call: prefix | dotted path | class | file:line of the caller.
MODULE_MARK = "perfkit.module|"
OPTIMIZER_MARKS = ("Optimizer.step#", "Optimizer.zero_grad#")
OPTIMIZER = "optimizer"
_FRAME_MODULE = "nn.Module: "
_ACCUMULATE = "autograd::engine::evaluate_function: torch::autograd::AccumulateGrad"
_FRAME = re.compile(r"^(?P<file>[^<(][^(]*\.py)\((?P<line>\d+)\): ")
_LIBRARY = re.compile(r"(^|/)(site-packages|dist-packages|lib/python3[^/]*|torch)/")


@dataclass(frozen=True, kw_only=True)
class Attribution:
    """Codes per event, -1 where the trace does not say, and what they mean."""

    module: Any
    line: Any
    modules: list[str]
    lines: list[str]


def attribute(events: Events, nesting: Nesting) -> Attribution:
    """Module and line of every host event."""
    marks = events.in_categories("user_annotation") & events.name_matches(MODULE_MARK)
    frames = events.in_categories("python_function") & events.name_matches(_FRAME_MODULE)
    optimizer = events.in_categories("user_annotation") & events.name_matches(*OPTIMIZER_MARKS)
    backward = events.in_categories("cpu_op") & (events.sequence >= 0) & (events.forward_thread > 0)
    backward |= events.in_categories("cpu_op") & events.name_matches(_ACCUMULATE)
    modules, module_of = _Names(), np.full(len(events), -1, np.int64)
    lines, line_of = _Names(), np.full(len(events), -1, np.int64)
    _own_marks(events, np.flatnonzero(marks), (modules, module_of), (lines, line_of))
    _frame_paths(events, nesting, np.flatnonzero(frames), (modules, module_of))
    module_of[optimizer] = modules.code(OPTIMIZER)
    _frame_lines(events, (lines, line_of))
    _spread(nesting, module_of, backward)
    _spread(nesting, line_of, backward)
    forward = _forward_of(events, np.flatnonzero(backward))
    for values in (module_of, line_of):
        _by_forward(events, nesting, values, backward, forward)
    return Attribution(module=module_of, line=line_of, modules=modules.texts, lines=lines.texts)


class _Names:
    """Text → code."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._codes: dict[str, int] = {}

    def code(self, text: str) -> int:
        if text not in self._codes:
            self._codes[text] = len(self.texts)
            self.texts.append(text)
        return self._codes[text]


_Target = tuple[_Names, Any]


def _own_marks(events: Events, marks: Any, module: _Target, line: _Target) -> None:
    """Our annotations say path, class and line themselves. The outermost model's path is empty: its class stands in."""
    for code in np.unique(events.name[marks]):
        _, path, kind, where = [*events.names[code].split("|", 3), "", "", ""][:4]
        here = marks[events.name[marks] == code]
        module[1][here] = module[0].code(path or kind)
        if where:
            line[1][here] = line[0].code(where)


def _frame_paths(events: Events, nesting: Nesting, frames: Any, module: _Target) -> None:
    """Other people's traces name module calls ``nn.Module: Linear_3``: the path is the chain of those."""
    if not len(frames):
        return
    is_frame = np.zeros(len(events), bool)
    is_frame[frames] = True
    nearest = nesting.nearest(is_frame)
    parents = nesting.parent[frames]
    outer = np.where(parents >= 0, nearest[parents], -1)
    path: dict[int, str] = {}
    for index, above in sorted(zip(frames.tolist(), outer.tolist(), strict=True), key=lambda p: nesting.depth[p[0]]):
        name = events.names[events.name[index]].removeprefix(_FRAME_MODULE)
        path[index] = f"{path[above]}.{name}" if above in path else name
        module[1][index] = module[0].code(path[index])


def _frame_lines(events: Events, line: _Target) -> None:
    """Python frames of the user's own files, not of libraries."""
    frames = np.flatnonzero(events.in_categories("python_function"))
    for code in np.unique(events.name[frames]):
        match = _FRAME.match(events.names[code])
        if match and not _LIBRARY.search(match["file"]):
            line[1][frames[events.name[frames] == code]] = line[0].code(f"{match['file']}:{match['line']}")


def _spread(nesting: Nesting, values: Any, stop: Any) -> None:
    """Give each event the value of its closest ancestor that has one, but not across a backward node."""
    source = nesting.nearest((values >= 0) | stop)
    has = source >= 0
    values[has] = values[source[has]]


def _forward_of(events: Events, backward: Any) -> Any:
    """For each backward node the last forward operator of its sequence number that began before it; -1 without."""
    forward = np.flatnonzero(events.in_categories("cpu_op") & (events.sequence >= 0) & (events.forward_thread <= 0))
    if not len(forward) or not len(backward):
        return np.full(len(backward), -1, np.int64)
    starts = np.asarray(events.ts_ns, np.int64)
    order = np.lexsort((starts[forward], events.sequence[forward]))
    forward = forward[order]
    # One sortable key per (sequence, start): the position of the start among all starts fits 32 bits.
    moments = np.sort(starts[forward])
    keys = np.asarray(events.sequence[forward], np.int64) << 32 | np.searchsorted(moments, starts[forward])
    wanted = np.asarray(events.sequence[backward], np.int64) << 32 | np.searchsorted(moments, starts[backward])
    at = np.searchsorted(keys, wanted) - 1
    found = forward[np.maximum(at, 0)]
    same = (at >= 0) & (events.sequence[found] == events.sequence[backward]) & (events.sequence[backward] >= 0)
    return np.where(same, found, -1)


def _by_forward(events: Events, nesting: Nesting, values: Any, backward: Any, forward: Any) -> None:
    """Give backward nodes the value of their forward operator; gradient accumulation that of the node before it."""
    nodes = np.flatnonzero(backward)
    if not len(nodes):
        return
    own = np.where(forward >= 0, values[forward], -1)
    order = np.lexsort((events.ts_ns[nodes], events.tid[nodes]))
    accumulates = events.name_matches(_ACCUMULATE)[nodes][order]
    carried = np.maximum.accumulate(np.where(accumulates, -1, np.arange(len(nodes))))
    sorted_own = own[order]
    own[order] = np.where(accumulates & (carried >= 0), sorted_own[np.maximum(carried, 0)], sorted_own)
    takes = values[nodes] < 0
    values[nodes[takes]] = own[takes]
    nearest = nesting.nearest(backward)
    inside = (nearest >= 0) & (values < 0)
    values[inside] = values[nearest[inside]]
