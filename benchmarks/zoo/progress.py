"""How fast a script gets on, told from outside: when each line that it prints of its progress arrives.

Nothing is added to the script and nothing of perfkit is in its process. Two versions of it print the same lines about the same
steps, so the time from one of these lines to a later one compares like with like, the start and the first of them left out.
"""

import os
import signal
import subprocess
import threading
import time
from contextlib import suppress

from . import running

SETTLE = 0.25  # of the lines that all runs have, at the beginning, are not timed
LEAST_LINES = 4
PATIENCE = 4  # times as long may a run take that has told less often than that
LOOK_S = 0.25


def arrivals(words, pattern, home, environment, limit_s, cores=2):
    """Seconds since the start at which each line of stdout that holds *pattern* came; the script is ended *limit_s*
    after the first of them (what it does once before is not to eat the time), or as soon after that as it has told often enough.

    Raises ScriptFailedError when it fails by itself.
    """
    started = time.perf_counter()
    process = subprocess.Popen(
        words, cwd=home, env=environment | {"PYTHONUNBUFFERED": "1"}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, errors="replace", preexec_fn=running.on_cores(cores), start_new_session=True,
    )  # fmt: skip
    found, last, ended, over = [], "", threading.Event(), threading.Event()
    clock = threading.Thread(target=_mind, args=(process, found, started, limit_s, ended, over))
    clock.start()
    try:
        for line in process.stdout:
            if pattern.search(line):
                found.append(time.perf_counter() - started)
            last = line if line.strip() else last
        failed = process.wait() and not ended.is_set()
    finally:
        over.set()
        clock.join()
        _end(process)
        process.stdout.close()
    if failed:
        raise running.ScriptFailedError(f"{words}: exit code {process.returncode}: {last.strip()[-300:]}")
    return found


def _mind(process, found, started, limit_s, ended, over):
    """Ends the script when its time is over."""
    while not over.wait(LOOK_S):
        since_s = time.perf_counter() - started - (found[0] if found else 0.0)
        if since_s > PATIENCE * limit_s or (len(found) >= LEAST_LINES and since_s > limit_s):
            ended.set()
            _end(process)
            return


def _end(process):
    """The script and what it started, unless it is over."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def spans(runs):
    """Of runs of the same script (their lines' arrivals): the seconds that each took from one line to another, the same two for all.

    Raises ScriptFailedError when one of them has too few lines.
    """
    lines = _common(runs)
    first = min(round(lines * SETTLE), lines - 2)
    return [run[lines - 1] - run[first] for run in runs]


def from_start(runs):
    """The seconds that each took from its start to the last line that all have: with whatever it does once, and raises as `spans`."""
    lines = _common(runs)
    return [run[lines - 1] for run in runs]


def _common(runs):
    lines = min(len(run) for run in runs)
    if lines < LEAST_LINES:
        raise running.ScriptFailedError(f"told of its progress {lines} times in the time it had")
    return lines
