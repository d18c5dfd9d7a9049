"""The frozen_backward rule, judged by literal evidence."""

import pytest

BODY = {"parameters": 3_000_000, "parameter_tensors": 60, "frozen_parameters": 0, "grad_enabled": 1.0}
HEAD = [{"tensors": 2, "elements": 2570}]


@pytest.fixture
def full(phases):
    return phases(forward=0.03, backward=0.06, optimizer=0.001)


def test_it_speaks_where_the_optimizer_holds_the_head_alone(ask, full):
    said = ask("frozen_backward", breakdown=full, model=BODY, optimizers=HEAD)
    assert "requires_grad_(False)" in said.how
    assert said.saves.low == pytest.approx(0.85 * 0.06 / 0.091)
    assert said.saves.high - said.saves.low < 0.25


def test_it_is_silent_where_the_body_is_frozen(ask, full, phases):
    frozen = {**BODY, "frozen_parameters": 2_997_430}
    assert ask("frozen_backward", breakdown=full, model=frozen, optimizers=HEAD) is None


def test_it_is_silent_where_backward_ends_at_the_head(ask, phases):
    detached = phases(forward=0.03, backward=0.002, optimizer=0.001)
    assert ask("frozen_backward", breakdown=detached, model=BODY, optimizers=HEAD) is None


def test_it_is_silent_where_the_body_is_called_without_gradients(ask, full):
    assert ask("frozen_backward", breakdown=full, model={**BODY, "grad_enabled": 0.0}, optimizers=HEAD) is None


def test_it_is_silent_where_all_is_trained(ask, full):
    everything = [{"tensors": 60, "elements": 3_000_000}]
    assert ask("frozen_backward", breakdown=full, model=BODY, optimizers=everything) is None


@pytest.mark.parametrize("tensors", [1, 24])
def test_prompts_and_adapters_lie_behind_the_body(ask, full, tensors):
    inside = [{"tensors": tensors, "elements": 50_000}]
    assert ask("frozen_backward", breakdown=full, model=BODY, optimizers=inside) is None


def test_two_models_with_an_optimizer_each_hold_what_they_train(ask, full):
    both = [{"tensors": 60, "elements": 3_000_000}, {"tensors": 4, "elements": 1000}]
    assert ask("frozen_backward", breakdown=full, model=BODY, optimizers=both) is None
