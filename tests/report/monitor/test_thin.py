"""Fewer points: extremes, ends and gaps stay."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from perfkit.report.curves.thin import extremes


def test_a_short_series_is_kept_whole():
    thin = extremes(np.arange(100.0), 100)
    assert thin.kept.tolist() == list(range(100))
    assert thin.bucket == 1
    assert len(thin.means) == 0


def test_one_spike_among_a_million_values_is_kept():
    values = np.zeros(1_000_000)
    values[123_456], values[654_321] = 7.0, -3.0
    thin = extremes(values, 1000)
    assert len(thin.kept) <= 1000
    assert {0, 123_456, 654_321, 999_999} <= set(thin.kept.tolist())


def test_means_are_those_of_the_buckets():
    values = np.arange(1000.0)
    thin = extremes(values, 202)
    assert thin.bucket == 10
    assert thin.means == pytest.approx([4.5 + 10 * row for row in range(100)])
    assert thin.centres.tolist() == [5 + 10 * row for row in range(100)]


def test_a_last_bucket_that_is_nearly_empty_has_no_mean_of_its_own():
    thin = extremes(np.r_[np.zeros(1000), 50.0], 202)
    assert thin.bucket == 11
    assert len(thin.means) == len(thin.centres) == 91
    thin = extremes(np.r_[np.zeros(1001), 50.0], 102)
    assert thin.bucket == 21
    assert len(thin.means) == 48
    assert 50.0 in np.r_[np.zeros(1001), 50.0][thin.kept]


def test_a_single_nan_stays_a_gap():
    values = np.sin(np.arange(10_000) / 50)
    values[5003] = np.nan
    thin = extremes(values, 400)
    assert 5003 in thin.kept
    assert np.isfinite(thin.means).all()


def test_a_bucket_without_a_finite_value_has_no_mean():
    values = np.ones(3000)
    values[1000:2000] = np.inf
    thin = extremes(values, 302)
    assert np.isnan(thin.means).sum() == len(thin.means) - np.isfinite(thin.means).sum() > 20


@settings(max_examples=60, deadline=None)
@given(
    hnp.arrays(np.float64, st.integers(1, 3000), elements=st.floats(allow_nan=True, allow_infinity=True)),
    st.integers(8, 600),
)
def test_whatever_the_values_ends_and_extremes_are_kept_and_the_limit_holds(values, most):
    kept = extremes(values, most).kept
    assert len(kept) <= max(8, most)
    assert (np.diff(kept) > 0).all()
    assert {kept[0], kept[-1]} == {0, len(values) - 1}
    finite = values[np.isfinite(values)]
    shown = values[kept][np.isfinite(values[kept])]
    if len(finite):
        assert (shown.min(), shown.max()) == (finite.min(), finite.max())
    assert np.isfinite(values[kept]).all() == np.isfinite(values).all()


@pytest.mark.parametrize("n", [9, 10, 11, 17, 100, 101])
def test_the_least_limit_holds_for_awkward_lengths(n):
    assert len(extremes(np.random.default_rng(n).normal(size=n), 8).kept) <= 8


def test_the_mean_of_values_at_the_end_of_what_a_float_holds_is_one_of_them():
    values = np.full(21, np.finfo(np.float64).max)
    thin = extremes(values, 10)
    assert (thin.means == values[0]).all()
