"""The search: rounds of fresh processes, baseline and candidates in turn, until each candidate has a verdict.

Every round runs the baseline and all candidates that are still open, forwards and backwards in turn (A B C, C B A, …), so that
a machine that slows down favours nobody; where they can be, all at once, one leg each in turn (`launch.relay`). Looks at the data come after the rounds that `stats.paired` plans, and spend one
allowance for false claims. The first round drops only what is clearly slower. Where the time does not allow rounds enough for
all, the most promising go on and the others stay open, which is said.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from ..errors import PerfkitError
from ..model.records import Interval
from ..stats import paired
from . import guards, plan, rounds
from .candidates import Candidate, joined
from .trial import BASELINE, Interrupted, Trial

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .screen import Screened

State = Literal["keep", "drop", "inconclusive", "not-applicable"]

# A gain below this is not worth a change to anybody's code.
WORTH = 0.01
# What can at best save less than this is dropped: no more time is spent on telling it from nothing.
SMALL = 0.02
# In a first round nothing is known of the noise: only what takes longer by more than this is dropped then.
CLEARLY_SLOWER = 0.3
# An allowance this small is spent: at it nothing is claimed any more.
NOTHING = 1e-9
AT_FIRST_LOOK = "slower here, at the first look"
SLOWER, SMALL_AT_BEST = "slower here", f"saves less than {SMALL:.0%}, if anything"
#: Reasons to drop that rest on times, which later rounds may put in doubt.
BY_MEASURE = (AT_FIRST_LOOK, SLOWER, SMALL_AT_BEST)
# With fewer rounds the variance is hardly known, and luck would look like proof.
ROUNDS_TO_DROP = 3
# Where there is no time to measure all alone, those that saved this much at first sight are confirmed as one.
PROMISING = 0.05
# Each end of a shown interval is wrong in so many cases (95 % for both).
SHOWN = 0.025
# For dropping, an error costs little: at this one-sided level.
DROPS = 0.05


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What is known of a candidate."""

    state: State
    #: Fraction of the time per sample that it saves: 95 % interval, an end None where nothing bounds it; None without a trial.
    measured: Interval | None
    estimate: float | None
    reason: str
    loss: guards.Loss
    memory: dict[str, object]
    #: Processes of it that were measured.
    processes: int
    method: str = ""
    #: What else is to be known of it, whatever the verdict: a compiler that never came to rest.
    note: str = ""

    @property
    def told(self) -> str:
        """The reason, and the note where that is not the reason itself."""
        return f"{self.reason}; {self.note}" if self.note and self.note != self.reason else self.reason


@dataclass(frozen=True, kw_only=True)
class Together:
    """The kept fixes as one."""

    candidates: tuple[Candidate, ...]
    verdict: Verdict


