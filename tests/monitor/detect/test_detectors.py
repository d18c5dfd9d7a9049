"""Detectors of one series: the asked rate of false alarms, one event for a change, its end, and how charts are combined."""

import math
import random
import subprocess
import sys

import numpy as np
import pytest

from perfkit.errors import MissingDependency, UsageError
from perfkit.monitor.detect.arm import CHARTS
from perfkit.monitor.detect.base import Allowance, Detector
from perfkit.monitor.detect.detectors import SeriesDetector
from perfkit.monitor.detect.policy import plan


def normal(count, seed=1):
    return np.random.default_rng(seed).standard_normal(count).tolist()


def signals(detector, values):
    return [(i, signal) for i, value in enumerate(values) if (signal := detector.update(value))]


@pytest.mark.parametrize("chart", CHARTS)
def test_each_chart_tells_a_large_lasting_shift_or_spread_once(chart):
    values = normal(400)
    values[200:] = [6 + 3 * value for value in values[200:]]
    told = signals(SeriesDetector((chart,), allowance=Allowance(rate=0.05)), values)
    lasting = [(i, signal) for i, signal in told if signal.kind == "degradation"]
    assert all(signal.direction == "up" for _, signal in told)
    if chart in ("robust-z", "record"):
        assert told[0][1].kind == "anomaly"
    else:
        ((index, signal),) = lasting
        assert 200 <= index < 330
        assert signal.score > signal.threshold
        assert signal.since <= index


def test_false_alarms_stay_within_what_was_asked_for():
    """At 10 % asked, 50 series of each kind: more than 11 come by chance once in 100 times."""
    for phi in (0.0, 0.7):
        alarms = 0
        for seed in range(50):
            noise, x = np.random.default_rng(seed).standard_t(4, 500), np.zeros(500)
            for i in range(1, 500):
                x[i] = phi * x[i - 1] + noise[i]
            detector = SeriesDetector(allowance=Allowance(rate=0.1, length=400))
            alarms += any(detector.update(value) for value in x.tolist())
        assert alarms <= 11


def test_a_change_has_one_beginning_and_one_end_and_the_next_one_too():
    values = normal(1000)
    for start in (300, 600):
        values[start : start + 100] = [value + 8 for value in values[start : start + 100]]
    told = [(i, s.kind) for i, s in signals(SeriesDetector(), values) if s.kind != "anomaly"]
    assert [kind for _, kind in told] == ["degradation", "recovered"] * 2
    assert [round(i, -1) for i, _ in told] == [300, 400, 600, 710]  # the second end must last twice as long


def test_a_small_change_on_a_noisy_series_has_one_end_too():
    flapped = 0
    for seed in range(20):
        values = normal(1000, seed)
        values[300:800] = [value + 1.5 for value in values[300:800]]
        told = [s.kind for _, s in signals(SeriesDetector(), values) if s.kind != "anomaly"]
        flapped += told != ["degradation", "recovered"]
    assert flapped <= 2


def test_a_level_that_stays_becomes_the_new_normal_and_what_follows_is_told_too():
    values = normal(2400)
    values[300:] = [value + 8 for value in values[300:]]
    values[1500:] = [value + 8 for value in values[1500:]]
    values[1700:] = [value - 16 for value in values[1700:]]
    told = [(round(i, -1), s.kind) for i, s in signals(SeriesDetector(), values) if s.kind != "anomaly"]
    assert told == [(300, "degradation"), (1500, "degradation"), (1700, "recovered")]
    back = values[:1500] + normal(300, seed=2)
    told = [(round(i, -1), s.kind) for i, s in signals(SeriesDetector(), back) if s.kind != "anomaly"]
    assert told == [(300, "degradation"), (1500, "recovered")]


def test_a_series_that_flaps_about_its_threshold_is_told_once():
    values = normal(600)
    for i in range(300, 600):
        values[i] += 9 if i % 4 else 0
    told = [s.kind for _, s in signals(SeriesDetector(), values) if s.kind != "anomaly"]
    assert told == ["degradation"]


def test_the_other_direction_counts_where_it_is_asked_for():
    values = normal(300)
    values[200:] = [value - 8 for value in values[200:]]
    assert [s for _, s in signals(SeriesDetector(side="up"), values)] == []
    for side in ("down", "both"):
        ((_, told), *_) = signals(SeriesDetector(side=side), values)
        assert told.direction == "down"


