"""The loss on a fixed batch before and after each epoch, leaving no trace in the model or in the random numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

#: Gives the loss on the fixed batch now.
Probe = Callable[[], float]


def torch_probe(model: Any, loss: Callable[[Any], float]) -> Probe:
    """A probe of a torch module: in eval mode, without gradients, with random states, modes and buffers as they were afterwards."""

    def probe() -> float:
        import torch

        modes = {module: module.training for module in model.modules()}
        devices = sorted({p.device.index or 0 for p in model.parameters() if p.device.type == "cuda"})
        model.eval()
        try:
            with torch.random.fork_rng(devices=devices), torch.no_grad():
                return loss(model)
        finally:
            for module, mode in modes.items():
                module.training = mode

    return probe
