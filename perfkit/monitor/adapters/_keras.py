"""Keras: a callback beside the user's own. What Keras computes is taken from it; metrics of the validation data are computed exactly.

Metrics that Keras reports of the training are running ones (the weights change meanwhile); ours of the validation data come from one
more ``predict`` of it after each epoch in which Keras validates, without sample weights.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...errors import UsageError
from ..scores import length
from . import is_of
from ._keras_callback import callback
from ._keras_data import Validation

if TYPE_CHECKING:
    from ..fitting import Fit

PROBE_SAMPLES = 256
#: What Keras takes for the batch size of arrays where none is given.
DEFAULT_BATCH = 32


def fits(model: Any) -> bool:
    """Whether this is a Keras model (of Keras 3, or of the copy in TensorFlow)."""
    return is_of(model, "keras", "Model")


def fit(fit: Fit, *args: Any, **kwargs: Any) -> Any:
    """``model.fit`` with our callback beside those given; returns its History."""
    names = list(inspect.signature(fit.model.fit).parameters)
    given = {**dict(zip(names, args, strict=False)), **kwargs}
    size, samples = _batch_size(given), _samples(given)
    probe = _probe(fit, given)
    fit.begin(data={"class": type(given.get("x")).__name__, "samples": samples, "batch_size": size})
    own = callback(fit, probe=probe, validation=Validation.of(given), batch_size=size, samples=samples)
    theirs = given.get("callbacks")
    if _is_callback_list(theirs):
        return _within(fit.model, theirs, own, given)
    return fit.model.fit(**{**given, "callbacks": _beside(theirs, own)})


def _is_callback_list(callbacks: Any) -> bool:
    return is_of(callbacks, "keras", "callbacks.CallbackList")


def _within(model: Any, callbacks: Any, own: Any, given: Mapping[str, Any]) -> Any:
    """Beside a CallbackList Keras takes no other: ours is in it for this training. Nobody else tells it of the model."""
    own.set_model(model)
    own.set_params(callbacks.params)
    callbacks.callbacks.append(own)
    try:
        return model.fit(**given)
    finally:
        callbacks.callbacks.remove(own)


def _beside(callbacks: Any, own: Any) -> list[Any]:
    if callbacks is None:
        return [own]
    return [*callbacks, own] if isinstance(callbacks, (list, tuple)) else [callbacks, own]


def _samples(given: Mapping[str, Any]) -> int | None:
    """Of the training, where it is of arrays: without what `validation_split` takes."""
    x = given.get("x")
    if not hasattr(x, "shape"):
        return None
    share = 0.0 if given.get("validation_data") is not None else given.get("validation_split") or 0.0
    return int(length(x) * (1.0 - share))


def _batch_size(given: Mapping[str, Any]) -> int | None:
    """Of arrays, of a PyDataset that says it, of a tf.data.Dataset whose batches all have one size."""
    x = given.get("x")
    if hasattr(x, "shape"):
        return int(given.get("batch_size") or DEFAULT_BATCH)
    spec = getattr(x, "element_spec", None)
    while isinstance(spec, (tuple, list, dict)) and spec:
        spec = next(iter(spec.values())) if isinstance(spec, dict) else spec[0]
    shape = getattr(spec, "shape", None)
    size = shape[0] if shape is not None and shape.rank else getattr(x, "batch_size", None)
    return size if isinstance(size, int) else None


def _probe(fit: Fit, given: Mapping[str, Any]) -> tuple[Any, Any] | None:
    probe = fit.wanted.probe
    if probe is None:
        return None
    if probe == "auto" if isinstance(probe, str) else False:
        x, y = given.get("x"), given.get("y")
        if not (hasattr(x, "shape") and hasattr(y, "shape")):
            raise UsageError(
                'probe="auto" takes the first samples of arrays, which these data are not; give probe=(x, y)'
            )
        return x[:PROBE_SAMPLES], y[:PROBE_SAMPLES]  # type: ignore[index]
    if not isinstance(probe, (tuple, list)) or len(probe) != 2:
        raise UsageError(f'probe={probe!r}: give (x, y) or "auto"')
    return probe[0], probe[1]
