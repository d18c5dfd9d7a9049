"""How predictions are read: as labels, as probabilities or as logits, and what each reading predicts.

What ``scores=None`` may mean is decided by everything seen, not by the first batch: every reading that is possible so far is
counted beside the others, and one that a value rules out is dropped. So the result does not depend on how samples came in batches.

- Not floats: labels.
- (n,) floats, binary: labels while all values, with those of y_true, are at most two whole numbers; else probabilities of the
  positive class while all are in [0, 1]; else logits of it. Of readings still possible the first of these speaks.
- (n, k) floats: probabilities while all are in [0, 1] (and, with one label per sample, rows sum to 1), else logits.
- (n,) floats, multi-class: labels, which must be whole numbers.

A class is predicted where its probability is > threshold (binary, multi-label; with a logit z where z > log(t / (1 - t))), or where its
score is the greatest of the row (multi-class; the first of equals). A row that holds NaN predicts nothing: no class gets it, and its
true class has missed it.
"""

from __future__ import annotations

import math

import numpy as np

from ...errors import MonitorError
from .arrays import Array
from .base import Scores

#: Half precision rounds a probability by up to 2^-11, and a sum of many of them by more.
VALUE_SLACK = 1e-3
SUM_SLACK = 1e-2
ORDER: tuple[Scores, ...] = ("labels", "probabilities", "logits")


def possible(pred: Array, scores: Scores | None, *, exclusive: bool) -> list[Scores]:
    """Readings of (n,) or (n, k) predictions, likeliest first. *exclusive*: a sample has one label, so that probabilities sum to 1.

    Raises MonitorError where *scores* says what the values cannot be.
    """
    if scores == "labels":
        return ["labels"]
    if pred.dtype.kind not in "biuf" and scores is not None:
        raise MonitorError(f"scores={scores!r}, but y_pred is of dtype {pred.dtype}; give scores='labels' or numbers")
    if scores == "logits":
        return ["logits"]
    if scores == "probabilities":
        _check_range(pred)
        return ["probabilities"]
    if pred.dtype.kind != "f" and (pred.ndim == 1 or not exclusive):
        return ["labels"]
    return ["probabilities", "logits"] if _may_be_probabilities(pred, exclusive) else ["logits"]


def threshold_of(reading: Scores, threshold: float) -> float:
    """The score above which a class is predicted."""
    return math.log(threshold / (1 - threshold)) if reading == "logits" else threshold


def whole(pred: Array) -> bool:
    """Whether floats are all whole numbers."""
    return bool(np.all(pred == np.trunc(pred)))


def positive_score(pred: Array, reading: Scores, column: int) -> Array:
    """(n,) score of the positive class from (n,) or (n, 2) scores; of two logits, their difference (sigmoid of it = softmax of both)."""
    values = pred.astype(np.float64, copy=False)
    if values.ndim == 1:
        return values
    return values[:, column] - values[:, 1 - column] if reading == "logits" else values[:, column]


def probabilities(pred: Array, reading: Scores, *, exclusive: bool) -> Array:
    """(n, k) float64 probabilities: softmax over rows of logits (*exclusive*), or the sigmoid of each."""
    values = pred.astype(np.float64, copy=False)
    if reading != "logits":
        return values
    if not exclusive:
        return 0.5 * (1 + np.tanh(0.5 * values))  # the sigmoid, without overflow
    with np.errstate(invalid="ignore"):  # a row of NaN, or of infinities, stays NaN
        shifted = np.exp(values - values.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def _range(pred: Array) -> tuple[float, float]:
    """Least and greatest value that is not NaN; (0, 0) where there is none. One pass each, no copy: vocabularies are large."""
    if not pred.size:
        return 0.0, 0.0
    low = float(np.fmin.reduce(pred, axis=None))
    return (0.0, 0.0) if math.isnan(low) else (low, float(np.fmax.reduce(pred, axis=None)))


def _in_unit_interval(pred: Array) -> bool:
    low, high = _range(pred)
    return low >= -VALUE_SLACK and high <= 1 + VALUE_SLACK


def _may_be_probabilities(pred: Array, exclusive: bool) -> bool:
    if not _in_unit_interval(pred):
        return False
    if pred.ndim == 1 or not exclusive:
        return True
    off = np.abs(pred.sum(axis=1, dtype=np.float64) - 1)
    return not np.any(off > SUM_SLACK)  # NaN is not greater


def _check_range(pred: Array) -> None:
    if not _in_unit_interval(pred):
        low, high = _range(pred)
        raise MonitorError(
            f"scores='probabilities', but y_pred lies in [{low:.6g}, {high:.6g}]; give scores='logits' for raw scores"
        )
