"""Two facts that rules need straight from the boundary marks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..model import marks as m

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]


_COUNTS = ("batches", "starts", "trained")
_SECONDS = ("seconds", "first_seconds", "start_seconds", "end_seconds")


def loader_waits(found: NDArray[np.int64]) -> dict[int, dict[str, Any]]:
    """Per loader id: ``seconds`` in its ``__next__``, ``batches`` got, times it was started (``starts``), and of the
    seconds around those starts: ``start_seconds`` making the iterator, ``first_seconds`` waiting for the first batches,
    ``end_seconds`` in the last, empty call, which ends the workers. ``trained``: batches that a backward pass followed.
    *found*: marks, shape (n, 4).
    """
    kind, obj, thread = found[:, 1] & 0xFF, (found[:, 1] >> 8) & 0xFFFFFF, found[:, 1] >> 32
    waits: dict[int, dict[str, Any]] = {}
    open_at: dict[tuple[int, int, int], int] = {}
    fresh: set[int] = set()
    enters, exits = (m.LOADER_ENTER, m.LOADER_START_ENTER), (m.LOADER_EXIT, m.LOADER_START_EXIT)
    for i in np.flatnonzero(np.isin(kind, enters + exits)).tolist():
        loader, what = int(obj[i]), int(kind[i])
        row = waits.setdefault(loader, dict.fromkeys(_SECONDS, 0.0) | dict.fromkeys(_COUNTS, 0))
        if what in enters:
            open_at[loader, int(thread[i]), what + 1] = int(found[i, 0])
            if what == m.LOADER_START_ENTER:
                row["starts"] += 1
                fresh.add(loader)
        elif (loader, int(thread[i]), what) in open_at:
            seconds = (int(found[i, 0]) - open_at.pop((loader, int(thread[i]), what))) / 1e9
            _count(
                row, seconds, is_start=what == m.LOADER_START_EXIT, is_end=found[i, 2] == -2, is_first=loader in fresh
            )
            fresh -= {loader} if what == m.LOADER_EXIT else set()
    _count_trained(waits, found[:, 0], kind, obj)
    return waits


def _count_trained(waits: dict[int, dict[str, Any]], times: Ints, kind: Ints, obj: Ints) -> None:
    """Batches between which and the next of the same loader a backward pass began."""
    backward = times[kind == m.BACKWARD_ENTER]
    for loader, row in waits.items():
        got = times[(kind == m.LOADER_EXIT) & (obj == loader)]
        before = np.searchsorted(backward, np.append(got, np.iinfo(np.int64).max))
        row["trained"] = int((np.diff(before) > 0).sum())


def _count(row: dict[str, Any], seconds: float, *, is_start: bool, is_end: bool, is_first: bool) -> None:
    if is_start:
        row["start_seconds"] += seconds
        return
    row["seconds"] += seconds
    row["batches"] += not is_end
    row["end_seconds"] += seconds if is_end else 0.0
    row["first_seconds"] += seconds if is_first and not is_end else 0.0


def group_by_settings(facts: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Loader facts that differ in nothing but their id, together."""
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for fact in facts:
        settings = tuple(f"{key}={fact[key]}" for key in sorted(fact) if key not in ("id", "t"))
        groups.setdefault(settings, []).append(fact)
    return list(groups.values())


def training_seconds(group: list[dict[str, Any]], waits: dict[int, dict[str, Any]]) -> tuple[bool, float]:
    """Whether the loaders of *group* feed the training rather than an evaluation, and the seconds waited for them."""
    rows = [waits[fact["id"]] for fact in group if fact["id"] in waits]
    trains = sum(row["trained"] for row in rows) * 2 > sum(row["batches"] for row in rows)
    return trains, float(sum(row["seconds"] for row in rows))
