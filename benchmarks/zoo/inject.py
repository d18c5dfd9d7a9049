"""Trials: a cause planted at random severity into a public script; the truth, and what perfkit says.

perfkit profiles the script with the plant once. The truth of a trial is the share of the step's time that the advised cure
gives back (worker processes, a tenth of the saves, one call for all parameters, the plant removed), from interleaved runs with
and without it, by a stopwatch in the script. What perfkit also says of the same script without a plant is the script's own and
not counted against it.
"""

import dataclasses
import json
import random
import sys
import tempfile
from pathlib import Path

from machine import here

from perfkit import api
from perfkit.advise import calibration
from perfkit.model.records import Interval

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
PAIRS = 3
EARLIER = Path(__file__).resolve().parents[2] / "results" / "zoo_inject_earlier.json"
#: What a cure does to the plan. A loader's cure depends on the advice: workers as advised, or batches that take CHEAPER of their time.
RARER = 10
CURES = {"save": {"rarely": RARER}, "log": {"rarely": RARER}, "evaluate": {"rarely": RARER},
         "moving_average": {"plant": "moving_average_at_once"}}  # fmt: skip
REMOVED = {"plant": "none"}
# Between a third and a half, which is what the rule promises the gain for.
CHEAPER = 0.4
# Of the truths, how many may lie below and how many above their intervals.
MISSED = 0.1
# A rule stays silent below this: what its silence promises.
SILENCE = (0.0, 0.05)


def run(scripts: Path, count: int, seed: int, only=None, held_out=False, keep=lambda result: None):
    """*count* trials, planned from *seed*, on the scripts that are held out or on the others; *keep* is given the result
    after each of them. Those that need two cores come first: the others leave a core to whoever has to work meanwhile.
    """
    chance = random.Random(seed)
    own, trials = {}, []
    pairs = sorted(planned(chance, count, only, held_out), key=lambda pair: pair[1] not in NEEDS_LOADER)
    for number, (target, plant) in enumerate(pairs):
        plan = draw(chance, target, plant)
        try:
            trials.append(trial(scripts, where(target, plant), plan, own))
        except (running.ScriptFailedError, public.DoesNotFitError) as error:
            trials.append({"target": target.name, "plan": plan, "failed": str(error)})
        print(f"{number + 1}/{count} {brief(trials[-1])}", file=sys.stderr, flush=True)
        keep(summary(trials, seed, own))
    return summary(trials, seed, own)


def retaken(scripts: Path, result, numbers, keep=lambda result: None):
    """The stored trials of these *numbers* (from 1) taken again by the same plans: they failed, or other work took their cores.
    Also what the script without a plant takes is measured anew.
    """
    trials, own, anew = list(result["trials"]), dict(result["scripts"]), {}
    for number in numbers:
        was = trials[number - 1]
        target = where(
            next(t for t in public.TARGETS if t.name == was["target"].partition("@")[0]), was["plan"]["plant"]
        )
        trials[number - 1] = trial(scripts, target, was["plan"], anew) | {"retaken": True}
        own |= anew
        print(f"{number} again: {brief(trials[number - 1])}", file=sys.stderr, flush=True)
        keep(summary(trials, result["seed"], own))
    return summary(trials, result["seed"], own)


def planned(chance, count, only, held_out=False):
    """Pairs of target and plant: every plant as often as the others, targets by chance among those that fit.

    *only*: names of targets, of plants, or both.
    """
    targets = [t for t in public.TARGETS if t.held_out == held_out]
    targets = [t for t in targets if only and t.name in only] or targets
    plants = [p for p in PLANTS if only and p in only] or list(PLANTS)
    plants = [p for p in plants if any(fits(t, p) for t in targets)]
    for number in range(count):
        if number % len(plants) == 0:
            chance.shuffle(plants)
        plant = plants[number % len(plants)]
        yield chance.choice([t for t in targets if fits(t, plant)]), plant


def where(target, plant):
    """The target as it is run: more than one core only where loader workers are the cure. Two threads that wait for each
    other beside a busy neighbour would be measured instead of the plant.
    """
    if plant in NEEDS_LOADER or target.cores == 1:
        return target
    return dataclasses.replace(target, name=f"{target.name}@1", cores=1)


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
        write_plan(script, plan)
        path = profiled(script, target)
        truths = measured(script, target, plan, arms(plan, profiles.asked(path)[0]))
        return heard(target.name, plan, truths, path, own[target.name]["findings"]) | here()


def arms(plan, findings):
    """Name -> the plan with a cure applied: as advised, and other cures for the same plant."""
    plant = plan["plant"]
    if plant == "none":
        return {}
    if plant not in NEEDS_LOADER:
        return {"cured": {**plan, **CURES.get(plant, REMOVED)}}
    told = told_of(findings, PLANTS[plant][0])
    fix = (told or {}).get("fix") or {"parameters": {"num_workers": 1, "persistent_workers": True}}
    workers = {**plan, "workers": {k: fix["parameters"][k] for k in ("num_workers", "persistent_workers")}}
    cheaper = REMOVED if told and told["rule"] == "collate" else {"severity": plan["severity"] * CHEAPER}
    return {"workers": workers, "cheaper": {**plan, **cheaper}}


def measured(script, target, plan, cures):
    """Cure -> its effect, from runs of all of them in turn, the order turned every other time."""
    times = []
    for number in range(PAIRS if cures else 0):
        order = [("planted", plan), *cures.items()]
        times.append({name: timed(script, target, this) for name, this in (order if number % 2 else order[::-1])})
    return {name: scoring.effect([(each["planted"], each[name]) for each in times]) for name in cures}


