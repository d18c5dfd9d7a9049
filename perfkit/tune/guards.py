"""Whether the training is still the same training: losses at equal samples, memory, and what its compiler had to do."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .trial import Trial

Row = dict[str, Any]
Losses = list[tuple[float, float | None]]
State = Literal["same", "within", "differs", "not finite", "other training", "unknown"]

# Rounding in another order moves a loss by less than this, relatively, in the steps of a trial.
SAME = 1e-4
# This much may differ in any case, relatively: less is no matter of concern in the first steps of a training.
TOLERANCE = 0.05
# How many spreads of the baselines, and standard errors of the means compared, a candidate may lie beside them.
SPREADS = 3.0
# The last part of the common samples is compared, where the trainings have had the most time to part.
LAST = 0.25
# Compilations anew in one process from which on a script never settles. Once for sizes that turn out to change, and again for
# training and evaluation, is usual; this many of one function are torch's own limit, at which it stays uncompiled
# (torch._dynamo.config.recompile_limit).
MANY_RECOMPILES = 8
# Breaks of one compilation from which on the model is in pieces: a break for each layer of a small network, where a stray print
# or a branch on a value makes one or two. Each is a return to Python, and across it nothing is fused.
MANY_BREAKS = 8


@dataclass(frozen=True, kw_only=True)
class Loss:
    """A candidate's losses beside the baseline's."""

    state: State
    #: Mean loss over the last quarter of the samples that both have seen.
    candidate: float | None = None
    baseline: float | None = None
    #: How far apart they may be.
    tolerance: float | None = None

    @property
    def ok(self) -> bool:
        """Whether it speaks against keeping the candidate."""
        return self.state not in ("differs", "not finite")


def loss(candidate: Sequence[Trial], baseline: Sequence[Trial], *, is_other_training: bool = False) -> Loss:
    """Compare at equal samples: the mean over the last quarter of those that all have seen, within the baselines' spread."""
    ours = [t.figures.losses for t in candidate if t.figures.losses]
    theirs = [t.figures.losses for t in baseline if t.figures.losses]
    if not ours or not theirs:
        return Loss(state="unknown")
    # What the baseline's own losses do, its fixes cannot be blamed for.
    if any(value is None for run in ours for _, value in run) and all(
        value is not None for run in theirs for _, value in run
    ):
        return Loss(state="not finite")
    if not is_other_training:  # of other batches, few losses are at the same samples: all count
        ours, theirs = _in_common(ours, theirs)
    upto = min(run[-1][0] for run in (*ours, *theirs))
    means = [mean for run in ours if (mean := _last(run, upto)) is not None]
    bases = [mean for run in theirs if (mean := _last(run, upto)) is not None]
    if not means or not bases:
        return Loss(state="unknown")
    found, base = float(np.median([m[0] for m in means])), float(np.median([m[0] for m in bases]))
    spread = max(m[0] for m in bases) - min(m[0] for m in bases)
    size = max(abs(base), 1e-12)
    chance = math.hypot(max(m[1] for m in means), max(m[1] for m in bases))
    tolerance = max(SPREADS * spread, SPREADS * chance, TOLERANCE * size)
    apart = abs(found - base)
    state: State = "same" if apart <= max(SAME * size, spread) else "within" if apart <= tolerance else "differs"
    if is_other_training:
        state = "other training"
    return Loss(state=state, candidate=found, baseline=base, tolerance=tolerance)


def _in_common(ours: list[Losses], theirs: list[Losses]) -> tuple[list[Losses], list[Losses]]:
    """Only the losses at samples at which all have one, where any are: a process that took eight times as many steps in its time
    was thinned to an eighth of its losses (`trial._thinned`), and the others' own are of other batches.
    """
    shared = set.intersection(*({at for at, _ in run} for run in (*ours, *theirs)))

    def kept(runs: list[Losses]) -> list[Losses]:
        return [[pair for pair in run if pair[0] in shared] for run in runs]

    return (kept(ours), kept(theirs)) if shared else (ours, theirs)


def _last(losses: Losses, upto: float) -> tuple[float, float] | None:
    """Mean of the last part of the losses, and its standard error as if each were drawn by itself."""
    values = [value for at, value in losses if (1 - LAST) * upto <= at <= upto and value is not None]
    return (float(np.mean(values)), float(np.std(values) / math.sqrt(len(values)))) if values else None


def memory(candidate: Sequence[Trial], baseline: Sequence[Trial]) -> dict[str, Any]:
    """Median peaks: kind (device where there is one, else host), bytes, baseline_bytes, change (relative)."""
    for kind in ("device", "host"):
        key = f"{kind}_peak_bytes"
        ours = [value for t in candidate if (value := getattr(t.figures, key))]
        theirs = [value for t in baseline if (value := getattr(t.figures, key))]
        if ours and theirs:
            now, before = float(np.median(ours)), float(np.median(theirs))
            return {"kind": kind, "bytes": int(now), "baseline_bytes": int(before), "change": now / before - 1}
    return {"kind": None, "bytes": None, "baseline_bytes": None, "change": None}


def compiler(candidate: Sequence[Trial]) -> str:
    """What the compiler of one of these processes had to do too often, or nothing."""
    return next((said for t in candidate for fix in t.figures.fixes if (said := storm(fix))), "")


def once(candidate: Sequence[Trial]) -> str:
    """What a fix costs before the first batch, which no figure of the steady steps holds."""
    fills = [detail for t in candidate for fix in t.figures.fixes if "fill_s" in (detail := fix.get("detail") or {})]
    if not fills:
        return ""
    seconds = float(np.median([detail["fill_s"] for detail in fills]))
    return f"all samples are prepared before the first batch, in {seconds:.1f} s: it pays from the second pass over them on"


def storm(fix: Row) -> str:
    """The same of one fix, as `runs.fixes` tells it. Breaks are counted anew in every compilation, and so divided among these."""
    detail = fix.get("detail") or {}
    recompiles, breaks = (int(detail.get(name) or 0) for name in ("recompiles", "graph_breaks"))
    if recompiles >= MANY_RECOMPILES:
        return f"it is compiled anew again and again ({recompiles} times in one process{_first(detail, 'recompile_reasons')})"
    if (each := breaks // (1 + recompiles)) >= MANY_BREAKS:
        return f"the compiler breaks it into many graphs ({each} breaks{_first(detail, 'break_reasons')})"
    return ""


def _first(detail: Row, reasons: str) -> str:
    return f", such as: {detail[reasons][0]}" if detail.get(reasons) else ""
