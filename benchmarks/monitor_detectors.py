"""Measures the monitor's detectors: false alarms on series without a change, and how soon planted faults are told.

    OMP_NUM_THREADS=1 python benchmarks/monitor_detectors.py [--quick]

Series without a change: independent normal, Student's t with 3 degrees of freedom, autoregressions with 0.5 and 0.9, and the step times
and losses of real trainings of a small network (recorded here, with torch). What the policy "auto" and each chart may raise is asked
for, and held against the exact interval of what they did raise. Beside them: river's detectors as they come, a fixed 3σ rule, and never.
"""

import argparse
import math
import random
import time
from itertools import pairwise
from statistics import median

import numpy as np
from machine import write
from scipy.signal import lfilter

from perfkit.model.monitoring import Point
from perfkit.monitor.detect import contenders, evaluate, stages
from perfkit.monitor.detect.expectation import Against, function
from perfkit.monitor.detect.policy import TIMES, Plan, plan
from perfkit.monitor.detect.watch import Watch
from perfkit.stats.changepoint import change_points

LENGTH = 1100  # a reference of 100 and 1,000 that are judged
AT = 600  # where faults begin in real series
STEP, LOSS, DATA, MEMORY = "perf/step_time_s", "train/loss", "perf/data_time_s", "system/host_memory_bytes"
MIB = 2**20


def autoregressive(phi):
    def make(seed, length):
        noise = np.random.default_rng(seed).standard_normal(length + 200)
        return lfilter([1.0], [1.0, -phi], noise)[200:]

    return make


STATIONARY = {
    "normal": lambda seed, length: np.random.default_rng(seed).standard_normal(length),
    "student_t3": lambda seed, length: np.random.default_rng(seed).standard_t(3, length),
    "ar_0.5": autoregressive(0.5),
    "ar_0.9": autoregressive(0.9),
}
PLAIN = Plan(charts=TIMES, side="up")


def trainings(count):
    """Step times, the same in CPU time (s), and losses of real trainings of a small network on scikit-learn's digits: (count, LENGTH) each.

    CPU time is what the wall time of a step is where no other process takes the core away.
    """
    import torch
    from sklearn.datasets import load_digits

    torch.set_num_threads(1)
    digits = load_digits()
    data = torch.tensor(digits.data / 16, dtype=torch.float32)
    labels = torch.tensor(digits.target)
    times, cpu, losses = (np.zeros((count, LENGTH)) for _ in range(3))
    for run in range(count):
        torch.manual_seed(run)
        model = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for step in range(LENGTH):
            began, spent = time.perf_counter(), time.thread_time()
            batch = torch.randint(0, len(data), (64,))
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(data[batch]), labels[batch])
            loss.backward()
            optimizer.step()
            losses[run, step] = loss.item()
            times[run, step], cpu[run, step] = time.perf_counter() - began, time.thread_time() - spent
    return times, cpu, losses


def false_alarms(quick):
    """Rates by kind of series and detector."""
    found = {}
    for kind, make in STATIONARY.items():
        print(kind, flush=True)
        auto = evaluate.measure(
            [contenders.ours("auto", PLAIN, TIMES, 0.01)], make, runs=100 if quick else 1000, length=LENGTH
        )
        others = [c for c in contenders.contenders(PLAIN, 0.05) if c.name not in ("auto", "never")]
        alone = evaluate.measure(others, make, runs=10 if quick else 60, length=LENGTH)
        found[kind] = evaluate.as_rows(auto, 0.01) + evaluate.as_rows(alone, 0.05)
    return found


def power(quick):
    """Delays on independent normal values and on an autoregression."""
    faults = [evaluate.shift(s) for s in (1, 2, 4)] + [evaluate.drift(3), evaluate.spike(15)]
    found = {}
    for kind in ("normal", "ar_0.5"):
        scores = evaluate.measure(
            contenders.contenders(PLAIN, 0.01),
            STATIONARY[kind],
            runs=1,
            length=LENGTH,
            faults=faults,
            fault_runs=5 if quick else 20,
        )
        found[kind] = [{"detector": row["detector"], "faults": row["faults"]} for row in evaluate.as_rows(scores, 0.01)]
    return found


