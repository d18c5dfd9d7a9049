"""Steps as they end: from new marks of the process that steps to one record per step.

What a step is and how long it takes is told by `analyze`, as in a profile: evaluations, checkpoints and perfkit's own windows are
not part of a step's time. Only which mark ends a step must be known without the future here. Steps are numbered from 1, as they end.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import numpy as np

from ...analyze.boundaries import Segment, divided, segments, steps_in_one, trains
from ...analyze.intervals import Marks, decode, intervals
from ...analyze.steps import of_loop
from ...model import marks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...analyze.intervals import Intervals, Ints

Clock = Literal["none", "inference", "backward", "optimizer", "train function", "user"]
# A script that calls its model or backward so often and has stepped no optimizer yet has none: before, it may be evaluating, or
# accumulating gradients. (The guest's own patience is shorter, since it can count anew.)
PATIENCE = 64
# A loss that is still on its way from a device is waited for so long after its step's end.
HOLD_NS = 1_000_000_000
# Steps that are kept beside new ones: whether a call without gradients is an evaluation or part of each step shows over several.
CONTEXT = 12
_OPENINGS = (marks.LOADER_ENTER, marks.LOADER_START_ENTER, marks.FORWARD_ENTER)


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step that has ended. What is not known is None."""

    number: int
    #: CLOCK_MONOTONIC.
    end_ns: int
    duration_ns: int
    #: Wall time since the step before, everything included.
    wall_ns: int
    epoch: int | None = None
    samples: float | None = None
    tokens: float | None = None
    #: Mean over the backwards of the step.
    loss: float | None = None
    learning_rate: float | None = None


