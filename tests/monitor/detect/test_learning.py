"""The rules over epochs name the planted cause, once, and keep quiet about a training that goes well."""

import math
import random

import pytest

from perfkit.model.monitoring import Point
from perfkit.monitor.detect.watch import Watch


def epochs(rows, watch=None):
    """Events of a training whose rows are the values of an epoch each."""
    watch = watch or Watch()
    told = []
    for i, values in enumerate(rows):
        told += watch.observe(Point(values=values, time_ns=i, monotonic_ns=i, epoch=i))
    return told + watch.finish()


def steps(values, watch=None, name="train/loss", more=None):
    watch = watch or Watch()
    told = []
    for i, value in enumerate(values):
        extra = {key: f(i) for key, f in (more or {}).items()}
        told += watch.observe(Point(values={name: value, **extra}, time_ns=i, monotonic_ns=i, step=i))
    return told


def falling(count, noise=0.01, seed=3, floor=0.1):
    gauss = random.Random(seed).gauss
    return [floor + math.exp(-i / 8) + gauss(0, noise) for i in range(count)]


def rules(told):
    return [event.source.removeprefix("learning:") for event in told]


def test_a_training_that_levels_off_is_a_plateau_and_nothing_else():
    train, val = falling(60, seed=1), falling(60, seed=2, floor=0.15)
    told = epochs([{"train/loss": t, "val/loss": v} for t, v in zip(train, val, strict=True)])
    assert set(rules(told)) <= {"plateau"}


@pytest.mark.parametrize("seed", range(5))
def test_overfitting_is_named_soon_after_it_begins_with_the_epoch_to_stop_at(seed):
    train = falling(30, seed=seed, floor=0.02)
    val = [v + max(0, i - 12) * 0.03 for i, v in enumerate(falling(30, seed=seed + 50, floor=0.3))]
    told = epochs([{"train/loss": t, "val/loss": v} for t, v in zip(train, val, strict=True)])
    (event,) = told
    assert event.source == "learning:overfitting"
    assert event.kind == "learning"
    assert 10 <= event.evidence["best_epoch"] <= 20
    assert event.epoch <= 24
    assert event.evidence["val_slope_low"] > 0
    assert event.evidence["gap_slope_per_epoch"] > 0
    assert f"stop at epoch {event.evidence['best_epoch']}" in event.advice
    assert "regularis" in event.advice
    assert "more data" in event.advice


def test_overfitting_is_seen_in_accuracy_too():
    train = [min(1.0, max(0.0, 1 - v)) for v in falling(30, noise=0.003, floor=0.02)]
    val = [max(0.0, 1 - v - max(0, i - 12) * 0.02) for i, v in enumerate(falling(30, noise=0.003, seed=9, floor=0.3))]
    told = epochs([{"train/accuracy": t, "val/accuracy": v} for t, v in zip(train, val, strict=True)])
    assert rules(told) == ["overfitting"]
    assert told[0].metric == "val/accuracy"
    assert told[0].evidence["best"] > told[0].evidence["now"]


def test_underfitting_says_that_more_data_will_not_help():
    gauss = random.Random(1).gauss
    rows = [{"train/loss": 2.2 + gauss(0, 0.01), "val/loss": 2.25 + gauss(0, 0.01)} for _ in range(25)]
    told = epochs(rows)
    assert rules(told) == ["underfitting"]
    assert "larger model" in told[0].advice
    assert "more data alone will not help" in told[0].advice


def test_a_plateau_on_both_asks_for_a_lower_learning_rate_and_names_the_command_that_tries_it():
    values = falling(70, noise=0.002)
    watch = Watch(command=("train.py", "--lr", "0.1"))
    told = epochs([{"train/loss": v, "val/loss": v + 0.05} for v in values], watch)
    assert rules(told) == ["plateau"]
    assert "lower the learning rate" in told[0].advice
    assert 'perfkit tune --sweep "--lr=0.01,0.03" train.py --lr 0.1' in told[0].advice


def test_a_training_that_ends_while_it_improves_is_told_to_go_on():
    told = epochs([{"train/loss": v, "val/loss": v + 0.05} for v in falling(10, noise=0.002)])
    assert rules(told) == ["unfinished"]
    assert "train longer" in told[0].advice


def test_a_loss_that_climbs_above_its_start_diverges_and_the_learning_rate_is_named():
    values = [math.exp(-i / 50) for i in range(60)] + [0.3 * math.exp(i / 15) for i in range(60)]
    gauss = random.Random(1).gauss
    told = steps([v * math.exp(gauss(0, 0.05)) for v in values])
    (event,) = [event for event in told if event.kind == "learning"]
    assert event.source == "learning:divergence"
    assert event.severity == "critical"
    assert "lower the learning rate" in event.advice
    assert 80 <= event.step <= 95


def test_divergence_with_gradients_that_grow_names_clipping():
    loss = [1.0 + 0.02 * random.Random(2).random() for _ in range(20)] + [1.0 + 0.1 * i for i in range(40)]
    told = steps(loss, more={"train/grad_norm": lambda i: 1.0 if i < 20 else 1.3 ** (i - 20)})
    (event,) = [event for event in told if event.source == "learning:divergence"]
    assert "their norm rose with it" in event.advice


def test_nan_after_a_rise_names_the_learning_rate_and_nan_out_of_nowhere_does_not():
    risen = steps([1.0 + 0.01 * (i % 3) for i in range(40)] + [2.0, 8.0, 90.0, math.inf, math.nan])
    (lost,) = [event for event in risen if event.kind == "validity"]
    assert "lower the learning rate" in lost.advice
    sudden = steps([1.0 + 0.01 * (i % 3) for i in range(40)] + [math.nan] * 3)
    (lost,) = [event for event in sudden if event.kind == "validity"]
    assert "learning rate" not in lost.advice
    assert "GradScaler" in lost.advice


def test_a_class_that_is_hardly_found_is_named_once_and_its_recovery_once():
    def row(low):
        return {"val/recall[cat]": 0.9, "val/recall[dog]": 0.85, "val/recall[owl]": low, "val/recall[bee]": 0.8}

    told = epochs([row(0.1)] * 6 + [row(0.8)] * 3)
    assert [(event.kind, event.epoch) for event in told] == [("learning", 2), ("recovered", 6)]
    assert told[0].evidence["classes"] == {"owl": 0.1}
    assert "class weights" in told[0].advice


def test_trainings_that_go_well_are_left_alone():
    spoken = 0
    for seed in range(100):
        train, val = falling(50, 0.01, seed), falling(50, 0.015, seed + 1000, floor=0.2)
        told = epochs([{"train/loss": t, "val/loss": v} for t, v in zip(train, val, strict=True)])
        spoken += any(rule in ("overfitting", "underfitting", "divergence") for rule in rules(told))
    assert spoken <= 3  # 1 % of 100, and what chance adds to it


def test_a_noisy_loss_that_fell_all_the_time_did_not_rise_before_it_was_lost():
    for seed in range(20):
        gauss = random.Random(seed).gauss
        fallen = [2 / (1 + i / 40) * math.exp(gauss(0, 0.4)) for i in range(300)]
        (lost,) = [event for event in steps([*fallen, math.nan]) if event.kind == "validity"]
        assert "without having risen" in lost.advice


def test_a_loss_that_rose_slowly_before_it_was_lost_did_rise():
    gauss = random.Random(1).gauss
    risen = [math.exp(gauss(0, 0.2) + max(0, i - 200) / 15) for i in range(260)]
    (lost,) = [event for event in steps([*risen, math.nan]) if event.kind == "validity"]
    assert "it rose before it was lost" in lost.advice
