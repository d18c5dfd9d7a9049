"""Ranks, autoregressions, tails and resampling: what makes a series fit for charts."""

import numpy as np
import pytest

from perfkit.stats import autoregression, ranks, resample, tail


def autoregressive(phi, count, seed=1):
    noise, x = np.random.default_rng(seed).standard_normal(count + 200), np.zeros(count + 200)
    for i in range(1, x.size):
        x[i] = phi * x[i - 1] + noise[i]
    return x[200:]


@pytest.mark.parametrize("draw", ["standard_normal", "standard_cauchy", "standard_exponential"])
def test_scores_are_standard_normal_whatever_the_distribution(draw):
    values = getattr(np.random.default_rng(2), draw)(4000)
    known = ranks.Ranks(values[:200])
    scores = np.array([known.score(value) for value in values[200:]])
    assert scores.mean() == pytest.approx(0, abs=0.08)
    assert scores.std() == pytest.approx(1, abs=0.05)
    assert np.corrcoef(scores[1:], scores[:-1])[0, 1] == pytest.approx(0, abs=0.06)


def test_ties_are_broken_evenly_and_memory_is_bounded():
    known = ranks.Ranks([0.5] * 100, kept=50)
    shares = [known.share(0.5) for _ in range(2000)]
    assert np.mean(shares) == pytest.approx(0.5, abs=0.03)
    for value in range(1000):
        known.add(value)
    assert len(known._sorted) == 50
    assert known.count == 1100


def test_a_score_is_the_inverse_of_the_normal_distribution():
    from scipy.special import ndtri

    shares = np.linspace(0.0005, 0.9995, 999)
    assert max(abs(ranks.normal_score(share) - ndtri(share)) for share in shares) < 0.02


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9])
def test_an_autoregression_is_recovered_and_its_uncertainty_allowed_for(phi):
    model = autoregression.fit(autoregressive(phi, 2000))
    assert sum(model.coefficients) == pytest.approx(phi, abs=0.1)
    assert model.sigma == pytest.approx(1, abs=0.06)
    assert model.inflation >= 1
    left = autoregression.residuals(autoregressive(phi, 2000, seed=2), model)
    assert np.corrcoef(left[1:], left[:-1])[0, 1] == pytest.approx(0, abs=0.08)


def test_few_and_constant_values_have_no_order():
    assert autoregression.fit([1.0] * 100).order == 0
    assert autoregression.fit([1.0, 2.0, 3.0]).order == 0


@pytest.mark.parametrize(("draw", "above"), [("standard_normal", 3.09), ("standard_exponential", 6.9)])
def test_a_threshold_lies_beyond_what_one_value_in_a_thousand_passes(draw, above):
    rng = np.random.default_rng(3)
    found = []
    for _ in range(30):
        values = getattr(rng, draw)(1000)
        size = tail.tail_size(1000)
        found.append(tail.threshold(np.sort(values)[-size - 1 :], 1000, 1e-3))
    assert above * 0.9 < np.median(found) < above * 1.3


def test_heavy_tails_keep_their_rate_far_beyond_what_was_seen():
    from scipy.stats import t

    rng = np.random.default_rng(4)
    size = tail.tail_size(300)
    chances = [t.sf(tail.threshold(np.sort(rng.standard_t(3, 300))[-size - 1 :], 300, 1e-4), 3) for _ in range(60)]
    assert np.mean(chances) < 4e-4


def test_too_few_values_have_no_threshold():
    assert tail.tail_size(20) == 0
    assert tail.threshold([1.0, 2.0], 20, 1e-3) == np.inf


def test_resampled_series_keep_level_spread_and_correlation():
    x = 5 + 0.1 * autoregressive(0.8, 1000)
    made = resample.sieve(x, 4000, np.random.default_rng(5))
    assert made.mean() == pytest.approx(5, abs=0.1)
    assert made.std() == pytest.approx(x.std(), rel=0.25)
    assert np.corrcoef(made[1:], made[:-1])[0, 1] == pytest.approx(0.8, abs=0.07)


def test_blocks_are_longer_where_neighbours_are_alike():
    assert resample.block_length(autoregressive(0.9, 1000)) > 3 * resample.block_length(autoregressive(0.0, 1000))
    taken = resample.stationary_blocks(100, 1000, 10, np.random.default_rng(6))
    assert taken.min() >= 0
    assert taken.max() < 100
    assert np.mean(np.diff(taken) == 1) == pytest.approx(0.9, abs=0.05)
