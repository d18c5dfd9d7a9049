"""Preparing the data takes a large part of every run.

Speaks when what lies between the imports and the first step (reading, parsing, computing features, building the model)
takes at least 10 % of the run, and 1.5 seconds of it lie in lines of the script itself (without stack samples: 5 seconds
in all). The lines that take it are named. Cure: keep the prepared data in a file and read that; prepare in parallel;
prepare as it is needed, in the loader's workers.

How the gain is told. It is a part of the whole run, not of the step. Reading a file of prepared tensors takes a small part
of what computing them does (1 to 15 % is assumed). Of the preparation only what the stack samples found in the script's
own lines counts as preparation of data, less what these import, and four fifths of that at the low end. Without samples the low end is half of the preparation. A run that trains longer has a smaller share of
it: the figure is for runs as long as this one.

It is silent for a short preparation, and where the samples show that it is importing or setting up the framework.
"""

from __future__ import annotations

from typing import Any

from ...model.records import Finding, Interval
from ..sampled import place
from ..what_if import ms, percent

# A person notices that every run begins so late; below that a cache file is more trouble than it is worth. Without stack
# samples much of the preparation may be the framework's own: making an optimizer imports modules for 1 to 3 s.
MIN_SECONDS, MIN_SECONDS_UNSEEN, MIN_SHARE = 1.5, 5.0, 0.10
# Reading what was prepared, in proportion to preparing it: assumed.
READING = (0.01, 0.15)
# What of it is preparing data, at least: with stack samples, of the time in the script's own lines; without, of the
# whole preparation. Assumed.
DATA_SEEN, DATA_UNSEEN = 0.8, 0.5
# Lines that at least this part of the samples lies on are named.
MIN_LINE_SHARE = 0.10

Row = dict[str, Any]


def check(run_breakdown: list[Row], hot_lines: list[Row] | None = None) -> Finding | None:
    """Judge what comes before the first step."""
    spent = next((row for row in run_breakdown if row["name"] == "preparation"), None)
    if spent is None or spent["share"] < MIN_SHARE:
        return None
    lines = [row for row in hot_lines or [] if row["window"] == "startup" and row["role"] == "main"]
    imports_s = sum(row["seconds"] for row in run_breakdown if row["name"] == "imports")
    own_s = sum(_own_share(row) for row in lines) * (spent["seconds"] + imports_s) if lines else None
    if (spent["seconds"] < MIN_SECONDS_UNSEEN) if own_s is None else (own_s < MIN_SECONDS):
        return None
    gain = _gain(spent, own_s)
    if gain.high < MIN_SHARE or gain.low <= 0:
        return None
    run_s = spent["seconds"] / spent["share"]
    evidence: Row = {"preparation": f"{ms(spent['seconds'])} of the {ms(run_s)} run ({percent(spent['share'])})"}
    named = [row for row in lines if _own_share(row) >= MIN_LINE_SHARE][:3]
    if named:
        evidence["spent in"] = ", ".join(place(row) for row in named)
    return Finding(
        rule="startup",
        cause="startup",
        title="Keep the prepared data from run to run",
        evidence=evidence,
        saves=gain,
        basis="run",
        confidence="medium" if lines else "low",
        fix=None,
        how="if not cache.exists():\n    torch.save(prepare(), cache)\ndata = torch.load(cache)",
    )


def _own_share(row: Row) -> float:
    """Share of the samples in a line, importing not counted: making an optimizer imports a second's worth of modules."""
    return float(row["self_share"] - row.get("import_share", 0.0))


def _gain(spent: Row, own_s: float | None) -> Interval:
    """*own_s*: seconds in the script's own lines before the first step."""
    high = spent["share"] * (1.0 if own_s is None else min(1.0, own_s / spent["seconds"]))
    low = high * (DATA_UNSEEN if own_s is None else DATA_SEEN)
    return Interval(low=low * (1 - READING[1]), high=high * (1 - READING[0]))
