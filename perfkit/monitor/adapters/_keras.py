"""Keras: a callback beside the user's own. What Keras computes is taken from it; metrics of the validation data are computed exactly.

The callback is async-safe and takes only times in its batch hooks, so Keras goes on dispatching as without it. Metrics that Keras
reports of the training are running ones (the weights change meanwhile); ours of the validation data come from one more
``predict`` of it after each epoch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..names import canonical
from ..scores import length, plain
from . import is_of

if TYPE_CHECKING:
    from ..model_monitor import Fit

PROBE_SAMPLES = 256


def fits(model: Any) -> bool:
    """Whether this is a Keras model (of Keras 3, or of the copy in TensorFlow)."""
    return is_of(model, "keras", "Model")


def fit(fit: Fit, *args: Any, **kwargs: Any) -> Any:
    """``model.fit`` with our callback beside those given; returns its History."""
    names = ("x", "y", "batch_size", "epochs", "verbose", "callbacks")
    given = {**dict(zip(names, args, strict=False)), **kwargs}
    validation = _validation(given)
    fit.begin(data=_settings(given))
    own = _callback(fit, _probe_data(fit, given), validation)
    given["callbacks"] = _beside(given.get("callbacks"), own)
    positional = [given.pop(name) for name in names[: len(args)]] + list(args[len(names) :])
    return fit.model.fit(*positional, **given)


def _beside(callbacks: Any, own: Any) -> Any:
    """The user's callbacks and ours. A CallbackList of theirs gets it appended for this fit: Keras takes no list beside one."""
    if callbacks is None:
        return [own]
    if hasattr(callbacks, "append"):
        if isinstance(callbacks, list):
            return [*callbacks, own]
        own.set_model(callbacks.model)
        callbacks.append(own)
        return callbacks
    return [*callbacks, own] if isinstance(callbacks, tuple) else [callbacks, own]


def _settings(given: Mapping[str, Any]) -> dict[str, Any]:
    x = given.get("x")
    return {
        "class": type(x).__name__, "samples": length(x) if hasattr(x, "shape") else None,
        "batch_size": given.get("batch_size") or getattr(x, "batch_size", None) or (32 if hasattr(x, "shape") else None),
    }  # fmt: skip


def _validation(given: Mapping[str, Any]) -> tuple[Any, Any] | Any | None:
    """What the validation metrics are computed over: arrays as (x, y), a dataset that can be gone through again, or None."""
    data = given.get("validation_data")
    if isinstance(data, (tuple, list)):
        return tuple(data[:2])
    if data is not None:
        is_once = hasattr(data, "__next__")  # a generator: what we take, the training would miss
        return None if is_once else data
    split, x, y = given.get("validation_split") or 0.0, given.get("x"), given.get("y")
    if split and x is not None and y is not None and hasattr(x, "shape") and hasattr(y, "shape"):
        first = math.floor(x.shape[0] * (1 - split))  # as Keras splits: the last samples, before any shuffling
        return x[first:], y[first:]
    return None


def _probe_data(fit: Fit, given: Mapping[str, Any]) -> tuple[Any, Any] | None:
    probe = fit.wanted.probe
    if probe is None or not isinstance(probe, str):
        return tuple(probe) if probe is not None else None
    x, y = given.get("x"), given.get("y")
    if x is None or y is None or not (hasattr(x, "shape") and hasattr(y, "shape")):
        return None
    return x[:PROBE_SAMPLES], y[:PROBE_SAMPLES]


def _callback(fit: Fit, probe: tuple[Any, Any] | None, validation: Any) -> Any:
    """Made here because its base class is the framework's."""
    from keras.callbacks import Callback  # type: ignore[import-untyped]

    class Monitor(Callback):  # type: ignore[misc]
        """Tells the monitor of epochs and, by their times alone, of batches."""

        async_safe = True

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self._epoch = fit.epoch(epoch, self._loss if probe else None)
            self._stopping = self._epoch.__enter__()

        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            fit.watching.step_began()

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            fit.watching.step_ended({})

        def on_test_begin(self, logs: Any = None) -> None:
            fit.trained()

        def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
            values = {canonical(name): float(value) for name, value in (logs or {}).items()}
            rate = _learning_rate(self.model)
            fit.known(values | ({} if rate is None else {"train/learning_rate": rate}))
            if validation is not None:
                fit.scored("val", _scored(self.model, validation, fit.scores()))
            self._epoch.__exit__(None, None, None)
            if self._stopping.stop:
                self.model.stop_training = True

        def _loss(self) -> float:
            if self.model.optimizer is not None and not self.model.built:
                return math.nan  # nothing has been through it yet: its weights do not exist
            x, y = probe or (None, None)
            said = self.model.evaluate(x, y, verbose=0, return_dict=True)
            self.model.reset_metrics()  # what evaluate has left in them would be counted to the epoch
            return float(said["loss"])

    return Monitor()


def _learning_rate(model: Any) -> float | None:
    rate = getattr(getattr(model, "optimizer", None), "learning_rate", None)
    try:
        return None if rate is None else float(plain(rate))
    except (TypeError, ValueError):
        return None


def _scored(model: Any, validation: Any, scores: Any) -> dict[str, float]:
    """Exact metrics of the validation data, by one pass of ``predict``."""
    if isinstance(validation, tuple):
        x, y = validation
        scores.update(plain(y), model.predict(x, verbose=0))
        return scores.values()  # type: ignore[no-any-return]
    for x, y, *_ in _batches(validation):
        scores.update(plain(_numpy(y)), model.predict_on_batch(x))
    return scores.values()  # type: ignore[no-any-return]


def _batches(data: Any) -> Any:
    if hasattr(data, "__getitem__") and hasattr(data, "__len__") and not hasattr(data, "element_spec"):
        return (data[index] for index in range(len(data)))
    return iter(data)


def _numpy(values: Any) -> Any:
    return values.numpy() if hasattr(values, "numpy") and not hasattr(values, "detach") else values
