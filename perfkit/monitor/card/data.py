"""Settings of the data that a model is given: batch size, workers, samples. Never a value of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .facts import class_name, setting, settings

#: Of loaders, datasets and iterators of all frameworks, by the attribute's name.
_ATTRIBUTES = {
    "batch_size": "batch_size", "num_workers": "workers", "workers": "workers", "pin_memory": "pin_memory",
    "prefetch_factor": "prefetch_factor", "persistent_workers": "persistent_workers", "drop_last": "drop_last",
    "use_multiprocessing": "use_multiprocessing", "max_queue_size": "max_queue_size",
}  # fmt: skip


def facts(data: Any) -> dict[str, Any]:
    """Of a loader, a dataset, an array, a tuple of arrays, or a mapping of settings."""
    if isinstance(data, Mapping):
        return settings(data)
    if isinstance(data, (tuple, list)):
        return _of_arrays(data)
    found: dict[str, Any] = {"class": class_name(data)}
    if _shape(data) is not None:
        return found | {
            "shape": _shape(data),
            "dtype": str(getattr(data, "dtype", "")) or None,
            "samples": _samples(data),
        }
    for attribute, name in _ATTRIBUTES.items():
        value = _got(data, attribute)
        if value is not None and isinstance(value, (bool, int, float)):
            found[name] = setting(value)
    if _got(data, "sampler") is not None:
        found["sampler"] = class_name(data.sampler)
    dataset = _got(data, "dataset")
    if dataset is not None:
        found["dataset"] = class_name(dataset)
    if _got(data, "element_spec") is not None:  # tf.data
        found["elements"] = _elements(data.element_spec)
    found["samples"] = _length(dataset) if dataset is not None else None
    found["batches"] = _length(data)
    return found


def _of_arrays(arrays: tuple[Any, ...] | list[Any]) -> dict[str, Any]:
    parts = [
        {"class": class_name(a), "shape": _shape(a), "dtype": str(getattr(a, "dtype", "")) or None} for a in arrays[:8]
    ]
    found: dict[str, Any] = {"class": type(arrays).__name__}
    if any(part["shape"] is not None for part in parts):
        return found | {"arrays": parts, "samples": next((_samples(a) for a in arrays if _shape(a)), None)}
    return found | {"samples": len(arrays)}


def _elements(spec: Any) -> Any:
    if isinstance(spec, (tuple, list)):
        return [_elements(part) for part in spec]
    if isinstance(spec, Mapping):
        return [_elements(part) for part in spec.values()]
    return {"shape": str(getattr(spec, "shape", "")), "dtype": str(getattr(getattr(spec, "dtype", None), "name", ""))}


def _shape(data: Any) -> list[int] | None:
    shape = getattr(data, "shape", None)
    try:
        return [int(size) for size in shape] if shape is not None else None
    except (TypeError, ValueError):  # a shape that is not known yet
        return None


def _samples(data: Any) -> int | None:
    shape = _shape(data)
    return shape[0] if shape else None


def _length(data: Any) -> int | None:
    """len(), where there is one: datasets that stream have none, or raise whatever their author chose."""
    try:
        return len(data)
    except Exception:
        return None


def _got(data: Any, attribute: str) -> Any:
    try:
        return getattr(data, attribute, None)
    except Exception:
        return None
