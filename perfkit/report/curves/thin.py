"""Fewer points that look the same: of each bucket its least and its greatest value, so that no spike is lost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: A bucket keeps its least and greatest value and, where there is one, a value that is not finite.
_PER_BUCKET = 3


@dataclass(frozen=True, kw_only=True)
class Thin:
    """Which points of a series are kept."""

    #: Ascending indices into the series, int64, shape (k,).
    kept: NDArray[np.int64]
    #: How many neighbouring values make a bucket; 1 where every point is kept.
    bucket: int
    #: Of each bucket (a last one that is at least half full): the index in its middle and the mean of its finite values, NaN where there is
    #: none; empty with bucket 1.
    centres: NDArray[np.int64]
    means: NDArray[np.float64]


def extremes(values: NDArray[np.float64], most: int) -> Thin:
    """Thin *values*, shape (n,), to at most *most* points (at least 8): the first, the last and each bucket's extremes.

    A bucket that holds NaN or ±inf also keeps the first of them, so that a gap stays a gap.
    """
    n, none = len(values), np.zeros(0, dtype=np.int64)
    if n <= max(8, most):
        return Thin(kept=np.arange(n, dtype=np.int64), bucket=1, centres=none, means=np.zeros(0))
    finite = np.isfinite(values)
    per_bucket = 2 if finite.all() else _PER_BUCKET
    bucket = -(-n // max(1, (max(8, most) - 2) // per_bucket))
    rows = -(-n // bucket)
    offsets = np.arange(rows, dtype=np.int64) * bucket

    def padded(filled: NDArray[np.float64], pad: float) -> NDArray[np.float64]:
        return np.concatenate([filled, np.full(rows * bucket - n, pad)]).reshape(rows, bucket)

    least = offsets + padded(np.where(finite, values, np.inf), np.inf).argmin(axis=1)
    greatest = offsets + padded(np.where(finite, values, -np.inf), -np.inf).argmax(axis=1)
    odd = padded((~finite).astype(np.float64), 0.0)
    first_odd = (offsets + odd.argmax(axis=1))[odd.any(axis=1)]
    counts = padded(finite.astype(np.float64), 0.0).sum(axis=1)
    # Divided before they are added, and by two once more: the sum of values near the end of what a float holds would be infinite,
    # or rounded to it.
    parts = padded(np.where(finite, values, 0.0), 0.0) / np.maximum(counts, 1.0)[:, None]
    most_half = np.finfo(np.float64).max / 2
    means = np.where(counts > 0, 2 * np.clip((parts / 2).sum(axis=1), -most_half, most_half), np.nan)
    # In a bucket without a finite value argmin and argmax name its first value, which is odd and kept anyway.
    kept = np.unique(np.concatenate([[0], least, greatest, first_odd, [n - 1]]).astype(np.int64))
    # A last bucket that is not half full has a mean that is not like the others'.
    whole = rows if 2 * (n - int(offsets[-1])) >= bucket else rows - 1
    centres = np.minimum(offsets + bucket // 2, n - 1)
    return Thin(kept=kept, bucket=bucket, centres=centres[:whole], means=means[:whole])
