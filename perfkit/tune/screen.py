"""What a screening says: of fixes that took turns with the plain script within one process, which cannot be worth a round.

Each stretch of steps with a fix is compared with the plain ones on both sides, as the logarithm of its time per sample (per step
where samples cannot be counted), evaluation and checkpoints left out. A fix is dropped here, or found not to be applicable; it is never
kept: what goes on is measured in fresh processes.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from ..advise.evidence import Evidence
from ..launch.fixes import KINDS
from ..runs.fixes import fixes as fix_states
from ..stats import paired
from .guards import storm
from .stretches import facts_of, log_seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..runs.reader import Run
    from .candidates import Candidate

Row = dict[str, Any]
#: survives: it goes on to the rounds, because it may be worth it or nothing could be told.
State = Literal["survives", "drop", "not-applicable"]

# Fewer candidates are not worth a process of their own.
LEAST_CANDIDATES = 2
# One-sided level of the bound that a fix is dropped by: an error costs a gain, and no false claim is made.
DROPS = 0.05
# Each end of a shown interval is wrong in so many cases (95 % for both).
SHOWN = 0.025
WITHIN = "screened within one process"
OUT_OF_MEMORY = ("OutOfMemory", "out of memory", "not enough memory")


@dataclass(frozen=True, kw_only=True)
class Screened:
    """What is known of one fix after the screening."""

    label: str
    state: State
    reason: str
    #: Fraction of the time per sample that it saves, and the ends of its 95 % interval; None where nothing was timed or bounds it.
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    #: Stretches with it that were compared, its warm-up left out.
    stretches: int = 0


@dataclass(frozen=True, kw_only=True)
class Screening:
    """One process in which fixes took turns."""

    #: The run's id, in the tune's own folder.
    run: str
    #: Steps of a stretch.
    steps: int
    wall_s: float
    #: Why it says nothing; empty when it came to its end.
    broken: str = ""
    fixes: list[Screened] = field(default_factory=list)

    def row(self) -> Row:
        """As the ledger and the document have it."""
        return asdict(self)

    @classmethod
    def from_row(cls, row: Row) -> Screening:
        """The screening that *row* was made of."""
        return cls(**{**row, "fixes": [Screened(**fix) for fix in row["fixes"]]})


def chosen(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Those that can take turns: one fix each that can be switched, each name once; empty where too few can."""
    found: dict[str, Candidate] = {}
    for candidate in candidates:
        if len(candidate.fixes) == 1 and not candidate.sets and KINDS[candidate.fixes[0].name].screened:
            found.setdefault(candidate.fixes[0].name, candidate)
    return list(found.values()) if len(found) >= LEAST_CANDIDATES else []


def judged(run: Run, candidates: Sequence[Candidate], small: float) -> list[Screened]:
    """A verdict on each of the *candidates* from their screening *run*; what saves less than *small* at best is dropped."""
    states = {row["name"]: row for row in fix_states(run)}
    differences = compared(run)
    slower = {
        str(fact["fix"]): float(fact["times"]) for fact in facts_of(run, "screen-out") if fact["times"] is not None
    }
    return [
        _judged(each.label, states.get(name, {}), differences.get(name, []), slower.get(name), small)
        for each in candidates
        for name in (each.fixes[0].name,)
    ]


def _judged(label: str, state: Row, differences: list[float], slower: float | None, small: float) -> Screened:
    reason = str(state.get("reason") or "")
    if state.get("state") == "not-applicable":
        return Screened(label=label, state="not-applicable", reason=reason)
    if state.get("state") == "failed":
        # Memory is shared with all the others here: alone it may fit.
        survives = any(text in reason for text in OUT_OF_MEMORY)
        return Screened(label=label, state="survives" if survives else "drop", reason=f"{WITHIN}: {reason}")
    if slower is not None:
        return Screened(
            label=label,
            state="drop",
            reason="; ".join(filter(None, [f"{WITHIN}: its steps take {slower:.1f} times as long", storm(state)])),
            estimate=1 - slower,
            stretches=len(differences),
        )
    if len(differences) < paired.least_pairs(DROPS):
        return Screened(label=label, state="survives", reason=f"{WITHIN}: too few turns to say")
    return _measured(label, differences, small)


def _measured(label: str, differences: list[float], small: float) -> Screened:
    shown = paired.signed_rank(differences, SHOWN)
    best = 1 - math.exp(paired.signed_rank(differences, DROPS).low)
    estimate = 1 - math.exp(shown.value)
    text = f"{WITHIN}: saves {estimate:.1%}, at best {best:.1%}"
    return Screened(
        label=label,
        state="drop" if best < small else "survives",
        reason=text.replace("-", "−"),
        estimate=estimate,
        low=1 - math.exp(shown.high) if math.isfinite(shown.high) else None,
        high=1 - math.exp(shown.low) if math.isfinite(shown.low) else None,
        stretches=len(differences),
    )


def compared(run: Run) -> dict[str, list[float]]:
    """Per fix the log ratios of its stretches to the plain ones on both sides, the warm-up's left out."""
    steps = Evidence(run).steps
    found: dict[str, list[float]] = {}
    if steps is None:
        return found
    facts = facts_of(run, "screen-stretch")
    values = log_seconds(steps, facts)
    for before, own, after in zip(range(len(facts)), range(1, len(facts)), range(2, len(facts)), strict=False):
        is_turn = facts[own]["fix"] is not None and facts[own]["round"] > 0 and facts[own]["acted"] > 0
        is_between = facts[before]["fix"] is None and facts[after]["fix"] is None
        difference = values[own] - (values[before] + values[after]) / 2
        if is_turn and is_between and math.isfinite(difference):
            found.setdefault(str(facts[own]["fix"]), []).append(difference)
    return found


def on_when_it_broke(run: Run) -> str | None:
    """The fix whose turn it was last; None for the plain script's, or where none had a turn."""
    turns = facts_of(run, "screen-turn")
    return turns[-1]["fix"] if turns else None
