"""Intervals are widened by what trials have shown, on the CPU and for the steps only."""

from types import SimpleNamespace

import pytest

from perfkit.advise import calibration
from perfkit.model.records import Finding, Interval

CPU, GPU = (SimpleNamespace(model={"devices": {name: 10}}) for name in ("cpu", "cuda:0"))


@pytest.fixture(autouse=True)
def margins(monkeypatch):
    monkeypatch.setattr(calibration, "BELOW", 0.1)
    monkeypatch.setattr(calibration, "ABOVE", 0.2)


def finding(low, high, basis="steady"):
    return Finding(
        rule="input", cause="input", title="t", evidence={}, saves=Interval(low=low, high=high), basis=basis,
        confidence="low", fix=None, how="h",
    )  # fmt: skip


def test_both_ends_move_out_by_their_margin_in_units_of_what_is_at_stake():
    unit = calibration.NOISE + 0.3 * 0.7
    told = calibration.calibrated(finding(0.2, 0.4), CPU).saves
    assert (told.low, told.high) == pytest.approx((0.2 - 0.1 * unit, 0.4 + 0.2 * unit))


def test_no_end_leaves_what_can_be():
    assert calibration.widened(Interval(low=0.001, high=0.01)).low == 0.0
    assert calibration.widened(Interval(low=0.9, high=1.0)).high == 1.0


@pytest.mark.parametrize(("evidence", "basis"), [(GPU, "steady"), (CPU, "run")])
def test_where_nothing_was_planted_intervals_stay_as_they_are(evidence, basis):
    said = finding(0.2, 0.4, basis)
    assert calibration.calibrated(said, evidence) is said