def truth_of(truths, told):
    """The effect of the cure that was advised; where nothing was, of the one that a person would try first."""
    if not truths:
        return scoring.effect([(1.0, 1.0)])
    if "cured" in truths:
        return truths["cured"]
    return truths["cheaper" if told and not told["fix"] else "workers"]


def told_of(findings, cause):
    """The first finding about *cause*."""
    return next((f for f in findings if f["cause"] == cause), None)


def heard(name, plan, truths, path, own_findings):
    """The trial's row, by today's rules on the stored run at *path*."""
    evidence = api.evidence(api.load(path))
    findings, failed = profiles.told(evidence)
    row = judged(name, plan, truths, findings, failed, own_findings, naive(evidence, plan["plant"]))
    raw = told_of(profiles.told(evidence, calibrate=False)[0], row["cause"]) if row["said"] else None
    return row | {"run": path.name, "uncalibrated": [raw["low"], raw["high"]] if raw else None}


def again(result):
    """A stored result's trials, judged anew by today's rules on the stored runs."""
    folder = profiles.RUNS / "inject"
    own = {
        name: of_run(folder / name / "runs" / was["run"]) | {"step_s": was["step_s"]}
        for name, was in result["scripts"].items()
    }
    trials = [
        t if "failed" in t
        else {key: t[key] for key in ("cpu", "at", "retaken") if key in t}
        | heard(t["target"], t["plan"], t["truths"], folder / t["target"] / "runs" / t["run"], own[t["target"]]["findings"])
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


def naive(evidence, plant):
    """What a reader of shares would promise: anything up to the share of the phase that the plant lies in."""
    rows = evidence.breakdown or []
    return [0.0, round(sum(row["share"] for row in rows if row["name"] in PLANTS[plant][1]), 4)]


def judged(name, plan, truths, findings, failed, own_findings, phase):
    """The trial as a row: first finding's cause, the forecast for the planted cause, and both scores."""
    cause = PLANTS[plan["plant"]][0]
    own = {(f["rule"], f["title"]) for f in own_findings}
    new = [f for f in findings if (f["rule"], f["title"]) not in own]
    told = told_of(new, cause)
    forecast = [told["low"], told["high"]] if told else list(SILENCE)
    truth = truth_of(truths, told)
    gain = max(0.0, truth["median"])  # what is lost is no saving
    return {
        "target": name, "plan": plan, "cause": cause, "truth": truth, "truths": truths,
        "first": new[0]["rule"] if new else None, "first_cause": new[0]["cause"] if new else "none",
        "said": told is not None, "forecast": forecast, "inside": forecast[0] <= gain <= forecast[1],
        "overlaps": truth["low"] <= forecast[1] and max(0.0, truth["high"]) >= forecast[0],
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
        "overlaps": scoring.share([t["overlaps"] for t in scored]),
        "naive_coverage": scoring.share([max(0.0, t["truth"]["median"]) <= t["naive"][1] for t in scored]),
        "median_width": scoring.middle([t["forecast"][1] - t["forecast"][0] for t in scored]),
        "naive_median_width": scoring.middle([t["naive"][1] - t["naive"][0] for t in scored]),
        "mean_interval_score": mean([t["score"] for t in scored]),
        "naive_mean_interval_score": mean([t["naive_score"] for t in scored]),
        "how": f"interval score at the {1 - scoring.ALPHA:.0%} level, lower is better; naive: from 0 to the share of the phase; "
               f"silence counts as {SILENCE[0]:.0%} to {SILENCE[1]:.0%}; effects below {scoring.MATTERS:.0%} count as none",
        **({} if any(is_held_out(t) for t in good) else {"margins": margins([*good, *earlier()])}), "scripts": own, "trials": trials,
    }  # fmt: skip


def is_held_out(t):
    """Whether a trial's script is one of those that nothing is fitted to."""
    return t["target"].partition("@")[0] in {target.name for target in public.TARGETS if target.held_out}


def earlier():
    """Trials that are told of in results/zoo_inject_earlier.json."""
    return json.loads(EARLIER.read_text(encoding="utf-8"))["trials"] if EARLIER.exists() else []


def margins(trials):
    """Quantiles of the misses below and above the uncalibrated intervals, in units of ``calibration.scale``: split conformal,
    MISSED of the truths outside at either end. A truth is outside by as much as its whole measured range is.
    """
    below, above = [], []
    for t in trials:
        if t.get("uncalibrated"):
            low, high = t["uncalibrated"]
            unit = calibration.scale(Interval(low=low, high=high))
            below.append((low - max(0.0, t["truth"]["high"])) / unit)
            above.append((max(0.0, t["truth"]["low"]) - high) / unit)
    return {"count": len(below), "below": scoring.conformal(below, MISSED), "above": scoring.conformal(above, MISSED)}


def mean(values):
    return sum(values) / len(values) if values else None


def brief(t):
    if "failed" in t:
        return f"{t['target']} {t['plan']['plant']}: FAILED {t['failed'][-300:]}"
    low, high = t["forecast"]
    cures = ", ".join(f"{name} {effect['median']:.1%}" for name, effect in t["truths"].items()) or "nothing"
    return (f"{t['target']} {t['plan']['plant']} at {t['plan']['severity']}: back by {cures}, first {t['first'] or 'nothing'} "
            f"({t['first_cause']}), forecast {low:.0%}–{high:.0%}, naive up to {t['naive'][1]:.0%}")  # fmt: skip
