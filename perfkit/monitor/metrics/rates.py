"""Precision, recall and F1 from counts, and their averages.

With tp, true and pred the right, the real and the predicted members of a class: precision = tp / pred, recall = tp / true,
F1 = 2 tp / (true + pred), the harmonic mean of both (van Rijsbergen, Information Retrieval, 2nd ed. 1979, chapter 7).
Averages: Sokolova & Lapalme, Information Processing & Management 45 (2009), 427–437; they equal scikit-learn's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]
#: Right, real and predicted members of each class, (k,) each.
Three = tuple[Counts, Counts, Counts]
Values = NDArray[np.float64]
RATES = ("precision", "recall", "f1")


def rates(counts: Three, zero_division: float) -> dict[str, Values]:
    """Per class (k,); *zero_division* where the denominator is 0."""
    tp, true, pred = counts
    return {
        "precision": divided(tp, pred, zero_division),
        "recall": divided(tp, true, zero_division),
        "f1": divided(2 * tp, true + pred, zero_division),
    }


def averaged(counts: Three, average: str, zero_division: float) -> dict[str, float]:
    """Over classes. macro: plain mean; weighted: by ``true``; micro: the rates of the summed counts.

    A class whose value is NaN (``zero_division=nan``) does not take part. Where all weights are 0, the mean is plain.
    """
    if average == "micro":
        total = [np.array([c.sum()]) for c in counts]
        return {name: float(value[0]) for name, value in rates((total[0], total[1], total[2]), zero_division).items()}
    weights = counts[1] if average == "weighted" else None
    return {name: mean(value, weights) for name, value in rates(counts, zero_division).items()}


def mean(values: Values, weights: NDArray[Any] | None = None) -> float:
    """Of what is not NaN; NaN where nothing is."""
    known = ~np.isnan(values)
    if not known.any():
        return float("nan")
    if weights is None or not weights[known].sum():
        return float(np.mean(values[known]))
    return float(np.average(values[known], weights=weights[known]))


def divided(above: Counts, below: Counts, zero_division: float) -> Values:
    """The quotient; *zero_division* where *below* is 0."""
    return np.divide(above, below, out=np.full(above.shape, zero_division, dtype=np.float64), where=below != 0)
