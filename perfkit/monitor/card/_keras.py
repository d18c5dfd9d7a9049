"""Facts of a Keras model and of Keras' optimizers, on any backend."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..metrics.arrays import as_array
from .facts import (
    MAX_LAYERS,
    SAMPLED_TENSORS,
    SAMPLED_VALUES,
    class_name,
    evenly,
    setting,
    settings,
    sha256,
    strides,
    structure,
)


def knows(model: Any) -> bool:
    """Whether *model* is a Keras model; Keras is not imported for it."""
    return any(isinstance(model, kind) for kind in _kinds("Model"))


def facts(model: Any, *, weights: bool) -> dict[str, Any]:
    """Of a model, built or not."""
    keras: Any = next(sys.modules[name] for name in _MODULES if isinstance(model, tuple(_kinds("Model", name))))
    layers = list(_layers(model))
    all_weights = list(model.weights)
    trainable = list(model.trainable_weights)
    rows = [_layer(layer) for layer in layers]
    return {
        "framework": {"name": "keras", "version": str(keras.__version__), "backend": _backend(keras)},
        "class": class_name(model),
        "wrapped_by": [],
        "layers": rows[:MAX_LAYERS],
        "layers_total": len(layers),
        "parameters": sum(map(_size, all_weights)),
        "trainable_parameters": sum(map(_size, trainable)),
        "parameter_bytes": sum(_size(w) * _item_bytes(w) for w in all_weights),
        "buffers": None,
        "dtypes": _dtypes(all_weights),
        "devices": sorted({device for w in all_weights[:SAMPLED_TENSORS] if (device := _device(w))}),
        "built": bool(model.built),
        "loss": setting(getattr(model, "loss", None)),
        "fingerprints": {
            # names are left out: Keras numbers them through the process
            "structure": structure([class_name(model), *([r["class"], r["shapes"], r["dtype"], _config(layer)] for r, layer in zip(rows, layers, strict=True))]),
            **(_sample(all_weights) if weights else {"weights": None, "weights_sampled": 0}),
        },
        "compiled_optimizer": getattr(model, "optimizer", None),
    }  # fmt: skip


def optimizer(given: Any) -> dict[str, Any] | None:
    """Class, learning rate now, its schedule, and settings; None if it is not one of Keras'."""
    if not any(isinstance(given, kind) for name in _MODULES for kind in _kinds("Optimizer", name, "optimizers")):
        return None
    config = given.get_config()
    rate = config.pop("learning_rate", None)
    now = setting(as_array(given.learning_rate).item()) if hasattr(given, "learning_rate") else None
    return {
        "class": class_name(given),
        "learning_rate": now,
        "learning_rates": [now],
        "schedule": rate.get("class_name") if isinstance(rate, dict) else None,
        "settings": settings({k: v for k, v in config.items() if k != "name"}),
    }


_MODULES = ("keras", "tf_keras")


def _kinds(name: str, *where: str) -> list[type]:
    """Keras' class *name* in what is imported of ``keras`` or ``tf_keras`` (of one of them and its submodule: *where*)."""
    modules = where[:1] or _MODULES
    path = where[1] if len(where) > 1 else None
    found = []
    for module in (sys.modules.get(m) for m in modules):
        kind = getattr(getattr(module, path, None) if path else module, name, None)
        if isinstance(kind, type):
            found.append(kind)
    return found


def _backend(keras: Any) -> str | None:
    try:
        return str(keras.config.backend())
    except AttributeError:  # tf_keras knows one only
        return "tensorflow"


def _layers(model: Any) -> Iterator[Any]:
    """Layers without parts, nested models opened, each once."""
    seen: set[int] = set()
    waiting = list(reversed(getattr(model, "layers", [])))
    while waiting:
        layer = waiting.pop()
        if id(layer) in seen:
            continue
        seen.add(id(layer))
        parts = list(getattr(layer, "layers", None) or [])
        if parts:
            waiting.extend(reversed(parts))
        else:
            yield layer


def _layer(layer: Any) -> dict[str, Any]:
    weights = list(layer.weights)
    return {
        "name": str(layer.name),
        "class": class_name(layer),
        "parameters": sum(map(_size, weights)),
        "trainable": bool(layer.trainable and layer.trainable_weights),
        "shapes": {f"{i}:{str(w.name).rpartition('/')[2]}": [int(s) for s in w.shape] for i, w in enumerate(weights)},
        "dtype": str(getattr(getattr(layer, "dtype_policy", None), "name", None) or layer.dtype),
    }


def _config(layer: Any) -> Any:
    """A layer's settings without its name. A layer of the user's own may have none, or raise."""
    try:
        config = {key: value for key, value in layer.get_config().items() if key not in ("name", "build_config")}
        return json.loads(json.dumps(config, default=class_name))
    except Exception as error:
        return type(error).__name__


def _sample(weights: list[Any]) -> dict[str, Any]:
    """SHA-256 over a few values of some weights, a small copy of each."""
    parts = []
    for weight in evenly([w for w in weights if _size(w)], SAMPLED_TENSORS):
        value = getattr(weight, "value", weight)
        value = value() if callable(value) else value
        few = value[strides(weight.shape, SAMPLED_VALUES)] if len(weight.shape) else value
        parts.append(np.ascontiguousarray(as_array(few)).ravel())
    count = sum(part.size for part in parts)
    return {"weights": sha256(*(part.tobytes() for part in parts)) if count else None, "weights_sampled": count}


def _size(weight: Any) -> int:
    return int(np.prod([int(size) for size in weight.shape], dtype=np.int64))


def _item_bytes(weight: Any) -> int:
    try:
        return int(np.dtype(_dtype(weight)).itemsize)
    except TypeError:
        return 1 if "8" in _dtype(weight) else 2  # float8 and bfloat16, which numpy does not know by name


def _dtype(weight: Any) -> str:
    return str(getattr(weight.dtype, "name", weight.dtype))


def _dtypes(weights: list[Any]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for weight in weights:
        counts[_dtype(weight)] = counts.get(_dtype(weight), 0) + _size(weight)
    return counts


def _device(weight: Any) -> str | None:
    """The backend's own name of it; TensorFlow's without job and task."""
    value = getattr(weight, "value", None)
    device = getattr(value() if callable(value) else value, "device", None)
    return None if device is None or callable(device) else str(device).rpartition("device:")[2] or None
