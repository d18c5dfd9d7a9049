"""One training under a ModelMonitor: what an adapter tells of it, its card, its metrics, its record."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..model.monitoring import Event
from .card import card
from .history import History
from .pipeline import Alerter, Pipeline, Watch
from .probe import Probe
from .run_dir import Home, home
from .scores import Scores, length
from .stopping import KeepBest, StopOn
from .watching import Watching, tell

if TYPE_CHECKING:
    from .alerts.rules import Rule
    from .metrics import Task


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a ModelMonitor was asked for; see there."""

    task: Task | None
    settings: dict[str, Any]
    probe: Any
    detectors: Any
    alerts: Alerter | list[Rule] | None
    stop: StopOn | None
    keep_best: KeepBest | None
    results_dir: str | Path | None
    file: str | Path | None
    quiet: bool


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
    #: The directory that it is recorded into; None where none could be made.
    run: Path | None = None
    _known: dict[str, float] = field(default_factory=dict)
    _train: Scores | None = None
    _watching: Watching | None = None
    _is_training: bool = False
    _facts: dict[str, Any] = field(default_factory=dict)
    _scratch: str | None = None
    _first_epoch: int | None = None
    _said: set[str] = field(default_factory=set)
    _pid: int = field(default_factory=os.getpid)

    @property
    def watching(self) -> Watching:
        """Where everything goes."""
        if self._watching is None:
            raise UsageError("training has not begun")
        return self._watching

    def begin(self, *, optimizer: Any = None, data: Any = None) -> None:
        """The training begins: make its record, note the model."""
        # Of running figures no curves: the weights change meanwhile, and they cost more than all the rest.
        self._train = Scores(self.wanted.task, self.wanted.settings | {"curves": False})
        place = self._place()
        pipeline = Pipeline(
            place.path, watch=_watch(self.wanted.detectors), alerter=_alerter(self.wanted.alerts, place.path)
        )
        pipeline.history = self.history
        self._watching = Watching(
            pipeline, place, read=self._read, stop=self.wanted.stop, keep_best=self.wanted.keep_best, quiet=self.wanted.quiet,
            first_step=self._next("perf/step_time_s", "steps"),
        )  # fmt: skip
        self._facts = {"optimizer": optimizer} | ({} if data is None else {"data": data})
        self._note()

    def _place(self) -> Home:
        place = home(self.wanted.results_dir)
        if place is not None:
            self.run = place.path
            return place
        self._scratch = tempfile.mkdtemp(prefix="perfkit-unrecorded-")
        return Home(Path(self._scratch), None)

    def _next(self, name: str, axis: str) -> int:
        """The first step or epoch that no earlier training of this monitor has had."""
        if name not in self.history:
            return 0
        return int(getattr(self.history.series(name), axis).max()) + 1

    def scores(self) -> Scores:
        """New counts for one pass over data."""
        return Scores(self.wanted.task, self.wanted.settings)

    # --- steps

    def step(self, said: Any, batch: Any, samples: int | None = None) -> None:
        """A step has ended that returned *said* (the loss, or a mapping)."""
        from .adapters import _torch

        kept, size = _torch.kept(said)
        self.watching.step_ended(kept, samples=length(batch) if samples is None else samples, kept_bytes=size)

    def _read(self, steps: list[Any]) -> list[Mapping[str, float]]:
        from .adapters import _torch

        return _torch.read([kept or {} for kept in steps], self._train or self.scores())

    # --- epochs

    @contextmanager
    def epoch(self, number: int, probe: Probe | None) -> Iterator[Stopping]:
        """The epoch; what is yielded says at its end whether to stop. Of a second training epochs count on from the first's."""
        if self._first_epoch is None:
            self._first_epoch = max(0, self._next("perf/epoch_time_s", "epochs") - number)
        self._known, stopping = {}, Stopping()
        if self._train is not None:
            self._train.reset()
        before = _probed("probe/loss_before", probe)
        self.watching.epoch_began(number + self._first_epoch)
        self._is_training = True
        yield stopping
        self.trained()
        after = _probed("probe/loss_after", probe)
        running = {} if self._train is None else {f"train/{k}": v for k, v in self._train.values().items()}
        stopping.stop = self.watching.epoch_ended({**running, **self._known, **before, **after})

    def trained(self, at: float | None = None) -> None:
        """The steps of the epoch are over (*at*, on time.monotonic's clock; None: now). Evaluation that follows is not part of them."""
        if self._is_training:
            self._is_training = False
            self._known |= self.watching.training_ended(at)
            self.watching.flush()

    def known(self, values: Mapping[str, float]) -> None:
        """Values of this epoch by canonical name; what is exact goes before what is not, see `scored`."""
        self._known = {**values, **self._known}

    def scored(self, split: str, values: Mapping[str, float]) -> None:
        """Exact metrics of a split of this epoch."""
        self._known |= {f"{split}/{name}": value for name, value in values.items()}

    def note(self, message: str) -> None:
        """Something that is missing, and why: an event, once."""
        if message in self._said:
            return
        self._said.add(message)
        self.watching.pipeline.event(Event(
            kind="note", severity="info", metric="", source="model-monitor", message=message, time_ns=time.time_ns(),
            monotonic_ns=time.monotonic_ns(), epoch=self.watching.epoch,
        ))  # fmt: skip
        if not self.wanted.quiet:
            tell(message)

    # --- the end

    def end(self, failure: BaseException | None) -> None:
        """The training has ended. Raises what goes wrong here only where nothing else has."""
        if self._watching is None or os.getpid() != self._pid:
            return
        own: Exception | None = None
        try:
            self._watching.flush()
            self._note(is_end=True)
        except Exception as error:  # what the user's training raised must come out, not this
            own = error
            if failure is not None:
                failure.add_note(f"perfkit: the record's end is incomplete ({type(error).__name__}: {error})")
        self._watching.ended(failure or own)
        if self._scratch:
            shutil.rmtree(self._scratch, ignore_errors=True)
        if own is not None and failure is None:
            raise own

    def _note(self, *, is_end: bool = False) -> None:
        """Write the card. The model's file may be what the training is about to write."""
        file = self.wanted.file
        if file is not None and not Path(file).exists():
            if is_end:
                self.note(f"{file} does not exist, so the model's card has no hash of it")
            file = None
        self.card = card(self.model, file=file, **self._facts)
        self.watching.pipeline.writer.card(self.card, time_ns=time.time_ns(), monotonic_ns=time.monotonic_ns())


def _probed(name: str, probe: Probe | None) -> dict[str, float]:
    loss = None if probe is None else probe()
    return {} if loss is None else {name: loss}


def _watch(detectors: Any) -> Watch | None:
    if detectors == "off":
        return None
    if detectors == "auto":
        from .detect.watch import Watch as Auto

        return Auto()
    return detectors  # type: ignore[no-any-return]


def _alerter(alerts: Alerter | list[Rule] | None, run: Path) -> Alerter | None:
    if not isinstance(alerts, list):
        return alerts
    from .alerts.opening import open_alerter
    from .alerts.sinks.stderr import Stderr

    return open_alerter(run, alerts, [Stderr()])