@pytest.mark.parametrize(("noise", "side", "log"), [(0.002, "up", False), (0.03, "up", False), (0.01, "down", True)])
def test_a_change_that_is_sure_and_too_small_to_count_is_none_and_one_of_twice_that_is(noise, side, log):
    sign = 1 if side == "up" else -1
    values = 0.01 * (1 + noise * np.random.default_rng(3).standard_normal(1500))
    told = {}
    for share in (0.03, 0.1):
        changed = np.where(np.arange(1500) < 600, values, values * (1 + sign * share))
        detector = SeriesDetector(side=side, log=log, least=0.05)
        told[share] = [index for index, value in enumerate(changed) if detector.update(float(value))]
    assert told[0.03] == []
    assert told[0.1]
    assert 600 < told[0.1][0] < 660


def test_a_small_change_that_did_not_count_does_not_hide_a_larger_one_after_it():
    values = 0.01 * (1 + 0.002 * np.random.default_rng(3).standard_normal(1500))
    values[600:] *= 1.03
    values[900:] *= 1.1
    detector = SeriesDetector(least=0.05)
    told = [index for index, value in enumerate(values) if detector.update(float(value))]
    assert told
    assert 900 < told[0] < 910


def test_a_falling_loss_is_no_change_and_a_rise_above_its_curve_is():
    gauss = random.Random(1).gauss
    values = [(0.1 + 2 / (1 + i / 40)) * math.exp(gauss(0, 0.1)) for i in range(1200)]
    made = SeriesDetector(("robust-z", "two-in-a-row", "cusum"), trend=True, log=True)
    assert signals(made, values) == []
    made.reset()
    risen = values[:800] + [2 * value for value in values[800:]]
    assert 800 <= signals(made, risen)[0][0] <= 820


def test_slow_first_steps_are_start_up_and_not_the_reference():
    gauss = random.Random(2).gauss
    values = [(5 if i < 5 else 1) * math.exp(gauss(0, 0.03)) for i in range(400)]
    values[300:] = [1.3 * value for value in values[300:]]
    assert 300 <= signals(SeriesDetector(settle=True), values)[0][0] <= 305


def test_a_quorum_waits_for_more_charts_than_one():
    values = normal(500)
    values[200:] = [value + 3 for value in values[200:]]
    charts = ("cusum", "ewma", "window-mean", "shewhart")
    for quorum in (1, 2, 4):
        index, signal = signals(SeriesDetector(charts, quorum=quorum), values)[0]
        assert 200 < index < 240
        assert signal.evidence["votes"] >= quorum
    with pytest.raises(UsageError, match="use 1 to 4"):
        SeriesDetector(charts, quorum=5)


def test_an_allowance_is_never_overspent_however_long_a_run_is():
    allowance, spent, at = Allowance(rate=0.01), 0.0, 0
    while at < 10**8:
        step = max(256, at // 64)
        spent += step * allowance.per_value(at + step)
        at += step
    assert 0.008 < spent <= 0.01
    assert Allowance(rate=0.02, length=100).per_value(7) == pytest.approx(2e-4)
    with pytest.raises(UsageError, match="between 0 and 1"):
        Allowance(rate=2.0)


def test_constant_series_and_unknown_names():
    assert signals(SeriesDetector(), [1.0] * 500) == []
    with pytest.raises(UsageError, match="there are: robust-z"):
        SeriesDetector(("tea-leaves",))
    assert isinstance(SeriesDetector(), Detector)


def test_without_river_adwin_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "river", None)
    with pytest.raises(MissingDependency, match=r"perfkit\[monitor\]"):
        SeriesDetector(("adwin",))


def test_the_policy_knows_which_way_is_worse_and_whom_to_leave_alone():
    assert plan("perf/step_time_s", per_epoch=False, positive=True).side == "up"
    assert plan("perf/samples_per_s", per_epoch=False, positive=True).side == "down"
    assert plan("train/loss", per_epoch=False, positive=True).trend
    assert plan("train/accuracy", per_epoch=False, positive=True).side == "down"
    assert plan("system/host_memory_bytes", per_epoch=False, positive=True).charts == ()
    assert plan("train/learning_rate", per_epoch=False, positive=True) is None
    assert plan("val/loss", per_epoch=False, positive=True) is None
    assert plan("train/loss", per_epoch=True, positive=True) is None


def test_watching_needs_neither_scipy_nor_river_nor_a_framework():
    code = (
        "import sys, perfkit.monitor.detect.watch as w; w.Watch(); "
        "sys.exit(bool({'scipy', 'river', 'torch', 'tensorflow', 'polars'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
