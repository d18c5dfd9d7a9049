"""Points go in, events come out, each thing once."""

import math
import random

import pytest

from perfkit.errors import UsageError
from perfkit.model.monitoring import Point
from perfkit.monitor.detect.detectors import SeriesDetector
from perfkit.monitor.detect.watch import Watch


def points(values, name="perf/step_time_s"):
    return [
        Point(values={name: value}, time_ns=1_000_000 * i, monotonic_ns=1_000_000 * i, step=i)
        for i, value in enumerate(values)
    ]


def events(watch, given):
    return [event for point in given for event in watch.observe(point)] + watch.finish()


def steady(count, seed=1, level=0.1, spread=0.03):
    noise = random.Random(seed)
    return [level * math.exp(noise.gauss(0, spread)) for _ in range(count)]


def test_a_steady_series_has_no_events():
    assert events(Watch(), points(steady(2000))) == []


def test_slow_steps_are_one_degradation_and_one_recovery():
    values = steady(500)
    values[300:400] = [1.5 * v for v in values[300:400]]
    told = events(Watch(), points(values))
    assert [event.kind for event in told] == ["degradation", "recovered"]
    slow, over = told
    assert slow.metric == "perf/step_time_s"
    assert 300 <= slow.step <= 302
    assert 400 < over.step <= 410
    assert "has risen" in slow.message


def test_one_slow_step_is_an_anomaly_told_when_the_next_one_shows_that_it_is_over():
    values = steady(500)
    values[300] *= 3
    assert [(event.kind, event.step) for event in events(Watch(), points(values))] == [("anomaly", 301)]


def test_a_slower_step_names_the_stage_that_it_is_due_to_and_what_to_do():
    watch, told = Watch(command=("train.py", "--num-workers", "2")), []
    step, data = steady(200), steady(200, seed=2, level=0.01)
    data[150:] = [20 * value for value in data[150:]]
    for i in range(200):
        values = {"perf/step_time_s": step[i] + data[i], "perf/data_time_s": data[i]}
        told += watch.observe(Point(values=values, time_ns=i, monotonic_ns=i, step=i))
    (slow,) = [event for event in told if event.metric == "perf/step_time_s" and event.kind != "recovered"]
    assert slow.step <= 152
    assert slow.evidence["stage"] == "perf/data_time_s"
    assert slow.evidence["stage_share"] > 0.9
    assert "has a worker died" in slow.advice
    assert 'perfkit tune --sweep "--num-workers=4,8" train.py --num-workers 2' in slow.advice


def test_detectors_can_be_chosen_for_a_series_and_switched_off():
    def jump(watch):
        return events(watch, points(steady(200) + [0.3] * 30))

    chosen = Watch(detectors={"perf/step_time_s": lambda: SeriesDetector(("ewma",))})
    assert [event.source for event in jump(chosen)] == ["ewma(0.1)"]
    assert [event.source for event in jump(Watch(detectors="none"))] == []
    with pytest.raises(UsageError, match='give "auto"'):
        Watch(detectors="all")


def test_a_run_resumed_at_an_earlier_step_is_told():
    told = events(Watch(), [*points([1.0, 2.0, 3.0]), *points([1.5])])
    assert [event.source for event in told] == ["validity:counter-back"]


def test_an_odd_last_value_is_told_at_the_end():
    assert [event.kind for event in events(Watch(), points([*steady(400), 0.9]))] == ["anomaly"]


def test_nan_is_told_once_and_its_end_once():
    values = [1.0 + 0.01 * i for i in range(10)] + [math.nan] * 5 + [1.0, 1.1]
    told = events(Watch(), points(values, "train/loss"))
    assert [(event.kind, event.source, event.step) for event in told] == [
        ("validity", "validity:not-finite", 10),
        ("recovered", "validity:not-finite", 15),
    ]
