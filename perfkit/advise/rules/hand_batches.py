"""Batches are put together by hand, in Python, between the steps.

Speaks for a script without a DataLoader whose steps spend 10 % of their time or more outside forward, backward and
optimizer, where its own text or the stack samples show that it builds batches there: ``torch.tensor`` of a list or
``torch.stack`` in the training loop, or a function whose name says so. Cure: make one tensor of all the data before the
training, and take each batch by an index tensor, ``data[chosen]``; or, where that does not fit into memory, a Dataset in a
DataLoader with workers.

How the gain is told. The time outside the phases is measured; the stack samples say how much of it lies in the lines
that build the batch. Of that 80 to 98 % goes: picking rows of a tensor by an index takes some microseconds where building
one of Python numbers takes milliseconds. Without stack samples at least half of that time is taken to be batches.

It is silent where a loader feeds the steps, where the time between the steps is short, and where nothing shows that
batches are made there.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ...model.records import Finding
from ..sampled import is_named, share_and_error, steady
from ..what_if import ms, percent, phase_seconds, saved, step_seconds

if TYPE_CHECKING:
    from ..evidence import Evidence

MIN_SHARE = 0.10
# Of the time in it, what goes.
GONE = (0.98, 0.80)
# Without stack samples: of the time outside the phases, what is making batches, at least. Assumed.
UNSEEN = 0.5
FACT = "tensor-from-list-in-loop"
NAMES = re.compile(r"batch|collate|sample|augment|encode|featuri[sz]e")
# A statement may stretch over as many lines.
STATEMENT_LINES = 4

Row = dict[str, Any]


def check(
    breakdown: list[Row],
    evidence: Evidence,
    hot_lines: list[Row] | None = None,
    script_facts: list[Row] | None = None,
) -> Finding | None:
    """Judge the time between the steps of a script without a loader."""
    step, outside = step_seconds(breakdown), phase_seconds(breakdown, "other", "prepare")
    if not step or outside / step < MIN_SHARE or evidence.loader is not None:
        return None
    facts = [row for row in script_facts or [] if row["fact"] == FACT and row.get("in_loop")]
    lines = [row for row in steady(hot_lines) if _makes_batches(row, facts)]
    share, error = share_and_error(lines)
    if not lines and (hot_lines or not facts):
        return None
    most = min(outside, (share + error) * step) if lines else outside
    least = min(outside, max(0.0, share - error) * step) if lines else outside * UNSEEN
    if most / step < MIN_SHARE:
        return None
    place = (
        f"{lines[0]['file'].rpartition('/')[2]}:{lines[0]['line']}"
        if lines
        else f"{facts[0]['file']}:{facts[0]['line']}"
    )
    return Finding(
        rule="hand_batches",
        cause="input",
        title="Make tensors of the data once, not of each batch",
        evidence={
            "between the phases": f"{ms(outside)} of the {ms(step)} step ({percent(outside / step)})",
            "batches are made at": place,
            **({"of the step there": percent(share)} if lines else {}),
        },
        saves=saved(step, [step - GONE[0] * most, step - GONE[1] * least]),
        confidence="medium" if lines else "low",
        fix=None,
        how="data = torch.tensor(rows)   # once, before the training\nbatch = data[chosen]        # in the loop",
        takes={"other": 1.0},
    )


def _makes_batches(row: Row, facts: list[Row]) -> bool:
    return any(_is_at(row, fact) for fact in facts) or is_named(row["function"], NAMES)


def _is_at(row: Row, fact: Row) -> bool:
    is_same_file = row["file"] == fact["file"] or row["file"].endswith("/" + fact["file"])
    return bool(is_same_file and 0 <= row["line"] - fact["line"] < STATEMENT_LINES)
