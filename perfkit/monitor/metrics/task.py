"""What kind of task the values belong to, where nobody says."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from .arrays import Array, as_array
from .reading import SUM_SLACK, VALUE_SLACK

InferredTask = Literal["binary", "multiclass", "multilabel", "regression"]

#: More different whole numbers than this, given as floats, are amounts rather than classes.
MANY_VALUES = 20


def infer_task(y_true: Any, y_score: Any = None) -> InferredTask:
    """The task of *y_true*, with *y_score* (labels or scores of the model, where known) as a witness. A guess: give the task if you know it.

    - y_true with several columns: "regression" unless all are 0 or 1. Of 0 and 1: "multilabel", but "multiclass" where every row has
      exactly one 1, unless the scores are all in [0, 1] and do not sum to 1.
    - Text and bool: "binary" for at most two labels, else "multiclass".
    - Numbers: "regression" where one is not whole, or where they are floats of more than MANY_VALUES different values. A column of
      scores per class says "binary" (2) or "multiclass" (more). Beside a vector of floats that are not whole: "binary" for at most two
      different values, else "regression". Otherwise labels: "binary" for at most two different ones, those of y_score included.
    """
    truth = _vector(as_array(y_true))
    score = None if y_score is None else _vector(as_array(y_score))
    if truth.ndim > 1 and (score is None or score.ndim <= truth.ndim):
        return _of_matrix(truth, score)
    if score is not None and score.ndim > truth.ndim:
        if truth.dtype.kind == "f" and not _whole(truth):
            return "regression"
        return "binary" if score.shape[-1] == 2 or _two_channels(truth, score) else "multiclass"
    if truth.dtype.kind in "biuf":
        return _of_numbers(truth, score)
    return _by_labels(truth, score)


def _vector(values: Array) -> Array:
    return values.reshape(values.shape[:-1]) if values.ndim > 1 and values.shape[-1] == 1 else values


def _of_matrix(truth: Array, score: Array | None) -> InferredTask:
    if truth.dtype.kind not in "biuf" or not bool(np.all((truth == 0) | (truth == 1))):
        amounts = any(v is not None and v.dtype.kind == "f" for v in (truth, score))
        return "regression" if amounts else "multiclass"
    if not np.all(truth.sum(axis=-1) == 1):
        return "multilabel"
    if score is None or score.shape != truth.shape or score.dtype.kind != "f":
        return "multiclass"
    inside = bool(np.all((score >= -VALUE_SLACK) & (score <= 1 + VALUE_SLACK)))
    sums = score.sum(axis=-1, dtype=np.float64)
    return "multilabel" if inside and not np.all(np.abs(sums - 1) <= SUM_SLACK) else "multiclass"


def _of_numbers(truth: Array, score: Array | None) -> InferredTask:
    if not _whole(truth):
        return "regression"
    different = len(np.unique(truth))
    if truth.dtype.kind == "f" and different > MANY_VALUES:
        return "regression"
    if score is not None and score.dtype.kind == "f" and not _whole(score):
        return "binary" if different <= 2 else "regression"
    return _by_labels(truth, score)


def _by_labels(truth: Array, score: Array | None) -> InferredTask:
    labels = set(truth.ravel().tolist())
    if score is not None and (score.dtype.kind not in "f" or len(labels) > 2):
        labels |= set(score.ravel().tolist())
    return "binary" if len(labels) <= 2 else "multiclass"


def _two_channels(truth: Array, score: Array) -> bool:
    """Scores in torch's order, (n, 2, …), beside (n, …)."""
    return truth.ndim > 1 and score.shape[1] == 2 and score.shape[:-1] != truth.shape


def _whole(values: Array) -> bool:
    return values.dtype.kind in "biu" or bool(np.all(values == np.trunc(values)))
