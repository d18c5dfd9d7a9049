"""The time-step method: each step against what was expected, without a warm-up."""

import math
import random

import numpy as np
import pytest

from perfkit.errors import UsageError
from perfkit.model.monitoring import Point
from perfkit.monitor.detect import expectation
from perfkit.monitor.detect.watch import Watch
from perfkit.monitor.history import History
from perfkit.stats import golden

STEP = "perf/step_time_s"


def times(count, seed, level=0.1, spread=0.03):
    gauss = random.Random(seed).gauss
    return [level * math.exp(gauss(0, spread)) for _ in range(count)]


def run_before(seed=1, count=400):
    history = History()
    for i, value in enumerate(times(count, seed)):
        history.add({STEP: value}, step=i)
    return history


@pytest.mark.parametrize("factor", [1.3, 1.5, 2.0])
def test_a_slow_step_is_told_within_two_steps_of_its_beginning_from_the_first_step_on(factor):
    watcher = expectation.Against(expectation.baseline(run_before().series(STEP)))
    values = times(20, 7)
    values[10:] = [factor * v for v in values[10:]]
    told = [i for i, value in enumerate(values) if watcher.update(value, i)]
    assert told[0] in (10, 11)


def test_a_run_that_is_a_little_slower_throughout_is_nobodys_fault():
    watcher = expectation.Against(expectation.baseline(run_before().series(STEP)))
    assert not any(watcher.update(1.04 * value, i) for i, value in enumerate(times(400, 8)))


def test_a_change_is_told_once_and_so_is_its_end():
    watcher = expectation.Against(expectation.step_time(times(100, 1)))
    values = times(30, 2) + [2 * v for v in times(50, 3)] + times(50, 4)
    told = [(i, signal.kind) for i, value in enumerate(values) if (signal := watcher.update(value, i))]
    assert [kind for _, kind in told if kind != "anomaly"] == ["degradation", "recovered"]


def test_a_fitted_curve_is_held_against_a_loss():
    gauss = random.Random(5).gauss
    expected = expectation.function(lambda step: math.exp(-step / 50), [gauss(0, 0.01) for _ in range(100)])
    watcher = expectation.Against(expected)
    values = [math.exp(-i / 50) + gauss(0, 0.01) for i in range(40)]
    assert not any(watcher.update(value, i) for i, value in enumerate(values))
    assert [bool(watcher.update(0.6, i)) for i in (40, 41)].index(True) < 2


def test_steps_of_a_baseline_are_matched_by_number_not_by_order():
    history = History()
    for i in range(200):
        history.add({STEP: 0.1 + 0.001 * i + 0.001 * (i % 2)}, step=10 * i)
    expected = expectation.baseline(history.series(STEP))
    assert expected.at(1000) == pytest.approx(0.2, abs=0.002)
    assert expected.at(10**9) == pytest.approx(0.3, abs=0.01)


def test_too_short_a_baseline_is_refused():
    with pytest.raises(UsageError, match="40 are needed"):
        expectation.baseline(run_before(count=10).series(STEP))


def test_the_watch_holds_values_against_a_baseline_before_its_detectors_know_the_series():
    watch = Watch(expected={STEP: expectation.baseline(run_before().series(STEP))})
    told = []
    for i, value in enumerate(times(10, 9) + [2 * v for v in times(10, 10)]):
        told += watch.observe(Point(values={STEP: value}, time_ns=i, monotonic_ns=i, step=i))
    assert [event.kind for event in told if event.kind != "anomaly"] == ["degradation"]
    assert "was expected" in told[-1].message


@pytest.mark.parametrize(
    ("dtype", "agrees", "differs"),
    [("float64", 1e-9, 1e-3), ("float32", 1e-6, 1e-2), ("float16", 1e-3, 0.1), ("bfloat16", 0.05, 1.0)],
)
def test_golden_outputs_have_the_tolerance_of_their_dtype(dtype, agrees, differs):
    expected = np.linspace(0.5, 2, 12).reshape(3, 4)
    assert golden.compare(expected + agrees, expected, dtype=dtype) is None
    outputs = expected.copy()
    outputs[1, 2] += differs
    found = golden.compare(outputs, expected, dtype=dtype)
    assert found.worst_index == (1, 2)
    assert found.share == pytest.approx(1 / 12)
    assert found.score > 1


def test_an_output_that_is_not_finite_is_a_mismatch_unless_it_was_expected():
    assert golden.compare([1.0, math.nan], [1.0, math.nan]) is None
    assert golden.compare([1.0, math.nan], [1.0, 2.0]).score == math.inf
    with pytest.raises(UsageError, match="same inputs"):
        golden.compare([1.0], [1.0, 2.0])
