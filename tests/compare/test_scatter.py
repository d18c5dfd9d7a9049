"""How sure a ratio is: of one run each, of several, and of none that tells."""

import math

import numpy as np
import pytest

from perfkit.compare import scatter


def test_one_run_each_is_as_sure_as_its_own_steps():
    found = scatter.within((10.0, 9.0, 11.0), (5.0, 4.9, 5.1))
    assert found.value == pytest.approx(math.log(0.5))
    half = math.hypot(math.log(11 / 9) / 2, math.log(5.1 / 4.9) / 2)
    assert (found.low, found.high) == (pytest.approx(found.value - half), pytest.approx(found.value + half))


def test_steps_that_never_differ_do_not_make_it_exact():
    found = scatter.within((1.0, 1.0, 1.0), (1.0, 1.0, 1.0))
    assert found.low < 0 < found.high


def test_a_run_that_tells_no_interval_bounds_nothing():
    assert not scatter.within(None, (1.0, 0.9, 1.1)).is_bounded


def test_few_runs_are_compared_by_welch_and_more_by_their_ranks():
    assert scatter.between([1.0, 1.1], [2.0, 2.2]).method == "Welch"
    assert scatter.between([1.0, 1.1], [2.0]).is_bounded
    many = scatter.between([1.0, 1.1, 1.05, 1.2], [2.0, 2.2, 2.1, 2.3])
    assert many.method.startswith("Hodges")
    assert many.low < many.value < many.high


def test_the_exact_ends_are_those_of_the_tables():
    """Two samples of five: the third smallest difference bounds 95 %, for P(U ≤ 2) = 0.0159 and P(U ≤ 3) = 0.0278."""
    first, second = np.exp([0.0, 0.1, 0.2, 0.3, 0.4]), np.exp([1.0, 1.01, 1.02, 1.03, 1.04])
    differences = np.sort((np.log(second)[:, None] - np.log(first)).ravel())
    found = scatter.between(first, second)
    assert (found.low, found.high) == (pytest.approx(differences[2]), pytest.approx(differences[-3]))


def test_the_intervals_hold_as_often_as_they_say():
    rng = np.random.default_rng(7)
    for sizes, least in (((3, 3), 0.93), ((5, 5), 0.94), ((2, 1), 0.90)):
        held = 0
        for _ in range(1000):
            first, second = (np.exp(rng.normal(0.0, 0.05, size)) for size in sizes)
            found = scatter.between(first, second)
            held += found.low <= 0 <= found.high
        assert held / 1000 >= least
