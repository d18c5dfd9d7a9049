"""Logging takes a noticeable part of the training time.

Counted are calls of loggers and trackers (Python's logging, TensorBoard, Weights & Biases, MLflow, tqdm), which are
timed, and, of the time between the phases of the step, the lines that the stack samples found in the user's own functions
for it: those whose name says so (log, report, print, summary, metric, histogram …), and prints in the training loop.
Speaks when that is 5 % of the mean steady step or more. Cure: log every tenth or fiftieth step; keep sums on
the way instead of values; no histograms of parameters in each step.

How the gain is told. Logging every k steps leaves 1/k of the time: the low end is every fifth step, the high end every
fiftieth and a fifth more, for what logging pushes out of the caches. Where the time is known from samples only, a few
dozen of them, the interval is wider by their error.

It is silent below 5 %, and for what a script does between steps that neither a tracker nor a name shows to be logging.
"""

from __future__ import annotations

import re
from typing import Any

from ...model.records import Finding
from ..sampled import is_named, place, share_and_error, steady
from ..what_if import ms, percent, phase_seconds, saved, step_seconds, with_what_follows

MIN_SHARE = 0.05
# What stays at the high and at the low end of the gain.
KEPT = (1 / 50, 1 / 5)
# Function names that say what they are for, as words of a name: write_log, logMetrics, report_losses …
NAMES = re.compile(
    r"(?:^|_)(?:log(?!_(?:softmax|sum|prob|likel|norm|var|sigm|loss$))(?:s|ging|ger)?|report|print|summar(?:y|ise|ize)|metrics?|histograms?|track|record)(?:_|$)"
    r"|^log[A-Z]|Log(?:s|ger|ging|Metrics)?$",
)
FACTS = ("print-in-loop",)

Row = dict[str, Any]


def check(
    breakdown: list[Row],
    logging_calls: Row | None = None,
    hot_lines: list[Row] | None = None,
    script_facts: list[Row] | None = None,
) -> Finding | None:
    """Judge the time that logging takes."""
    step, timed = step_seconds(breakdown), phase_seconds(breakdown, "logging")
    if not step:
        return None
    lines = [row for row in steady(hot_lines) if _is_logging(row, script_facts or [])]
    sampled, error = _sampled(lines, step, phase_seconds(breakdown, "other"))
    if (timed + sampled) / step < MIN_SHARE:
        return None
    most, least = timed + sampled + error, timed + max(0.0, sampled - error)
    most = with_what_follows(min(step, most), step)
    gain = saved(step, [step - most * (1 - KEPT[0]), step - least * (1 - KEPT[1])])
    evidence: Row = {"logging": f"{ms(timed + sampled)} of the {ms(step)} step ({percent((timed + sampled) / step)})"}
    if (logging_calls or {}).get("called"):
        evidence["called"] = ", ".join(str(name) for name in list(logging_calls["called"])[:3])  # type: ignore[index]
    if lines:
        evidence["spent in"] = ", ".join(place(row) for row in lines[:3])
    return Finding(
        rule="logging",
        cause="logging",
        title="Log every tenth step, not every one",
        evidence=evidence,
        saves=gain,
        confidence="high" if not sampled else "medium",
        fix=None,
        how="if step % 10 == 0:\n    log(...)",
        takes={"logging": timed, "other": sampled},
    )


def _is_logging(row: Row, facts: list[Row]) -> bool:
    at_fact = any(f["fact"] in FACTS and f["line"] == row["line"] and _same(f["file"], row["file"]) for f in facts)
    return at_fact or is_named(row["function"], NAMES)


def _same(relative: str, file: str) -> bool:
    return file == relative or file.endswith("/" + relative)


def _sampled(lines: list[Row], step: float, other: float) -> tuple[float, float]:
    """Seconds per step in *lines*, never more than no phase claims, and the standard error of that."""
    share, error = share_and_error(lines)
    seconds = share * step
    return (other, 0.0) if seconds > other else (seconds, min(error * step, other - seconds))
