"""Marks to intervals: what opened and closed on the thread that steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..model import marks

Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Marks:
    """Decoded marks of one thread, in time order; every field has shape (n,)."""

    time_ns: Ints
    kind: Ints
    obj: Ints
    a: Ints
    b: Ints

    def of(self, *kinds: int) -> Marks:
        """Only the marks of these kinds."""
        return self.where(np.isin(self.kind, kinds))

    def where(self, keep: NDArray[np.bool_]) -> Marks:
        """Only the marks where *keep* is true."""
        return Marks(
            time_ns=self.time_ns[keep],
            kind=self.kind[keep],
            obj=self.obj[keep],
            a=self.a[keep],
            b=self.b[keep],
        )

    def __len__(self) -> int:
        return int(self.time_ns.size)


@dataclass(frozen=True, kw_only=True)
class Intervals:
    """Disjoint intervals of one kind in time order; every field has shape (n,)."""

    start_ns: Ints
    end_ns: Ints
    obj: Ints
    enter_a: Ints
    exit_a: Ints
    exit_b: Ints

    def where(self, keep: NDArray[np.bool_]) -> Intervals:
        """Only the intervals where *keep* is true."""
        return Intervals(**{name: getattr(self, name)[keep] for name in self.__dataclass_fields__})

    def __len__(self) -> int:
        return int(self.start_ns.size)


def decode(raw: Ints) -> Marks:
    """Marks of the thread that steps; *raw* has shape (n, 4) as the recorder writes it."""
    tags = raw[:, 1]
    threads = tags >> 32
    kinds = tags & 0xFF
    keep = np.ones(len(raw), dtype=bool)
    stepping = np.isin(
        kinds, (marks.OPTIMIZER_EXIT, marks.FORWARD_EXIT, marks.BACKWARD_EXIT, marks.STEP, marks.FUNCTION_EXIT)
    )
    if stepping.any() and np.unique(threads).size > 1:
        main = np.bincount(threads[stepping]).argmax()
        keep = threads == main
    order = np.argsort(raw[keep, 0], kind="stable")
    rows = raw[keep][order]
    return Marks(
        time_ns=rows[:, 0],
        kind=rows[:, 1] & 0xFF,
        obj=(rows[:, 1] >> 8) & 0xFFFFFF,
        a=rows[:, 2],
        b=rows[:, 3],
    )


def intervals(found: Marks, enter: int) -> Intervals:
    """Outermost intervals of one kind. An interval that never closed (a kill, an exception) is left out."""
    own = found.of(enter, enter + 1)
    opening = own.kind == enter
    depth = np.cumsum(np.where(opening, 1, -1))
    torn = len(own) > 0 and opening[-1]  # killed inside: the last enter alone may be open
    if len(own) and (depth.min() < 0 or depth[-1] > int(torn)):
        starts, ends = _paired_by_stack(opening)
    else:
        starts = np.flatnonzero(opening & (depth == 1))
        ends = np.flatnonzero(~opening & (depth == 0))
        starts = starts[: ends.size]
    return Intervals(
        start_ns=own.time_ns[starts],
        end_ns=own.time_ns[ends],
        obj=own.obj[starts],
        enter_a=own.a[starts],
        exit_a=own.a[ends],
        exit_b=own.b[ends],
    )


def _paired_by_stack(opening: NDArray[np.bool_]) -> tuple[Ints, Ints]:
    """For marks with lost partners: each exit closes the latest open enter; then the outermost pairs are kept."""
    stack: list[int] = []
    pairs: list[tuple[int, int]] = []
    for index, opens in enumerate(opening.tolist()):
        if opens:
            stack.append(index)
        elif stack:
            pairs.append((stack.pop(), index))
    outer: list[tuple[int, int]] = []
    for start, end in sorted(pairs):
        if not outer or start > outer[-1][1]:
            outer.append((start, end))
    made = np.array(outer, dtype=np.int64).reshape(-1, 2)
    return made[:, 0], made[:, 1]


def union(starts: Ints, ends: Ints) -> tuple[Ints, Ints]:
    """Overlapping intervals merged into disjoint ones, sorted."""
    keep = ends > starts
    order = np.argsort(starts[keep], kind="stable")
    s, e = starts[keep][order], ends[keep][order]
    if s.size == 0:
        return s, e
    reach = np.maximum.accumulate(e)
    fresh = np.concatenate(([True], s[1:] > reach[:-1]))
    last = np.concatenate((np.flatnonzero(fresh)[1:] - 1, [s.size - 1]))
    return s[fresh], reach[last]
