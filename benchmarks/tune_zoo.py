"""Does `perfkit tune` find the cures that are known, and measure what they give?

    python benchmarks/tune_zoo.py                  every case whose cure is a registered fix, and the healthy ones
    python benchmarks/tune_zoo.py --only NAME      that case alone; may be repeated

Each of the zoo's scripts is tuned unchanged; then the zoo's own fixed version of it is measured beside it, on the same machine, right
after, in rounds of fresh processes that take turns (zoo.turns). results/tune_zoo.json holds predicted, measured by tune, and the fixed
version's gain side by side; it is written after each case, and cases that are in it are not run again without --again.
"""

import argparse
import json
import re
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import zoo_score
from machine import here, write
from zoo import running, scoring, tuning, turns
from zoo.cases import CASES, SCRIPTS
from zoo.keras_cases import KERAS_CASES

NAME = "tune_zoo"
#: Case -> the fix that is its cure. The others of the zoo are cured by hand only.
FIXES = {
    "stored_digits": "loader-workers", "packed_pictures": "loader-workers", "spectrograms": "loader-workers",
    "textures": "loader-workers", "wide_autoencoder": "threads", "denoiser": "threads", "house_prices": "float32",
    "genes": "autocast", "deep_residual": "optimizer", "oscillators": "compile", "digits_mlp": "batch-size",
    "mobile_net": "channels-last", "keras_debugged": "run-eagerly", "keras_tabular": "steps-per-execution",
    "keras_exact": "floatx", "keras_sips": "fit-batch-size",
}  # fmt: skip
#: A larger batch is another training, tried only when asked for.
ASKED = {"batch-size": ["--batch"], "fit-batch-size": ["--batch"]}
WITHIN = 0.05  # of the fixed version's gain
ROUNDS_OF_DOUBT = 8  # whether a healthy script is healthy on this machine


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", metavar="NAME")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--minutes", type=float, default=6.0, help="for each script (default 6)")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    every = [case for case in (*CASES, *KERAS_CASES) if case.healthy or case.name in FIXES]
    cases = [case for case in every if not options.only or case.name in options.only]
    known = tuning.stored(NAME, "cases", {})
    for case in cases:
        if case.name in known and not options.again:
            continue
        try:
            known[case.name] = tried(case, options)
        except running.ScriptFailedError as error:
            known[case.name] = {"failed": str(error)[-500:]}
        write(NAME, {"made_by": "benchmarks/tune_zoo.py", "totals": totals(known), "cases": known})
        print(f"{case.name}: {json.dumps(known[case.name])}", file=sys.stderr, flush=True)
    print(json.dumps(totals(known), indent=1))


def tried(case, options):
    """What tune made of the script, and what the zoo's own fixed version gives."""
    document = tuned(case, options.minutes)
    kept = [row["fix"]["name"] for row in document["trials"] if row["verdict"] == "keep"]
    found = {
        "kept": kept,
        "together": document["together"],
        **here(),
        "trials": [tuning.short(row) for row in document["trials"]],
    }
    if case.healthy:
        return found | confirmed(case, kept, document["changes"], options.rounds)
    told = cure_of(document["trials"], FIXES[case.name])
    fixed = in_turns(as_tried(case, told), options.rounds)
    gap = told["estimate"] - fixed["median"] if told and told["estimate"] is not None else None
    return found | {
        "fix": FIXES[case.name], "told": tuning.short(told) if told else None, "fixed_version": zoo_score.short(fixed), "gap": gap,
        "right": FIXES[case.name] in kept, "agrees": gap is not None and abs(gap) <= WITHIN,
    }  # fmt: skip


def confirmed(case, kept, changes, rounds):
    """Of a healthy script: nothing is to be kept. What is kept all the same is right only where it surely makes the script faster
    on this processor: measured as the zoo's own cures are, with tune's diff written into the script.
    """
    if not kept:
        return {"right": True}
    if changes["by_hand"] or not changes["diff"]:
        return {"right": False}
    with tempfile.TemporaryDirectory(prefix="perfkit-zoo-") as folder:
        edited = Path(folder, case.script)
        edited.write_text(case.source(), encoding="utf-8")
        tuning.patch(folder, case.script, changes["diff"])
        twin = replace(case, cure=((case.source(), edited.read_text(encoding="utf-8")),))
    found = in_turns(twin, max(rounds, ROUNDS_OF_DOUBT))
    return {"right": found["low"] > 0, "not_healthy_here": zoo_score.short(found)}


def in_turns(case, rounds):
    """What the case's cure saves, script and cured twin in turns (zoo.turns)."""
    with tempfile.TemporaryDirectory(prefix="perfkit-zoo-") as folder:
        plain, other = zoo_score.twins(case, folder)
        return turns.effect([str(plain)], [str(other)], rounds, cores=case.cores, threads=case.threads)


def as_tried(case, told):
    """The case with the cure that tune tried: a batch has the size that it had there, and workers stay between epochs where they did."""
    tried = (told or {}).get("fix", {}).get("parameters", {})
    changed = case.cure
    if (size := tried.get("batch_size")) is not None:
        changed = tuple((old, re.sub(r"(?<=batch_size=)\d+", str(size), new)) for old, new in changed)
    if tried.get("persistent_workers"):
        stay = r"\g<0>, persistent_workers=True"
        changed = tuple((old, re.sub(r"num_workers=\d+(?!.*persistent)", stay, new)) for old, new in changed)
    return replace(case, cure=changed)


def tuned(case, minutes):
    """The document of `perfkit tune` of the unchanged script. Raises ScriptFailedError."""
    words = [*ASKED.get(FIXES.get(case.name), ()), str(SCRIPTS / case.script)]
    with tempfile.TemporaryDirectory(prefix="perfkit-tune-") as folder:
        return tuning.tuned(
            words, folder, environment=running.environment(case.threads), minutes=minutes, cores=case.cores
        )


def cure_of(trials, name):
    """The row of the fix *name* that saved most, or None."""
    rows = [row for row in trials if row["fix"]["name"] == name and row["estimate"] is not None]
    return max(rows, key=lambda row: row["estimate"], default=None)


def totals(known):
    """What the targets are about."""
    good = {name: found for name, found in known.items() if "failed" not in found}
    cures = [found for found in good.values() if "fix" in found]
    return {
        "cases": len(known), "failed": [name for name in known if name not in good],
        "cures_found": scoring.share([found["right"] for found in cures]),
        "within_5_points": scoring.share([found["agrees"] for found in cures]),
        "healthy_left_alone": scoring.share([not found["kept"] for found in good.values() if "fix" not in found]),
        "not_healthy_here": [name for name, found in good.items() if found.get("not_healthy_here") and found["right"]],
        "wrong": [name for name, found in good.items() if not found["right"]],
        "apart": {name: round(found["gap"], 3) for name, found in good.items() if found.get("gap") and not found["agrees"]},
    }  # fmt: skip


if __name__ == "__main__":
    main()
