"""What became of a run: run.json says what perfkit last knew, the processes say what is true now."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..model import marks

if TYPE_CHECKING:
    from ..model.records import RunInfo, Status
    from .reader import Run

# A process that began this much after the run did is another one with the same number. Clock steps stay
# below it.
PID_REUSE_SLACK_S = 5.0


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The run's status now. ``note`` is one clause when run.json alone would mislead."""

    status: Status
    note: str | None = None

    @property
    def running(self) -> bool:
        """Whether the recording may still grow."""
        return self.status == "running"


def outcome(run: Run) -> Outcome:
    """Status of *run* now. A run left at "running" by a perfkit that died is finished or killed, and says
    so.
    """
    info = run.info
    if info.status != "running":
        return Outcome(status=info.status)
    if "bundle" in info.origin:
        return Outcome(status="running", note="still running when it was packed")
    if not _of_this_host(info):
        return Outcome(status="running", note=f"as last seen on {_host_name(info)}")
    if _alive(info.pid, info):
        lone = not _alive(info.supervisor_pid, info)
        return Outcome(status="running", note="perfkit itself was ended, the script goes on" if lone else None)
    if _alive(info.supervisor_pid, info):
        return Outcome(status="running")
    if _ended_by_itself(run):
        return Outcome(status="finished", note="perfkit was ended first, so the exit code is unknown")
    return Outcome(status="killed", note="perfkit was ended too, so the signal is unknown")


def _host_name(info: RunInfo) -> str | None:
    name = info.host.get("hostname") or info.host.get("name")
    return str(name) if name else None


def _of_this_host(info: RunInfo) -> bool:
    name = _host_name(info)
    return name is None or name == socket.gethostname()


def _alive(pid: int | None, info: RunInfo) -> bool:
    import psutil

    if pid is None:
        return False
    try:
        process = psutil.Process(pid)
        started_s = (info.started_realtime_ns or 0) / 1e9
        is_other = bool(started_s) and process.create_time() > started_s + PID_REUSE_SLACK_S
        return not is_other and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True


def _ended_by_itself(run: Run) -> bool:
    """Whether the guest saw the interpreter shut down in the newest recording of every rank."""
    newest = {recording.rank: recording for recording in run.ranks}
    if not newest:
        return False
    return all(_has_exit_mark(recording.marks) for recording in newest.values())


def _has_exit_mark(found: object) -> bool:
    import numpy as np

    words = np.asarray(found)
    ends = words[(words[:, 1] & 0xFF) == marks.END] if len(words) else words
    return bool(len(ends)) and bool(np.isin(ends[:, 2], (marks.END_EXIT, marks.END_TRIAL)).any())
