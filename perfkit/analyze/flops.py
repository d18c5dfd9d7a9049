"""Floating-point operations of an operator call, from its input shapes alone; None where they do not say it.

A multiply-add counts as two. Shapes as the trace writes them: one list per input.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

Shapes = Any  # a list per input: its dimensions


def operator_flops(name: str, shapes: str) -> float | None:
    """FLOPs of one call of *name* with inputs of *shapes* (the text of a list of lists)."""
    count = _COUNTS.get(name)
    if count is None or not shapes:
        return None
    try:
        return float(count(json.loads(shapes)))
    except (ValueError, IndexError, TypeError, KeyError):
        return None


def _mm(shapes: Shapes) -> float:
    (rows, inner), (_, columns) = shapes[0], shapes[1]
    return float(2 * rows * inner * columns)


def _addmm(shapes: Shapes) -> float:
    return _mm(shapes[1:])


def _bmm(shapes: Shapes) -> float:
    (batch, rows, inner), (_, _, columns) = shapes[0], shapes[1]
    return float(2 * batch * rows * inner * columns)


def _baddbmm(shapes: Shapes) -> float:
    return _bmm(shapes[1:])


def _linear(shapes: Shapes) -> float:
    outputs, inputs = shapes[1]
    return float(2 * math.prod(shapes[0][:-1]) * inputs * outputs)


def _convolution_backward(shapes: Shapes) -> float:
    """Gradients of input and weight: each as many operations as the forward convolution."""
    gradient, _, weight = shapes[0], shapes[1], shapes[2]
    return float(4 * math.prod(gradient) * math.prod(weight[1:]))


def _attention(shapes: Shapes) -> float:
    """Two products: queries by keys, weights by values."""
    query, key, value = shapes[0], shapes[1], shapes[2]
    rows = math.prod(query[:-1])
    return float(2 * rows * key[-2] * (query[-1] + value[-1]))


_COUNTS: dict[str, Callable[[Shapes], float]] = {
    "aten::mm": _mm,
    "aten::addmm": _addmm,
    "aten::bmm": _bmm,
    "aten::baddbmm": _baddbmm,
    "aten::_scaled_mm": _mm,
    "aten::mkldnn_linear": _linear,
    "aten::convolution_backward": _convolution_backward,
    "aten::_scaled_dot_product_flash_attention": _attention,
    "aten::_scaled_dot_product_efficient_attention": _attention,
    "aten::_scaled_dot_product_cudnn_attention": _attention,
    "aten::_scaled_dot_product_flash_attention_for_cpu": _attention,
}
