"""`ModelMonitor`: a model that is watched while it trains, and otherwise is the model."""

from __future__ import annotations

import atexit
import copy
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from . import adapters
from .card import card
from .fitting import Fit, Stopping, Wanted
from .history import History
from .pipeline import Alerter
from .stopping import KeepBest, StopOn

if TYPE_CHECKING:
    from .alerts.rules import Rule
    from .metrics import Task

#: Attributes of the monitor itself; all others are the model's.
_OWN = frozenset({"model", "_wanted", "_history", "_open", "_card", "_run"})


class ModelMonitor:
    """Watches *model* (Keras, PyTorch, scikit-learn) while it trains; everything else about it is the model's own.

    ``fit(…)`` passes everything through to the model and returns what it returns; of a torch module, which has no ``fit``, it is
    ``fit(step, loader, epochs=…, optimizer=…, validation=…)``, or use `epoch` and `step` in a loop of your own. Attributes and calls
    are the model's; pickling and ``sklearn.clone`` give the model without the monitor. Weights and predictions are the same, bit for
    bit, as without it.

    Raises UsageError for settings that mean nothing.

    Args:
        task: "binary", "multiclass", "multilabel" or "regression"; None: found from the first labels and predictions.
        positive, average: as of `monitor.metrics.ClassCounts`.
        probe: a fixed batch whose loss is taken before and after each epoch (`probe/loss_before`, `probe/loss_after`): for Keras (x, y),
            or "auto" for the first 256 samples of arrays; for torch a batch of the loader's kind.
        detectors: "auto", "off", or a Watch of your own.
        alerts: rules as text (docs/monitor-alerts.md), told on stderr; "default" for those of `perfkit monitor run`; an Alerter; None: none.
        stop, keep_best: `StopOn` and `KeepBest`, asked at the end of each epoch.
        results_dir: where the run is recorded; under `perfkit monitor run` or `perfkit profile` it is part of that run.
        file: the model's file, whose SHA-256 goes to the card.
        quiet: no line per epoch on stderr, and none for events.

    """

    def __init__(
        self,
        model: Any,
        *,
        task: Task | None = None,
        positive: Any = 1,
        average: Any = "auto",
        probe: Any = None,
        detectors: Any = "auto",
        alerts: Iterable[str] | Alerter | None = None,
        stop: StopOn | None = None,
        keep_best: KeepBest | None = None,
        results_dir: str | Path | None = None,
        file: str | Path | None = None,
        quiet: bool = False,
    ) -> None:
        if detectors not in ("auto", "off") and not hasattr(detectors, "observe"):
            raise UsageError(f'detectors={detectors!r}: give "auto", "off", or a Watch')
        self.model = model
        self._wanted = Wanted(
            task=task, settings={"positive": positive, "average": average}, probe=probe, detectors=detectors, alerts=_rules(alerts), stop=stop,
            keep_best=keep_best, results_dir=results_dir, file=file, quiet=quiet,
        )  # fmt: skip
        self._run: Path | None = None
        self._history = History()
        self._open: Fit | None = None
        self._card: dict[str, Any] = {}

    # --- training

    def fit(self, *args: Any, **kwargs: Any) -> Any:
        """Train the model under watch. Returns what the model's ``fit`` returns, and raises what it raises."""
        with self._training() as fit:
            return adapters.of(self.model).fit(fit, *args, **kwargs)

    @contextmanager
    def _training(self) -> Iterator[Fit]:
        if self._open is not None:
            raise UsageError(
                "this monitor is watching a training already; end it with monitor.close(), or use another monitor"
            )
        fit = self._open = Fit(self.model, self._wanted, self._history)
        try:
            yield fit
        except BaseException as failure:
            self._end(failure)
            raise
        self._end(None)

    def _end(self, failure: BaseException | None) -> None:
        fit, self._open = self._open, None
        if fit is None:
            return
        atexit.unregister(self._at_exit)
        try:
            fit.end(failure)
        finally:
            self._run, self._card = fit.run, fit.card or self._card

    def _at_exit(self) -> None:
        """The program ends and nobody has closed the loop: the record's end is how the program ended."""
        failure = getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)
        self._end(failure)

    # --- a loop of one's own

    @contextmanager
    def epoch(self, number: int) -> Iterator[Stopping]:
        """An epoch of a loop of your own; what it yields has ``.stop``. Validate within it, by `validate`."""
        fit = self._manual()
        try:
            with fit.epoch(number, None) as stopping:
                yield stopping
        except BaseException as failure:
            self._end(failure)
            raise

    def step(
        self, loss: Any = None, *, y_true: Any = None, y_pred: Any = None, samples: int | None = None, **values: Any
    ) -> None:
        """A step has ended. Tensors are kept and read together with those of other steps, within a second; nothing waits here."""
        said = {"loss": loss, "y_true": y_true, "y_pred": y_pred, **values}
        self._manual().step({k: v for k, v in said.items() if v is not None}, y_true, samples)

    def validate(self, y_true: Any, y_pred: Any, loss: float | None = None) -> dict[str, float]:
        """Metrics of labels and predictions of the whole validation data; they are the epoch's ``val/…``. Returns them by name."""
        fit = self._manual()
        fit.trained()
        scores = fit.scores()
        scores.update(y_true, y_pred)
        values = scores.values() | ({} if loss is None else {"loss": float(loss)})
        fit.scored("val", values)
        return values

    def log(self, values: Mapping[str, float]) -> None:
        """Other values that are known now, by name (``val_bleu``)."""
        fit = self._manual()
        fit.watching.pipeline.values(values, step=max(0, fit.watching.step_count - 1), epoch=fit.watching.epoch)

    def close(self, failure: BaseException | None = None) -> None:
        """The loop of your own has ended: the record is closed."""
        self._end(failure)

    def __enter__(self) -> ModelMonitor:
        return self

    def __exit__(self, _kind: Any, failure: BaseException | None, _where: Any) -> None:
        self.close(failure)

    def _manual(self) -> Fit:
        if self._open is None:
            self._open = Fit(self.model, self._wanted, self._history)
            self._open.begin()
            atexit.register(self._at_exit)
        return self._open

    # --- what is known

    @property
    def run(self) -> Path | None:
        """The directory of the training that goes on or was the last; None before the first, or where none could be made."""
        return self._run if self._open is None else self._open.run

    @property
    def history(self) -> History:
        """All series and events, over all trainings of this monitor."""
        return self._history

    @property
    def card(self) -> dict[str, Any]:
        """Facts of the model as it was when it was last looked at."""
        known = self._card if self._open is None else self._open.card
        return known or card(self.model, file=self._wanted.file)

    # --- everything else is the model

    def __getattr__(self, name: str) -> Any:
        if name in _OWN:  # not set yet: being copied
            raise AttributeError(name)
        return getattr(self.model, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _OWN:
            object.__setattr__(self, name, value)
        else:
            setattr(self.model, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self.model, name)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *dir(self.model)})

    def __getitem__(self, key: Any) -> Any:
        """The model's own: a layer of a Sequential, a step of a Pipeline."""
        return self.model[key]

    def __sklearn_is_fitted__(self) -> bool:
        from sklearn.exceptions import NotFittedError  # type: ignore[import-untyped]
        from sklearn.utils.validation import check_is_fitted  # type: ignore[import-untyped]

        try:
            check_is_fitted(self.model)
        except NotFittedError:
            return False
        return True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The model's own."""
        return self.model(*args, **kwargs)

    def __copy__(self) -> Any:
        return copy.copy(self.model)

    def __reduce__(self) -> Any:
        return _itself, (self.model,)

    def __repr__(self) -> str:
        return f"ModelMonitor({self.model!r})"


def _itself(model: Any) -> Any:
    """What a pickled monitor is when it is loaded: its model."""
    return model


def _rules(alerts: Iterable[str] | Alerter | None) -> Alerter | list[Rule] | None:
    """An Alerter as it is; rules parsed at once, so that a rule with a slip does not wait for the training to tell."""
    if alerts is None or hasattr(alerts, "observe"):
        return alerts  # type: ignore[return-value]
    from .alerts.defaults import default_rules
    from .alerts.grammar import parse

    if alerts == "default":
        return default_rules()
    return [parse(text) for text in ([alerts] if isinstance(alerts, str) else alerts)]


__all__ = ["ModelMonitor"]