def kswin(quick):
    """river's KSWIN, of which fewer series must do: it takes its time."""
    scores = evaluate.measure(contenders.rivers(["KSWIN"]), STATIONARY["normal"], runs=1 if quick else 5, length=LENGTH)
    return evaluate.as_rows(scores, None)[0]


def watched(series):
    """Events of a Watch over *series*, values by name, a step at a time, and its time per value."""
    watch, told = Watch(), []
    names = list(series)
    began = time.process_time()
    for step in range(len(series[names[0]])):
        values = {name: float(series[name][step]) for name in names}
        told += watch.observe(Point(values=values, time_ns=step, monotonic_ns=step, step=step))
    spent = time.process_time() - began
    return told, 1e6 * spent / (len(names) * len(series[names[0]]))


def planted(name, runs, kinds, source=""):
    """How soon events of *kinds* (whose source begins with *source*) come after AT, and whether anything came before."""
    delays, early, more = [], 0, []
    for series in runs:
        told, _ = watched(series)
        early += any(event.step < AT for event in told)
        hits = [e.step for e in told if e.step >= AT and e.kind in kinds and e.source.startswith(source)]
        delays += [hits[0] - AT] if hits else []
        more.append(sum(e.step >= AT and e.kind not in ("recovered", "note") for e in told))
    print(f"{name}: {len(delays)}/{len(runs)}, delays {sorted(delays)}", flush=True)
    return {
        "fault": name,
        "found": len(delays) / len(runs),
        "median_delay_steps": median(delays) if delays else None,
        "max_delay_steps": max(delays) if delays else None,
        "events_for_it": {"median": median(more), "max": max(more)},
        "runs_with_an_event_before": early,
        "runs": len(runs),
    }


def from_(values, change):
    made = np.array(values)
    change(made)
    return made


def slower(times, by):
    """Series of step times that take so many times as long from AT on."""
    return [{STEP: from_(t, lambda x: x.__setitem__(slice(AT, None), x[AT:] * by))} for t in times]


def in_watch(wall, times, losses):
    """Faults planted in the series of real trainings, as the Watch tells them with its defaults (1 % in a run of any length)."""

    def ramp(t):
        return from_(t, lambda x: x.__setitem__(slice(AT, None), x[AT:] * np.linspace(1, 1.5, x.size - AT)))

    def put(values, where, what):
        return from_(values, lambda x: x.__setitem__(where, what))

    noise = np.random.default_rng(4)
    memory = [500 * MIB + np.abs(noise.normal(0, 4 * MIB, 3 * LENGTH)) for _ in times]
    leaking = [m + 0.2 * MIB * np.maximum(0, np.arange(m.size) - AT) for m in memory]
    wait = [np.median(t) * 0.1 * np.exp(noise.normal(0, 0.2, LENGTH)) for t in times]
    dead = [put(w, slice(AT, None), w[AT:] * 20) for w in wait]
    rise = np.exp(np.arange(LENGTH - AT) / 25)
    lasting = ("degradation",)
    return [
        *(planted(f"slow step x{by:g}, CPU time", slower(times, by), lasting) for by in (1.2, 1.5, 2.0)),
        *(planted(f"slow step x{by:g}, wall time on a busy core", slower(wall, by), lasting) for by in (1.2, 1.5, 2.0)),
        planted("drift of the step time to x1.5 in 500 steps", [{STEP: ramp(t)} for t in times], lasting),
        planted("loss spike x10, one step", [{LOSS: put(x, AT, 10 * np.median(x[AT - 50 : AT]) + 1)} for x in losses], ("anomaly",)),
        planted("divergence, x e every 25 steps", [{LOSS: put(x, slice(AT, None), x[AT:] * rise)} for x in losses],
                ("degradation", "learning")),
        planted("divergence, told as such", [{LOSS: put(x, slice(AT, None), x[AT:] * rise)} for x in losses], ("learning",)),
        planted("loss is NaN", [{LOSS: put(x, slice(AT, None), math.nan)} for x in losses], ("validity",)),
        planted("leak of 0.2 MiB a step under 4 MiB of noise", [{MEMORY: m} for m in leaking], lasting, "leak"),
        planted("no leak, 4 MiB of noise", [{MEMORY: m} for m in memory], lasting, "leak"),
        planted("dead worker: waiting for data x20", [{STEP: t + d, DATA: d} for t, d in zip(times, dead, strict=True)], lasting),
        dead_worker_named(times, wait, dead),
        planted("nothing, CPU times", [{STEP: t} for t in times], ("degradation", "anomaly")),
        planted("nothing, wall times", [{STEP: t} for t in wall], ("degradation", "anomaly")),
        planted("nothing, losses", [{LOSS: x} for x in losses], ("degradation", "anomaly", "learning")),
    ]  # fmt: skip


