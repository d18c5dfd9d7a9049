"""Which of the axes of predictions is the classes': y_true as a vector of labels, y_pred beside it as (n,) or (n, k)."""

from __future__ import annotations

import numpy as np

from ...errors import MonitorError
from .arrays import Array


def aligned(truth: Array, pred: Array) -> tuple[Array, Array, bool]:
    """(n,) or one-hot rows, (n,) or (n, k), and whether the truth is one-hot. For tasks with one label per sample.

    Understood are, with k ≥ 2 classes and any further axes … (tokens, pixels), which become samples:

    =================  =====================  ==============================
    y_true             y_pred                 meaning
    =================  =====================  ==============================
    (n,) or (n, 1)     (n,) or (n, 1)         labels, or scores of the positive class
    (n, …)             the same, 3 axes up    the same, per token or pixel
    (n,) or (n, 1)     (n, k)                 a column per class
    (n, …)             (n, …, k), (n, k, …)   the same; Keras' and torch's order
    (n, …, k) one-hot  (n, …, k)              the same, the truth as one-hot rows
    =================  =====================  ==============================

    Raises MonitorError where shapes mean nothing, or two things.
    """
    truth, pred = _without_unit_axis(truth, pred), pred
    if pred.ndim == truth.ndim + 1:
        return truth.reshape(-1), _classes_last(truth, pred), False
    if truth.shape != pred.shape:
        raise MonitorError(f"y_true of shape {truth.shape} and y_pred of shape {pred.shape} do not belong together")
    if truth.ndim == 1:
        return truth, pred, False
    if _is_one_hot(truth):
        return truth.reshape(-1, truth.shape[-1]), pred.reshape(-1, pred.shape[-1]), True
    if truth.ndim > 2:
        return truth.reshape(-1), pred.reshape(-1), False
    raise MonitorError(
        f"y_true of shape {truth.shape} has more than one label per row; give task='multilabel', or flatten both"
    )


def _without_unit_axis(truth: Array, pred: Array) -> Array:
    """Keras' (n, 1) labels are (n,); so are they beside (n,), (n, 1) or (n, k) predictions."""
    if truth.ndim == 0:
        truth = truth.reshape(1)
    return truth.reshape(truth.shape[:-1]) if truth.ndim > 1 and truth.shape[-1] == 1 else truth


def _classes_last(truth: Array, pred: Array) -> Array:
    last = pred.shape[:-1] == truth.shape
    second = truth.ndim > 1 and (pred.shape[0], *pred.shape[2:]) == truth.shape
    if last and second:
        raise MonitorError(
            f"y_pred of shape {pred.shape} may have its classes on axis 1 or the last; flatten it to (n, k)"
        )
    if not last and not second:
        raise MonitorError(f"y_true of shape {truth.shape} and y_pred of shape {pred.shape} do not belong together")
    moved = pred if last else np.moveaxis(pred, 1, -1)
    return moved.reshape(-1) if moved.shape[-1] == 1 else moved.reshape(-1, moved.shape[-1])


def _is_one_hot(truth: Array) -> bool:
    if truth.dtype.kind not in "biuf":
        return False
    ones = truth == 1
    return bool(np.all(ones | (truth == 0)) and np.all(ones.sum(axis=-1) == 1))
