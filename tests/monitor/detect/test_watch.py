"""Points go in, events come out, each thing once."""

import math
import random

from perfkit.model.monitoring import Point
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


def test_one_slow_step_is_an_anomaly():
    values = steady(500)
    values[300] *= 3
    assert [(event.kind, event.step) for event in events(Watch(), points(values))] == [("anomaly", 300)]


def test_nan_is_told_once_and_its_end_once():
    values = [1.0 + 0.01 * i for i in range(10)] + [math.nan] * 5 + [1.0, 1.1]
    told = events(Watch(), points(values, "train/loss"))
    assert [(event.kind, event.source, event.step) for event in told] == [
        ("validity", "validity:not-finite", 10),
        ("recovered", "validity:not-finite", 15),
    ]
