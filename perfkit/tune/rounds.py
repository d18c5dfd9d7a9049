"""Values of processes that can be compared: the logarithm of what a sample cost, and in a relay how it compared leg by leg."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..stats.paired import Observation, hodges_lehmann
from .trial import BASELINE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .trial import Trial

# With fewer legs in common the processes are compared as a whole.
LEAST_LEGS = 3


def observations(trials: Mapping[str, Sequence[Trial]]) -> list[Observation]:
    """One for each process that was measured: trials by arm.

    Where it took turns with the baseline of its round, its value is the baseline's and the Hodges–Lehmann estimate of their legs'
    differences: what slowed the machine down for some legs slowed both down in them, and falls out.
    """
    baselines = {trial.round: trial for trial in trials.get(BASELINE, ()) if _is_measured(trial)}
    return [
        Observation(arm=arm, round=trial.round, value=_value(trial, baselines.get(trial.round)))
        for arm, of_arm in trials.items()
        for trial in of_arm
        if _is_measured(trial)
    ]


def _is_measured(trial: Trial) -> bool:
    return trial.state == "measured" and bool(trial.figures.seconds)


def _value(trial: Trial, baseline: Trial | None) -> float:
    assert trial.figures.seconds is not None
    own = math.log(trial.figures.seconds)
    if baseline is None or baseline is trial or baseline.figures.seconds is None:
        return own
    legs = zip(trial.figures.legs, baseline.figures.legs, strict=False)
    differences = [ours - theirs for ours, theirs in legs if ours is not None and theirs is not None]
    if len(differences) < LEAST_LEGS:
        return own
    return math.log(baseline.figures.seconds) + hodges_lehmann(differences)
