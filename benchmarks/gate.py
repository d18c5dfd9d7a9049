"""How often the gate is wrong and how often right, beside the rules of pytest-benchmark, asv, pyperf and benchmatrix on the same samples.

    python benchmarks/gate.py record --condition quiet      64 pairs, some 80 min; goes on where it was interrupted, on another day too
    python benchmarks/gate.py record --condition loaded     likewise, one of the cores kept busy meanwhile
    python benchmarks/gate.py                               judges what was recorded: some 20 min, most of it benchmatrix
    python benchmarks/gate.py simulate                      prints what comes of simulated pairs (gating/simulated.py)

Recorded are real pairs of fresh pytest processes that take turns block by block, exactly as `perfkit bench --base` runs them, with the
benchmarks of `perfkit bench selftest`: products of matrices. 20 do the same on both sides, 4 do 2 % and 4 do 5 % more on one: real work,
exact by count. (20, so that a suite of 20 is judged as it is.) A round takes some 60 s. Every
second one is followed by a round of processes that do not take turns (some 30 s: a whole process of base, a whole process of head, each
timing 100 single calls), because that is how the others run. All goes to results/gate_samples.npz after each round.

The gate is replayed on them by its own code (gating/replay.py). "disjoint": of one benchmark a run begins where the one before ended, so
no pair is used twice but by the very last run; the bounds (95 %, Clopper and Pearson) count those runs. Benchmarks of a pair share its
two processes; how far that ties them is told (correlation_of_benchmarks). "rotated": a run begins at every pair, so that each pair is
used by several: the same rate with less chance in it, and no bound. A target counts as reached when the worse of the two reaches it.

The others judge by their own code where it is installed (pip install asv pyperf pytest-benchmark benchmatrix), else they are left out and
that is said. Each rule is given three kinds of samples: in turns (which only perfkit runs); of processes one after the other, base and
head, base and head (as asv and benchmatrix run them; pytest-benchmark at its best); and with a base recorded half a recording earlier (as
with a stored file; pyperf, all of base and then all of head, lies between the two). What is not flagged by a rule that knows no
"inconclusive" counts as "same": it passes.
"""

import argparse
import json
import statistics
import sys
from dataclasses import asdict

from gating import peers, recording, replay, samples, simulated
from machine import RESULTS, write

CONDITIONS = {"quiet": 64, "loaded": 64}
EFFECTS = (0.02, 0.05)
SUITE = 20
# Processes that do not take turns: one round for so many in turns. The others need fewer pairs.
EVERY = 2
RUNS_TO_SHOW = 300


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", nargs="?", default="judge", choices=("record", "judge", "simulate"))
    parser.add_argument("--condition", default="quiet", choices=CONDITIONS)
    parser.add_argument("--pairs", type=int, help="rounds in turns, with those recorded before (default 64)")
    parser.add_argument("--aa", type=int, default=SUITE, help="benchmarks without a change (default 20)")
    parser.add_argument("--each", type=int, default=4, help="benchmarks with each effect (default 4)")
    parser.add_argument(
        "--samples", default=RESULTS / "gate_samples.npz", help="the recording (results/gate_samples.npz)"
    )
    parser.add_argument("--output", help="- prints the result and leaves results/gate.json as it is")
    options = parser.parse_args()
    if options.verb == "record":
        record(options)
        return
    result = judge(samples.load(options.samples) if options.verb == "judge" else simulate(options))
    if options.verb == "simulate" or options.output == "-":
        print(json.dumps(result, indent=1, ensure_ascii=False))
    else:
        write("gate", result)


def cases(options):
    return [0.0] * options.aa + [effect for effect in EFFECTS for _ in range(options.each)]


def record(options):
    """Add rounds until there are as many as wanted."""
    wanted = options.pairs or CONDITIONS[options.condition]
    while way := behind(samples.load(options.samples), options.condition, wanted):
        known, key = samples.load(options.samples), (options.condition, way)
        number = len(known.get(key, ()))
        found = recording.recorded(cases(options), number, way, options.condition)
        samples.save(options.samples, samples.added(known, key, cases(options), *found))
        print(f"{options.condition}, {way}: round {number + 1}: {json.dumps(found[-1])}", file=sys.stderr, flush=True)


def behind(known, condition, wanted):
    """How the next round is to be run; None when all are recorded."""
    turns, alone = (len(known.get((condition, way), ())) for way in samples.WAYS)
    if alone < turns // EVERY:
        return "alone"
    return "turns" if turns < wanted else None


