"""Groups the operator calls of a trace by name and module, and sums their time on host and device."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import numpy as np

from ..trace.events import Events
from .attribution import MODULE_MARK, Attribution
from .classes import operator_class
from .hot_rows import Hotspot, Kind, families
from .launches import Launches
from .nesting import Nesting
from .spans import union
from .traced_steps import Window
from .work import call_bytes, call_flops

# What takes a smaller share of the step than this is no hot spot.
SMALLEST = 1e-5
# The most that one recorded event was seen to cost a host: 3.1 µs, with shapes, memory and CUDA calls recorded.
EVENT_COST_MOST_NS = 3100.0


def graph_names(names: Iterable[str]) -> dict[str, str]:
    """What to call the graphs that torch.compile made: numbered as they appear, for their own names are hashes."""
    graphs = (name for name in dict.fromkeys(names) if "Call CompiledFxGraph" in name)
    return {name: f"compiled graph {number} (CompiledFxGraph)" for number, name in enumerate(graphs)}


class OperatorTable:
    """Groups of operator calls: one per name and module."""

    def __init__(
        self, events: Events, window: Window, nesting: Nesting, attribution: Attribution, work: Launches
    ) -> None:
        self.events, self.window, self.attribution = events, window, attribution
        self.nesting = nesting
        self.family = families(attribution.modules)
        step = window.step_of(np.asarray(events.ts_ns, np.int64))
        inside = (nesting.depth >= 0) & (step >= 0) & (step < window.count)
        recorded = (nesting.depth >= 0) | events.in_categories("python_function")
        self.events_per_step = float((recorded & (step >= 0) & (step < window.count)).sum()) / window.count
        self.members = np.flatnonzero(inside & ~events.name_matches(MODULE_MARK))
        beyond = np.maximum(events.end_ns - window.end_ns, 0)
        self.host_ns = np.maximum(nesting.self_ns - beyond, 0).astype(np.float64)
        self.python_ns = self._python_ns()
        keys = self._keys(self.members)
        self.keys, self.group = np.unique(keys, return_inverse=True)
        self.device_ns = self._device_ns(work)
        self.wraps = self._wrappers()
        self.graphs = graph_names(events.names)

    def _keys(self, members: Any) -> Any:
        """Name and family of modules as one sortable number."""
        return np.asarray(self.events.name[members], np.int64) << 32 | (self._families(members) + 1)

    def _families(self, members: Any) -> Any:
        module = self.attribution.module[members]
        return np.where(module >= 0, self.family[np.maximum(module, 0)], -1)

    def _device_ns(self, work: Launches) -> Any:
        """Device time launched directly by each event of the table."""
        steps = self.window.count
        mine = (work.step >= 0) & (work.step < steps) & (work.operator >= 0)
        spent = (work.end_ns - work.start_ns)[mine]
        return np.bincount(work.operator[mine], weights=spent, minlength=len(self.events))

    def _wrappers(self) -> Any:
        """Calls that only call themselves again with other inputs, as under autocast: their work is the inner call's."""
        inner = self.members[self.nesting.parent[self.members] >= 0]
        above = self.nesting.parent[inner]
        wraps = np.zeros(len(self.events), bool)
        wraps[above[self.events.name[above] == self.events.name[inner]]] = True
        return wraps

    def _python_ns(self) -> float:
        """Time of the steps in which no operator, annotation or runtime call was running on any thread."""
        busy = union(self.events.ts_ns[self.members], self.events.end_ns[self.members])
        inside = busy.clipped(self.window.start_ns, self.window.end_ns)
        return float(self.window.end_ns - self.window.start_ns - inside.total)

    def take_off(self, added_ns: float) -> float:
        """Take *added_ns* per step, what the profiler added, off the host times. Returns the cost per event used.

        Half of an event's cost lies in it, half in what it runs inside. What no credible cost per event explains
        (driver calls cost more under a profiler) is taken off everything alike.
        """
        added_ns *= self.window.count
        total = float(self.host_ns[self.members].sum()) + self.python_ns
        cost = min(added_ns / max(self.events_per_step * self.window.count, 1.0), EVENT_COST_MOST_NS)
        touched = self.nesting.depth >= 0
        removed = np.where(touched, cost * (1 + self.nesting.children) / 2, 0.0)
        self.host_ns = np.maximum(self.host_ns - removed, 0.0)
        tops = int((self.nesting.parent[self.members] < 0).sum())
        self.python_ns = max(self.python_ns - cost * tops / 2, 0.0)
        left = float(self.host_ns[self.members].sum()) + self.python_ns
        target = max(total - added_ns, 0.0)
        if left > target:
            self.host_ns *= target / left
            self.python_ns *= target / left
        return cost

    def rows(self, basis: Literal["host", "device"], step_s: float, limit: int) -> list[Hotspot]:
        """The *limit* groups with the most time, of what takes at least SMALLEST of the step."""
        spent = self.device_ns if basis == "device" else self.host_ns
        time = np.bincount(self.group, weights=spent[self.members], minlength=len(self.keys))
        floor = step_s * 1e9 * self.window.count * SMALLEST
        order = [int(group) for group in np.argsort(-time, kind="stable")[:limit] if time[group] > floor]
        made = [self._row(group, basis, step_s) for group in order]
        if basis == "host" and self.python_ns > floor:
            made.append(self._python_row(step_s))
        return sorted(made, key=lambda row: -row.seconds_per_step)

    def _row(self, group: int, basis: Literal["host", "device"], step_s: float) -> Hotspot:
        members = self.members[self.group == group]
        scale = 1e-9 / self.window.count
        host, device = float(self.host_ns[members].sum()) * scale, float(self.device_ns[members].sum()) * scale
        spent = (self.device_ns if basis == "device" else self.host_ns)[members]
        seconds = device if basis == "device" else host
        name = self.events.names[self.events.name[members[0]]]
        kind = self._kind(int(members[0]))
        worked = members[~self.wraps[members]]
        worked = worked[self.device_ns[worked] > 0] if basis == "device" else worked
        modules = np.unique(self.attribution.module[members])
        return Hotspot(
            name=self.graphs.get(name, name),
            kind=kind,
            work=operator_class(name) if kind == "operator" else None,
            module=self._module(modules),
            modules=len(modules) if modules[0] >= 0 else None,
            line=_text(self.attribution.lines, _heaviest(self.attribution.line[members], spent)),
            calls_per_step=len(members) / self.window.count,
            seconds_per_step=seconds,
            share=seconds / step_s if step_s else 0.0,
            basis=basis,
            host_seconds_per_step=host,
            device_seconds_per_step=device or None,
            shapes=_text(self.events.shape_texts, _heaviest(self.events.shapes[members], spent)),
            dtypes=_text(self.events.dtype_texts, _heaviest(self.events.dtypes[members], spent)),
            flops=self._total(call_flops(self.events, worked)),
            bytes=self._total(call_bytes(self.events, worked)) if kind == "operator" else None,
        )

    def _module(self, modules: Any) -> str | None:
        """The path of the one module; for those of a family with ``*`` where they differ."""
        if modules[0] < 0:
            return None
        paths = [self.attribution.modules[code].split(".") for code in modules]
        return ".".join(parts[0] if len(set(parts)) == 1 else "*" for parts in zip(*paths, strict=True))

    def _kind(self, index: int) -> Kind:
        category = self.events.categories[self.events.category[index]]
        if category == "cpu_op":
            return "operator"
        return "annotation" if category == "user_annotation" else "runtime"

    def _total(self, per_call: Any) -> float | None:
        """Per step; None unless every call's is known."""
        total = float(per_call.sum()) / self.window.count
        return None if np.isnan(total) or not len(per_call) else total

    def _python_row(self, step_s: float) -> Hotspot:
        seconds = self.python_ns * 1e-9 / self.window.count
        return Hotspot(
            name="Python between operators",
            kind="python",
            calls_per_step=1.0,
            seconds_per_step=seconds,
            share=seconds / step_s if step_s else 0.0,
            basis="host",
            host_seconds_per_step=seconds,
        )


def _text(texts: list[str], code: int) -> str | None:
    return texts[code] if code >= 0 else None


def _heaviest(codes: Any, weights: Any) -> int:
    """The code with the largest weight; -1 when none is known."""
    known = codes >= 0
    if not known.any():
        return -1
    unique, where = np.unique(codes[known], return_inverse=True)
    return int(unique[np.bincount(where, weights=weights[known]).argmax()])
