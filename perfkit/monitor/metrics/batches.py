"""A batch as each of its possible readings counts it, for the three kinds of tasks with classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import MonitorError
from .arrays import Array, as_array, as_labels, joined
from .base import Scores
from .reading import positive_score, possible, probabilities, threshold_of, whole
from .settings import ClassSettings
from .shapes import aligned


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What one reading makes of a batch of n samples."""

    #: (n,) labels, or (n, k) indicators. In a binary task read from scores: 1 for the positive class, 0 for the other.
    true: Array
    pred: Array
    #: (n,); False where the scores held NaN, so that nothing was predicted.
    predicted: NDArray[np.bool_]
    #: Scores to rank by, float64: (n,) or (n, k); None for labels.
    scores: NDArray[np.float64] | None = None
    #: (n,) or (n, k): which of those scores belong to a class that is true.
    hits: NDArray[np.bool_] | None = None


@dataclass(frozen=True, kw_only=True)
class Read:
    """A batch under every reading that its values allow, and the labels that it holds."""

    size: int
    readings: dict[Scores, Batch]
    true_labels: frozenset[Any] = frozenset()
    pred_labels: frozenset[Any] = frozenset()


def read(settings: ClassSettings, y_true: Any, y_pred: Any) -> Read:
    """Raises MonitorError where a batch cannot be read at all."""
    truth, pred = as_array(y_true), as_array(y_pred)
    if settings.task == "multilabel":
        return _multilabel(settings, truth, pred)
    true, pred, one_hot = aligned(truth, pred)
    if one_hot:
        true = np.array(settings.column_labels(true.shape[1]))[true.argmax(axis=1)]
    elif true.size:  # an empty list is float64 to numpy
        true = as_labels(true)
    if settings.ignore is not None:
        kept = true != settings.ignore
        true, pred = true[kept], pred[kept]
    if not true.size:
        return Read(size=0, readings={})
    return (_binary if settings.task == "binary" else _multiclass)(settings, true, pred)


def _binary(settings: ClassSettings, true: Array, pred: Array) -> Read:
    column = _positive_column(settings, pred)
    readings: dict[Scores, Batch] = {}
    pred_labels: frozenset[Any] = frozenset()
    kinds = possible(pred, settings.scores, exclusive=True)
    floats = pred.ndim == 1 and pred.dtype.kind == "f"
    if settings.scores is None and floats and true.dtype.kind == "i" and whole(pred):
        kinds.insert(0, "labels")
    hits = true == settings.positive
    for kind in kinds:
        if kind == "labels":
            labels = _vector_of_labels(pred)
            pred_labels = _labels_in(labels)
            joined(true[:1], labels[:1])  # of one kind
            readings[kind] = Batch(true=true, pred=labels, predicted=_all(true))
            continue
        score = positive_score(pred, kind, column)
        said = score > threshold_of(kind, settings.threshold)
        readings[kind] = Batch(
            true=hits.astype(np.int64),
            pred=said.astype(np.int64),
            predicted=~np.isnan(score),
            scores=score if settings.ranks(1) else None,
            hits=hits,
        )
    return Read(size=len(true), readings=readings, true_labels=_labels_in(true), pred_labels=pred_labels)


def _multiclass(settings: ClassSettings, true: Array, pred: Array) -> Read:
    if pred.ndim == 1:
        if settings.scores not in (None, "labels"):
            raise MonitorError(f"scores={settings.scores!r} of several classes need a column for each; y_pred has one")
        labels = as_labels(pred)
        batch = Batch(true=true, pred=labels, predicted=_all(true))
        joined(true[:1], labels[:1])
        return Read(
            size=len(true), readings={"labels": batch}, true_labels=_labels_in(true), pred_labels=_labels_in(labels)
        )
    kinds = _kinds_of_columns(settings, pred)
    names = np.array(settings.column_labels(pred.shape[1]))
    index = _columns_of(true, names)
    best = pred.argmax(axis=1)  # of a row with NaN that NaN's
    said = names[best]
    predicted = _readable(pred[np.arange(len(pred)), best, None])
    readings: dict[Scores, Batch] = {}
    ranked = settings.ranks(len(names))
    for kind in kinds:
        scores = probabilities(pred, kind, exclusive=True) if ranked else None
        hits = index[:, None] == np.arange(len(names)) if ranked else None
        readings[kind] = Batch(true=true, pred=said, predicted=predicted, scores=scores, hits=hits)
    return Read(size=len(true), readings=readings, true_labels=_labels_in(true))


