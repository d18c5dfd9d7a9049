"""Records pairs of fresh processes, as the gate runs them and as others do."""

import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path

from machine import here

from perfkit.bench.gate import pairs, selftest
from perfkit.bench.session import Plan

from .samples import SIDES

# Of processes that do not take turns: single calls, as pytest-benchmark times them. A block takes at least one call, so this is one.
CALLS = Plan(block_s=1e-9, blocks=100)
TIMEOUT_S = 600.0
# Looks after its parent from time to time, so that nothing is left spinning when that was killed.
SPIN = "import os\nwhile os.getppid() == {parent}:\n    for _ in range(10**6): pass"


def recorded(cases, number, way, condition):
    """One round: seconds [side][case][sample], settled [side][case], and what is told of it. Raises RuntimeError where a process failed."""
    began, load = time.monotonic(), os.getloadavg()[0]
    order = SIDES if number % 2 == 0 else SIDES[::-1]
    with tempfile.TemporaryDirectory(prefix="perfkit-gate-") as place, neighbour(condition):
        base, head, names = selftest.planted(cases, Path(place))
        sides = [{"base": base, "head": head}[name] for name in order]
        run = in_turns if way == "turns" else one_by_one
        ran = run(sides, names, Path(place, "pair"))
    rows = [[row(ran[side], name) for name in names] for side in SIDES]
    told = {
        "order": " ".join(order),
        "load_average": round(load, 2),
        "seconds": round(time.monotonic() - began, 1),
        **here(),
    }
    return (
        [[each["blocks_s"] for each in side] for side in rows],
        [[each["settled"] for each in side] for side in rows],
        told,
    )


def in_turns(sides, names, place):
    """As `perfkit bench --base` runs a pair."""
    return pairs.run(sides, [selftest.FILE], names, selftest.PLAN, place=place, timeout_s=TIMEOUT_S)


def one_by_one(sides, names, place):
    """A whole process, then a whole process of the other side."""
    asked = pairs.asked(names, CALLS)
    return {
        side.name: pairs.alone(side, place / side.name, [selftest.FILE], asked, timeout_s=TIMEOUT_S) for side in sides
    }


def row(ran, name):
    if name not in ran.benchmarks:
        raise RuntimeError(f"{name}: {ran.problems.get(name) or ran.said[-500:]}")
    return ran.benchmarks[name]


def neighbour(condition):
    """Something else that keeps one core busy, where the machine is to be loaded."""
    return busy(min(os.sched_getaffinity(0))) if condition == "loaded" else nullcontext()


@contextmanager
def busy(core):
    """Keep *core* busy with a process of its own; what is measured runs on whatever core it is given."""
    spinning = [sys.executable, "-c", SPIN.format(parent=os.getpid())]
    with subprocess.Popen(spinning, preexec_fn=partial(os.sched_setaffinity, 0, {core})) as process:
        try:
            yield process
        finally:
            process.kill()
