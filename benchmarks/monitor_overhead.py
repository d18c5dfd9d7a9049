"""What `perfkit monitor run` adds to a script, on the reference workloads.

    python benchmarks/monitor_overhead.py                   everything, writes results/monitor_overhead.json
    python benchmarks/monitor_overhead.py --only medium --blocks 6 --output -

Inside the process, by blocks of steps in turn (benchmarks/per_step.py, whose A/A control it shares): *monitored* against nothing armed,
and *stream*, the losses and learning rates alone, against the marks of a profile. Outside: what the watching took of one core in a whole
run of the same workload, as the record itself tells it.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from machine import write

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "workloads"))
# Pairs of blocks, and steps in a block; steps of the whole run.
SIZES = {
    "tiny": (60, 200, 6000),
    "medium": (24, 24, 300),
    "large": (6, 8, 25),
    "compiled": (24, 64, 800),
    "workers": (16, 40, 320),
}


def inside(name, blocks, steps):
    """In this process: {control, monitored, stream}, each as per_step.summary has it."""
    import importlib

    import common
    import per_step

    class Toggle(per_step.Toggle):
        """As per_step's, and the stream on its own."""

        def on(self):
            super().on()
            self.stream_on()

        def stream_on(self):
            from _perfkit.inside import session

            if self.session.stream is None:
                self.session.armed += session._arm_stream(self.session, self.watch)

        def off(self):
            super().off()
            self.session.stream = None

        def marks(self):
            self.off()
            per_step.Toggle.on(self)

    step, loader, _ = importlib.import_module(name).make()
    source = common.batches(loader)
    for _ in range(50):
        step(next(source))
    nothing = lambda: None  # noqa: E731
    control = per_step.summary(*per_step.compare(step, source, steps, blocks, nothing, nothing))
    toggle = Toggle("no_trace=1;stream=1")
    monitored = per_step.summary(*per_step.compare(step, source, steps, blocks, toggle.off, toggle.on))
    stream = per_step.summary(*per_step.compare(step, source, steps, blocks, toggle.marks, toggle.on))
    return {"control": control, "monitored": monitored, "stream": stream, "probe_failures": dict(toggle.session.failed)}


def outside(name, steps):
    """A whole run: what the watching took of a core, and how many points came of how many steps."""
    from perfkit.monitor import record

    with tempfile.TemporaryDirectory(prefix="perfkit-monitor-") as folder:
        words = [sys.executable, "-m", "perfkit", "monitor", "run", "-q", "--results-dir", folder]
        words += [str(HERE / "workloads" / f"{name}.py"), "--steps", str(steps)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=900)
        if done.returncode != 0:
            return {"failed": done.stderr.strip().splitlines()[-1][:300]}
        (run,) = (Path(folder) / "runs").iterdir()
        found = record.read(run)
        (cost,) = [event for event in found.events if event.source == "health:cost"]
        times = found.history.series("perf/step_time_s")
        return {**cost.evidence, "steps": int(times.steps[-1]), "points": len(times),
                "record_bytes": (run / "monitor.jsonl").stat().st_size}  # fmt: skip


def table(workloads):
    """As Markdown."""
    lines = [
        "| workload | plain step | added by monitoring | of that by losses and rates | A/A control | outside, of one core |",
        "|---|---|---|---|---|---|",
    ]
    for name, found in workloads.items():
        inner, outer = found["inside"], found["outside"]
        told = [_added(inner[key]) for key in ("monitored", "stream", "control")]
        share = f"{outer['share_of_core']:.1%}" if "share_of_core" in outer else "fails"
        lines.append(f"| {name} | {inner['control']['step_us'] / 1e3:.3g} ms | " + " | ".join([*told, share]) + " |")
    return "\n".join(lines)


def _added(found):
    half = (found["added_high_us"] - found["added_low_us"]) / 2
    return f"{found['added_us']:+.0f} ± {half:.0f} µs ({found['added_share']:+.2%})"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", choices=SIZES, action="append")
    parser.add_argument("--blocks", type=int, help="pairs of blocks, in the place of the workload's own number")
    parser.add_argument("--output", default="monitor_overhead", help="name in results/, or - for standard output")
    parser.add_argument("--inside", choices=SIZES, help=argparse.SUPPRESS)
    args = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")
    if args.inside:
        blocks, steps, _ = SIZES[args.inside]
        print(json.dumps(inside(args.inside, args.blocks or blocks, steps)))
        return
    workloads = {}
    for name in args.only or SIZES:
        words = [sys.executable, __file__, "--inside", name, *(["--blocks", str(args.blocks)] if args.blocks else [])]
        done = subprocess.run(words, capture_output=True, text=True, timeout=1800)
        if done.returncode != 0:
            sys.exit(done.stderr)
        workloads[name] = {"inside": json.loads(done.stdout.splitlines()[-1]), "outside": outside(name, SIZES[name][2])}
        print(table({name: workloads[name]}).splitlines()[-1], file=sys.stderr, flush=True)
    result = {"threads": 1, "workloads": workloads, "table": table(workloads)}
    if args.output == "-":
        print(json.dumps(result, indent=1))
    else:
        write(args.output, result)


if __name__ == "__main__":
    main()
