"""How right the card is: perfkit's figures of the reference workloads against each workload's own stopwatch.

    python benchmarks/accuracy.py                     all workloads, writes results/accuracy.json
    python benchmarks/accuracy.py tiny --rounds 1 --output -

Every workload runs unchanged under `perfkit profile`, trace window and stack samples included, and writes when each of
its steps ended. The two are compared over the very steps that perfkit counts as steady.
"""

import argparse
import itertools
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from machine import describe

HERE = Path(__file__).resolve().parent
WORKLOADS = {"tiny": 6000, "medium": 400, "large": 50, "compiled": 1000, "workers": 320}
OWN_PARTS = re.compile(r"^(Optimizer|enumerate|Python between)")  # host rows that no module can own


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workloads", nargs="*", default=list(WORKLOADS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", default=str(HERE.parent / "results" / "accuracy.json"))
    options = parser.parse_args()
    result = {
        "schema_version": 1,
        "made_by": "benchmarks/accuracy.py",
        "date": datetime.now(tz=UTC).isoformat(timespec="seconds"),
        "machine": describe(),
        "load_average_at_start": os.getloadavg()[0],
        "what": "perfkit profile with its defaults against the workload's own stopwatch, over the same steady steps; "
        "OMP_NUM_THREADS=1; the worst of the rounds counts",
        "targets": {"median": "within 1 % or 20 µs", "samples_per_s": "within 1 % or 20 µs a step", "other": "≤ 5 %",
                    "with_module": "≥ 80 % of operator time", "share_sum": "1 ± 0.01"},
        "workloads": [measured(name, options.rounds) for name in options.workloads],
    }  # fmt: skip
    text = json.dumps(result, indent=1, ensure_ascii=False) + "\n"
    if options.output == "-":
        print(text)
    else:
        Path(options.output).write_text(text)


def measured(name, rounds):
    """Every round of one workload, and whether all of them reached the targets."""
    made = []
    for number in range(rounds):
        made.append(one_round(name))
        print(f"{name}: round {number + 1}/{rounds}: {made[-1]}", file=sys.stderr)
    return {"workload": name, "reached": {key: all(r["reached"][key] for r in made) for key in made[0]["reached"]},
            "rounds": made}  # fmt: skip


def one_round(name):
    with tempfile.TemporaryDirectory(prefix="perfkit-accuracy-") as folder:
        document, steady, times, own = profiled(name, Path(folder))
    durations = [after - before for before, after in itertools.pairwise(times)]
    counted = [duration for duration, kept in zip(durations, steady, strict=False) if kept]
    return compared(document, own, counted)


def profiled(name, folder):
    """The document, which steps it counts as steady, when each step ended, and what the workload printed."""
    script = HERE / "workloads" / f"{name}.py"
    command = [sys.executable, "-m", "perfkit.cli.main", "profile", "-q", "--results-dir", str(folder / "runs"),
               "--json", str(folder / "card.json"), str(script), "--steps", str(WORKLOADS[name]),
               "--times", str(folder / "times.json")]  # fmt: skip
    environ = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environ, stdout=subprocess.PIPE, text=True, check=True)
    document = json.loads((folder / "card.json").read_text())
    from perfkit.api import evidence, load

    steps = evidence(load(document["run"]["path"])).need("steps")
    times = json.loads((folder / "times.json").read_text())
    return document, steps["steady"].to_list(), times, json.loads(done.stdout.splitlines()[-1])


def compared(document, own, counted):
    steps = document["steps"]
    median, mean = statistics.median(counted), statistics.mean(counted)
    throughput = steps["samples_per_step"] / mean
    shares = {row["name"]: row["share"] for row in document["breakdown"]}
    row = {
        "steps": {"perfkit": steps["count"], "own": own["steps"], "steady": steps["steady_count"]},
        "median_us": {"perfkit": round(steps["median_s"] * 1e6, 2), "own": round(median * 1e6, 2),
                      "difference": round((steps["median_s"] - median) * 1e6, 2)},
        "samples_per_s": {"perfkit": round(steps["samples_per_s"], 2), "own": round(throughput, 2)},
        "samples": {"perfkit": steps["samples_per_step"] * steps["count"], "own": own["samples"]},
        "other_share": round(shares.get("other", 0.0), 4),
        "share_sum": round(sum(shares.values()), 6),
        "run_share_sum": round(sum(r["share"] for r in document["run_breakdown"]), 6),
        "operator_time_with_module": with_module(document["hotspots"]),
        "dilation": document["trace"].get("dilation") if document.get("trace") else None,
    }  # fmt: skip
    step_off = abs(1 / steps["samples_per_s"] - 1 / throughput) * steps["samples_per_step"]
    return row | {"reached": {
        "steps": steps["count"] == own["steps"],
        "samples": row["samples"]["perfkit"] == own["samples"],
        "median": abs(steps["median_s"] - median) <= max(0.01 * median, 20e-6),
        "samples_per_s": step_off <= max(0.01 * mean, 20e-6),
        "other": row["other_share"] <= 0.05,
        "shares": abs(row["share_sum"] - 1) <= 0.01 and abs(row["run_share_sum"] - 1) <= 0.01,
        "with_module": (row["operator_time_with_module"] or 0) >= 0.8,
    }}  # fmt: skip


def with_module(hotspots):
    """Share of the operators' time whose row names a module; None without a trace."""
    operators = [row for row in hotspots if row["kind"] == "operator" and not OWN_PARTS.match(row["name"])]
    total = sum(row["seconds_per_step"] for row in operators)
    return round(sum(r["seconds_per_step"] for r in operators if r["module"]) / total, 4) if total else None


if __name__ == "__main__":
    main()
