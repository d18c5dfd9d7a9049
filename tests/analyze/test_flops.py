"""FLOPs against counts by hand and, for real traces of small models, against torch's own counter."""

import json

import pytest

from perfkit.analyze.flops import operator_flops, read_constants
from perfkit.analyze.trace_view import analyze_trace

ATTENTION = [[2, 3, 8, 4], [2, 3, 16, 4], [2, 3, 16, 5]]  # batch, heads, positions, width
BACKWARD = [[2, 3, 8, 5], *ATTENTION]


def constants(*values):
    return json.dumps(["" if value is None else str(value) for value in values])


CONV = constants(None, None, None, [1, 1], [2, 2], [1, 1], 1)  # mkldnn: bias, padding, stride, dilation, groups
CUDNN = constants(None, None, [0, 0], [1, 1], [2, 2], 1)
UP = constants(None, None, [0, 0], [0, 0], [2, 2], [1, 1], 1)


def backward(mask, transposed=False):
    return constants(None, None, None, [0], [1, 1], [0, 0], [1, 1], transposed, [0, 0], 1, mask)


@pytest.mark.parametrize(
    ("name", "shapes", "given", "flops"),
    [
        ("aten::mv", [[4, 5], [5]], "", 40),
        ("aten::baddbmm", [[2, 4, 6], [2, 4, 5], [2, 5, 6]], "", 480),
        ("aten::mkldnn_linear", [[2, 4, 5], [6, 5], [6]], "", 480),
        # 8 → (8 + 2 - 2 - 1) // 2 + 1 = 4 positions a side, 16 outputs of 3 by 3 by 3
        ("aten::mkldnn_convolution", [[2, 3, 8, 8], [16, 3, 3, 3], [16]], CONV, 2 * 2 * 16 * 16 * 27),
        # dilation 2: kernel reaches over 5, 8 → 4
        ("aten::cudnn_convolution", [[2, 3, 8, 8], [16, 3, 3, 3]], CUDNN, 2 * 2 * 16 * 16 * 27),
        # two groups of 2 inputs each
        (
            "aten::mkldnn_convolution",
            [[1, 4, 8, 8], [6, 2, 3, 3], []],
            CONV.replace('"1"', '"2"'),
            2 * 6 * 16 * 2 * 9,
        ),
        ("aten::cudnn_convolution_transpose", [[1, 4, 8, 8], [4, 6, 2, 2]], UP, 2 * 4 * 64 * 6 * 4),
        ("aten::convolution_backward", [[1, 8, 10, 10], [1, 3, 12, 12], [8, 3, 3, 3]], backward([True, True, False]), 2 * 2 * 800 * 27),
        ("aten::convolution_backward", [[1, 8, 10, 10], [1, 3, 12, 12], [8, 3, 3, 3]], backward([False, True, True]), 2 * 800 * 27),
        ("aten::convolution_backward", [[1, 6, 16, 16], [1, 4, 8, 8], [4, 6, 2, 2]], backward([True, True, False], True), 4 * 4 * 64 * 24),
        ("aten::_scaled_dot_product_flash_attention_for_cpu", ATTENTION, "", 2 * 2 * 3 * 8 * 16 * (4 + 5)),
        ("aten::_scaled_dot_product_cudnn_attention_backward", BACKWARD, "", 2 * 2 * 3 * 8 * 16 * (3 * 4 + 2 * 5)),
        ("aten::_flash_attention_forward", [[2, 8, 3, 4], [2, 16, 3, 4], [2, 16, 3, 5]], "", 2 * 2 * 3 * 8 * 16 * 9),
        ("aten::_cudnn_rnn", [[7, 2, 5], [[12, 5], [12, 3], [12], [12]], []], "", 2 * 14 * (60 + 36)),
        ("aten::cudnn_convolution", [[2, 3, 8, 8], [16, 3, 3, 3]], "", None),  # no constants, no size of the output
        ("aten::cudnn_convolution", [[2, 3, 8, 8], [16, 3, 3, 3]], '["", "", "x"]', None),
        ("aten::cudnn_convolution", [[2, 3, 8, 8], [16, 3, 3, 3]], "not json", None),
    ],
)  # fmt: skip
def test_flops_are_those_counted_by_hand(name, shapes, given, flops):
    assert operator_flops(name, json.dumps(shapes), given) == flops


def test_constants_are_read_from_the_text_that_a_trace_gives():
    assert read_constants('["", "[1, 1]", "False", "2"]') == [None, [1, 1], False, 2]
    assert read_constants("") == []


# Four heads of width 8 over 16 positions, batch 4: two products forward, five backward.
ATTENTION_FLOPS = 7 * 2 * 4 * 4 * 16 * 16 * 8


def models(torch):
    nn = torch.nn

    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.qkv, self.out = nn.Linear(32, 96), nn.Linear(32, 32)

        def forward(self, x):
            q, k, v = (part.view(4, 16, 4, 8).transpose(1, 2) for part in self.qkv(x).chunk(3, dim=-1))
            attended = nn.functional.scaled_dot_product_attention(q, k, v)
            return self.out(attended.transpose(1, 2).reshape(4, 16, 32))

    convolutions = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, dilation=2), nn.ReLU(),
        nn.ConvTranspose2d(8, 6, 2, stride=2), nn.Flatten(), nn.Linear(6 * 24 * 24, 10),
    )  # fmt: skip
    return {
        "linear": (nn.Sequential(nn.Linear(20, 40), nn.GELU(), nn.Linear(40, 5)), torch.randn(7, 20)),
        "convolutions": (convolutions, torch.randn(2, 3, 32, 32)),
        "attention": (Attention(), torch.randn(4, 16, 32)),
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", ["linear", "convolutions", "attention"])
def test_flops_of_a_real_step_are_those_of_torchs_counter(name, tmp_path):
    torch = pytest.importorskip("torch")
    from torch.utils.flop_counter import FlopCounterMode

    torch.set_num_threads(1)
    model, data = models(torch)[name]

    def step():
        model(data).sum().backward()

    step()
    with FlopCounterMode(display=False) as theirs:  # it has no formula for the CPU's fused attention, groups are wrong
        step()
    with torch.profiler.profile(record_shapes=True) as profile:
        step()
    path = tmp_path / "trace.json"
    profile.export_chrome_trace(str(path))
    found = analyze_trace(path).work
    attention = sum(sum(of.values()) for operator, of in found.flops_by_operator.items() if "attention" in operator)
    assert found.flops_per_step - attention == pytest.approx(theirs.get_total_flops(), rel=1e-6)
    assert attention == pytest.approx(ATTENTION_FLOPS if name == "attention" else 0)
    assert found.counted_share == pytest.approx(1)