@dataclass
class Search:
    """One search. ``run`` fills in `verdicts` and `together`; after Interrupted they hold what is known."""

    candidates: list[Candidate]
    #: (arm, candidate or None for the baseline, round) → Trial; raises Interrupted.
    runner: Callable[[str, Candidate | None, int], Trial]
    process_s: float
    limit_s: float
    #: Called with a round's number and what is to run in it, None for the baseline: it may run them all, and `runner` gives what came of it.
    #: Raises Interrupted.
    before_round: Callable[[int, Sequence[Candidate | None]], None] = lambda _number, _order: None
    #: What a screening says of the candidates, by label; empty without one. Raises Interrupted.
    screener: Callable[[Sequence[Candidate]], Mapping[str, Screened]] = lambda _candidates: {}
    #: Whether changes that make another training may be kept together with the others.
    allow_other_training: bool = False
    say: Callable[[str], None] = lambda _line: None
    #: Called with each trial once it counts.
    counted: Callable[[Trial], None] = lambda _trial: None
    clock: Callable[[], float] = time.monotonic
    trials: dict[str, list[Trial]] = field(default_factory=lambda: defaultdict(list))
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    together: Together | None = None
    #: Said of the whole: what was not steady, what there was no time for.
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._began = self.clock()
        self._arms = {candidate.label: candidate for candidate in self.candidates}
        self._screened: Mapping[str, Screened] = {}
        self._round = 0
        self._cut_short = "no time left"
        self._spent = 0.0  # of the allowance for false claims

    # --- the course of it

    def run(self) -> None:
        """`measure` and `settle`, whatever ended the first."""
        try:
            self.measure()
        finally:
            self.settle()

    def measure(self) -> None:
        """Measure and decide. Raises PerfkitError when the baseline itself cannot be measured, and Interrupted."""
        try:
            self._screen()
            self._alone()
            self._as_one()
        except (Interrupted, KeyboardInterrupt):
            self._cut_short = "interrupted"
            raise

    def _screen(self) -> None:
        """What turns within one process have shown to be useless needs no process of its own."""
        self._screened = self.screener(self.candidates)
        for label, found in self._screened.items():
            if found.state != "survives":
                self._decide(label, found.state, found.reason)

    def _alone(self) -> None:
        if not self._open():
            return
        self._run_round(self._open())
        self._drop_slower()
        open_now = self._open()
        going_on = self._narrow(open_now)
        if len(going_on) < len(open_now) and len(promising := self._promising(open_now)) > 1:
            self._at_once(promising)
            return
        rounds = min(plan.MOST_ROUNDS, 1 + self._rounds_left(len(going_on)))
        looks = paired.looks(rounds)
        self._look(looks.get(1, 0.0))
        while going_on and self._round < rounds and self._has_time(len(going_on) + 1):
            self._run_round(going_on)
            self._look(looks.get(self._round, 0.0))
            self._drop_useless()
            going_on = [candidate for candidate in going_on if candidate.label not in self.verdicts]
        self._look(self._unspent())

    def _at_once(self, promising: list[Candidate]) -> None:
        """Without the time to measure each alone: all that promise much as one, beside the original."""
        self.notes.append(
            "too little time to measure each fix alone: what saved much at first sight was measured as one"
        )
        arm = self._as_arm(promising)
        first = self._round
        while self._round < first + plan.TOGETHER_ROUNDS and self._has_time(2) and arm.label not in self.verdicts:
            self._run_round([arm])
        self._look(self._unspent())
        # Only what was proven is kept: where that is a part of it, the part is what goes together.
        kept = sum(c.label in self.verdicts and self.verdicts[c.label].state == "keep" for c in promising)
        if self._measured(arm.label) and kept in (0, len(promising)):
            self.together = Together(candidates=tuple(promising), verdict=self._judged(arm, paired.FALSE_CLAIMS))

    def _promising(self, candidates: list[Candidate]) -> list[Candidate]:
        """Those that saved much at first sight, of each family the one that saved most, most first."""
        return self._best_of_families([c for c in candidates if self._value(c) < math.log1p(-PROMISING)])

    def _as_one(self) -> None:
        """Measure the kept fixes together; without the least of them again where they get in each other's way."""
        kept = [c for c in self.candidates if c.label in self.verdicts and self.verdicts[c.label].state == "keep"]
        chosen = self._best_of_families(kept)
        while len(chosen) > 1 and self.together is None:
            arm, best, first = self._as_arm(chosen), chosen[0], self._round
            while self._round < first + plan.TOGETHER_ROUNDS and self._has_time(3) and arm.label not in self.verdicts:
                self._run_round([best, arm])
            if arm.label in self.verdicts or (self._measured(arm.label) and self._is_worse(arm, best)):
                reason = (
                    self.verdicts[arm.label].reason
                    if arm.label in self.verdicts
                    else "it gains nothing beside the others"
                )
                self.notes.append(f"{chosen[-1].label} was left out of the whole: {reason}")
                chosen = chosen[:-1]
            elif self._measured(arm.label):
                self.together = Together(candidates=tuple(chosen), verdict=self._judged(arm, paired.FALSE_CLAIMS))
            else:
                self.notes.append("no time was left to measure the kept fixes together")
                return
        if len(chosen) == 1 and self.together is None:
            self.together = Together(candidates=tuple(chosen), verdict=self.verdicts[chosen[0].label])

    def _as_arm(self, candidates: Sequence[Candidate]) -> Candidate:
        arm = joined(candidates)
        self._arms[arm.label] = arm
        return arm

    def _best_of_families(self, candidates: list[Candidate]) -> list[Candidate]:
        """Of those of which only one can act, what saves most; most first. Other trainings only where they are allowed."""
        families: dict[str, Candidate] = {}
        for candidate in sorted(candidates, key=self._value):
            if self.allow_other_training or not self._is_other_training(candidate):
                families.setdefault(candidate.rivalry, candidate)
        return list(families.values())

    # --- rounds

    def _open(self) -> list[Candidate]:
        """Those without a verdict, what promises most first: by the screening, else by its prediction."""
        found = [candidate for candidate in self.candidates if candidate.label not in self.verdicts]
        return sorted(found, key=self._promise, reverse=True) if self._screened else found

    def _promise(self, candidate: Candidate) -> float:
        screened = self._screened.get(candidate.label)
        if screened is not None and screened.estimate is not None:
            return screened.estimate
        return (candidate.predicted.low + candidate.predicted.high) / 2 if candidate.predicted is not None else 0.0

    def _run_round(self, arms: Sequence[Candidate]) -> None:
        number = self._round
        order: list[Candidate | None] = [None, *arms]
        order = order if number % 2 == 0 else order[::-1]
        self.before_round(number, order)
        for candidate in order:
            name = BASELINE if candidate is None else candidate.label
            if name in self.verdicts and self.verdicts[name].state != "keep":
                continue  # it broke earlier in this round
            self._take(self.runner(name, candidate, number), candidate)
        self._round += 1

    def _take(self, trial: Trial, candidate: Candidate | None) -> None:
        if candidate is None and trial.state != "measured":
            if not self._measured(BASELINE):
                raise PerfkitError(f"the unchanged script cannot be measured: {trial.reason}")
            self.notes.append(f"the unchanged script failed in round {trial.round + 1}: {trial.reason}")
            return
        self.trials[trial.arm].append(trial)
        self.counted(trial)
        if trial.state == "measured":
            return
        states: dict[str, State] = {"not-applicable": "not-applicable", "late": "inconclusive"}
        state = states.get(trial.state, "drop")
        if state == "not-applicable":
            self.trials[trial.arm].remove(trial)  # the plain script again: no trial of this fix
        self.verdicts[trial.arm] = self._verdict(trial.arm, state, trial.reason)

    def _narrow(self, candidates: list[Candidate]) -> list[Candidate]:
        """As many of them, the most promising first, as there is time for rounds enough."""
        ranked = sorted(candidates, key=self._value)
        kept = list(ranked)
        while len(kept) > 1 and 1 + self._rounds_left(len(kept)) < plan.LEAST_ROUNDS:
            kept.pop()
        if len(kept) < len(ranked):
            self.notes.append(
                f"time for {len(kept)} of {len(ranked)} fixes after the first round: a larger --max-minutes looks at all"
            )
        return [candidate for candidate in candidates if candidate in kept]

    def _rounds_left(self, arms: int) -> int:
        reserve = plan.together_s(self.process_s, arms)
        return plan.rounds_for(self._left_s() - reserve, self._mean_s(), arms)

    def _mean_s(self) -> float:
        """Length of a process: as seen, once some have been."""
        seen = [trial.wall_s for trials in self.trials.values() for trial in trials]
        return sum(seen) / len(seen) + plan.AROUND_S if seen else self.process_s

    def _left_s(self) -> float:
        return self.limit_s - (self.clock() - self._began)

    def _has_time(self, processes: int) -> bool:
        return self._left_s() >= processes * self._mean_s()

    # --- looks

    def _drop_slower(self) -> None:
        for candidate in self._open():
            if math.expm1(self._value(candidate)) > CLEARLY_SLOWER:
                self._decide(candidate.label, "drop", AT_FIRST_LOOK)

    def _drop_useless(self) -> None:
        """After every round: a fix that is dropped in error costs little, and another round costs much."""
        for candidate in self._open() if self._round >= ROUNDS_TO_DROP else ():
            if (reason := self._why_useless(candidate.label) or self._why_restless(candidate.label)) is not None:
                self._decide(candidate.label, "drop", reason)

    def _why_useless(self, name: str) -> str | None:
        low = self._bounds(name, DROPS).low
        if 1 - math.exp(low) >= SMALL:
            return None
        return SLOWER if low > 0 else SMALL_AT_BEST

    def _why_restless(self, name: str) -> str | None:
        """Why a compiler that never comes to rest speaks against it: it does unless it is likely to be faster all the same."""
        measured = self._measured(name)
        bounds = self._bounds(name, DROPS)
        is_faster = bounds.high < 0 if len(measured) >= ROUNDS_TO_DROP else bounds.value < math.log1p(-PROMISING)
        return None if is_faster else guards.compiler(measured) or None

    def _look(self, alpha: float) -> None:
        """Judge all that are open, at *alpha*; nothing without."""
        if not alpha:
            return
        self._spent += alpha
        for candidate in self._open():
            found = self._judged(candidate, alpha)
            if found.state != "inconclusive":
                self._decide(candidate.label, found.state, found.reason)

    def _judged(self, candidate: Candidate, alpha: float) -> Verdict:
        """The verdict on what is known of a candidate, false gains at *alpha*."""
        name = candidate.label
        if self._bounds(name, alpha).high < math.log1p(-WORTH):
            return self._kept(candidate)
        if (reason := self._why_useless(name) or self._why_restless(name)) is not None:
            return self._verdict(name, "drop", reason)
        return self._verdict(name, "inconclusive", self._why_open(name))

    def _kept(self, candidate: Candidate) -> Verdict:
        loss = self._loss(candidate.label)
        if loss.state == "not finite":
            return self._verdict(candidate.label, "drop", "faster, but the loss is no longer finite")
        if not loss.ok:
            reason = (
                f"faster, but the loss differs: {loss.candidate:.4g} against {loss.baseline:.4g} ± {loss.tolerance:.2g}"
            )
            return self._verdict(candidate.label, "drop", reason)
        reason = "another training: fewer updates for the same samples" if loss.state == "other training" else "faster"
        return self._verdict(candidate.label, "keep", reason)

    def _decide(self, name: str, state: State, reason: str) -> None:
        self.verdicts[name] = self._verdict(name, state, reason)
        self.say(f"{name}: {state} ({self.verdicts[name].told})")

    def _unspent(self) -> float:
        """What is left of the allowance for false claims, for a last look; 0 when all of it is spent."""
        left = paired.FALSE_CLAIMS - self._spent
        return left if left > NOTHING else 0.0

    def settle(self) -> None:
        """Every candidate has a verdict at the end, whatever ended it."""
        for candidate in self._open():
            if self._measured(candidate.label):
                self.verdicts[candidate.label] = self._judged(candidate, self._unspent() or NOTHING)
            else:
                self.verdicts[candidate.label] = self._verdict(
                    candidate.label, "inconclusive", f"not tried: {self._cut_short}"
                )
        # What was decided early has learnt from all that came later.
        for name, old in list(self.verdicts.items()):
            if self._measured(name):
                doubted = old.reason in BY_MEASURE and self._why_useless(name) is None
                state: State = "inconclusive" if doubted else old.state
                reason = f"{old.reason}, and what came later leaves it open" if doubted else old.reason
                self.verdicts[name] = self._verdict(name, state, reason)
        if self.together is not None and len(self.together.candidates) == 1:
            self.together = replace(self.together, verdict=self.verdicts[self.together.candidates[0].label])
        if restless := [name for name, trials in self.trials.items() if trials and not _settled(trials)]:
            self.notes.append(
                f"the steps never settled in: {', '.join(restless)}; their figures are means over a drift"
            )

    # --- what is known of an arm

    def _bounds(self, name: str, alpha: float, against: str = BASELINE) -> paired.Bounds:
        return paired.compare(rounds.observations(self.trials), name, against, alpha)

    def _verdict(self, name: str, state: State, reason: str) -> Verdict:
        bounds = self._bounds(name, SHOWN)
        has_estimate = not math.isnan(bounds.value)
        return Verdict(
            state=state,
            measured=Interval(low=1 - math.exp(bounds.high), high=1 - math.exp(bounds.low)) if has_estimate else None,
            estimate=1 - math.exp(bounds.value) if has_estimate else None,
            reason=reason,
            loss=self._loss(name),
            memory=guards.memory(self._measured(name), self.trials[BASELINE]),
            processes=len(self._measured(name)),
            method=bounds.method,
            note=guards.compiler(self._measured(name)) or guards.once(self._measured(name)),
        )

    def _loss(self, name: str) -> guards.Loss:
        other = self._is_other_training(self._arms[name])
        return guards.loss(self._measured(name), self.trials[BASELINE], is_other_training=other)

    def _is_other_training(self, candidate: Candidate) -> bool:
        """Told by the fix, or seen: another number of samples in a step."""
        if candidate.is_other_training:
            return True
        ours, theirs = (
            [trial.figures.samples_per_step for trial in self.trials[name] if trial.figures.samples_per_step]
            for name in (candidate.label, BASELINE)
        )
        return bool(ours and theirs and abs(ours[0] / theirs[0] - 1) > WORTH)

    def _is_worse(self, arm: Candidate, best: Candidate) -> bool:
        """Whether all as one are surely slower than the best alone, or clearly so at sight."""
        bounds = self._bounds(arm.label, DROPS, best.label)
        return bounds.low > 0 or bounds.value > -math.log1p(-SMALL)

    def _value(self, candidate: Candidate) -> float:
        """The estimate, as a log ratio: negative is faster; what was not measured comes last."""
        value = self._bounds(candidate.label, SHOWN).value
        return math.inf if math.isnan(value) else value

    def _measured(self, name: str) -> list[Trial]:
        return [trial for trial in self.trials[name] if trial.state == "measured"]

    def _why_open(self, name: str) -> str:
        bounds = self._bounds(name, SHOWN)
        if math.isinf(bounds.high):
            return "too few processes to say; a larger --max-minutes"
        if bounds.high < 0:
            return "probably faster, and not surely enough to keep: of a hundred searches one may err; a larger --max-minutes"
        return "the interval holds both a gain and none; a larger --max-minutes, or a quieter machine"


def _settled(trials: list[Trial]) -> bool:
    steady = [trial.figures.steady for trial in trials if trial.state == "measured"]
    return not steady or sum(steady) * 2 >= len(steady)
