"""Two facts that rules need straight from the boundary marks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..model import marks as m

if TYPE_CHECKING:
    from numpy.typing import NDArray


def loader_waits(found: NDArray[np.int64]) -> dict[int, dict[str, Any]]:
    """Per loader id: ``seconds`` in its ``__next__``, ``batches`` got, times it was started (``starts``), and
    ``first_seconds`` waited for the first batches after those. *found*: marks, shape (n, 4).
    """
    kind, obj, thread = found[:, 1] & 0xFF, (found[:, 1] >> 8) & 0xFFFFFF, found[:, 1] >> 32
    waits: dict[int, dict[str, Any]] = {}
    open_at: dict[tuple[int, int], int] = {}
    fresh: set[int] = set()
    chosen = (kind == m.LOADER_ENTER) | (kind == m.LOADER_EXIT) | (kind == m.LOADER_START_ENTER)
    for i in np.flatnonzero(chosen).tolist():
        loader = int(obj[i])
        row = waits.setdefault(loader, {"seconds": 0.0, "batches": 0, "starts": 0, "first_seconds": 0.0})
        if kind[i] == m.LOADER_START_ENTER:
            row["starts"] += 1
            fresh.add(loader)
        elif kind[i] == m.LOADER_ENTER:
            open_at[loader, int(thread[i])] = int(found[i, 0])
        elif (loader, int(thread[i])) in open_at:
            seconds = (int(found[i, 0]) - open_at.pop((loader, int(thread[i])))) / 1e9
            row["seconds"] += seconds
            row["batches"] += int(found[i, 2]) != -2
            row["first_seconds"] += seconds if loader in fresh else 0.0
            fresh.discard(loader)
    return waits


def group_by_settings(facts: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Loader facts that differ in nothing but their id, together."""
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for fact in facts:
        settings = tuple(f"{key}={fact[key]}" for key in sorted(fact) if key not in ("id", "t"))
        groups.setdefault(settings, []).append(fact)
    return list(groups.values())
