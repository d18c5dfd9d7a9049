"""One axis for everything: where a moment lies in steps, epochs and elapsed time, whichever of them a value came with.

Values come with a step (a loss), only an epoch (a validation), or neither (a memory sample). All have a time, so the points that know
both time and step carry the others over, by linear interpolation; likewise for epochs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...monitor.history import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ...monitor.history import History, Series


class Timeline:
    """Maps times (UTC ns) of a history to steps and to epochs. Outside of what is known the nearest end holds."""

    def __init__(self, history: History) -> None:
        every = [history.series(name) for name in history]
        times = [(s.times_ns, s.steps, s.epochs) for s in every if len(s)]
        firsts = [int(t.min()) for t, _, _ in times] + [event.time_ns for event in history.events]
        lasts = [int(t.max()) for t, _, _ in times] + [event.time_ns for event in history.events]
        self.start_ns = min(firsts, default=0)
        self.end_ns = max(lasts, default=0)
        self._steps = self._step_anchors(times)
        self._epochs = self._epoch_anchors(times)

    @property
    def has_steps(self) -> bool:
        """Whether any value knows its step."""
        return len(self._steps[0]) > 0

    @property
    def has_epochs(self) -> bool:
        """Whether any value knows its epoch."""
        return len(self._epochs[0]) > 0

    @property
    def epoch_anchors(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(seconds since the start, epochs completed by then), both ascending: the map is linear between them."""
        return self._epochs

    def elapsed(self, times_ns: NDArray[np.int64]) -> NDArray[np.float64]:
        """Seconds since the first thing that was recorded."""
        return (np.asarray(times_ns, dtype=np.int64) - self.start_ns) / 1e9

    def steps_of(self, series: Series) -> NDArray[np.float64]:
        """Steps of a series' values: their own, else by their time; NaN where no step is known at all.

        Samples of performance from before the first step or after the last one (imports, a checkpoint, the end) belong to none: NaN. A
        validation there belongs to the nearest.
        """
        own = series.steps
        if not (own == UNKNOWN).any():
            return own.astype(np.float64)
        steps = np.where(own == UNKNOWN, self.steps_at(series.times_ns), own)
        if series.name.startswith(("perf/", "system/")) and self.has_steps:
            elapsed, known = self.elapsed(series.times_ns), self._steps[0]
            steps[(own == UNKNOWN) & ((elapsed < known[0]) | (elapsed > known[-1]))] = np.nan
        return steps

    def epochs_of(self, series: Series) -> NDArray[np.float64]:
        """Epochs completed at a series' values, in fractions; NaN as for `steps_of`."""
        placed = np.isfinite(self.steps_of(series)) | (not self.has_steps)
        return np.where(placed, self.epochs_at(series.times_ns), np.nan)

    def steps_at(self, times_ns: NDArray[np.int64]) -> NDArray[np.float64]:
        """Steps at *times_ns*; NaN where none is known."""
        return self._at(times_ns, self._steps)

    def epochs_at(self, times_ns: NDArray[np.int64]) -> NDArray[np.float64]:
        """Epochs completed at *times_ns*, in fractions: what is known at the end of the first epoch lies at 1."""
        return self._at(times_ns, self._epochs)

    def before_steps(self, time_ns: int) -> bool:
        """Whether *time_ns* is before the first known step."""
        return self.has_steps and (time_ns - self.start_ns) / 1e9 < float(self._steps[0][0])

    def _at(
        self, times_ns: NDArray[np.int64], anchors: tuple[NDArray[np.float64], NDArray[np.float64]]
    ) -> NDArray[np.float64]:
        elapsed = self.elapsed(times_ns)
        if not len(anchors[0]):
            return np.full(elapsed.shape, np.nan)
        return np.interp(elapsed, *anchors)

    def _step_anchors(
        self, times: Sequence[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        known = [(t[s != UNKNOWN], s[s != UNKNOWN]) for t, s, _ in times]
        if not known:
            return np.zeros(0), np.zeros(0)
        at, steps = np.concatenate([t for t, _ in known]), np.concatenate([s for _, s in known])
        unique, first = np.unique(at, return_index=True)
        return self.elapsed(unique), steps[first].astype(np.float64)

    def _epoch_anchors(
        self, times: Sequence[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """An epoch ends when it is last seen; epochs before a restart end no later than those after it."""
        ends: dict[int, int] = {}
        for at, _, epochs in times:
            for epoch in np.unique(epochs[epochs != UNKNOWN]).tolist():
                ends[epoch] = max(ends.get(epoch, 0), int(at[epochs == epoch].max()))
        if not ends:
            return np.zeros(0), np.zeros(0)
        numbers = sorted(ends)
        moments = np.maximum.accumulate(self.elapsed(np.array([ends[epoch] for epoch in numbers])))
        completed = np.array(numbers, dtype=np.float64) - numbers[0] + 1
        # The first epoch begins with the first step; where none is known, with the record.
        begins = min(float(self._steps[0][0]), float(moments[0])) if self.has_steps else 0.0
        return np.concatenate([[begins], moments]), np.concatenate([[0.0], completed])
