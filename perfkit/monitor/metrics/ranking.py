"""Areas under the ROC and the precision-recall curve, in bounded memory.

While a class has at most a set number of different scores, they are kept and the areas are exact. Beyond it they fall into bins of equal
width in the logit of the probability, where a classifier's scores spread best; those in one bin then count as equal, and `bounds` says by
how much each area can be off. Which of both it is depends on the scores alone, not on batches or their order.

ROC: Fawcett, Pattern Recognition Letters 27 (2006), 861–874; equal scores count half. Precision-recall: average precision, the sum of
precision times the step in recall over different scores, nothing interpolated (Manning, Raghavan & Schütze, Introduction to Information
Retrieval, 2008, chapter 8; scikit-learn's).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .base import of_class
from .rates import mean

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]

#: Different scores kept over all classes, 24 bytes each; and bins, 16 bytes each. So one classifier's curves stay below 25 MB.
EXACT_SCORES = 2**20
MAX_EXACT_SCORES = 2**16
BINS = 2**20
MAX_BINS = 2**14
MIN_BINS = 2**8
#: Logits beyond this are one end bin: a probability of 1 - 4e-18 is 1 in double precision.
LOGIT_LIMIT = 40.0
#: Values collected before they are sorted in: sorting costs less in one go.
PENDING_VALUES = 2**17
AREAS = ("auc", "average_precision")


class Ranking:
    """Scores of k classes, and which of them belong to a true class."""

    def __init__(self, labels: Sequence[Any], *, logits: bool) -> None:
        self.labels, self._of_logits = tuple(labels), logits
        self._curves = [_Curve(len(self.labels), logits) for _ in self.labels]
        self._pending: list[tuple[Floats, NDArray[np.bool_]]] = []
        self._waiting = 0

    def add(self, scores: Floats, hits: NDArray[np.bool_]) -> None:
        """(n, k) each. NaN is left out."""
        self._pending.append((scores, hits))
        self._waiting += scores.size
        if self._waiting >= PENDING_VALUES:
            self._settle()

    def empty(self) -> Ranking:
        """One of the same kind without scores."""
        return Ranking(self.labels, logits=self._of_logits)

    def merge(self, other: Ranking) -> None:
        """Add another one's scores."""
        self._settle()
        other._settle()
        for mine, theirs in zip(self._curves, other._curves, strict=True):
            mine.merge(theirs)

    def areas(self, name: str) -> Floats:
        """(k,) of AREAS; NaN for a class without a true or without a false sample."""
        self._settle()
        return np.array([curve.areas()[name] for curve in self._curves])

    def bounds(self) -> dict[str, float]:
        """By how much each of AREAS of a class can be off, at most over classes; 0 while all scores are kept."""
        self._settle()
        found = [curve.bounds() for curve in self._curves]
        return {name: max(bound[name] for bound in found) for name in AREAS}

    def named(self, over: str | None) -> dict[str, float]:
        """AREAS by name: over the classes that have one, or of each (*over* is None). A name without a value is missing."""
        self._settle()
        if over is None and len(self.labels) > 1:
            pairs: Iterable[tuple[str, float]] = (
                (of_class(name, k), v) for name in AREAS for k, v in zip(self.labels, self.areas(name), strict=True)
            )
        else:
            weights = np.array([curve.positives for curve in self._curves]) if over == "weighted" else None
            pairs = ((name, mean(self.areas(name), weights)) for name in AREAS)
        return {name: float(value) for name, value in pairs if not np.isnan(value)}

    def _settle(self) -> None:
        if not self._pending:
            return
        scores = np.concatenate([s for s, _ in self._pending])
        hits = np.concatenate([h for _, h in self._pending])
        self._pending, self._waiting = [], 0
        for i, curve in enumerate(self._curves):
            known = ~np.isnan(scores[:, i])
            curve.add(scores[known, i], hits[known, i])


