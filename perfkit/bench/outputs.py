"""Whether a model still answers what it did: outputs kept once, compared afterwards, so that a fast wrong answer is no win."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from ..stats import golden
from .subject import flat


def arrays(outputs: Any) -> list[NDArray[Any]]:
    """Outputs as arrays, in order. Raises UsageError for outputs that hold no numbers."""
    found = [_array(leaf) for leaf in flat(outputs)]
    if not found or any(array.dtype.kind in "OUSV" for array in found):
        raise UsageError("its outputs hold no arrays of numbers, so they cannot be compared")
    return found


def _array(leaf: Any) -> NDArray[Any]:
    if hasattr(leaf, "detach"):
        leaf = leaf.detach().cpu()
        leaf = leaf.float() if str(leaf.dtype) == "torch.bfloat16" else leaf
    return np.asarray(leaf)


def keep(path: Path, outputs: Any) -> None:
    """Write outputs to an .npz file, dtypes included."""
    with path.open("wb") as file:
        np.savez_compressed(file, *arrays(outputs))


def kept(path: Path) -> list[NDArray[Any]]:
    """What `keep` wrote. Raises UsageError where it did not."""
    try:
        with np.load(path, allow_pickle=False) as found:
            return [found[f"arr_{index}"] for index in range(len(found.files))]
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(f"{path}: no outputs that perfkit kept ({error})") from None


def difference(
    outputs: Any, expected: list[NDArray[Any]], *, rtol: float | None, atol: float | None
) -> dict[str, Any] | None:
    """The output that differs most, as the rows of `stats.golden.Mismatch` and its number; None where all agree."""
    found = arrays(outputs)
    if len(found) != len(expected):
        raise UsageError(f"{len(found)} outputs, where {len(expected)} were kept")
    worst: dict[str, Any] | None = None
    for number, (got, wanted) in enumerate(zip(found, expected, strict=True)):
        mismatch = golden.compare(got, wanted, dtype=str(wanted.dtype), rtol=rtol, atol=atol)
        if mismatch is not None and (worst is None or mismatch.score > worst["score"]):
            worst = {"output": number, **vars(mismatch)}
    return worst
