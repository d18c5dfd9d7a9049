"""The step is a chain of tiny elementwise operators, and calling them is what takes the time.

A simulation, a hand-written cell, a loss of many terms: each addition on a few hundred numbers takes less than a microsecond to compute
and several to call, in forward and again in backward. Speaks on a CPU when a model calls at least 50 elementwise operators a step on
at most 2500 numbers each, and hardly anything else.

Cure: ``torch.compile``, which turns the chain into a few loops. It needs a C++ compiler and some 10 to 60 s once, so it pays only in long runs.

How the gain is told, as a share of forward and backward. Measured (torch 2.13, one thread): coupled oscillators on 512
numbers 79 %, on 2048 66 %; chains of tanh and sigmoid on 512 57 %.

On a CPU compiling is no general cure, so the rule is narrow. Measured on the same processor, the step became *longer* for MLPs
(16 to 48 %), small transformers in training (18 to 75 %) and chains on 16,000 numbers (20 %; in inference more than twice as long), and
4 to 18 % shorter for residual MLPs. It is silent for those: where matrix products, convolutions or normalisations are more than a tenth of the
calls or a quarter of the time, where the tensors are larger, where the model is compiled already, for recurrent layers
(torch.compile leaves them as they are), and on a GPU.
"""

from __future__ import annotations

import math
from typing import Any

from ...model.records import Finding, Fix, Interval
from ..host_work import is_on_cpu, operators, seconds, shapes
from ..what_if import ms, percent, phase_seconds, step_seconds

MIN_CALLS = 50
MOST_ELEMENTS = 2500
FEW_ELEMENTS = 1024
OF_FEW, OF_MORE = (0.53, 0.78), (0.50, 0.75)
MOST_OTHER_CALLS, MOST_OTHER_SECONDS = 0.10, 0.25
# What recurrent cells split their gates with: torch.compile leaves nn.GRU and nn.LSTM as they are.
OF_RECURRENT = "aten::unsafe_split"
MIN_SAVES = 0.10
ELEMENTWISE = (
    "mul", "add", "sub", "rsub", "div", "neg", "abs", "sgn", "sin", "cos", "tan", "tanh", "sigmoid", "exp", "log", "sqrt",
    "rsqrt", "pow", "square", "reciprocal", "relu", "silu", "gelu", "clamp", "clamp_min", "clamp_max", "where", "erf",
    "softplus", "maximum", "minimum", "addcmul", "addcdiv", "lerp", "tanh_backward", "sigmoid_backward", "silu_backward",
    "gelu_backward", "threshold_backward", "softplus_backward", "masked_fill", "roll",
)  # fmt: skip
HEAVY = ("matmul", "convolution", "attention", "normalisation", "embedding", "pooling")
LINK = "https://docs.pytorch.org/docs/stable/generated/torch.compile.html"

Row = dict[str, Any]


def check(breakdown: list[Row], model: Row, host_operators: list[Row]) -> Finding | None:
    """Judge chains of tiny operators."""
    step, compute = step_seconds(breakdown), phase_seconds(breakdown, "forward", "backward")
    rows = operators(host_operators)
    if not step or model.get("compiled") or not is_on_cpu(model) or any(row["name"] == OF_RECURRENT for row in rows):
        return None
    inside = [row for row in rows if row.get("module") not in (None, "optimizer")]
    chain, heavy = [row for row in inside if _is_elementwise(row)], [row for row in inside if row.get("work") in HEAVY]
    calls = sum(row["calls_per_step"] for row in chain)
    if calls < MIN_CALLS or sum(row["calls_per_step"] for row in heavy) > MOST_OTHER_CALLS * calls:
        return None
    elements = sum(row["calls_per_step"] * _elements(row) for row in chain) / calls
    if elements > MOST_ELEMENTS or seconds(heavy) > MOST_OTHER_SECONDS * compute:
        return None
    ends = OF_FEW if elements <= FEW_ELEMENTS else OF_MORE
    gain = Interval(low=ends[0] * compute / step, high=ends[1] * compute / step)
    return None if gain.low < MIN_SAVES else _finding(gain, calls, elements, compute, step)


def _is_elementwise(row: Row) -> bool:
    return str(row["name"]).removeprefix("aten::").rstrip("_") in ELEMENTWISE


def _elements(row: Row) -> int:
    return max((math.prod(shape) for shape in shapes(row) if shape), default=1)


def _finding(gain: Interval, calls: float, elements: float, compute: float, step: float) -> Finding:
    return Finding(
        rule="dispatch",
        cause="launch",
        title="Compile the chain of tiny operators",
        evidence={
            "elementwise calls per step": round(calls),
            "numbers in each, on average": round(elements),
            "forward and backward": f"{ms(compute)} of the {ms(step)} step ({percent(compute / step)})",
        },
        saves=gain,
        confidence="medium",
        fix=Fix(name="compile"),
        how="model = torch.compile(model)   # takes some 10 to 60 s once: for long runs",
        links=[LINK],
        takes={"forward": 1.0, "backward": 1.0},
        alternatives="fixed cost",
    )
