"""What the reference workloads share: a loop with a stopwatch of its own. They know nothing of perfkit."""

import argparse
import itertools
import json
import resource
import statistics
import sys
import time


def batches(loader):
    """The loader's batches, epoch after epoch."""
    while True:
        yield from loader


def classifier_step(model, optimizer):
    """A plain training step of a classifier: batch -> loss."""
    from torch.nn.functional import cross_entropy

    def step(batch):
        x, y = batch
        optimizer.zero_grad()
        loss = cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


def main(make, default_steps):
    """Train for --steps steps; print one JSON line with the script's own figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=default_steps)
    parser.add_argument("--times", help="write when each step ended (perf_counter, s) to this file, as JSON")
    args = parser.parse_args()
    step, loader, samples = make()
    times = [time.perf_counter()]
    loss = None
    for number, batch in enumerate(batches(loader)):
        if number == args.steps:
            break
        loss = step(batch)
        times.append(time.perf_counter())
    if args.times:
        with open(args.times, "w") as file:
            json.dump(times, file)
    durations = [after - before for before, after in itertools.pairwise(times)]
    print(json.dumps({
        "steps": len(durations),
        "samples": samples * len(durations),
        "loop_s": times[-1] - times[0],
        "median_s": statistics.median(durations),
        "median_late_s": statistics.median(durations[len(durations) // 2 :]),
        "loss": loss.item(),
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }), file=sys.stdout, flush=True)  # fmt: skip
