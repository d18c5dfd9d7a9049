"""A model's card: facts that tie every figure to the model that produced it. JSON-ready; nothing of the user's data is in it.

Keys, those that do not apply being null::

    framework      {name, version, backend}; backend is Keras'
    class          the model's class, with its module
    wrapped_by     wrappers that were looked through (torch.compile, DataParallel …)
    layers         [{name, class, parameters, trainable, shapes, dtype}], the first MAX_LAYERS; of scikit-learn the steps
    layers_total   all of them, those left out included
    parameters, trainable_parameters, parameter_bytes, buffers
                   torch: parameters and buffers; Keras: all weights and those that train; scikit-learn: learned floats
    dtypes         parameters by dtype
    devices        where the parameters are
    settings       scikit-learn: parameters of the estimator
    optimizer      {class, learning_rate, learning_rates, schedule, settings}
    data           {class, batch_size, workers, samples …}
    file           {name, bytes, sha256}
    fingerprints   {structure, weights, weights_sampled}

``structure`` is a SHA-256 over classes, shapes, dtypes and settings of all layers; ``weights`` one over a bounded sample of the weights:
another value means other weights, the same value that the sampled ones are the same.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from . import _keras, _sklearn, _torch, data, files
from .facts import MAX_LAYERS, class_name, json_ready

__all__ = ["MAX_LAYERS", "card"]


def card(
    model: Any, *, optimizer: Any = None, data: Any = None, file: str | Path | None = None, weights: bool = True
) -> dict[str, Any]:
    """Facts of a torch module, a Keras model or a scikit-learn estimator; of anything else its class.

    A framework is looked up among what is imported, never imported. With *weights* the fingerprint of the weights is taken: one small
    copy from each device that holds some, which waits for that device; without it nothing waits.

    - ``optimizer``: torch's; Keras' is found in a compiled model.
    - ``data``: a loader, dataset, array, pair of arrays, or a mapping of settings (numbers, text).
    - ``file``: the model's file or folder, hashed whole. Raises MonitorError if it cannot be read.
    """
    facts = _facts(model, weights)
    given = optimizer if optimizer is not None else facts.pop("compiled_optimizer", None)
    facts.pop("compiled_optimizer", None)
    facts["optimizer"] = None if given is None else (_keras.optimizer(given) or _torch.optimizer(given))
    facts["data"] = None if data is None else _data(data)
    facts["file"] = None if file is None else files.facts(Path(file))
    ready: dict[str, Any] = json_ready(facts)
    return ready


def _facts(model: Any, weights: bool) -> dict[str, Any]:
    for framework in (_keras, _torch, _sklearn):  # a Keras model on torch is a torch module too
        if framework.knows(model):
            found: dict[str, Any] = framework.facts(model, weights=weights)
            return found
    return {"framework": None, "class": class_name(model)}


_data = data.facts
