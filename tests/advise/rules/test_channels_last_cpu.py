"""The channels_last_cpu rule, judged by literal evidence."""

import pytest

CPU = {"devices": {"cpu": 1000}, "conv_parameters": 900, "channels_last": 0.0}
PICTURES = [64, 32, 28, 28]


def row(name, seconds, *shapes, work=None, dtype="float"):
    return {
        "name": name, "kind": "operator", "work": work, "calls_per_step": 2.0, "seconds_per_step": seconds,
        "shapes": str(list(shapes)), "dtypes": f'["{dtype}"]',
    }  # fmt: skip


CONV = row("aten::mkldnn_convolution", 0.045, PICTURES, [64, 32, 3, 3], [64], work="convolution")
POOL = row("aten::max_pool2d_with_indices", 0.035, PICTURES, [])
DEEP = row("aten::mkldnn_convolution", 0.03, PICTURES, [32, 1, 3, 3], [], work="convolution")
SIGNAL = row("aten::mkldnn_convolution", 0.045, [64, 16, 256], [32, 16, 5], work="convolution")
LINES = row("aten::max_pool2d_with_indices", 0.035, [64, 16, 1, 256], [])
NORM = row("aten::native_batch_norm", 0.02, PICTURES, work="normalisation")


def test_it_speaks_of_max_pooling_over_planes(ask):
    said = ask("channels_last_cpu", step_s=0.1, host_operators=[CONV, POOL], model=CPU)
    # Measured on two networks like this: 29 and 36 % of the step.
    assert said.saves.low <= 0.29 < 0.36 <= said.saves.high
    assert said.saves.high - said.saves.low < 0.25


def test_it_speaks_of_depthwise_convolutions(ask):
    said = ask("channels_last_cpu", step_s=0.1, host_operators=[CONV, DEEP, NORM], model=CPU)
    assert said.evidence["depthwise convolutions"] == "30 %"
    assert said.saves.low < 0.24 < 0.26 < said.saves.high


GRADIENT = row("aten::convolution_backward", 0.05, PICTURES, [64, 1, 28, 28], [32, 1, 3, 3], work="convolution")
TO_ONE = row("aten::convolution_backward", 0.05, [64, 1, 56, 56], PICTURES, [32, 1, 4, 4], work="convolution")


@pytest.mark.parametrize("rows", [[GRADIENT], [TO_ONE]], ids=["from grey pictures", "transposed, to grey pictures"])
def test_convolutions_of_one_channel_are_not_taken_for_depthwise_ones(ask, rows):
    assert ask("channels_last_cpu", step_s=0.1, host_operators=[CONV, *rows], model=CPU) is None


def test_it_is_silent_where_channels_last_is_on(ask):
    applied = {**CPU, "channels_last": 1.0}
    assert ask("channels_last_cpu", step_s=0.1, host_operators=[CONV, POOL], model=applied) is None


@pytest.mark.parametrize(
    ("step_s", "rows"),
    [
        (0.1, [CONV, NORM]),
        (0.1, [SIGNAL, LINES]),
        (0.002, [CONV, POOL]),
        (0.1, [POOL]),
        (0.1, [{**CONV, "dtypes": '["c10::BFloat16"]'}, POOL]),
    ],
    ids=["plain convolutions", "signals", "a tiny step", "no convolution", "16 bit"],
)
def test_it_is_silent_where_little_or_nothing_was_gained(ask, step_s, rows):
    assert ask("channels_last_cpu", step_s=step_s, host_operators=rows, model=CPU) is None


def test_it_is_silent_on_a_gpu(ask):
    gpu = {**CPU, "devices": {"cuda:0": 1000}}
    assert ask("channels_last_cpu", step_s=0.1, host_operators=[CONV, POOL], model=gpu) is None
