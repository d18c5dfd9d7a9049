"""Evaluation takes a large part of the training time.

Two cases, told apart by how often the script evaluates:

- *several times in an epoch*, and 8 % of the mean steady step or more goes into it (15 % where the script has no loader
  that would say how long an epoch is). Cure: evaluate once an epoch,
  or every so many steps that it costs a few percent; or evaluate on a fixed small part of the set in between.
- *once an epoch or less often*, and a quarter of the step or more goes into it. An evaluation without gradient over a
  fifth of the data takes some 8 % of an epoch, so there the set is large or its batches are slow. Cure: larger
  batches (no gradients are kept, so more samples fit), every second or fifth epoch, a subset.

How the gain is told. Evaluating k times as rarely leaves 1/k of its time. Several times in an epoch: the low
end is a quarter as often, the high end once an epoch, or so rarely that nothing of it stays, nor what it costs beside its own
time (up to half of it, or 15 % of the rest: caches emptied). Else: the low end is half as often, or half the time, the high
end a tenth. What a person decides to give up is theirs, so the interval says what each choice would bring.

It is silent below those shares; when the evaluation runs with gradients enabled and is not too frequent, because
then the cure of the rule ``no_grad`` comes first; and for inference, which is not an evaluation inside training.
"""

from __future__ import annotations

from typing import Any

from ...model.records import Finding, Interval
from ..what_if import ms, percent, phase_seconds, saved, step_seconds, with_what_follows

# Forward takes about a third of a step, so evaluating a fifth of the data once an epoch costs some 8 %: below that
# nothing is unusual.
MIN_SHARE_OFTEN = 0.08
# Without a loader nothing says how long an epoch is: only where it is much for either case.
MIN_SHARE_UNKNOWN = 0.15
# Three times that: an evaluation that costs a third of what training itself does.
MIN_SHARE_RARE = 0.25
# Fewer steps between two evaluations than this part of an epoch: more often than once an epoch.
OFTEN = 0.8
# An epoch of more than so many evaluations is meant to be endless.
ENDLESS = 100
# What stays of the evaluation's time, at the high and at the low end of the gain.
KEPT_WHEN_OFTEN, KEPT_WHEN_RARE = (0.0, 0.25), (0.10, 0.50)
# Evaluating mostly with gradients enabled: the rule no_grad speaks.
WITH_GRAD = 0.5

HOW_FIT = "model.fit(..., validation_freq=5)   # or validation_steps, a larger validation_batch_size"

Row = dict[str, Any]


def check(
    breakdown: list[Row],
    evaluations: Row | None = None,
    loader: Row | None = None,
    compiled_model: Row | None = None,
) -> Finding | None:
    """Judge the time that evaluation takes."""
    step, spent = step_seconds(breakdown), phase_seconds(breakdown, "evaluation")
    between = (evaluations or {}).get("steps_between")
    epoch = _epoch(loader, between)
    is_often = bool(between and (epoch is None or between < OFTEN * epoch))
    least = (MIN_SHARE_OFTEN if epoch else MIN_SHARE_UNKNOWN) if is_often else MIN_SHARE_RARE
    if not step or spent / step < least:
        return None
    if not is_often and ((evaluations or {}).get("with_grad") or 0.0) >= WITH_GRAD:
        return None
    return Finding(
        rule="evaluation",
        cause="evaluation",
        title="Evaluate less often" if is_often else "Make evaluation cheaper, or rarer",
        evidence=_evidence(step, spent, between, epoch),
        saves=_gain(step, spent, _kept(is_often, between, epoch)),
        confidence="high" if is_often and epoch else "medium",
        fix=None,
        how=HOW_FIT if compiled_model else _how(is_often, between, epoch),
    )


def _epoch(loader: Row | None, between: float | None) -> int | None:
    """Steps in an epoch, where the loader says; nobody waits for the end of an endless one."""
    length = (loader or {}).get("length") or 0
    return length if 0 < length <= ENDLESS * (between or length) else None


def _kept(is_often: bool, between: float | None, epoch: int | None) -> tuple[float, float]:
    if not is_often:
        return KEPT_WHEN_RARE
    least, most = KEPT_WHEN_OFTEN
    once = between / epoch if between and epoch else least
    return once, max(once, most)


def _gain(step: float, spent: float, kept: tuple[float, float]) -> Interval:
    most = with_what_follows(spent, step)
    return saved(step, [step - most * (1 - kept[0]), step - spent * (1 - kept[1])])


def _evidence(step: float, spent: float, between: float | None, epoch: int | None) -> Row:
    found: Row = {"evaluating": f"{ms(spent)} of the {ms(step)} step ({percent(spent / step)})"}
    if between:
        found["steps between evaluations"] = round(between)
    if epoch:
        found["steps in an epoch"] = epoch
    return found


def _how(is_often: bool, between: float | None, epoch: int | None) -> str:
    if is_often:
        every = epoch or round((between or 1) / KEPT_WHEN_OFTEN[1])
        return f"if step % {every} == 0:   # {'once an epoch' if epoch else 'a quarter as often'}\n    evaluate()"
    return "if epoch % 5 == 0:\n    evaluate()   # with torch.inference_mode(), a larger batch_size, or a fixed part of the set"
