"""What perfkit costs a Keras script, beside TensorFlow's own ways to profile it.

    python benchmarks/overhead_keras.py              everything, writes results/overhead_keras.json
    python benchmarks/overhead_keras.py --rounds 2 --output -

Two measurements of workloads/keras_fit.py, at widths whose steps take some 1, 7 and 30 ms. *Per step*: within one process the marks are switched off
and on by steps (off, on, on, off), and with a control that switches nothing. *Whole processes*: the plain script, and it under perfkit, with Keras' TensorBoard
callback (``profile_batch`` of five steps), and with tf.profiler on for all of its run, in turn; each against the plain runs before and after it.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import overhead
from machine import spread, write

from perfkit.stats.robust import median_interval

SCRIPT = Path(__file__).resolve().parent / "workloads" / "keras_fit.py"
WIDTHS = {"short": 64, "medium": 768, "long": 2048}
STEPS = {"short": 6400, "medium": 2400, "long": 960}
TOOLS = ("perfkit", "TensorBoard callback", "tf.profiler, whole run")
WITHIN = 1.01


def command(tool, script, steps, folder):
    """As overhead.command; *script* is a width here."""
    own = [str(SCRIPT), "--steps", str(steps), "--width", str(script)]
    match tool:
        case "plain":
            return [sys.executable, *own]
        case "perfkit":
            return [sys.executable, "-m", "perfkit", "profile", "--results-dir", str(folder), "-q", *own]
        case "TensorBoard callback":
            return [sys.executable, *own, "--tensorboard", str(folder / "tb")]
        case "tf.profiler, whole run":
            return [sys.executable, *own, "--profiler", str(folder / "tf")]
    raise ValueError(tool)


def per_step(width, steps, processes):
    """Added seconds of a step with the marks on: pairs of neighbouring steps, over processes."""
    marked, control = [], []
    for _ in range(processes):
        for turns, kept in ((True, marked), (False, control)):
            with tempfile.TemporaryDirectory() as folder:
                words = [
                    sys.executable,
                    "-m",
                    "perfkit",
                    "profile",
                    "-q",
                    "--no-trace",
                    "--no-stacks",
                    "--results-dir",
                    folder,
                ]
                own = [str(SCRIPT), "--steps", str(steps), "--width", str(width), "--turns" if turns else "--control"]
                done = subprocess.run([*words, *own], capture_output=True, text=True, check=True, timeout=900)
            said = [line for line in done.stdout.splitlines() if line.startswith('{"steps"')][-1]
            kept += json.loads(said)["pairs_s"]
    plain = statistics.median(off for off, _ in marked)
    return {"plain_step_s": plain, "marks": summary(marked), "control": summary(control)}


def summary(found):
    ratios, added = [on / off for off, on in found], [on - off for off, on in found]
    low, high = median_interval(ratios)
    return {
        "ratio": statistics.median(ratios), "ratio_interval": [low, high],
        "added_s": statistics.median(added), "pairs": len(found),
    }  # fmt: skip


def whole(width, steps, rounds):
    found, plain = {tool: [] for tool in TOOLS}, []
    before = run("plain", width, steps)
    for number in range(rounds):
        for tool in TOOLS if number % 2 == 0 else reversed(TOOLS):
            this, after = run(tool, width, steps), run("plain", width, steps)
            found[tool].append((this, [before, after]))
            plain.append(after)
            before = after
    table = {tool: overhead.summarise(kept) for tool, kept in found.items()}
    table["plain"] = {"wall_s": spread([r["wall_s"] for r in plain]), "step_s": spread([r["median_s"] for r in plain])}
    return table


def run(tool, width, steps):
    with tempfile.TemporaryDirectory(prefix="perfkit-overhead-") as name:
        started = time.perf_counter()
        words = command(tool, width, steps, Path(name))
        done = subprocess.run(words, capture_output=True, text=True, cwd=name, timeout=900)
        wall = time.perf_counter() - started
        said = [line for line in done.stdout.splitlines() if line.startswith('{"steps"')]
        if done.returncode != 0 or not said:
            return {"failed": (done.stderr.strip().splitlines() or ["no output"])[-1][:300]}
        return {"wall_s": wall, **json.loads(said[-1])}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=WIDTHS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--output", default="results")
    options = parser.parse_args()
    found = {}
    for name in options.only or WIDTHS:
        steps = STEPS[name]
        found[name] = {
            "per_step": per_step(WIDTHS[name], steps, options.processes),
            "processes": whole(WIDTHS[name], steps, options.rounds),
        }
        print(f"{name}: {json.dumps(found[name]['per_step'])}", file=sys.stderr, flush=True)
    result = {"made_by": "benchmarks/overhead_keras.py", "to_reach": WITHIN, "workloads": found}
    if options.output == "-":
        print(json.dumps(result, indent=1))
    else:
        write("overhead_keras", result)


if __name__ == "__main__":
    main()
