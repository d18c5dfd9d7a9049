"""Waits for loaders, from literal marks."""

import numpy as np

from perfkit.advise.waits import loader_waits, training_seconds
from perfkit.model import marks as m

TRAIN, VALID = 1, 2
MS = 1_000_000


class Clock:
    """Marks one after another, in ms."""

    def __init__(self):
        self.marks, self.now = [], 0

    def call(self, enter, took_ms, obj=0, a=0):
        self.marks.append((self.now, m.tag(enter, obj), 0, 0))
        self.now += int(took_ms * MS)
        self.marks.append((self.now, m.tag(enter + 1, obj), a, 0))

    def array(self):
        return np.array(self.marks, dtype=np.int64)


def epoch(clock, loader, waits_ms, *, trains):
    clock.call(m.LOADER_START_ENTER, 40, loader)
    for wait in waits_ms:
        clock.call(m.LOADER_ENTER, wait, loader, a=32)
        clock.call(m.FORWARD_ENTER, 2)
        if trains:
            clock.call(m.BACKWARD_ENTER, 3)
    clock.call(m.LOADER_ENTER, 10, loader, a=-2)


def test_what_starts_and_ends_cost_is_told_from_the_batches():
    clock = Clock()
    for _ in range(2):
        epoch(clock, TRAIN, [30, 5, 5], trains=True)
    row = loader_waits(clock.array())[TRAIN]
    assert (row["batches"], row["starts"]) == (6, 2)
    assert np.allclose(
        [row[key] for key in ("seconds", "first_seconds", "start_seconds", "end_seconds")], [0.1, 0.06, 0.08, 0.02]
    )


def test_the_loader_of_the_training_is_told_from_that_of_the_evaluation():
    clock = Clock()
    epoch(clock, TRAIN, [1, 1, 1], trains=True)
    epoch(clock, VALID, [50, 50, 50, 50], trains=False)
    waits = loader_waits(clock.array())
    groups = [[{"id": TRAIN}], [{"id": VALID}]]
    assert waits[TRAIN]["trained"] == 3 and waits[VALID]["trained"] == 0
    assert max(groups, key=lambda group: training_seconds(group, waits)) == [{"id": TRAIN}]
