"""The samplers as a process of their own: ``python -m perfkit.launch.watch --pid P --run DIR``.

For a recording that was begun in code (`perfkit.profile()`) or attached to a running process. It ends when
it is told to (``control/stop``, or SIGTERM) or when the process ends, and writes its collectors into
run.json.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from pathlib import Path

from ..errors import PerfkitError, RunError
from ..runs import layout
from ..runs.reader import read_info
from . import handshake, procfs
from .child import TICK_S
from .infofile import InfoFile
from .session import Session
from .signals import collect

STOP = "stop"  # in control/: asks the watcher to end
READY = "watching"  # in control/: the watcher is at work
_ASKED = frozenset((signal.SIGTERM, signal.SIGINT, signal.SIGHUP))


def watch(pid: int, run: Path, *, stacks: bool = True, traced: bool = True) -> None:
    """Sample the tree under *pid* into *run* until told to stop or it ends. Raises RunError when it is not
    there.
    """
    process = _Watched(pid)
    signal.pthread_sigmask(signal.SIG_BLOCK, _ASKED)
    session = Session(run, pid, stacks=stacks, traced=traced)
    session.start()
    control = run / layout.CONTROL
    _say(control / READY)
    while process.lives() and not (control / STOP).exists():
        if collect(_ASKED, TICK_S) is not None:
            break
        session.tick()
    collectors = session.finish(None)
    for name in (READY, STOP):
        (control / name).unlink(missing_ok=True)
    info = InfoFile(run, read_info(run))
    info.update(collectors=[*collectors, *handshake.collectors(run, [])])
    if not process.lives() and info.info.status == "running":
        # Nobody is left to say how it ended; the process is not our child, so its exit code is not to be had.
        info.update(status="killed", ended_monotonic_ns=time.monotonic_ns())


def _say(ready: Path) -> None:
    """Whoever sees the file finds our number in it."""
    scratch = ready.with_suffix(".tmp")
    scratch.write_text(f"{os.getpid()}\n", encoding="ascii")
    scratch.replace(ready)


class _Watched:
    """A process that is not ours to wait for, told from a later one with the same number by its start."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        found = procfs.read_stat(pid)
        if found is None:
            raise RunError(f"process {pid}: there is none, so there is nothing to watch")
        self._start = found.start_ticks

    def lives(self) -> bool:
        now = procfs.read_stat(self._pid)
        return now is not None and now.start_ticks == self._start and now.state not in {"Z", "X"}


def main(argv: list[str] | None = None) -> int:
    """Parse and watch; 1 with one line on stderr when that cannot be."""
    parser = argparse.ArgumentParser(prog="python -m perfkit.launch.watch", description="Watch a running process.")
    parser.add_argument("--pid", type=int, required=True, help="the process whose tree is sampled")
    parser.add_argument("--run", type=Path, required=True, help="the run's directory")
    parser.add_argument("--no-stacks", action="store_true", help="take no samples of Python stacks")
    parser.add_argument("--no-trace", action="store_true", help="no trace window is to be waited for")
    given = parser.parse_args(argv)
    try:
        watch(given.pid, given.run, stacks=not given.no_stacks, traced=not given.no_trace)
    except (PerfkitError, OSError) as error:
        sys.stderr.write(f"perfkit: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
