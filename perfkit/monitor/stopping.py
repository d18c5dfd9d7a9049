"""Early stop, and keeping the best: rules over the history that fail loudly where their metric never appears.

Both are told of the end of each epoch, after its values are in the history::

    stop, best = StopOn("val_loss", patience=5), KeepBest("val_loss", save=lambda: copy.deepcopy(model.state_dict()))
    for epoch in range(100):
        ...
        best.epoch_ended(history, epoch)
        if stop.epoch_ended(history, epoch):
            break

An epoch *improves* a metric if its last value in that epoch is better than the best so far by more than ``min_delta`` (in the metric's own
unit); the best so far is the value of the last epoch that improved, so many small steps add up to one that counts. What is not finite never
improves.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from ..errors import MonitorError, UsageError
from .history import UNKNOWN, History
from .names import canonical, close_to, metric_of

Direction = Literal["up", "down"]


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What a rule said at the end of an epoch, and on what grounds."""

    epoch: int
    #: Canonical name of the series.
    metric: str
    #: None where the epoch brought none.
    value: float | None
    improved: bool
    #: The best so far, and its epoch; None while nothing has improved on the baseline.
    best: float | None
    best_epoch: int | None
    #: Epochs in a row, up to this one, that should have improved the metric and did not.
    waited: int
    stop: bool = False

    def __str__(self) -> str:
        best = "none yet" if self.best is None else f"{self.best:.6g} of epoch {self.best_epoch}"
        value = "no value" if self.value is None else f"{self.value:.6g}"
        return f"{self.metric} {value}; best {best}; {self.waited} epochs without improvement{', stop' * self.stop}"


class _Best:
    """Follows one metric and its best value."""

    def __init__(
        self, metric: str, *, better: Direction | None, min_delta: float, baseline: float | None, every: int
    ) -> None:
        known = metric_of(canonical(metric)).better
        if better is None and known == "none":
            raise UsageError(f"it is not known which way {metric!r} is better; give better='up' or better='down'")
        if better not in (None, "up", "down"):
            raise UsageError(f"better={better!r}: give 'up' or 'down'")
        if min_delta < 0 or not math.isfinite(min_delta):
            raise UsageError(f"min_delta={min_delta}: give a change that is not negative, in the metric's own unit")
        if every < 1:
            raise UsageError(f"every={every}: give the number of epochs from one value to the next, 1 or more")
        self.metric = metric
        self.better: Direction = better or ("up" if known == "up" else "down")
        self.min_delta, self.every = min_delta, every
        self.bar = baseline
        self.best: float | None = None
        self.best_epoch: int | None = None
        self.waited = 0
        self.epochs = 0
        self._quiet = 0  # epochs since the last value
        self._seen: int | None = None
        self._name = canonical(metric)

    def judge(self, history: History, epoch: int) -> Decision:
        """Look at the epoch that ended. Raises MonitorError if the metric should be there and has never been."""
        self.epochs += 1
        value = self._value(history, epoch)
        self._quiet = 0 if value is not None else self._quiet + 1
        improved = value is not None and self._improves(value)
        if improved:
            self.bar = self.best = value
            self.best_epoch, self.waited = epoch, 0
        elif value is not None or self._quiet % self.every == 0:
            self.waited += 1
        return Decision(
            epoch=epoch, metric=self._name, value=value, improved=improved, best=self.best, best_epoch=self.best_epoch,
            waited=self.waited,
        )  # fmt: skip

    def _improves(self, value: float) -> bool:
        if not math.isfinite(value):
            return False
        if self.bar is None:
            return True
        gain = value - self.bar if self.better == "up" else self.bar - value
        return gain > self.min_delta

    def _value(self, history: History, epoch: int) -> float | None:
        """The last value that this epoch brought."""
        try:
            series = history.series(self.metric if self._seen is None else self._name)
        except KeyError:
            if self._seen is None and self.epochs >= self.every:
                raise MonitorError(self._missing(history, epoch)) from None
            return None
        self._name, before, self._seen = series.name, self._seen or 0, len(series)
        new = [
            float(value)
            for value, of in zip(series.values[before:], series.epochs[before:], strict=True)
            if of in (epoch, UNKNOWN)
        ]
        return new[-1] if new else None

    def _missing(self, history: History, epoch: int) -> str:
        near = close_to(canonical(self.metric), history)
        there = ", ".join(sorted(history)) or "none"
        hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"there are: {there}"
        late = "" if self.every > 1 else " (every=N: it comes every N epochs)"
        return f"no metric {self.metric!r} at the end of epoch {epoch}; {hint}{late}"


