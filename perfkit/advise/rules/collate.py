"""Putting samples together into batches is slow Python.

Speaks when the script's own ``collate_fn`` takes 5 % of the mean steady step or more in the training process (a loader
without workers), or at least half of what busy loader workers do while the step waits for them. Typical is a loop over
samples, columns or words that sets one element of a tensor at a time: each such assignment costs some microseconds.
Cure: let one operation do it for the whole batch (``torch.stack``, ``pad_sequence``, ``torch.from_numpy`` of one array).

How the gain is told. The time in it comes from the stack samples among the steps, a few dozen, so its error is part of
the interval. Of it 75 to 98 % goes: one operation per sample or batch takes microseconds where a loop over elements takes
milliseconds. In the training process that is time of the step. In workers it shortens loading, and only until the step no
longer waits.

It is silent without stack samples, for the default ``collate_fn``, and when the step does not wait for its batches.
"""

from __future__ import annotations

import re
from typing import Any

from ...model.records import Finding
from ..sampled import is_named, share_and_error, steady
from ..what_if import ms, percent, phase_seconds, saved, step_seconds

MIN_SHARE = 0.05
# In workers it has to be what they mostly do.
MIN_OF_WORKERS = 0.5
# Of its time, what goes.
GONE = (0.98, 0.75)
NAMES = re.compile(r"collate|^pad(?:_|ded)?|make_batch|to_batch|batchify")
LINK = "https://pytorch.org/docs/stable/data.html#working-with-collate-fn"

Row = dict[str, Any]


def check(breakdown: list[Row], loader: Row, hot_lines: list[Row]) -> Finding | None:
    """Judge the time in the script's own collate function."""
    step, wait = step_seconds(breakdown), phase_seconds(breakdown, "data")
    workers = loader.get("num_workers")
    if not step or workers is None or wait / step < MIN_SHARE:
        return None
    seen = steady(hot_lines, "loader worker" if workers else "main")
    lines = [row for row in seen if is_named(row["function"], NAMES)]
    share, error = share_and_error(lines)
    least, most = max(0.0, share - error), min(1.0, share + error)
    if workers:
        if share < MIN_OF_WORKERS:
            return None
        after = [max(step - wait, step * (1 - part * of)) for part, of in zip(GONE, (most, least), strict=True)]
    else:
        if min(share * step, wait) / step < MIN_SHARE:
            return None
        after = [step - min(wait, part * of * step) for part, of in zip(GONE, (most, least), strict=True)]
    return Finding(
        rule="collate",
        cause="input",
        title="Put batches together without a loop over their elements",
        evidence={
            "waiting for data": f"{ms(wait)} of the {ms(step)} step ({percent(wait / step)})",
            f"of {'the workers' if workers else 'the step'} in {lines[0]['function']}": percent(share),
            "most at": f"{lines[0]['file'].rpartition('/')[2]}:{lines[0]['line']}",
        },
        saves=saved(step, after),
        confidence="medium",
        fix=None,
        how="tokens = pad_sequence(samples, batch_first=True)   # or torch.stack(samples)",
        links=[LINK],
        alternatives="loading",
    )
