"""How far the gains that rules tell are from what cures give on scripts that no rule was made with, and intervals
widened by that.

A rule's own interval says what its replay of the step cannot know. What the replay leaves out altogether (caches, other
processes, work that overlaps otherwise than it thinks) shows only against measurements: causes planted at random severity
into public scripts, their cures measured (benchmarks/zoo_score.py --inject). The ends of every interval are moved by the
quantile of their misses there, which is split conformal prediction (Romano, Patterson & Candès, Conformalized quantile
regression, NeurIPS 2019): a new script of the same kind then finds its truth inside as often as was asked for. It is
published, for other scripts than those, in results/zoo_inject.json.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..model.records import Interval
from .host_work import is_on_cpu

if TYPE_CHECKING:
    from ..model.records import Finding
    from .evidence import Evidence

# Quantiles of the misses below the low and above the high end of 30 trials, one end in ten each, in units of `scale`:
# "margins" in results/zoo_inject_calibration.json, to which a test holds them. On a GPU nothing was planted: intervals stay as
# the rules tell them.
BELOW, ABOVE = 0.0, 0.19
# Of the step: what the pace of one and the same script differs by from run to run.
NOISE = 0.03


def scale(saves: Interval) -> float:
    """What misses are measured in: largest for a gain of half the step, no less than the noise for one of nearly nothing."""
    middle = (saves.low + saves.high) / 2
    return NOISE + middle * (1 - middle)


def widened(saves: Interval) -> Interval:
    """*saves* with both ends moved out, never beyond nothing and everything."""
    unit = scale(saves)
    return Interval(low=max(0.0, saves.low - BELOW * unit), high=min(1.0, saves.high + ABOVE * unit))


def calibrated(finding: Finding, evidence: Evidence) -> Finding:
    """*finding* with its interval as it should be told."""
    if finding.basis != "steady" or not is_on_cpu(evidence.model or {}):
        return finding
    return replace(finding, saves=widened(finding.saves))
