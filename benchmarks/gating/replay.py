"""The gate itself, on recorded pairs: `perfkit.bench.gate.procedure` decides, only the running of a pair is replaced."""

import itertools
import math
from collections import Counter

import numpy as np

from perfkit.bench.gate import procedure, selftest
from perfkit.bench.gate.benchmark import Benchmark
from perfkit.bench.gate.pairs import Ran
from perfkit.stats.gate import Rule
from perfkit.stats.paired import hodges_lehmann, signed_rank
from perfkit.stats.proportion import LEVEL, lower, upper

from .samples import SIDES

RULE = Rule()
# A gate takes at most so many pairs of one benchmark: with fewer recorded it would be given the same pair twice.
MOST_PAIRS = max(RULE.looks) + len(RULE.confirms) * RULE.confirming


def gated(recorded, first, names):
    """What the gate says of the benchmarks *names*, all together, given the recorded pairs from *first* on and round again instead of fresh
    ones: their rows, and how many pairs that took.
    """
    found, pairs = {name: Benchmark(id=name) for name in names}, itertools.count()

    def pair(still):
        ran = recorded[(first + next(pairs)) % len(recorded)]
        for each in still:
            each.take(ran)

    procedure.decide(found, RULE, pair=pair, has_time=lambda: True, say=lambda _line: None)
    return [each.row(RULE) for each in found.values()], next(pairs)


def as_ran(recorded, blocks):
    """The rounds as the gate gets them; samples are averaged to so many *blocks* where there are more."""
    return [
        {
            side: Ran(
                benchmarks={
                    number: {"blocks_s": averaged(samples, blocks), "settled": bool(settled), "outputs": None}
                    for number, (samples, settled) in enumerate(zip(by_case, ready, strict=True))
                },
                problems={}, collected=[], exit_code=0, said="",
            )
            for side, by_case, ready in zip(SIDES, by_side, settled_by_side, strict=True)
        }
        for by_side, settled_by_side in zip(recorded.seconds, recorded.settled, strict=True)
    ]  # fmt: skip


def averaged(samples, parts):
    """Means of so many *parts* of *samples*, in their order."""
    return [float(part.mean()) for part in np.array_split(samples, min(parts, len(samples)))]


def ours(recorded):
    """The gate on every benchmark by itself and on the suite of all without a change, from each recorded pair on."""
    rounds = as_ran(recorded, selftest.PLAN.blocks)
    starts = range(len(rounds))
    rows = {case: [gated(rounds, first, [case])[0][0] for first in starts] for case in range(len(recorded.cases))}
    suites = [gated(rounds, first, recorded.of(0.0)) for first in starts] if recorded.of(0.0) else []
    return {
        "effects": {
            f"{effect:.0%}": {
                "disjoint": shares([rows[case][at] for case in recorded.of(effect) for at in chain([pairs_of(row) for row in rows[case]])], effect, bounds=True),
                "rotated": shares([row for case in recorded.of(effect) for row in rows[case]], effect),
            }
            for effect in recorded.effects()
        },
        "suite": {
            "benchmarks": len(recorded.of(0.0)),
            "disjoint": suite([suites[at] for at in chain([taken for _, taken in suites])], bounds=True),
            "rotated": suite(suites),
        } if suites else None,
    }  # fmt: skip


def pairs_of(row):
    return row["pairs"] + row["confirming_pairs"]


def chain(taken):
    """Starts of runs that follow one another, each where the one before it ended (only the last may use the first pairs again)."""
    starts, at = [], 0
    while at < len(taken):
        starts.append(at)
        at += taken[at]
    return starts


def shares(rows, effect, *, bounds=False):
    """How often each verdict was given, what it took, and how often the interval held the work that was put in."""
    said, runs = Counter(row["verdict"] for row in rows), len(rows)
    found = {verdict: said[verdict] / runs for verdict in ("regressed", "improved", "same", "inconclusive")}
    found |= {
        "changed": found["regressed"] + found["improved"], "runs": runs, "pairs": sum(map(pairs_of, rows)) / runs,
        "interval_holds": sum(selftest.holds(row, effect) for row in rows) / runs,
    }  # fmt: skip
    if bounds:
        found |= {
            "changed_upper95": upper(said["regressed"] + said["improved"], runs),
            "regressed_lower95": lower(said["regressed"], runs), "same_upper95": upper(said["same"], runs),
        }  # fmt: skip
    return found


def suite(suites, *, bounds=False):
    """How often any of the suite's benchmarks was called changed, and what a suite took."""
    wrong = sum(any(row["verdict"] in ("regressed", "improved") for row in rows) for rows, _ in suites)
    found = {
        "any_changed": wrong / len(suites), "suites": len(suites), "pairs": sum(taken for _, taken in suites) / len(suites),
        "all_same": sum(all(row["verdict"] == "same" for row in rows) for rows, _ in suites) / len(suites),
    }  # fmt: skip
    return found | ({"any_changed_upper95": upper(wrong, len(suites))} if bounds else {})


def truth(recorded):
    """What was put in, beside the estimate over all pairs of all benchmarks that it was put into; its interval is of the rounds' means."""
    found, told = differences(recorded), {}
    for effect in recorded.effects():
        own = found[:, recorded.of(effect)]
        mean = signed_rank(own.mean(axis=1), (1 - LEVEL) / 2)
        by_case = [math.expm1(hodges_lehmann(case)) for case in own.T]
        told[f"{effect:.0%}"] = {
            "work": effect, "measured": math.expm1(mean.value), "low": as_change(mean.low), "high": as_change(mean.high),
            "of_benchmarks": {"least": min(by_case), "most": max(by_case)},
            "sd_of_a_pair": float(np.median(own.std(axis=0, ddof=1))) if len(own) > 1 else None,
        }  # fmt: skip
    return told


def as_change(log_ratio):
    return math.expm1(log_ratio) if math.isfinite(log_ratio) else None


def differences(recorded):
    """Log of head's time over base's, by round and case, as the gate takes it from the blocks of a pair."""
    blocks = np.log(recorded.seconds)
    turns = blocks[:, 1] - blocks[:, 0]
    return np.array([[hodges_lehmann(case) for case in each] for each in turns])


def correlation(recorded):
    """Mean correlation of the differences of two benchmarks without a change in the same pairs: 0 where they are as good as independent."""
    found = differences(recorded)[:, recorded.of(0.0)]
    if len(found) < 3 or found.shape[1] < 2:
        return None
    matrix = np.corrcoef(found, rowvar=False)
    return float(np.mean([matrix[one, other] for one, other in itertools.combinations(range(len(matrix)), 2)]))