def judge(known):
    """The document."""
    own = gated(known, "turns")
    return {
        "made_by": "benchmarks/gate.py",
        "rule": asdict(replay.RULE),
        "recorded": {condition: about(known, condition) for condition in CONDITIONS},
        "truth": {condition: replay.truth(known[condition, "turns"]) for condition, way in known if way == "turns"},
        "reached": reached(own),
        "perfkit": told(own),
        # What taking turns is worth: the same rule on processes one after the other.
        "perfkit_without_turns": told(gated(known, "alone")),
        "others": [row for condition in CONDITIONS for row in others(known, condition)],
    }


def gated(known, way):
    """What the gate says, by condition, where enough was recorded in that way."""
    found = {}
    for condition in CONDITIONS:
        recorded = known.get((condition, way))
        if recorded is not None and len(recorded) >= replay.MOST_PAIRS:
            found[condition] = replay.ours(recorded)
            print(f"perfkit, {condition}, {way}: judged", file=sys.stderr, flush=True)
    return found


def told(found):
    return {
        condition: found.get(condition, f"fewer than {replay.MOST_PAIRS} pairs recorded") for condition in CONDITIONS
    }


def about(known, condition):
    """What was recorded, when, how long it took, and how far benchmarks of one pair go together."""
    rows_of = {}
    for way in samples.WAYS:
        if (recorded := known.get((condition, way))) is None:
            continue
        rows = recorded.told
        rows_of[way] = {
            "rounds": len(rows), "benchmarks": {f"{effect:.0%}": len(recorded.of(effect)) for effect in recorded.effects()},
            "from": rows[0]["at"], "to": rows[-1]["at"], "cpu": sorted({row["cpu"] for row in rows}),
            "median_s": statistics.median(row["seconds"] for row in rows),
            "median_load": statistics.median(row["load_average"] for row in rows),
        }  # fmt: skip
        if way == "turns":
            rows_of[way]["correlation_of_benchmarks"] = replay.correlation(recorded)
    return rows_of


def others(known, condition):
    """Rows of the others' rules in that condition."""
    kinds = {"in turns": "turns", "one after the other": "alone", "stored base": "alone"}
    for peer in peers.PEERS:
        if peer.installed is None:
            yield {"rule": peer.name, "condition": condition, "left out": f"{peer.package} is not installed"}
            continue
        for how, way in kinds.items():
            if (condition, way) in known and (how != "stored base" or peer.stored):
                row = peers.judged(peer, known[condition, way], how)
                print(f"{peer.name}, {condition}, {how}: judged", file=sys.stderr, flush=True)
                yield {"condition": condition, **row}


def reached(own):
    """Each target: whether it is reached, None where too little was recorded to tell."""
    quiet, loaded = own.get("quiet"), own.get("loaded")
    lines = {}
    for name, found in (("quiet", quiet), ("loaded", loaded)):
        lines[f"A/A false alarms <= 1 % (0 of 300), {name}"] = found and few_alarms(found["effects"]["0%"])
        is_such = found and found["suite"]["benchmarks"] == SUITE
        lines[f"suite of {SUITE} <= 5 %, {name}"] = most(found["suite"], "any_changed") <= 0.05 if is_such else None
        lines[f"wrong same at +5 % <= 0.5 %, {name}"] = found and most(found["effects"]["5%"], "same") <= 0.005
        lines[f"cost under A/A <= 11 pairs, {name}"] = found and most(found["effects"]["0%"], "pairs") <= 11
    lines["+5 % found >= 95 %, quiet"] = quiet and least(quiet["effects"]["5%"], "regressed") >= 0.95
    lines["+5 % found >= 80 %, loaded"] = loaded and least(loaded["effects"]["5%"], "regressed") >= 0.8
    lines["+2 % found >= 80 %, quiet"] = quiet and least(quiet["effects"]["2%"], "regressed") >= 0.8
    return lines


def few_alarms(found):
    return most(found, "changed") <= 0.01 and found["rotated"]["runs"] >= RUNS_TO_SHOW


def most(found, key):
    return max(found[how][key] for how in ("disjoint", "rotated"))


def least(found, key):
    return min(found[how][key] for how in ("disjoint", "rotated"))


def simulate(options):
    """A recording of a machine with so much noise, a loaded one with that of a shared one."""
    known = {}
    for condition, noise in (("quiet", simulated.NOISE["quiet"]), ("loaded", simulated.NOISE["shared"])):
        rounds = options.pairs or CONDITIONS[condition]
        known[condition, "turns"] = simulated.in_turns(noise, cases(options), rounds)
        known[condition, "alone"] = simulated.one_by_one(noise, cases(options), rounds // EVERY)
    return known


if __name__ == "__main__":
    main()
