"""Evaluation or inference keeps everything for a backward pass that never comes.

Speaks when a model of trained parameters is called with gradients enabled and no backward follows: in a script that only
infers, or in the evaluations of a training script. ``model.eval()`` does not change that. Cure:
``with torch.inference_mode():`` around it (``torch.no_grad()`` where its results take part in autograd later).

How the gain is told, by what the forward pass does (measured on 26 models on a CPU, one thread, torch 2.13). Without
gradients:

- large matrix products and convolutions keep their time (2 to 9 % less for models made of them alone);
- large operators that only move memory lose a third to more than half: their results are written to memory that was used
  just before, instead of new pages (an elementwise chain 52 %);
- small operators lose 8 to 30 %: no graph is built;
- ``nn.TransformerEncoderLayer`` takes its fused path: half of the time goes (44 to 54 %).

The shares come from the trace; for an evaluation inside training those of the training's forward pass are taken. Without
a trace the whole range is told. Memory shrinks as well, often by more.

It is silent when gradients are disabled already, when the parameters are frozen (then no graph is made), when evaluation
is a small part of the training, for gains that may be below 1 %, and on a GPU, where nothing was measured yet.
"""

from __future__ import annotations

from typing import Any

from ...model.records import Finding
from ..host_work import is_elsewhere
from ..what_if import ms, percent, phase_seconds, saved, step_seconds

# Most of the calls in question were made with gradients enabled.
MIN_WITH_GRAD = 0.5
MIN_HIGH, MIN_LOW = 0.05, 0.01
# An operator that takes longer per call is large.
LARGE_CALL_S = 30e-6
MATRIX = ("matmul", "convolution", "attention")
# What goes, at most and at least, of the time in: large matrix operators, other large ones, small ones.
GONE = {"matrix": (0.09, 0.01), "memory": (0.55, 0.30), "small": (0.30, 0.10)}
FUSED_ENCODER = (0.56, 0.42)
UNTRACED = (0.40, 0.05)
# Parts of an nn.TransformerEncoderLayer by the names it gives them; all of them together are its mark.
ENCODER_PARTS = ("self_attn", "linear1", "linear2")
LINK = "https://pytorch.org/docs/stable/notes/autograd.html#locally-disabling-gradient-computation"

Row = dict[str, Any]


def check(
    breakdown: list[Row],
    headline: Row,
    model: Row,
    evaluations: Row | None = None,
    host_operators: list[Row] | None = None,
) -> Finding | None:
    """Judge calls of a model that keep what only a backward pass would need."""
    step = step_seconds(breakdown)
    inferring = headline.get("mode") == "inference"
    with_grad = (model if inferring else evaluations or {}).get("grad_enabled" if inferring else "with_grad") or 0.0
    spent = phase_seconds(breakdown, "forward" if inferring else "evaluation")
    if not step or with_grad < MIN_WITH_GRAD or _is_frozen(model) or is_elsewhere(model):
        return None
    gain = saved(step, [step - with_grad * spent * part for part in _gone(host_operators)])
    if gain.high < MIN_HIGH or gain.low < MIN_LOW:
        return None
    where = "inference" if inferring else "evaluation"
    return Finding(
        rule="no_grad",
        cause="memory" if inferring else "evaluation",
        title=f"Run {where} without gradients",
        evidence={
            f"{where} with gradients enabled": f"{ms(spent)} of the {ms(step)} step ({percent(spent / step)})",
            "calls with gradients enabled": percent(with_grad),
        },
        saves=gain,
        confidence="medium" if host_operators else "low",
        fix=None,
        how="with torch.inference_mode():\n    y = model(x)",
        links=[LINK],
        takes={"forward" if inferring else "evaluation": 1.0},
    )


def _is_frozen(model: Row) -> bool:
    return bool(model.get("parameters") and (model.get("frozen_parameters") or 0) >= model["parameters"])


def _gone(operators: list[Row] | None) -> tuple[float, float]:
    """What part of a forward pass goes, at most and at least."""
    forward = [row for row in operators or [] if _is_forward(row)]
    total = sum(row["seconds_per_step"] for row in forward)
    if not total:
        return UNTRACED
    if _has_encoder(forward):
        return FUSED_ENCODER
    kinds = [(row["seconds_per_step"] / total, GONE[_kind(row)]) for row in forward]
    return sum(share * part[0] for share, part in kinds), sum(share * part[1] for share, part in kinds)


def _is_forward(row: Row) -> bool:
    name = str(row["name"])
    is_backward = "backward" in name.lower() or name.startswith("autograd::")
    return row.get("kind") == "operator" and row.get("module") not in (None, "optimizer") and not is_backward


def _has_encoder(forward: list[Row]) -> bool:
    paths = {part for row in forward for part in str(row.get("module")).split(".")}
    return all(part in paths for part in ENCODER_PARTS)


def _kind(row: Row) -> str:
    if row["seconds_per_step"] < LARGE_CALL_S * (row.get("calls_per_step") or 1):
        return "small"
    return "matrix" if row.get("work") in MATRIX else "memory"
