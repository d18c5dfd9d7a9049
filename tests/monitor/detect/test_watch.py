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


def test_throughput_beside_the_step_time_is_not_told_a_second_time():
    def told(keep):
        watch, said = Watch(), []
        for i, seconds in enumerate([*steady(300), *steady(60, level=0.3)]):
            values = {"perf/step_time_s": seconds, "perf/samples_per_s": 32 / seconds}
            given = {name: value for name, value in values.items() if name in keep}
            said += watch.observe(Point(values=given, time_ns=i, monotonic_ns=i, step=i))
        return {event.metric for event in said}

    assert told(("perf/step_time_s", "perf/samples_per_s")) == {"perf/step_time_s"}
    assert told(("perf/samples_per_s",)) == {"perf/samples_per_s"}


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


def learning_curve(count, seed, spread):
    """A loss that falls as a power law, with noise that grows against its level as it comes down."""
    noise = random.Random(seed)
    return [3 / (1 + i / 60) * math.exp(noise.gauss(0, spread * (1 + i / 300))) for i in range(count)]


def test_a_healthy_loss_whose_noise_changes_as_it_falls_is_left_alone():
    warned = 0
    for seed in range(20):
        told = events(Watch(), points(learning_curve(800, seed, 0.15), "train/loss"))
        warned += any(event.severity != "info" for event in told)
    assert warned <= 1


@pytest.mark.parametrize("seed", range(5))
def test_a_loss_that_rises_and_stays_is_told_with_a_level_above_the_one_before(seed):
    values = learning_curve(800, seed, 0.1)
    values[500:] = [4 * value for value in values[500:]]
    rise = next(e for e in events(Watch(), points(values, "train/loss")) if e.kind == "degradation")
    assert 516 <= rise.step <= 530
    assert rise.evidence["level"] > 2 * rise.evidence["level_before"]
    assert f"is {rise.evidence['level']:.4g}, and was {rise.evidence['level_before']:.4g} before" in rise.message


def test_a_loss_ten_times_its_course_for_one_step_is_odd_and_no_warning():
    values = learning_curve(800, 1, 0.1)
    values[500] *= 10
    (odd,) = events(Watch(), points(values, "train/loss"))
    assert (odd.kind, odd.severity) == ("anomaly", "info")
    assert odd.step <= 520


@pytest.mark.parametrize("shift", [0.02, 0.05, 0.1, 0.3])
def test_a_usual_range_that_is_told_never_holds_the_value_that_is_told(shift):
    values = steady(600)
    values[300:] = [(1 + shift) * value for value in values[300:]]
    for event in events(Watch(), points(values)):
        if event.kind == "degradation" and ", usually " in event.message:
            told, usual = event.message.split(" is ")[1].split(", usually ")
            assert float(told) > float(usual.split(" to ")[-1])
