"""The loss on a fixed batch before and after each epoch, leaving no trace in the model or in the random numbers."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

#: Gives the loss on the fixed batch now; None where there is none yet.
Probe = Callable[[], "float | None"]


@contextmanager
def undrawn() -> Iterator[None]:
    """Random states (Python's; numpy's and torch's where imported) are afterwards as before, whatever was drawn in between."""
    numpy_random: Any = getattr(sys.modules.get("numpy"), "random", None)
    torch: Any = sys.modules.get("torch")
    states = random.getstate(), numpy_random.get_state() if numpy_random else None
    try:
        with torch.random.fork_rng(devices=_used_devices(torch)) if hasattr(torch, "random") else nullcontext():
            yield
    finally:
        random.setstate(states[0])
        if states[1] is not None:
            numpy_random.set_state(states[1])


def _used_devices(torch: Any) -> range:
    """CUDA devices that have a random state by now."""
    return range(torch.cuda.device_count() if torch.cuda.is_initialized() else 0)


@contextmanager
def aside(model: Any) -> Iterator[None]:
    """A torch module in eval mode and without gradients; modes and random states are as before afterwards."""
    import torch

    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with undrawn(), torch.no_grad():
            yield
    finally:
        for module, mode in modes:
            module.training = mode


def torch_probe(model: Any, loss: Callable[[Any], float]) -> Probe:
    """A probe of a torch module, see `aside`."""

    def probe() -> float:
        with aside(model):
            return loss(model)

    return probe
