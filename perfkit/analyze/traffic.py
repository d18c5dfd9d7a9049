"""Bytes that an operator call has to move, from its inputs alone: every input read once, every output written once.

A lower bound: what is read twice, or kept in a cache, the trace does not tell. None where inputs do not say the output.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

from .flops import operator_flops

Tensors = list[tuple[list[int], int]]  # shape and bytes per element of each input that is a tensor

_WIDTHS = {
    "double": 8, "float": 4, "long int": 8, "long": 8, "int": 4, "short": 2, "bool": 1, "unsigned char": 1,
    "signed char": 1, "c10::Half": 2, "c10::BFloat16": 2, "c10::complex<float>": 8, "c10::complex<double>": 16,
    "c10::Float8_e4m3fn": 1, "c10::Float8_e5m2": 1, "c10::Float8_e4m3fnuz": 1, "c10::Float8_e5m2fnuz": 1,
    "float32": 4, "float64": 8, "float16": 2, "bfloat16": 2, "int64": 8, "int32": 4, "fp32": 4, "bf16": 2,
}  # fmt: skip
# Output as large as the largest input.
_ELEMENTWISE = frozenset(
    f"aten::{name}{ending}"
    for name in (
        "add", "sub", "mul", "div", "pow", "exp", "log", "sqrt", "rsqrt", "neg", "abs", "sin", "cos", "tanh", "sigmoid",
        "relu", "gelu", "silu", "mish", "hardtanh", "hardswish", "leaky_relu", "elu", "softplus", "clamp", "clamp_min",
        "clamp_max", "where", "masked_fill", "lerp", "addcmul", "addcdiv", "threshold", "maximum", "minimum", "clone",
        "tanh_backward", "sigmoid_backward", "gelu_backward", "silu_backward", "threshold_backward", "elu_backward",
        "leaky_relu_backward", "hardtanh_backward", "_softmax", "_log_softmax", "_softmax_backward_data",
        "_log_softmax_backward_data", "native_layer_norm", "native_group_norm", "native_batch_norm", "cudnn_batch_norm",
        "native_layer_norm_backward", "native_group_norm_backward", "native_batch_norm_backward",
        "cudnn_batch_norm_backward", "cumsum", "roll", "flip", "tril", "triu", "_fused_rms_norm", "bernoulli",
    )
    for ending in ("", "_")
)  # fmt: skip
_REDUCTIONS = frozenset(
    f"aten::{name}" for name in ("sum", "mean", "amax", "amin", "max", "min", "norm", "linalg_vector_norm", "var", "std",
                                 "argmax", "argmin", "prod", "any", "all", "nll_loss_forward", "mse_loss")
)  # fmt: skip


def operator_bytes(name: str, shapes: str, dtypes: str, constants: str = "") -> float | None:
    """Bytes that one call of *name* reads and writes at least."""
    if not shapes or not dtypes:
        return None
    try:
        tensors = _tensors(json.loads(shapes), json.loads(dtypes))
        return _bytes(name, shapes, constants, tensors) if tensors else None
    except (ValueError, IndexError, TypeError, KeyError, OverflowError, RecursionError):
        return None


def _tensors(shapes: Any, dtypes: Any) -> Tensors:
    found = zip(shapes, dtypes, strict=True)
    return [(shape, _WIDTHS[dtype]) for shape, dtype in found if dtype in _WIDTHS and _is_shape(shape)]


def _is_shape(shape: Any) -> bool:
    return isinstance(shape, list) and all(isinstance(size, int) for size in shape)


def _size(tensor: tuple[list[int], int]) -> float:
    return float(math.prod(tensor[0]) * tensor[1])


def _bytes(name: str, shapes: str, constants: str, tensors: Tensors) -> float | None:
    read = sum(_size(tensor) for tensor in tensors)
    if name.startswith("triton_"):  # its outputs are among its arguments
        return read
    if name in _ELEMENTWISE:
        return read + max(_size(tensor) for tensor in tensors)
    if name in _REDUCTIONS or name == "aten::copy_":  # what a copy writes to is its first input
        return read
    if name in ("aten::fill_", "aten::zero_", "aten::normal_", "aten::uniform_"):
        return _size(tensors[0])
    if name in _OUTPUTS:
        return read + _OUTPUTS[name](tensors)
    return read + _convolution_output(name, shapes, constants, tensors)


def _convolution_output(name: str, shapes: str, constants: str, tensors: Tensors) -> float:
    """The output's size follows from the operations that each of its elements takes. Raises KeyError for others."""
    if "convolution" not in name or "transpose" in name:
        raise KeyError(name)
    flops = operator_flops(name, shapes, constants)
    weight, width = tensors[1]
    if flops is None:
        raise KeyError(name)
    return flops / (2.0 * math.prod(weight[1:])) * width


def _matrix(left: int, right: int) -> Callable[[Tensors], float]:
    def output(tensors: Tensors) -> float:
        columns = tensors[right][0][-1] if len(tensors[right][0]) > 1 else 1
        return float(math.prod(tensors[left][0][:-1]) * columns * tensors[left][1])

    return output


def _linear(tensors: Tensors) -> float:
    return float(math.prod(tensors[0][0][:-1]) * tensors[1][0][0] * tensors[0][1])


def _attention(tensors: Tensors) -> float:
    return float(math.prod(tensors[0][0][:-1]) * tensors[2][0][-1] * tensors[0][1])


def _gradients(first: int, last: int) -> Callable[[Tensors], float]:
    """Outputs as large as these inputs: their gradients."""
    return lambda tensors: sum(_size(tensor) for tensor in tensors[first:last])


def _embedding(tensors: Tensors) -> float:
    """Of the table only the rows asked for are read: as much as is written."""
    rows = math.prod(tensors[1][0]) * tensors[0][0][-1] * tensors[0][1]
    return 2.0 * rows - _size(tensors[0])


_OUTPUTS: dict[str, Callable[[Tensors], float]] = {
    **dict.fromkeys(("aten::mm", "aten::mv", "aten::bmm", "aten::_scaled_mm", "aten::_int_mm"), _matrix(0, 1)),
    **dict.fromkeys(("aten::addmm", "aten::addmv", "aten::baddbmm", "aten::_addmm_activation"), _matrix(1, 2)),
    **dict.fromkeys(("aten::mkldnn_linear", "mkldnn::_linear_pointwise"), _linear),
    "aten::convolution_backward": _gradients(1, 3),
    "aten::embedding": _embedding,
    **{
        f"aten::_scaled_dot_product_{kind}": make
        for which in ("flash_attention", "efficient_attention", "cudnn_attention", "flash_attention_for_cpu")
        for kind, make in ((which, _attention), (f"{which}_backward", _gradients(1, 4)))
    },
    **{
        f"aten::_{kind}_attention_{way}": make
        for kind in ("flash", "efficient", "cudnn")
        for way, make in (("forward", _attention), ("backward", _gradients(1, 4)))
    },
}
