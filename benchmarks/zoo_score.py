"""Is the advice right? The zoo's scripts: what the rules say about each, and what its known cure gives.

    python benchmarks/zoo_score.py --measure            every cure against its script -> results/zoo_effects.json
    python benchmarks/zoo_score.py --profile            profiles every script into results/runs/zoo
    python benchmarks/zoo_score.py                      scores the stored runs by today's rules -> results/zoo.json
    python benchmarks/zoo_score.py --keras             the same of the Keras scripts -> results/zoo_keras.json, zoo_keras_effects.json
    python benchmarks/zoo_score.py --inject --scripts DIR --trials 30
                                                        plants causes into public scripts -> results/zoo_inject_calibration.json
    python benchmarks/zoo_score.py --inject --held-out --scripts DIR --trials 30
                                                        into those that are held out -> results/zoo_inject.json
    python benchmarks/zoo_score.py --inject [--held-out] --scripts DIR --retake N
                                                        takes a stored trial again (it failed, or something else took the cores)
    python benchmarks/zoo_score.py --inject [--held-out] judges those trials' stored runs anew by today's rules

`--only NAME` keeps to some of the cases. Measuring goes on where it was broken off. A cure's effect is taken in
interleaved pairs of fresh processes, per sample, from the rates that the script itself prints (the first epoch left out),
or from the wall time of the whole process where the cure is for that (basis run).
"""

import argparse
import json
import os
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from machine import RESULTS, write
from zoo import profiles, running, scoring, traces
from zoo.cases import CASES, SCRIPTS, Case, cured
from zoo.keras_cases import KERAS_CASES

KNOWN_BEFOREHAND = (
    "the rules were written beside these scripts, and some of their constants set with rough measurements of them in sight: the table "
    "shows that advice and measurement agree, not how the rules do on scripts they have not seen (for that: zoo_inject.json)"
)


@dataclass(frozen=True, kw_only=True)
class Zoo:
    """Which scripts, and the names of what is known of them in results/."""

    cases: tuple[Case, ...]
    effects: str
    scores: str
    traced: bool

    def known(self):
        """What was measured so far: case -> effect."""
        path = RESULTS / f"{self.effects}.json"
        return json.loads(path.read_text(encoding="utf-8"))["cases"] if path.exists() else {}


TORCH = Zoo(cases=CASES, effects="zoo_effects", scores="zoo", traced=True)
KERAS = Zoo(cases=KERAS_CASES, effects="zoo_keras_effects", scores="zoo_keras", traced=False)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", action="store_true", help="measure the cures")
    parser.add_argument("--profile", action="store_true", help="profile the scripts")
    parser.add_argument(
        "--keras", action="store_true", help="the scripts for Keras and TensorFlow, and results of their own"
    )
    parser.add_argument("--inject", action="store_true", help="plant causes into other people's scripts")
    parser.add_argument("--only", action="append", metavar="NAME", help="this case alone; may be repeated")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--again", action="store_true", help="measure what is measured already")
    parser.add_argument("--scripts", type=Path, metavar="DIR", help="where the public repositories lie")
    parser.add_argument("--held-out", action="store_true", help="plant into the scripts that no rule was made with")
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument(
        "--retake", action="append", type=int, metavar="N", help="take the N-th stored trial again; may be repeated"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", default=None, help="name in results/, or - for no file")
    options = parser.parse_args()
    if options.inject:
        inject(options, parser)
        return
    zoo = KERAS if options.keras else TORCH
    names = [case.name for case in (*zoo.cases, *(traces.TRACED if zoo.traced else ()))]
    if unknown := sorted(set(options.only or ()) - {*names}):
        parser.error(f"no case {unknown[0]!r}; there are: {', '.join(names)}")
    chosen = [case for case in zoo.cases if not options.only or case.name in options.only]
    if options.measure:
        measure(zoo, [case for case in chosen if case.cure], options.pairs, options.again)
    if options.profile:
        profile(chosen)
    if not options.measure and not options.profile:
        score(zoo, chosen, options.only, options.output or zoo.scores)


# --- measuring


def measure(zoo, cases, pairs, again):
    """Measures each case's cure; what is in the file already stays unless *again*."""
    known = {} if again and len(cases) == len([c for c in zoo.cases if c.cure]) else zoo.known()
    for case in cases:
        if not again and known.get(case.name, {}).get("n", 0) >= pairs:
            continue
        try:
            known[case.name] = measured(case, pairs)
        except running.ScriptFailedError as error:
            print(f"{case.name}: {error}", file=sys.stderr, flush=True)
            continue
        write(zoo.effects, {"made_by": "benchmarks/zoo_score.py --measure", "cases": known})
        print(f"{case.name}: saves {percent(known[case.name])}", file=sys.stderr, flush=True)


def measured(case, pairs):
    """Pairs of the script and its cured twin, in turn, each in a fresh process."""
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="perfkit-zoo-") as folder:
        plain, other = twins(case, folder)
        if case.basis == "run":
            running.timed(other, case.cores, case.threads)  # what the cure keeps between runs is made in the first
        times = [pair(plain, other, case, number % 2 == 1) for number in range(pairs)]
    found = scoring.effect(times)
    return found | {
        "basis": case.basis, "pairs_s": [[float(f"{value:.4g}") for value in both] for both in times],
        "load_average": round(load, 2), "measured": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }  # fmt: skip


