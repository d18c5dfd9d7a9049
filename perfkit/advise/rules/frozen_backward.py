"""Gradients are computed for parameters that no optimizer updates.

Fine-tuning a new head on a trained body, one often gives the optimizer the head's parameters alone: the body stays as it is, yet
autograd computes gradients for all of it in every step, and throws them away (or adds them up, which nothing clears). Speaks when a script's optimizers hold
at most a quarter of the tensors that require gradients, and few enough to be a head, and backward takes its usual time.

Cure: ``body.requires_grad_(False)``; then backward ends where the head begins. (``model.train()`` still updates the running statistics of its batch
normalisation; ``body.eval()`` keeps them too.)

How the gain is told. Between 85 % of backward and all of it together with a third of forward, which no longer keeps anything for
backward (measured on a CPU, one thread, torch 2.13, linear heads: MLPs 40, 48 and 73 % of the step, a convolution network 65 %,
a transformer 44 %).

It is silent where the body is frozen already, where it is called without gradients, where backward is short (it does not
reach the body), for a single tensor or more than eight (prompts and adapters lie inside the body, which backward has to cross), and
while several models train, whose optimizers together hold what their models do.
"""

from __future__ import annotations

from typing import Any

from ...model.records import Finding
from ..what_if import ms, percent, phase_seconds, saved, step_seconds

# A head: weight and bias of a few layers.
HEAD_TENSORS = (2, 8)
MOST_UPDATED = 0.25
# A backward pass through the whole model takes as long as forward or longer (0.64 of it at least, measured); through a head alone,
# next to nothing.
MIN_BACKWARD_OF_FORWARD = 0.5
MIN_WITH_GRAD = 0.5
OF_BACKWARD = (0.85, 1.0)
OF_FORWARD = (0.0, 0.33)
MIN_SAVES = 0.05
LINK = "https://docs.pytorch.org/docs/stable/notes/autograd.html#setting-requires-grad"

Row = dict[str, Any]


def check(breakdown: list[Row], model: Row, optimizers: list[Row]) -> Finding | None:
    """Judge gradients without use."""
    step, forward, backward = step_seconds(breakdown), *(phase_seconds(breakdown, n) for n in ("forward", "backward"))
    if not step or backward < MIN_BACKWARD_OF_FORWARD * forward or not _is_head_only(model, optimizers):
        return None
    grad_enabled = model.get("grad_enabled")
    if grad_enabled is not None and grad_enabled < MIN_WITH_GRAD:
        return None
    after = [step - OF_BACKWARD[i] * backward - OF_FORWARD[i] * forward for i in (0, 1)]
    gain = saved(step, after)
    if gain.low < MIN_SAVES:
        return None
    return Finding(
        rule="frozen_backward",
        cause="python",
        title="Freeze the parameters that no optimizer updates",
        evidence={
            "tensors that get gradients": int(model["parameter_tensors"]),
            "tensors that are updated": _tensors(optimizers),
            "backward": f"{ms(backward)} of the {ms(step)} step ({percent(backward / step)})",
        },
        saves=gain,
        confidence="medium",
        fix=None,
        how="body.requires_grad_(False)   # all but what the optimizer holds",
        links=[LINK],
        takes={"backward": OF_BACKWARD[0] * backward, "forward": OF_FORWARD[1] * forward / 2},
    )


def _tensors(optimizers: list[Row]) -> int:
    return sum(int(row.get("tensors") or 0) for row in optimizers)


def _is_head_only(model: Row, optimizers: list[Row]) -> bool:
    """Whether what is updated is a few tensors, far fewer than what gets gradients."""
    updated, elements = _tensors(optimizers), sum(int(row.get("elements") or 0) for row in optimizers)
    trainable = int(model.get("parameters") or 0) - int(model.get("frozen_parameters") or 0)
    few = HEAD_TENSORS[0] <= updated <= HEAD_TENSORS[1]
    return (
        few
        and updated <= MOST_UPDATED * int(model.get("parameter_tensors") or 0)
        and elements < MOST_UPDATED * trainable
    )
