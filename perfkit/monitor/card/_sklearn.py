"""Facts of a scikit-learn estimator, also of a Pipeline and of estimators that follow its rules."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

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

#: Arrays looked for in an estimator: a forest has thousands of trees, and a few hundred say as much.
MAX_ARRAYS = 4096
#: What is learned but not public: the trees of histogram boosting, and the samples that are a neighbours model.
_HIDDEN = ("_predictors", "_fit_X")


def knows(model: Any) -> bool:
    """Whether *model* is an estimator; scikit-learn is not imported for it."""
    base = getattr(sys.modules.get("sklearn.base"), "BaseEstimator", None)
    return base is not None and isinstance(model, base)


def facts(model: Any, *, weights: bool) -> dict[str, Any]:
    """Of an estimator, fitted or not. Its layers are the steps of a pipeline, or the estimator itself."""
    sklearn: Any = sys.modules["sklearn"]
    steps = list(_steps(model))
    learned = [(name, list(_learned(step))) for name, step in steps]
    floats = [a for _, arrays in learned for a in arrays if a.dtype.kind == "f"]
    return {
        "framework": {"name": "scikit-learn", "version": str(sklearn.__version__), "backend": None},
        "class": class_name(model),
        "wrapped_by": [],
        "layers": [_layer(name, step, arrays) for (name, step), (_, arrays) in zip(steps, learned, strict=True)][:MAX_LAYERS],
        "layers_total": len(steps),
        "parameters": sum(a.size for a in floats),
        "trainable_parameters": None,
        "parameter_bytes": sum(a.nbytes for a in floats),
        "buffers": None,
        "dtypes": {str(kind): sum(a.size for a in floats if a.dtype == kind) for kind in sorted({a.dtype for a in floats}, key=str)},
        "devices": ["cpu"],
        "fitted": any(_is_fitted(step) for _, step in steps),
        "features_in": setting(getattr(model, "n_features_in_", None)),
        "settings": _settings(model),
        "fingerprints": {
            "structure": structure([[name, class_name(step), _settings(step)] for name, step in steps]),
            **(_sample([a for _, arrays in learned for a in arrays]) if weights else {"weights": None, "weights_sampled": 0}),
        },
    }  # fmt: skip


def _steps(model: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """(name, estimator) of a pipeline, union or column transformer, nested ones opened; else of the estimator itself."""
    parts = (
        getattr(model, "steps", None)
        or getattr(model, "transformers_", None)
        or getattr(model, "transformer_list", None)
    )
    parts = parts if isinstance(parts, list) else []
    known = [(part[0], part[1]) for part in parts if isinstance(part, tuple) and hasattr(part[1], "get_params")]
    if not known:
        yield name, model
    for part, step in known:
        yield from _steps(step, f"{name}.{part}" if name else str(part))


def _layer(name: str, step: Any, arrays: list[Any]) -> dict[str, Any]:
    floats = [a for a in arrays if a.dtype.kind == "f"]
    shapes = {
        key: list(value.shape) for key, value in vars(step).items() if _is_result(key) and isinstance(value, np.ndarray)
    }
    return {
        "name": name,
        "class": class_name(step),
        "parameters": sum(a.size for a in floats),
        "trainable": _is_fitted(step) or None,
        "shapes": shapes,
        "dtype": str(floats[0].dtype) if floats else None,
        "settings": _settings(step),
    }


def _settings(step: Any) -> dict[str, Any]:
    """The estimator's own parameters; of one that is an estimator, an array or a list only the class."""
    return settings(step.get_params(deep=False))


def _is_result(name: str) -> bool:
    return name.endswith("_") and not name.startswith("_")


def _is_fitted(step: Any) -> bool:
    return any(_is_result(name) for name in vars(step))


def _learned(step: Any) -> Iterator[Any]:
    """Numeric arrays in what fitting has set: attributes that end in ``_``, and in lists, trees and estimators there."""
    waiting: list[Any] = [value for name, value in sorted(vars(step).items()) if _is_result(name) or name in _HIDDEN][
        ::-1
    ]
    seen: set[int] = set()
    found = 0
    while waiting and found < MAX_ARRAYS:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, np.ndarray) and value.dtype.kind in "fiu":
            found += 1
            yield value
        else:
            waiting.extend(_parts(value)[::-1])


def _parts(value: Any) -> list[Any]:
    if isinstance(value, (float, np.floating)):
        return [np.array([value])]
    if isinstance(value, Mapping):
        return []  # vocabularies: the user's words
    if isinstance(value, np.ndarray):  # of objects: trees of a boosting
        return list(value.ravel()) if value.dtype == object else []
    if isinstance(value, (list, tuple)):
        return list(value)
    nodes = getattr(value, "nodes", None)
    if isinstance(nodes, np.ndarray) and nodes.dtype.names:
        return [nodes[name] for name in ("num_threshold", "value") if name in nodes.dtype.names]
    if class_name(value) == "sklearn.tree._tree.Tree":
        return [value.threshold, value.value]
    if hasattr(value, "get_params"):
        return [v for name, v in sorted(vars(value).items()) if _is_result(name)]
    return []


def _sample(arrays: list[Any]) -> dict[str, Any]:
    """SHA-256 over a few values of some arrays."""
    few = [
        np.ascontiguousarray(a[strides(a.shape, SAMPLED_VALUES)])
        for a in evenly([a for a in arrays if a.size], SAMPLED_TENSORS)
    ]
    count = sum(part.size for part in few)
    return {"weights": sha256(*(part.tobytes() for part in few)) if count else None, "weights_sampled": count}
