"""Runs one request under supervision in a process of its own:

drive.py OUTCOME ROOT [--no-stacks] [--no-trace] KIND TARGET ARG…
"""

import json
import os
import sys
from pathlib import Path

from perfkit.launch.request import Request
from perfkit.launch.supervise import profile


def main() -> int:
    outcome_file, root, *words = sys.argv[1:]
    flags = {flag for flag in words[:2] if flag in ("--no-stacks", "--no-trace")}
    kind, target, *args = words[len(flags) :]
    request = Request(
        kind=kind,
        target=target,
        args=tuple(args),
        results_root=Path(root),
        stacks="--no-stacks" not in flags,
        options={"no_trace": True} if "--no-trace" in flags else {},
    )
    Path(outcome_file + ".pid").write_text(str(os.getpid()))
    outcome = profile(request, announce=lambda line: print(f"perfkit: {line}", file=sys.stderr, flush=True))
    told = {"path": outcome.path and str(outcome.path), "unrecorded": outcome.unrecorded, "status": outcome.status}
    Path(outcome_file).write_text(json.dumps(told))
    return outcome.exit_code


if __name__ == "__main__":
    sys.exit(main())
