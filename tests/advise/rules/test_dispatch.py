"""The dispatch rule, judged by literal evidence."""

import pytest

CPU = {"devices": {"cpu": 1000}, "compiled": False}


def row(name, calls, shape, *, work=None, seconds=0.0005, module="Oscillators"):
    return {
        "name": name, "kind": "operator", "work": work, "module": module, "calls_per_step": calls,
        "seconds_per_step": seconds, "shapes": str([shape, []]),
    }  # fmt: skip


CHAIN = [row("aten::mul", 120.0, [128, 16]), row("aten::sin", 24.0, [128, 16]), row("aten::add", 70.0, [128, 16])]


@pytest.fixture
def base(phases):
    return {"breakdown": phases(forward=0.001, backward=0.001, optimizer=0.0001), "model": CPU}


def test_it_speaks_of_a_chain_of_tiny_operators(ask, base):
    said = ask("dispatch", host_operators=CHAIN, **base)
    # Measured on 2048 numbers: 66 % of the step.
    assert said.saves.low < 0.62 < said.saves.high
    assert said.saves.high - said.saves.low < 0.25


def test_it_is_silent_where_the_model_is_compiled(ask, base):
    assert ask("dispatch", host_operators=CHAIN, **{**base, "model": {**CPU, "compiled": True}}) is None


@pytest.mark.parametrize(
    "rows",
    [
        [row("aten::mul", 120.0, [256, 64])],
        [*CHAIN, row("aten::addmm", 60.0, [16], work="matmul")],
        [*CHAIN, row("aten::addmm", 2.0, [16], work="matmul", seconds=0.001)],
        [row("aten::mul", 20.0, [128, 16])],
        [*CHAIN, row("aten::unsafe_split", 32.0, [64, 96])],
        [row("aten::mul_", 300.0, [16], module="optimizer")],
    ],
    ids=["larger tensors", "matrix products", "a large product", "few calls", "a recurrent layer", "the optimizer's"],
)
def test_it_is_silent_where_compiling_helped_little_or_harmed(ask, base, rows):
    assert ask("dispatch", host_operators=rows, **base) is None


def test_it_is_silent_on_a_gpu(ask, base):
    assert ask("dispatch", host_operators=CHAIN, **{**base, "model": {"devices": {"cuda:0": 9}}}) is None
