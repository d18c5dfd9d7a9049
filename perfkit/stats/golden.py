"""Outputs for golden inputs against those that were kept: a model that has become wrong, told in one step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..errors import UsageError

#: Relative and absolute tolerance by dtype: those of torch.testing.assert_close, ten times for what is summed over many layers.
TOLERANCES = {
    "float64": (1e-6, 1e-6),
    "float32": (1.3e-5, 1e-4),
    "float16": (1e-2, 1e-3),
    "bfloat16": (1.6e-1, 1e-3),
}


@dataclass(frozen=True, kw_only=True)
class Mismatch:
    """Outputs that differ from golden ones. ``score`` is the largest |difference| in tolerances: more than 1 is a mismatch."""

    score: float
    #: Share of the elements beyond tolerance; one that is not finite where the other is counts.
    share: float
    worst_index: tuple[int, ...]
    got: float
    expected: float
    relative_tolerance: float
    absolute_tolerance: float


def compare(
    outputs: ArrayLike,
    expected: ArrayLike,
    *,
    dtype: str | None = None,
    rtol: float | None = None,
    atol: float | None = None,
) -> Mismatch | None:
    """Outputs for golden inputs against those that were kept, both of one shape; None where they agree.

    The tolerance is that of *dtype*, what the model computes in (else the outputs' own). Raises UsageError for other shapes.
    """
    x, y = np.asarray(outputs), np.asarray(expected)
    if x.shape != y.shape:
        raise UsageError(f"outputs of shape {x.shape}, golden ones of {y.shape}; they must be for the same inputs")
    relative, absolute = TOLERANCES.get(dtype or str(x.dtype), (0.0, 0.0))
    relative, absolute = relative if rtol is None else rtol, absolute if atol is None else atol
    x, y = x.astype(np.float64), y.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):  # where nothing is allowed, whatever differs is infinitely off
        allowed = absolute + relative * np.abs(y)
        scores = np.abs(x - y) / np.maximum(allowed, np.finfo(np.float64).tiny)
    same = (x == y) | (np.isnan(x) & np.isnan(y))
    scores = np.where(same, 0.0, np.where(np.isfinite(scores), scores, np.inf))
    if not scores.size or scores.max() <= 1.0:
        return None
    worst = np.unravel_index(int(np.argmax(scores)), scores.shape)
    return Mismatch(
        score=float(scores[worst]),
        share=float(np.mean(scores > 1.0)),
        worst_index=tuple(int(i) for i in worst),
        got=float(x[worst]),
        expected=float(y[worst]),
        relative_tolerance=relative,
        absolute_tolerance=absolute,
    )
