"""Where a level changed, at a rate of false alarms that was asked for."""

import numpy as np
import pytest

from perfkit.stats import changepoint


def normal(seed, count):
    return np.random.default_rng(seed).standard_normal(count)


def test_a_change_is_found_where_it_was_planted_with_the_levels_on_both_sides():
    x = 10 + 0.1 * normal(1, 80)
    x[50:] += 1
    (found,) = changepoint.change_points(x)
    assert abs(found.index - 50) <= 1
    assert found.before == pytest.approx(10, abs=0.1)
    assert found.after == pytest.approx(11, abs=0.1)


def test_two_changes_are_two():
    x = normal(2, 120)
    x[40:80] += 5
    assert [round(found.index / 10) for found in changepoint.change_points(x)] == [4, 8]


def test_a_single_spike_is_no_change():
    x = normal(3, 80)
    x[40] = 50
    assert changepoint.change_points(x) == []


@pytest.mark.parametrize("phi", [0.0, 0.5])
def test_series_without_a_change_are_seldom_cut_correlated_or_not(phi):
    cut = 0
    for seed in range(40):
        noise, x = normal(seed, 100), np.zeros(100)
        for i in range(1, 100):
            x[i] = phi * x[i - 1] + noise[i]
        cut += bool(changepoint.change_points(x[20:], false_alarms=0.05))
    assert cut <= 6  # of 40 at 5 %: 7 or more come by chance once in 300 times


def test_too_few_and_constant_values_have_no_changes():
    assert changepoint.change_points([1.0, 9.0] * 5) == []
    assert changepoint.change_points([1.0] * 100) == []


def test_the_segmentation_is_the_cheapest_there_is():
    x = np.concatenate((normal(4, 12), normal(5, 12) + 3))
    cost, least = 4.0, 2

    def error(part):
        return float(np.sum((part - part.mean()) ** 2))

    best = {0: (-cost, [])}
    for end in range(least, x.size + 1):
        options = [
            (best[start][0] + error(x[start:end]) + cost, [*best[start][1], start])
            for start in best
            if end - start >= least
        ]
        best[end] = min(options)
    assert changepoint.pelt(x, cost, least=least) == [cut for cut in best[x.size][1] if cut]


def test_the_penalty_falls_with_the_rate_and_rises_with_the_length():
    assert changepoint.penalty(100, 0.01) > changepoint.penalty(100, 0.05)
    assert changepoint.penalty(3000, 0.01) > changepoint.penalty(300, 0.01)


def test_the_table_is_what_simulation_gives():
    critical = [changepoint.critical_penalty(changepoint.normal_scores(normal(seed, 50))) for seed in range(150)]
    assert np.quantile(critical, 0.8) == pytest.approx(changepoint.penalty(50, 0.2), rel=0.15)
