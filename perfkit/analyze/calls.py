"""The calls of a trace as one tree: what ran inside what, for which module, and on which way through the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..trace.events import Events
from .attribution import OPTIMIZER_MARKS, Attribution, attribute
from .launches import RUNTIME
from .nesting import Nesting, nest
from .traced_steps import STEP_MARKS

HOST = ("cpu_op", "user_annotation", *RUNTIME)
_FRAMES = "python_function"
DIRECTIONS = ("other", "forward", "backward", "optimizer")
_NODE = "autograd::engine::evaluate_function"


@dataclass(frozen=True, kw_only=True)
class Calls:
    """Everything that the host called, per event of the trace."""

    #: Operators, annotations and runtime calls; and those with Python's frames among them, where there are any.
    nesting: Nesting
    tree: Nesting
    marks: Attribution
    #: Index into DIRECTIONS.
    direction: Any


def calls_of(events: Events) -> Calls:
    """The call tree of *events*."""
    # Step marks are no calls: ours end inside the optimizer's step, where the guest learns that a step is over.
    host = events.in_categories(*HOST) & ~events.name_matches(*STEP_MARKS)
    nesting = nest(events, host)
    frames = events.in_categories(_FRAMES)
    tree = nest(events, host | frames) if frames.any() else nesting
    return Calls(nesting=nesting, tree=tree, marks=attribute(events, tree), direction=_directions(events, nesting))


def _directions(events: Events, nesting: Nesting) -> Any:
    """The inner one of an optimizer's step and a node of autograd decides: a closure runs backward inside the step."""
    operators = events.in_categories("cpu_op")
    nodes = operators & ((events.sequence >= 0) & (events.forward_thread > 0) | events.name_matches(_NODE))
    steps = events.in_categories("user_annotation") & events.name_matches(*OPTIMIZER_MARKS)
    node, step = nesting.nearest(nodes), nesting.nearest(steps)
    depth = nesting.depth
    node_depth = np.where(node >= 0, depth[node], -1)
    step_depth = np.where(step >= 0, depth[step], -1)
    found = np.where(depth >= 0, DIRECTIONS.index("forward"), DIRECTIONS.index("other"))
    found[step_depth > node_depth] = DIRECTIONS.index("optimizer")
    found[node_depth > step_depth] = DIRECTIONS.index("backward")
    return found


def outermost_operator(events: Events, nesting: Nesting, indices: Any) -> Any:
    """For each of *indices* the outermost operator around it, nodes of autograd not counted; -1 without."""
    wanted = events.in_categories("cpu_op") & ~events.name_matches(_NODE)
    wanted &= ~((events.sequence >= 0) & (events.forward_thread > 0) & ~events.name_matches("aten::"))
    found = np.full(len(indices), -1, np.int64)
    at = np.asarray(indices, np.int64).copy()
    while (at >= 0).any():
        inside = at >= 0
        hit = inside & wanted[np.maximum(at, 0)]
        found[hit] = at[hit]
        at = np.where(inside, nesting.parent[np.maximum(at, 0)], -1)
    return found
