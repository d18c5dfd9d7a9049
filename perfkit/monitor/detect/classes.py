"""Classes that a model hardly finds."""

from __future__ import annotations

from statistics import median

from . import advice
from .finding import Finding

#: A class is not found when its recall is less than this share of the median class's, for so many epochs.
LOW_RECALL, LOW_RECALL_EPOCHS = 0.5, 3


class Classes:
    """Recall (or another share) of each class of one split: which are hardly found."""

    def __init__(self, metric: str) -> None:
        self.metric = metric
        self._latest: dict[str, float] = {}
        self._low: dict[str, int] = {}
        self._said: frozenset[str] = frozenset()

    def update(self, values: dict[str, float]) -> list[Finding]:
        """The classes' values of one evaluation, by label."""
        self._latest |= values
        if len(self._latest) < 2:
            return []
        usual = median(self._latest.values())
        for label, value in values.items():
            self._low[label] = self._low.get(label, 0) + 1 if value < LOW_RECALL * usual else 0
        low = frozenset(label for label, times in self._low.items() if times >= LOW_RECALL_EPOCHS)
        if low == self._said:
            return []
        before, self._said = self._said, low
        labels = sorted(low)
        if not low - before:
            if low:
                return []
            message = f"every class's {self.metric} is near the others' again"
            return [
                Finding(rule="class-imbalance", metric=self.metric, kind="recovered", severity="info", message=message)
            ]
        worst = {label: self._latest[label] for label in labels}
        message = f"classes {', '.join(labels)} are hardly found: {self.metric} " + ", ".join(
            f"{value:.2f}" for value in worst.values()
        )
        return [
            Finding(
                rule="class-imbalance",
                metric=self.metric,
                kind="learning",
                severity="warning",
                message=f"{message}, median class {usual:.2f}",
                advice=advice.imbalance(labels),
                evidence={"classes": worst, "median_class": usual, "epochs": LOW_RECALL_EPOCHS},
            )
        ]
