"""Round ticks and what is written beside them."""

import numpy as np
import pytest

from perfkit.report.curves import scales


@pytest.mark.parametrize(
    ("low", "high", "most", "expected"),
    [
        (0, 10, 6, [0, 2, 4, 6, 8, 10]),
        (0, 1, 3, [0, 0.5, 1.0]),
        (-1, 1, 5, [-1, -0.5, 0, 0.5, 1]),
        (3, 97, 4, [20, 40, 60, 80]),
        (5, 5, 4, [5]),
    ],
)
def test_linear_ticks_are_round_and_within(low, high, most, expected):
    assert scales.linear_ticks(low, high, most) == pytest.approx(expected)


def test_log_ticks_are_powers_of_ten_thinned():
    assert scales.log_ticks(2e-4, 30, 6) == pytest.approx([1e-3, 1e-2, 1e-1, 1, 10])
    assert scales.log_ticks(1e-9, 1e3, 4) == pytest.approx([1e-9, 1e-5, 1e-1, 1e3])
    assert scales.log_ticks(2, 6, 4) == pytest.approx([2, 4, 6])


@pytest.mark.parametrize(
    ("low", "high", "unit", "expected"),
    [
        (0, 0.031, "s", ["0", "10 ms", "20 ms", "30 ms"]),
        (0, 2.2 * 2**30, "bytes", ["0", "0.5 GiB", "1.0 GiB", "1.5 GiB", "2.0 GiB"]),
        (0, 90, "s", ["0", "0.5 min", "1.0 min", "1.5 min"]),
        (2000, 9100, "1/s", ["2000 /s", "4000 /s", "6000 /s", "8000 /s"]),
        (0, 40_000, "1/s", ["0", "10 k/s", "20 k/s", "30 k/s", "40 k/s"]),
        (0, 2400, "", ["0", "500", "1000", "1500", "2000"]),
        (0.9812, 0.9841, "", ["0.982", "0.983", "0.984"]),
        (1e-7, 4e-7, "", ["1e-7", "2e-7", "3e-7", "4e-7"]),
    ],
)
def test_labels_have_one_unit_and_the_decimals_that_tell_them_apart(low, high, unit, expected):
    assert scales.axis(low, high, 5, unit)[1] == expected


@pytest.mark.parametrize(
    ("number", "unit", "expected"),
    [
        (0.0042, "s", "4.2 ms"), (3e-10, "s", "0.3 ns"), (0, "s", "0 s"), (12, "bytes", "12 B"), (1.5 * 2**20, "bytes", "1.5 MiB"),
        (12_345, "1/s", "12.35 k/s"), (287.4, "W", "287.4 W"), (1e-5, "", "1e-5"), (float("nan"), "", "NaN"), (float("-inf"), "s", "-∞"),
    ],
)  # fmt: skip
def test_a_value_has_four_digits_and_its_unit(number, unit, expected):
    assert scales.value(number, unit) == expected


def test_a_span_names_its_unit_once():
    assert scales.span(0.0039, 0.0122, "s") == "3.9–12.2 ms"
    assert scales.span(2514, 7617, "1/s") == "2514–7617 /s"
    assert scales.span(0.5, 0.5) == "0.5"


def test_a_logarithmic_axis_is_wanted_where_a_linear_one_hides_the_rest():
    assert scales.wants_log(np.array([0.1] * 99 + [1e4]))
    assert not scales.wants_log(np.array([0.1] * 99 + [2.0]))
    assert not scales.wants_log(np.array([0.0] + [0.1] * 99 + [1e4]))
    assert not scales.wants_log(np.array([np.nan, np.nan]))
