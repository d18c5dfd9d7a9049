"""Measures change points in a history of benchmarks: false ones in series without a change, and after how many commits a step is found.

    OMP_NUM_THREADS=1 python benchmarks/bench_history.py [--case NAME]… [--part NAME]… [--runs N]

Series are simulated: independent noise of 0.5 to 3 %, an autoregression (0.5) of 2 %, and 2 % with spikes (one point in twenty is slower by an
exponential of mean 15 %). Each part is asked of new series at every call; what it counts is added to results/bench_history.json, so that it can be measured in pieces.
"""

import argparse
import json
import math

import numpy as np
from machine import RESULTS, write
from scipy.signal import lfilter

from perfkit.bench.history.series import FALSE_ALARMS, LEAST_CHANGE, TIMES_NOISE, changes_of
from perfkit.stats import proportion
from perfkit.stats.changepoint import LEAST, LEAST_SEGMENT

NAME = "bench_history"
COMMITS = 100
#: Of the part "step": commits before it, by how much it is slower, commits that are looked at behind it, and how far off it may be placed.
BEFORE, STEP, BEHIND, NEAR = 40, 0.05, 12, 2


def independent(spread):
    return lambda rng, count: spread * rng.standard_normal(count)


def autoregressive(spread, phi, lead=100):
    def make(rng, count):
        noise = rng.standard_normal(count + lead)
        return spread * lfilter([math.sqrt(1 - phi**2)], [1.0, -phi], noise)[lead:]

    return make


def spiky(rng, count):
    hit = rng.random(count) < 0.05
    return 0.02 * rng.standard_normal(count) + hit * np.log1p(rng.exponential(0.15, count))


CASES = {
    "independent 0.5 %": independent(0.005),
    "independent 1 %": independent(0.01),
    "independent 2 %": independent(0.02),
    "independent 3 %": independent(0.03),
    "autoregressive 0.5, 2 %": autoregressive(0.02, 0.5),
    "spiky 2 %": spiky,
}


def one_look(make, rng):
    """Whether a whole history of 100 commits without a change is cut anywhere."""
    return {"false": bool(changes_of(make(rng, COMMITS))[0])}


def growing(make, rng):
    """Whether it is cut at any of the looks while 100 commits come in behind the first 20, one after each."""
    logs = make(rng, LEAST + COMMITS)
    return {"false": any(changes_of(logs[:seen])[0] for seen in range(LEAST + 1, logs.size + 1))}


def step(make, rng):
    """At which commit behind a step it is first found, near its place, at a look after each."""
    logs = make(rng, BEFORE + BEHIND)
    logs[BEFORE:] += math.log1p(STEP)
    looks = (
        any(abs(change.index - BEFORE) <= NEAR for change in changes_of(logs[: BEFORE + behind])[0])
        for behind in range(1, BEHIND + 1)
    )
    first = next((behind for behind, found in enumerate(looks, 1) if found), None)
    return {} if first is None else {f"at {first}": True}


PARTS = {"one look": one_look, "growing": growing, "step": step}


def measured(part, make, before, runs, seed):
    """*before* and *runs* more: how many, and counts of what they brought."""
    counts = {**before.get("counts", {})}
    done = before.get("runs", 0)
    for number in range(done, done + runs):
        for key, value in PARTS[part](make, np.random.default_rng([seed, number])).items():
            counts[key] = counts.get(key, 0) + value
    return {"runs": done + runs, "counts": counts, **told(part, counts, done + runs)}


def told(part, counts, runs):
    if part == "step":
        found = np.cumsum([counts.get(f"at {behind}", 0) for behind in range(1, BEHIND + 1)])
        return {
            "found_within": {
                str(behind): round(int(count) / runs, 3)
                for behind, count in enumerate(found, 1)
                if count or behind >= 3
            },
            "lower95_within_5": round(proportion.lower(int(found[4]), runs), 3),
        }
    wrong = counts.get("false", 0)
    return {"rate": round(wrong / runs, 4), "upper95": round(proportion.upper(wrong, runs), 3)}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", action="append", choices=CASES)
    parser.add_argument("--part", action="append", choices=PARTS)
    parser.add_argument("--runs", type=int, default=100)
    given = parser.parse_args()
    file = RESULTS / f"{NAME}.json"
    rule = {
        "false_alarms": FALSE_ALARMS, "least_change": LEAST_CHANGE, "times_noise": TIMES_NOISE, "least_points": LEAST,
        "least_segment": LEAST_SEGMENT,
    }  # fmt: skip
    known = json.loads(file.read_text()) if file.exists() else {}
    cases = known.get("cases", {}) if known.get("rule") == rule else {}
    for case in given.case or CASES:
        for part in given.part or PARTS:
            seed = 1000 * list(CASES).index(case) + list(PARTS).index(part)
            row = cases.setdefault(case, {})
            row[part] = measured(part, CASES[case], row.get(part, {}), given.runs, seed)
            print(case, part, {key: value for key, value in row[part].items() if key != "counts"}, flush=True)
            how = {"step": {"before": BEFORE, "size": STEP, "near": NEAR}, "commits": COMMITS}
            write(NAME, {"rule": rule, **how, "cases": cases})


if __name__ == "__main__":
    main()
