"""Trials: a cause planted at random severity into a public script; the truth, and what perfkit says.

The truth of a trial is the share of the step's time that goes away with the plant, from interleaved runs with it and without, by
a stopwatch in the script. perfkit profiles the script with the plant once. What it also says of the same script without a
plant is the script's own and not counted against it.
"""

import json
import random
import sys
import tempfile
from pathlib import Path

from . import profiles, public, running, scoring

#: Plant -> the cause it is, phases whose share a naive reader would promise, least and most severity in steps.
PLANTS = {
    "none": ("none", (), (0, 0)),
    "slow_read": ("input", ("data",), (0.03, 0.9)),
    "slow_decode": ("input", ("data",), (0.03, 0.9)),
    "slow_collate": ("input", ("data",), (0.03, 0.9)),
    "threads": ("threads", ("forward", "backward", "optimizer"), (0, 0)),
    "anomaly": ("python", ("forward", "backward"), (0, 0)),
    "float64": ("precision", ("forward", "backward", "optimizer"), (0, 0)),
    "collect": ("python", ("other",), (0.03, 2.0)),
    "save": ("checkpoint", ("checkpoint",), (0.03, 1.5)),
    "log": ("logging", ("logging",), (0.03, 1.5)),
    "evaluate": ("evaluation", ("evaluation",), (0.05, 1.5)),
    "moving_average": ("python", ("other",), (0.05, 0.6)),
}
NEEDS_LOADER = ("slow_read", "slow_decode", "slow_collate")
PAIRS = 2
# A rule stays silent below this: what its silence promises.
SILENCE = (0.0, 0.05)


def run(scripts: Path, count: int, seed: int, only=None, keep=lambda result: None):
    """*count* trials, planned from *seed*; *keep* is given the result after each of them."""
    chance = random.Random(seed)
    own, trials = {}, []
    for number, (target, plant) in enumerate(planned(chance, count, only)):
        plan = draw(chance, target, plant)
        try:
            trials.append(trial(scripts, target, plan, own))
        except (running.ScriptFailedError, public.DoesNotFitError) as error:
            trials.append({"target": target.name, "plan": plan, "failed": str(error)})
        print(f"{number + 1}/{count} {brief(trials[-1])}", file=sys.stderr, flush=True)
        keep(summary(trials, seed, own))
    return summary(trials, seed, own)


def planned(chance, count, only):
    """Pairs of target and plant: every plant as often as the others, targets by chance among those that fit.

    *only*: names of targets, of plants, or both.
    """
    targets = [t for t in public.TARGETS if only and t.name in only] or public.TARGETS
    plants = [p for p in PLANTS if only and p in only] or list(PLANTS)
    plants = [p for p in plants if any(fits(t, p) for t in targets)]
    for number in range(count):
        if number % len(plants) == 0:
            chance.shuffle(plants)
        plant = plants[number % len(plants)]
        yield chance.choice([t for t in targets if fits(t, plant)]), plant


def fits(target, plant):
    return plant not in target.without and (target.loader or plant not in NEEDS_LOADER)


def draw(chance, target, plant):
    """What planted.json will hold, but for the step's time."""
    least, most = PLANTS[plant][2]
    severity = least * (most / least) ** chance.random() if least else 0.0
    return {"plant": plant, "severity": round(severity, 4), "batch": target.batch,
            "threads": target.cores * chance.choice((2, 4, 8)), "evaluations": chance.choice((1, 5, 20))}  # fmt: skip


def trial(scripts, target, plan, own):
    """One trial: the script's own step, the truth, the profile, and how both forecasts fare."""
    with tempfile.TemporaryDirectory(prefix="perfkit-trial-") as name:
        script = public.install(target, scripts, Path(name, target.folder))
        nothing = {**plan, "plant": "none", "step_s": 1.0}
        if target.name not in own:
            own[target.name] = of_the_script(script, target, nothing)
        plan = {**plan, "step_s": own[target.name]["step_s"]}
        pairs = [] if plan["plant"] == "none" else [
            pair(script, target, plan, nothing, number % 2 == 1) for number in range(PAIRS)
        ]  # fmt: skip
        truth = scoring.effect(pairs or [(1.0, 1.0)])
        write_plan(script, plan)
        path = profiled(script, target)
        return heard(target.name, plan, truth, path, own[target.name]["findings"])


def heard(name, plan, truth, path, own_findings):
    """The trial's row, by today's rules on the stored run at *path*."""
    findings, failed = profiles.asked(path)
    return judged(name, plan, truth, findings, failed, own_findings, naive(path, plan["plant"])) | {"run": path.name}


def again(result):
    """A stored result's trials, judged anew by today's rules on the stored runs."""
    folder = profiles.RUNS / "inject"
    own = {
        name: of_run(folder / name / "runs" / was["run"]) | {"step_s": was["step_s"]}
        for name, was in result["scripts"].items()
    }
    trials = [
        t if "failed" in t
        else heard(t["target"], t["plan"], t["truth"], folder / t["target"] / "runs" / t["run"], own[t["target"]]["findings"])
        for t in result["trials"]
    ]  # fmt: skip
    return summary(trials, result["seed"], own)


