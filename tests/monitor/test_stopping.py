"""Early stop and keep-best: literal runs of values, and loud failure where the metric never appears."""

import copy
import math

import pytest

from perfkit.errors import MonitorError, PerfkitError, UsageError
from perfkit.monitor.history import History
from perfkit.monitor.stopping import KeepBest, StopOn

NAN, INF = math.nan, math.inf


def run(rule, values, name="val_loss"):
    """The rule's answers over epochs; None is an epoch without a value."""
    history = History()
    answers = []
    for epoch, value in enumerate(values):
        if value is not None:
            history.add({name: value}, epoch=epoch)
        answers.append(rule.epoch_ended(history, epoch))
    return answers


def first_stop(values, name="val_loss", **settings):
    rule = StopOn(settings.pop("metric", name), **settings)
    run(rule, values, name)
    return rule.stopped_epoch


@pytest.mark.parametrize(
    ("values", "settings", "stopped"),
    [
        ([3, 2, 1, 0.5], {"patience": 1}, None),
        ([3, 2, 2, 1], {"patience": 1}, 2),  # the same is no improvement
        ([3, 2, 2.5, 2.1, 1.9, 2, 2], {"patience": 2}, 3),
        ([3, 2, 2.5, 1.9, 2, 2], {"patience": 2}, 5),
        ([3, 2.95, 2.91, 2.85], {"patience": 2, "min_delta": 0.1}, 2),
        ([3, 2.95, 2.85, 2.8, 2.7], {"patience": 2, "min_delta": 0.1}, None),  # small steps add up
        ([1, 0.75, 0.5], {"patience": 1, "min_delta": 0.25}, 1),  # by more than min_delta, not by as much
        ([NAN, NAN, NAN], {"patience": 3}, 2),
        ([1, NAN, 0.9, NAN, NAN], {"patience": 2}, 4),
        ([1, -INF, 0.9], {"patience": 2}, None),  # an infinite value is never the best
        ([1.0, 0.9, 0.8], {"patience": 2, "baseline": 0.5}, 1),
        ([0.6, 0.4, 0.45, 0.3], {"patience": 2, "baseline": 0.5}, None),
        ([-1.0, -2.0, -3.0], {"patience": 1}, None),  # a loss may be negative
        ([1, None, 0.9, None, 0.95, None, 0.91], {"patience": 2, "every": 2}, 6),
        ([1, None, None, None], {"patience": 3}, 3),  # values that were due and did not come
    ],
)  # fmt: skip
def test_it_stops_after_as_many_epochs_without_improvement(values, settings, stopped):
    assert first_stop(values, **settings) == stopped


@pytest.mark.parametrize(
    ("name", "better", "values", "stopped"),
    [
        ("val_accuracy", None, [0.1, 0.2, 0.2], 2),
        ("val/f1", None, [0.1, 0.2, 0.3], None),
        ("val_recall[3]", None, [0.1, 0.2, 0.3], None),
        ("val_mae", None, [3, 2, 3], 2),
        ("val_my_score", "up", [1, 2, 3], None),
        ("val_my_score", "down", [1, 2, 3], 1),
        ("val_accuracy", "down", [0.3, 0.2, 0.1], None),  # what is given counts
    ],
)
def test_which_way_is_better_is_known_or_given(name, better, values, stopped):
    assert first_stop(values, name, patience=1, better=better) == stopped


def test_a_direction_that_is_not_known_must_be_given():
    with pytest.raises(
        UsageError, match="not known which way 'val_my_score' is better; give better='up' or better='down'"
    ):
        StopOn("val_my_score", patience=3)


def test_a_metric_that_is_not_there_fails_at_the_end_of_the_first_epoch():
    history = History()
    history.add({"loss": 1.0, "val_precision": 0.5}, epoch=0)
    with pytest.raises(
        MonitorError, match="no metric 'val_precison' at the end of epoch 0; did you mean 'val/precision'"
    ):
        StopOn("val_precison", patience=5, better="up").epoch_ended(history, 0)
    with pytest.raises(MonitorError, match=r"did you mean 'train/loss'.*every=N"):
        KeepBest("val_loss").epoch_ended(history, 0)
    with pytest.raises(MonitorError, match="there are: none"):
        StopOn("val_auc", patience=5).epoch_ended(History(), 0)
    assert issubclass(MonitorError, PerfkitError)


