"""History: names as people write them, series on one axis."""

import json

import pytest

from perfkit.monitor.history import History
from perfkit.monitor.names import canonical


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("loss", "train/loss"), ("val_loss", "val/loss"), ("test_loss", "test/loss"), ("train_recall", "train/recall"),
        ("test_recall", "test/recall"), ("acc", "train/accuracy"), ("val_acc", "val/accuracy"), ("eval/loss", "val/loss"),
        ("validation-loss", "val/loss"), ("lr", "train/learning_rate"), ("pre_loss", "probe/loss_before"), ("Loss", "train/loss"),
        ("step_time", "perf/step_time_s"), ("train_eval_accuracy", "train_eval/accuracy"), ("my/score", "my/score"),
    ],
)  # fmt: skip
def test_a_name_as_people_write_it_has_one_canonical_form(written, meant):
    assert canonical(written) == meant
    assert canonical(meant) == meant


def test_values_are_read_under_any_of_their_names():
    history = History()
    history.add({"loss": 2.0, "val_acc": 0.5}, step=10, epoch=0)
    history.add({"loss": 1.0}, step=20, epoch=1)
    assert history["train/loss"].tolist() == history["loss"].tolist() == [2.0, 1.0]
    assert history["accuracy"].tolist() == [0.5]  # there is none of the training
    assert history.series("loss").steps.tolist() == [10, 20]
    assert "val_accuracy" in history
    assert "recall" not in history


def test_a_name_that_is_not_there_is_answered_with_near_ones():
    history = History()
    history.add({"val_precision": 1.0, "loss": 1.0})
    with pytest.raises(KeyError, match="did you mean 'val/precision'"):
        history["val_precison"]


def test_the_frame_has_a_row_per_value_and_null_where_an_axis_is_unknown():
    history = History()
    history.add({"loss": 1.0}, step=3)
    frame = history.to_frame()
    assert frame.rows() == [("train/loss", 1.0, 3, None, frame["time_ns"][0])]
    assert History().to_frame().columns == frame.columns


def test_json_is_standard_also_with_what_is_not_finite():
    history = History()
    history.add({"loss": float("nan")})
    assert json.loads(history.to_json())["train/loss"]["values"] == [None]
