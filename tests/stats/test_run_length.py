"""Thresholds keep the rate that they were asked for, on simulated standard normal values."""

import numpy as np
import pytest

from perfkit.stats import run_length


def paths(count, length, seed=1):
    return np.random.default_rng(seed).standard_normal((count, length))


def passed(statistics, threshold):
    return float(np.mean(np.any(statistics > threshold, axis=1)))


def expected(rate, length):
    return 1 - np.exp(-rate * length)


@pytest.mark.parametrize("allowance", [0.25, 0.5, 1.0])
def test_cusum(allowance):
    z = paths(2000, 1000)
    total, statistics = np.zeros(2000), np.zeros_like(z)
    for i in range(1000):
        total = np.maximum(0, total + z[:, i] - allowance)
        statistics[:, i] = total
    assert passed(statistics, run_length.cusum_threshold(2e-4, allowance)) == pytest.approx(
        expected(2e-4, 1000), rel=0.2
    )


@pytest.mark.parametrize("window", [8, 32])
def test_moving_mean(window):
    z = paths(2000, 1000)
    sums = np.cumsum(z, axis=1)
    statistics = (sums[:, window:] - sums[:, :-window]) / np.sqrt(window)
    assert passed(statistics, run_length.smoothed_threshold(2e-4, 1 / window)) == pytest.approx(
        expected(2e-4, 1000), rel=0.25
    )


def test_ewma():
    z, weight = paths(2000, 1000), 0.1
    mean, statistics = np.zeros(2000), np.zeros_like(z)
    for i in range(1000):
        mean = mean + weight * (z[:, i] - mean)
        statistics[:, i] = mean
    statistics /= np.sqrt(weight / (2 - weight))
    threshold = run_length.smoothed_threshold(2e-4, -np.log1p(-weight))
    assert passed(statistics, threshold) == pytest.approx(expected(2e-4, 1000), rel=0.25)


def test_a_smaller_rate_has_a_higher_threshold():
    assert run_length.cusum_threshold(1e-6, 0.5) > run_length.cusum_threshold(1e-3, 0.5)
    assert run_length.smoothed_threshold(1e-6, 0.1) > run_length.smoothed_threshold(1e-3, 0.1)
