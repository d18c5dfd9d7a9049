"""How classes are counted: what is set once and is the same for all batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ...errors import MonitorError, UsageError
from .arrays import Array
from .base import Average, Scores, checked

#: Unless asked for, ranking metrics stop here: each class keeps a curve of its own, and a batch costs time for each value of it.
MAX_RANKED_CLASSES = 64

ClassTask = Literal["binary", "multiclass", "multilabel"]


@dataclass(frozen=True, kw_only=True)
class ClassSettings:
    """See `ClassCounts`, whose arguments these are. Raises UsageError for what does not go together."""

    task: ClassTask
    classes: tuple[Any, ...] | None
    positive: Any
    average: Average | None
    threshold: float
    zero_division: float
    scores: Scores | None
    ignore: Any
    curves: bool | None

    def __post_init__(self) -> None:
        checked("task", self.task, ClassTask)
        checked("average", self.average, Average, none=True)
        checked("scores", self.scores, Scores, none=True)
        if self.average == "binary" and self.task != "binary":
            raise UsageError(
                f"average='binary' is for binary tasks, not {self.task}; give macro, micro, weighted or None"
            )
        if not 0 < self.threshold < 1:
            raise UsageError(f"threshold={self.threshold}: a probability between 0 and 1 is needed, also for logits")
        if not (self.zero_division in (0.0, 1.0) or self.zero_division != self.zero_division):
            raise UsageError(f"zero_division={self.zero_division}: give 0.0, 1.0 or NaN")
        if self.classes is not None and len(set(self.classes)) != len(self.classes):
            raise UsageError("classes: one of them is there twice")
        if (
            self.task == "binary"
            and self.classes is not None
            and (len(self.classes) != 2 or self.positive not in self.classes)
        ):
            raise UsageError(
                f"classes={list(self.classes)}, positive={self.positive!r}: a binary task has two, one of them positive"
            )

    @property
    def over(self) -> Literal["macro", "micro", "weighted", "binary"] | None:
        """The average, "auto" resolved: of the positive class in a binary task, else macro."""
        if self.average != "auto":
            return self.average
        return "binary" if self.task == "binary" else "macro"

    def column_labels(self, width: int) -> tuple[Any, ...]:
        """The labels of *width* columns of scores. Raises MonitorError where they cannot be known."""
        if self.classes is None:
            return tuple(range(width))
        if len(self.classes) != width:
            raise MonitorError(
                f"y_pred has {width} columns, but there are {len(self.classes)} classes; give one for each column"
            )
        return self.classes

    def ranks(self, width: int) -> bool:
        """Whether ranking metrics are computed from *width* columns of scores."""
        return width <= MAX_RANKED_CLASSES if self.curves is None else self.curves

    def check_labels(self, labels: set[Any]) -> None:
        """Raise MonitorError for a label that is not among the classes."""
        unknown = labels - set(self.classes) if self.classes is not None else ()
        if unknown:
            raise MonitorError(
                f"{sorted(unknown)[0]!r} is not among the classes {_few(self.classes or ())}; add it to classes="
            )


def settings_of(task: ClassTask, classes: Sequence[Any] | Array | None, positive: Any, **others: Any) -> ClassSettings:
    """Settings with plain Python labels. ``positive=1`` where `classes` has no 1 means the second of two, as scikit-learn's columns do."""
    labels = None if classes is None else tuple(plain(c) for c in classes)
    positive = 1 if positive is None else plain(positive)
    if task == "binary" and labels is not None and len(labels) == 2 and positive == 1 and 1 not in labels:
        positive = labels[1]
    return ClassSettings(task=task, classes=labels, positive=positive, **others)


def plain(label: Any) -> Any:
    """A label as Python's own int or str: 1, 1.0, True and np.int64(1) are one label."""
    label = label.item() if hasattr(label, "item") else label
    if isinstance(label, bytes):
        return label.decode()
    return int(label) if isinstance(label, (bool, float)) and label == int(label) else label


def _few(labels: Sequence[Any]) -> str:
    shown = ", ".join(repr(label) for label in labels[:8])
    return f"[{shown}, …]" if len(labels) > 8 else f"[{shown}]"
