"""The run_eagerly rule, judged by literal evidence."""

import pytest

KERAS, TF = {"backend": "tensorflow"}, {"run_functions_eagerly": False}


def eager(phases, **more):
    return phases(
        **({"forward": 0.012, "backward": 0.005, "optimizer": 0.026, "function": 0.002, "other": 0.007} | more)
    )


def test_of_run_eagerly_it_says_so(ask, phases):
    said = ask("run_eagerly", breakdown=eager(phases), tensorflow=TF, keras=KERAS, compiled_model={"run_eagerly": True})
    assert (said.saves.low, said.saves.high) == pytest.approx((0.45, 0.96))
    assert "without run_eagerly" in said.how
    assert said.confidence == "high"


def test_of_a_loop_of_ones_own_it_asks_for_a_function(ask, phases):
    said = ask("run_eagerly", breakdown=eager(phases), tensorflow=TF, keras=KERAS)
    assert "@tf.function" in said.how


@pytest.mark.parametrize(
    "given",
    [
        {"breakdown": {"optimizer": 0.0, "forward": 0.0, "backward": 0.0, "function": 0.04}},  # a graph
        {"keras": {"backend": "torch"}},
        {"breakdown": {"forward": 0.2, "backward": 0.2, "optimizer": 0.02}},  # arithmetic
    ],
)
def test_it_is_silent(ask, phases, given):
    evidence = {"tensorflow": TF, "keras": KERAS} | given
    evidence["breakdown"] = eager(phases, **given.get("breakdown", {}))
    assert ask("run_eagerly", **evidence) is None
