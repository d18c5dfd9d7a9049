"""Metrics that are exact over everything seen: accumulated counts and sums, never averages of batch values; docs/monitor-metrics.md.

::

    counts = ClassCounts("multiclass")
    for x, y in batches:
        counts.update(y, model(x))
    counts.compute()  # {"accuracy": …, "precision": …, "recall": …, "f1": …}
"""

from __future__ import annotations

from typing import Any

from ...errors import UsageError
from .base import Accumulator, Average, Scores, Task
from .classes import ClassCounts
from .detection import DetectionMatches
from .regression import RegressionSums
from .task import infer_task

__all__ = [
    "Accumulator", "Average", "ClassCounts", "DetectionMatches", "RegressionSums", "Scores", "Task", "accumulator_for", "infer_task",
]  # fmt: skip


def accumulator_for(task: Task, **settings: Any) -> ClassCounts | RegressionSums | DetectionMatches:
    """The accumulator of a task; *settings* are its arguments. Raises UsageError for a task that is not known or settings it has not."""
    try:
        if task in ("binary", "multiclass", "multilabel"):
            return ClassCounts(task, **settings)
        if task == "regression":
            return RegressionSums(**settings)
        if task == "detection":
            return DetectionMatches(**settings)
    except TypeError as error:
        raise UsageError(f"{error}; see perfkit.monitor.metrics for the settings of a {task} task") from error
    raise UsageError(f"task={task!r}: give binary, multiclass, multilabel, regression or detection")
