"""How far out a value may lie before it cannot be chance."""

import math

import numpy as np
import pytest
from scipy import stats

from perfkit.stats import tail

RATE = 1e-4


def threshold(values, rate=RATE):
    size = tail.tail_size(values.size)
    return tail.threshold(np.sort(values)[::-1][: size + 1], values.size, rate, tail.expected_shape(values))


@pytest.mark.parametrize("count", [100, 400])
@pytest.mark.parametrize("law", [stats.norm(), stats.t(3), stats.t(5), stats.expon(), stats.laplace()])
def test_no_more_than_the_asked_rate_passes_on_average(law, count):
    chance = np.random.default_rng(0)
    passed = [law.sf(threshold(law.rvs(count, random_state=chance))) for _ in range(60)]
    assert np.mean(passed) <= 1.2 * RATE


def test_the_values_as_a_whole_tell_a_heavy_tail_from_a_light_one():
    chance = np.random.default_rng(1)
    light = [tail.expected_shape(chance.normal(size=200)) for _ in range(40)]
    heavy = [tail.expected_shape(chance.standard_t(3, size=200)) for _ in range(40)]
    assert np.median(light) < 0.1
    assert np.median(heavy) > 0.3
    assert np.quantile(light, 0.9) < np.quantile(heavy, 0.1)


def test_the_shape_depends_on_neither_place_nor_unit():
    values = np.random.default_rng(2).standard_t(4, size=300)
    assert tail.expected_shape(5 + 1e-6 * values) == pytest.approx(tail.expected_shape(values), rel=1e-6)


def test_of_few_or_equal_values_nothing_is_known():
    assert tail.expected_shape(np.arange(5.0)) == tail.SHAPE_UNKNOWN
    assert tail.expected_shape(np.ones(100)) == tail.SHAPE_UNKNOWN
    assert tail.threshold(np.arange(5.0), 50, RATE) == math.inf
