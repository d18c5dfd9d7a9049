"""Percentiles: their values, the coverage of their intervals, and how many values they need."""

import numpy as np
import pytest
from scipy import stats

from perfkit.stats.quantiles import needed, quantile


@pytest.mark.parametrize(("share", "count"), [(0.9, 64), (0.99, 662), (0.5, 11)])
def test_as_many_values_are_needed_as_mlperf_asks_for(share, count):
    assert needed(share) == count
    for n, wanted in ((count, True), (count - 1, False)):
        assert (stats.binom.cdf(1, n, 1 - share) <= 0.01) is np.bool_(wanted)


def test_the_value_is_the_least_that_the_share_does_not_exceed():
    values = np.random.default_rng(0).permutation(np.arange(1.0, 101.0))
    for share in (0.5, 0.9, 0.95, 0.99):
        assert quantile(values, share).value == pytest.approx(100 * share)
    assert quantile([7.0], 0.99).value == 7.0


def test_with_few_values_an_end_is_not_known():
    few = quantile(np.arange(20.0), 0.99)
    assert few.high is None
    assert few.low is not None
    assert not few.enough
    assert quantile(np.arange(1000.0), 0.99).enough


@pytest.mark.parametrize(("share", "count"), [(0.5, 40), (0.9, 200), (0.99, 1000)])
def test_the_interval_holds_the_truth_as_often_as_it_says(share, count):
    chance = np.random.default_rng(1)
    truth = -np.log1p(-share)  # of the exponential distribution
    held = 0
    for _ in range(1000):
        found = quantile(chance.exponential(size=count), share)
        held += (found.low is None or found.low <= truth) and (found.high is None or truth <= found.high)
    assert 0.945 <= held / 1000 <= 0.995


def test_ranks_are_those_of_the_exact_binomial():
    values = np.arange(1.0, 501.0)
    found = quantile(values, 0.9)
    low, high = stats.binom.ppf(0.025, 500, 0.9), stats.binom.ppf(0.975, 500, 0.9)
    assert found.low == low
    assert found.high == high + 1


def test_what_is_no_percentile_is_refused():
    with pytest.raises(ValueError, match="between 0 and 1"):
        needed(1.0)
    with pytest.raises(ValueError, match="no values"):
        quantile([], 0.5)
