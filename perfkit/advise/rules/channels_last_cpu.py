"""Convolutions and pooling on a CPU work on a layout that suits them badly.

Pictures are stored plane by plane unless told otherwise. The CPU's kernels compute along the channels: max pooling
over planes is 10 to 16 times slower than over pixels (measured: 23.6 against 1.4 ms for one layer of 64 pictures of 28 by 28 with 32 channels
and one of 14 by 14), and depthwise convolutions lose as well.

Speaks when a convolution network in float32 spends at least 10 % of the step in max pooling over planes, or is made of depthwise
convolutions.

Cure: ``model.to(memory_format=torch.channels_last)``, and the same for the pictures; shapes stay as they are.

How the gain is told, from whole steps measured (torch 2.13, one thread, oneDNN). Of max pooling's forward 80 to 95 % goes, and up
to a fifth of the convolutions' time with it (two networks with pooling: 29 and 36 % of a training step, 64 % of an
inference). Of networks with depthwise convolutions 16 to 36 % of the time in operators on pictures (measured: 24
and 26 % of the step).

It is silent where channels_last is on, in 16 bit (not measured), for plain convolutions without pooling, which gained 3 to
16 % in training, and for small ones, which lost: 8 and 16 % where a step takes 1 to 3 ms.
"""

from __future__ import annotations

from typing import Any

from ...model.records import Finding, Fix, Interval
from ..host_work import compute_takes, is_on_cpu, operators, seconds, shapes
from ..what_if import ms, percent

MIN_POOLING = 0.10
MIN_SAVES = 0.06
# Networks whose step was shorter lost by it.
MIN_STEP_S = 3e-3
APPLIED = 0.5
DIRECT = ("aten::mkldnn_convolution", "aten::_conv_depthwise2d", "aten::thnn_conv2d", "aten::_slow_conv2d_forward")
POOLING = "aten::max_pool2d_with_indices"
OF_POOLING, OF_CONVOLUTION = (0.80, 0.95), (0.0, 0.20)
OF_DEPTHWISE = (0.16, 0.36)
# Share of the convolutions' time in depthwise ones that makes it a network of the kind.
MIN_DEPTHWISE = 0.20
LINK = "https://docs.pytorch.org/tutorials/intermediate/memory_format_tutorial.html"

Row = dict[str, Any]


def check(step_s: float, host_operators: list[Row], model: Row, breakdown: list[Row] | None = None) -> Finding | None:
    """Judge the layout of pictures on a CPU."""
    rows = operators(host_operators)
    convolutions = [row for row in rows if row.get("work") == "convolution" and _is_picture(row)]
    if not step_s or step_s < MIN_STEP_S or not is_on_cpu(model) or not convolutions:
        return None
    if (
        model.get("conv_parameters") == 0
        or (model.get("channels_last") or 0.0) >= APPLIED
        or any("BFloat16" in str(row.get("dtypes")) for row in rows)
    ):
        return None
    pooling = seconds([row for row in rows if row["name"] == POOLING and _is_picture(row)]) / step_s
    convolving = min(1.0, seconds(convolutions) / step_s)
    if pooling >= MIN_POOLING:
        ends = [OF_POOLING[end] * pooling + OF_CONVOLUTION[end] * convolving for end in (0, 1)]
        return _finding(ends, step_s, {"max pooling over planes": percent(pooling)}, convolving, breakdown)
    depthwise = seconds([row for row in convolutions if _is_depthwise(row)]) / step_s
    if depthwise < MIN_DEPTHWISE * convolving:
        return None
    on_pictures = min(1.0, seconds([row for row in rows if _is_picture(row)]) / step_s)
    ends = [part * on_pictures for part in OF_DEPTHWISE]
    return _finding(ends, step_s, {"depthwise convolutions": percent(depthwise)}, convolving, breakdown)


def _is_picture(row: Row) -> bool:
    """Whether it works on pictures; signals in one dimension are given as pictures one line high."""
    return any(len(shape) == 4 and min(shape[2:]) > 1 for shape in shapes(row)[:2])


def _is_depthwise(row: Row) -> bool:
    """Whether each of several input channels is convolved by itself.

    Its weight has one input channel, its input several; so has a transposed one to a single channel, which is told apart
    by its operator, and in backward by the gradient it gets.
    """
    pictures = [shape for shape in shapes(row) if len(shape) == 4]
    if len(pictures) < 2 or pictures[-1][1] != 1 or pictures[-2][1] <= 1:
        return False
    backward = str(row["name"]).endswith("_backward")
    return pictures[0][1] == pictures[-1][0] if backward else row["name"] in DIRECT


def _finding(
    ends: list[float], step_s: float, why: Row, convolving: float, breakdown: list[Row] | None
) -> Finding | None:
    if ends[0] < MIN_SAVES:
        return None
    return Finding(
        rule="channels_last_cpu",
        cause="kernel",
        title="Store pictures in the channels_last layout",
        evidence={**why, "convolutions": f"{percent(convolving)} of the {ms(step_s)} step", "layout": "plane by plane"},
        saves=Interval(low=ends[0], high=min(0.95, ends[1])),
        confidence="medium",
        fix=Fix(name="channels-last"),
        how="model = model.to(memory_format=torch.channels_last)\nx = x.contiguous(memory_format=torch.channels_last)",
        links=[LINK],
        takes=compute_takes(breakdown),
    )
