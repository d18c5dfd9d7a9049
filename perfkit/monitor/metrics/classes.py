"""Accuracy, precision, recall and F1 from counts that are accumulated over all batches: never averages of batch values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...errors import MonitorError, UsageError
from .arrays import Array
from .base import Average, Scores, of_class
from .batches import Batch, Read, read
from .counts import IndicatorCounts, LabelCounts
from .ranking import Ranking
from .rates import RATES, Three, averaged, rates
from .reading import ORDER
from .settings import ClassSettings, ClassTask, settings_of

Tally = LabelCounts | IndicatorCounts


class ClassCounts:
    """Counts what was right, real and predicted of each class, and computes metrics from the counts; they equal scikit-learn's.

    Args:
        task: "binary", "multiclass" or "multilabel".
        classes: labels, in the order of the columns of scores. None: columns are 0 … k-1 and other labels are found as they come, also
            after the first batch; averages are then over the labels seen, real or predicted (scikit-learn's ``labels=None``).
            If given, averages are over all of them, seen or not, and any other label is an error.
        positive: the positive label of a binary task. Its default 1 is the second of *classes* where those have no 1.
        average: "macro", "micro", "weighted", "binary" (of the positive class), None (a value for each class) or "auto": "binary" for
            binary tasks, else "macro".
        threshold: probability above which a class is predicted (binary, multi-label), also for logits.
        zero_division: 0.0, 1.0 or NaN, the value where nothing was predicted (precision), nothing is real (recall) or both (F1).
        scores: what y_pred holds: "labels", "probabilities" or "logits"; None: see `monitor.metrics.reading`.
        ignore: a label of y_true whose samples are left out, such as -100.
        curves: whether auc and average_precision are computed where scores are given (`monitor.metrics.ranking`); None: for binary tasks
            and for at most MAX_RANKED_CLASSES classes. Of several classes each is ranked against the rest.

    Multi-label accuracy is that of whole rows, as in scikit-learn; ``label_accuracy`` is that of single labels.

    """

    def __init__(
        self,
        task: ClassTask,
        *,
        classes: Sequence[Any] | Array | None = None,
        positive: Any = 1,
        average: Average | None = "auto",
        threshold: float = 0.5,
        zero_division: float = 0.0,
        scores: Scores | None = None,
        ignore: Any = None,
        curves: bool | None = None,
    ) -> None:
        self.settings: ClassSettings = settings_of(
            task, classes, positive, average=average, threshold=float(threshold), zero_division=float(zero_division),
            scores=scores, ignore=ignore, curves=curves,
        )  # fmt: skip
        self.reset()

    def reset(self) -> None:
        """Forget all batches, keep the settings."""
        self._tallies: dict[Scores, Tally] = {}
        self._rankings: dict[Scores, Ranking] = {}
        self._true_labels: frozenset[Any] = frozenset()
        self._pred_labels: frozenset[Any] = frozenset()
        #: Samples whose scores held NaN: they count as predicted nothing.
        self.unreadable = 0

    # -- collecting

    def update(self, y_true: Any, y_pred: Any) -> None:
        """One more batch; shapes: `monitor.metrics.shapes.aligned`. Raises MonitorError, and then keeps nothing of it."""
        batch = read(self.settings, y_true, y_pred)
        if not batch.size:
            return
        true_labels, pred_labels = self._true_labels | batch.true_labels, self._pred_labels | batch.pred_labels
        alive = self._alive(set(batch.readings), true_labels, pred_labels)
        self._check_width(batch)
        self._true_labels = true_labels
        self._pred_labels = pred_labels if "labels" in alive else frozenset()
        self._tallies = {kind: self._tallies.get(kind) or self._tally(batch.readings[kind]) for kind in alive}
        for kind, tally in self._tallies.items():
            one = batch.readings[kind]
            tally.add(one.true, one.pred, one.predicted)
            self._rank(kind, one)
        self._rankings = {kind: ranking for kind, ranking in self._rankings.items() if kind in alive}
        self.unreadable += int(np.count_nonzero(~batch.readings[alive[-1]].predicted))

    def merge(self, other: ClassCounts) -> None:
        """Add what *other* has seen, in any order. Raises UsageError where settings differ, MonitorError where data do."""
        if repr(self.settings) != repr(other.settings):  # by repr: NaN is unequal to itself
            raise UsageError("these counts were set up differently; give both the same arguments")
        if not other.count:
            return
        true_labels, pred_labels = self._true_labels | other._true_labels, self._pred_labels | other._pred_labels
        alive = self._alive(set(other._tallies), true_labels, pred_labels)
        self._check_width(other)
        self._true_labels = true_labels
        self._pred_labels = pred_labels if "labels" in alive else frozenset()
        mine, self._tallies = self._tallies, {}
        for kind in alive:
            tally = self._tallies[kind] = mine.get(kind) or self._tally(other._tallies[kind])
            tally.merge(other._tallies[kind])  # type: ignore[arg-type]  # the same settings, so the same class
            if kind in other._rankings:
                theirs = other._rankings[kind]
                self._rankings.setdefault(kind, theirs.empty()).merge(theirs)
        self._rankings = {kind: ranking for kind, ranking in self._rankings.items() if kind in alive}
        self.unreadable += other.unreadable

    # -- reading

    @property
    def count(self) -> int:
        """Samples seen."""
        return next(iter(self._tallies.values())).count if self._tallies else 0

    @property
    def reading(self) -> Scores | None:
        """How y_pred is read, from everything seen; None before the first sample."""
        return next((kind for kind in ORDER if kind in self._tallies), None)

    @property
    def support(self) -> dict[Any, int]:
        """Real samples of each class."""
        if not self._tallies:
            return {}
        labels, (_, true, _) = self._counts()
        return dict(zip(labels, true.tolist(), strict=True))

    @property
    def label_accuracy(self) -> float:
        """Share of single labels that are right: 1 - Hamming loss. Raises MonitorError before the first sample."""
        if not self._tallies:
            raise MonitorError("no sample has been seen yet; call update(y_true, y_pred) first")
        tally = self._tallies[self.reading or "labels"]
        if isinstance(tally, LabelCounts):
            return tally.right / tally.count
        right, true, pred = tally.of()
        wrong = int((true + pred - 2 * right).sum())
        return 1 - wrong / (tally.count * tally.width)

    def compute(self) -> dict[str, float]:
        """accuracy, precision, recall, f1 and, from scores, auc and average_precision; per class (``recall[3]``) where the average is None. Empty before the first sample."""
        if not self._tallies:
            return {}
        tally = self._tallies[self.reading or "labels"]
        labels, counts = self._counts()
        ranking = self._rankings.get(self.reading or "labels")
        return {
            "accuracy": tally.right / tally.count,
            **self._rates(labels, counts),
            **(ranking.named(self.settings.over) if ranking else {}),
        }

    def bounds(self) -> dict[str, float]:
        """By how much auc and average_precision of a class can be off, at most: 0 while all scores are kept, see `monitor.metrics.ranking`."""
        ranking = self._rankings.get(self.reading or "labels")
        return ranking.bounds() if ranking else {}

    def per_class(self) -> dict[str, float]:
        """precision, recall and f1 of each class, whatever the average."""
        if not self._tallies:
            return {}
        labels, counts = self._counts()
        values = rates(counts, self.settings.zero_division)
        return {
            of_class(name, label): float(v) for name in RATES for label, v in zip(labels, values[name], strict=True)
        }

    def __repr__(self) -> str:
        return f"<ClassCounts {self.settings.task}: {self.count} samples, {len(self.support)} classes>"

    # -- within

    def _rates(self, labels: list[Any], counts: Three) -> dict[str, float]:
        over, zero_division = self.settings.over, self.settings.zero_division
        if over is None:
            return self.per_class()
        if over != "binary":
            return averaged(counts, over, zero_division)
        here = [i for i, label in enumerate(labels) if label == self.settings.positive]
        right, true, pred = (c[here] if here else np.zeros(1, dtype=np.int64) for c in counts)
        return {name: float(value[0]) for name, value in rates((right, true, pred), zero_division).items()}

    def _rank(self, kind: Scores, batch: Batch) -> None:
        """Collect scores to rank by, where a batch has them."""
        if batch.scores is None or batch.hits is None:
            return
        one = batch.scores.ndim == 1 or self.settings.over == "micro"  # micro: all classes as one
        shape = (-1, 1) if one else batch.scores.shape
        if kind not in self._rankings:
            labels = ("all",) if one else self.settings.column_labels(batch.scores.shape[1])
            self._rankings[kind] = Ranking(labels, logits=kind == "logits" and self.settings.task == "binary")
        self._rankings[kind].add(batch.scores.reshape(shape), batch.hits.reshape(shape))

    def _counts(self) -> tuple[list[Any], Three]:
        """Labels in their order, and (right, true, predicted) of each."""
        reading = self.reading or "labels"
        tally = self._tallies[reading]
        if isinstance(tally, IndicatorCounts):
            return list(self.settings.column_labels(tally.width)), tally.of()
        if self.settings.task == "binary" and reading != "labels":
            names = {1: self.settings.positive, 0: self._negative()}
            keys = [key for key in (0, 1) if key in tally.labels or self.settings.classes is not None]
            keys.sort(key=lambda key: self._place(names[key]))
            return [names[key] for key in keys], tally.of(keys)
        labels = list(self.settings.classes) if self.settings.classes is not None else tally.labels
        return labels, tally.of(labels)

    def _place(self, label: Any) -> Any:
        return self.settings.classes.index(label) if self.settings.classes is not None else label

    def _negative(self) -> Any:
        """The other label of a binary task; while none was seen, 0 (or "not …" beside text)."""
        positive = self.settings.positive
        for label in self.settings.classes or self._true_labels:
            if label != positive:
                return label
        return f"not {positive}" if isinstance(positive, str) else int(positive == 0)

    def _alive(self, given: set[Scores], true_labels: frozenset[Any], pred_labels: frozenset[Any]) -> list[Scores]:
        """Readings that all batches allow, in order. Raises MonitorError if there is none, or labels do not fit the task."""
        self.settings.check_labels(set(true_labels))
        alive = [kind for kind in ORDER if kind in given and (not self._tallies or kind in self._tallies)]
        if not alive:
            so_far, now = " or ".join(self._tallies), " or ".join(k for k in ORDER if k in given)
            raise MonitorError(f"y_pred was read as {so_far} so far, but now it must be {now}; give scores=…")
        if self.settings.task == "binary":
            if "labels" in alive and len(alive) > 1 and len(true_labels | pred_labels) > 2:
                alive.remove("labels")
            self._check_two(true_labels | pred_labels if alive == ["labels"] else true_labels, alive)
        if "labels" in alive:
            self.settings.check_labels(set(pred_labels))
        return alive

    def _check_two(self, labels: frozenset[Any], alive: list[Scores]) -> None:
        if len(labels) > 2:
            raise MonitorError(f"a binary task with the labels {sorted(labels)[:5]}; give task='multiclass'")
        if (
            len(labels) == 2
            and self.settings.positive not in labels
            and (self.settings.over == "binary" or alive != ["labels"])
        ):
            raise MonitorError(
                f"positive={self.settings.positive!r} is not among the labels {sorted(labels)}; give positive=…"
            )

    def _tally(self, like: Batch | Tally) -> Tally:
        if self.settings.task != "multilabel":
            return LabelCounts()
        return IndicatorCounts(like.width if isinstance(like, IndicatorCounts) else like.true.shape[1])  # type: ignore[union-attr]

    def _check_width(self, other: Read | ClassCounts) -> None:
        """Multi-label: the number of labels cannot change."""
        if self.settings.task != "multilabel" or not self._tallies:
            return
        mine = next(iter(self._tallies.values())).width  # type: ignore[union-attr]
        theirs = (
            next(iter(other.readings.values())).true.shape[1] if isinstance(other, Read)
            else next(iter(other._tallies.values())).width  # type: ignore[union-attr]
        )  # fmt: skip
        if mine != theirs:
            raise MonitorError(f"there were {mine} labels so far, and now there are {theirs}")
