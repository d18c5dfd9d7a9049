"""Runs one trial in a process of its own: drive_trial.py OUTCOME ROOT WAY LIMITS-JSON OPTIONS-JSON SCRIPT ARG…"""

import json
import os
import sys
from pathlib import Path

from perfkit.launch import trial
from perfkit.launch.request import Request
from perfkit.launch.sandbox.place import choose
from perfkit.launch.stdin import Stdin


def main() -> int:
    outcome_file, root, way, limits, options, script, *args = sys.argv[1:]
    request = Request(
        kind="script",
        target=script,
        args=tuple(args),
        results_root=Path(root),
        stacks=False,
        options=json.loads(options),
    )
    Path(root).mkdir(exist_ok=True)
    method = choose([Path.cwd()], ways=(way,))
    stdin = Stdin.capture(Path(root))
    Path(outcome_file + ".pid").write_text(str(os.getpid()))
    found = []
    for _ in range(json.loads(limits).pop("times", 1)):
        bounds = {key: value for key, value in json.loads(limits).items() if key != "times"}
        told = trial.run(request, limits=trial.Limits(**bounds), stdin=stdin, method=method)
        found.append(vars(told) | {"run": str(told.run), "method": told.method.way, "outcome": told.outcome.status})
        Path(outcome_file).write_text(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
