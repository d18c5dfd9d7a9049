"""Counts per label: right, real and predicted members. All that precision, recall, F1 and accuracy need, for any number of classes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import Array, joined
from .rates import Three

Label = Any  # int or str
_RIGHT, _TRUE, _PRED = range(3)


class LabelCounts:
    """Counts of samples with one label each. Labels are found as they come."""

    def __init__(self) -> None:
        self._row: dict[Label, int] = {}
        self._table = np.zeros((8, 3), dtype=np.int64)
        self.count = 0

    def add(self, true: Array, pred: Array, predicted: NDArray[np.bool_] | None = None) -> None:
        """(n,) labels, real and predicted. Where *predicted* is False nothing was predicted, whatever *pred* says."""
        said = pred if predicted is None else pred[predicted]
        labels, index = np.unique(joined(true, said), return_inverse=True)
        of_true, of_pred = index[: len(true)], index[len(true) :]
        right = of_true if predicted is None else of_true[predicted]
        table = np.stack(
            [np.bincount(i, minlength=len(labels)) for i in (of_pred[of_pred == right], of_true, of_pred)], axis=1
        )
        self._put(labels.tolist(), table)
        self.count += len(true)

    def merge(self, other: LabelCounts) -> None:
        """Add another one's counts."""
        self._put(list(other._row), other._table[: len(other._row)])
        self.count += other.count

    @property
    def labels(self) -> list[Label]:
        """Labels seen, real or predicted, in their order."""
        return sorted(self._row)

    @property
    def right(self) -> int:
        """Samples whose label was predicted."""
        return int(self._table[:, _RIGHT].sum())

    def of(self, labels: Iterable[Label]) -> Three:
        """(right, true, predicted), each (k,), for *labels*; 0 for one that was never seen."""
        rows = [self._row.get(label, -1) for label in labels]
        table = np.vstack([self._table, np.zeros((1, 3), dtype=np.int64)])[rows].reshape(-1, 3)
        return table[:, _RIGHT], table[:, _TRUE], table[:, _PRED]

    def _put(self, labels: list[Label], table: NDArray[np.int64]) -> None:
        rows = np.fromiter((self._row.setdefault(label, len(self._row)) for label in labels), np.int64, len(labels))
        while len(self._table) < len(self._row):
            self._table = np.vstack([self._table, np.zeros_like(self._table)])
        self._table[rows] += table


class IndicatorCounts:
    """Counts of samples with any number of k labels each, from (n, k) indicator matrices."""

    def __init__(self, width: int) -> None:
        self._table = np.zeros((width, 3), dtype=np.int64)
        self.count = 0
        #: Samples all of whose labels are right.
        self.right = 0

    @property
    def width(self) -> int:
        """Number of labels, k."""
        return len(self._table)

    def add(self, true: NDArray[np.bool_], pred: NDArray[np.bool_], predicted: NDArray[np.bool_]) -> None:
        """(n, k) each; a row is not right where *predicted* (n,) is False."""
        self._table += np.stack([(true & pred).sum(axis=0), true.sum(axis=0), pred.sum(axis=0)], axis=1)
        self.right += int(((true == pred).all(axis=1) & predicted).sum())
        self.count += len(true)

    def merge(self, other: IndicatorCounts) -> None:
        """Add another one's counts."""
        self._table += other._table
        self.right += other.right
        self.count += other.count

    def of(self) -> Three:
        """(right, true, predicted), each (k,)."""
        return self._table[:, _RIGHT], self._table[:, _TRUE], self._table[:, _PRED]
