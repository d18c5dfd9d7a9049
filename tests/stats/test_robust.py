import numpy as np
import pytest

from perfkit.stats.robust import theil_sen


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("count", [8, 11, 24])
def test_theil_sen_is_scipys(count, ties):
    from scipy.stats import theilslopes

    chance = np.random.default_rng(count)
    for _ in range(20):
        x = np.sort(chance.uniform(0, 1e4, count))
        y = 3.0 * x + chance.normal(0, 2e3, count)
        if ties:
            x, y = np.round(x, -3), np.round(y, -4)
        expected = theilslopes(y, x, 0.95)
        assert theil_sen(x, y) == pytest.approx((expected.slope, expected.low_slope, expected.high_slope))


def test_one_wild_value_does_not_move_the_slope():
    x = np.arange(20.0)
    y = 2 * x
    y[10] = 1e6
    assert theil_sen(x, y)[0] == pytest.approx(2.0)


def test_points_above_each_other_have_no_slope():
    assert all(np.isnan(theil_sen([1.0, 1.0], [2.0, 3.0])))