def in_made_times(quick):
    """Slow steps planted in made step times: 10 ms with 5 % of log-normal noise, a third of it from the step before, as on a machine of one's own."""
    runs = 8 if quick else 40
    made = [0.01 * np.exp(0.05 * np.sqrt(1 - 0.09) * autoregressive(0.3)(seed, LENGTH)) for seed in range(runs)]

    return [
        *(
            planted(f"slow step x{by:g}, made times", slower(made, by), ("degradation",))
            for by in (1.03, 1.1, 1.2, 1.5, 2.0)
        ),
        planted("nothing, made times", [{STEP: t} for t in made], ("degradation", "anomaly")),
    ]


def dead_worker_named(times, wait, dead):
    named = 0
    for t, d in zip(times, dead, strict=True):
        told, _ = watched({STEP: t + d, DATA: d})
        named += any(e.evidence.get("stage") == DATA and "loader" in e.advice for e in told)
    return {"fault": "dead worker, the stage named with its advice", "found": named / len(times), "runs": len(times)}


def time_step(times):
    """Each training against the one before it: within how many steps a slower step is told, from the first step on."""
    found = []
    for by in (1.0, 1.2, 1.5, 2.0):
        delays, within = [], 0
        for before, now in pairwise(times):
            expected = float(np.median(before[100:]))
            watcher = Against(function(lambda step, expected=expected: expected, before[100:] - expected, "baseline"))
            told = [
                i
                for i, v in enumerate(np.concatenate((now[100:120], now[120:320] * by)))
                if watcher.update(float(v), i)
            ]
            after = [i - 20 for i in told if i >= 20]
            delays += after[:1]
            within += bool(after) and after[0] < 2
        runs = len(times) - 1
        found.append({"factor": by, "told": len(delays) / runs, "within_two_steps": within / runs,
                      "median_delay_steps": median(delays) if delays else None, "runs": runs})  # fmt: skip
    return found


def time_step_quiet(quick):
    """The same on a made series, 3 % of noise, so that the rate is known."""
    found = []
    for by in (1.0, 1.15, 1.2, 1.3, 1.5, 2.0):
        delays, runs = [], 50 if quick else 300
        for seed in range(runs):
            gauss = random.Random(seed).gauss
            before = np.array([math.exp(gauss(0, 0.03)) for _ in range(400)])
            watcher = Against(function(lambda step: 1.0, before - 1.0))
            told = [i for i in range(220) if watcher.update((by if i >= 20 else 1.0) * math.exp(gauss(0, 0.03)), i)]
            delays += [i - 20 for i in told if i >= 20][:1]
        found.append({"factor": by, "noise": 0.03, "told": len(delays) / runs, "within_two_steps": sum(d < 2 for d in delays) / runs,
                      "max_delay_steps": max(delays) if delays else None, "runs": runs})  # fmt: skip
    return found


