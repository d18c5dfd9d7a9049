"""How often `perfkit tune` keeps what does nothing, and how often it finds a gain of 5 %.

    python benchmarks/tune_power.py               40 runs of each; those that are in results/tune_power.json count
    python benchmarks/tune_power.py --runs 10     ten of each
    python benchmarks/tune_power.py --only aa     of one kind: a false alarm is one also beside other work, a gain wants a quiet machine

Side by side, each on a core of its own: ``taskset -c 0 … --only aa`` and ``taskset -c 1 … --only planted``, once the truth is measured (--runs 0).

Real runs of the command line on a real script (workloads/equal_parts.py: some seconds a process). A/A: ``--fix nothing``, a patch
that is armed, proves itself and changes nothing. Planted: ``--sweep "--work=18"`` on a step of 19 equal parts. It is a sweep over
the script's argument and no patch, because a patch that takes work out of this one script would have to ship to everybody as a
fix; what is on trial here, the rounds, the looks and the decision, is the same code for both. That patches do what they say is
shown elsewhere (tests/inside/patches, tune_zoo.py).

The truth of the planted gain is measured first, in rounds of plain processes that take turns (zoo.turns; whole processes scatter by more than
the gain on a shared machine). Runs of both kinds follow one another; the result is written after each. The bounds are one-sided, exact (Clopper and Pearson).
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from machine import describe, here, write
from zoo import running, scoring, tuning, turns

from perfkit.stats.proportion import lower, upper

NAME = "tune_power"
SCRIPT = Path(__file__).resolve().parent / "workloads" / "equal_parts.py"
EFFECT = 0.05
KINDS = {"aa": ["--fix", "nothing"], "planted": ["--sweep", "--work=18"]}
ARGUMENTS = ("--work", "19")
TRUTH_ROUNDS = 8
CORES, THREADS = 2, 1
POWER_TO_REACH = 0.9


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=40, help="of each kind (default 40)")
    parser.add_argument("--only", choices=KINDS, help="runs of one kind alone")
    parser.add_argument("--minutes", type=float, default=5.0, help="for each run (default 5)")
    options = parser.parse_args()
    truth = tuning.stored(NAME, "truth", None)
    if truth is None:
        truth = measured()
        keep(stored(), truth)
    kinds = [options.only] if options.only else KINDS
    while behind := [kind for kind in kinds if len(stored()[kind]) < options.runs]:
        kind = min(behind, key=lambda kind: len(stored()[kind]))
        found = run(kind, options.minutes)
        runs = stored()  # the other kind's may have been measured beside it
        runs[kind].append(found)
        keep(runs, truth)
        print(f"{kind} {len(runs[kind])}/{options.runs}: {json.dumps(found)}", file=sys.stderr, flush=True)
    print(json.dumps(totals(stored(), truth), indent=1))


def stored():
    """The runs of each kind that were measured so far."""
    return tuning.stored(NAME, "runs", {kind: [] for kind in KINDS})


def keep(runs, truth):
    write(NAME, {"made_by": "benchmarks/tune_power.py", "totals": totals(runs, truth), "truth": truth, "runs": runs})


def measured():
    """What leaving out the part saves."""
    plain, other = ([str(SCRIPT), "--work", parts] for parts in ("19", "18"))
    return turns.effect(plain, other, TRUTH_ROUNDS, cores=CORES, threads=THREADS)


def run(kind, minutes):
    """One tune: its verdict, and what it took."""
    started, load = time.monotonic(), describe()["load_average"][0]
    with tempfile.TemporaryDirectory(prefix="perfkit-tune-") as folder:
        words = [*KINDS[kind], str(SCRIPT), *ARGUMENTS]
        document = tuning.tuned(words, folder, environment=running.environment(THREADS), minutes=minutes, cores=CORES)
    (row,) = document["trials"]
    return tuning.short(row, ("verdict", "estimate", "measured", "processes", "reason")) | {
        "seconds": round(time.monotonic() - started), "load_average": load, "cores": describe()["cores"], **here(),
    }  # fmt: skip


def totals(runs, truth):
    """The two rates, with their bounds, and whether the intervals held the truth."""
    alarms, found = (sum(run["verdict"] == "keep" for run in runs[kind]) for kind in KINDS)
    n_aa, n_planted = len(runs["aa"]), len(runs["planted"])
    return {
        "false_alarm": {"rate": alarms / n_aa if n_aa else None, "upper95": upper(alarms, n_aa), "runs": n_aa},
        "power": {"effect": EFFECT, "measured_effect": truth["median"], "rate": found / n_planted if n_planted else None,
                  "lower95": lower(found, n_planted), "runs": n_planted},
        "reached": {"never kept": alarms == 0, "kept >= 90 %": n_planted > 0 and found / n_planted >= POWER_TO_REACH},
        "interval_holds_the_truth": {"aa": held(runs["aa"], 0.0), "planted": held(runs["planted"], truth["median"])},
        "median_s": {kind: scoring.middle([run["seconds"] for run in runs[kind]]) for kind in KINDS},
        "median_processes": {kind: scoring.middle([run["processes"] for run in runs[kind]]) for kind in KINDS},
    }  # fmt: skip


def held(runs, truth):
    """The share of the intervals that hold *truth*; an end that nothing bounds holds everything on its side."""
    found = [run["measured"] for run in runs if run["measured"]]
    return scoring.share([
        (each["low"] is None or each["low"] <= truth) and (each["high"] is None or truth <= each["high"]) for each in found
    ])  # fmt: skip


if __name__ == "__main__":
    main()