class LiveSteps:
    """Takes marks as they come and gives steps as they end."""

    def __init__(self) -> None:
        self.clock: Clock = "none"
        self.count = 0
        self.epoch: int | None = None
        #: Batches in an epoch as the loader of the current one says it; None where it does not.
        self.loader_length: int | None = None
        #: Batches that loaders have given for the steps so far.
        self.batches = 0
        #: Steps of the epochs that are over.
        self.epoch_steps: list[int] = []
        #: Peak bytes that the framework has reserved on each device.
        self.device_bytes: dict[int, int] = {}
        self._rows = np.zeros((0, marks.MARK_WORDS), dtype=np.int64)
        self._waiting: list[NDArray[np.int64]] = []
        self._held = False  # steps have ended that were not given yet
        self._edges: list[int] = []  # ends of the steps of this loop that are kept, the newest last
        self._counts: dict[int, int] = {}
        self._rates: dict[int, float] = {}
        self._closing: int | None = None
        self._loader_started_ns: int | None = None
        self._epoch_began = 0
        self._has_losses = self._trains = False

    def take(self, rows: NDArray[np.int64], now_ns: int) -> list[Step]:
        """Steps that *rows* (shape (n, 4), any order) have ended; *now_ns* is CLOCK_MONOTONIC."""
        if len(rows):
            self._waiting.append(rows)
            self._memory(rows)
        if not (self._held or self._may_end(rows)):
            return []  # a long evaluation: looked at once, when a step ends
        self._rows = np.concatenate((self._rows, *self._waiting))
        self._waiting.clear()
        found = decode(self._rows[np.argsort(self._rows[:, 0], kind="stable")])
        self._has_losses |= bool(np.any(found.kind == marks.LOSS))
        self._trains |= trains(found)
        fresh = found.where(found.time_ns > self._edges[-1]) if self._edges else found
        counts = dict(self._counts)
        ends, closing = self._ends(fresh)
        last = int(ends[-1]) if ends.size else 0
        ends, closing = self._arrived(fresh, ends, closing, now_ns)
        if len(self._edges) + ends.size < CONTEXT // 3 and (not ends.size or now_ns - ends[0] < HOLD_NS):
            ends, closing = ends[:0], closing[:0]  # the first steps: a moment later more is known about them
        self._counts = counts
        self._held = last > (int(ends[-1]) if ends.size else 0)
        made: list[Step] = []
        for first, last in _runs_of(closing):
            made += self._loop(found, fresh, ends[first:last], int(closing[first]))
        if made:
            self._count_closing(fresh, int(ends[-1]))
            self._rows = self._rows[self._rows[:, 0] >= self._edges[0]]  # the first may be that which begins the loop
        return made

    def restart(self) -> None:
        """Another process has taken the rank: its marks begin anew, the count goes on."""
        count, epoch = self.count, self.epoch
        self.__init__()  # type: ignore[misc]
        self.count, self.epoch, self._epoch_began = count, epoch, count

    # -- where steps end

    def _may_end(self, rows: NDArray[np.int64]) -> bool:
        """Whether marks may hold the end of a step."""
        if not len(rows):
            return False
        if self.clock not in ("optimizer", "train function", "user"):
            return True
        return bool(np.isin(rows[:, 1] & 0xFF, (marks.OPTIMIZER_EXIT, marks.FUNCTION_EXIT, marks.STEP)).any())

    def _ends(self, found: Marks) -> tuple[Ints, Ints]:
        """Ends of steps in time order, and the number of the optimizer that ends each (-1 for none)."""
        said = found.of(marks.STEP)
        if len(said) or self.clock == "user":
            ends = said.time_ns[said.obj == 0] if (said.obj == 0).any() else said.time_ns
            return self._by("user", ends)
        functions = steps_in_one(found, marks.ROLE_TRAIN)
        if len(functions) or self.clock == "train function":
            self.clock = "train function"
            functions = functions.where(self._closing_ones(functions))
            begun = self._edges[-1] if self._edges else int(functions.start_ns[0]) if len(functions) else 0
            ends, of_call = divided(begun, functions.end_ns, functions.exit_b)
            return ends, functions.obj if of_call is None else functions.obj[of_call]
        optimizers = intervals(found, marks.OPTIMIZER_ENTER)
        if len(optimizers) or self.clock == "optimizer":
            self.clock = "optimizer"
            closes = self._closing_ones(optimizers)
            return optimizers.end_ns[closes], optimizers.obj[closes]
        backward = intervals(found, marks.BACKWARD_ENTER)
        if self.clock == "backward" or len(backward) >= PATIENCE:
            return self._by("backward", _ends_by_backward(found, backward.end_ns))
        calls = intervals(found, marks.FORWARD_ENTER)
        if len(predictions := steps_in_one(found, marks.ROLE_PREDICT)):
            calls = predictions
        if self.clock == "inference" or (len(calls) >= PATIENCE and not len(backward)):
            return self._by("inference", calls.end_ns)
        return self._by(self.clock, calls.end_ns[:0])

    def _by(self, clock: Clock, ends: Ints) -> tuple[Ints, Ints]:
        self.clock = clock
        return ends, np.full(ends.size, -1, dtype=np.int64)

    def _closing_ones(self, stepping: Intervals) -> NDArray[np.bool_]:
        return np.array([self._closes(int(number)) for number in stepping.obj], dtype=bool)

    def _closes(self, number: int) -> bool:
        """Whether this optimizer (or function) ends the cycle: the one that steps least often does, the last to appear among equals."""
        self._counts[number] = self._counts.get(number, 0) + 1
        least = min(self._counts.values())
        return number == max(n for n, count in self._counts.items() if count <= least + 1)

    def _count_closing(self, fresh: Marks, until_ns: int) -> None:
        """Count the steps of optimizers, or functions, up to the last step's end; those behind it will be looked at again."""
        in_one = self.clock == "train function"
        stepping = steps_in_one(fresh, marks.ROLE_TRAIN) if in_one else intervals(fresh, marks.OPTIMIZER_ENTER)
        for number in stepping.obj[stepping.end_ns <= until_ns].tolist():
            self._counts[number] = self._counts.get(number, 0) + 1

    def _arrived(self, found: Marks, ends: Ints, closing: Ints, now_ns: int) -> tuple[Ints, Ints]:
        """Without the last steps whose losses may still be on their way from the device."""
        if not self._has_losses or not ends.size or self.clock == "inference":
            return ends, closing
        losses = found.time_ns[found.kind == marks.LOSS]
        known = int(np.searchsorted(ends, losses[-1])) + 1 if losses.size else 0
        due = int(np.searchsorted(ends, now_ns - HOLD_NS, side="right"))
        keep = max(known, due)
        return ends[:keep], closing[:keep]

    # -- what they were

    def _loop(self, found: Marks, fresh: Marks, ends: Ints, closing: int) -> list[Step]:
        """Steps of one loop, which one optimizer ends."""
        if not self._edges or closing != self._closing:
            self._edges = [_opening(found, self._edges[-1] if self._edges else None, int(ends[0]))]
        self._closing = closing
        columns = self._columns(found, ends)
        losses, rates = (
            self._losses(fresh, np.concatenate((self._edges[-1:], ends))),
            self._rates_at(fresh, ends, closing),
        )
        epochs = self._epochs(found, ends)
        self._edges = [*self._edges, *ends.tolist()][-CONTEXT:]
        made = []
        for index, end in enumerate(ends.tolist()):
            self.count += 1
            made.append(
                Step(
                    number=self.count,
                    end_ns=end,
                    duration_ns=int(columns["duration_ns"][index]),
                    wall_ns=int(columns["wall_ns"][index]),
                    epoch=epochs[index],
                    samples=_known(columns["samples"][index]),
                    tokens=_known(columns["tokens"][index]),
                    loss=losses[index],
                    learning_rate=rates[index],
                )
            )
        return made

    def _columns(self, found: Marks, ends: Ints) -> dict[str, NDArray[np.float64]]:
        """What `analyze` says of the new steps, seen together with those before them."""
        edges = np.concatenate((self._edges, ends)).astype(np.int64)
        part = found.where((found.time_ns >= edges[0]) & (found.time_ns <= edges[-1]))
        mode: Literal["training", "inference"] = "training" if self._trains else "inference"
        calls = self._calls(part, edges[1:])
        columns = of_loop(
            part, Segment(mode=mode, by=self.clock, start_ns=int(edges[0]), ends_ns=edges[1:], calls=calls)
        )
        return {name: columns[name][-ends.size :] for name in ("duration_ns", "wall_ns", "samples", "tokens")}

    def _calls(self, found: Marks, ends: Ints) -> Ints | None:
        """Which call of a train function each step belongs to."""
        if self.clock != "train function":
            return None
        of_call = np.searchsorted(steps_in_one(found, marks.ROLE_TRAIN).end_ns, ends)
        return np.unique(of_call, return_inverse=True)[1]

    def _losses(self, found: Marks, edges: Ints) -> list[float | None]:
        own = found.of(marks.LOSS)
        values = own.a.view(np.float64) if len(own) else np.zeros(0)
        step_of = np.searchsorted(edges, own.time_ns, side="left") - 1
        means: list[float | None] = []
        for index in range(edges.size - 1):
            mine = values[step_of == index]
            means.append(float(mine.mean()) if mine.size else None)
        return means

    def _rates_at(self, found: Marks, ends: Ints, closing: int) -> list[float | None]:
        """The rate that held in each step, of the optimizer that ends it; a script's one optimizer where none does."""
        own = found.of(marks.RATE)
        changes = list(zip(own.time_ns.tolist(), own.obj.tolist(), own.a.copy().view(np.float64).tolist(), strict=True))
        held: list[float | None] = []
        for end in ends.tolist():
            while changes and changes[0][0] <= end:
                _, number, rate = changes.pop(0)
                self._rates[number] = rate
            wanted = closing if closing in self._rates else next(iter(self._rates), -1)
            held.append(self._rates.get(wanted))
        return held

    def _epochs(self, found: Marks, ends: Ints) -> list[int | None]:
        """Number of the epoch of each step, from 1: one more whenever batches come from another pass over a loader."""
        starts, batches = found.of(marks.LOADER_START_ENTER), found.of(marks.LOADER_EXIT)
        batches = batches.where(batches.a != -2)
        since = self._edges[-1] if self._edges else 0
        self.batches += int(np.count_nonzero((batches.time_ns > since) & (batches.time_ns <= ends[-1])))
        made: list[int | None] = []
        for number, end in enumerate(ends.tolist(), self.count + 1):
            last = int(np.searchsorted(batches.time_ns, end, side="right")) - 1
            if last >= 0:
                own = np.flatnonzero((starts.obj == batches.obj[last]) & (starts.time_ns <= batches.time_ns[last]))
                if own.size and int(starts.time_ns[own[-1]]) != self._loader_started_ns:
                    self._loader_started_ns = int(starts.time_ns[own[-1]])
                    self._begin_epoch(number, int(starts.a[own[-1]]))
            made.append(self.epoch)
        return made

    def _begin_epoch(self, number: int, length: int) -> None:
        if self.epoch is not None:
            self.epoch_steps.append(number - 1 - self._epoch_began)
        self.epoch = (self.epoch or 0) + 1
        self._epoch_began = number - 1
        self.loader_length = length if length > 0 else None

    def _memory(self, rows: NDArray[np.int64]) -> None:
        for row in rows[(rows[:, 1] & 0xFF) == marks.MEMORY]:
            self.device_bytes[int(row[1] >> 8 & 0xFFFFFF)] = int(row[3])


def _runs_of(closing: Ints) -> list[tuple[int, int]]:
    """Ranges of equal numbers."""
    if not closing.size:
        return []
    cuts = [0, *(np.flatnonzero(np.diff(closing)) + 1).tolist(), int(closing.size)]
    return list(pairwise(cuts))


def _opening(found: Marks, after_ns: int | None, end_ns: int) -> int:
    """Where the first step of a loop begins."""
    since = -1 if after_ns is None else after_ns
    before = found.where((found.time_ns > since) & (found.time_ns <= end_ns))
    loops = segments(before)
    if loops:
        return min(loop.start_ns for loop in loops)
    return int(before.time_ns[0]) if len(before) else end_ns


def _ends_by_backward(found: Marks, backward_ends: Ints) -> Ints:
    """A hand-written update ends where the next batch or call begins after a backward."""
    opening = found.of(*_OPENINGS).time_ns
    following = np.searchsorted(opening, backward_ends)
    return np.unique(opening[following[following < opening.size]])


def _known(value: float) -> float | None:
    return None if value != value else float(value)
