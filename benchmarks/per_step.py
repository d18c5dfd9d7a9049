"""What perfkit adds to one step, measured inside one process: blocks of steps with the probes armed and not, in turn.

Between processes plain against plain already differs by several per cent, so the difference is taken between
neighbouring blocks of the same process. The A/A control runs the same scheme with nothing armed in either block.

    python benchmarks/per_step.py tiny --blocks 60
"""

import argparse
import importlib
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "workloads"))

import common
import torch

from perfkit.inside.boot import ImportWatch, alias

# Steps after each change that are not counted, and for how long: discovery of the model ends within them, and a session
# looks ten times a second whether its steps are short enough for sparse marks.
SETTLE, SETTLE_S = 30, 0.15
GROUP = 8  # steps are timed in groups: of short ones perfkit marks every eighth in full


class Toggle:
    """Arms and disarms the guest of this process."""

    def __init__(self, options):
        self.session_module = alias()
        self.watch = ImportWatch()
        self.folder = tempfile.TemporaryDirectory(prefix="perfkit-per-step-")  # goes when the process does
        self.session = self.session_module.arm(self.folder.name, options, self.watch)

    def on(self):
        from _perfkit.inside.probes import _torch

        if not self.session.undo:
            _torch.arm(self.session, self.watch)

    def off(self):
        self.session.disarm()


def block(step, source, count):
    """Time of a step in seconds: the median over groups of successive steps, *count* steps in all."""
    clock, times = time.perf_counter, []
    settled = clock() + SETTLE_S
    for _ in range(SETTLE):
        step(next(source))
    while clock() < settled:
        step(next(source))
    before = clock()
    for _ in range(count // GROUP):
        for _ in range(GROUP):
            step(next(source))
        after = clock()
        times.append((after - before) / GROUP)
        before = after
    return statistics.median(times)


def compare(step, source, count, blocks, set_a, set_b):
    """Paired differences b - a in seconds, and the medians of a."""
    differences, plain = [], []
    for number in range(blocks):
        first, second = (set_a, set_b) if number % 2 == 0 else (set_b, set_a)
        first()
        one = block(step, source, count)
        second()
        two = block(step, source, count)
        a, b = (one, two) if number % 2 == 0 else (two, one)
        differences.append(b - a)
        plain.append(a)
    return differences, statistics.median(plain)


def summary(differences, plain):
    middle = statistics.median(differences)
    quartiles = statistics.quantiles(differences, n=4)
    half = 1.57 * (quartiles[2] - quartiles[0]) / len(differences) ** 0.5  # McGill, Tukey & Larsen 1978
    return {
        "added_us": middle * 1e6, "added_low_us": (middle - half) * 1e6, "added_high_us": (middle + half) * 1e6,
        "step_us": plain * 1e6, "added_share": middle / plain, "pairs": len(differences),
    }  # fmt: skip


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("workload")
    parser.add_argument("--blocks", type=int, default=40)
    parser.add_argument("--steps", type=int, default=200, help="steps per block")
    args = parser.parse_args()
    step, loader, _ = importlib.import_module(args.workload).make()
    source = common.batches(loader)
    for _ in range(50):
        step(next(source))
    nothing = lambda: None  # noqa: E731
    control = summary(*compare(step, source, args.steps, args.blocks, nothing, nothing))
    toggle = Toggle("no_trace=1")
    before = summary(*compare(step, source, args.steps, args.blocks, toggle.off, toggle.on))
    toggle.on()
    window = toggle.session.window
    window.barred = None
    while window.count < 2:
        step(next(source))
    window.barred = "measured now"
    after = summary(*compare(step, source, args.steps, args.blocks, toggle.off, toggle.on))
    failed = dict(toggle.session.failed)
    print(json.dumps({"workload": args.workload, "torch": str(torch.__version__), "control": control,
                      "before_window": before, "after_window": after, "probe_failures": failed}))  # fmt: skip


if __name__ == "__main__":
    main()