def of_the_script(script, target, nothing):
    """The script without a plant: its step, and what the rules say about it."""
    step_s = timed(script, target, nothing)
    return of_run(profiled(script, target)) | {"step_s": step_s}


def of_run(path):
    """What the rules say about a script without a plant."""
    findings, _ = profiles.asked(path)
    return {"run": path.name, "findings": findings}


def pair(script, target, plan, nothing, turned):
    """(seconds per step with the plant, without it)."""
    order = (nothing, plan) if turned else (plan, nothing)
    took = [timed(script, target, this) for this in order]
    return (took[1], took[0]) if turned else (took[0], took[1])


def timed(script, target, plan):
    """Seconds per step by the stopwatch in the script."""
    write_plan(script, plan)
    said = script.parent / "planted-times.json"
    said.unlink(missing_ok=True)
    running.run([sys.executable, str(script), *target.args], target.cores, target.threads, script_home(script, target))
    return json.loads(said.read_text())["seconds_per_step"]


def write_plan(script, plan):
    (script.parent / "planted.json").write_text(json.dumps(plan))


def profiled(script, target):
    """The run of `perfkit profile` of the script as it is now."""
    home = script_home(script, target)
    return profiles.profile(script, f"inject/{target.name}", target.cores, target.threads, args=target.args, cwd=home)


def script_home(script, target):
    """The folder that the script is started in: the one that was copied."""
    return script.parents[len(Path(target.script).parents) - 1]


def naive(path, plant):
    """What a reader of shares would promise: anything up to the share of the phase that the plant lies in."""
    from perfkit import api

    rows = api.evidence(api.load(path)).breakdown or []
    return [0.0, round(sum(row["share"] for row in rows if row["name"] in PLANTS[plant][1]), 4)]


def judged(name, plan, truth, findings, failed, own_findings, phase):
    """The trial as a row: first finding's cause, the forecast for the planted cause, and both scores."""
    cause = PLANTS[plan["plant"]][0]
    own = {(f["rule"], f["title"]) for f in own_findings}
    new = [f for f in findings if (f["rule"], f["title"]) not in own]
    told = next((f for f in new if f["cause"] == cause), None)
    forecast = [told["low"], told["high"]] if told else list(SILENCE)
    gain = truth["median"]
    return {
        "target": name, "plan": plan, "cause": cause, "truth": truth,
        "first": new[0]["rule"] if new else None, "first_cause": new[0]["cause"] if new else "none",
        "said": told is not None, "forecast": forecast, "inside": forecast[0] <= gain <= forecast[1],
        "score": scoring.interval_score(*forecast, gain), "naive": phase,
        "naive_score": scoring.interval_score(*phase, gain) if PLANTS[plan["plant"]][1] else None,
        "findings": findings, "failed_rules": failed,
    }  # fmt: skip


def summary(trials, seed, own):
    """The published result."""
    good = [t for t in trials if "failed" not in t]
    scored = [t for t in good if t["naive_score"] is not None]
    table = scoring.confusion(good)
    return {
        "made_by": "benchmarks/zoo_score.py --inject", "seed": seed, "count": len(trials), "failed": len(trials) - len(good),
        "confusion": table, "agreement": scoring.agreement(table),
        "coverage": scoring.share([t["inside"] for t in scored]),
        "naive_coverage": scoring.share([t["naive"][0] <= t["truth"]["median"] <= t["naive"][1] for t in scored]),
        "median_width": scoring.middle([t["forecast"][1] - t["forecast"][0] for t in scored]),
        "naive_median_width": scoring.middle([t["naive"][1] - t["naive"][0] for t in scored]),
        "mean_interval_score": mean([t["score"] for t in scored]),
        "naive_mean_interval_score": mean([t["naive_score"] for t in scored]),
        "how": f"interval score at the {1 - scoring.ALPHA:.0%} level, lower is better; naive: from 0 to the share of the phase; "
               f"silence counts as {SILENCE[0]:.0%} to {SILENCE[1]:.0%}; effects below {scoring.MATTERS:.0%} count as none",
        "unseen": unseen(good), "scripts": own, "trials": trials,
    }  # fmt: skip


def unseen(trials):
    """The same for the scripts that no rule was tried on before."""
    names = {target.name for target in public.TARGETS if not target.seen}
    chosen = [t for t in trials if t["target"] in names]
    scored = [t for t in chosen if t["naive_score"] is not None]
    return {
        "scripts": sorted(names), "count": len(chosen), "agreement": scoring.agreement(scoring.confusion(chosen)),
        "coverage": scoring.share([t["inside"] for t in scored]), "mean_interval_score": mean([t["score"] for t in scored]),
        "naive_mean_interval_score": mean([t["naive_score"] for t in scored]),
    }  # fmt: skip


def mean(values):
    return sum(values) / len(values) if values else None


def brief(t):
    if "failed" in t:
        return f"{t['target']} {t['plan']['plant']}: FAILED {t['failed'][-300:]}"
    low, high = t["forecast"]
    return (f"{t['target']} {t['plan']['plant']} at {t['plan']['severity']}: truth {t['truth']['median']:.1%}, "
            f"first {t['first'] or 'nothing'} ({t['first_cause']}), forecast {low:.0%}–{high:.0%}, naive up to {t['naive'][1]:.0%}")  # fmt: skip
