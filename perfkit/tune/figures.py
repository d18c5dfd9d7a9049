"""What a recorded process says of itself: the cost of one sample, the losses, memory, what became of its fixes."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..analyze.breakdown import leading_segment
from ..analyze.memory_samples import framework_peaks
from ..runs import layout
from ..runs.fixes import fixes as fix_states
from ..stats.steady import drift
from .stretches import facts_of, log_seconds

if TYPE_CHECKING:
    import polars as pl

    from ..advise.evidence import Evidence
    from ..runs.reader import Run

Row = dict[str, Any]

# Fewer steady steps than this are no measurement.
LEAST_STEPS = 5
# Blocks that the steady steps are cut into: their median is what a stall of one does not move.
BLOCKS = 8
# Steps that a block has at least: workers deliver in bursts, and a block must hold several.
BLOCK_STEPS = 8
# A step that takes so many times as long as they usually do is rare (in a relay), where no more than this share of the legs has one.
RARE_TIMES, RARE_LEGS = 3.0, 0.5
# A change this large from the first to the second half is no steady state.
MOST_DRIFT = 0.10


@dataclass(frozen=True, kw_only=True)
class Figures:
    """One process."""

    #: Wall time per sample, or per step where samples could not be counted; None with the reason in `problem`.
    seconds: float | None
    #: "sample" or "step".
    per: str
    steps: int
    samples_per_step: float | None
    step_s: float | None
    #: From the start of the command to the end of its first step.
    startup_s: float | None
    #: Relative change of the step from the first to the second half of the steady steps.
    drift: float
    #: Of one of a relay: log of the seconds per sample (or step), evaluation and checkpoints counted as in `seconds`, in each leg; None
    #: for a leg that cannot be told.
    legs: list[float | None] = field(default_factory=list)
    #: Losses at so many samples since the start: (samples, loss); a loss that is not a number is None.
    losses: list[tuple[float, float | None]] = field(default_factory=list)
    host_peak_bytes: int | None = None
    device_peak_bytes: int | None = None
    #: name, parameters, state, reason, count of each fix.
    fixes: list[Row] = field(default_factory=list)
    problem: str | None = None

    @property
    def steady(self) -> bool:
        """Whether the steps had settled."""
        return abs(self.drift) <= MOST_DRIFT


def read(evidence: Evidence) -> Figures:
    """The figures of a run. Never raises for a poor recording: then there are none, and `problem` says why."""
    headline = evidence.headline or {}
    seconds, per, legs, problem = _cost(evidence)
    peaks = [peak for recording in evidence.recordings or [] for peak in _device_peaks(recording)]
    return Figures(
        seconds=seconds,
        per=per,
        steps=int(headline.get("steady_count") or 0),
        samples_per_step=headline.get("samples_per_step"),
        step_s=headline.get("median_s"),
        startup_s=_startup(evidence),
        drift=_block_drift(evidence),
        legs=legs,
        losses=losses(evidence),
        host_peak_bytes=(evidence.host_memory or {}).get("host_peak_bytes"),
        device_peak_bytes=max(peaks, default=None),
        fixes=fix_states(evidence.run),
        problem=problem,
    )


def _cost(evidence: Evidence) -> tuple[float | None, str, list[float | None], str | None]:
    """Seconds per unit, the unit, the legs of a relay, and what stands against them."""
    steps = evidence.steps
    if steps is None:
        return None, "sample", [], str(evidence.why("steps"))
    lead = leading_segment(steps)
    steady = lead.filter(lead["steady"])
    if len(steady) < LEAST_STEPS:
        return None, "sample", [], f"only {len(steady)} steady steps"
    samples = steady["samples"].to_numpy().astype(float)
    per = "sample" if np.isfinite(samples).all() and samples.sum() > 0 else "step"
    amount = samples if per == "sample" else np.ones(len(steady))
    batches = epoch_batches(evidence)
    legs = _legs(evidence.run, lead, steady, per, batches)
    known = [leg for leg in legs if leg is not None]
    if known:
        return math.exp(float(np.median(known))), per, legs, None
    return seconds_per(lead, steady, amount, batches), per, [], None


def _legs(run: Run, lead: pl.DataFrame, steady: pl.DataFrame, per: str, batches: int) -> list[float | None]:
    """Log of the seconds per unit in each leg of a relay; of the last relay where the loop changed.

    A leg is short, and chance whether something rare falls into it: a step that takes several times as long as the others (the first of
    an epoch, a long garbage collection) is left out of its leg where not every other leg has one. Such steps are counted over the
    whole loop, as evaluation is, and added to all legs.
    """
    facts = facts_of(run, "leg")
    begins = [position for position, fact in enumerate(facts) if fact["leg"] == 0]
    if not begins:
        return []
    rare = RARE_TIMES * float(steady["duration_ns"].median() or 0.0)  # type: ignore[arg-type]
    if float((steady["duration_ns"] > rare).mean()) * facts[-1]["steps"] > RARE_LEGS:  # type: ignore[arg-type]
        rare = math.inf
    usual = lead.filter(lead["duration_ns"] <= rare)
    amount = float(steady["samples"].mean()) if per == "sample" else 1.0  # type: ignore[arg-type]
    between = (_between(lead) + _rare(lead, rare, epoch_steps(steady, batches))) / amount
    found = log_seconds(usual, facts[begins[-1] :], per=per)
    return [math.log(math.exp(leg) + between) if math.isfinite(leg) else None for leg in found]


def _rare(lead: pl.DataFrame, rare_ns: float, epoch: int) -> float:
    """Seconds per step by which steps of more than *rare_ns* exceed the others, since the first steady one: over whole epochs where
    there is one.
    """
    since = lead[int(lead["steady"].arg_max() or 0) :]
    duration = since["duration_ns"].to_numpy() / 1e9
    if 2 <= epoch <= duration.size:
        duration = _whole(duration, epoch)
    long = duration[duration > rare_ns / 1e9]
    return float((long - rare_ns / RARE_TIMES / 1e9).sum()) / duration.size if long.size else 0.0


def epoch_batches(evidence: Evidence) -> int:
    """Batches of an epoch, as a DataLoader or Keras' own iterator has them; 0 where nobody knows."""
    loader, batches = evidence.loader or {}, evidence.batches or {}
    return max(0, int(loader.get("length") or batches.get("num_batches") or 0))


