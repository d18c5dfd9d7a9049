"""Habits in a script's source that rules may want to know of: facts, not verdicts; whether they cost anything is measured.

A finder yields the nodes that show one kind of habit; the table says where it counts.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from . import attention, data, double, gradients, in_step, settings
from .source import Source

Finder = Callable[[Source], Iterator[ast.expr | ast.stmt]]


@dataclass(frozen=True, kw_only=True)
class Habit:
    """One that was found."""

    fact: str
    line: int
    #: Runs in every step, or, of facts that are about no step, in some loop.
    in_loop: bool
    #: Only every so many steps: below an ``if step % n``.
    guarded: bool
    function: str


#: Fact -> (finder, whether it counts within a step only, whether also where an ``if step % n`` is above it).
FINDERS: dict[str, tuple[Finder, bool, bool]] = {
    "item-in-loop": (in_step.reads, True, False),
    "num-workers-zero": (data.without_workers, False, True),
    "no-pin-memory": (data.without_pinning, False, True),
    "blocking-copy": (data.blocking_copies, True, False),
    "tensor-from-list-in-loop": (data.tensors_from_lists, True, False),
    "no-grad-missing": (gradients.missing_no_grad, False, True),
    "list-append-loss": (gradients.kept_losses, True, False),
    "retain-graph": (gradients.retained_graphs, False, True),
    "print-in-loop": (in_step.prints, True, False),
    "save-in-loop": (in_step.saves, True, True),
    "gc-collect-in-loop": (in_step.collections, True, True),
    "empty-cache-in-loop": (in_step.emptied_caches, True, True),
    "per-parameter-loop": (in_step.parameter_loops, True, False),
    "detect-anomaly": (settings.anomaly_detection, False, True),
    "dataparallel": (settings.data_parallel, False, True),
    "cudnn-deterministic": (settings.deterministic, False, True),
    "float64": (double.doubles, False, True),
    "softmax-attention": (attention.by_hand, False, True),
}


def habits(source: Source) -> list[Habit]:
    """All habits in *source*, by line."""
    found = set()
    for fact, (finder, needs_step, may_be_guarded) in FINDERS.items():
        for node in finder(source):
            place = source.place(node)
            if needs_step and (not place.in_step or (place.guarded and not may_be_guarded)):
                continue
            in_loop = place.in_step or (place.in_loop and not needs_step)
            line = node.lineno
            found.add(Habit(fact=fact, line=line, in_loop=in_loop, guarded=place.guarded, function=place.function))
    return sorted(found, key=lambda habit: (habit.line, habit.fact))
