"""One training as a ModelMonitor sees it: values of steps and epochs in, the record and the advice out."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..model.monitoring import Event, RunState, Status
from .history import History
from .performance import Performance
from .pipeline import Pipeline
from .run_dir import Home
from .stopping import KeepBest, StopOn

# A sign of life for whoever reads the record: rarer than the steps, often enough to tell a lost run from a slow one.
HEARTBEAT_S = 10.0
# Values of steps are kept until so many, or so much time, has come together: their reading is what may wait for a device.
MOST_STEPS, MOST_S = 256, 1.0
# … or so many bytes: predictions of a language model are large.
MOST_BYTES = 64 * 2**20

#: Metrics of the line that a person sees after an epoch.
SHOWN = ("loss", "accuracy", "f1", "mae", "r2")

#: Reads what was kept of several steps at once: values by name, one list entry a step.
Read = Callable[[list[Any]], list[Mapping[str, float]]]


@dataclass(frozen=True)
class _Step:
    step: int
    time_ns: int
    seconds: float
    samples: int
    kept: Any


class Watching:
    """Follows one training. Steps count from 0 over all epochs."""

    def __init__(
        self,
        pipeline: Pipeline,
        home: Home,
        *,
        read: Read,
        stop: StopOn | None,
        keep_best: KeepBest | None,
        quiet: bool,
        first_step: int = 0,
    ) -> None:
        self.pipeline, self._home, self._read = pipeline, home, read
        self._stop, self._keep, self._quiet = stop, keep_best, quiet
        self.step_count = first_step
        self.epoch: int | None = None
        self._kept: list[_Step] = []
        self._performance = Performance()
        self._last_beat = self._last_read = self._step_at = self._epoch_at = time.monotonic()
        self._kept_bytes = 0
        self._state("starting")

    @property
    def history(self) -> History:
        """What is known so far; steps that were not read yet are missing."""
        return self.pipeline.history

    # --- steps

    def step_began(self) -> None:
        """What came before was no part of the step: validation, a save."""
        self._step_at = time.monotonic()

    def step_ended(self, kept: Any, *, samples: int = 0, kept_bytes: int = 0) -> None:
        """A step has ended; *kept* is what `read` will make values of, later and together with others."""
        self._kept_bytes += kept_bytes
        self.steps_ended([(time.monotonic() - self._step_at, samples)], kept=kept)
        self.step_began()

    def steps_ended(self, steps: Sequence[tuple[float, int]], *, kept: Any = None) -> None:
        """Steps, given as (seconds, samples; 0: not known), have ended together, as far as can be seen."""
        now_ns = time.time_ns()
        for seconds, samples in steps:
            self._kept.append(_Step(self.step_count, now_ns, seconds, samples, kept))
            self.step_count += 1
        is_late = time.monotonic() - self._last_read >= MOST_S
        if len(self._kept) >= MOST_STEPS or self._kept_bytes >= MOST_BYTES or is_late:
            self.flush()

    def flush(self) -> None:
        """Read what was kept of the steps and pass it on."""
        kept, self._kept, self._kept_bytes = self._kept, [], 0
        for step, values in zip(kept, self._read([each.kept for each in kept]) if kept else (), strict=True):
            known = {**values, "perf/step_time_s": step.seconds}
            if step.samples and step.seconds > 0:
                known["perf/samples_per_s"] = step.samples / step.seconds
            self._said(self.pipeline.values(known, step=step.step, epoch=self.epoch, time_ns=step.time_ns))
        self._last_read = time.monotonic()
        if self._last_read - self._last_beat >= HEARTBEAT_S:
            self._state("running")
            self._said(self.pipeline.values(self._performance.read(), step=self._last_step, epoch=self.epoch))
        self.pipeline.tick()

    @property
    def _last_step(self) -> int:
        return max(0, self.step_count - 1)

    # --- epochs

    def epoch_began(self, epoch: int) -> None:
        """The steps from here on belong to *epoch*."""
        self.epoch = epoch
        self._state("running")
        self._epoch_at = self._step_at = time.monotonic()

    def training_ended(self, at: float | None = None) -> dict[str, float]:
        """The epoch's steps are over (*at*, on time.monotonic's clock; None: now), what follows is evaluation: how long they took."""
        return {"perf/epoch_time_s": (time.monotonic() if at is None else at) - self._epoch_at}

    def epoch_ended(self, values: Mapping[str, float]) -> bool:
        """All that is known of the epoch; whether training is to stop. Raises MonitorError where a rule's metric never appears."""
        self.flush()
        known = {**values, **(self._performance.read() if self._performance.is_due else {})}
        self._said(self.pipeline.values(known, epoch=self.epoch, step=self._last_step))
        self.pipeline.tick()
        self._line(known)
        epoch = self.epoch or 0
        if self._keep is not None:
            self._keep.epoch_ended(self.history, epoch)
        return self._stop is not None and self._stop.epoch_ended(self.history, epoch)

    # --- the end

    def ended(self, failure: BaseException | None) -> None:
        """Training has ended, by *failure* or in peace: the status that the record ends with. What was kept of steps must have been read."""
        if failure is None:
            self._state("finished")
        else:
            self._state("failed", type(failure).__name__)
        before = len(self.history.events)
        self.pipeline.close()
        self._said(self.history.events[before:])
        self._home.ended("finished" if failure is None else "failed")
        if self._home.info is not None and not self._quiet:
            tell(f"recorded in {self._home.path}; perfkit monitor show {self._home.path} draws it")

    def _state(self, state: RunState, reason: str = "") -> None:
        self._last_beat = time.monotonic()
        if self._home.info is None:  # who runs the script says how it stands: the script goes on after this training
            return
        step = self.step_count - 1 if self.step_count else None
        self.pipeline.status(Status(
            state=state, time_ns=time.time_ns(), monotonic_ns=time.monotonic_ns(), pid=os.getpid(), step=step, epoch=self.epoch,
            reason=reason,
        ))  # fmt: skip

    # --- what a person sees

    def _line(self, values: Mapping[str, float]) -> None:
        """One line: losses first (of steps the epoch's mean), then what is told of quality without its parts."""
        if self._quiet:
            return
        known = {**self._mean_loss(), **values}
        shown = [name for split in ("train", "train_eval", "val") for m in SHOWN if (name := f"{split}/{m}") in known]
        told = [f"{name} {known[name]:.4g}" for name in shown]
        told.append(f"{values.get('perf/epoch_time_s', 0.0):.1f} s")
        tell(f"epoch {self.epoch}: {' · '.join(told)}")

    def _mean_loss(self) -> dict[str, float]:
        """Over the steps of this epoch that have been read, for the line alone."""
        if "train/loss" not in self.history:
            return {}
        series = self.history.series("train/loss")
        values = series.values[series.epochs == self.epoch]
        return {"train/loss": float(values.mean())} if len(values) else {}

    def _said(self, events: list[Event]) -> None:
        if self._quiet:
            return
        for event in events:
            if event.severity != "info":
                advice = f" → {event.advice}" if event.advice else ""
                tell(f"{event.severity}: {event.message}{advice}")


def tell(text: str) -> None:
    """A line for a person, on stderr."""
    sys.stderr.write(f"perfkit: {text}\n")