def seconds_per(lead: pl.DataFrame, steady: pl.DataFrame, amount: NDArray[np.float64], batches: int) -> float:
    """Wall seconds per unit of *amount* over the *steady* steps of the loop *lead*.

    Where the loader's epochs (of *batches* batches) are short, whole epochs are taken, so that what happens once in each is
    counted as often as it happens. Evaluation and checkpoints in between are added at the mean length of one, as often as they
    come in the whole loop: how many of them the steady steps happen to hold is chance.
    """
    epoch = epoch_steps(steady, batches)
    duration = steady["duration_ns"].to_numpy() / 1e9
    if 2 <= epoch <= len(duration):
        duration, amount = _whole(duration, epoch), _whole(amount, epoch)
    typical = float(np.median(_block_means(duration, amount, epoch)))
    return typical + _between(lead) / float(amount.mean())


def epoch_steps(steady: pl.DataFrame, batches: int) -> int:
    """Steps of an epoch of so many *batches*."""
    micro = max(1, int(steady["micro_steps"].median() or 1))  # type: ignore[arg-type]
    return math.ceil(batches / micro) if batches > 0 else 0


def _whole(values: NDArray[np.float64], epoch: int) -> NDArray[np.float64]:
    return values[values.size - values.size // epoch * epoch :]


def _block_means(duration: NDArray[np.float64], amount: NDArray[np.float64], epoch: int) -> NDArray[np.float64]:
    """Seconds per unit in each of several blocks: of whole epochs where there are three, else of equally many steps where none
    of an epoch's ends can fall into one more than into another; else all in one.
    """
    count = duration.size
    if 2 <= epoch <= count:
        blocks = count // epoch if count // epoch >= 3 else 1
    else:
        blocks = max(1, min(BLOCKS, count // BLOCK_STEPS))
    return np.array(
        [
            part.sum() / share.sum()
            for part, share in zip(np.array_split(duration, blocks), np.array_split(amount, blocks), strict=True)
        ]
    )


def _between(lead: pl.DataFrame) -> float:
    """Seconds of evaluation and checkpoints per step, the loop's first step left out."""
    inside = lead[1:]
    total = 0.0
    for phase in ("evaluation_ns", "checkpoint_ns"):
        spent = inside[phase].to_numpy() / 1e9
        total += float(np.nansum(spent)) / max(1, len(inside))
    return total


def _block_drift(evidence: Evidence) -> float:
    """Drift of the steady steps' blocks, in which bursts and single stalls are averaged."""
    steps = evidence.steps
    if steps is None:
        return 0.0
    lead = leading_segment(steps)
    duration = lead.filter(lead["steady"])["duration_ns"].to_numpy() / 1e9
    if duration.size < 2 * BLOCK_STEPS:
        return 0.0
    return drift(_block_means(duration, np.ones(duration.size), 0))


def _startup(evidence: Evidence) -> float | None:
    steps, info = evidence.steps, evidence.info
    if steps is None or info is None or info.started_monotonic_ns is None:
        return None
    return (int(steps["end_ns"][0]) - info.started_monotonic_ns) / 1e9


def _device_peaks(recording: Any) -> list[int]:
    return [allocated for allocated, _ in framework_peaks(recording).values()]


def losses(evidence: Evidence) -> list[tuple[float, float | None]]:
    """Losses of the lead recording by samples since its start; empty where none were recorded."""
    lead = evidence.lead
    if lead is None:
        return []
    try:
        found = json.loads((lead.path / layout.LOSSES).read_text(encoding="utf-8"))
        return list(zip(found["samples"], found["loss"], strict=True))
    except (FileNotFoundError, ValueError, KeyError):
        return []
