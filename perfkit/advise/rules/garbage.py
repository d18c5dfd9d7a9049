"""Python's garbage collector interrupts the steps.

Two cases:

- *the script calls ``gc.collect()`` as it trains*: each call walks every object of the process, some 50-100 ms with
  torch loaded and a few hundred thousand objects. Tensors are freed by reference counting and do not need it. Cure:
  remove the call.
- *Python collects by itself, and long*: many living objects (a data set held as Python lists) are walked again and
  again. Cure: ``gc.freeze()`` after the set-up, which takes what is alive out of the walk, or a higher threshold.

Speaks when collections take 5 % of the mean steady step or more.

How the gain is told. The pauses are measured where they happen (``gc.callbacks``), so what goes is what they took: 85 % of
it to all of it and up to half as much again, but no more than 15 % of the rest, for calls that are removed (they leave cold
caches behind), half to 95 % for ``gc.freeze()``, which leaves what is made later.

It is silent below 5 %, and where no collection was recorded.
"""

from __future__ import annotations

from typing import Any

from ...model.records import Finding, Interval
from ..what_if import ms, percent, saved, with_what_follows

MIN_SHARE = 0.05
# Of the measured pauses, what goes at least where calls are removed; and, at most and at least, by gc.freeze().
REMOVED, FROZEN = 0.85, (0.95, 0.50)
LINK = "https://docs.python.org/3/library/gc.html#gc.freeze"

Row = dict[str, Any]


def check(step_s: float, pauses: Row, script_facts: list[Row] | None = None) -> Finding | None:
    """Judge the time in garbage collection."""
    spent = pauses.get("seconds_per_step") or 0.0
    if not step_s or spent / step_s < MIN_SHARE:
        return None
    call = next((row for row in script_facts or [] if row["fact"] == "gc-collect-in-loop"), None)
    is_explicit = bool(call or pauses.get("explicit"))
    evidence: Row = {"collecting garbage": f"{ms(spent)} of the {ms(step_s)} step ({percent(spent / step_s)})"}
    if pauses.get("longest_s"):
        evidence["longest pause"] = ms(pauses["longest_s"])
    if call or pauses.get("called_from"):
        evidence["called at"] = f"{call['file']}:{call['line']}" if call else ", ".join(pauses["called_from"][:2])
    return Finding(
        rule="garbage",
        cause="python",
        title="Do not call gc.collect() as you train"
        if is_explicit
        else "Keep Python's garbage collector from the steps",
        evidence=evidence,
        saves=_gain(step_s, spent, is_explicit),
        confidence="high" if is_explicit else "medium",
        fix=None,
        how="remove gc.collect(): tensors are freed as soon as nothing refers to them"
        if is_explicit
        else "gc.collect(); gc.freeze()   # once, after the data and the model are made",
        links=[LINK],
    )


def _gain(step: float, spent: float, is_explicit: bool) -> Interval:
    if is_explicit:
        return saved(step, [step - min(step, with_what_follows(spent, step)), step - REMOVED * spent])
    return saved(step, [step - part * spent for part in FROZEN])
