import numpy as np
import pytest

from perfkit.analyze.samples import growth, integral, mean_within

SECOND = 10**9
#: A counter that grows by 3 per second, sampled each second from 10 s to 20 s.
COUNTER = [{"t": t * SECOND, "c": 3 * t, "g": 7} for t in range(10, 21)]


def test_a_counter_is_interpolated_at_both_ends():
    assert growth(COUNTER, "c", int(12.5 * SECOND), int(14.5 * SECOND)) == pytest.approx(6)


def test_an_interval_that_is_covered_by_half_takes_the_rate_of_that_half():
    assert growth(COUNTER, "c", 15 * SECOND, 25 * SECOND) == pytest.approx(30)


def test_an_interval_that_is_covered_by_less_has_no_figure():
    assert growth(COUNTER, "c", 16 * SECOND, 26 * SECOND) is None
    assert growth(COUNTER, "c", 30 * SECOND, 40 * SECOND) is None
    assert growth(COUNTER[:1], "c", 10 * SECOND, 11 * SECOND) is None
    assert growth(COUNTER, "absent", 12 * SECOND, 13 * SECOND) is None
    assert growth(COUNTER, "c", 13 * SECOND, 13 * SECOND) is None


def test_lines_out_of_order_and_damaged_values_do_no_harm():
    lines = [*reversed(COUNTER), {"t": "x", "c": 1}, {"t": 15 * SECOND, "c": None}, {"t": 15 * SECOND, "c": True}]
    assert growth(lines, "c", 12 * SECOND, 14 * SECOND) == pytest.approx(6)


def test_gauges_are_averaged_and_integrated_within_the_interval_only():
    lines = [*COUNTER, {"t": 30 * SECOND, "g": 1000}]
    assert mean_within(lines, "g", 10 * SECOND, 20 * SECOND) == 7
    assert mean_within(lines, "g", 21 * SECOND, 22 * SECOND) is None
    assert integral(lines, "g", 10 * SECOND, 20 * SECOND) == pytest.approx(70)
    assert integral(lines, "g", int(9.5 * SECOND), int(20.5 * SECOND)) == pytest.approx(77)
    assert integral(lines, "g", 10 * SECOND, 10 * SECOND) is None


def test_figures_are_plain_numbers():
    assert type(growth(COUNTER, "c", 12 * SECOND, 14 * SECOND)) is float
    assert not isinstance(mean_within(COUNTER, "g", 10 * SECOND, 20 * SECOND), np.floating)
