"""What one script saves against another, both in turns: one runs and the other is stopped, a tenth of a second each.

Processes that run one after the other differ by 10 % and more on a shared machine, whatever they are. In turns both see the same
machine. The clock is perfkit's own, as in `perfkit tune` (benchmarks/accuracy.py holds it against the scripts'); no fix is applied here.

    python -m zoo.turns ROUNDS '["plain.py", "--work", "19"]' '["other.py"]'     (in benchmarks/)
"""

import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path

from perfkit.advise.evidence import Evidence
from perfkit.launch import relay, trial
from perfkit.launch.request import Request
from perfkit.launch.stdin import Stdin
from perfkit.runs.reader import Run
from perfkit.tune import figures, plan, rounds
from perfkit.tune.trial import BASELINE, judged

from . import running, scoring

TIME_LIMIT_S = 1800
OTHER = "other"
#: Of the run that says how long steps and epochs are.
FIRST = {"steps": 48, "steady_s": 2.0, "seconds": 120.0, "wall_s": 240.0}
LIMITS = {"steps": 1, "seconds": 200.0, "wall_s": 300.0}


def effect(plain, other, number, *, cores, threads):
    """What *other* saves against *plain*, both ``[script, argument, …]``: `scoring.effect`'s row, over so many rounds of fresh
    processes. Raises ScriptFailedError.
    """
    words = [sys.executable, "-m", "zoo.turns", str(number), json.dumps(plain), json.dumps(other)]
    done = subprocess.run(
        words, capture_output=True, text=True, cwd=Path(__file__).resolve().parents[1], timeout=TIME_LIMIT_S,
        env=running.environment(threads), preexec_fn=running.on_cores(cores),
    )  # fmt: skip
    if done.returncode:
        raise running.ScriptFailedError(f"{words}: {done.stderr.strip()[-500:]}")
    return json.loads(done.stdout)


def main(number, plain, other):
    with tempfile.TemporaryDirectory(prefix="perfkit-turns-") as folder:
        requests = {arm: _request(words, folder) for arm, words in ((BASELINE, plain), (OTHER, other))}
        found = _measured(requests, int(number))
    pairs = [(1.0, math.exp(value)) for value in found]
    return scoring.effect(pairs) | {"how": "in turns", "each": [round(1 - ratio, 4) for _, ratio in pairs]}


def _request(words, folder):
    script, *args = words
    return Request(kind="script", target=script, args=tuple(args), results_root=Path(folder), stacks=False)


def _measured(requests, number):
    """Log of the ratio of times per sample in each round."""
    method = trial.method_for(requests[BASELINE])
    legs = _legs(requests[BASELINE], method)
    limits = trial.Limits(legs=legs.count, leg_steps=legs.steps, leg_s=legs.seconds, **LIMITS)
    found = []
    for turn in range(number):
        arms = list(requests) if turn % 2 == 0 else list(requests)[::-1]
        orders = [
            relay.Order(request=requests[arm], limits=limits, stdin=Stdin.nothing(), method=method) for arm in arms
        ]
        runs = dict(zip(arms, relay.run(orders), strict=True))
        made = {arm: [judged(run.trial.run, arm, turn, run.trial.exit_code, run.wall_s)] for arm, run in runs.items()}
        for arm, (each,) in made.items():
            if each.state != "measured":
                raise SystemExit(f"{arm}: {each.reason}")
        values = {each.arm: each.value for each in rounds.observations(made)}
        found.append(values[OTHER] - values[BASELINE])
    return found


def _legs(request, method):
    """How long the legs are: as `perfkit tune` would have them."""
    first = trial.run(request, limits=trial.Limits(**FIRST), stdin=Stdin.nothing(), method=method)
    evidence = Evidence(Run(first.run))
    read = figures.read(evidence)
    if read.step_s is None:
        raise SystemExit(f"{request.target}: {read.problem}")
    legs = plan.legs(read.startup_s or 1.0, read.step_s, figures.epoch_batches(evidence))
    if legs is None:
        raise SystemExit(f"{request.target}: its steps are too long to take turns")
    return legs


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3]))))
