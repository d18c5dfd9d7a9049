"""What perfkit costs a script, beside its peers, on the reference workloads.

    python benchmarks/overhead.py                     everything, writes results/overhead.json
    python benchmarks/overhead.py --only tiny --rounds 2 --output -

Two measurements. *Whole processes*: the plain script and the same script under each tool, in turn, several rounds; wall time
and the script's own stopwatch as ratios to the plain runs of the same round (the median of the two around it). *Per step*: blocks
of steps within one process with the probes armed and not (benchmarks/per_step.py), before and after a trace window, with an
A/A control, since between processes plain against plain already differs by several per cent. perfkit with --no-trace
shows the memory that it adds before its window.
"""

import argparse
import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import spread, write

HERE = Path(__file__).resolve().parent
WORKLOADS = {"tiny": 6000, "medium": 300, "large": 25, "compiled": 800, "workers": 320}
PER_STEP = {"tiny": (80, 200), "medium": (24, 20), "large": (5, 3), "compiled": (24, 60), "workers": (16, 40)}
PEERS = ("torch.profiler", "scalene", "py-spy", "cProfile")
SCALENE = "scalene==2.4.0"

PROFILER = """
import runpy, sys, torch
script, out = sys.argv[1], sys.argv[2]
sys.argv = [script, *sys.argv[3:]]
sys.path.insert(0, script.rpartition("/")[0])
with torch.profiler.profile() as prof:
    runpy.run_path(script, run_name="__main__")
prof.export_chrome_trace(out)
"""


def command(tool, script, steps, folder):
    """The command line that runs *script* under *tool*; None for a tool that is not installed."""
    python, own = sys.executable, [str(script), "--steps", str(steps)]
    beside = Path(python).parent
    match tool:
        case "plain":
            return [python, *own]
        case "perfkit":
            return [python, "-m", "perfkit", "profile", "--results-dir", str(folder), "-q", *own]
        case "perfkit --no-trace":
            return [python, "-m", "perfkit", "profile", "--results-dir", str(folder), "-q", "--no-trace", *own]
        case "torch.profiler":
            (folder / "prof.py").write_text(PROFILER)
            return [python, str(folder / "prof.py"), str(script), str(folder / "trace.json"), *own[1:]]
        case "scalene":
            return [python, "-m", "scalene", "run", "--cpu-only", "-o", str(folder / "scalene.json"), *own]
        case "py-spy":
            return [str(beside / "py-spy"), "record", "-o", str(folder / "spy.svg"), "--", python, *own]
        case "cProfile":
            return [python, "-m", "cProfile", "-o", str(folder / "cprofile.out"), *own]
    raise ValueError(tool)


def run(tool, script, steps):
    """Wall seconds of the whole command and what the script itself printed, or the reason why there is nothing."""
    with tempfile.TemporaryDirectory(prefix="perfkit-overhead-") as name:
        folder = Path(name)
        started = time.perf_counter()
        done = subprocess.run(
            command(tool, script, steps, folder), capture_output=True, text=True, cwd=folder, timeout=900
        )
        wall = time.perf_counter() - started
        said = [line for line in done.stdout.splitlines() if line.startswith('{"steps"')]
        if done.returncode != 0 or not said:
            return {"failed": (done.stderr.strip().splitlines() or ["no output"])[-1][:300]}
        return {"wall_s": wall, **json.loads(said[-1])}


def whole_processes(script, steps, rounds, peers, peer_rounds):
    """Runs of every tool, each between two plain ones: {tool: {wall_ratio, loop_ratio, step_ratio, added_bytes, …}}."""
    ours = ("perfkit", "perfkit --no-trace")
    found = {tool: [] for tool in (*ours, *peers)}
    plain_runs = []
    run("plain", script, steps)  # warms the page cache
    for number in range(rounds):
        tools = (*ours, *(peers if number < peer_rounds else ()))
        before = run("plain", script, steps)
        plain_runs.append(before)
        for tool in tools if number % 2 == 0 else reversed(tools):
            this = run(tool, script, steps)
            after = run("plain", script, steps)
            plain_runs.append(after)
            found[tool].append((this, [before, after]))
            before = after
    table = {tool: summarise(pairs) for tool, pairs in found.items()}
    walls = [r["wall_s"] for r in plain_runs]
    loops = [r["loop_s"] for r in plain_runs]
    table["plain"] = {
        "wall_s": spread(walls), "loop_s": spread(loops), "step_s": spread([r["median_s"] for r in plain_runs]),
        "peak_bytes": spread([r["peak_bytes"] for r in plain_runs]),
        "neighbouring_ratio": spread([b / a for a, b in itertools.pairwise(walls)]),
    }  # fmt: skip
    return table


