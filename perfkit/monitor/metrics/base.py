"""What every accumulator of metrics offers."""

from __future__ import annotations

from typing import Any, Literal, Protocol, Self, get_args

from ...errors import UsageError

Task = Literal["binary", "multiclass", "multilabel", "regression", "detection"]
Average = Literal["auto", "macro", "micro", "weighted", "binary"]
#: How predictions are given: as labels, as probabilities, or as scores that a sigmoid or softmax makes probabilities of.
Scores = Literal["labels", "probabilities", "logits"]


class Accumulator(Protocol):
    """Collects batches; `compute` speaks about all of them together, as if they had been one batch."""

    @property
    def count(self) -> int:
        """Samples seen."""

    def update(self, y_true: Any, y_pred: Any) -> None:
        """One more batch, of any size. Raises MonitorError for what cannot be read; nothing of that batch is then kept."""

    def merge(self, other: Self) -> None:
        """Add what another one has seen (another process, another batch), in any order. Raises UsageError if it was set up differently."""

    def reset(self) -> None:
        """Forget all batches, keep the settings."""

    def compute(self) -> dict[str, float]:
        """Metrics by name (`monitor.names.METRICS`), those of one class as ``recall[3]``. Empty before the first sample."""


def checked(what: str, value: Any, allowed: Any, *, none: bool = False) -> None:
    """Raise UsageError unless *value* is one of a Literal's (or None, where *none* says so)."""
    if value not in get_args(allowed) and not (none and value is None):
        names = ", ".join(repr(v) for v in (*get_args(allowed), *((None,) if none else ())))
        raise UsageError(f"{what}={value!r}: give one of {names}")


def of_class(metric: str, label: Any) -> str:
    """``recall[3]``: the name of one class's metric. A slash separates the split in names, so it is written as ``_`` here."""
    return f"{metric}[{str(label).replace('/', '_')}]"
