"""Numbers as people read them."""

import pytest

from perfkit.report import units


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.1184, "118.4 ms"), (41.84, "41.84 s"), (0.00002, "20.00 µs"), (3e-7, "300.0 ns"), (0, "0 s"), (0.9999, "999.9 ms"),
     (0.99999, "1.000 s"), (125, "2 min 5 s"), (12000, "3 h 20 min")],
)  # fmt: skip
def test_seconds(value, text):
    assert units.seconds(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(541.2, "541"), (1494, "1494"), (12345, "12.3 k"), (1.25e6, "1.25 M"), (3.14159, "3.14"), (0, "0")],
)
def test_counts(value, text):
    assert units.count(value) == text


@pytest.mark.parametrize(("value", "text"), [(0.6131, "61.3 %"), (0.0001, "<0.1 %"), (0, "0.0 %"), (1, "100.0 %")])
def test_shares(value, text):
    assert units.share(value) == text


@pytest.mark.parametrize(("low", "high", "text"), [(0.38, 0.52, "38–52 %"), (0.501, 0.504, "50 %"), (0, 0.1, "0–10 %")])
def test_intervals(low, high, text):
    assert units.interval(low, high) == text


@pytest.mark.parametrize(("value", "text"), [(512, "512 B"), (327401472, "312 MiB"), (6.29e9, "5.86 GiB")])
def test_sizes(value, text):
    assert units.size(value) == text
