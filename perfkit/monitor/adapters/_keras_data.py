"""Keras' validation data once more, for metrics that are exact over all of it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from ...errors import MonitorError
from ..scores import Scores


@dataclass(frozen=True, kw_only=True)
class Validation:
    """What ``fit`` validates on. One of ``arrays`` (x, y) and ``batches`` is there, or ``missing`` says why neither is."""

    arrays: tuple[Any, Any] | None = None
    batches: Any = None
    missing: str = ""
    batch_size: int | None = None
    #: At most so many batches; None: all.
    steps: int | None = None

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Validation | None:
        """From the arguments of ``fit``; None without validation."""
        data, size, steps = (
            given.get("validation_data"),
            given.get("validation_batch_size") or given.get("batch_size"),
            given.get("validation_steps"),
        )
        if isinstance(data, (tuple, list)):
            return cls(arrays=(data[0], data[1]), batch_size=size, steps=steps) if len(data) > 1 else None
        if hasattr(data, "__next__"):
            return cls(
                missing="the validation data is a generator: what is taken from it would be missing in the training"
            )
        if data is not None:
            return cls(batches=data, steps=steps)
        return _split(cls, given, size) if given.get("validation_split") else None

    def scores(self, model: Any, scores: Scores) -> dict[str, float]:
        """Metrics of what *model* predicts now. Raises MonitorError where labels or predictions are of a kind that has none."""
        if self.missing:
            raise MonitorError(self.missing)
        for y_true, y_pred in self._predicted(model):
            if isinstance(y_pred, (dict, list, tuple)) or isinstance(y_true, dict):
                raise MonitorError("the model has several outputs: which of them is to be judged is not known")
            scores.update(y_true, y_pred)
        return scores.values()

    def _predicted(self, model: Any) -> Iterator[tuple[Any, Any]]:
        if self.arrays is None:
            for x, y in islice(_pairs(self.batches), self.steps):
                yield y, model.predict_on_batch(x)
            return
        x, y = self.arrays
        if self.steps is not None and hasattr(x, "shape"):
            count = self.steps * (self.batch_size or 32)
            x, y = x[:count], y[:count]
        yield y, model.predict(x, batch_size=self.batch_size, verbose=0)


def _split(cls: type[Validation], given: Mapping[str, Any], size: int | None) -> Validation:
    x: Any = given.get("x")
    y: Any = given.get("y")
    if not (hasattr(x, "shape") and hasattr(y, "shape")):
        return cls(missing="validation_split of other data than arrays")
    first = math.floor(
        x.shape[0] * (1.0 - given["validation_split"])
    )  # as Keras splits: the last ones, before any shuffling
    return cls(arrays=(x[first:], y[first:]), batch_size=size, steps=given.get("validation_steps"))


def _pairs(data: Any) -> Iterator[tuple[Any, Any]]:
    for element in _elements(data):
        if not isinstance(element, (tuple, list)) or len(element) < 2:
            raise MonitorError("batches of the validation data are not (x, y)")
        yield element[0], element[1]


def _elements(data: Any) -> Iterator[Any]:
    if hasattr(data, "__getitem__") and hasattr(data, "__len__") and not hasattr(data, "element_spec"):  # a PyDataset
        yield from (data[index] for index in range(len(data)))
        return
    yield from data
