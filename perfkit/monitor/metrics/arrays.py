"""What frameworks hand over, as numpy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import MonitorError

Array = NDArray[Any]


def as_array(values: Any) -> Array:
    """*values* (numpy, torch, TensorFlow, JAX, pandas, SciPy sparse, lists) as an array on the host, the same memory where possible.

    A tensor on another device is copied, which waits for that device: call this where such a wait is meant.
    """
    if isinstance(values, np.ndarray):
        return values
    if hasattr(values, "detach"):  # torch
        tensor = values.detach().cpu()
        if str(tensor.dtype) == "torch.bfloat16":  # numpy has none; float32 holds each of its values
            tensor = tensor.float()
        return np.asarray(tensor.numpy())
    if hasattr(values, "toarray"):  # SciPy sparse
        return np.asarray(values.toarray())
    if hasattr(values, "to_numpy"):  # pandas, polars
        return np.asarray(values.to_numpy())
    array = np.asarray(values)
    return array.astype(np.float32) if array.dtype.name == "bfloat16" else array  # TensorFlow's and JAX's


def as_labels(array: Array) -> Array:
    """*array* as labels: int64 (from bool, integers, whole floats) or text. Raises MonitorError for anything else.

    1, 1.0 and True are one label.
    """
    if array.dtype == object:
        array = _of_objects(array)
    kind = array.dtype.kind
    if kind == "f":
        if not np.array_equal(array, np.trunc(array)):  # NaN is unequal to itself
            odd = array[array != np.trunc(array)].ravel()[0]
            raise MonitorError(
                f"{odd:.6g} is not a label; give scores='probabilities' or 'logits', or task='regression'"
            )
        return array.astype(np.int64)
    if kind in "biu":
        return array.astype(np.int64)
    if kind == "S":
        return np.char.decode(array, "utf-8")
    if kind in "UT":
        return array
    raise MonitorError(f"labels of dtype {array.dtype} are not understood; give integers or text")


def _of_objects(array: Array) -> Array:
    kinds = {str if isinstance(v, str) else bytes if isinstance(v, bytes) else float for v in array.ravel().tolist()}
    if len(kinds) > 1:
        raise MonitorError("labels are of two kinds, text and numbers; give one kind")
    try:
        return np.array(array.tolist()).reshape(array.shape)
    except ValueError as error:
        raise MonitorError(f"labels are not understood: {error}; give integers or text") from error


def joined(first: Array, second: Array) -> Array:
    """Two vectors of labels as one. Raises MonitorError where one holds text and the other numbers."""
    if first.size and second.size and (first.dtype.kind in "UT") != (second.dtype.kind in "UT"):
        raise MonitorError("y_true and y_pred hold labels of two kinds, text and numbers; give one kind")
    if not first.size or not second.size:
        return first if first.size else second
    return np.concatenate([first, second])