class StopOn:
    """Says stop after *patience* epochs in a row that did not improve *metric*.

    - ``metric``: as people write it (``val_loss``, ``val/f1``).
    - ``patience``: 1 or more. Epochs without a value that was due count as epochs without improvement.
    - ``better``: "up" or "down"; by default what `monitor.names` knows of the metric.
    - ``baseline``: a value that an epoch must improve on to count, until one has.
    - ``every``: the metric comes every so many epochs (validation every second one).

    Raises UsageError for settings that mean nothing.
    """

    def __init__(
        self,
        metric: str,
        *,
        patience: int,
        min_delta: float = 0.0,
        better: Direction | None = None,
        baseline: float | None = None,
        every: int = 1,
    ) -> None:
        if patience < 1:
            raise UsageError(
                f"patience={patience}: give the number of epochs without improvement after which to stop, 1 or more"
            )
        self.metric, self.patience = metric, patience
        self._best = _Best(metric, better=better, min_delta=min_delta, baseline=baseline, every=every)
        #: What was said at the end of each epoch.
        self.decisions: list[Decision] = []

    def epoch_ended(self, history: History, epoch: int) -> bool:
        """Whether to stop now. Raises MonitorError, naming close matches, if the metric should be in *history* and has never been."""
        judged = self._best.judge(history, epoch)
        decision = Decision(**{**vars(judged), "stop": judged.waited >= self.patience})
        self.decisions.append(decision)
        return decision.stop

    @property
    def stopped_epoch(self) -> int | None:
        """The first epoch at whose end it said stop; None if it never did."""
        return next((d.epoch for d in self.decisions if d.stop), None)


class KeepBest:
    """Calls *save* at the end of each epoch that improved *metric*, and keeps what it returned.

    - ``save``: returns a copy that later training does not change (``copy.deepcopy(model.state_dict())``), or writes a file. None: only
      the best epoch is remembered. If it raises, the epoch is not taken for saved and the error goes on.
    - ``restore``: is called with what *save* returned, by `restore_best`.
    - ``better``, ``min_delta``, ``every``: as of `StopOn`.
    """

    def __init__(
        self,
        metric: str,
        save: Callable[[], Any] | None = None,
        restore: Callable[[Any], Any] | None = None,
        better: Direction | None = None,
        *,
        min_delta: float = 0.0,
        every: int = 1,
    ) -> None:
        self.metric = metric
        self._save, self._restore = save, restore
        self._best = _Best(metric, better=better, min_delta=min_delta, baseline=None, every=every)
        #: What was said at the end of each epoch.
        self.decisions: list[Decision] = []
        #: What *save* returned for the best epoch.
        self.saved: Any = None
        self._saved_epoch: int | None = None

    def epoch_ended(self, history: History, epoch: int) -> bool:
        """Whether this epoch is the best so far and was saved. Raises MonitorError as `StopOn` does, and whatever *save* raises."""
        before = vars(self._best).copy()
        decision = self._best.judge(history, epoch)
        if decision.improved and self._save is not None:
            try:
                self.saved = self._save()
            except BaseException:
                vars(self._best).update(before)  # what is not saved is not the best that was kept
                raise
            self._saved_epoch = epoch
        self.decisions.append(decision)
        return decision.improved

    @property
    def best(self) -> float | None:
        """The best value; None before the first finite one."""
        return self._best.best

    @property
    def best_epoch(self) -> int | None:
        """Its epoch."""
        return self._best.best_epoch

    def restore_best(self) -> int:
        """Give *restore* what was saved for the best epoch; returns that epoch. Raises MonitorError if nothing was saved."""
        if self._restore is None or self._save is None:
            raise UsageError("restore_best needs both save= and restore=")
        if self._saved_epoch is None:
            raise MonitorError(f"no epoch has been saved: {self.metric!r} has had no finite value; look at its series")
        self._restore(self.saved)
        return self._saved_epoch
