"""Saving checkpoints takes a noticeable part of the training time.

Speaks when 5 % of the mean steady step or more is spent in ``torch.save`` and its like. Cures: save less often, at
the end of an epoch or every so many minutes; save only what is needed to go on; or save beside the training, from a
copy in memory (``torch.distributed.checkpoint.async_save``, or a thread that writes).

How the gain is told. Saving k times as rarely leaves 1/k of the time. The low end is a third as often, the high end
one save in twenty: how much work a crash may cost is the person's to decide. To the high end comes what
saving costs beside its own time, up to half of it or 15 % of the rest: memory copied, caches emptied, pages written back later.

It is silent when saving takes less than 5 % of the step, as one save an epoch usually does.
"""

from __future__ import annotations

from typing import Any

from ...model.records import Finding, Interval
from ..what_if import ms, percent, phase_seconds, saved, step_seconds, with_what_follows

# Below this there is nothing to win that would show.
MIN_SHARE = 0.05
# What stays of the saving time, at the high and at the low end of the gain.
KEPT = (0.05, 1 / 3)
LINK = "https://pytorch.org/docs/stable/distributed.checkpoint.html"

HOW_FIT = 'keras.callbacks.ModelCheckpoint(..., save_freq="epoch")   # or every so many batches'

Row = dict[str, Any]


def check(breakdown: list[Row], checkpoints: Row | None = None, compiled_model: Row | None = None) -> Finding | None:
    """Judge the time that saving takes."""
    step, spent = step_seconds(breakdown), phase_seconds(breakdown, "checkpoint")
    if not step or spent / step < MIN_SHARE:
        return None
    found = checkpoints or {}
    evidence: Row = {"saving": f"{ms(spent)} of the {ms(step)} step ({percent(spent / step)})"}
    if found.get("seconds_each"):
        evidence["a save takes"] = ms(found["seconds_each"])
    between = found.get("steps_between")
    if between:
        evidence["steps between saves"] = round(between)
    return Finding(
        rule="checkpoint",
        cause="checkpoint",
        title="Save checkpoints less often, or beside the training",
        evidence=evidence,
        saves=_gain(step, spent),
        confidence="high" if between else "medium",
        fix=None,
        how=HOW_FIT if compiled_model else _how(between),
        links=[LINK],
    )


def _gain(step: float, spent: float) -> Interval:
    most = with_what_follows(spent, step)
    return saved(step, [step - most * (1 - KEPT[0]), step - spent * (1 - KEPT[1])])


def _how(between: float | None) -> str:
    every = f"step % {round(10 * between)} == 0" if between else "it is the end of an epoch"
    return f"torch.save(...) only if {every}   # or torch.distributed.checkpoint.async_save"
