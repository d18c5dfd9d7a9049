"""Where warm-up ends."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfkit.stats.robust import mad_sigma, median_interval, winsorised
from perfkit.stats.steady import drift, warmup_end

rng = np.random.default_rng(0)


def noisy(n, level=10.0, sigma=0.2):
    return level + sigma * rng.standard_normal(n)


def test_a_slow_start_is_cut_off_and_little_else():
    for length in (3, 10, 25):
        series = np.concatenate([noisy(length, 40.0), noisy(200)])
        assert length <= warmup_end(series) <= length + 20


def test_a_decaying_start_is_cut_where_it_has_decayed():
    series = noisy(300) + 30 * np.exp(-np.arange(300) / 8)
    assert 15 <= warmup_end(series) <= 70


def test_a_series_without_warm_up_keeps_nearly_all():
    cuts = [warmup_end(noisy(200)) for _ in range(50)]
    assert np.median(cuts) <= 10


def test_one_late_stall_does_not_move_the_cut():
    series = np.concatenate([noisy(10, 40.0), noisy(200)])
    series[150] = 900.0
    assert 10 <= warmup_end(series) <= 30


@pytest.mark.parametrize("n", range(9))
def test_few_steps_lose_one_at_most(n):
    assert warmup_end(np.ones(n)) == min(1, max(0, n - 1))


@given(st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=500))
def test_at_least_half_is_always_kept(durations):
    assert 0 <= warmup_end(durations) <= max(1, len(durations) // 2)


def test_a_million_steps_are_quick_enough_to_batch():
    series = np.concatenate([noisy(5_000, 40.0), noisy(995_000)])
    assert 5_000 <= warmup_end(series) <= 15_000


def test_drift_is_the_change_between_the_halves():
    assert drift([1, 1, 1, 2, 2, 2]) == pytest.approx(1.0)
    assert drift([1, 2]) == 0.0


def test_mad_sigma_estimates_a_normal_spread_and_ignores_wild_values():
    values = np.concatenate([rng.standard_normal(10_000), [1e9]])
    assert mad_sigma(values) == pytest.approx(1.0, rel=0.05)


def test_winsorised_clips_to_the_references_spread():
    assert winsorised([0.0, 100.0], [10.0, 10.0, 10.0]).tolist() == [9.5, 10.5]


def test_the_interval_of_a_median_covers_it_as_often_as_it_says():
    hits = 0
    for _ in range(2000):
        low, high = median_interval(rng.standard_normal(41))
        hits += low <= 0 <= high
    assert 0.93 <= hits / 2000 <= 0.99
