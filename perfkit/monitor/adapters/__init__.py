"""One adapter per framework: how it trains, told to `monitor.watching.Watching`. The framework is recognised, never imported."""

from __future__ import annotations

import sys
from typing import Any

from ...errors import UsageError


def of(model: Any) -> Any:
    """The adapter module for *model*: ``_keras``, ``_torch`` or ``_sklearn``. Raises UsageError."""
    from . import _keras, _sklearn, _torch

    for adapter in (_keras, _torch, _sklearn):
        if adapter.fits(model):
            return adapter
    raise UsageError(
        f"{type(model).__name__} is no Keras model, torch module or estimator with fit(); for a loop of your own use monitor.epoch() and "
        "monitor.step()"
    )


def is_of(model: Any, module: str, name: str) -> bool:
    """Whether *model* is an instance of a class of a module that is imported already."""
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return isinstance(found, type) and isinstance(model, found)
