"""`ModelMonitor`: a model that is watched while it trains, and otherwise is the model."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from . import adapters
from .card import card
from .history import History
from .pipeline import Alerter, Pipeline, Watch
from .run_dir import Home, home
from .scores import Scores, length
from .stopping import KeepBest, StopOn
from .watching import Watching

if TYPE_CHECKING:
    from .metrics import Task
    from .probe import Probe

_OWN = frozenset({"model", "run", "_wanted", "_history", "_open", "_card"})


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a ModelMonitor was asked for; see there."""

    task: Task | None
    settings: dict[str, Any]
    probe: Any
    detectors: Any
    alerts: Any
    stop: StopOn | None
    keep_best: KeepBest | None
    results_dir: str | Path | None
    file: str | Path | None
    quiet: bool


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
        alerts: rules as text (docs/monitor-alerts.md), told on stderr; or an Alerter; None: no alerts.
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
            task=task, settings={"positive": positive, "average": average}, probe=probe, detectors=detectors, alerts=alerts, stop=stop,
            keep_best=keep_best, results_dir=results_dir, file=file, quiet=quiet,
        )  # fmt: skip
        #: The directory that the last training was recorded into; None before the first, or where none could be made.
        self.run: Path | None = None
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
        if fit is not None:
            fit.end(failure)
            self.run, self._card = fit.run, fit.card or self._card

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
        return self._open

    # --- what is known

    @property
    def history(self) -> History:
        """All series and events, over all trainings of this monitor."""
        return self._history

    @property
    def card(self) -> dict[str, Any]:
        """Facts of the model as it was when it was last looked at."""
        return self._card or card(self.model, file=self._wanted.file)

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

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The model's own."""
        return self.model(*args, **kwargs)

    def __reduce__(self) -> Any:
        return _itself, (self.model,)

    def __repr__(self) -> str:
        return f"ModelMonitor({self.model!r})"


def _itself(model: Any) -> Any:
    """What a pickled monitor is when it is loaded: its model."""
    return model


@dataclass
class Stopping:
    """Whether the training is to stop after this epoch."""

    stop: bool = False


@dataclass
class Fit:
    """One training: what adapters tell of it."""

    model: Any
    wanted: Wanted
    history: History
    card: dict[str, Any] = field(default_factory=dict)
    run: Path | None = None
    _known: dict[str, float] = field(default_factory=dict)
    _train: Scores | None = None
    _watching: Watching | None = None
    _is_training: bool = False
    _told: dict[str, Any] = field(default_factory=dict)

    @property
    def watching(self) -> Watching:
        """Where everything goes."""
        if self._watching is None:
            raise UsageError("training has not begun")
        return self._watching

    def begin(self, *, optimizer: Any = None, data: Any = None) -> None:
        """The training begins: make its record, note the model."""
        place = home(self.wanted.results_dir)
        self._train = self.scores()
        if place is None:
            import tempfile

            place = Home(Path(tempfile.mkdtemp(prefix="perfkit-unrecorded-")), None)
        else:
            self.run = place.path
        pipeline = Pipeline(
            place.path, watch=_watch(self.wanted.detectors), alerter=_alerter(self.wanted.alerts, place.path)
        )
        pipeline.history = self.history
        first = self._first_step()
        self._watching = Watching(
            pipeline, place, read=self._read, stop=self.wanted.stop, keep_best=self.wanted.keep_best, quiet=self.wanted.quiet, first_step=first
        )  # fmt: skip
        self._note(optimizer=optimizer, data=data)
        self._told = {"optimizer": optimizer, "data": data}

    def _first_step(self) -> int:
        known = "perf/step_time_s" in self.history
        return int(self.history.series("perf/step_time_s").steps[-1]) + 1 if known else 0

    def scores(self, classes: Any = None) -> Scores:
        """New counts for one pass over data."""
        return Scores(self.wanted.task, self.wanted.settings | ({} if classes is None else {"classes": list(classes)}))

    def step(self, said: Any, batch: Any, samples: int | None = None) -> None:
        """A step has ended that returned *said* (the loss, or a mapping)."""
        from .adapters import _torch

        self.watching.step_ended(_torch.kept(said), samples=length(batch) if samples is None else samples)

    def _read(self, steps: list[Any]) -> list[Mapping[str, float]]:
        from .adapters import _torch

        return _torch.read(steps, self._train or self.scores())

    @contextmanager
    def epoch(self, number: int, probe: Probe | None) -> Iterator[Stopping]:
        """The epoch; what is yielded says at its end whether to stop."""
        self._known, stopping = {}, Stopping()
        if self._train is not None:
            self._train.reset()
        before = {} if probe is None else {"probe/loss_before": probe()}
        self.watching.epoch_began(number)
        self._is_training = True
        yield stopping
        self.trained()
        after = {} if probe is None else {"probe/loss_after": probe()}
        running = {} if self._train is None else {f"train/{k}": v for k, v in self._train.values().items()}
        stopping.stop = self.watching.epoch_ended({**running, **self._known, **before, **after})

    def trained(self) -> None:
        """The steps of the epoch are over. Evaluation that follows is not part of them."""
        if self._is_training:
            self._is_training = False
            self.watching.flush()
            self._known |= self.watching.training_ended()

    def known(self, values: Mapping[str, float]) -> None:
        """Values of this epoch by canonical name; what is exact goes before what is not, see `scored`."""
        self._known = {**values, **self._known}

    def scored(self, split: str, values: Mapping[str, float]) -> None:
        """Exact metrics of a split of this epoch."""
        self._known |= {f"{split}/{name}": value for name, value in values.items()}

    def end(self, failure: BaseException | None) -> None:
        """The training has ended."""
        if self._watching is None:
            return
        self._note(**self._told)
        self._watching.ended(failure)

    def _note(self, **facts: Any) -> None:
        data = facts.pop("data", None)
        facts |= {} if data is None else {"data": data}
        self.card = card(self.model, file=self.wanted.file, **facts)
        self.watching.pipeline.writer.card(self.card, time_ns=time.time_ns(), monotonic_ns=time.monotonic_ns())


def _watch(detectors: Any) -> Watch | None:
    if detectors == "off":
        return None
    if detectors == "auto":
        from .detect.watch import Watch as Auto

        return Auto()
    return detectors  # type: ignore[no-any-return]


def _alerter(alerts: Any, run: Path) -> Alerter | None:
    if alerts is None or hasattr(alerts, "observe"):
        return alerts  # type: ignore[no-any-return]
    from .alerts.grammar import parse
    from .alerts.opening import open_alerter
    from .alerts.sinks.stderr import Stderr

    return open_alerter(run, [parse(text) for text in alerts], [Stderr()])


__all__ = ["Fit", "ModelMonitor", "Stopping", "Wanted"]