class _Curve:
    """Numbers of true and false samples by score, rising."""

    def __init__(self, classes: int, logits: bool) -> None:
        self._limit = min(MAX_EXACT_SCORES, EXACT_SCORES // classes)
        self._bins = max(MIN_BINS, min(MAX_BINS, BINS // classes))
        self._logits = logits
        self._scores: Floats | None = np.zeros(0)  # None once binned
        self._true, self._false = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)

    @property
    def positives(self) -> int:
        return int(self._true.sum())

    def add(self, scores: Floats, hits: NDArray[np.bool_]) -> None:
        self._put(scores, hits.astype(np.int64), (~hits).astype(np.int64))

    def merge(self, other: _Curve) -> None:
        if other._scores is not None:
            self._put(other._scores, other._true, other._false)
            return
        self._to_bins()
        self._true, self._false = self._true + other._true, self._false + other._false

    def areas(self) -> dict[str, float]:
        true, false = self._true, self._false
        positives, negatives = int(true.sum()), int(false.sum())
        if not positives or not negatives:
            return dict.fromkeys(AREAS, float("nan"))
        below = np.cumsum(false) - false
        won = float(np.sum(true * (2.0 * below + false)))
        hits, said = np.cumsum(true[::-1]), np.cumsum((true + false)[::-1])
        precision = hits / np.maximum(said, 1)
        return {
            "auc": won / (2.0 * positives * negatives),
            "average_precision": float(np.sum(true[::-1] * precision)) / positives,
        }

    def bounds(self) -> dict[str, float]:
        positives, negatives = int(self._true.sum()), int(self._false.sum())
        if self._scores is not None or not positives or not negatives:
            return dict.fromkeys(AREAS, 0.0)
        true, false = self._true[::-1], self._false[::-1]
        here = true > 0
        hits, wrong = (np.cumsum(true))[here], (np.cumsum(false))[here]
        true, false = true[here], false[here]
        assumed = hits / (hits + wrong)
        best = hits / (hits + wrong - false)  # all that are true first
        first = hits - true + 1
        worst = first / (first + wrong)  # all that are false first
        off = np.maximum(best - assumed, assumed - worst)
        return {
            "auc": float(np.sum(true * (false / (2.0 * positives * negatives)))),
            "average_precision": float(np.sum(true * off)) / positives,
        }

    def _put(self, scores: Floats, true: Whole, false: Whole) -> None:
        if self._scores is not None:
            merged = np.concatenate([self._scores, scores])
            self._scores, place = np.unique(merged, return_inverse=True)
            self._true = _summed(place, np.concatenate([self._true, true]), len(self._scores))
            self._false = _summed(place, np.concatenate([self._false, false]), len(self._scores))
            if len(self._scores) > self._limit:
                self._to_bins()
            return
        place = self._bin_of(scores)
        self._true = self._true + _summed(place, true, self._bins)
        self._false = self._false + _summed(place, false, self._bins)

    def _to_bins(self) -> None:
        if self._scores is None:
            return
        place = self._bin_of(self._scores)
        self._true, self._false = _summed(place, self._true, self._bins), _summed(place, self._false, self._bins)
        self._scores = None

    def _bin_of(self, scores: Floats) -> NDArray[np.intp]:
        logits = scores
        if not self._logits:
            inside = np.clip(scores, 0.0, 1.0)
            with np.errstate(divide="ignore"):  # the ends are infinite
                logits = np.log(inside) - np.log1p(-inside)
        share = (np.clip(logits, -LOGIT_LIMIT, LOGIT_LIMIT) + LOGIT_LIMIT) / (2 * LOGIT_LIMIT)
        return np.minimum((share * self._bins).astype(np.intp), self._bins - 1)


def _summed(place: NDArray[np.intp], counts: Whole, length: int) -> Whole:
    """Counts by place. Float sums of bincount are exact below 2^53."""
    return np.bincount(place, weights=counts, minlength=length).astype(np.int64)
