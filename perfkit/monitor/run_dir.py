"""Where what a ModelMonitor knows is recorded: the run that this process is part of, or one of its own."""

from __future__ import annotations

import os
import sys
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

from ..launch import command, environment, rundir
from ..launch.infofile import InfoFile, first_info
from ..launch.request import Request
from ..model.records import Status
from ..runs.settings import results_root


@dataclass
class Home:
    """The run's directory. ``info`` is None where the run is somebody else's (`perfkit profile`, `perfkit monitor run`)."""

    path: Path
    info: InfoFile | None

    def ended(self, status: Status) -> None:
        """Say how the run ended, where it is ours."""
        if self.info is not None:
            self.info.update(status=status, ended_monotonic_ns=time.monotonic_ns())
            rundir.free_reserve(self.path)


def home(results_dir: str | Path | None) -> Home | None:
    """The directory of the run that records this process, else a new one below *results_dir* (or where the settings say). None, with a
    RuntimeWarning, where none can be made.
    """
    supervised = os.environ.get(environment.RUN_VARIABLE)
    if supervised:
        return Home(Path(supervised), None)
    root = results_root(results_dir).path
    request = Request(kind="script", target=sys.argv[0] or "python", args=tuple(sys.argv[1:]), results_root=root)
    try:
        run = rundir.make(root, command.display_name(request))
        info = InfoFile(run, first_info(
            request, run, started_monotonic_ns=time.monotonic_ns(), started_realtime_ns=time.time_ns(), pid=os.getpid(),
            supervisor_pid=os.getpid(),  # perfkit lives in the process itself
            python={"executable": sys.executable, "reason": "the process that watched its model"},
            options={"kind": "monitor"}, origin={"kind": "monitor"},
        ))  # fmt: skip
    except OSError as error:
        warnings.warn(f"perfkit cannot record into {root}: {error}", RuntimeWarning, stacklevel=4)
        return None
    return Home(run, info)
