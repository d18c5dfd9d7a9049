"""Run in the new process before the command: ``python -m perfkit.launch.sandbox.enclose SCRATCH COMMAND…``.

It becomes the command, so that its number, its parent and its signals are the command's.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from . import kernel, landlock, mounts

#: In the scratch folder: how to enclose ({way, passing, working}), and what became of it.
PLAN, REPORT = "plan.json", "enclosed.json"
_NOT_FOUND, _NOT_EXECUTABLE = 127, 126
#: Not a code that a shell or Python gives by itself.
FAILED = 121


def main(words: list[str]) -> int:
    """Enclose and execute; returns only when that cannot be done."""
    scratch, *command = words
    plan = json.loads(Path(scratch, PLAN).read_text(encoding="utf-8"))
    way, passing = plan["way"], plan["passing"]
    # Whatever ends perfkit ends the trial too.
    kernel.prctl(kernel.PR_SET_PDEATHSIG, 9)
    try:
        read_only = mounts.enter(scratch, passing, plan["working"]) if way == "overlay" else []
        if way == "landlock":
            landlock.enclose([scratch, *passing, *mounts.PASSED])
    except OSError as error:
        _report(scratch, failed=f"{error.strerror} ({error.filename or way})")
        return FAILED
    _report(scratch, read_only=read_only)
    try:
        os.execvp(command[0], command)  # noqa: S606 - the user's command is what we are for
    except FileNotFoundError:
        return _NOT_FOUND
    except OSError:
        return _NOT_EXECUTABLE


def _report(scratch: str, **values: object) -> None:
    Path(scratch, REPORT).write_text(json.dumps(values), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
