"""Floating-point operations of an operator call, from its inputs alone; None where they do not say it.

A multiply-add counts as two. Only matrix products, convolutions, attention and recurrent layers count: what a model's
arithmetic is made of. Shapes as the trace writes them: one list per input; constants likewise, one text per input.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

Shapes = Any  # a list per input: its dimensions
Constants = list[Any]  # per input its value, where it is no tensor
Count = Callable[[Shapes, Constants], Any]


def operator_flops(name: str, shapes: str, constants: str = "") -> float | None:
    """FLOPs of one call of *name* with inputs of *shapes* (the text of a list of lists) and *constants*."""
    count = _COUNTS.get(name)
    if count is None or not shapes:
        return None
    try:
        return float(count(json.loads(shapes), read_constants(constants)))
    except (ValueError, IndexError, TypeError, KeyError, OverflowError, RecursionError):
        return None


def read_constants(text: str) -> Constants:
    """Values from the text of "Concrete Inputs": ``["", "[1, 1]", "False"]`` → ``[None, [1, 1], False]``."""
    return [_value(word) for word in json.loads(text)] if text else []


def _value(word: str) -> Any:
    try:
        return json.loads(word.lower())
    except ValueError:
        return None


def _product(left: int, right: int) -> Count:
    """A matrix, or a stack of them, times a vector or matrix."""

    def count(shapes: Shapes, _: Constants) -> Any:
        *above, rows, inner = shapes[left]
        columns = shapes[right][-1] if len(shapes[right]) > 1 else 1
        return 2.0 * math.prod(above) * rows * inner * columns

    return count


def _linear(weight: int) -> Count:
    """A layer that keeps its weight as (outputs, inputs)."""

    def count(shapes: Shapes, _: Constants) -> Any:
        outputs, inputs = shapes[weight]
        return 2.0 * math.prod(shapes[0][:-1]) * inputs * outputs

    return count


def _convolved(shapes: Shapes, constants: Constants, at: tuple[int, int, int | None]) -> list[int]:
    """Spatial size of a convolution's output; *at*: where its padding, stride and dilation (None: has none) stand."""
    sizes, kernel = shapes[0][2:], shapes[1][2:]
    padding, stride, dilation = (_each([1] if place is None else constants[place], len(sizes)) for place in at)
    return [
        (size + 2 * pad - reach * (width - 1) - 1) // step + 1
        for size, width, pad, step, reach in zip(sizes, kernel, padding, stride, dilation, strict=True)
    ]


def _each(values: Any, count: int) -> list[int]:
    if not isinstance(values, list) or len(values) not in (1, count):
        raise TypeError("not a size per dimension")
    return values * count if len(values) == 1 else values


def _convolution(padding: int, stride: int, dilation: int | None) -> Count:
    def count(shapes: Shapes, constants: Constants) -> Any:
        batch, weight = shapes[0][0], shapes[1]
        out = _convolved(shapes, constants, (padding, stride, dilation))
        return 2.0 * batch * math.prod(out) * math.prod(weight)

    return count


def _general_convolution(shapes: Shapes, constants: Constants) -> Any:
    if constants[6]:
        return _transposed(shapes, constants)
    return _convolution(4, 3, 5)(shapes, constants)


def _transposed(shapes: Shapes, _: Constants) -> Any:
    """Each input element is multiplied into the outputs that its kernel reaches."""
    return 2.0 * math.prod(shapes[0]) * math.prod(shapes[1][1:])


def _convolution_backward(shapes: Shapes, constants: Constants) -> Any:
    """Gradients of input and weight: each as many operations as the forward convolution. Without constants both are
    taken to be computed.
    """
    gradient, given, weight = shapes[0], shapes[1], shapes[2]
    transposed = bool(constants and constants[7])
    mask = constants[10] if constants else [True, True]
    one = 2.0 * math.prod(given if transposed else gradient) * math.prod(weight[1:])
    return one * (bool(mask[0]) + bool(mask[1]))


