"""The losses of a trial: kept where they were computed, and read once, at the end.

Reading a loss would wait for the device at every step.
"""

import json
import math
import os

from ..runs import layout

MOST = 65536  # losses that are kept of one process


class Losses:
    """Losses, each with the samples seen until then. A framework's own says what it keeps, and how that becomes numbers."""

    def __init__(self, session):
        self._session = session
        self._forget()

    def _forget(self):
        """Nothing is kept."""
        self._samples, self._seen = [], 0

    def arm(self, watch):
        """Begin to keep losses."""
        raise NotImplementedError

    def _values(self):
        """The losses as numbers, as many as were counted. It may wait for the device, and raise if that has failed."""
        raise NotImplementedError

    def counted(self, samples):
        """One more is kept, of so many *samples* (-1: not known)."""
        self._seen += max(0, samples)
        self._samples.append(self._seen)

    @property
    def is_full(self):
        """Whether no more are kept."""
        return len(self._samples) >= MOST

    def write(self):
        """Read what was kept and write losses.json. Returns how many."""
        if not self._samples:
            return 0
        values = [value if math.isfinite(value) else None for value in self._values()]
        # Where no batch could be counted, backwards are counted instead.
        counted = self._seen > 0
        samples = self._samples if counted else list(range(1, len(values) + 1))
        path = os.path.join(self._session.recorder.folder, layout.LOSSES)
        with open(path, "w") as file:
            json.dump({"unit": "samples" if counted else "backwards", "samples": samples, "loss": values}, file)
        return len(values)

    def forget_after_fork(self):
        """The losses are the parent's."""
        self._forget()
