import pytest

from perfkit.stats import proportion


def test_none_of_so_many_and_all_of_so_many_have_bounds_in_closed_form():
    assert proportion.upper(0, 300) == pytest.approx(1 - 0.05 ** (1 / 300))
    assert proportion.lower(300, 300) == pytest.approx(0.05 ** (1 / 300))
    assert (proportion.lower(0, 10), proportion.upper(10, 10)) == (0.0, 1.0)
    assert (proportion.lower(0, 0), proportion.upper(0, 0)) == (0.0, 1.0)


def test_the_bounds_lie_around_the_rate_and_come_nearer_with_more_runs():
    for runs in (10, 100, 1000):
        assert proportion.lower(runs // 2, runs) < 0.5 < proportion.upper(runs // 2, runs)
    assert proportion.upper(5, 100) < proportion.upper(1, 20)
    assert proportion.upper(5, 100, level=0.99) > proportion.upper(5, 100)