def stage_costs(quick):
    """Planted costs of three stages, 2 % of noise on the totals, 120 rows."""
    truth = {"load": 0.02, "step": 0.1, "checkpoint": 1.5}
    errors, covered, named, runs = [], 0, 0, 20 if quick else 60
    usual = {"load": 125, "step": 125, "checkpoint": 1.5}
    for seed in range(runs):
        rng = np.random.default_rng(seed)

        def rows(costs, rng=rng):
            amounts = {
                name: rng.integers(*(50, 200) if name != "checkpoint" else (0, 4), 120).astype(float) for name in costs
            }
            return amounts, sum(costs[n] * amounts[n] for n in costs) * np.exp(rng.normal(0, 0.02, 120))

        before, after = stages.solve(*rows(truth)), stages.solve(*rows(truth | {"load": 0.05}))
        errors.append(abs(after["step"].cost / 0.1 - 1))
        errors.append(abs(after["load"].cost / 0.05 - 1))
        covered += (after["step"].low <= 0.1 <= after["step"].high) + (after["load"].low <= 0.05 <= after["load"].high)
        worse = stages.degraded(before, after, usual)
        named += worse is not None and worse.stage == "load"
    return {"relative_error": {"median": median(errors), "p95": float(np.quantile(errors, 0.95)), "max": max(errors)},
            "interval_held_the_truth": covered / (2 * runs), "degraded_stage_named": named / runs, "runs": runs}  # fmt: skip


def offline(quick):
    """Change points: series without one that were cut, at 5 % asked, and steps of 2σ found within 5 values."""
    runs, n, found = (20 if quick else 60), 100, {}
    for kind, make in STATIONARY.items():
        cut = sum(bool(change_points(make(seed, n), false_alarms=0.05)) for seed in range(runs))
        low, high = evaluate.binomial_interval(cut, runs)
        found[kind] = {"asked": 0.05, "rate": cut / runs, "low95": low, "high95": high, "runs": runs, "length": n}
    hits = 0
    for seed in range(runs):
        x = STATIONARY["normal"](seed, n)
        x[60:] += 2
        points = change_points(x, false_alarms=0.05)
        hits += len(points) == 1 and abs(points[0].index - 60) <= 5
    return {"false_alarms": found, "step_of_2_sigma_found_within_5": hits / runs}


def cost(times, losses):
    """Time of Watch.observe per value, over series as long as a short training and longer."""
    rows = []
    for count in (1, 10):
        series = {
            STEP: np.concatenate(times[:count]),
            LOSS: np.concatenate(losses[:1] * count if count == 1 else [losses[0]] * count),
        }
        spent = [watched(series)[1] for _ in range(3 if count == 1 else 1)]
        rows.append(
            {
                "values": 2 * count * LENGTH,
                "us_per_value": {"median": median(spent), "min": min(spent), "max": max(spent)},
            }
        )
    return rows


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="fewer series, nothing written")
    quick = parser.parse_args().quick
    began, cpu = time.time(), time.process_time()
    count = 8 if quick else 16
    times, cpu_times, losses = trainings(count)
    sections = {
        "cost": lambda: cost(list(times), list(losses)),
        "false_alarms": lambda: false_alarms(quick),
        "time_step": lambda: {
            "real_wall": time_step(times), "real_cpu": time_step(cpu_times), "made": time_step_quiet(quick),
        },
        "stages": lambda: stage_costs(quick),
        "faults_in_made_times": lambda: in_made_times(quick),
        "faults_in_real_series": lambda: in_watch(list(times), list(cpu_times), list(losses)),
        "real_series": lambda: {
            "wall_times": real(times, plan(STEP, per_epoch=False, positive=True)),
            "cpu_times": real(cpu_times, plan(STEP, per_epoch=False, positive=True)),
            "losses": real(losses, plan(LOSS, per_epoch=False, positive=True)),
        },
        "change_points": lambda: offline(quick),
        "power": lambda: power(quick),
        "river_kswin": lambda: kswin(quick),
    }  # fmt: skip
    result = {}
    for name, section in sections.items():
        result[name] = section()
        result["took"] = {"wall_s": time.time() - began, "cpu_s": time.process_time() - cpu}
        print(name, result["took"], flush=True)
        if not quick:
            write("monitor_detectors", result)
    if quick:
        print(result)


def real(rows, planned):
    """False alarms on real series, of which nothing says that they are stationary: neighbours on the machine come and go."""
    compared = [
        c
        for c in contenders.contenders(planned, 0.01)
        if c.name in ("auto", "river ADWIN", "river PageHinkley", "fixed 3 sigma", "never")
    ]
    return evaluate.as_rows(
        evaluate.measure(compared, lambda seed, length: rows[seed], runs=len(rows), length=LENGTH), 0.01
    )


if __name__ == "__main__":
    main()