def test_a_metric_that_comes_every_third_epoch_fails_at_the_end_of_the_third():
    rule = StopOn("val_loss", patience=5, every=3)
    history = History()
    assert not rule.epoch_ended(history, 0)
    assert not rule.epoch_ended(history, 1)
    with pytest.raises(MonitorError, match="at the end of epoch 2"):
        rule.epoch_ended(history, 2)


def test_of_a_metric_with_many_values_in_an_epoch_the_last_counts():
    rule, history = StopOn("train/loss", patience=1), History()
    for epoch, values in enumerate([(9, 5), (7, 4), (1, 6)]):
        for value in values:
            history.add({"loss": value}, epoch=epoch)
        rule.epoch_ended(history, epoch)
    assert [d.value for d in rule.decisions] == [5, 4, 6]
    assert rule.stopped_epoch == 2


def test_a_name_that_is_found_stays_that_series():
    """Before there is a training f1, "f1" means that of the validation; it does not change its meaning later."""
    rule, history = StopOn("f1", patience=1), History()
    history.add({"val_f1": 0.5}, epoch=0)
    rule.epoch_ended(history, 0)
    history.add({"val_f1": 0.6, "train_f1": 0.1}, epoch=1)
    assert not rule.epoch_ended(history, 1)
    assert rule.decisions[-1].metric == "val/f1"


def test_each_decision_says_on_what_grounds():
    rule = StopOn("val_loss", patience=2)
    assert run(rule, [1.0, 2.0, NAN]) == [False, False, True]
    last = rule.decisions[-1]
    assert (last.epoch, last.metric, last.improved, last.best, last.best_epoch, last.waited, last.stop) == (
        2, "val/loss", False, 1.0, 0, 2, True,
    )  # fmt: skip
    assert str(last) == "val/loss nan; best 1 of epoch 0; 2 epochs without improvement, stop"


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"patience": 0}, "patience=0"),
        ({"min_delta": -1.0}, "min_delta=-1"),
        ({"every": 0}, "every=0"),
        ({"better": "more"}, "better='more'"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings, match):
    with pytest.raises(UsageError, match=match):
        StopOn("val_loss", **{"patience": 1, **settings})


def test_the_best_epoch_is_saved_and_restored():
    weights = {"w": 0}

    def restore(saved):
        weights.update(saved)

    best, history = KeepBest("val_accuracy", save=lambda: copy.deepcopy(weights), restore=restore), History()
    answers = []
    for epoch, value in enumerate([0.5, 0.8, NAN, 0.7, 0.8]):
        weights["w"] = epoch
        history.add({"val_accuracy": value}, epoch=epoch)
        answers.append(best.epoch_ended(history, epoch))
    assert answers == [True, True, False, False, False]
    assert (best.best, best.best_epoch, best.restore_best(), weights) == (0.8, 1, 1, {"w": 1})


def test_without_save_only_the_epoch_is_remembered():
    best = KeepBest("val_loss")
    run(best, [3.0, 1.0, 2.0])
    assert (best.best, best.best_epoch, best.saved) == (1.0, 1, None)
    with pytest.raises(UsageError, match="needs both save= and restore="):
        best.restore_best()


def test_nothing_is_restored_where_nothing_was_ever_good():
    best = KeepBest("val_loss", save=dict, restore=lambda saved: None)
    run(best, [NAN, INF])
    with pytest.raises(MonitorError, match="no epoch has been saved"):
        best.restore_best()


def test_an_epoch_that_could_not_be_saved_is_not_the_best():
    disk = iter(["first", OSError("No space left on device"), "third"])

    def save():
        value = next(disk)
        if isinstance(value, OSError):
            raise value
        return value

    best, history = KeepBest("val_loss", save=save, restore=lambda saved: None), History()
    history.add({"val_loss": 3.0}, epoch=0)
    best.epoch_ended(history, 0)
    history.add({"val_loss": 1.0}, epoch=1)
    with pytest.raises(OSError, match="No space left"):
        best.epoch_ended(history, 1)
    assert (best.best, best.best_epoch, best.saved) == (3.0, 0, "first")
    history.add({"val_loss": 2.0}, epoch=2)
    assert best.epoch_ended(history, 2)
    assert (best.best, best.restore_best(), best.saved) == (2.0, 2, "third")
