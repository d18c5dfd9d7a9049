"""The checkpoint rule, judged by literal evidence."""

import pytest


def test_it_speaks_when_saving_takes_the_step(ask, phases):
    breakdown = phases(forward=0.03, backward=0.03, checkpoint=0.04)
    said = ask("checkpoint", breakdown=breakdown, checkpoints={"steps_between": 2.0, "seconds_each": 0.08})
    assert said.cause == "checkpoint" and "% 20" in said.how
    # Between every third save and every twentieth, with what saving costs beside its own time.
    assert (said.saves.low, said.saves.high) == pytest.approx((0.4 * 2 / 3, (0.4 + 0.15 * 0.6) * 0.95))


def test_it_is_silent_for_one_save_in_an_epoch(ask, phases):
    assert ask("checkpoint", breakdown=phases(forward=0.05, checkpoint=0.002)) is None


def test_it_is_silent_without_saves(ask, phases):
    assert ask("checkpoint", breakdown=phases(forward=0.05, backward=0.05)) is None


def test_of_keras_fit_it_names_the_callback(ask, phases):
    said = ask("checkpoint", breakdown=phases(function=0.06, checkpoint=0.04), compiled_model={"class": "Sequential"})
    assert "ModelCheckpoint" in said.how
