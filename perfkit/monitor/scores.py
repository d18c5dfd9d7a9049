"""Metrics of one pass over data: the task found from the first batch, the rest counted exactly."""

from __future__ import annotations

from typing import Any

from .metrics import Task, accumulator_for, infer_task
from .metrics.arrays import as_array

_CLASSES = ("binary", "multiclass", "multilabel")


class Scores:
    """Accumulates labels and predictions; `values` is of everything seen since `reset`."""

    def __init__(self, task: Task | None, settings: dict[str, Any], classes: Any = None) -> None:
        self._task = task
        self._settings = settings if classes is None else settings | _of_classes(classes, settings["positive"])
        self._found: Any = None
        self._loss, self._samples = 0.0, 0

    def update(self, y_true: Any, y_pred: Any) -> None:
        """One more batch: array-likes, torch tensors or Keras tensors."""
        truth, pred = as_array(y_true), as_array(y_pred)
        if self._found is None:
            self._task = self._task or infer_task(truth, pred)
            settings = self._settings if self._task in _CLASSES else {}
            self._found = accumulator_for(self._task, **settings)
        self._found.update(truth, pred)

    def loss(self, value: float, samples: int) -> None:
        """The mean loss of one batch of so many samples."""
        self._loss += value * samples
        self._samples += samples

    def values(self) -> dict[str, float]:
        """Metrics by name; ``loss`` is the mean over samples."""
        found: dict[str, float] = {} if self._found is None else self._found.compute()
        return found | ({"loss": self._loss / self._samples} if self._samples else {})

    def reset(self) -> None:
        """Forget what was seen, keep the task."""
        self._loss, self._samples = 0.0, 0
        if self._found is not None:
            self._found.reset()


def _of_classes(classes: Any, positive: Any) -> dict[str, Any]:
    """The classes that a model knows. Of two the second is positive, as in scikit-learn, where the wanted one is none of them."""
    known = plain_list(classes)
    return {"classes": known, "positive": positive if positive in known else known[-1]}


def plain_list(values: Any) -> list[Any]:
    """A vector as a list of Python's own numbers and texts."""
    return values.tolist() if hasattr(values, "tolist") else list(values)


def length(values: Any) -> int:
    """Samples in a batch; 0 where that cannot be told."""
    if isinstance(values, dict):
        values = next(iter(values.values()), None)
    if isinstance(values, (tuple, list)) and values and hasattr(values[0], "shape"):
        values = values[0]
    shape = getattr(values, "shape", None)
    if shape is not None:
        return int(shape[0]) if len(shape) else 1
    return len(values) if hasattr(values, "__len__") else 0
