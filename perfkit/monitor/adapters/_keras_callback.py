"""What Keras tells while it trains.

A batch's end is told in another thread, and late, where Keras dispatches asynchronously (`CallbackList`, where all callbacks with batch
hooks are ``async_safe``). So steps are timed from the beginning of a batch to the beginning of the next, which is told in order, and of a
batch's end only its number is kept. With ``steps_per_execution`` one batch hook stands for several steps, which then share the time.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...errors import MonitorError
from ..names import canonical
from ..probe import undrawn
from ._keras_data import Validation

if TYPE_CHECKING:
    from ..fitting import Fit


class Steps:
    """Counts and times the steps of one epoch. Times are of time.monotonic."""

    def __init__(self, fit: Fit, *, batch_size: int | None, samples: int | None, steps: int | None) -> None:
        self._fit, self._batch_size, self._samples = fit, batch_size or 0, samples
        self._last_possible = None if steps is None else steps - 1
        self._begun: tuple[int, float] | None = None
        self._ended = -1

    def began(self, number: int) -> None:
        """The batch *number*, from 0, begins; so the one before it has ended."""
        self._close(number - 1, time.monotonic())
        self._begun = number, time.monotonic()

    def ended(self, number: int) -> None:
        """The batch *number* has ended, now or some time ago; told from any thread."""
        self._ended = max(self._ended, number)

    def finish(self, at: float) -> None:
        """No more batches, since *at*. One that has begun and not ended was the end of the data."""
        last = self._ended if self._last_possible is None else min(self._ended, self._last_possible)
        self._close(last, at)

    def _close(self, last: int, at: float) -> None:
        begun, self._begun = self._begun, None
        if begun is None or last < begun[0]:
            return
        count = last - begun[0] + 1
        seconds = (at - begun[1]) / count
        self._fit.watching.steps_ended([(seconds, self._size(begun[0] + i)) for i in range(count)])

    def _size(self, number: int) -> int:
        """Samples of a batch: of arrays the last may be short; 0 where it is not known."""
        if self._samples is None:
            return self._batch_size
        return max(0, min(self._batch_size, self._samples - number * self._batch_size)) or self._batch_size


def callback(
    fit: Fit,
    *,
    probe: tuple[Any, Any] | None,
    validation: Validation | None,
    batch_size: int | None,
    samples: int | None,
) -> Any:
    """The callback; made here because its base class is the framework's."""
    from keras.callbacks import Callback  # type: ignore[import-untyped]

    class Monitor(Callback):  # type: ignore[misc]
        """Tells the monitor of epochs and, by their numbers and times alone, of batches."""

        async_safe = True

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self._trained_at: float | None = None
            self._epoch = fit.epoch(epoch, (lambda: _loss(self.model, *probe, batch_size)) if probe else None)
            self._stopping = self._epoch.__enter__()
            steps = (self.params or {}).get("steps")
            self._steps = Steps(fit, batch_size=batch_size, samples=samples, steps=steps)

        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            self._steps.began(batch)

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self._steps.ended(batch)

        def on_test_begin(self, logs: Any = None) -> None:
            self._trained_at = time.monotonic()  # ends of batches may still be on their way: see on_epoch_end

        def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
            at = self._trained_at or time.monotonic()
            self._steps.finish(at)
            fit.trained(at)
            fit.known(_numbers(logs or {}) | _learning_rate(self.model))
            if validation is not None and self._trained_at is not None:
                _score(fit, self.model, validation)
            self._epoch.__exit__(None, None, None)
            if self._stopping.stop:
                self.model.stop_training = True

    return Monitor()


def _numbers(logs: Mapping[str, Any]) -> dict[str, float]:
    """Keras' values by canonical name; what is no single number (a metric per class) has no place in a series."""
    return {
        canonical(name): float(value)
        for name, value in logs.items()
        if getattr(value, "ndim", 0) == 0 and not isinstance(value, str)
    }


def _score(fit: Fit, model: Any, validation: Validation) -> None:
    """Exact metrics of the validation data. Nobody asked for them: where there are none, that is noted and training goes on."""
    try:
        with undrawn():
            fit.scored("val", validation.scores(model, fit.scores()))
    except MonitorError as error:
        fit.note(f"no metrics of the validation data but Keras' own: {error}")


def _learning_rate(model: Any) -> dict[str, float]:
    rate = getattr(getattr(model, "optimizer", None), "learning_rate", None)
    try:
        return {} if rate is None else {"train/learning_rate": float(rate)}
    except (TypeError, ValueError):
        return {}


def _loss(model: Any, x: Any, y: Any, batch_size: int | None) -> float | None:
    if not model.built:
        return None  # nothing has been through it yet: its weights do not exist
    with undrawn():  # on the torch backend evaluate draws the seed of a loader
        said = model.evaluate(x, y, batch_size=batch_size, verbose=0, return_dict=True)
    model.reset_metrics()  # what evaluate has left in them would be counted to the epoch
    return float(said["loss"])
