"""How long traced steps wait for an input pipeline of tf.data, which fetches inside the function that makes the step, and how long making a batch takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .intervals import union

if TYPE_CHECKING:
    from ..trace.events import Events
    from .intervals import Ints
    from .traced_steps import Window

# As TensorFlow 2.21 names them: the kernels that ask for the next element, and what a prefetching stage does in a thread of its own to have one.
_ASKING = ("IteratorGetNext",)
_PRODUCING = ("PrefetchProduce",)


@dataclass(frozen=True, kw_only=True)
class InputWait:
    """Seconds per traced step."""

    #: For the next batch, in the step.
    wait_s: float
    #: Making a batch, beside the step where the pipeline prefetches, else within it.
    produce_s: float
    prefetches: bool
    #: What ``wait_s`` is of the traced steps.
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


def _spans(events: Events, window: Window, names: tuple[str, ...]) -> tuple[Ints, Ints]:
    """When any event of these names went on within the steps."""
    chosen: Any = events.in_categories("tf_data", "tf_runtime") & events.name_matches(*names)
    starts = np.clip(events.ts_ns[chosen].astype(np.int64), window.start_ns, window.end_ns)
    ends = np.clip(events.end_ns[chosen].astype(np.int64), window.start_ns, window.end_ns)
    return union(starts, ends)
