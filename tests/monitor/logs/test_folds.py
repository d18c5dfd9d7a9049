"""Series in bounded memory."""

import math
from itertools import pairwise

from perfkit.monitor.logs.folds import MAX_POINTS, Fold


def test_a_short_series_is_kept_whole():
    fold = Fold("train/loss")
    for step in range(5):
        fold.add(float(step), step, 0, step * 10)
    assert fold.points() == [(float(step), step, 0, step * 10) for step in range(5)]


def test_of_a_long_one_an_even_selection_stays_and_the_last():
    fold = Fold("train/loss")
    for step in range(100_003):
        fold.add(float(step), step, 0, 0)
    steps = [step for _, step, _, _ in fold.points()]
    assert steps[:3] == [0, 16, 32]
    assert {b - a for a, b in pairwise(steps[:-1])} == {16}
    assert steps[-1] == 100_002
    assert MAX_POINTS <= len(steps) <= 2 * MAX_POINTS


def test_counts_and_extremes_are_those_of_every_value():
    fold = Fold("train/loss")
    for step in range(50_001):
        fold.add(-1.0 if step == 33_333 else math.nan if step == 7 else 2.0 if step else 9.0, step, 0, 0)
    assert (fold.count, fold.first, fold.last, fold.least, fold.least_step, fold.greatest, fold.not_finite) == (
        50_001, 9.0, 2.0, -1.0, 33_333, 9.0, 1,
    )  # fmt: skip


def test_steps_that_go_back_are_counted():
    fold = Fold("train/loss")
    for step in (1, 2, 3, 1, 2):
        fold.add(0.0, step, 0, 0)
    assert fold.backward == 1
