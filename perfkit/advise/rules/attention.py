"""Attention is computed step by step, with the whole matrix of scores in memory.

Speaks on a CPU when the trace shows softmax over scores of queries by keys (64 by 64 or larger) together with the
products before and after it, and these take enough of the step. Operators on the score matrix move its n² numbers to
memory and back, once each: scaling, masking, softmax, dropout, and all of them again in backward.

Cure: ``torch.nn.functional.scaled_dot_product_attention``, which never writes the scores out; for
``nn.MultiheadAttention``, ``need_weights=False``, with which it does the same.

How the gain is told. What the operators on the scores and the two products take becomes shorter by what was measured for
their length (torch 2.13, one thread, 4 and 8 heads of 16 to 64, with and without a causal mask): in training 17 to 39 %
at 64 to 128 positions, 28 to 61 % at 256, 66 to 70 % at 512 (55 in a whole GPT), 73 to 85 % at 1024; in inference from 9 % to 90 %.

It is silent where scaled_dot_product_attention computes already; in training with dropout on the weights, where the
CPU has no fused version (measured: no gain); in 16 bit, whose backward is seven times slower on the CPU (measured); for short
sequences; and on a GPU, for which no case was measured.
"""

from __future__ import annotations

from typing import Any

from ...model.records import Finding, Interval
from ..host_work import is_on_cpu, operators, seconds, shapes
from ..what_if import ms, percent, phase_seconds

MIN_SAVES = 0.05
# Shorter sequences gain next to nothing.
MIN_LENGTH = 64
# Length from which on -> fraction saved of the time on scores, least and most, in training and in inference.
IN_TRAINING = ((64, (0.15, 0.40)), (192, (0.27, 0.62)), (384, (0.52, 0.74)), (768, (0.70, 0.86)))
IN_INFERENCE = ((64, (0.06, 0.46)), (192, (0.25, 0.53)), (384, (0.70, 0.80)), (768, (0.80, 0.91)))
PRODUCTS = ("aten::bmm", "aten::baddbmm")
DROPOUT = ("aten::native_dropout", "aten::bernoulli_", "aten::bernoulli")
LINK = "https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.scaled_dot_product_attention.html"

Row = dict[str, Any]


def check(step_s: float, host_operators: list[Row], model: Row, breakdown: list[Row] | None = None) -> Finding | None:
    """Judge how attention is computed."""
    rows = operators(host_operators)
    if not step_s or not is_on_cpu(model) or any("scaled_dot_product" in str(row["name"]) for row in rows):
        return None
    softmax = [row for row in rows if row["name"] == "aten::_softmax" and _score_shape(row)]
    if not softmax or not _is_float32(softmax[0]):
        return None
    scores = {_score_shape(row) for row in softmax}
    training = breakdown is None or phase_seconds(breakdown, "backward") > 0
    work = [row for row in rows if _is_on_scores(row, scores, {row["module"] for row in softmax})]
    has_products = any(row["name"] in PRODUCTS for row in work)
    if not has_products or (training and any(row["name"] in DROPOUT for row in work)):
        return None
    length = min(n for shape in scores if shape for n in shape)
    return _finding(step_s, seconds(work), length, training)


def _finding(step_s: float, spent: float, length: int, training: bool) -> Finding | None:
    fractions = [ends for least, ends in (IN_TRAINING if training else IN_INFERENCE) if length >= least][-1]
    gain = Interval(low=fractions[0] * min(1.0, spent / step_s), high=fractions[1] * min(1.0, spent / step_s))
    if gain.low < MIN_SAVES:
        return None
    return Finding(
        rule="attention",
        cause="kernel",
        title="Compute attention by scaled_dot_product_attention",
        evidence={
            "operators on attention scores": f"{ms(spent)} of the {ms(step_s)} step ({percent(spent / step_s)})",
            "positions": length,
        },
        saves=gain,
        confidence="medium",
        fix=None,
        how="y = F.scaled_dot_product_attention(q, k, v, is_causal=…)   # or attn_mask=…; dropout only in training\n"
        "# nn.MultiheadAttention: call it with need_weights=False",
        links=[LINK],
        takes={"forward": 1.0, "backward": 2.0} if training else {"forward": 1.0},
    )


def _is_float32(row: Row) -> bool:
    return str(row.get("dtypes") or "").lstrip('["').startswith("float")


def _score_shape(row: Row) -> tuple[int, int] | None:
    """Queries by keys, where the operator's first input may be a matrix of scores for each head."""
    found = shapes(row)
    if not found or len(found[0]) < 3 or min(found[0][-2:]) < MIN_LENGTH:
        return None
    return found[0][-2], found[0][-1]


def _is_on_scores(row: Row, scores: set[tuple[int, int] | None], modules: set[str | None]) -> bool:
    """Whether *row* works on scores, or is one of the products beside them in the same module."""
    if row["name"] in PRODUCTS:
        return row["module"] in modules
    return any(len(shape) >= 3 and tuple(shape[-2:]) in scores for shape in shapes(row))
