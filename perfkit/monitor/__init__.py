"""Model monitoring: quality and health beside performance; docs/monitoring.md.

``ModelMonitor(model).fit(...)`` in code, `perfkit monitor run train.py` for a script that nobody changed.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .history import History
    from .metrics import ClassCounts, DetectionMatches, RegressionSums
    from .model_monitor import ModelMonitor
    from .stopping import KeepBest, StopOn

_WHERE = {
    "ModelMonitor": "model_monitor", "History": "history", "StopOn": "stopping", "KeepBest": "stopping", "ClassCounts": "metrics",
    "RegressionSums": "metrics", "DetectionMatches": "metrics",
}  # fmt: skip

__all__ = ["ClassCounts", "DetectionMatches", "History", "KeepBest", "ModelMonitor", "RegressionSums", "StopOn"]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_WHERE[name]}", __name__), name)
