"""The steps_per_execution rule, judged by literal evidence."""

import pytest

KERAS = {"backend": "tensorflow"}
MODEL = {"run_eagerly": False, "steps_per_execution": 1}
TRAINING = {"mode": "training"}


def short(phases, **more):
    return phases(**({"function": 0.0010, "callbacks": 0.0001, "other": 0.0001} | more))


def test_short_steps_are_to_be_made_together(ask, phases):
    said = ask("steps_per_execution", breakdown=short(phases), headline=TRAINING, compiled_model=MODEL, keras=KERAS)
    rest = 31 / 32
    assert (said.saves.low, said.saves.high) == pytest.approx((rest * 0.5 / 1.2, rest * 1.1 / 1.2))
    assert "steps_per_execution=32" in said.how


@pytest.mark.parametrize(
    "given",
    [
        {"compiled_model": MODEL | {"steps_per_execution": 16}},
        {"compiled_model": MODEL | {"run_eagerly": True}},
        {"keras": {"backend": "torch"}},
        {"headline": {"mode": "inference"}},
        {"breakdown": {"function": 0.006}},
        {"breakdown": {"function": 0.0045, "callbacks": 0.00001, "other": 0.00005}},
    ],
)
def test_it_is_silent(ask, phases, given):
    evidence = {"headline": TRAINING, "compiled_model": MODEL, "keras": KERAS} | given
    evidence["breakdown"] = short(phases, **given.get("breakdown", {}))
    assert ask("steps_per_execution", **evidence) is None