def twins(case, folder):
    """The script and its cured twin, below *folder*."""
    made = [Path(folder, kind, case.script) for kind in ("plain", "cured")]
    for path, text in zip(made, (case.source(), cured(case)), strict=True):
        path.parent.mkdir()
        path.write_text(text, encoding="utf-8")
    return made


def pair(plain, other, case, turned):
    """(time of the script, time of its cured twin)."""
    order = (other, plain) if turned else (plain, other)
    took = {path: running.timed(path, case.cores, case.threads).on(case.basis) for path in order}
    return took[plain], took[other]


# --- profiling and scoring


def profile(cases):
    for case in cases:
        try:
            path = profiles.profile(SCRIPTS / case.script, case.name, case.cores, case.threads)
        except running.ScriptFailedError as error:
            print(f"{case.name}: {error}", file=sys.stderr, flush=True)
            continue
        said, _ = profiles.asked(path)
        print(f"{case.name}: {told(said)}", file=sys.stderr, flush=True)


def score(zoo, cases, only, output):
    """Today's rules on the stored runs, as a table and as results/*output*.json."""
    known, rows, unprofiled, failed = zoo.known(), [], [], {}
    for case in cases:
        path = profiles.stored(case.name)
        if path is None:
            unprofiled.append(case.name)
            continue
        findings, faults = profiles.asked(path)
        failed |= faults
        rows.append(scoring.row(case.name, case.cause, case.rules, findings, short(known.get(case.name)), case.cure_of))
        print(line(rows[-1]), flush=True)
    for row in traces.scored(only) if zoo.traced else ():
        rows.append(row)
        print(line(row), flush=True)
    found = scoring.totals(rows)
    result = {"made_by": "benchmarks/zoo_score.py", "known_beforehand": KNOWN_BEFOREHAND, "totals": found, "reached": scoring.reached(found),
              "unprofiled": unprofiled, "failed_rules": failed, "cases": rows}  # fmt: skip
    print(json.dumps({key: result[key] for key in ("totals", "reached", "unprofiled", "failed_rules")}, indent=1))
    if output != "-":
        write(output, result)


def short(found):
    """Of a measured effect what the table needs."""
    return {key: round(found[key], 4) for key in ("median", "low", "high")} if found else None


def line(r):
    """``name  right  first  predicted  measured  inside | everything said``."""
    predicted = f"{r['predicted'][0]:.0%}–{r['predicted'][1]:.0%}" if r["predicted"] else "–"
    gain = f"{r['measured']['median']:.0%}" if r["measured"] else "–"
    inside = {True: "inside", False: "OUTSIDE", None: ""}[r["inside"]]
    verdict = "right" if r["right"] else "WRONG"
    return (f"{r['name']:<20} {verdict:<6} {r['first'] or 'nothing':<16} predicted {predicted:<9} measured {gain:<5}"
            f" {inside:<7} | {told(r['findings'])}")  # fmt: skip


def told(findings):
    return ", ".join(f"{f['rule']} {f['low']:.0%}–{f['high']:.0%}" for f in findings) or "nothing"


def percent(found):
    return f"{found['median']:.1%} ({found['low']:.1%} to {found['high']:.1%}, {found['n']} pairs)"


def inject(options, parser):
    """Trials on public scripts, as results/zoo_inject.json or results/zoo_inject_calibration.json."""
    from zoo import inject as trials

    name = "zoo_inject" if options.held_out else "zoo_inject_calibration"
    stored = RESULTS / f"{name}.json"

    def keep(result):
        if options.output != "-":
            write(options.output or name, result)

    if options.retake:
        known = json.loads(stored.read_text(encoding="utf-8"))
        result = trials.retaken(options.scripts, known, options.retake, keep)
    elif options.scripts is not None:
        result = trials.run(options.scripts, options.trials, options.seed, options.only, options.held_out, keep)
    elif stored.exists():
        result = trials.again(json.loads(stored.read_text(encoding="utf-8")))
    else:
        parser.error("--inject needs --scripts DIR: checkouts of the repositories named in benchmarks/zoo/public.py")
    print(json.dumps({key: result[key] for key in result if key != "trials"}, indent=1))
    keep(result)


if __name__ == "__main__":
    main()
