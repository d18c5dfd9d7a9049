"""How long steps wait for their batch, and how long making one takes: as traced where tf.data is asked inside the function that makes
the step, as marked where Keras asks in Python.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .intervals import union

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..trace.events import Events
    from .intervals import Ints
    from .traced_steps import Window

# As TensorFlow 2.21 names them: the kernels that ask for the next element, and what a prefetching stage does in a thread of its own to have one.
_ASKING = ("IteratorGetNext",)
_PRODUCING = ("PrefetchProduce",)


@dataclass(frozen=True, kw_only=True)
class InputWait:
    """Seconds per step."""

    #: For the next batch, in the step.
    wait_s: float
    #: Making a batch, beside the step where the pipeline prefetches, else within it.
    produce_s: float
    prefetches: bool
    #: What ``wait_s`` is of these steps.
    share: float
    steps: int


def input_wait(events: Events, window: Window) -> InputWait | None:
    """What a trace tells of it; None where no pipeline was asked."""
    asking = _spans(events, window, _ASKING)
    length = window.end_ns - window.start_ns
    if not asking[0].size or not window.marked or length <= 0:
        return None
    producing = _spans(events, window, _PRODUCING)
    wait, produce = (int((ends - starts).sum()) for starts, ends in (asking, producing))
    prefetches = bool(producing[0].size)
    return InputWait(
        wait_s=wait / 1e9 / window.count,
        produce_s=(produce if prefetches else wait) / 1e9 / window.count,
        prefetches=prefetches,
        share=wait / length,
        steps=window.count,
    )


def asked_in_python(breakdown: Iterable[Mapping[str, Any]], steps: int) -> InputWait | None:
    """What the phases of *steps* steps tell: what is waited for is being made. None without such a phase."""
    data = next((row for row in breakdown if row["name"] == "data"), None)
    if data is None:
        return None
    wait = float(data["seconds_per_step"])
    return InputWait(wait_s=wait, produce_s=wait, prefetches=False, share=float(data["share"]), steps=steps)


def _spans(events: Events, window: Window, names: tuple[str, ...]) -> tuple[Ints, Ints]:
    """When any event of these names went on within the steps."""
    chosen: Any = events.in_categories("tf_data", "tf_runtime") & events.name_matches(*names)
    starts = np.clip(events.ts_ns[chosen].astype(np.int64), window.start_ns, window.end_ns)
    ends = np.clip(events.end_ns[chosen].astype(np.int64), window.start_ns, window.end_ns)
    return union(starts, ends)
