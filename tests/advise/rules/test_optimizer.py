"""The optimizer rule, judged by literal evidence."""

import pytest

ADAM = {
    "class": "torch.optim.adam.Adam", "fused": None, "foreach": None, "tensors": 242, "elements": 257930,
    "devices": {"cpu": 257930}, "dtypes": {"float32": 257930}, "state_bytes": 2 * 4 * 257930,
}  # fmt: skip


@pytest.fixture
def half(phases):
    return phases(forward=0.03, backward=0.03, optimizer=0.04)


def test_it_speaks_of_many_small_tensors_updated_one_by_one(ask, half):
    said = ask("optimizer", breakdown=half, optimizer=ADAM)
    assert said.fix.parameters == {"fused": True}
    # Measured: 100 tensors of 1000 elements took 80 % less in the fused operator.
    assert said.saves.low < 0.4 * 0.80 < said.saves.high
    assert said.saves.high - said.saves.low < 0.10


def test_large_tensors_gain_too_but_less(ask, half):
    said = ask("optimizer", breakdown=half, optimizer={**ADAM, "tensors": 100, "elements": 10_000_000})
    assert said.saves.low < 0.4 * 0.56 < said.saves.high


@pytest.mark.parametrize("applied", [{"fused": True}, {"foreach": True}, {"compiled": True}])
def test_it_is_silent_where_another_implementation_was_chosen(ask, half, applied):
    assert ask("optimizer", breakdown=half, optimizer={**ADAM, **applied}) is None


def test_it_is_silent_where_the_optimizer_takes_little(ask, phases):
    assert ask("optimizer", breakdown=phases(forward=0.05, backward=0.05, optimizer=0.004), optimizer=ADAM) is None


def test_plain_sgd_on_large_tensors_gains_nothing(ask, half):
    sgd = {**ADAM, "class": "torch.optim.sgd.SGD", "tensors": 20, "elements": 20_000_000, "state_bytes": 0}
    assert ask("optimizer", breakdown=half, optimizer=sgd) is None


def test_foreach_is_told_for_small_tensors_only(ask, half):
    """Measured: RMSprop with 100 tensors of 100,000 elements took 2.2 times as long."""
    small = {**ADAM, "class": "torch.optim.rmsprop.RMSprop"}
    assert ask("optimizer", breakdown=half, optimizer=small).fix.parameters == {"foreach": True}
    assert ask("optimizer", breakdown=half, optimizer={**small, "elements": 242 * 100_000}) is None


def test_it_leaves_gpus_and_optimizers_of_others_alone(ask, half):
    assert ask("optimizer", breakdown=half, optimizer={**ADAM, "devices": {"cuda:0": 257930}}) is None
    assert ask("optimizer", breakdown=half, optimizer={**ADAM, "class": "lion_pytorch.Lion"}) is None
    assert ask("optimizer", breakdown=half, optimizer={**ADAM, "dtypes": {"float64": 257930}}) is None
