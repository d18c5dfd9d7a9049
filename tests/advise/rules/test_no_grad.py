"""The no_grad rule, judged by literal evidence and by what was measured on a CPU."""

import pytest

MODEL = {"parameters": 1000, "frozen_parameters": 0, "grad_enabled": 1.0}
INFERENCE, TRAINING = {"mode": "inference", "steady_count": 50}, {"mode": "training", "steady_count": 50}


def operator(name, seconds, calls, work=None, module="layers.0"):
    return {
        "name": name, "kind": "operator", "work": work, "module": module, "seconds_per_step": seconds,
        "calls_per_step": calls,
    }  # fmt: skip


LARGE_PRODUCTS = [operator("aten::addmm", 0.030, 4, "matmul"), operator("aten::relu", 0.002, 4)]
LARGE_ELEMENTWISE = [operator("aten::mul", 0.020, 12), operator("aten::tanh", 0.015, 12)]
SMALL = [operator("aten::addmm", 50e-6, 4, "matmul"), operator("aten::relu", 15e-6, 4)]
ENCODER = [operator("aten::addmm", 0.002, 4, "matmul", f"encoder.layers.*.{part}")
           for part in ("self_attn", "linear1", "linear2")]  # fmt: skip


@pytest.mark.parametrize(
    ("operators", "measured"),
    [(LARGE_PRODUCTS, 0.07), (LARGE_ELEMENTWISE, 0.52), (SMALL, 0.18), (ENCODER, 0.45)],
    ids=["large products", "large elementwise", "small operators", "nn.TransformerEncoderLayer"],
)
def test_the_measured_gain_lies_in_the_interval(ask, phases, operators, measured):
    said = ask(
        "no_grad", breakdown=phases(forward=0.04), headline=INFERENCE, model=MODEL, host_operators=operators
    )  # fmt: skip
    assert said.saves.low <= measured <= said.saves.high
    assert said.saves.high - said.saves.low <= 0.25


def test_it_speaks_for_an_evaluation_with_gradients(ask, phases):
    said = ask(
        "no_grad", breakdown=phases(forward=0.02, backward=0.03, evaluation=0.05), headline=TRAINING, model=MODEL,
        evaluations={"with_grad": 1.0}, host_operators=ENCODER,
    )  # fmt: skip
    assert said.cause == "evaluation" and 0.20 < said.saves.low < said.saves.high < 0.30


def test_it_is_silent_when_gradients_are_off(ask, phases):
    model = {**MODEL, "grad_enabled": 0.0}
    assert ask("no_grad", breakdown=phases(forward=0.04), headline=INFERENCE, model=model) is None
    given = {"breakdown": phases(forward=0.02, evaluation=0.05), "headline": TRAINING, "model": MODEL}
    assert ask("no_grad", evaluations={"with_grad": 0.0}, **given) is None


def test_it_is_silent_for_a_frozen_model(ask, phases):
    model = {**MODEL, "frozen_parameters": 1000}
    assert ask("no_grad", breakdown=phases(forward=0.04), headline=INFERENCE, model=model) is None


def test_training_itself_needs_its_gradients(ask, phases):
    breakdown = phases(forward=0.02, backward=0.03)
    assert ask("no_grad", breakdown=breakdown, headline=TRAINING, model=MODEL, host_operators=SMALL) is None


def test_a_small_evaluation_is_not_worth_it(ask, phases):
    breakdown = phases(forward=0.04, backward=0.05, evaluation=0.006)
    given = {"headline": TRAINING, "model": MODEL, "evaluations": {"with_grad": 1.0}, "host_operators": SMALL}
    assert ask("no_grad", breakdown=breakdown, **given) is None


def test_it_says_nothing_of_gpus_where_nothing_was_measured(ask, phases):
    model = {**MODEL, "devices": {"cuda:0": 1000}}
    given = {"breakdown": phases(forward=0.04), "headline": INFERENCE, "host_operators": SMALL}
    assert ask("no_grad", model=model, **given) is None
    assert ask("no_grad", model={**model, "devices": {"cpu": 1000}}, **given) is not None
