"""The fit_batch_size rule, judged by literal evidence."""

import pytest

KERAS = {"backend": "tensorflow"}
MODEL = {"run_eagerly": False, "steps_per_execution": 1}
TRAINING = {"mode": "training", "samples_per_step": 4.0}
BATCHES = {"batch_size": 4}


def short(phases, **more):
    return phases(**({"function": 0.0006, "callbacks": 0.0002, "other": 0.0002} | more))


def asked(ask, phases, **given):
    evidence = {"headline": TRAINING, "compiled_model": MODEL, "keras": KERAS, "batches": BATCHES} | given
    evidence["breakdown"] = short(phases, **given.get("breakdown", {}))
    return ask("fit_batch_size", **evidence)


def test_what_is_paid_once_per_batch_is_shared_by_more_samples(ask, phases):
    said = asked(ask, phases)
    rest = 1 - 4 / 64
    assert (said.saves.low, said.saves.high) == pytest.approx((rest * 0.7, rest))
    assert said.title == "Compute 64 samples at a time instead of 4"
    assert said.fix.parameters == {"batch_size": 64}
    assert "learning rate" in said.how


def test_in_inference_nothing_changes_but_the_speed(ask, phases):
    said = asked(ask, phases, headline=TRAINING | {"mode": "inference"}, batches={"batch_size": -1})
    assert said.how == "model.predict(..., batch_size=64)"
    assert said.fix is None


@pytest.mark.parametrize(
    "given",
    [
        {"batches": {"batch_size": 32}},
        {"batches": {"batch_size": -1}, "headline": {"mode": "training", "samples_per_step": None}},
        {"compiled_model": MODEL | {"run_eagerly": True}},
        {"compiled_model": MODEL | {"steps_per_execution": 16}},
        {"keras": {"backend": "torch"}},
        {"tensorflow": {"devices": [{"name": "GPU:0"}]}},
        {"breakdown": {"function": 0.0055}},
        {"breakdown": {"data": 0.0006}},
        # A call that computes: what is surely the call's own price is too little.
        {"breakdown": {"function": 0.0040, "callbacks": 0.0, "other": 0.0001}},
    ],
)
def test_it_is_silent(ask, phases, given):
    assert asked(ask, phases, **given) is None
