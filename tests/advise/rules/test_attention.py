"""The attention rule, judged by literal evidence."""

import pytest

CPU = {"devices": {"cpu": 1000}}


def row(name, seconds, shape, *, dtype="float", module="blocks.*.attention"):
    return {
        "name": name, "kind": "operator", "module": module, "calls_per_step": 2.0, "seconds_per_step": seconds,
        "shapes": str([shape, []]), "dtypes": f'["{dtype}", "Scalar"]',
    }  # fmt: skip


def by_hand(length, **changes):
    scores = [4, 4, length, length]
    return [
        row("aten::_softmax", 0.02, scores, **changes),
        row("aten::_softmax_backward_data", 0.02, scores, **changes),
        row("aten::masked_fill_", 0.01, scores, **changes),
        row("aten::bmm", 0.02, [16, length, 32], **changes),
        row("aten::mm", 0.02, [2048, 128], module="blocks.*.mlp"),
    ]


@pytest.fixture
def base(phases):
    return {"step_s": 0.1, "model": CPU, "breakdown": phases(forward=0.04, backward=0.06)}


def test_it_speaks_of_attention_by_hand_on_long_sequences(ask, base):
    said = ask("attention", host_operators=by_hand(512), **base)
    # 70 % of the step is on scores, and 66 to 70 % of that were saved at 512 positions.
    assert said.saves.low < 0.7 * 0.66 < 0.7 * 0.70 < said.saves.high
    assert said.saves.high - said.saves.low < 0.25


def test_it_is_silent_where_the_fused_operator_computes(ask, base):
    fused = [*by_hand(512), row("aten::_scaled_dot_product_flash_attention_for_cpu", 0.01, [4, 4, 512, 32])]
    assert ask("attention", host_operators=fused, **base) is None


def test_it_is_silent_for_short_sequences(ask, base):
    assert ask("attention", host_operators=by_hand(32), **base) is None


def test_it_is_silent_in_training_with_dropout_on_the_weights(ask, base, phases):
    dropped = [*by_hand(512), row("aten::bernoulli_", 0.01, [4, 4, 512, 512])]
    assert ask("attention", host_operators=dropped, **base) is None
    assert ask("attention", host_operators=dropped, **{**base, "breakdown": phases(forward=0.1)}) is not None


def test_it_is_silent_in_16_bit(ask, base):
    assert ask("attention", host_operators=by_hand(512, dtype="c10::BFloat16"), **base) is None


def test_a_softmax_over_classes_is_no_attention(ask, base):
    classes = [row("aten::_softmax", 0.06, [16, 128, 1000]), row("aten::mm", 0.02, [2048, 128])]
    assert ask("attention", host_operators=classes, **base) is None


def test_it_is_silent_on_a_gpu(ask, base):
    assert ask("attention", host_operators=by_hand(512), **{**base, "model": {"devices": {"cuda:0": 9}}}) is None