def _attention(keys_at: int) -> Count:
    """Two products: queries by keys, weights by values. *keys_at*: dimension that counts the keys."""

    def count(shapes: Shapes, _: Constants) -> Any:
        query, key, value = shapes[0], shapes[1], shapes[2]
        return 2.0 * math.prod(query[:-1]) * key[keys_at] * (query[-1] + value[-1])

    return count


def _attention_backward(keys_at: int) -> Count:
    """Five products: the scores again, and gradients of values, weights, queries and keys."""

    def count(shapes: Shapes, _: Constants) -> Any:
        query, key, value = shapes[1], shapes[2], shapes[3]
        return 2.0 * math.prod(query[:-1]) * key[keys_at] * (3 * query[-1] + 2 * value[-1])

    return count


def _recurrent(weights: slice) -> Count:
    """A recurrent layer: every weight matrix once per position of the sequence."""

    def count(shapes: Shapes, _: Constants) -> Any:
        found = shapes[weights]
        matrices = found[0] if found and found[0] and isinstance(found[0][0], list) else found
        return 2.0 * math.prod(shapes[0][:-1]) * sum(math.prod(matrix) for matrix in matrices if len(matrix) == 2)

    return count


_HEADS_FIRST, _HEADS_LAST = -2, 1  # (batch, heads, keys, width) and (batch, keys, heads, width)

_COUNTS: dict[str, Count] = {
    "aten::mm": _product(0, 1),
    "aten::mv": _product(0, 1),
    "aten::bmm": _product(0, 1),
    "aten::addmm": _product(1, 2),
    "aten::addmv": _product(1, 2),
    "aten::_addmm_activation": _product(1, 2),
    "aten::baddbmm": _product(1, 2),
    "aten::addbmm": _product(1, 2),
    "aten::_scaled_mm": _product(0, 1),
    "aten::_int_mm": _product(0, 1),
    "aten::mkldnn_linear": _linear(1),
    "mkldnn::_linear_pointwise": _linear(1),
    "mkl::_mkl_linear": _linear(2),
    "aten::convolution": _general_convolution,
    "aten::_convolution": _general_convolution,
    "aten::cudnn_convolution": _convolution(2, 3, 4),
    "aten::cudnn_convolution_relu": _convolution(4, 3, 5),
    "aten::cudnn_convolution_transpose": _transposed,
    "aten::miopen_convolution": _convolution(3, 4, 5),
    "aten::miopen_depthwise_convolution": _convolution(3, 4, 5),
    "aten::mkldnn_convolution": _convolution(3, 4, 5),
    "mkldnn::_convolution_pointwise": _convolution(3, 4, 5),
    "aten::_slow_conv2d_forward": _convolution(5, 4, None),
    "aten::slow_conv3d_forward": _convolution(5, 4, None),
    "aten::_conv_depthwise2d": _convolution(5, 4, 6),
    "aten::convolution_backward": _convolution_backward,
    "aten::_cudnn_rnn": _recurrent(slice(1, 2)),
    "aten::mkldnn_rnn_layer": _recurrent(slice(1, 3)),
    **{
        f"aten::_scaled_dot_product_{kind}_attention{where}": _attention(_HEADS_FIRST)
        for kind, where in (("flash", ""), ("efficient", ""), ("cudnn", ""), ("flash", "_for_cpu"))
    },
    **{
        f"aten::_scaled_dot_product_{kind}_attention{where}_backward": _attention_backward(_HEADS_FIRST)
        for kind, where in (("flash", ""), ("efficient", ""), ("cudnn", ""), ("flash", "_for_cpu"))
    },
    "aten::_cudnn_attention_forward": _attention(_HEADS_FIRST),
    "aten::_cudnn_attention_backward": _attention_backward(_HEADS_FIRST),
    **{f"aten::_{kind}_attention_forward": _attention(_HEADS_LAST) for kind in ("flash", "efficient")},
    **{f"aten::_{kind}_attention_backward": _attention_backward(_HEADS_LAST) for kind in ("flash", "efficient")},
    "flash_attn::_flash_attn_forward": _attention(_HEADS_LAST),
    "flash_attn::_flash_attn_backward": _attention_backward(_HEADS_LAST),
}
COUNTED = frozenset(_COUNTS)
