"""The loss on a fixed batch before and after each epoch, leaving no trace in the model or in the random numbers."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

#: Gives the loss on the fixed batch now; None where there is none yet.
Probe = Callable[[], "float | None"]


@contextmanager
def aside(model: Any) -> Iterator[None]:
    """A torch module in eval mode and without gradients; modes and random states (torch's, numpy's, Python's) are as before afterwards."""
    import torch

    modes = [(module, module.training) for module in model.modules()]
    devices = sorted({p.device.index or 0 for p in model.parameters() if p.device.type == "cuda"})
    numpy_random: Any = getattr(sys.modules.get("numpy"), "random", None)
    states = random.getstate(), numpy_random.get_state() if numpy_random else None
    model.eval()
    try:
        with torch.random.fork_rng(devices=devices), torch.no_grad():
            yield
    finally:
        random.setstate(states[0])
        if states[1] is not None:
            numpy_random.set_state(states[1])
        for module, mode in modes:
            module.training = mode


def torch_probe(model: Any, loss: Callable[[Any], float]) -> Probe:
    """A probe of a torch module, see `aside`."""

    def probe() -> float:
        with aside(model):
            return loss(model)

    return probe
