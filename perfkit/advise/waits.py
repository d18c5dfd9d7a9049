"""Two facts that rules need straight from the boundary marks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..model import marks as m

if TYPE_CHECKING:
    from numpy.typing import NDArray


def loader_waits(found: NDArray[np.int64]) -> dict[int, dict[str, Any]]:
    """Seconds spent in each loader's ``__next__`` and batches got, by loader id. *found*: marks, shape (n,
    4).
    """
    kind, obj, thread = found[:, 1] & 0xFF, (found[:, 1] >> 8) & 0xFFFFFF, found[:, 1] >> 32
    waits: dict[int, dict[str, Any]] = {}
    open_at: dict[tuple[int, int], int] = {}
    chosen = np.flatnonzero((kind == m.LOADER_ENTER) | (kind == m.LOADER_EXIT))
    for i in chosen.tolist():
        key = (int(obj[i]), int(thread[i]))
        if kind[i] == m.LOADER_ENTER:
            open_at[key] = int(found[i, 0])
        elif key in open_at:
            row = waits.setdefault(key[0], {"seconds": 0.0, "batches": 0})
            row["seconds"] += (int(found[i, 0]) - open_at.pop(key)) / 1e9
            row["batches"] += int(found[i, 2]) != -2
    return waits


def autocast_share(found: NDArray[np.int64]) -> float | None:
    """Share of the outermost model calls made under autocast; None without any call. *found*: marks, (n,
    4).
    """
    calls = found[(found[:, 1] & 0xFF) == m.FORWARD_ENTER]
    if not len(calls):
        return None
    return float(np.mean((calls[:, 2] & m.FLAG_AUTOCAST) != 0))