def _multilabel(settings: ClassSettings, truth: Array, pred: Array) -> Read:
    if truth.shape != pred.shape or truth.ndim < 2:
        raise MonitorError(
            f"multi-label y_true and y_pred are matrices (n, k) of one shape, not {truth.shape} and {pred.shape}"
        )
    truth, pred = truth.reshape(-1, truth.shape[-1]), pred.reshape(-1, pred.shape[-1])
    settings.column_labels(truth.shape[1])
    if not len(truth):
        return Read(size=0, readings={})
    true = _indicators(truth, "y_true")
    readings: dict[Scores, Batch] = {}
    ranked = settings.ranks(pred.shape[1])
    for kind in possible(pred, settings.scores, exclusive=False):
        if kind == "labels":
            readings[kind] = Batch(true=true, pred=_indicators(pred, "y_pred"), predicted=_all(true))
            continue
        said = pred > threshold_of(kind, settings.threshold)
        predicted = _readable(pred)
        scores = probabilities(pred, kind, exclusive=False) if ranked else None
        readings[kind] = Batch(true=true, pred=said, predicted=predicted, scores=scores, hits=true)
    return Read(size=len(true), readings=readings)


def _positive_column(settings: ClassSettings, pred: Array) -> int:
    if pred.ndim == 1:
        return 0
    if pred.shape[1] != 2:
        raise MonitorError(
            f"y_pred has {pred.shape[1]} columns, a binary task two; give task='multiclass' or 'multilabel'"
        )
    if settings.scores == "labels":
        raise MonitorError("scores='labels', but y_pred has a column per class; give labels of shape (n,)")
    names = settings.classes or (0, 1)
    if settings.positive not in names:
        raise MonitorError(
            f"which of the two columns of y_pred is that of {settings.positive!r} is not known; give classes=[…] in their order"
        )
    return names.index(settings.positive)


def _kinds_of_columns(settings: ClassSettings, pred: Array) -> list[Scores]:
    if settings.scores == "labels":
        raise MonitorError("scores='labels', but y_pred has a column per class; give labels of shape (n,)")
    return possible(pred, settings.scores, exclusive=True)


def _columns_of(true: Array, names: Array) -> NDArray[np.int64]:
    """(n,) the column of each label. Raises MonitorError for a label that has none."""
    order = np.argsort(names)
    joined(true[:1], names[:1])
    place = np.searchsorted(names[order], true).clip(0, len(names) - 1)
    column = order[place]
    if not np.array_equal(names[column], true):
        odd = true[names[column] != true][0]
        raise MonitorError(
            f"label {odd.item()!r} has none of the {len(names)} columns of y_pred; give classes=[…], the columns' labels in their order"
        )
    return np.asarray(column, dtype=np.int64)


def _vector_of_labels(pred: Array) -> Array:
    if pred.ndim != 1:
        raise MonitorError(
            "y_pred has a column per class, of a type that is no score; give labels of shape (n,) or floats"
        )
    return as_labels(pred)


def _indicators(values: Array, what: str) -> NDArray[np.bool_]:
    ones = values == 1
    if values.dtype.kind not in "biuf" or not np.all(ones | (values == 0)):
        raise MonitorError(f"multi-label {what} holds something else than 0 and 1; give an indicator matrix (n, k)")
    return np.asarray(ones)


def _readable(scores: Array) -> NDArray[np.bool_]:
    """(n,) rows without NaN."""
    return np.asarray(~np.isnan(scores).any(axis=1)) if scores.dtype.kind == "f" else _all(scores)


def _all(rows: Array) -> NDArray[np.bool_]:
    return np.ones(len(rows), dtype=np.bool_)


def _labels_in(labels: Array) -> frozenset[Any]:
    return frozenset(np.unique(labels).tolist())