def summarise(pairs):
    good = [(this, plain) for this, plain in pairs if "failed" not in this]
    result = {"failed": [this["failed"] for this, _ in pairs if "failed" in this]}
    if not good:
        return result

    def ratios(key):
        return spread([this[key] / statistics.mean(p[key] for p in plain) for this, plain in good])

    def added(key):
        return spread([this[key] - statistics.mean(p[key] for p in plain) for this, plain in good])

    return result | {
        "wall_ratio": ratios("wall_s"), "wall_added_s": added("wall_s"), "loop_ratio": ratios("loop_s"),
        "step_ratio": ratios("median_s"), "late_step_ratio": ratios("median_late_s"),
        "added_bytes": added("peak_bytes"),
        "same_loss": all(this["loss"] == plain[0]["loss"] for this, plain in good),
    }  # fmt: skip


def per_step(name):
    blocks, steps = PER_STEP[name]
    words = [sys.executable, str(HERE / "per_step.py"), name, "--blocks", str(blocks), "--steps", str(steps)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=1800)
    if done.returncode != 0:
        return {"failed": done.stderr.strip().splitlines()[-1]}
    return json.loads(done.stdout.splitlines()[-1])


def table(result):
    """The README's table, as Markdown."""
    lines = [
        "| workload | plain step | added per step, before the window | after it | A/A control "
        "| memory before / by the window | perfkit | torch.profiler | Scalene | py-spy | cProfile |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, found in result["workloads"].items():
        whole, inner = found["whole_processes"], found["per_step"]
        step = whole["plain"]["step_s"]["median"] * 1e3
        added = [_added(inner.get(key)) for key in ("before_window", "after_window", "control")]
        memory = " / ".join(
            f"{whole[tool]['added_bytes']['median'] / 1e6:+.0f} MB" for tool in ("perfkit --no-trace", "perfkit")
        )
        walls = [_wall(whole[tool]) for tool in ("perfkit", *PEERS) if tool in whole]
        lines.append(f"| {name} | {step:.3g} ms | " + " | ".join([*added, memory, *walls]) + " |")
    return "\n".join(lines)


def _added(found):
    if found is None:
        return "–"
    half = (found["added_high_us"] - found["added_low_us"]) / 2
    return f"{found['added_us']:+.0f} ± {half:.0f} µs ({found['added_share']:+.1%})"


def _wall(found):
    return f"{found['wall_ratio']['median']:.2f}×" if "wall_ratio" in found else "fails"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peer-rounds", type=int, default=3, help="rounds in which the peers run too")
    parser.add_argument("--only", choices=WORKLOADS, action="append")
    parser.add_argument("--skip-peers", action="store_true")
    parser.add_argument("--output", default="overhead", help="name in results/, or - for standard output")
    args = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")
    peers = () if args.skip_peers else PEERS
    if peers and shutil.which("scalene", path=str(Path(sys.executable).parent)) is None:
        subprocess.run([sys.executable, "-m", "pip", "install", "-q", SCALENE], check=True)
    result = {"threads": 1, "rounds": args.rounds, "peer_rounds": args.peer_rounds, "workloads": {}}
    for name in args.only or WORKLOADS:
        script = HERE / "workloads" / f"{name}.py"
        result["workloads"][name] = {
            "per_step": per_step(name),
            "whole_processes": whole_processes(script, WORKLOADS[name], args.rounds, peers, args.peer_rounds),
        }
        print(table({"workloads": {name: result["workloads"][name]}}).splitlines()[-1], file=sys.stderr, flush=True)
    result["table"] = table(result)
    if args.output == "-":
        print(json.dumps(result, indent=1))
    else:
        write(args.output, result)


if __name__ == "__main__":
    main()
