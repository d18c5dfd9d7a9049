"""Regression metrics from running sums that stay exact where values lie far from 0."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...errors import MonitorError, UsageError
from .arrays import as_array
from .base import of_class

Floats = NDArray[np.float64]
Outputs = Literal["mean", "each"]


class RegressionSums:
    """Mean absolute and squared error, its root, and R² of one or several outputs; they equal scikit-learn's.

    Sums of errors are compensated (Neumaier, ZAMM 54 (1974), 39–51); the variance of the truth is merged from batches by the update of
    Chan, Golub & LeVeque (Stanford STAN-CS-79-773, 1979), with the mean in two parts so that an offset of 1e8 costs no digits.

    Args:
        outputs: "mean": the plain mean over outputs, as scikit-learn's ``uniform_average`` (of rmse too: the mean of the roots).
            "each": a value for each output, ``mae[0]``, ``mae[1]`` …

    R² of an output whose truth is constant is 1 where every prediction is exact, else 0 (scikit-learn's ``force_finite``); with fewer
    than two samples there is none. NaN in the data makes the errors NaN.

    """

    def __init__(self, *, outputs: Outputs = "mean") -> None:
        if outputs not in ("mean", "each"):
            raise UsageError(f"outputs={outputs!r}: give 'mean' or 'each'")
        self.outputs: Outputs = outputs
        self.reset()

    def reset(self) -> None:
        """Forget all batches, keep the settings."""
        self._count = 0
        self._sums = Sums(0)

    @property
    def count(self) -> int:
        """Samples seen."""
        return self._count

    def update(self, y_true: Any, y_pred: Any) -> None:
        """(n,) or (n, …) each, (n, 1) being (n,); all axes but the first are outputs. Raises MonitorError."""
        truth, pred = _columns(as_array(y_true), "y_true"), _columns(as_array(y_pred), "y_pred")
        if truth.shape != pred.shape:  # numpy would broadcast (n,) beside (n, 1) to (n, n)
            raise MonitorError(f"y_true has {_shape(truth)}, y_pred {_shape(pred)}; give one prediction for each value")
        if not len(truth):
            return
        with np.errstate(invalid="ignore", over="ignore"):  # a diverged model's inf and NaN are told by the metrics
            self._take(Sums.of(truth, pred), len(truth))

    def merge(self, other: RegressionSums) -> None:
        """Add what *other* has seen, in any order. Raises UsageError where settings differ, MonitorError where outputs do."""
        if self.outputs != other.outputs:
            raise UsageError("these sums were set up differently; give both the same arguments")
        if other.count:
            with np.errstate(invalid="ignore", over="ignore"):
                self._take(other._sums, other.count)

    def compute(self) -> dict[str, float]:
        """mae, mse, rmse and, from two samples on, r2."""
        if not self._count:
            return {}
        with np.errstate(invalid="ignore", over="ignore"):
            values = self._sums.metrics(self._count)
        if self.outputs == "mean":
            return {name: float(np.mean(value)) for name, value in values.items()}
        return {of_class(name, i): float(v) for name, value in values.items() for i, v in enumerate(value)}

    def __repr__(self) -> str:
        return f"<RegressionSums: {self._count} samples, {self._sums.width} outputs>"

    def _take(self, sums: Sums, count: int) -> None:
        if self._count and sums.width != self._sums.width:
            raise MonitorError(f"there were {self._sums.width} outputs so far, and now there are {sums.width}")
        self._sums = self._sums.plus(self._count, sums, count) if self._count else sums
        self._count += count


class Sums:
    """Sums over samples of d outputs: |error|, error² and the truth's mean, each a value with what was lost in rounding it; and the
    truth's sum of squared deviations from its mean. Never changed once made.
    """

    def __init__(self, width: int) -> None:
        zero = np.zeros(width)
        self.absolute, self.squared, self.mean = (zero, zero), (zero, zero), (zero, zero)
        self.deviation = zero

    @property
    def width(self) -> int:
        """Number of outputs, d."""
        return len(self.deviation)

    @classmethod
    def of(cls, truth: Floats, pred: Floats) -> Sums:
        """Of (n, d) values."""
        sums, error, zero = cls(0), truth - pred, np.zeros(truth.shape[1])
        sums.absolute, sums.squared = (np.abs(error).sum(axis=0), zero), ((error**2).sum(axis=0), zero)
        # a centre within the values: of equal values it is that value, so that their deviation is exactly 0
        centre = np.clip(truth.mean(axis=0), truth.min(axis=0), truth.max(axis=0))
        offset = truth - centre
        rest = offset.mean(axis=0)
        sums.mean = _two_sum(centre, rest)
        sums.deviation = ((offset - rest) ** 2).sum(axis=0)
        return sums

    def plus(self, count: int, other: Sums, others: int) -> Sums:
        """The sums of *count* samples and of *others* more."""
        both = Sums(0)
        both.absolute, both.squared = _added(self.absolute, other.absolute), _added(self.squared, other.squared)
        apart = (other.mean[0] - self.mean[0]) + (other.mean[1] - self.mean[1])
        high, low = _two_sum(self.mean[0], self.mean[1] + apart * (others / (count + others)))
        both.mean = (high, low)
        both.deviation = self.deviation + other.deviation + apart**2 * (count * (others / (count + others)))
        return both

    def metrics(self, count: int) -> dict[str, Floats]:
        """(d,) each."""
        squared = self.squared[0] + self.squared[1]
        values = {"mae": (self.absolute[0] + self.absolute[1]) / count, "mse": squared / count}
        values["rmse"] = np.sqrt(values["mse"])
        if count > 1:
            constant = self.deviation == 0
            share = np.divide(squared, self.deviation, out=np.ones_like(squared), where=~constant)
            values["r2"] = np.where(constant & (squared == 0), 1.0, 1 - share)
        return values


def _two_sum(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """The sum and what rounding lost of it, exactly (Knuth, The Art of Computer Programming 2, 4.2.2)."""
    total = a + b
    back = total - a
    return total, (a - (total - back)) + (b - back)


def _added(a: tuple[Floats, Floats], b: tuple[Floats, Floats]) -> tuple[Floats, Floats]:
    total, lost = _two_sum(a[0], b[0])
    return total, np.where(np.isfinite(total), lost + a[1] + b[1], 0.0)  # inf - inf would make NaN of an infinite sum


def _columns(values: NDArray[Any], what: str) -> Floats:
    if values.dtype.kind not in "biuf":
        raise MonitorError(f"{what} is of dtype {values.dtype}; regression needs numbers")
    floats = values.astype(np.float64, copy=False)
    return floats.reshape(1, 1) if floats.ndim == 0 else floats.reshape(len(floats), -1 if len(floats) else 0)


def _shape(columns: Floats) -> str:
    return f"{columns.shape[0]} samples of {columns.shape[1]} outputs"
