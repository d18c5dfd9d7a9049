"""How many steps a trial takes, how many processes there is time for, and how long that will be."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..stats.paired import SPENT

# Steady time in a process, in s, by its start-up: a long start is worth more steps.
SHARE_OF_STARTUP = 0.3
LEAST_S, MOST_S = 2.0, 15.0
LEAST_STEPS, MOST_STEPS = 24, 5000
# An epoch that is not longer than so many times the steps wanted is taken whole.
EPOCH_TIMES = 4
# Rounds of a comparison, at least and at most.
ROUNDS = min(SPENT)
MOST_ROUNDS = max(SPENT)
# Rounds in which the kept fixes together are measured beside the original.
TOGETHER_ROUNDS = ROUNDS
# With fewer rounds than this only large gains can be told from noise: rather fewer candidates then.
LEAST_ROUNDS = 3
# Legs of a relay: seconds and steps at least, the longest worth stopping processes for, how many, and the steady time that they should add up to.
# Where neighbours use a machine's cores too, its speed changes on every scale from milliseconds to minutes, and two turns differ by as much however long
# they are: then it is their number that makes a comparison sure. (A loop of one instruction, two shared cores: adjacent turns of 5 ms to 1 s
# differ by 11 to 17 %.)
LEG_S, LEAST_LEG_STEPS, LONGEST_LEG_S = 0.04, 4, 2.0
LEAST_LEGS, MOST_LEGS, RELAY_S = 8, 160, 6.4
# An epoch that is no longer than so many legs is a leg of its own.
EPOCH_LEGS = 5
# What a process settles for at the start of a leg (`inside.relay`).
SETTLING_STEPS, SETTLING_S = 2, 0.015
# A relay keeps all its processes in memory: no more than this share of what is free, where a fix may take so many times what the baseline does.
RELAY_MEMORY, RELAY_TIMES = 0.7, 2
# What perfkit itself takes around a process: reading, deciding.
AROUND_S = 0.5
# A turn in a screening: steps and seconds at least; what its settling adds; rounds, the warm-up included (`inside.screening`).
TURN_STEPS, TURN_S, SETTLING, TURN_ROUNDS = 8, 0.25, 1.3, 7
# More rounds of turns, where they are short, until so many seconds are over or so much of the time.
SCREEN_S, SCREEN_SHARE = 60.0, 0.15
# It takes no more than so much of the time that is left: nothing is kept without rounds.
MOST_SCREENING = 0.5
# Rounds that a fix dropped by screening would have cost, and the share of fixes that are: what a screening may cost is that.
SAVED_ROUNDS, DROPPED_SHARE = ROUNDS, 0.5


@dataclass(frozen=True, kw_only=True)
class Length:
    """How long one trial is."""

    #: Steady steps it takes.
    steps: int
    #: Expected from its start to its end.
    process_s: float


def length(startup_s: float, step_s: float, epoch_steps: int = 0, asked: int | None = None) -> Length:
    """Enough steady steps for a stable figure and no more; whole epochs where these are short."""
    target = min(MOST_S, max(LEAST_S, SHARE_OF_STARTUP * startup_s))
    steps = asked or min(MOST_STEPS, max(LEAST_STEPS, math.ceil(target / max(step_s, 1e-6))))
    if not asked and 2 <= epoch_steps <= EPOCH_TIMES * steps:
        # One more than needed: the end of warm-up falls into the first.
        steps = (math.ceil(steps / epoch_steps) + 1) * epoch_steps
    return Length(steps=steps, process_s=startup_s + (steps + steps // 4) * step_s + AROUND_S)


@dataclass(frozen=True, kw_only=True)
class Legs:
    """How long the legs of a relay are."""

    #: Steps that count in a leg, and the seconds that these should take.
    steps: int
    seconds: float
    #: Legs of each process.
    count: int
    #: Expected from a process's start to its end, the others' legs left out.
    process_s: float


def legs(startup_s: float, step_s: float, epoch_steps: int = 0, asked: int | None = None) -> Legs | None:
    """Many short legs; of whole epochs where these are short. None where a leg would be too long for a relay to be worth its memory."""
    step_s = max(step_s, 1e-6)
    steps = max(LEAST_LEG_STEPS, math.ceil(LEG_S / step_s))
    if 2 <= epoch_steps <= EPOCH_LEGS * steps:
        steps = math.ceil(steps / epoch_steps) * epoch_steps
    if steps * step_s > LONGEST_LEG_S:
        return None
    settling = max(SETTLING_STEPS, math.ceil(SETTLING_S / step_s))
    target = min(MOST_S, max(RELAY_S, SHARE_OF_STARTUP * startup_s)) if asked is None else asked * step_s
    wanted = math.ceil(target / step_s)
    # What happens once in an epoch is counted over whole ones.
    through = 2 * epoch_steps if 2 <= epoch_steps <= EPOCH_TIMES * wanted else 0
    steps = max(steps, math.ceil(wanted / MOST_LEGS), math.ceil(through / MOST_LEGS) - settling)
    count = max(LEAST_LEGS, math.ceil(wanted / steps), math.ceil(through / (steps + settling)))
    process_s = startup_s + count * (steps + settling) * step_s + AROUND_S
    return Legs(steps=steps, seconds=steps * step_s, count=count, process_s=process_s)


def rounds_for(left_s: float, process_s: float, arms: int) -> int:
    """Rounds that *left_s* has room for, each of *arms* candidates and the baseline."""
    return max(0, math.floor(left_s / (process_s * (arms + 1))))


def together_s(process_s: float, candidates: int, rounds: int = LEAST_ROUNDS) -> float:
    """What is kept back for measuring the kept fixes together; nothing for a single candidate."""
    return 2 * rounds * process_s if candidates > 1 else 0.0


@dataclass(frozen=True, kw_only=True)
class Turns:
    """How long a screening is."""

    #: Steps of a turn.
    steps: int
    #: Seconds of taking turns after which no more rounds are made than must be.
    seconds: float
    #: Expected from its start to its end.
    process_s: float


def turns(
    fixes: int, startup_s: float, step_s: float, trial_s: float, left_s: float, epoch_steps: int = 0
) -> Turns | None:
    """A screening of so many *fixes*; None where it would cost more than it can spare. *trial_s* is a trial's length."""
    steps = max(TURN_STEPS, math.ceil(TURN_S / max(step_s, 1e-6)))
    if 2 <= epoch_steps <= EPOCH_TIMES * steps:
        steps = math.ceil(steps / epoch_steps) * epoch_steps
    least = 2 * fixes * TURN_ROUNDS * SETTLING * steps * step_s
    seconds = max(least, min(SCREEN_S, SCREEN_SHARE * left_s))
    process_s = startup_s + seconds + AROUND_S
    spared = DROPPED_SHARE * fixes * SAVED_ROUNDS * trial_s
    if startup_s + least > min(spared, MOST_SCREENING * left_s):
        return None
    return Turns(steps=steps, seconds=seconds, process_s=process_s)


def expected(
    candidates: int, process_s: float, limit_s: float, *, screened: int = 0, screening_s: float = 0.0
) -> tuple[float, float]:
    """Seconds from now: when all is clear after the first look, and when nothing is before the last one. Of those that are
    *screened* beforehand one goes on in the first case, and all in the second.
    """
    fewer = candidates - max(0, screened - 1)
    clear = ((fewer + 1) * ROUNDS + (2 * TOGETHER_ROUNDS if fewer > 1 else 0)) * process_s
    unclear = (candidates + 1) * MOST_ROUNDS * process_s
    return min(limit_s, screening_s + clear), min(limit_s, screening_s + max(clear, unclear))
